"""Every scalar metric equals its oracle to 1e-9 on real data: census, taxi, penguins, complaints, digits.

Predictions are those of quick models, made worse by hand: weights of 0, missing labels, slices of one row and of one
class are among the rows.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from model_analysis_oracles import BINARY, CLASSES, ERRORS, Oracle, difference_oracles, value_of
from sklearn.linear_model import LinearRegression, LogisticRegression

from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    EvalResult,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.metrics import METRICS, find_metric
from trueline.model_analysis.metrics.record import REQUIRED

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.exists(), reason="the shared data does not lie beside the clone"),
]
Array = np.ndarray[Any, Any]
CLOSE = {"rel": 1e-9, "abs": 1e-9}
ELSEWHERE = {"FixedSizeSample", "Mean", "QueryStatistics", "BooleanFlipRates", "FairnessIndicators"}
"""No number of one's own: samples, columns, queries, and those made of parts; other tests hold them."""


def configured(names: Mapping[str, Any], task: str) -> list[MetricConfig]:
    made = []
    for key in names:
        name, _, kind = key.partition("_")
        metric = find_metric(name, task)
        assert metric is not None, name
        options = {k: 0.7 for k, v in metric.options.items() if v is REQUIRED}
        options |= {("weighting" if name == "CohenKappa" else "average"): kind} if kind else {}
        made.append(MetricConfig(name, {**options, "name": key}))
    return made


def rows_of(table: pa.Table, key: Any) -> Array:
    chosen = np.ones(table.num_rows, dtype=bool)
    for column, value in key:
        of = table[column].to_pylist()
        chosen &= np.array([value in v if isinstance(v, list) else v == value and v is not None for v in of])
    return chosen


def check(result: EvalResult, table: pa.Table, oracles: Mapping[str, Oracle], column: str = "prediction") -> int:
    """Compares every metric of every slice; gives how many were compared."""
    y = table["label"].to_numpy(zero_copy_only=False).astype(float)
    w = table["w"].to_numpy(zero_copy_only=False).astype(float)
    p = np.array(table[column].to_pylist(), dtype=float)
    labelled, compared = ~np.isnan(y), 0
    for found in result.measured.slices:
        own = rows_of(table, found.key) & labelled
        assert found.rows == own.sum(), found.key
        for key, oracle in oracles.items():
            want, got = value_of(oracle, y[own], p[own], w[own]), found.metrics[key]
            if not math.isfinite(want):
                assert got.value is None, (found.key, key, got, want)
                assert got.undefined, (found.key, key)
            else:
                assert got.value == pytest.approx(want, **CLOSE), (found.key, key, got, want)
            compared += 1
    return compared


def texts(column: pd.Series) -> pa.Array:
    return pa.array([v if isinstance(v, str) else None for v in column])


@cache
def adult() -> pa.Table:
    """16,281 census rows with their sampling weights; every 50th weighs nothing, every 70th has no label."""
    names = pd.read_csv(DATA / "adult" / "adult.data", nrows=0, skipinitialspace=True).columns.tolist()
    frames = [pd.read_csv(DATA / "adult" / name, names=names, skiprows=1, skipinitialspace=True, na_values="?",
                          comment="|") for name in ("adult.data", "adult.test")]  # fmt: skip
    numbers = ["age", "education-num", "capital-gain", "hours-per-week"]
    train, held = ((f[numbers].to_numpy(float), f["income"].str.startswith(">50K").to_numpy(float)) for f in frames)
    scale = train[0].std(0)
    model = LogisticRegression(max_iter=200).fit(train[0] / scale, train[1])
    rough = LogisticRegression(max_iter=200).fit(train[0][:, :1] / scale[:1], train[1])
    frame, n = frames[1], len(frames[1])
    place = np.arange(n)
    return pa.table(
        {
            "label": pa.array(held[1], mask=place % 70 == 0),
            "prediction": np.round(model.predict_proba(held[0] / scale)[:, 1], 3),  # with ties
            "base": rough.predict_proba(held[0][:, :1] / scale[:1])[:, 1],
            "w": np.where(place % 50 == 0, 0.0, frame["fnlwgt"].to_numpy(float) / 1e5),
            **{c: texts(frame[c]) for c in ("sex", "race", "native-country")},
        }
    )


