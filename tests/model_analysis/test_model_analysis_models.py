"""Real models through the runtime: candidate and baseline, in threads and processes, against scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

import trueline.transform as tlt
from trueline._core.errors import ConfigError, ModelError
from trueline.engine import Dataset, LocalEngine
from trueline.model_analysis import (
    EvalConfig,
    EvalResult,
    GenericChangeThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
    evaluate,
)
from trueline.models import Model, build_model
from trueline.schema import raw_features

FEATURES = ["fare", "miles"]


def trips(rows: int = 4000) -> pa.Table:
    rng = np.random.default_rng(11)
    fare, miles = rng.gamma(3, 5, rows), rng.gamma(2, 2, rows)
    tips = np.clip(fare * (0.12 + 0.05 * np.sin(miles)) + rng.normal(0, 0.4, rows), 0, None)
    return pa.table(
        {
            "fare": fare,
            "miles": miles,
            "tips": pa.array(tips, mask=rng.random(rows) < 0.01),
            "seats": rng.integers(1, 5, rows),
            "company": pa.array(rng.choice(["a", "b", "c"], rows), mask=rng.random(rows) < 0.05),
            "__row__": np.arange(rows),
        }
    )


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "fare": tlt.scale_to_z_score(tlt.fill_missing(inputs["fare"], 0.0)),
        "miles": tlt.scale_to_z_score(tlt.fill_missing(inputs["miles"], 0.0)),
        "big_tipper": inputs["tips"] > 0.12 * inputs["fare"],
        "tip": inputs["tips"],
        "seats": tlt.fill_missing(inputs["seats"], 1),
        "size": tlt.fill_missing(inputs["seats"], 1),
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    table = trips()
    raw = raw_features(table.schema, None)
    output = tlt.analyze(tlt.trace(preprocessing_fn, raw), Dataset.from_table(table))
    batch = pa.Table.from_batches([output.transform(table.combine_chunks().to_batches()[0])])
    x = np.stack([batch[name].to_numpy().astype(np.float32) for name in FEATURES], axis=1)
    known = np.array(table["tips"].is_valid().to_pylist())
    label, tip, seats = (np.array([v or 0 for v in batch[n].to_pylist()]) for n in ("big_tipper", "tip", "seats"))
    label = label.astype(bool)
    folder = tmp_path_factory.mktemp("models")

    def build(name: str, fitted: Any, target: str, **more: Any) -> Model:
        return build_model(
            fitted, uri=str(folder / name), transform=output, label=target, features=FEATURES, sample=table, **more
        )

    trees = HistGradientBoostingClassifier(max_iter=30).fit(x[known], label[known])
    line = LogisticRegression().fit(x[known], label[known])
    return {
        "table": table,
        "x": x[known],
        "label": label[known],
        "tip": tip[known],
        "weight": seats[known].astype(float),
        "company": np.array(table["company"].to_pylist(), dtype=object)[known],
        "known": known,
        "sk": {"trees": trees, "line": line},
        "trees": build("trees", trees, "big_tipper", weight="size"),
        "line": build("line", line, "big_tipper", weight="size"),
        "regression": build("regression", LinearRegression().fit(x[known], tip[known]), "tip"),
        "multi": build("multi", LogisticRegression().fit(x, seats), "seats"),
    }


GATE = MetricThreshold(change_threshold=GenericChangeThreshold(0.0))
CONFIG = EvalConfig(
    [MetricsSpec([MetricConfig("ExampleCount"), MetricConfig("AUC", threshold=GATE), MetricConfig("BinaryAccuracy")])],
    [SlicingSpec(), SlicingSpec(["company"]), SlicingSpec(expression="fare > 20")],
)


def test_values_equal_scikit_learn_on_the_frameworks_own_predictions(built: dict[str, Any]) -> None:
    result = evaluate(built["trees"], Dataset.from_table(built["table"]), CONFIG)
    assert result.task == "binary"
    assert result.measured.missing_labels == int((~built["known"]).sum())
    score = built["sk"]["trees"].predict_proba(built["x"])[:, 1]
    for key, values in result.plain_slicing_metrics:
        rows = built["company"] == key[0][1] if key and key[0][0] == "company" else np.ones(len(score), dtype=bool)
        if key and key[0][1] is None:
            rows = np.array(built["table"]["fare"].to_pylist())[built["known"]] > 20
        y, w = built["label"][rows], built["weight"][rows]
        assert values["example_count"] == w.sum()
        assert values["auc"] == pytest.approx(sk.roc_auc_score(y, score[rows], sample_weight=w), abs=1e-6)
        assert values["binary_accuracy"] == pytest.approx(
            sk.accuracy_score(y, score[rows] > 0.5, sample_weight=w), abs=1e-3
        )
    assert result.validation_result.rubber_stamp


def test_candidate_and_baseline_in_one_pass_with_the_same_bits_everywhere(built: dict[str, Any]) -> None:
    dataset = Dataset.from_table(built["table"], 500)
    results: list[EvalResult] = []
    for shards, workers in ((1, 1), (7, 4)):
        engine = LocalEngine(workers)
        results.append(evaluate(built["line"], dataset.deal(shards), CONFIG, baseline=built["trees"], engine=engine))
    with LocalEngine(2, processes=True) as engine:
        results.append(evaluate(built["line"], dataset.deal(3), CONFIG, baseline=built["trees"], engine=engine))
    assert results[0].measured == results[1].measured == results[2].measured
    verdict = results[0].validation_result
    assert not verdict.ok
    assert {f.metric for f in verdict.failures} == {"auc"}
    assert "Overall" in {f.slice for f in verdict.failures}
    assert evaluate(built["trees"], dataset, CONFIG, baseline=built["line"]).validation_result.ok
    same = evaluate(built["trees"], dataset, CONFIG, baseline=built["trees"])
    assert all(c.value == 0 for s in same.measured.slices for c in s.changes.values())


def test_regression_and_multiclass_models(built: dict[str, Any]) -> None:
    config = EvalConfig([MetricsSpec([MetricConfig("RootMeanSquaredError"), MetricConfig("MeanLabel")])])
    result = evaluate(built["regression"], Dataset.from_table(built["table"]), config)
    guess = LinearRegression().fit(built["x"], built["tip"]).predict(built["x"])
    want = sk.root_mean_squared_error(built["tip"], guess)
    assert result.plain_metrics()["root_mean_squared_error"] == pytest.approx(want, rel=1e-5)
    config = EvalConfig([MetricsSpec([MetricConfig("SparseCategoricalAccuracy"), MetricConfig("LogLoss")])])
    result = evaluate(built["multi"], Dataset.from_table(built["table"]), config)
    table = built["table"]
    scores = built["multi"].predict_proba(table).astype(float)
    want = sk.log_loss(table["seats"].to_pylist(), scores / scores.sum(axis=1, keepdims=True))
    assert result.plain_metrics()["log_loss"] == pytest.approx(want, rel=1e-9)
    accuracy = sk.accuracy_score(table["seats"].to_pylist(), np.array(built["multi"].classes)[scores.argmax(axis=1)])
    assert result.plain_metrics()["sparse_categorical_accuracy"] == pytest.approx(accuracy, rel=1e-12)


def test_a_baseline_of_another_task_and_metrics_of_another_task_are_refused(built: dict[str, Any]) -> None:
    dataset = Dataset.from_table(built["table"])
    with pytest.raises(ModelError, match="the candidate is a binary model, the baseline a regression one"):
        evaluate(built["trees"], dataset, CONFIG, baseline=built["regression"])
    with pytest.raises(ConfigError, match="'AUC' is not defined for a regression model"):
        evaluate(built["regression"], dataset, CONFIG)


def test_a_model_that_changed_on_disk_is_not_measured(built: dict[str, Any], tmp_path: Path) -> None:
    from trueline.model_analysis.sources import load_runtime

    with pytest.raises(ModelError, match="the model changed while it was evaluated"):
        load_runtime(built["trees"].uri, "0" * 64)
