"""The verdict in the shape of TFMA's ``ValidationResult`` message.

TFMA judges a metric's value and its change by two keys, of which the second says ``is_diff``; a failure names one key
with the half of the threshold that it broke, so both bounds of a half are one failure there. The message of a failure,
which TFMA leaves empty but for a missing metric, is our sentence here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from trueline.model_analysis.config import CrossSlicingSpec, GenericChangeThreshold, GenericValueThreshold, SlicingSpec
from trueline.model_analysis.keys import MetricKey
from trueline.model_analysis.slices import SliceKey, parse_key
from trueline.model_analysis.validation import GateCheck, ValidationResult

__all__ = ["slicing_details", "tfma_message", "validations_per_slice"]

NOT_FOUND = "Metric not found."
_Place = tuple[str, str | None]


def validations_per_slice(result: ValidationResult) -> list[dict[str, Any]]:
    """Failures by slice: dictionaries in TFMA's field names, slice keys as tuples."""
    slices: dict[_Place, dict[tuple[str, int, bool], dict[str, Any]]] = {}
    for check in result.judged:
        if check.outcome != "failed":
            continue
        failures = slices.setdefault((check.slice_key, check.compared_key), {})
        half = (check.metric, check.threshold, check.kind.startswith("change"))
        if half in failures:
            failures[half]["message"] += " " + check.sentence
        else:
            failures[half] = _failure(result, check)
    return [{**_key(place), "failures": list(failures.values())} for place, failures in slices.items()]


def _key(place: _Place) -> dict[str, Any]:
    key, compared = place
    if compared is None:
        return {"slice_key": parse_key(key)}
    return {"cross_slice_key": (parse_key(key), parse_key(compared))}


def _failure(result: ValidationResult, check: GateCheck) -> dict[str, Any]:
    """One failure; a missing metric has no value."""
    is_diff = check.kind.startswith("change")
    value = check.change if is_diff and check.change is not None else check.value
    failure = {
        "metric_key": _metric_key(result, check, is_diff),
        "metric_threshold": _threshold(result, check, is_diff),
        "message": check.sentence,
    }
    if check.reason != "missing_metric":
        failure["metric_value"] = {"double_value": float("nan") if value is None else value}
    else:
        failure["message"] = f"{NOT_FOUND} {check.sentence}"
    return failure


def _metric_key(result: ValidationResult, check: GateCheck, is_diff: bool) -> dict[str, Any]:
    key = MetricKey.parse(check.metric)
    sub = {n: v for n in ("class_id", "k", "top_k") if (v := getattr(key.sub_key, n)) is not None}
    fields = {
        "name": key.name,
        "model_name": result.model,
        "output_name": key.output_name,
        "sub_key": sub,
        "aggregation_type": {key.aggregation: True} if key.aggregation else {},
        "is_diff": is_diff,
    }
    kept = {name: value for name, value in fields.items() if value}
    return kept if check.weighted is None else {**kept, "example_weighted": check.weighted}


def _threshold(result: ValidationResult, check: GateCheck, is_diff: bool) -> dict[str, Any]:
    threshold = result.thresholds[check.threshold] if check.threshold < len(result.thresholds) else None
    change = threshold.change_threshold if threshold is not None else None
    value = threshold.value_threshold if threshold is not None else None
    if is_diff and change is not None:
        return {"change_threshold": {**_bounds(change), **_direction(change, check)}}
    return {"value_threshold": _bounds(value)} if value is not None else {}


def _bounds(threshold: GenericValueThreshold | GenericChangeThreshold) -> dict[str, float]:
    names = ("lower_bound", "upper_bound", "absolute", "relative")
    return {n: v for n in names if (v := getattr(threshold, n, None)) is not None}


def _direction(threshold: GenericChangeThreshold, check: GateCheck) -> dict[str, str]:
    direction = threshold.direction or check.direction
    return {"direction": direction} if direction else {}


