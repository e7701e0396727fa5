"""A threshold holds for every key of its metric that its spec makes, and for differences between slices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from model_analysis_gated import change, config_of, judge, one_slice, pair, parts, value

from trueline._core.errors import ConfigError
from trueline.model_analysis import (
    AggregationOptions,
    BinarizationOptions,
    CrossSliceMetricThreshold,
    CrossSlicingSpec,
    EvalConfig,
    EvalOptions,
    ExampleWeightOptions,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    ModelSpec,
    SliceMetrics,
    SlicingSpec,
    ValidationResult,
    analyze_raw_data,
    validate_metrics,
)
from trueline.model_analysis.measured import Estimate, Measured

GOOD, BAD = (0.9, 0.9, 0.001), (0.4, 0.9, 0.001)
PRECISION = MetricConfig("Precision", threshold=value(0.5))


def keyed(spec: dict[str, Any], numbers: dict[str, Any], *metrics: MetricConfig) -> ValidationResult:
    found = SliceMetrics((), 100, 0, 32, *parts(numbers))
    return judge(config_of(*(metrics or (PRECISION,)), spec=spec), found)


CLASSES = {"binarize": BinarizationOptions(class_ids=(0, 1), k_list=(2,), top_k_list=(3,))}
KEYS = ["precision[class_id=0]", "precision[class_id=1]", "precision[k=2]", "precision[top_k=3]"]


def test_every_class_of_a_name_is_gated() -> None:
    assert keyed(CLASSES, dict.fromkeys(KEYS, GOOD)).ok
    for bad in KEYS:
        verdict = keyed(CLASSES, {**dict.fromkeys(KEYS, GOOD), bad: BAD})
        assert [(f.metric, f.kind) for f in verdict.failures] == [(bad, "value_lower")]


def test_a_class_that_was_not_measured_is_missing() -> None:
    verdict = keyed(CLASSES, dict.fromkeys(KEYS[:-1], GOOD))
    assert [f.sentence for f in verdict.failures] == ["precision[top_k=3] was not computed on Overall."]
    plain = keyed(CLASSES, {"precision": GOOD})
    assert [(f.metric, f.kind) for f in plain.failures] == [(key, "missing_metric") for key in KEYS]


@pytest.mark.parametrize(
    ("spec", "good", "bad"),
    [
        ({"aggregate": AggregationOptions(micro_average=True)}, "precision[micro_average]", "precision"),
        ({"aggregate": AggregationOptions(macro_average=True)}, "precision[macro_average]", "precision[class_id=1]"),
        (
            {"aggregate": AggregationOptions(weighted_macro_average=True, top_k_list=(2,))},
            "precision[top_k=2,weighted_macro_average]",
            "precision[weighted_macro_average]",
        ),
        ({"output_names": ("a",)}, "precision[output=a]", "precision[output=b]"),
        ({}, "precision", "precision[class_id=0]"),
        ({"example_weights": ExampleWeightOptions(weighted=True)}, "precision", "precision[unweighted]"),
    ],
)
def test_keys_of_other_specs_are_not_gated(spec: dict[str, Any], good: str, bad: str) -> None:
    assert keyed(spec, {good: GOOD, bad: BAD}).ok
    assert [f.metric for f in keyed(spec, {good: BAD, bad: GOOD}).failures] == [good]
    assert [f.kind for f in keyed(spec, {bad: GOOD}).failures] == ["missing_metric"]


def test_weighted_and_unweighted_are_both_gated() -> None:
    both = {"example_weights": ExampleWeightOptions(True, True)}
    assert [f.metric for f in keyed(both, {"precision": GOOD, "precision[unweighted]": BAD}).failures] == [
        "precision[unweighted]"
    ]
    assert [f.kind for f in keyed(both, {"precision": GOOD}).failures] == ["missing_metric"]


def test_outputs_and_their_weighted_mean_are_all_gated() -> None:
    spec = {"output_names": ("a", "b"), "output_weights": {"a": 1.0, "b": 3.0}}
    keys = ["precision[output=a]", "precision[output=b]", "precision"]
    assert keyed(spec, dict.fromkeys(keys, GOOD)).ok
    for bad in keys:
        assert [f.metric for f in keyed(spec, {**dict.fromkeys(keys, GOOD), bad: BAD}).failures] == [bad]


def test_a_threshold_by_the_text_of_one_key_holds_for_that_key_alone() -> None:
    spec = {**CLASSES, "thresholds": {"precision[class_id=1]": value(0.95)}}
    verdict = keyed(spec, dict.fromkeys(KEYS, GOOD), MetricConfig("Precision"))
    assert [f.metric for f in verdict.failures] == ["precision[class_id=1]"]


def test_each_candidate_is_gated_by_the_specs_that_are_for_it() -> None:
    config = EvalConfig(
        [MetricsSpec([PRECISION], model_names=("a",)), MetricsSpec([MetricConfig("Recall", threshold=value(0.5))])],
        model_specs=(ModelSpec("a"), ModelSpec("b")),
    )
    found = Measured((SliceMetrics((), 10, metrics={"recall": Estimate(0.9)}),))
    assert validate_metrics(found, config, has_baseline=False, model="b").ok
    verdict = validate_metrics(found, config, has_baseline=False, model="a")
    assert [(f.metric, f.kind) for f in verdict.failures] == [("precision", "missing_metric")]
    assert verdict.metric_validations_per_slice[0]["failures"][0]["metric_key"]["model_name"] == "a"


# differences by nature


def flips(rate: float, threshold: MetricThreshold, *, has_baseline: bool = True) -> ValidationResult:
    found = SliceMetrics((), 100, 0, 32, {"symmetric_flip_rate": Estimate(rate, None, 0.002)})
    config = config_of(MetricConfig("SymmetricFlipRate", threshold=threshold))
    return judge(config, found, has_baseline=has_baseline)


def test_a_difference_by_nature_is_gated_by_its_value_and_by_its_absolute_change() -> None:
    assert flips(0.01, value(None, 0.02)).ok
    assert [f.kind for f in flips(0.03, value(None, 0.02)).failures] == ["value_upper"]
    assert flips(0.01, change(0.02)).ok
    assert [f.kind for f in flips(0.03, change(0.02)).failures] == ["change_absolute"]
    assert "relative change: it is a difference by nature" in flips(0.0, change(relative=0.5)).failures[0].sentence


def test_noise_of_a_difference_by_nature_counts_where_it_has_to_be_shown() -> None:
    assert flips(0.016, change(0.02, test="non_inferior")).ok  # up to 0.0194
    (failure,) = flips(0.018, change(0.02, test="non_inferior")).failures
    assert failure.value == pytest.approx(0.018 + 1.6955 * 0.002, rel=1e-3)


def test_a_first_model_has_no_difference_and_says_so() -> None:
    verdict = flips(0.5, value(None, 0.02), has_baseline=False)
    assert (verdict.ok, verdict.rubber_stamp, verdict.judged) == (True, True, ())
    assert verdict.notes == (
        "There was no other model to compare with, so this one passes with no threshold on a value at all: "
        "1 threshold on a change was not applied (symmetric_flip_rate).",
    )


# differences between slices

SEX = SlicingSpec(["sex"])
F, M = (("sex", "F"),), (("sex", "M"),)
CROSS = CrossSlicingSpec(SlicingSpec(), (SEX,))


def crossed(threshold: MetricThreshold, *specs: CrossSlicingSpec) -> MetricConfig:
    return MetricConfig("AUC", cross_slice_thresholds=[CrossSliceMetricThreshold(specs or (CROSS,), threshold)])


def gap(threshold: MetricThreshold, *pairs: Any, **more: Any) -> ValidationResult:
    slices = [one_slice(rows=500, auc=GOOD), one_slice(F, 20, 100, auc=GOOD), one_slice(M, 32, 400, auc=GOOD)]
    return judge(config_of(crossed(threshold)), *slices, cross=pairs, **more)


def test_differences_between_slices_are_gated_like_values() -> None:
    near, far = pair((), M, auc=(0.01, 0.0, 0.01)), pair((), F, auc=(0.08, 0.0, 0.01))
    assert gap(value(-0.1, 0.1), near, far).ok
    (failure,) = (verdict := gap(value(-0.05, 0.05), near, far)).failures
    assert failure.sentence == ("auc on Overall minus sex=F is 0.08, above the upper bound 0.05 by 0.03.")
    (check,) = [c for c in verdict.judged if c.outcome == "failed"]
    assert (check.rows, check.slice_key, check.compared_key) == (100, "[]", '[["sex", "F"]]')
    assert verdict.metric_validations_per_slice[0]["cross_slice_key"] == ((), F)


def test_changes_of_differences_need_a_direction_and_have_the_noise_of_the_smaller_slice() -> None:
    found = pair((), F, auc=(0.08, 0.0, 0.04))
    assert [f.kind for f in gap(change(0.0), found).failures] == ["no_direction"]
    verdict = gap(change(0.0, direction="LOWER_IS_BETTER"), found)
    assert [f.kind for f in verdict.failures] == ["change_absolute"]
    assert verdict.judged[0].p_value == pytest.approx(0.0300, rel=0.01)  # t of 2 with 19 degrees of freedom


def test_missing_pairs_close_the_gate() -> None:
    verdict = gap(value(-1, 1))
    assert [(f.kind, f.slice) for f in verdict.failures] == [("missing_cross_slice", "Overall minus sex")]
    assert verdict.missing_cross_slices == ("Overall minus sex",)
    assert verdict.to_tfma()["missingCrossSlices"] == [{"baselineSpec": {}, "slicingSpecs": [{"featureKeys": ["sex"]}]}]
    both = CrossSlicingSpec(SlicingSpec(), (SEX, SlicingSpec(["age"])))
    config = config_of(crossed(value(-1, 1), both))
    verdict = judge(config, one_slice(auc=GOOD), cross=[pair((), F, auc=GOOD)])
    assert [f.slice for f in verdict.failures] == ["Overall minus age"]


def test_a_pair_of_too_small_slices_is_missing_with_its_size() -> None:
    config = config_of(crossed(value(-1, 1)), min_slice_size=50)
    verdict = judge(config, one_slice(auc=GOOD), too_small=((F, 7),))
    assert "of which sex has only 7 labelled rows, fewer than the minimum of 50" in verdict.failures[0].sentence


def test_thresholds_on_slices_leave_pairs_alone_and_the_other_way_round() -> None:
    found = pair((), F, auc=(0.08, 0.0, 0.01))
    config = config_of(MetricConfig("AUC", threshold=value(0.5)))
    assert judge(config, one_slice(auc=GOOD), cross=[found]).ok
    assert gap(value(None, 0.1), found).checks == 1


def test_every_other_slice_is_meant_where_none_is_named() -> None:
    config = config_of(crossed(value(-0.05, 0.05), CrossSlicingSpec(SlicingSpec())))
    pairs = [pair((), key, auc=(0.08, 0.0, 0.01)) for key in (F, M)]
    verdict = judge(config, one_slice(auc=GOOD), cross=pairs)
    assert [f.slice for f in verdict.failures] == ["Overall minus sex=F", "Overall minus sex=M"]


def test_a_gap_between_groups_is_refused_on_data() -> None:
    rng = np.random.default_rng(2)
    label, sex = rng.integers(0, 2, 3000).astype(float), rng.choice(["F", "M"], 3000)
    skill = np.where(sex == "F", 0.08, 0.3)
    score = np.clip(rng.normal(0.5 + skill * (label - 0.5) * 2, 0.2), 0, 1)
    table = pa.table({"label": label, "prediction": score, "sex": sex})
    config = EvalConfig(
        [MetricsSpec([crossed(value(-0.1, 0.1), CROSS)])], [SlicingSpec(), SEX], EvalOptions(), (), (CROSS,)
    )
    verdict = analyze_raw_data(table, config).validation_result
    assert {f.slice for f in verdict.failures} == {"Overall minus sex=F", "Overall minus sex=M"}
    low, high = sorted(f.value for f in verdict.failures if f.value is not None)
    assert low < -0.1
    assert high > 0.1
    details = verdict.validation_details["slicing_details"]
    assert [(d["cross_slicing_spec"], d["num_matching_slices"]) for d in details] == [(CROSS, 2)]


def test_without_a_baseline_a_difference_by_nature_is_no_silent_0() -> None:
    table = pa.table({"label": [0.0, 1.0], "prediction": [0.2, 0.8]})
    found = analyze_raw_data(table, EvalConfig([MetricsSpec([MetricConfig("SymmetricFlipRate")])])).measured.slices[0]
    assert found.metrics["symmetric_flip_rate"] == Estimate(None, "there is no baseline to compare with")


def test_a_change_of_a_difference_between_slices_is_told_to_need_a_direction() -> None:
    config = EvalConfig([MetricsSpec([crossed(change(0.0))])], [SlicingSpec(), SEX], EvalOptions(), (), (CROSS,))
    with pytest.raises(ConfigError, match="a difference between slices has no better direction of its own"):
        config.validate()


def test_changes_of_differences_are_judged_with_noise_on_data() -> None:
    """The gap between groups grows with the candidate, beyond noise; the same candidate against itself passes."""
    rng = np.random.default_rng(3)
    label, sex = rng.integers(0, 2, 3000).astype(float), rng.choice(["F", "M"], 3000)
    base = np.clip(rng.normal(0.5 + 0.2 * (label - 0.5) * 2, 0.2), 0, 1)
    worse = np.where(sex == "F", np.clip(base + rng.normal(0, 0.3, 3000), 0, 1), base)
    threshold = change(0.0, direction="LOWER_IS_BETTER")
    config = EvalConfig([MetricsSpec([crossed(threshold)])], [SlicingSpec(), SEX], EvalOptions(), (), (CROSS,))
    for mine, refused in ((worse, {"Overall minus sex=F"}), (base, set())):
        table = pa.table({"label": label, "prediction": mine, "base": base, "sex": sex})
        verdict = analyze_raw_data(table, config, baseline_prediction_key="base").validation_result
        assert {f.slice for f in verdict.failures} == refused
        assert all(c.p_value is not None for c in verdict.judged)


def test_thresholds_hold_for_the_keys_that_are_planned_on_data() -> None:
    """Counts know no classes, a metric may name its class itself, and its aggregate stands beside its classes."""
    rng = np.random.default_rng(4)
    prediction = rng.dirichlet([1, 1, 1], 400)
    label = np.array([rng.choice(3, p=p) for p in prediction])
    binarized = MetricsSpec(
        [MetricConfig("ExampleCount", threshold=value(1)), MetricConfig("AUC", threshold=value(0.5))],
        binarize=BinarizationOptions(class_ids=(0, 2)),
        aggregate=AggregationOptions(micro_average=True),
    )
    own = MetricsSpec([MetricConfig("Precision", {"class_id": 1}, threshold=value(0.2))])
    table = pa.table({"label": label, "prediction": list(prediction)})
    verdict = analyze_raw_data(table, EvalConfig([binarized, own])).validation_result
    assert verdict.ok, verdict.failures
    keys = ["example_count", "auc[class_id=0]", "auc[class_id=2]", "auc[micro_average]", "precision[class_id=1]"]
    assert [c.metric for c in verdict.judged] == keys


def test_a_threshold_at_one_of_several_decision_thresholds_is_given_by_its_name() -> None:
    table = pa.table({"label": [0.0, 1.0, 1.0, 0.0], "prediction": [0.2, 0.8, 0.4, 0.6]})
    several = MetricConfig("Precision", {"thresholds": [0.3, 0.7]})
    config = EvalConfig([MetricsSpec([several], {"precision@0.7": value(0.9), "precision@0.3": value(0.9)})])
    verdict = analyze_raw_data(table, config).validation_result
    assert [(c.metric, c.outcome) for c in verdict.judged] == [("precision@0.7", "passed"), ("precision@0.3", "failed")]
    whole = EvalConfig([MetricsSpec([replace(several, threshold=value(0.9))])])
    (failure,) = analyze_raw_data(table, whole).validation_result.failures
    assert "is no single number" in failure.sentence
