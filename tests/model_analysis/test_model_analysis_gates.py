"""The gates fail closed: on bounds, on worsening beyond margin and noise, on what is missing or undefined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    EvalResult,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    PerSliceMetricThreshold,
    SliceMetrics,
    SlicingSpec,
    ValidationResult,
    analyze_raw_data,
    validate_metrics,
)
from trueline.model_analysis.measured import Change, Estimate, Measured

COMPANY = SlicingSpec(["company"])


def value(lower: float | None = None, upper: float | None = None) -> MetricThreshold:
    return MetricThreshold(value_threshold=GenericValueThreshold(lower, upper))


def change(absolute: float | None = None, relative: float | None = None, direction: str | None = None) -> Any:
    return MetricThreshold(change_threshold=GenericChangeThreshold(absolute, relative, direction))


def judge(
    threshold: MetricThreshold,
    now: float | None = 0.8,
    before: float | None = None,
    error: float | None = 0.001,
    metric: str = "AUC",
    **options: Any,
) -> ValidationResult:
    """The verdict on one measured number."""
    name = {"AUC": "auc", "MeanSquaredError": "mean_squared_error"}[metric]
    diff = None if now is None or before is None else now - before
    found = SliceMetrics(
        (),
        1000,
        0,
        32,
        {name: Estimate(now, None if now is not None else "no positives")},
        {} if before is None else {name: Estimate(before)},
        {} if before is None else {name: Change(diff, error)},
    )
    config = EvalConfig([MetricsSpec([MetricConfig(metric, threshold=threshold)])], options=EvalOptions(**options))
    config.validate()
    return validate_metrics(Measured((found,)), config, has_baseline=before is not None)


@pytest.mark.parametrize(
    ("threshold", "kind", "by"),
    [
        (value(0.8), None, None),
        (value(None, 0.8), None, None),
        (value(0.7, 0.9), None, None),
        (value(0.85), "value_lower", 0.05),
        (value(None, 0.5), "value_upper", 0.3),
    ],
)
def test_ladder_of_value_thresholds(threshold: MetricThreshold, kind: str | None, by: float | None) -> None:
    verdict = judge(threshold)
    assert verdict.ok == (kind is None)
    assert [(f.kind, pytest.approx(f.by)) for f in verdict.failures] == ([] if kind is None else [(kind, by)])


@pytest.mark.parametrize(
    ("threshold", "now", "passes"),
    [
        (change(0.0), 0.81, True),  # better
        (change(0.0), 0.80, True),  # equal
        (change(0.0), 0.79, False),  # worse, ten standard errors
        (change(-0.02), 0.79, True),  # worse, but within the margin
        (change(-0.02), 0.77, False),
        (change(0.005), 0.81, True),  # a demanded improvement that is there
        (change(0.005), 0.803, False),  # and one that is not
        (change(relative=-0.05), 0.77, True),
        (change(relative=-0.01), 0.77, False),
        (change(-0.05, -0.01), 0.77, False),  # both must hold
        (change(0.0, direction="LOWER_IS_BETTER"), 0.81, False),
        (change(0.0, direction="LOWER_IS_BETTER"), 0.79, True),
    ],
)
def test_ladder_of_change_thresholds(threshold: MetricThreshold, now: float, passes: bool) -> None:
    assert judge(threshold, now, before=0.8).ok == passes


def test_the_metrics_own_direction_is_taken() -> None:
    assert judge(change(0.0), 0.7, 0.8, metric="MeanSquaredError").ok
    assert not judge(change(0.0), 0.9, 0.8, metric="MeanSquaredError").ok


def test_noise_excuses_a_worsening_but_never_a_demanded_improvement() -> None:
    noisy = judge(change(0.0), 0.79, 0.8, error=0.01)
    assert noisy.ok
    assert "within sampling noise (1 standard errors, p = 0.16 in 1 check)" in noisy.within_noise[0]
    assert not judge(change(0.0), 0.79, 0.8, error=0.005).ok
    assert judge(change(0.0), 0.79, 0.8, error=0.005, confidence=0.99).ok
    assert not judge(change(0.01), 0.805, 0.8, error=0.5).ok


def test_noise_that_could_not_be_measured_excuses_nothing() -> None:
    verdict = judge(change(0.0), 0.7999, 0.8, error=None)
    assert not verdict.ok
    assert "its sampling noise could not be measured" in verdict.failures[0].sentence


def test_a_negative_baseline_does_not_turn_the_sign_of_a_relative_change() -> None:
    assert judge(change(relative=0.0), -0.4, before=-0.5).ok
    assert not judge(change(relative=0.0), -0.6, before=-0.5).ok


def test_a_baseline_of_zero_has_no_relative_change() -> None:
    verdict = judge(change(relative=0.0), 0.8, before=0.0)
    assert [f.kind for f in verdict.failures] == ["undefined"]
    assert "the baseline's value is 0" in verdict.failures[0].sentence


def test_an_undefined_value_closes_the_gate_with_its_reason() -> None:
    verdict = judge(value(0.5), None)
    assert [f.kind for f in verdict.failures] == ["undefined"]
    assert verdict.failures[0].sentence == "auc on Overall is undefined: no positives."


def test_without_a_baseline_changes_are_not_applied_and_the_verdict_says_so() -> None:
    verdict = judge(change(0.0))
    assert verdict.ok
    assert verdict.rubber_stamp
    both = MetricThreshold(GenericValueThreshold(0.9), GenericChangeThreshold(0.0))
    assert [f.kind for f in judge(both).failures] == ["value_lower"]
    assert not judge(value(0.5)).rubber_stamp
    table = pa.table(two_models(300, 5, 0.0)).drop_columns(["base"])
    per_slice = PerSliceMetricThreshold([COMPANY], change(0.0))
    config = [MetricConfig("AUC", per_slice_thresholds=[per_slice])]
    verdict = evaluate_table(table, config, SlicingSpec(), COMPANY, min_slice_size=290).validation_result
    assert (verdict.ok, verdict.rubber_stamp, verdict.checks) == (True, True, 0)


def test_no_threshold_at_all_blesses_nothing() -> None:
    config = EvalConfig([MetricsSpec([MetricConfig("AUC")])])
    verdict = validate_metrics(Measured((SliceMetrics((), 10),)), config, has_baseline=False)
    assert not verdict.ok
    assert verdict.missing_thresholds


def test_a_metric_that_was_not_measured_closes_the_gate() -> None:
    config = EvalConfig([MetricsSpec([MetricConfig("AUC", threshold=value(0.5))])])
    verdict = validate_metrics(Measured((SliceMetrics((), 10),)), config, has_baseline=False)
    assert [f.kind for f in verdict.failures] == ["missing_metric"]


def evaluate_table(table: pa.Table, metrics: list[MetricConfig], *slices: SlicingSpec, **options: Any) -> EvalResult:
    config = EvalConfig([MetricsSpec(metrics)], slices, EvalOptions(**options))
    return analyze_raw_data(table, config, baseline_prediction_key="base" if "base" in table.column_names else None)


def two_models(rows: int, seed: int, jitter: float) -> dict[str, Any]:
    """Two models of the same skill: the same signal, each with its own small noise of training."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows).astype(float)
    signal = rng.normal(0.4 + 0.2 * label, 0.15)
    scores = {k: np.clip(signal + rng.normal(0, jitter, rows), 0, 1) for k in ("prediction", "base")}
    return {"label": label, **scores, "company": rng.choice(["a", "b", "c", "d"], rows)}


