"""What cannot be measured is undefined with a reason, never a silent number and never a crash."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from trueline._core.errors import ConfigError
from trueline.model_analysis import (
    EvalConfig,
    EvalResult,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
    analyze_raw_data,
)

NAN = float("nan")
METRICS = ("ExampleCount", "MeanLabel", "MeanPrediction", "AUC", "BinaryCrossentropy", "BinaryAccuracy", "Calibration")


def measure(slices: list[SlicingSpec] | None = None, **columns: Any) -> EvalResult:
    config = EvalConfig([MetricsSpec([MetricConfig(m) for m in METRICS])], slices or [])
    weight = "w" if "w" in columns else None
    return analyze_raw_data(pa.table(columns), config, example_weight_key=weight)


def reason(result: EvalResult, metric: str, key: Any = ()) -> str:
    value = result.plain_metrics(key)[metric]
    assert isinstance(value, dict), value
    return value["undefined"]


def test_one_class_slice_has_no_auc_while_its_other_metrics_stand() -> None:
    result = measure(
        [SlicingSpec(), SlicingSpec(["c"])], label=[1, 0, 1, 1], prediction=[0.9, 0.1, 0.8, 0.3], c=["a", "a", "b", "b"]
    )
    assert reason(result, "auc", (("c", "b"),)) == "the slice holds only one of the two classes"
    assert result.plain_metrics((("c", "b"),))["binary_accuracy"] == 0.5
    assert result.plain_metrics((("c", "a"),))["auc"] == 1.0


@pytest.mark.parametrize("bad", [NAN, float("inf"), None])
def test_a_prediction_that_is_no_number_is_counted_and_undoes_what_reads_it(bad: float | None) -> None:
    result = measure(label=[1, 0, 1], prediction=pa.array([0.9, 0.1, bad], pa.float64()))
    for metric in ("auc", "binary_crossentropy", "binary_accuracy", "calibration", "mean_prediction"):
        assert reason(result, metric) == "1 predictions are missing, NaN or infinite"
    assert result.plain_metrics()["mean_label"] == pytest.approx(2 / 3)
    assert result.plain_metrics()["example_count"] == 3


def test_a_prediction_outside_the_unit_interval_undoes_scores_but_not_means() -> None:
    result = measure(label=[1, 0, 1], prediction=[0.9, -0.2, 1.5])
    for metric in ("auc", "binary_crossentropy", "binary_accuracy"):
        assert reason(result, metric) == "2 predictions lie outside 0..1"
    assert result.plain_metrics()["mean_prediction"] == pytest.approx(2.2 / 3)


def test_only_the_slice_with_the_bad_row_is_undone() -> None:
    result = measure([SlicingSpec(["c"])], label=[1, 0, 1, 0], prediction=[0.9, 0.1, NAN, 0.2], c=[1, 1, 2, 2])
    assert result.plain_metrics((("c", 1),))["auc"] == 1.0
    assert "1 predictions" in reason(result, "auc", (("c", 2),))


def test_missing_labels_are_counted_and_left_out() -> None:
    result = measure(label=[1, 0, None, None], prediction=[0.9, 0.1, 0.5, NAN])
    assert result.measured.missing_labels == 2
    assert result.measured.rows == 2
    assert result.plain_metrics()["example_count"] == 2
    assert result.plain_metrics()["auc"] == 1.0


def test_labels_that_are_all_missing_leave_nothing_to_measure() -> None:
    result = measure(label=pa.array([None, None], pa.float64()), prediction=[0.9, 0.1])
    assert reason(result, "auc") == "no row has a label (2 are missing)"
    assert result.plain_metrics()["example_count"] == 0


def test_label_that_is_nan_or_outside_the_unit_interval() -> None:
    assert reason(measure(label=[1, NAN, 0], prediction=[0.1, 0.2, 0.3]), "auc") == (
        "1 labels are none of the model's classes"
    )
    result = measure(label=[1, 2, 0], prediction=[0.1, 0.2, 0.3])
    assert reason(result, "auc") == "1 labels lie outside 0..1"
    assert result.plain_metrics()["mean_label"] == 1.0


def test_fractional_labels_count_for_both_classes_as_in_tfma() -> None:
    """A label of 0.3 is a negative of weight 0.7 and a positive of weight 0.3."""
    soft = measure(label=[1, 0.25, 0], prediction=[0.8, 0.6, 0.3])
    hard = measure(label=[1, 1, 0, 0], prediction=[0.8, 0.6, 0.6, 0.3], w=[1, 0.25, 0.75, 1])
    for metric in ("auc", "binary_crossentropy", "binary_accuracy"):
        assert soft.plain_metrics()[metric] == pytest.approx(hard.plain_metrics()[metric], rel=1e-12)


@pytest.mark.parametrize("bad", [NAN, -1.0])
def test_a_bad_weight_undoes_every_metric(bad: float) -> None:
    result = measure(label=[1, 0], prediction=[0.9, 0.1], w=[1.0, bad])
    for metric in ("auc", "mean_label", "example_count"):
        assert reason(result, metric) == "1 weights are negative, NaN or infinite"


def test_a_missing_weight_is_one_and_weights_of_zero_leave_means_undefined() -> None:
    result = measure(label=[1, 0], prediction=[0.9, 0.1], w=[3.0, None])
    assert result.plain_metrics()["mean_label"] == 0.75
    assert reason(measure(label=[1, 0], prediction=[0.9, 0.1], w=[0.0, 0.0]), "mean_label") == "the weights add up to 0"


def test_no_rows_give_no_slices_and_a_closed_gate() -> None:
    result = measure(label=pa.array([], pa.float64()), prediction=pa.array([], pa.float64()))
    assert result.plain_slicing_metrics == []
    assert not result.validation_result.ok


def test_text_in_the_label_column_is_an_error_that_names_the_column() -> None:
    with pytest.raises(ConfigError) as caught:
        measure(label=["yes", "no"], prediction=[0.1, 0.2])
    assert "label column 'label' holds texts ('no', 'yes')" in caught.value.problems[0]
    assert measure(label=["1", "0"], prediction=[0.9, 0.2]).plain_metrics()["auc"] == 1.0


def test_fixed_size_lists_are_probabilities_and_scalars_are_not() -> None:
    config = EvalConfig([MetricsSpec([MetricConfig("Accuracy")])])
    lists = pa.array([[0.7, 0.3], [0.4, 0.6]], pa.list_(pa.float32(), 2))
    assert analyze_raw_data(pa.table({"label": [0, 1], "prediction": lists}), config).task == "multiclass"
    assert analyze_raw_data(pa.table({"label": [0, 0], "prediction": lists}), config).plain_metrics() == {
        "accuracy": 0.5
    }
    with pytest.raises(ConfigError, match="column 'prediction' holds numbers; a prediction is a list of numbers"):
        analyze_raw_data(pa.table({"label": [0], "prediction": [0.5]}), config, task="multiclass", classes=2)


def test_bool_labels_are_classes_0_and_1() -> None:
    result = measure(label=[True, False, None], prediction=[0.9, 0.1, 0.2])
    assert result.plain_metrics()["auc"] == 1.0


def test_multiclass_rows_of_another_length_and_unknown_classes() -> None:
    config = EvalConfig([MetricsSpec([MetricConfig("Accuracy")])], [SlicingSpec(["c"])])
    table = pa.table(
        {
            "label": [0, 1, 2, 3, 1],
            "prediction": pa.array([[0.7, 0.2, 0.1], [0.1, 0.9], [0.1, 0.2, 0.7], [1.0, 0, 0], None]),
            "c": ["good", "short", "good", "class", "none"],
        }
    )
    result = analyze_raw_data(table, config)
    assert result.plain_metrics((("c", "good"),))["accuracy"] == 1.0
    assert "1 predictions" in reason(result, "accuracy", (("c", "short"),))
    assert "1 predictions" in reason(result, "accuracy", (("c", "none"),))
    assert reason(result, "accuracy", (("c", "class"),)) == "1 labels are none of the model's classes"


@pytest.mark.parametrize("metric", ["FalsePositives", "FalseNegatives", "TruePositives"])
def test_counts_of_rows_without_weight_are_undefined_and_close_their_gate(metric: str) -> None:
    """A count of 0 would satisfy any upper bound though no row was weighed."""
    threshold = MetricThreshold(value_threshold=GenericValueThreshold(upper_bound=10.0))
    config = EvalConfig([MetricsSpec([MetricConfig(metric, threshold=threshold), MetricConfig("ExampleCount")])])
    table = pa.table({"label": [1.0, 0.0], "prediction": [0.1, 0.9], "w": [0.0, 0.0]})
    result = analyze_raw_data(table, config, example_weight_key="w")
    assert [f.kind for f in result.validation_result.failures] == ["undefined"]
    assert result.plain_metrics()["example_count"] == 0
