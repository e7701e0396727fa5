"""Thresholds in lists and grids, a model's own decision threshold, losses of logits, and errors of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    MetricAccumulator,
    MetricConfig,
    MetricsSpec,
    analyze_raw_data,
)
from trueline.model_analysis.plan import EvalPlan, make_plan
from trueline.model_analysis.views import BatchData, OutputData

RNG = np.random.default_rng(12)
N = 300
LABEL = (RNG.random(N) < 0.4).astype(float)
SCORE = np.round(np.clip(0.3 * LABEL + 0.7 * RNG.random(N), 0, 1), 2)
WEIGHT = RNG.random(N) * 2
TABLE = pa.table({"label": LABEL, "prediction": SCORE, "w": WEIGHT})


def of(*metrics: MetricConfig, **options: Any) -> EvalConfig:
    return EvalConfig([MetricsSpec(metrics)], options=EvalOptions(**options))


def test_several_thresholds_give_a_value_each_with_noise_and_one_list() -> None:
    metric = MetricConfig("Precision", {"thresholds": [0.2, 0.6]})
    result = analyze_raw_data(TABLE, of(metric, compute_confidence_intervals=True), example_weight_key="w")
    found = result.measured.slices[0].metrics
    want = [sk.precision_score(LABEL, t < SCORE, sample_weight=WEIGHT) for t in (0.2, 0.6)]
    assert found["precision"].data["thresholds"] == [0.2, 0.6]
    assert found["precision"].data["values"] == pytest.approx(want, rel=1e-9)
    assert found["precision"].value is None
    for text, low in zip(("precision@0.2", "precision@0.6"), found["precision"].data["lower_bounds"], strict=True):
        assert found[text].low == low
        assert found[text].value is not None


def test_matrices_at_thresholds_are_those_of_scikit_learn() -> None:
    metric = MetricConfig("ConfusionMatrixAtThresholds", {"thresholds": [0.1, 0.5, 1.0]})
    found = analyze_raw_data(TABLE, of(metric)).metric("confusion_matrix_at_thresholds").data
    for matrix in found:
        tn, fp, fn, tp = sk.confusion_matrix(LABEL, matrix["threshold"] < SCORE, labels=[0, 1]).ravel()
        assert (matrix["true_positives"], matrix["false_positives"]) == (tp, fp)
        assert (matrix["true_negatives"], matrix["false_negatives"]) == (tn, fn)
    assert found[-1]["precision"] is None  # nothing is predicted positive: undefined, where TFMA says 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_threshold_at_recall_has_the_recall_and_no_higher_one_of_the_grid_has(seed: int, recall: float) -> None:
    rng = np.random.default_rng(seed)
    label, score = (rng.random(30) < 0.5).astype(float), np.round(rng.random(30), 2)
    label[0] = 1.0
    config = of(MetricConfig("ThresholdAtRecall", {"recall": recall, "num_thresholds": 101}))
    found = analyze_raw_data(pa.table({"label": label, "prediction": score}), config).metric("threshold_at_recall")
    grid = np.array([-1e-7, *(np.arange(1, 100) / 100), 1 + 1e-7])
    recalls = np.array([(label * (score > t)).sum() / label.sum() for t in grid])
    assert found.value == pytest.approx(grid[recalls >= recall - 1e-12].max(), abs=1e-12)


def test_a_grid_of_thresholds_is_tfmas_approximation_and_none_is_exact() -> None:
    metrics = [MetricConfig("AUC"), MetricConfig("AUC", {"num_thresholds": 11, "name": "eleven"})]
    result = analyze_raw_data(TABLE, of(*metrics))
    assert result.metric("auc").value == pytest.approx(sk.roc_auc_score(LABEL, SCORE), rel=1e-12)
    grid = [-1e-7, *(i / 10 for i in range(1, 10)), 1 + 1e-7]
    tpr = [(LABEL * (t < SCORE)).sum() / LABEL.sum() for t in grid]
    fpr = [((1 - LABEL) * (t < SCORE)).sum() / (1 - LABEL).sum() for t in grid]
    assert result.metric("eleven").value == pytest.approx(-np.trapezoid(tpr, fpr), rel=1e-12)


def test_each_model_decides_at_its_own_threshold_where_none_is_given() -> None:
    metrics = [MetricConfig("Recall"), MetricConfig("Recall", {"thresholds": 0.5, "name": "at_half"})]
    plan = make_plan(of(*metrics), "binary", 0, True, decision_thresholds={"candidate": 0.7, "baseline": 0.2})
    assert EvalPlan.from_json(plan.to_json()).decision_thresholds == {"candidate": 0.7, "baseline": 0.2}
    accumulator = MetricAccumulator(plan)
    batch = TABLE.combine_chunks().to_batches()[0]
    data = OutputData(LABEL, {"candidate": SCORE, "baseline": SCORE})
    accumulator.update(BatchData(batch, {"": data}))
    found = accumulator.finish().slices[0]
    assert found.metrics["recall"].value == pytest.approx(sk.recall_score(LABEL, SCORE > 0.7), rel=1e-9)
    assert found.baseline["recall"].value == pytest.approx(sk.recall_score(LABEL, SCORE > 0.2), rel=1e-9)
    assert found.metrics["at_half"].value == found.baseline["at_half"].value


def test_losses_of_logits_and_of_smoothed_labels() -> None:
    logit = np.log(SCORE + 1e-3) - np.log1p(1e-3 - SCORE)
    metrics = [
        MetricConfig("BinaryCrossEntropy", {"from_logits": True}),
        MetricConfig("BinaryCrossEntropy", {"from_logits": True, "label_smoothing": 0.2, "name": "smooth"}),
    ]
    result = analyze_raw_data(pa.table({"label": LABEL, "prediction": logit}), of(*metrics), task="binary")
    p = 1 / (1 + np.exp(-logit))
    assert result.metric("binary_crossentropy").value == pytest.approx(sk.log_loss(LABEL, p), rel=1e-9)
    y = LABEL * 0.8 + 0.1
    want = -(y * np.log(p) + (1 - y) * np.log1p(-p)).mean()
    assert result.metric("smooth").value == pytest.approx(want, rel=1e-9)


Y, P = RNG.gamma(2.0, 3.0, N) + 0.1, RNG.gamma(2.0, 3.0, N) + 0.1
ERRORS: tuple[tuple[str, dict[str, Any], Callable[..., Any]], ...] = (
    ("R2Score", {}, lambda y, p, w: sk.r2_score(y, p, sample_weight=w)),
    ("ExplainedVariance", {}, lambda y, p, w: sk.explained_variance_score(y, p, sample_weight=w)),
    ("MaxError", {}, lambda y, p, w: sk.max_error(y, p)),
    ("MedianAbsoluteError", {}, lambda y, p, w: sk.median_absolute_error(y, p, sample_weight=w)),
    ("PinballLoss", {"quantile": 0.9}, lambda y, p, w: sk.mean_pinball_loss(y, p, sample_weight=w, alpha=0.9)),
    ("PoissonDeviance", {}, lambda y, p, w: sk.mean_poisson_deviance(y, p, sample_weight=w)),
    ("GammaDeviance", {}, lambda y, p, w: sk.mean_gamma_deviance(y, p, sample_weight=w)),
    ("TweedieDeviance", {"power": 1.3}, lambda y, p, w: sk.mean_tweedie_deviance(y, p, sample_weight=w, power=1.3)),
    ("MeanAbsoluteError", {}, lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w)),
    ("MeanSquaredError", {}, lambda y, p, w: sk.mean_squared_error(y, p, sample_weight=w)),
    ("RootMeanSquaredError", {}, lambda y, p, w: sk.root_mean_squared_error(y, p, sample_weight=w)),
    ("MeanSquaredLogarithmicError", {}, lambda y, p, w: sk.mean_squared_log_error(y, p, sample_weight=w)),
    ("MeanAbsolutePercentageError", {},
     lambda y, p, w: 100 * sk.mean_absolute_percentage_error(y, p, sample_weight=w)),
    ("Huber", {"delta": 2.0}, lambda y, p, w: np.average(
        np.where(abs(y - p) <= 2, (y - p) ** 2 / 2, 2 * abs(y - p) - 2), weights=w)),
    ("LogCoshError", {}, lambda y, p, w: np.average(np.log(np.cosh(y - p)), weights=w)),
    ("Poisson", {}, lambda y, p, w: np.average(p - y * np.log(p), weights=w)),
)  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_of_numbers_equal_scikit_learn(weighted: bool) -> None:
    metrics = [MetricConfig(cls, {**given, "name": f"m{i}"}) for i, (cls, given, _) in enumerate(ERRORS)]
    table = pa.table({"label": Y, "prediction": P, "w": WEIGHT})
    result = analyze_raw_data(table, of(*metrics), example_weight_key="w" if weighted else None, task="regression")
    w = WEIGHT if weighted else np.ones(N)
    for i, (cls, _, want) in enumerate(ERRORS):
        assert result.metric(f"m{i}").value == pytest.approx(want(Y, P, w), rel=1e-9), cls


def test_constant_labels_and_numbers_outside_a_domain_are_undefined() -> None:
    metrics = [MetricConfig(c) for c in ("R2Score", "ExplainedVariance", "PoissonDeviance", "GammaDeviance")]
    table = pa.table({"label": [2.0, 2.0, 2.0], "prediction": [1.0, 2.0, -1.0]})
    result = analyze_raw_data(table, of(*metrics), task="regression")
    assert result.metric("r2_score").undefined == "the labels are constant"
    assert result.metric("explained_variance").undefined == "the labels are constant"
    for name in ("poisson_deviance", "gamma_deviance"):
        assert "outside the deviance's domain" in result.metric(name).undefined


def test_outputs_have_keys_of_their_own_and_a_weighted_mean() -> None:
    spec = MetricsSpec([MetricConfig("MeanLabel"), MetricConfig("Recall")], output_weights={"a": 1.0, "b": 3.0})
    plan = make_plan(EvalConfig([spec]), "binary", 0, False, outputs=("a", "b"))
    accumulator = MetricAccumulator(plan)
    batch = TABLE.combine_chunks().to_batches()[0]
    outputs = {"a": OutputData(LABEL, {"candidate": SCORE}), "b": OutputData(1 - LABEL, {"candidate": SCORE})}
    accumulator.update(BatchData(batch, outputs))
    found = accumulator.finish().slices[0].metrics
    a, b = sk.recall_score(LABEL, SCORE > 0.5), sk.recall_score(1 - LABEL, SCORE > 0.5)
    assert found["recall[output=a]"].value == pytest.approx(a, rel=1e-9)
    assert found["recall[output=b]"].value == pytest.approx(b, rel=1e-9)
    assert found["recall"].value == pytest.approx((a + 3 * b) / 4, rel=1e-9)
    assert found["mean_label"].value == pytest.approx((LABEL.mean() + 3 * (1 - LABEL.mean())) / 4, rel=1e-9)