GATED = [
    MetricConfig("AUC", threshold=change(0.0)),
    MetricConfig("BinaryAccuracy", threshold=change(0.0)),
    MetricConfig("BinaryCrossentropy", threshold=change(0.0)),
]


def test_better_overall_and_worse_on_one_slice_is_refused_naming_that_slice() -> None:
    columns = two_models(8000, 1, 0.02)
    label, company = columns["label"], columns["company"]
    better = np.clip(columns["base"] + 0.05 * (2 * label - 1), 0, 1)
    worse = np.clip(columns["base"] - 0.05 * (2 * label - 1), 0, 1)
    columns["prediction"] = np.where(company == "c", worse, better)
    result = evaluate_table(pa.table(columns), GATED, SlicingSpec(), COMPANY)
    overall = result.measured.slices[0]
    assert overall.name == "Overall"
    assert overall.changes["auc"].value > 0.02
    assert not result.validation_result.ok
    assert {f.slice for f in result.validation_result.failures} == {"company=c"}
    assert {f.metric for f in result.validation_result.failures} == {"auc", "binary_accuracy", "binary_crossentropy"}
    assert all("company=c" in s and "beyond sampling noise" in s for s in result.describe_failures())


def test_noise_alone_is_refused_no_more_often_than_stated() -> None:
    """100 retrained twins, 15 checks each, family-wise level 95 %: about 5 refusals at most are stated."""
    refused = 0
    for seed in range(100):
        table = pa.table(two_models(1500, seed, 0.05))
        refused += not evaluate_table(table, GATED, SlicingSpec(), COMPANY).validation_result.ok
    assert refused <= 9  # P(more than 9 | 100, 0.05) is under 3 %; the seeds are fixed