def missing_of(task: str, oracles: Mapping[str, Any]) -> set[str]:
    """The metrics of a task that give a number and have no oracle here."""
    named = {key.partition("_")[0] for key in oracles} | ELSEWHERE
    return {
        cls for cls, of in METRICS
        if of == task and cls not in named and not (m := METRICS[cls, of]).query and not m.needs_baseline
        and m.data is None and "ttribution" not in cls and "Plot" not in cls and "Sampler" not in cls
        and not cls.startswith("MultiClassConfusion")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("task", "oracles"), [("binary", BINARY), ("regression", ERRORS), ("ranking", ERRORS), ("multiclass", CLASSES)]
)
def test_every_metric_that_is_a_number_has_an_oracle(task: str, oracles: Mapping[str, Any]) -> None:
    assert missing_of(task, oracles) == set()


def test_census_rows_by_sex_and_race() -> None:
    found = census([SlicingSpec(), SlicingSpec(["sex", "race"])])
    assert len([s for s in found.measured.slices if len(s.key) == 2]) == 10


@pytest.mark.slow
def test_census_rows_by_country() -> None:
    """Forty slices, some of a few rows, of one class, of no weight."""
    found = census([SlicingSpec(["native-country"]), SlicingSpec(["race"])])
    keys = {s.key for s in found.measured.slices}
    assert len(keys) > 40
    assert (("native-country", "Holand-Netherlands"),) not in keys  # a value of the training rows alone


def census(slices: list[SlicingSpec]) -> EvalResult:
    table = adult()
    config = EvalConfig([MetricsSpec(configured(BINARY, "binary"))], slices)
    result = analyze_raw_data(table, config, example_weight_key="w")
    assert result.measured.missing_labels == table["label"].null_count
    assert check(result, table, BINARY) == len(result.measured.slices) * len(BINARY)
    return result


def test_census_rows_of_candidate_and_baseline() -> None:
    table = adult().slice(0, 6000)
    names = list(difference_oracles(*np.zeros((2, 1)), np.ones(1)))
    picked = {k: BINARY[k] for k in ("AUC", "Precision", "Recall", "LogLoss", "BalancedAccuracy")}
    entries = configured(picked, "binary") + [MetricConfig(n, {"name": n}) for n in names]
    options = EvalOptions(compute_confidence_intervals=True)
    config = EvalConfig([MetricsSpec(entries)], [SlicingSpec(), SlicingSpec(["race"])], options)
    result = analyze_raw_data(table, config, example_weight_key="w", baseline_prediction_key="base")
    y = table["label"].to_numpy(zero_copy_only=False)
    p, b, w = (table[c].to_numpy() for c in ("prediction", "base", "w"))
    for found in result.measured.slices:
        own = rows_of(table, found.key) & ~np.isnan(y)
        for name, want in difference_oracles(b[own], p[own], w[own]).items():
            assert found.metrics[name].value == pytest.approx(want, **CLOSE), (found.key, name)
        for name, oracle in picked.items():
            mine, base = (value_of(oracle, y[own], s[own], w[own]) for s in (p, b))
            change = found.changes[name]
            if math.isnan(mine) or math.isnan(base):
                assert change.value is None
                continue
            assert found.baseline[name].value == pytest.approx(base, **CLOSE)
            assert change.value == found.metrics[name].value - found.baseline[name].value
            # both models see the same rows: their difference is never noisier than two independent ones
            errors = found.metrics[name].standard_error, found.baseline[name].standard_error
            if change.standard_error is not None and None not in errors:
                assert change.standard_error <= math.hypot(*errors) * 1.5


def taxi() -> pa.Table:
    frame = pd.read_csv(DATA / "taxi" / "taxi.csv")
    frame = frame[frame["trip_seconds"].notna() & frame["trip_miles"].notna()].head(6000)
    x = frame[["trip_miles", "trip_seconds"]].to_numpy(float)
    fare = frame["fare"].to_numpy(float)
    model = LinearRegression().fit(x[:2000], fare[:2000])
    n = len(frame)
    return pa.table({
        "label": pa.array(fare, mask=np.arange(n) % 41 == 0), "prediction": np.maximum(model.predict(x), 0.25),
        "w": np.where(np.arange(n) % 30 == 0, 0.0, 1 + np.arange(n) % 3), "company": texts(frame["company"]),
        "payment_type": frame["payment_type"].tolist(),
    })  # fmt: skip


