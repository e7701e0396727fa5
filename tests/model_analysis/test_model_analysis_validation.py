"""The verdict as data: its evidence, what it lets through and says, its formats, and TFMA's shape."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from model_analysis_gated import change, config_of, judge, one_slice, value

from trueline._core.errors import ConfigError
from trueline.model_analysis import (
    BinarizationOptions,
    EvalConfig,
    GateFailure,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricThreshold,
    PerSliceMetricThreshold,
    SliceMetrics,
    SlicingSpec,
    ValidationResult,
)
from trueline.model_analysis.measured import Change, Estimate

COMPANY = SlicingSpec(["company"])
FORMAT_1 = """{
  "checks": 2, "failures": [{"bound": 0.85, "by": 0.05, "kind": "value_lower", "metric": "auc",
  "sentence": "auc on Overall is 0.8, below the lower bound 0.85 by 0.05.", "slice": "Overall", "value": 0.8}],
  "format": 1, "missing_slices": [], "missing_thresholds": false, "ok": false, "rubber_stamp": true,
  "too_small": ["company=tiny"], "within_noise": []
}"""


def gated(*thresholds: MetricThreshold, **options: Any) -> EvalConfig:
    metrics = [MetricConfig("AUC", {"name": f"m{k}"}, threshold) for k, threshold in enumerate(thresholds)]
    return config_of(*metrics, **options)


# what is let through and said


def test_an_undefined_value_passes_where_the_threshold_says_so_and_the_verdict_tells() -> None:
    config = gated(value(0.9, undefined="pass"), value(0.5))
    found = one_slice(m0=(None, None, None), m1=(0.8, 0.8, 0.1))
    verdict = judge(config, found, has_baseline=False)
    assert verdict.ok
    assert verdict.undefined_passed == ("m0 on Overall is undefined: no positives, which this threshold lets through.",)
    assert [c.outcome for c in verdict.judged] == ["undefined_passed", "passed"]
    failed = judge(gated(value(0.9), value(0.5)), found, has_baseline=False)
    assert [(f.metric, f.kind) for f in failed.failures] == [("m0", "undefined")]


@pytest.mark.parametrize("before", [None, 0.0])
def test_an_undefined_change_passes_where_the_threshold_says_so(before: float | None) -> None:
    found = one_slice(m0=(0.8, before, 0.01))
    verdict = judge(gated(change(relative=0.0, undefined="pass")), found)
    assert (verdict.ok, len(verdict.undefined_passed)) == (True, 1)
    assert [f.kind for f in judge(gated(change(relative=0.0)), found).failures] == ["undefined"]


def test_what_is_missing_or_unmeasured_never_passes_as_undefined() -> None:
    lenient = value(0.5, undefined="pass"), change(-0.1, test="non_inferior", undefined="pass")
    verdict = judge(gated(*lenient), one_slice(m1=(0.8, 0.8, None)))
    assert [(f.metric, f.kind) for f in verdict.failures] == [("m1", "change_absolute"), ("m0", "missing_metric")]


def test_a_structured_value_cannot_be_gated() -> None:
    found = SliceMetrics((), 10, metrics={"m0": Estimate(None, data={"matrix": [[1, 0], [0, 1]]})})
    (failure,) = judge(gated(value(0.5, undefined="pass")), found, has_baseline=False).failures
    assert failure.sentence == "m0 on Overall is no single number, so no threshold can hold for it."


@pytest.mark.parametrize(("now", "ok", "said"), [(0.8, True, "passes on value"), (0.2, False, "was judged on value")])
def test_a_first_model_says_that_value_thresholds_alone_judged_it(now: float, ok: bool, said: str) -> None:
    both = MetricThreshold(GenericValueThreshold(0.5), GenericChangeThreshold(0.0))
    verdict = judge(gated(both), one_slice(m0=(now, None, None)), has_baseline=False)
    assert (verdict.ok, verdict.rubber_stamp) == (ok, True)
    assert verdict.notes == (
        f"There was no other model to compare with, so this one {said} thresholds alone: "
        "1 threshold on a change was not applied (m0).",
    )
    assert judge(gated(both), one_slice(m0=(0.8, 0.8, 0.1))).notes == ()


# evidence


def test_every_check_has_its_evidence() -> None:
    both = MetricThreshold(GenericValueThreshold(0.5, 0.9), GenericChangeThreshold(-0.05, -0.02, confidence=0.9))
    verdict = judge(gated(both), one_slice((("company", "acme"),), rows=77, m0=(0.78, 0.8, 0.01)))
    found = {c.kind: c for c in verdict.judged}
    assert list(found) == ["value_lower", "value_upper", "change_absolute", "change_relative"]
    assert {c.outcome for c in verdict.judged} == {"passed", "failed"}
    absolute, relative = found["change_absolute"], found["change_relative"]
    assert (absolute.rows, absolute.value, absolute.baseline, absolute.confidence) == (77, 0.78, 0.8, 0.9)
    assert (absolute.compared, absolute.bound, absolute.test) == (pytest.approx(-0.02), -0.05, "worse")
    assert (absolute.low, absolute.high) == (pytest.approx(-0.03696, abs=1e-4), pytest.approx(-0.00304, abs=1e-4))
    assert relative.compared == pytest.approx(-0.025)
    assert relative.p_value == absolute.p_value == pytest.approx(0.0271, rel=0.01)
    assert verdict.checks == 1
    assert verdict.thresholds == (both,)


def test_verdict_survives_json_with_its_evidence() -> None:
    config = gated(value(0.9), change(0.0), value(0.1, undefined="pass"), slices=[SlicingSpec(), COMPANY])
    found = one_slice(m0=(0.8, 0.8, 0.0), m1=(0.7, 0.8, 0.2), m2=(None, None, None))
    verdict = judge(config, found, too_small=(((("company", "tiny"),), 3),))
    again = ValidationResult.from_json(verdict.to_json())
    assert again == verdict
    assert again.to_tfma() == verdict.to_tfma()
    assert again.judged[0].threshold == 0


def test_further_gates_close_a_verdict_and_never_open_one() -> None:
    slow = GateFailure("latency", "Overall", "value_upper", 2.0, 1.0, 1.0, "It is slow.")
    good = judge(gated(value(0.5)), one_slice(m0=(0.8, None, None)), has_baseline=False)
    bad = judge(gated(value(0.9)), one_slice(m0=(0.8, None, None)), has_baseline=False)
    none = judge(config_of(MetricConfig("AUC")), one_slice(m0=(0.8, None, None)), has_baseline=False)
    assert good.with_failures([], checks=3, notes=["Measured once."]).ok
    joined = good.with_failures([slow], checks=3, notes=["Measured once."])
    assert (joined.ok, joined.failures, joined.checks, joined.notes) == (False, (slow,), 4, ("Measured once.",))
    assert not bad.with_failures([]).ok
    assert not none.with_failures([]).ok
    assert none.with_failures([]).missing_thresholds
    assert len(bad.with_failures([slow, slow]).failures) == 2


def test_format_1_still_reads() -> None:
    verdict = ValidationResult.from_json(FORMAT_1)
    assert (verdict.ok, verdict.rubber_stamp, verdict.checks) == (False, True, 2)
    assert verdict.failures[0].bound == 0.85
    assert verdict.too_small == ("company=tiny",)
    assert ValidationResult.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "has format None"),
        ('{"ok": true}', "has format None"),
        ('{"format": 3, "ok": true}', "has format 3, this release reads 1, 2"),
        ('{"format": true, "ok": true}', "has format True"),
        ('{"format": 2}', "field 'ok' is missing"),
        ('{"format": 2, "ok": true, "okay": 1}', "okay: there is no such field"),
        ('{"format": 2, "ok": true, "judged": [{}]}', "judged[0]: field 'metric' is missing"),
    ],
)
def test_another_text_is_no_verdict(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ValidationResult.from_json(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_close_the_gate_and_can_be_written(bad: float) -> None:
    found = SliceMetrics((), 10, 0, 32, {"m0": Estimate(bad, None, 0.1)}, {"m0": Estimate(0.5, None, 0.1)},
                         {"m0": Change(bad, 0.1)})  # fmt: skip
    for threshold in (value(0.1, 0.9), change(-0.1, direction="HIGHER_IS_BETTER"), change(-0.1, test="non_inferior")):
        verdict = judge(gated(threshold), found)
        assert {f.kind for f in verdict.failures} == {"undefined"}
        assert f"is undefined: the value is {bad}" in verdict.failures[0].sentence
        assert ValidationResult.from_json(verdict.to_json()) == verdict


def test_infinite_bounds_hold_and_can_be_written() -> None:
    found = one_slice(m0=(0.8, 0.8, 0.1))
    open_ended, never = value(0.1, float("inf")), value(float("inf"))
    assert judge(gated(open_ended), found).ok
    verdict = judge(gated(never), found)
    assert [f.kind for f in verdict.failures] == ["value_lower"]
    assert ValidationResult.from_json(verdict.to_json()).ok is False


# TFMA's shape


def shaped() -> ValidationResult:
    both = MetricThreshold(GenericValueThreshold(0.85, 0.9), GenericChangeThreshold(0.0, 0.0))
    acme = PerSliceMetricThreshold([SlicingSpec(feature_values={"company": "acme"}), COMPANY], value(0.95))
    nowhere = PerSliceMetricThreshold([SlicingSpec(feature_values={"company": "zz"})], value(0.1))
    config = config_of(
        MetricConfig("AUC", threshold=both, per_slice_thresholds=[acme, nowhere]),
        slices=[SlicingSpec(), COMPANY],
        spec={"binarize": BinarizationOptions(class_ids=(1,))},
    )
    found = {"auc[class_id=1]": (0.8, 0.9, 0.001)}
    return judge(
        config, one_slice(**found), one_slice((("company", "acme"),), **found), one_slice((("company", 7),), **found)
    )


def test_failures_stand_by_slice_as_in_tfma() -> None:
    overall, acme, seven = shaped().metric_validations_per_slice
    assert overall["slice_key"] == ()
    assert [(f["metric_key"], f["metric_threshold"], f["metric_value"]) for f in overall["failures"]] == [
        ({"name": "auc", "sub_key": {"class_id": 1}}, {"value_threshold": {"lower_bound": 0.85, "upper_bound": 0.9}},
         {"double_value": 0.8}),
        ({"name": "auc", "sub_key": {"class_id": 1}, "is_diff": True},
         {"change_threshold": {"absolute": 0.0, "relative": 0.0, "direction": "HIGHER_IS_BETTER"}},
         {"double_value": pytest.approx(-0.1)}),
    ]  # fmt: skip
    assert "off by 0.1" in overall["failures"][1]["message"]
    assert "off by 0.111" in overall["failures"][1]["message"]  # the relative bound is the same failure in TFMA
    assert acme["slice_key"] == (("company", "acme"),)
    assert len(acme["failures"]) == len(seven["failures"]) == 3


def test_the_message_is_proto_json() -> None:
    verdict = shaped()
    found = json.loads(json.dumps(verdict.to_tfma()))
    assert "validationOk" not in found  # false is the default
    overall, acme, seven = found["metricValidationsPerSlice"]
    assert overall["sliceKey"] == {}
    (key,) = acme["sliceKey"]["singleSliceKeys"]
    assert (key["column"], base64.b64decode(key["bytesValue"])) == ("company", b"acme")
    assert seven["sliceKey"] == {"singleSliceKeys": [{"column": "company", "int64Value": "7"}]}
    assert overall["failures"][1]["metricKey"] == {"name": "auc", "subKey": {"classId": 1}, "isDiff": True}
    assert overall["failures"][0]["metricThreshold"] == {"valueThreshold": {"lowerBound": 0.85, "upperBound": 0.9}}
    assert found["missingSlices"] == [{"featureValues": {"company": "zz"}}]
    assert found["validationDetails"]["slicingDetails"] == [
        {"slicingSpec": {}, "numMatchingSlices": 3},
        {"slicingSpec": {"featureValues": {"company": "acme"}}, "numMatchingSlices": 1},
        {"slicingSpec": {"featureKeys": ["company"]}, "numMatchingSlices": 2},
    ]
    assert verdict.validation_details["slicing_details"][2] == {"slicing_spec": COMPANY, "num_matching_slices": 2}


def test_a_verdict_that_passes_and_one_without_thresholds() -> None:
    good = judge(gated(value(0.5)), one_slice(m0=(0.8, 0.8, 0.1)), has_baseline=False)
    assert good.validation_ok
    assert good.to_tfma() == {
        "validationOk": True,
        "validationDetails": {"slicingDetails": [{"slicingSpec": {}, "numMatchingSlices": 1}]},
    }
    none = judge(config_of(MetricConfig("AUC")), one_slice(m0=(0.8, 0.8, 0.1)))
    assert none.to_tfma() == {"missingThresholds": True}
    assert not none.validation_ok


def test_undefined_and_missing_metrics_in_tfmas_shape() -> None:
    verdict = judge(gated(value(0.5), value(0.5)), one_slice(m0=(None, None, None)), has_baseline=False)
    undefined, missing = verdict.to_tfma()["metricValidationsPerSlice"][0]["failures"]
    assert undefined["metricValue"] == {"doubleValue": "NaN"}
    assert "metricValue" not in missing
    assert missing["message"] == "Metric not found. m1 was not computed on Overall."


def test_a_rubber_stamp_is_one_in_tfma_too() -> None:
    verdict = judge(gated(change(0.0)), one_slice(m0=(0.8, None, None)), has_baseline=False)
    assert verdict.to_tfma()["rubberStamp"] is True