def test_a_gated_slice_that_is_missing_closes_the_gate() -> None:
    table = pa.table(two_models(500, 2, 0.0)).drop_columns(["base"])
    missing = SlicingSpec(feature_values={"company": "zz"})
    per_slice = PerSliceMetricThreshold([missing], value(0.1))
    result = evaluate_table(table, [MetricConfig("AUC", per_slice_thresholds=[per_slice])], SlicingSpec(), COMPANY)
    assert result.describe_failures() == [
        "auc is gated on slice company=zz, which does not occur in the evaluation data."
    ]
    assert result.validation_result.missing_slices == ("company=zz",)
    result = evaluate_table(table, [MetricConfig("AUC", threshold=value(0.1))], SlicingSpec(), missing)
    assert [f.kind for f in result.validation_result.failures] == ["missing_slice"]
    expression = SlicingSpec(expression="company == 'zz'")
    result = evaluate_table(table, [MetricConfig("AUC", threshold=value(0.1))], SlicingSpec(), expression)
    assert [f.slice for f in result.validation_result.failures] == ["company == 'zz'"]


def test_a_slicing_column_without_any_value_closes_the_gate() -> None:
    """Nothing was checked by company, so the candidate cannot pass by company."""
    columns = {**two_models(300, 2, 0.0), "company": pa.nulls(300, pa.string())}
    table = pa.table(columns).drop_columns(["base"])
    result = evaluate_table(table, [MetricConfig("AUC", threshold=value(0.1))], SlicingSpec(), COMPANY)
    assert [(f.kind, f.slice) for f in result.validation_result.failures] == [("missing_slice", "company")]


def test_small_slices_are_not_gated_but_a_named_small_slice_closes_the_gate() -> None:
    columns = two_models(400, 3, 0.0)
    columns["company"] = columns["company"].astype(object)
    columns["company"][:5] = "tiny"
    columns["prediction"] = np.where(columns["company"] == "tiny", 1 - columns["label"], columns["prediction"])
    table = pa.table(columns).drop_columns(["base"])
    auc = [MetricConfig("AUC", threshold=value(0.6))]
    result = evaluate_table(table, auc, COMPANY, min_slice_size=20)
    assert result.validation_result.ok
    assert result.validation_result.too_small == ("company=tiny",)
    named = SlicingSpec(feature_values={"company": "tiny"})
    result = evaluate_table(table, auc, COMPANY, named, min_slice_size=20)
    assert "has only 5 labelled rows, fewer than the minimum of 20" in result.describe_failures()[0]
    assert not evaluate_table(table, auc, COMPANY, min_slice_size=5).validation_result.ok


def test_per_slice_thresholds_hold_on_their_slices_alone() -> None:
    table = pa.table(two_models(2000, 4, 0.0)).drop_columns(["base"])
    per_slice = PerSliceMetricThreshold([SlicingSpec(feature_values={"company": "a"})], value(0.999))
    result = evaluate_table(table, [MetricConfig("AUC", per_slice_thresholds=[per_slice])], SlicingSpec(), COMPANY)
    assert [f.slice for f in result.validation_result.failures] == ["company=a"]


def test_verdict_survives_json() -> None:
    verdict = judge(change(0.0), 0.79, 0.8)
    assert ValidationResult.from_json(verdict.to_json()) == verdict
    assert set(verdict.to_dict()["failures"][0]) == {"metric", "slice", "kind", "value", "bound", "by", "sentence"}


@pytest.mark.parametrize(
    ("labels", "predictions"), [([None, None], [0.9, 0.1]), ([1.0, 0.0], [0.9, float("nan")]), ([1.0, 1.0], [0.9, 0.8])]
)
def test_first_model_passes_a_change_threshold_only_where_its_metric_is_defined(labels: Any, predictions: Any) -> None:
    config = EvalConfig([MetricsSpec([MetricConfig("AUC", threshold=change(absolute=0.0))])])
    table = pa.table({"label": pa.array(labels, pa.float64()), "prediction": predictions})
    verdict = analyze_raw_data(table, config).validation_result
    assert not verdict.ok
    assert [f.kind for f in verdict.failures] == ["undefined"]
    good = pa.table({"label": [1.0, 0.0], "prediction": [0.9, 0.1]})
    assert analyze_raw_data(good, config).validation_result.ok
    assert analyze_raw_data(good, config).validation_result.rubber_stamp
