"""TFMA's golden cases: those that pass must go on passing, those that do not are listed with their reason.

`model_analysis_not_passing.json` is a ratchet: a case that begins to pass must be taken off the list, a case that stops
passing fails the test.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from model_analysis_pbtxt import one, parse_pbtxt

from trueline._core.errors import ConfigError
from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    PerSliceMetricThreshold,
    SlicingSpec,
    analyze_raw_data,
    metric_names,
)
from trueline.model_analysis.metrics import find_metric

SHARED = Path(__file__).parents[3] / "shared" / "conformance" / "tfma"
LISTED = Path(__file__).with_name("model_analysis_not_passing.json")
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.exists(), reason="the shared conformance cases do not lie beside the clone"),
]
Reason = str | None


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SHARED / name).read_text(encoding="utf-8").splitlines()]


def check_ratchet(name: str, run: Callable[[dict[str, Any]], Reason], least: int) -> None:
    found = {case["id"]: reason for case in cases(name) if (reason := run(case)) is not None}
    listed = json.loads(LISTED.read_text(encoding="utf-8"))[name]
    assert sorted(found) == sorted(listed), {k: found.get(k, "passes now") for k in found.keys() ^ listed.keys()}
    assert len(cases(name)) - len(found) >= least
    print(f"{name}: {len(cases(name)) - len(found)} pass, {Counter(listed.values()).most_common()}")


def test_metrics_of_tfma() -> None:
    check_ratchet("metrics.jsonl", run_metrics, 100)


# metrics


def run_metrics(case: dict[str, Any]) -> Reason:
    if case["op"] == "compute_metrics":
        return run_compute(case)
    if case["op"] == "analyze_raw_data":
        return run_table(case)
    return f"operation {case['op']} has no counterpart here"


def run_compute(case: dict[str, Any]) -> Reason:
    metrics = case.get("metrics") or [case["metric"]]
    options = case.get("eval_options", {})
    unknown = [m["class"] for m in metrics if m["class"] not in metric_names()]
    if unknown:
        return f"metric {unknown[0]} is not implemented"
    other = set(options) - {"example_weighted", "model_names", "output_names"}
    if other:
        return f"option {sorted(other)[0]} is not implemented"
    if any(isinstance(e.get(k), dict) and "values" not in e[k] for e in case["examples"] for k in e):
        return "several models or outputs in one example are not implemented"
    if any("labels" not in e or not isinstance(e["labels"], dict) for e in case["examples"]):
        return "examples without labels are left out here, and counted in TFMA"
    columns, task = columns_of(case["examples"], metrics[0]["class"])
    config = EvalConfig([MetricsSpec([MetricConfig(m["class"], known_options(m["config"])) for m in metrics])])
    weight = "w" if options.get("example_weighted") else None
    try:
        result = analyze_raw_data(pa.table(columns), config, example_weight_key=weight, task=task)
    except ConfigError as error:
        return f"refused: {error.problems[0] if error.problems else error}"
    got = result.plain_metrics()
    for entry in case["expected"][0]["metrics"]:
        reason = compare(entry["key"], entry["value"], got, case["tolerance"]["absolute"])
        if reason:
            return reason
    return None


def known_options(config: dict[str, Any]) -> dict[str, Any]:
    """Without options that only state TFMA's default."""
    defaults = {"from_logits": False, "label_smoothing": 0.0}
    return {k: v for k, v in config.items() if defaults.get(k, object()) != v}


def columns_of(examples: list[dict[str, Any]], cls: str) -> tuple[dict[str, Any], str]:
    arrays = {
        side: [(e.get(key) or {"values": [None]})["values"] for e in examples]
        for side, key in (("label", "labels"), ("prediction", "predictions"), ("w", "example_weights"))
    }
    weights = pa.array([v[0] for v in arrays["w"]], pa.float64())
    if not find_metric(cls, "multiclass"):  # an example with several values is several rows
        pairs = zip(arrays["w"], arrays["prediction"], strict=True)
        weights = pa.array([v for w, p in pairs for v in (w if len(w) == len(p) else w * len(p))])
        scalars = {k: pa.array([v for values in arrays[k] for v in values]) for k in ("label", "prediction")}
        return {**scalars, "w": weights.cast(pa.float64())}, "binary" if find_metric(cls, "binary") else "regression"
    if any(len(v) > 1 for v in arrays["prediction"]):
        labels = [v.index(max(v)) if len(v) > 1 else v[0] for v in arrays["label"]]
        return {"label": labels, "prediction": pa.array(arrays["prediction"]), "w": weights}, "multiclass"
    scalars = {side: pa.array([v[0] for v in arrays[side]], pa.float64()) for side in ("label", "prediction")}
    return {**scalars, "w": weights}, "binary" if find_metric(cls, "binary") else "regression"


def run_table(case: dict[str, Any]) -> Reason:
    text = parse_pbtxt(case["eval_config"])
    unsupported = {"aggregate", "binarize", "query_key", "example_weights"}
    for spec in text.get("metrics_specs", []):
        if unsupported & set(spec):
            return f"metrics spec field {sorted(unsupported & set(spec))[0]} is not implemented"
    if "cross_slicing_specs" in text:
        return "cross-slice metrics are not implemented"
    model = text["model_specs"][0]
    entries = [m for spec in text["metrics_specs"] for m in spec.get("metrics", [])]
    unknown = [one(m, "class_name") for m in entries if one(m, "class_name") not in metric_names()]
    if unknown:
        return f"metric {unknown[0]} is not implemented"
    kinds = {"float64": pa.float64(), "int64": pa.int64(), "utf8": pa.string(), "list<float64>": pa.list_(pa.float64())}
    table = pa.table({c["name"]: pa.array(c["values"], kinds[c["type"]]) for c in case["columns"]})
    regression = any(not 0 <= v <= 1 for v in table["label"].to_pylist()) and table["prediction"].type == pa.float64()
    config = config_of(text)
    try:
        result = analyze_raw_data(
            table,
            config,
            label_key=one(model, "label_key"),
            prediction_key=one(model, "prediction_key"),
            example_weight_key=one(model, "example_weight_key"),
            task="regression" if regression else None,
        )
    except ConfigError as error:
        return f"refused: {error.problems[0] if error.problems else error}"
    return compare_slices(case, result)