def slicing_details(result: ValidationResult) -> list[dict[str, Any]]:
    """The specs of which something was judged, with how many slices."""
    return [
        {"slicing_spec": d.slicing_spec, "num_matching_slices": d.num_matching_slices}
        if d.slicing_spec is not None
        else {"cross_slicing_spec": d.cross_slicing_spec, "num_matching_slices": d.num_matching_slices}
        for d in result.details
        if d.num_matching_slices
    ]


def tfma_message(result: ValidationResult) -> dict[str, Any]:
    """The message in proto3's JSON form: lowerCamelCase names, base64 for bytes, texts for int64, defaults left out."""
    missing = [d for d in result.details if not d.num_matching_slices]
    parts: dict[str, Any] = {
        "validationOk": result.ok,
        "missingThresholds": result.missing_thresholds,
        "rubberStamp": result.rubber_stamp,
        "metricValidationsPerSlice": [_slice_message(entry) for entry in validations_per_slice(result)],
        "missingSlices": [_spec(d.slicing_spec) for d in missing if d.slicing_spec is not None],
        "missingCrossSlices": [_cross(d.cross_slicing_spec) for d in missing if d.cross_slicing_spec is not None],
    }
    details = [_detail(entry) for entry in slicing_details(result)]
    if details:
        parts["validationDetails"] = {"slicingDetails": details}
    return {name: value for name, value in parts.items() if value}


def _detail(entry: Mapping[str, Any]) -> dict[str, Any]:
    count = {"numMatchingSlices": entry["num_matching_slices"]}
    if "slicing_spec" in entry:
        return {"slicingSpec": _spec(entry["slicing_spec"]), **count}
    return {"crossSlicingSpec": _cross(entry["cross_slicing_spec"]), **count}


def _spec(spec: SlicingSpec) -> dict[str, Any]:
    """A slicing spec; expressions and buckets, which TFMA does not know, stand as feature keys, as in slice keys."""
    keys = [*spec.feature_keys, *spec.buckets, *([spec.expression] if spec.expression else [])]
    fields = {
        "featureKeys": keys,
        "featureValues": dict(spec.feature_values),
        "sliceKeysSql": spec.slice_keys_sql,
    }
    return {name: value for name, value in fields.items() if value}


def _cross(spec: CrossSlicingSpec) -> dict[str, Any]:
    compared = [_spec(s) for s in spec.slicing_specs]
    return {"baselineSpec": _spec(spec.baseline_spec), **({"slicingSpecs": compared} if compared else {})}


def _slice_message(entry: Mapping[str, Any]) -> dict[str, Any]:
    if "slice_key" in entry:
        key = {"sliceKey": _slice_key(entry["slice_key"])}
    else:
        baseline, compared = entry["cross_slice_key"]
        key = {"crossSliceKey": {"baselineSliceKey": _slice_key(baseline), "comparisonSliceKey": _slice_key(compared)}}
    return {**key, "failures": [_camel(failure) for failure in entry["failures"]]}


_VALUE_FIELDS: tuple[tuple[tuple[type, ...], str, Callable[[Any], Any]], ...] = (
    ((bool, str, type(None)), "bytesValue", lambda v: base64.b64encode(_text(v).encode()).decode()),
    ((int,), "int64Value", str),
    ((float,), "floatValue", lambda v: v),
)


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _slice_key(key: SliceKey) -> dict[str, Any]:
    pairs = []
    for column, value in key:
        field, form = next((name, form) for kinds, name, form in _VALUE_FIELDS if isinstance(value, kinds))
        pairs.append({"column": column, field: form(value)})
    return {"singleSliceKeys": pairs} if pairs else {}


def _camel(value: Any) -> Any:
    """Field names to lowerCamelCase, NaN to its text; a 0.0 stays, as in the wrapper messages that hold numbers."""
    if isinstance(value, Mapping):
        return {_camel_name(name): _camel(item) for name, item in value.items()}
    return "NaN" if isinstance(value, float) and value != value else value


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
