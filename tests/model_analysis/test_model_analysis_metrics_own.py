"""Functions of scikit-learn by name, and metrics of one's own: values, weights, caps, reasons, and the merge laws."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trueline._core.errors import ConfigError, TruelineError
from trueline.model_analysis import (
    BinarizationOptions,
    EvalConfig,
    EvalOptions,
    MetricConfig,
    MetricsSpec,
    SlicingSpec,
    analyze_raw_data,
    check_metric,
)
from trueline.model_analysis.measured import Estimate
from trueline.model_analysis.metrics.own import find_own_metric, own_metric_problem

OWN = "model_analysis_own_metrics"
SKLEARN = "sklearn.metrics"


def table(n: int = 60, task: str = "binary", seed: int = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    if task == "multiclass":
        labels = rng.integers(0, 3, n)
        scores = rng.random((n, 3)) + np.eye(3)[labels]
        prediction = pa.array((scores / scores.sum(axis=1, keepdims=True)).tolist())
    elif task == "regression":
        labels = rng.normal(size=n) * 3
        prediction = pa.array(labels + rng.normal(size=n))
    else:
        labels = rng.integers(0, 2, n)
        prediction = pa.array(np.clip(labels * 0.4 + rng.random(n) * 0.6, 0, 1))
    weights = rng.random(n) + 0.5
    city = rng.choice(["a", "b"], n)
    return pa.table({"label": labels, "prediction": prediction, "weight": weights, "city": city})


def measured(
    rows: pa.Table, *metrics: MetricConfig, weight: bool = True, noise: bool = False, **more: Any
) -> dict[str, Estimate]:
    config = EvalConfig([MetricsSpec(metrics)], options=EvalOptions(compute_confidence_intervals=noise, noise_groups=8))
    result = analyze_raw_data(rows, config, example_weight_key="weight" if weight else None, **more)
    return dict(result.measured.slices[0].metrics)


def value(rows: pa.Table, name: str, options: dict[str, Any] | None = None, module: str = SKLEARN, **more: Any) -> Any:
    return next(iter(measured(rows, MetricConfig(name, options or {}, module=module), **more).values()))


def columns(rows: pa.Table) -> tuple[Any, Any, Any]:
    prediction = np.array(rows["prediction"].to_pylist())
    return rows["label"].to_numpy(), prediction, rows["weight"].to_numpy()


@pytest.mark.parametrize(
    ("name", "options", "given"),
    [
        ("cohen_kappa_score", {}, "class"),
        ("f1_score", {"average": "macro"}, "class"),
        ("fbeta_score", {"beta": 2.0}, "class"),
        ("log_loss", {}, "score"),
        ("roc_auc_score", {"max_fpr": 0.4}, "score"),
    ],
)
def test_binary_functions_get_classes_or_scores_as_they_ask_for(name: str, options: dict[str, Any], given: str) -> None:
    import sklearn.metrics

    rows = table()
    label, score, weight = columns(rows)
    wanted = getattr(sklearn.metrics, name)(
        label, score > 0.5 if given == "class" else score, sample_weight=weight, **options
    )
    assert value(rows, name, options).value == pytest.approx(wanted, rel=1e-12)


def test_the_threshold_decides_which_class_is_predicted() -> None:
    from sklearn.metrics import recall_score

    label, score, weight = columns(rows := table())
    wanted = recall_score(label, score > 0.7, sample_weight=weight)
    assert value(rows, "recall_score", {"threshold": 0.7}).value == pytest.approx(wanted)


def test_multi_class_and_regression() -> None:
    from sklearn.metrics import balanced_accuracy_score, d2_pinball_score, top_k_accuracy_score

    label, scores, weight = columns(rows := table(task="multiclass"))
    found = value(rows, "balanced_accuracy_score").value
    assert found == pytest.approx(balanced_accuracy_score(label, scores.argmax(axis=1), sample_weight=weight))
    found = value(rows, "top_k_accuracy_score", {"k": 2}).value
    assert found == pytest.approx(top_k_accuracy_score(label, scores, k=2, sample_weight=weight))
    label, score, weight = columns(rows := table(task="regression"))
    found = value(rows, "d2_pinball_score", {"alpha": 0.2}, task="regression").value
    assert found == pytest.approx(d2_pinball_score(label, score, sample_weight=weight, alpha=0.2))


def test_structures_and_functions_without_weights() -> None:
    rows = table()
    matrix = value(rows, "confusion_matrix", weight=False).data
    assert np.array(matrix).sum() == 60
    assert value(rows, "max_error", weight=False).value is not None
    assert "takes no weights" in str(value(rows, "max_error").undefined)


def test_noise_of_held_rows_is_that_of_the_same_metric_made_of_sums() -> None:
    rows = table(400)
    found = measured(rows, MetricConfig("accuracy_score", module=SKLEARN), MetricConfig("BinaryAccuracy"), noise=True)
    one, two = found["accuracy_score"], found["binary_accuracy"]
    assert one.value == pytest.approx(two.value)
    assert one.standard_error == pytest.approx(two.standard_error, rel=1e-9)
    assert (one.low, one.high) == pytest.approx((two.low, two.high))


def test_what_is_ill_defined_fails_or_is_no_number_is_undefined_with_its_reason() -> None:
    one_class = pa.table({"label": [0, 0, 0, 0], "prediction": [0.1, 0.2, 0.3, 0.4], "weight": [1.0] * 4})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        precision = value(one_class, "precision_score")
        area = value(one_class, "roc_auc_score")
    assert "ill-defined" in str(precision.undefined)
    assert area.undefined is not None
    assert value(table(), "always_fails", module=OWN).undefined == "always_fails: ValueError: no luck"
    assert value(table(), "never_a_number", module=OWN).undefined == "never_a_number gives nan here"


def test_the_cap_on_held_rows_fails_loudly_and_names_the_option() -> None:
    with pytest.raises(TruelineError, match="raise its option max_rows"):
        value(table(), "f1_score", {"max_rows": 20})


def test_slices_are_each_their_own() -> None:
    from sklearn.metrics import f1_score

    rows = table()
    config = EvalConfig([MetricsSpec([MetricConfig("f1_score", module=SKLEARN)])], [SlicingSpec(["city"])])
    result = analyze_raw_data(rows, config)
    for part in result.measured.slices:
        label, score, _ = columns(rows.filter(pa.compute.equal(rows["city"], part.key[0][1])))
        assert part.metrics["f1_score"].value == pytest.approx(f1_score(label, score > 0.5))


@pytest.mark.parametrize(
    ("name", "module", "said"),
    [
        ("f1_scores", SKLEARN, "Did you mean 'f1_score'"),
        ("silhouette_score", SKLEARN, "compares no labels with predictions"),
        ("nothing", OWN, "no such name"),
        ("NOT_A_METRIC", OWN, "is a int"),
        ("x", "no_such_module_at_all", "cannot be imported"),
    ],
)
def test_names_that_lead_nowhere(name: str, module: str, said: str) -> None:
    assert said in str(own_metric_problem(name, module))
    with pytest.raises(ConfigError) as caught:
        value(table(), name, module=module)
    assert said in str(caught.value)


def test_unknown_options_and_tasks_are_problems_before_data_is_read() -> None:
    with pytest.raises(ConfigError, match="no option 'averge'"):
        value(table(), "f1_score", {"averge": "macro"})
    assert find_own_metric("GreatestGap", OWN, "multiclass") is None
    with pytest.raises(ConfigError, match="multiclass"):
        value(table(task="multiclass"), "GreatestGap", module=OWN)


def test_functions_classes_and_records_of_ones_own() -> None:
    label, score, weight = columns(rows := table())
    gap = np.abs(label - score)
    found = measured(
        rows,
        MetricConfig("weighted_gap", {"power": 2}, module=OWN),
        MetricConfig("GreatestGap", module=OWN),
        MetricConfig("ExpectedCost", {"price": 3.0, "name": "cost"}, module=OWN),
        noise=True,
    )
    assert found["weighted_gap"].value == pytest.approx(np.average(gap**2, weights=weight))
    assert found["greatest_gap"].value == gap.max()
    cost = np.where(label == 1, 3.0 * (score <= 0.5), score > 0.5)
    assert found["cost"].value == pytest.approx(np.average(cost, weights=weight))
    assert (found["cost"].standard_error or 0) > 0
    assert (found["weighted_gap"].standard_error or 0) > 0
    assert found["greatest_gap"].standard_error is None


@pytest.mark.parametrize("name", ["weighted_gap", "GreatestGap", "ExpectedCost"])
def test_the_merge_laws_hold(name: str) -> None:
    found = check_metric(MetricConfig(name, module=OWN), table(), example_weight_key="weight", processes=False)
    assert next(iter(found.values())).value is not None


def test_a_metric_that_breaks_the_laws_is_found_out() -> None:
    with pytest.raises(AssertionError):
        check_metric(MetricConfig("Forgetful", module=OWN), table(), processes=False)


@pytest.mark.slow
def test_worker_processes_import_the_module() -> None:
    found = check_metric(MetricConfig("ExpectedCost", module=OWN), table(), processes=True)
    assert found["expected_cost"].value is not None


def test_labels_of_several_classes_and_labels_given_as_rows_of_classes() -> None:
    from sklearn.metrics import accuracy_score, hamming_loss

    rng = np.random.default_rng(7)
    labels, scores = rng.integers(0, 2, (30, 3)), rng.random((30, 3))
    rows = pa.table({"label": labels.tolist(), "prediction": scores.tolist()})
    found = value(rows, "hamming_loss", {"threshold": 0.3}, weight=False, task="multilabel")
    assert found.value == pytest.approx(hamming_loss(labels, scores > 0.3))
    one_hot = np.eye(3)[rng.integers(0, 3, 30)]
    rows = pa.table({"label": one_hot.tolist(), "prediction": scores.tolist()})
    found = value(rows, "accuracy_score", weight=False, task="multiclass")
    assert found.value == pytest.approx(accuracy_score(one_hot.argmax(axis=1), scores.argmax(axis=1)))


def test_binarize_does_not_apply_to_a_module_and_says_so() -> None:
    config = EvalConfig([MetricsSpec([MetricConfig("f1_score", module=SKLEARN)], binarize=BinarizationOptions([0]))])
    with pytest.raises(ConfigError, match="binarize and aggregate do not apply"):
        analyze_raw_data(table(task="multiclass"), config)


@pytest.mark.frameworks
def test_metrics_of_keras_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("keras")
    label, score, weight = columns(rows := table())
    found = value(rows, "BinaryAccuracy", {"threshold": 0.6}, module="keras.metrics")
    assert found.value == pytest.approx(np.average((score > 0.6) == label, weights=weight), rel=1e-6)
    label, scores, weight = columns(rows := table(task="multiclass"))
    own = scores[np.arange(len(label)), label]
    for name in ("SparseCategoricalCrossentropy", "CategoricalCrossentropy"):
        found = value(rows, name, module="keras.metrics")
        assert found.value == pytest.approx(np.average(-np.log(own), weights=weight), rel=1e-5)
    per_class = value(rows, "F1Score", module="keras.metrics")
    assert len(per_class.data) == 3