def test_taxi_fares_by_company_and_payment() -> None:
    table = taxi()
    slices = [SlicingSpec(), SlicingSpec(["company"]), SlicingSpec(["payment_type"])]
    config = EvalConfig([MetricsSpec(configured(ERRORS, "regression"))], slices)
    result = analyze_raw_data(table, config, example_weight_key="w", task="regression")
    rows = [s.rows for s in result.measured.slices]
    assert min(rows) <= 3  # companies of a handful of trips
    assert check(result, table, ERRORS) == len(rows) * len(ERRORS) > 500


def class_table(y: Array, p: Array, parts: Mapping[str, Any]) -> pa.Table:
    n = len(y)
    weights = np.where(np.arange(n) % 17 == 0, 0.0, 0.5 + np.arange(n) % 4)
    return pa.table({"label": pa.array(y.astype(float), mask=np.arange(n) % 23 == 0), "prediction": p.tolist(),
                     "w": weights, **parts})  # fmt: skip


def penguins() -> pa.Table:
    frame = pd.read_csv(DATA / "penguin" / "penguins_processed.csv")
    x, y = frame.drop(columns="species").to_numpy(float), frame["species"].to_numpy(int)
    p = LogisticRegression(max_iter=300).fit(x[::3], y[::3]).predict_proba(x)
    return class_table(y, p, {"part": [f"s{c}" if i % 4 else None for i, c in enumerate(y)]})  # slices of one class


def complaints() -> pa.Table:
    from sklearn.feature_extraction.text import HashingVectorizer

    frame = pd.read_csv(DATA / "complaints" / "consumer_complaints.csv")
    said = frame.drop(columns=["Product", "Sub-product"]).fillna("").astype(str).agg(" ".join, axis=1)
    x = HashingVectorizer(n_features=512, token_pattern=r"\w+").transform(said)
    classes, y = np.unique(frame["Product"].astype(str), return_inverse=True)
    model = LogisticRegression(max_iter=30).fit(x[::2], y[::2])
    p = np.zeros((len(y), len(classes)))
    p[:, model.classes_] = model.predict_proba(x)
    return class_table(y, p, {"part": texts(frame["State"])})


def digits() -> pa.Table:
    """Pictures and their digits read from the records by their bytes."""
    raw, at = (DATA / "mnist" / "mnist.tfrecord").read_bytes(), 0
    images, labels = [], []
    while at < len(raw):
        (size,) = struct.unpack_from("<Q", raw, at)
        record = raw[at + 12 : at + 12 + size]
        at += size + 16
        start = record.index(b"\n\xc0\x18", record.index(b"image_floats")) + 3
        images.append(np.frombuffer(record[start : start + 3136], np.float32))
        place = record.index(b"\x1a\x03\n\x01", record.index(b"image_class")) + 4
        labels.append(record[place])
    x, y = np.array(images, dtype=float), np.array(labels)
    assert x.shape == (1000, 784)
    assert set(labels) == set(range(10))
    p = LogisticRegression(max_iter=20, C=0.01).fit(x[:400], y[:400]).predict_proba(x)
    return class_table(y, p, {"part": [[int(c) % 3, -1] if c < 7 else [9] for c in y]})  # lists, some of few classes


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("source", [penguins, pytest.param(complaints, marks=pytest.mark.slow), digits])
def test_classes_by_slices(source: Callable[[], pa.Table]) -> None:
    table, oracles = source(), dict(CLASSES)
    if len(table["prediction"][0]) < 5:
        del oracles["SparseTopKCategoricalAccuracy"], oracles["TopKCategoricalAccuracy"]
    config = EvalConfig([MetricsSpec(configured(oracles, "multiclass"))], [SlicingSpec(), SlicingSpec(["part"])])
    result = analyze_raw_data(table, config, example_weight_key="w")
    assert check(result, table, oracles) > 3 * len(oracles)
