"""Metrics of several classes equal scikit-learn's to 1e-9, for any sharding, with weights, absent classes and NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk

from trueline._core.errors import ConfigError
from trueline.engine.base import Dataset
from trueline.engine.local import LocalEngine
from trueline.model_analysis import (
    AggregationOptions,
    BinarizationOptions,
    EvalConfig,
    EvalOptions,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
)
from trueline.model_analysis.metrics import find_metric

N, C = 240, 4
RNG = np.random.default_rng(8)
LABEL = RNG.integers(0, C, N)
SCORE = np.round(RNG.dirichlet(np.ones(C), N), 3)
SCORE /= SCORE.sum(axis=1, keepdims=True)
WEIGHT = RNG.random(N) * 3
HARD = SCORE.argmax(axis=1)
ONE = np.eye(C)[LABEL]
TABLE = pa.table({"label": LABEL, "prediction": pa.array(SCORE.tolist()), "w": WEIGHT,
                  "part": np.where(LABEL == 0, "zero", "rest")})  # fmt: skip
HELD = (RNG.random((N, C)) < 0.4).astype(float)
FOUND = np.round(RNG.random((N, C)), 2)
LABELS = pa.table({"label": pa.array(HELD.tolist()), "prediction": pa.array(FOUND.tolist()), "w": WEIGHT})
Case = tuple[str, dict[str, Any], Callable[..., Any]]
MULTICLASS: tuple[Case, ...] = (
    ("Accuracy", {}, lambda y, h, p, w: sk.accuracy_score(y, h, sample_weight=w)),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, lambda y, h, p, w: sk.top_k_accuracy_score(y, p, k=2, sample_weight=w)),
    ("CohenKappa", {}, lambda y, h, p, w: sk.cohen_kappa_score(y, h, sample_weight=w)),
    ("CohenKappa", {"weighting": "linear"},
     lambda y, h, p, w: sk.cohen_kappa_score(y, h, sample_weight=w, weights="linear")),
    ("CohenKappa", {"weighting": "quadratic"},
     lambda y, h, p, w: sk.cohen_kappa_score(y, h, sample_weight=w, weights="quadratic")),
    ("MultiClassMatthewsCorrelationCoefficient", {}, lambda y, h, p, w: sk.matthews_corrcoef(y, h, sample_weight=w)),
    ("MultiClassBalancedAccuracy", {}, lambda y, h, p, w: sk.balanced_accuracy_score(y, h, sample_weight=w)),
    ("LogLoss", {}, lambda y, h, p, w: sk.log_loss(y, p, sample_weight=w, labels=range(C))),
    ("MultiClassAUC", {}, lambda y, h, p, w: sk.roc_auc_score(y, p, multi_class="ovr", sample_weight=w)),
    ("MultiClassAUC", {"average": "weighted"},
     lambda y, h, p, w: sk.roc_auc_score(y, p, multi_class="ovr", average="weighted", sample_weight=w)),
    ("BrierScore", {}, lambda y, h, p, w: np.average(((p - np.eye(C)[y]) ** 2).sum(axis=1), weights=w)),
    ("AUC", {}, lambda y, h, p, w: sk.roc_auc_score(np.eye(C)[y].ravel(), p.ravel(), sample_weight=np.repeat(w, C))),
    ("F1Score", {}, lambda y, h, p, w: sk.f1_score(np.eye(C)[y].ravel(), p.ravel() > 0.5,
                                                   sample_weight=np.repeat(w, C))),
    *((cls, {"average": average},
       lambda y, h, p, w, f=f, average=average: f(y, h, average=average, sample_weight=w, zero_division=0))
      for cls, f in (("Precision", sk.precision_score), ("Recall", sk.recall_score), ("F1Score", sk.f1_score),
                     ("Jaccard", sk.jaccard_score))
      for average in ("macro", "micro", "weighted")),
)  # fmt: skip


def config_of(found: tuple[Case, ...], **options: Any) -> EvalConfig:
    metrics = [MetricConfig(cls, {**given, "name": f"m{i}"}) for i, (cls, given, _) in enumerate(found)]
    return EvalConfig([MetricsSpec(metrics)], options=EvalOptions(**options))


@pytest.mark.parametrize("weighted", [False, True])
def test_multi_class_metrics_equal_scikit_learn(weighted: bool) -> None:
    result = analyze_raw_data(TABLE, config_of(MULTICLASS), example_weight_key="w" if weighted else None)
    w = WEIGHT if weighted else np.ones(N)
    for i, (cls, given, of) in enumerate(MULTICLASS):
        assert result.metric(f"m{i}").value == pytest.approx(of(LABEL, HARD, SCORE, w), rel=1e-9), (cls, given)


MULTILABEL: tuple[Case, ...] = (
    ("SubsetAccuracy", {}, lambda y, h, p, w: sk.accuracy_score(y, h, sample_weight=w)),
    ("HammingLoss", {}, lambda y, h, p, w: sk.hamming_loss(y, h, sample_weight=w)),
    ("MultiClassAUC", {}, lambda y, h, p, w: sk.roc_auc_score(y, p, average="macro", sample_weight=w)),
    ("AUC", {}, lambda y, h, p, w: sk.roc_auc_score(y.ravel(), p.ravel(), sample_weight=np.repeat(w, C))),
    ("Precision", {}, lambda y, h, p, w: sk.precision_score(y, h, average="micro", sample_weight=w)),
    *((cls, {"average": average},
       lambda y, h, p, w, f=f, average=average: f(y, h, average=average, sample_weight=w, zero_division=0))
      for cls, f in (("Precision", sk.precision_score), ("Recall", sk.recall_score), ("F1Score", sk.f1_score),
                     ("Jaccard", sk.jaccard_score))
      for average in ("macro", "micro", "weighted", "samples")),
)  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
def test_multi_label_metrics_equal_scikit_learn(weighted: bool) -> None:
    result = analyze_raw_data(LABELS, config_of(MULTILABEL), example_weight_key="w" if weighted else None)
    assert result.task == "multilabel"
    w = WEIGHT if weighted else np.ones(N)
    for i, (cls, given, of) in enumerate(MULTILABEL):
        want = of(HELD.astype(int), (FOUND > 0.5).astype(int), FOUND, w)
        assert result.metric(f"m{i}").value == pytest.approx(want, rel=1e-9), (cls, given)


def test_matrices_of_labels_equal_scikit_learn() -> None:
    config = EvalConfig([MetricsSpec([MetricConfig("MultiLabelConfusionMatrix", {"thresholds": [0.3]})])])
    found = analyze_raw_data(LABELS, config).metric("multi_label_confusion_matrix").data[0]["classes"]
    for entry, (tn, fp, fn, tp) in zip(
        found, sk.multilabel_confusion_matrix(HELD, FOUND > 0.3).reshape(-1, 4), strict=True
    ):
        assert (entry["true_negatives"], entry["false_positives"]) == (tn, fp)
        assert (entry["false_negatives"], entry["true_positives"]) == (fn, tp)


@pytest.mark.parametrize("found", [MULTICLASS, MULTILABEL])
def test_equal_bits_for_any_sharding(found: tuple[Case, ...]) -> None:
    table = TABLE if found is MULTICLASS else LABELS
    config = config_of(found, compute_confidence_intervals=True, exact_rank_rows=100)
    whole = analyze_raw_data(Dataset.from_table(table, 50), config, example_weight_key="w")
    dealt = analyze_raw_data(Dataset.from_table(table, 50).deal(3), config, example_weight_key="w",
                             engine=LocalEngine(2))  # fmt: skip
    assert whole.measured.slices == dealt.measured.slices


def test_binary_problems_and_averages_equal_scikit_learn_with_intervals() -> None:
    weights = dict.fromkeys(range(C), 1.0)
    metrics = [MetricConfig("Precision", {"thresholds": 0.3}), MetricConfig("AUC")]
    specs = [
        MetricsSpec(metrics, binarize=BinarizationOptions(class_ids=(1,), k_list=(2,), top_k_list=(2,))),
        MetricsSpec(metrics, aggregate=AggregationOptions(macro_average=True, class_weights=weights)),
        MetricsSpec(metrics, aggregate=AggregationOptions(weighted_macro_average=True, class_weights=weights)),
        MetricsSpec(metrics, aggregate=AggregationOptions(micro_average=True)),
    ]
    config = EvalConfig(specs, options=EvalOptions(compute_confidence_intervals=True))
    found = analyze_raw_data(TABLE, config, example_weight_key="w").measured.slices[0].metrics
    one = sk.precision_score(LABEL == 1, SCORE[:, 1] > 0.3, sample_weight=WEIGHT)
    assert found["precision[class_id=1]"].value == pytest.approx(one, rel=1e-9)
    second = np.argsort(-SCORE, axis=1, kind="stable")[:, 1]
    at = np.arange(N), second
    want = sk.precision_score(ONE[at] > 0, SCORE[at] > 0.3, sample_weight=WEIGHT)
    assert found["precision[k=2]"].value == pytest.approx(want, rel=1e-9)
    for key, average in (("macro_average", "macro"), ("weighted_macro_average", "weighted")):
        auc = sk.roc_auc_score(LABEL, SCORE, multi_class="ovr", average=average, sample_weight=WEIGHT)
        assert found[f"auc[{key}]"].value == pytest.approx(auc, rel=1e-9)
    micro = sk.precision_score(ONE.ravel(), SCORE.ravel() > 0.3, sample_weight=np.repeat(WEIGHT, C))
    assert found["precision[micro_average]"].value == pytest.approx(micro, rel=1e-9)
    assert all(e.low is not None and e.low < e.value < e.high for e in found.values() if e.value is not None)
    assert "precision[class_id=0]" not in found  # needed by the averages alone


def test_what_does_not_stand_among_the_top_k_is_never_positive() -> None:
    spec = MetricsSpec([MetricConfig("Recall"), MetricConfig("AUC")], binarize=BinarizationOptions(top_k_list=(1,)))
    found = analyze_raw_data(TABLE, EvalConfig([spec])).measured.slices[0].metrics
    assert found["recall[top_k=1]"].value == pytest.approx((LABEL == HARD).mean())
    kept = np.where(np.arange(C) == HARD[:, None], SCORE, -1.0).ravel()
    fpr, tpr, _ = sk.roc_curve(ONE.ravel(), kept, drop_intermediate=False)
    reached = np.trapezoid(tpr[:-1], fpr[:-1])  # the curve ends where the last of the top is reached
    assert found["auc[top_k=1]"].value == pytest.approx(reached, rel=1e-9)


def test_an_absent_class_leaves_what_it_decides_undefined_and_the_rest_defined() -> None:
    slices = [SlicingSpec(), SlicingSpec(["part"])]
    metrics = [MetricConfig("MultiClassAUC"), MetricConfig("F1Score", {"average": "macro"}), MetricConfig("CohenKappa")]
    result = analyze_raw_data(TABLE, EvalConfig([MetricsSpec(metrics)], slices))
    zero = (("part", "zero"),)
    assert result.metric("multi_class_auc", zero).undefined == (
        "multi_class_auc[class_id=0]: a class has no row, or all rows"
    )
    assert result.metric("multi_class_auc").value is not None
    rows = LABEL == 0
    want = sk.f1_score(LABEL[rows], HARD[rows], average="macro", zero_division=0)
    assert result.metric("f1_score", zero).value == pytest.approx(want, rel=1e-9)
    assert result.metric("cohen_kappa", zero).value == 0.0  # as scikit-learn: no agreement beyond chance


def test_a_prediction_of_nan_undoes_its_slice_alone() -> None:
    scores = SCORE.copy()
    scores[int(np.flatnonzero(LABEL == 0)[0])] = np.nan
    table = TABLE.set_column(1, "prediction", pa.array(scores.tolist()))
    config = EvalConfig([MetricsSpec([MetricConfig("CohenKappa"), MetricConfig("ExpectedCalibrationError")])],
                        [SlicingSpec(["part"])])  # fmt: skip
    result = analyze_raw_data(table, config)
    for name in ("cohen_kappa", "expected_calibration_error"):
        assert result.metric(name, (("part", "zero"),)).undefined == "1 predictions are missing, NaN or infinite"
        assert result.metric(name, (("part", "rest"),)).value is not None


def test_calibration_error_is_that_of_its_definition() -> None:
    p, bins = SCORE.max(axis=1), 15
    code = np.clip(np.ceil(p * bins) - 1, 0, bins - 1)
    want = sum(
        abs(np.average(HARD[code == b] == LABEL[code == b], weights=WEIGHT[code == b])
            - np.average(p[code == b], weights=WEIGHT[code == b])) * WEIGHT[code == b].sum()
        for b in np.unique(code)
    ) / WEIGHT.sum()  # fmt: skip
    config = EvalConfig([MetricsSpec([MetricConfig("ExpectedCalibrationError")])])
    found = analyze_raw_data(TABLE, config, example_weight_key="w")
    assert found.metric("expected_calibration_error").value == pytest.approx(want, rel=1e-9)


def test_a_thousand_classes_are_averaged_from_one_histogram() -> None:
    classes, n = 1000, 60
    scores = RNG.random((n, classes))
    label = RNG.integers(0, classes, n)
    label[:30] = scores[:30].argmax(axis=1)
    table = pa.table({"label": label, "prediction": pa.array(scores.tolist())})
    metrics = [MetricConfig("F1Score", {"average": "macro"}), MetricConfig("Accuracy")]
    found = analyze_raw_data(table, EvalConfig([MetricsSpec(metrics)]))
    want = sk.f1_score(label, scores.argmax(axis=1), average="macro", zero_division=0)
    assert found.metric("f1_score").value == pytest.approx(want, rel=1e-9)
    record = find_metric("F1Score", "multiclass")
    assert record is not None
    assert not record.moments  # no sum for each class


@pytest.mark.parametrize(
    ("options", "binarize", "text"),
    [
        ({"class_id": C}, None, "class 4"),
        ({"top_k": C + 1}, None, "the 5 greatest"),
        ({}, BinarizationOptions(class_ids=(C,)), "binarize.class_ids has 4"),
        ({}, BinarizationOptions(k_list=(C + 1,)), "binarize.k_list has 5"),
    ],
)
def test_a_class_beyond_those_of_the_output_is_refused(
    options: dict[str, Any], binarize: BinarizationOptions | None, text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        analyze_raw_data(TABLE, EvalConfig([MetricsSpec([MetricConfig("Recall", options)], binarize=binarize)]))


def test_an_average_over_samples_is_for_rows_of_several_classes() -> None:
    with pytest.raises(ConfigError, match="samples is for rows of several classes"):
        analyze_raw_data(TABLE, EvalConfig([MetricsSpec([MetricConfig("F1Score", {"average": "samples"})])]))
