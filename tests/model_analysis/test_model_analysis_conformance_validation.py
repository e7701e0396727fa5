"""TFMA's golden cases of validation: its whole message, slice by slice, of all 91 cases.

TFMA judges each slice by itself and looks for missing slices when it joins the results; a case is one slice, so that
``missing_slices`` is not compared. Details with the same spec are joined there too, and are joined here before.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import pytest
from model_analysis_pbtxt import parse_pbtxt

from trueline.model_analysis import EvalConfig, SliceMetrics, ValidationResult, validate_metrics
from trueline.model_analysis.config_tfma import config_from_text
from trueline.model_analysis.keys import MetricKey
from trueline.model_analysis.measured import Change, CrossSliceMetrics, Estimate, Measured
from trueline.model_analysis.metrics import find_metric
from trueline.model_analysis.rules import metric_key

SHARED = Path(__file__).parents[3] / "shared" / "conformance" / "tfma"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.exists(), reason="the shared conformance cases do not lie beside the clone"),
]
Message = dict[str, Any]


def test_validation_of_tfma() -> None:
    cases = [json.loads(line) for line in (SHARED / "validation.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(cases) == 91
    assert {case["id"]: reason for case in cases if (reason := run(case)) is not None} == {}


def run(case: dict[str, Any]) -> str | None:
    """Why a case does not pass, or None."""
    config = config_from_text(case["eval_config"])
    got = ours(verdict_of(case, config))
    want = joined(message(parse_pbtxt(case["expected"]["validation_result"])))
    for name in sorted(got.keys() | want.keys()):
        if got.get(name) != want.get(name):
            return f"{name}: {got.get(name)} here, {want.get(name)} in TFMA"
    return None


def verdict_of(case: dict[str, Any], config: EvalConfig) -> ValidationResult:
    """The verdict on the one slice, or pair of slices, of a case."""
    candidate, before, changes = metrics_of(case, config)
    key = case["slice"]
    has_baseline = any(spec.is_baseline for spec in config.model_specs)
    if len(key) == 2 and all(not part or isinstance(part[0], list) for part in key):
        sides = tuple(tuple((name, value) for name, value in part) for part in key)
        pair = CrossSliceMetrics((sides[0], sides[1]), candidate, before, changes)
        return validate_metrics(Measured((), (), 100, cross=(pair,)), config, has_baseline=has_baseline)
    single = tuple(sorted((name, value) for name, value in key))
    measured = Measured((SliceMetrics(single, 100, 0, 30, candidate, before, changes),), (), 100)
    return validate_metrics(measured, config, has_baseline=has_baseline)


def metrics_of(
    case: dict[str, Any], config: EvalConfig
) -> tuple[dict[str, Estimate], dict[str, Estimate], dict[str, Change]]:
    """Candidate, baseline and changes; TFMA's own unit tests give a change without the candidate's value."""
    found: dict[str, dict[str, float]] = {"candidate": {}, "baseline": {}, "diff": {}}
    for entry in case["metrics"]:
        value = entry["value"]
        value = value["unsampled_value"] if isinstance(value, dict) else value
        kind = "diff" if entry["key"].get("is_diff") else entry["key"].get("model_name") or "candidate"
        found[kind][text_of(entry["key"], config)] = float(value)
    classes = {m.class_name for spec in config.metrics_specs for m in spec.metrics}
    native = {m.name for m in map(find_metric, classes) if m is not None and m.needs_baseline}
    for name, diff in found["diff"].items():
        found["candidate"].setdefault(name, diff if name in native else found["baseline"][name] + diff)
    changes = {name: Change(diff) for name, diff in found["diff"].items() if name not in native}
    return estimates(found["candidate"]), estimates(found["baseline"]), changes


def text_of(key: dict[str, Any], config: EvalConfig) -> str:
    """Our text of TFMA's key: what is not weighted although its spec asks for weights has the mark."""
    asked = {
        metric_key(m)
        for spec in config.metrics_specs
        for m in spec.metrics
        if spec.example_weights is not None and spec.example_weights.weighted
    }
    return MetricKey(key["name"], unweighted=key["name"] in asked and not key.get("example_weighted")).text


def estimates(values: dict[str, float]) -> dict[str, Estimate]:
    return {n: Estimate(None, "NaN") if math.isnan(v) else Estimate(v) for n, v in values.items()}


def ours(verdict: ValidationResult) -> Message:
    """Our message, without what is not known of one slice and without our own words."""
    got = json.loads(json.dumps(verdict.to_tfma()))
    for name in ("missingSlices", "missingCrossSlices", "validationOk"):
        got.pop(name, None)
    if "metricValidationsPerSlice" not in got and not verdict.missing_thresholds:
        got["validationOk"] = True
    for entry in got.get("metricValidationsPerSlice", []):
        for failure in entry["failures"]:
            text = failure.pop("message")
            if text.startswith("Metric not found."):
                failure["message"] = "Metric not found."
    return joined(got)


def joined(result: Message) -> Message:
    """Details of one spec once, and no order among failures."""
    details: dict[str, Message] = {}
    for detail in result.get("validationDetails", {}).get("slicingDetails", []):
        spec = {k: v for k, v in detail.items() if k != "numMatchingSlices"}
        details.setdefault(json.dumps(spec, sort_keys=True), detail)
    rest = {k: v for k, v in result.items() if k != "validationDetails"}
    for entry in rest.get("metricValidationsPerSlice", []):
        entry["failures"].sort(key=lambda failure: json.dumps(failure, sort_keys=True))
    return {**rest, **({"validationDetails": details} if details else {})}


# proto text -> proto JSON, for the messages of a ValidationResult

REPEATED = {"metric_validations_per_slice", "failures", "single_slice_keys", "slicing_details", "slicing_specs"}
WRAPPERS: dict[str, Any] = {
    "example_weighted": False, "lower_bound": 0.0, "upper_bound": 0.0, "absolute": 0.0, "relative": 0.0,
    "double_value": 0.0,
}  # fmt: skip


def message(fields: dict[str, list[Any]]) -> Message:
    return {camel(name): field(name, values) for name, values in fields.items()}


def field(name: str, values: list[Any]) -> Any:
    if name in WRAPPERS:
        return values[0].get("value", [WRAPPERS[name]])[0]
    if name == "feature_values":
        return {entry["key"][0]: entry["value"][0] for entry in values}
    if name == "feature_keys":
        return values
    if name in REPEATED:
        return [message(value) for value in values]
    if name == "bytes_value":
        return base64.b64encode(values[0].encode()).decode()
    return message(values[0]) if isinstance(values[0], dict) else values[0]


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
