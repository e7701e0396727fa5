"""Metrics equal scikit-learn's to 1e-9, with weights, ties, small slices and one-class slices."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings

from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec, SlicingSpec, analyze_raw_data

Array = np.ndarray[Any, Any]
BINARY: dict[str, tuple[str, dict[str, Any], Callable[..., float]]] = {
    "accuracy": ("BinaryAccuracy", {}, lambda y, p, w: sk.accuracy_score(y, p > 0.5, sample_weight=w)),
    "precision": (
        "Precision",
        {},
        lambda y, p, w: sk.precision_score(y, p > 0.5, sample_weight=w, zero_division=np.nan),
    ),
    "recall": ("Recall", {}, lambda y, p, w: sk.recall_score(y, p > 0.5, sample_weight=w, zero_division=np.nan)),
    "f1": ("F1Score", {}, lambda y, p, w: sk.f1_score(y, p > 0.5, sample_weight=w, zero_division=np.nan)),
    "recall_at_02": (
        "Recall",
        {"thresholds": [0.2]},
        lambda y, p, w: sk.recall_score(y, p > 0.2, sample_weight=w, zero_division=np.nan),
    ),
    "matthews": (
        "MatthewsCorrelationCoefficient",
        {},
        lambda y, p, w: sk.matthews_corrcoef(y, p > 0.5, sample_weight=w),
    ),
    "balanced": ("BalancedAccuracy", {}, lambda y, p, w: sk.balanced_accuracy_score(y, p > 0.5, sample_weight=w)),
    "log_loss": ("BinaryCrossentropy", {}, lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=[0, 1])),
    "auc": ("AUC", {}, lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w)),
    "average_precision": (
        "AveragePrecision",
        {},
        lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
    ),
    "brier": ("MeanSquaredError", {}, lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w)),
}
REGRESSION: dict[str, tuple[str, Callable[..., float]]] = {
    "mae": ("MeanAbsoluteError", sk.mean_absolute_error),
    "mse": ("MeanSquaredError", sk.mean_squared_error),
    "rmse": ("RootMeanSquaredError", sk.root_mean_squared_error),
}


def config_of(metrics: dict[str, tuple[Any, ...]], slices: list[SlicingSpec]) -> EvalConfig:
    entries = [MetricConfig(m[0], {**(m[1] if isinstance(m[1], dict) else {}), "name": k}) for k, m in metrics.items()]
    return EvalConfig([MetricsSpec(entries)], slices)


@st.composite
def rows(draw: st.DrawFn, score: st.SearchStrategy[float]) -> tuple[Array, Array, Array, Array]:
    n = draw(st.integers(1, 60))
    label = draw(hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0])))
    prediction = draw(hnp.arrays(np.float64, n, elements=score))
    weight = draw(hnp.arrays(np.float64, n, elements=st.sampled_from([0.25, 1.0, 1.5, 3.0, 0.1])))
    group = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 2)))
    return label, prediction, weight, group


SCORES = st.one_of(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.7, 1.0]), st.floats(0, 1, width=32))


@settings(max_examples=25, deadline=None)
@given(rows(SCORES))
def test_binary_metrics_equal_scikit_learn_on_every_slice(data: tuple[Array, Array, Array, Array]) -> None:
    label, prediction, weight, group = data
    table = pa.table({"label": label, "prediction": prediction, "w": weight, "group": group})
    config = config_of(BINARY, [SlicingSpec(), SlicingSpec(["group"])])
    result = analyze_raw_data(table, config, example_weight_key="w")
    assert len(result.plain_slicing_metrics) == 1 + len(set(group.tolist()))
    for key, values in result.plain_slicing_metrics:
        rows_in = group == key[0][1] if key else np.ones(len(group), dtype=bool)
        y, p, w = label[rows_in], prediction[rows_in], weight[rows_in]
        for name, (_, _, oracle) in BINARY.items():
            compare(name, values[name], oracle, y, p, w)


def compare(name: str, got: Any, oracle: Callable[..., float], y: Array, p: Array, w: Array) -> None:
    one_class = len(set(y.tolist())) == 1
    if name in ("auc", "average_precision", "balanced") and one_class:
        assert "one of the two classes" in got["undefined"]
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = oracle(y, p, w)
    if name in ("precision", "recall", "f1", "recall_at_02") and np.isnan(want):
        assert got["undefined"].startswith("no row is"), (name, got)
    elif name == "matthews" and isinstance(got, dict):
        assert "one class is absent" in got["undefined"]
        assert one_class or len(set((p > 0.5).tolist())) == 1
    else:
        assert got == pytest.approx(want, rel=1e-9, abs=1e-9), name


@settings(max_examples=25, deadline=None)
@given(rows(st.floats(-100, 100, width=32)))
def test_regression_metrics_equal_scikit_learn(data: tuple[Array, Array, Array, Array]) -> None:
    label, prediction, weight, _ = data
    label = label * 7.5 - 3
    table = pa.table({"label": label, "prediction": prediction, "w": weight})
    result = analyze_raw_data(table, config_of(REGRESSION, []), example_weight_key="w", task="regression")
    values = result.plain_metrics()
    for name, (_, oracle) in REGRESSION.items():
        assert values[name] == pytest.approx(oracle(label, prediction, sample_weight=weight), rel=1e-9, abs=1e-9)


def test_squared_correlation_equals_numpy_and_is_undefined_for_a_constant() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.normal(50, 3, 400), rng.normal(50, 3, 400)
    config = EvalConfig([MetricsSpec([MetricConfig("SquaredPearsonCorrelation")])])
    table = pa.table({"label": y, "prediction": p + 0.5 * y})
    value = analyze_raw_data(table, config, task="regression").plain_metrics()["squared_pearson_correlation"]
    assert value == pytest.approx(np.corrcoef(y, p + 0.5 * y)[0, 1] ** 2, rel=1e-9)
    table = pa.table({"label": y, "prediction": np.full(400, 0.1)})
    value = analyze_raw_data(table, config, task="regression").plain_metrics()["squared_pearson_correlation"]
    assert value == {"undefined": "labels or predictions are constant"}


MULTI: dict[str, tuple[str, dict[str, Any]]] = {
    "accuracy": ("SparseCategoricalAccuracy", {}),
    "top2": ("SparseTopKCategoricalAccuracy", {"k": 2}),
    "loss": ("CategoricalCrossentropy", {}),
    **{
        f"{metric}_{average}": (cls, {"average": average})
        for metric, cls in (("precision", "Precision"), ("recall", "Recall"), ("f1", "F1Score"))
        for average in ("macro", "micro", "weighted")
    },
}
PRF = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}


@pytest.mark.parametrize("rows_count", [4, 37, 900])
def test_multiclass_metrics_equal_scikit_learn(rows_count: int) -> None:
    rng = np.random.default_rng(rows_count)
    logits = rng.normal(size=(rows_count, 4))
    label = rng.integers(0, 4, rows_count)
    logits[np.arange(rows_count), label] += 1
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    weight = rng.random(rows_count) + 0.1
    table = pa.table({"label": label, "prediction": pa.array(p.tolist()), "w": weight})
    values = analyze_raw_data(table, config_of(MULTI, []), example_weight_key="w").plain_metrics()
    guess = p.argmax(axis=1)
    want = {
        "accuracy": sk.accuracy_score(label, guess, sample_weight=weight),
        "top2": sk.top_k_accuracy_score(label, p, k=2, sample_weight=weight, labels=range(4)),
        "loss": sk.log_loss(label, p, sample_weight=weight, labels=range(4)),
    }
    for metric, oracle in PRF.items():
        for average in ("macro", "micro", "weighted"):
            want[f"{metric}_{average}"] = oracle(label, guess, average=average, sample_weight=weight, zero_division=0)
    assert set(values) == set(want)
    for name, expected in want.items():
        assert values[name] == pytest.approx(expected, rel=1e-9), name


def test_interpolated_precision_recall_area_equals_the_integral_of_its_definition() -> None:
    """Davis and Goadrich: on a segment precision is (tp + s x) / (tp + fp + x); integrated numerically here."""
    rng = np.random.default_rng(3)
    y, p = rng.integers(0, 2, 200).astype(float), np.round(rng.random(200), 2)
    total, previous = 0.0, (0.0, 0.0)
    for t in sorted(set(p.tolist()), reverse=True):
        tp, fp = float((y * (p >= t)).sum()), float(((1 - y) * (p >= t)).sum())
        x = np.linspace(0, tp + fp - sum(previous), 20001)
        slope = (tp - previous[0]) / x[-1]
        below = sum(previous) + x
        with np.errstate(invalid="ignore"):
            precision = np.where(below > 0, (previous[0] + slope * x) / below, slope)
        total += np.trapezoid(precision * slope, x)
        previous = (tp, fp)
    config = EvalConfig([MetricsSpec([MetricConfig("AUCPrecisionRecall")])])
    value = analyze_raw_data(pa.table({"label": y, "prediction": p}), config).plain_metrics()
    assert value["auc_precision_recall"] == pytest.approx(total / y.sum(), rel=1e-5)