def compare_slices(case: dict[str, Any], result: Any) -> Reason:
    found = {key_of(dict(key)): values for key, values in result.plain_slicing_metrics}
    expected = [parse_pbtxt(text) for text in case["expected"]["metrics_for_slice"]]
    kept = [s for s in expected if "metric_keys_and_values" in s]
    wanted = {key_of(slice_of(one(s, "slice_key", {}))) for s in kept}
    if wanted != set(found):
        return f"slices differ: {sorted(wanted ^ set(found))}"
    for s in kept:
        for entry in s["metric_keys_and_values"]:
            value = one(one(entry, "value", {}), "double_value")
            if value is None:
                return "the value has another form than a number"
            key = {k: v[0] for k, v in one(entry, "key", {}).items()}
            reason = compare(key, one(value, "value", 0.0), found[key_of(slice_of(one(s, "slice_key", {})))], 1e-6)
            if reason:
                return reason
    verdict = case["expected"].get("validation_result")
    if verdict is None:
        return None
    parsed = parse_pbtxt(verdict)
    same = bool(one(parsed, "validation_ok", False)) == result.validation_result.ok
    return None if same else "the verdict differs"


def slice_of(key: dict[str, list[Any]]) -> dict[str, Any]:
    pairs = key.get("single_slice_keys", [])
    return {
        one(p, "column"): next((p[k][0] for k in ("bytes_value", "int64_value", "float_value") if k in p), 0)
        for p in pairs
    }


def key_of(pairs: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    texts = {k: f"{v:g}" if isinstance(v, (int, float)) else str(v) for k, v in pairs.items()}
    return tuple(sorted(texts.items()))


def compare(key: dict[str, Any], want: Any, got: dict[str, Any], tolerance: float) -> Reason:
    name = key["name"]
    if name.startswith("_"):
        return None
    if {"sub_key", "aggregation_type", "output_name", "is_diff"} & set(key):
        return f"key field {sorted(set(key) & {'sub_key', 'aggregation_type', 'is_diff'})[0]} is not implemented"
    if name not in got:
        return f"{name} is not among {sorted(got)}"
    value = got[name]
    if isinstance(want, (dict, list)):
        return "the value has another form than a number"
    want = float(want)
    if isinstance(value, dict):
        return None if math.isnan(want) else f"{name}: undefined here ({value['undefined']}), {want:g} in TFMA"
    if math.isclose(value, want, rel_tol=tolerance, abs_tol=tolerance):
        return None
    return f"{name}: {value:.6g} here, {want:.6g} in TFMA"


# configuration


def config_of(text: dict[str, list[Any]]) -> EvalConfig:
    options = one(text, "options", {})
    least = one(one(options, "min_slice_size", {}), "value", 1)
    specs = []
    for spec in text.get("metrics_specs", []):
        metrics = [
            MetricConfig(
                one(m, "class_name"),
                json.loads("{" + one(m, "config", "").strip().removeprefix("{").removesuffix("}") + "}"),
                threshold_of(m["threshold"][0]) if "threshold" in m else None,
                [per_slice(p) for p in m.get("per_slice_thresholds", [])],
            )
            for m in spec.get("metrics", [])
        ]
        by_name = {one(e, "key"): threshold_of(one(e, "value", {})) for e in spec.get("thresholds", [])}
        slices = {
            one(e, "key"): [per_slice(p) for p in one(e, "value", {}).get("thresholds", [])]
            for e in spec.get("per_slice_thresholds", [])
        }
        specs.append(MetricsSpec(metrics, by_name, slices))
    slicing = [slicing_of(s) for s in text.get("slicing_specs", [])]
    return EvalConfig(specs, slicing, EvalOptions(min_slice_size=int(least)))


def slicing_of(text: dict[str, list[Any]]) -> SlicingSpec:
    values = {one(e, "key"): one(e, "value", "") for e in text.get("feature_values", [])}
    return SlicingSpec(text.get("feature_keys", []), values)


def threshold_of(text: dict[str, list[Any]]) -> MetricThreshold:
    value, change = one(text, "value_threshold"), one(text, "change_threshold")

    def number(record: dict[str, list[Any]], name: str) -> float | None:
        return float(one(record[name][0], "value", 0.0)) if name in record else None

    return MetricThreshold(
        None if value is None else GenericValueThreshold(number(value, "lower_bound"), number(value, "upper_bound")),
        None
        if change is None
        else GenericChangeThreshold(number(change, "absolute"), number(change, "relative"), one(change, "direction")),
    )


def per_slice(text: dict[str, list[Any]]) -> PerSliceMetricThreshold:
    specs = [slicing_of(s) for s in text.get("slicing_specs", [])] or [SlicingSpec()]
    return PerSliceMetricThreshold(specs, threshold_of(one(text, "threshold", {})))
