"""TFMA's golden cases: those that pass must go on passing, those that do not are listed with their reason.

`model_analysis_not_passing.json` is a ratchet: a case that begins to pass must be taken off the list, a case that stops
passing fails the test.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
import test_model_analysis_plots_metrics as plots
from model_analysis_pbtxt import one, parse_pbtxt
from model_analysis_tfma_cases import LISTED, SHARED, Reason, cases, compare, parse_key, table_of_columns
from model_analysis_tfma_compute import run_compute
from model_analysis_tfma_inner import run_aggregate, run_intermediate

from trueline._core.errors import ConfigError
from trueline.model_analysis import EvalConfig, analyze_raw_data
from trueline.model_analysis.metrics import metric_names

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.exists(), reason="the shared conformance cases do not lie beside the clone"),
]


def test_metrics_of_tfma() -> None:
    found = {case["id"]: reason for case in cases("metrics.jsonl") if (reason := run_metrics(case)) is not None}
    listed = json.loads(LISTED.read_text(encoding="utf-8"))["metrics.jsonl"]
    changed = {k: found.get(k, "passes now") for k in found.keys() ^ listed.keys()}
    assert sorted(found) == sorted(listed), changed
    assert len(cases("metrics.jsonl")) - len(found) >= 200
    print(f"{len(cases('metrics.jsonl')) - len(found)} pass, {Counter(listed.values()).most_common()}")


def run_metrics(case: dict[str, Any]) -> Reason:
    if case["id"] in golden_plots():
        return run_plot(case)
    run = {
        "evaluate": run_evaluate,
        "compute_metrics": run_compute,
        "analyze_raw_data": run_table,
        "compute_intermediate": run_intermediate,
        "aggregate_metrics": run_aggregate,
    }
    return run[case["op"]](case)


@cache
def golden_plots() -> frozenset[str]:
    return frozenset(case["id"] for case in plots._golden())


def run_plot(case: dict[str, Any]) -> Reason:
    """The comparison of plots, field by field, is that of their own tests."""
    for name, why in plots.LEFT_OUT.items():
        if name in case["id"]:
            return why
    try:
        plots.test_tfmas_golden_plots(case)
    except AssertionError as error:
        return f"the plot differs: {error}"
    return None


def run_evaluate(case: dict[str, Any]) -> Reason:
    """A whole evaluation of features: arrays of one row and several values are lists, nested ones records."""
    features = [example["features"] for example in case["examples"]]
    if "labels" not in features[0]:
        return "rows without labels: they are left out here and counted as such"
    names = dict.fromkeys(name for row in features for name in row)
    table = pa.table({name: pa.array([plain(row.get(name)) for row in features]) for name in names})
    try:
        result = analyze_raw_data(table, EvalConfig.from_text(case["eval_config"]), task="objects")
    except ConfigError as error:
        return f"refused: {error.problems[0] if error.problems else error}"
    expected = case["expected"][0]["metrics"]
    got = result.measured.slices[0].metrics
    return next((r for e in expected if (r := compare(e["key"], e["value"], got, 1e-5))), None)


def plain(value: Any) -> Any:
    if isinstance(value, dict) and "values" not in value:
        return {name: plain(part) for name, part in value.items()}
    return None if value is None else value["values"]


def run_table(case: dict[str, Any]) -> Reason:
    text = parse_pbtxt(case["eval_config"])
    entries = [m for spec in text["metrics_specs"] for m in spec.get("metrics", [])]
    unknown = [one(m, "class_name") for m in entries if one(m, "class_name") not in metric_names()]
    if unknown:
        return f"metric {unknown[0]} is not implemented"
    table = table_of_columns(case["columns"])
    scalar = table["prediction"].type == "double"
    regression = scalar and any(not 0 <= v <= 1 for v in table["label"].to_pylist())
    try:
        result = analyze_raw_data(
            table, EvalConfig.from_text(case["eval_config"]), task="regression" if regression else None
        )
    except ConfigError as error:
        wanted = case.get("expected_error") is not None
        return None if wanted else f"refused: {error.problems[0] if error.problems else error}"
    if "expected_error" in case:
        return f"TFMA refuses it: {case['expected_error']['message']}"
    return compare_slices(case, result)


def compare_slices(case: dict[str, Any], result: Any) -> Reason:
    found = {(key_of(dict(s.key)),): s.metrics for s in result.measured.slices}
    found |= {tuple(key_of(dict(k)) for k in c.key): c.metrics for c in result.measured.cross}
    expected = [parse_pbtxt(text) for text in case["expected"]["metrics_for_slice"]]
    kept = [s for s in expected if "metric_keys_and_values" in s and not only_error(s)]
    wanted = {slices_of(s) for s in kept}
    if kept and wanted != set(found):
        return f"slices differ: {sorted(wanted ^ set(found))}"
    for s in kept:
        for entry in s["metric_keys_and_values"]:
            value = one(entry, "value", {})
            number = one(value, "double_value")
            want = one(number, "value", 0.0) if number is not None else value
            key = parse_key(entry)
            reason = compare(key, want, found[slices_of(s)], 1e-6)
            if reason:
                return reason
    if any("plot_keys_and_values" in parse_pbtxt(text) for text in case["expected"].get("plots_for_slice", [])):
        return "plots: their data are compared field by field in test_model_analysis_plots_metrics.py"
    return compare_verdict(case, result)


def only_error(s: dict[str, list[Any]]) -> bool:
    return all(parse_key(entry)["name"] == "__ERROR__" for entry in s["metric_keys_and_values"])


def compare_verdict(case: dict[str, Any], result: Any) -> Reason:
    verdict = case["expected"].get("validation_result")
    if verdict is None:
        return None
    parsed = parse_pbtxt(verdict)
    same = bool(one(parsed, "validation_ok", False)) == result.validation_result.ok
    return None if same else "the verdict differs"


def slices_of(s: dict[str, list[Any]]) -> tuple[Any, ...]:
    """The slice, or the two slices of a cross slice."""
    cross = one(s, "cross_slice_key")
    if cross is None:
        return (key_of(slice_of(one(s, "slice_key", {}))),)
    return tuple(key_of(slice_of(one(cross, name, {}))) for name in ("baseline_slice_key", "comparison_slice_key"))


def slice_of(key: dict[str, list[Any]]) -> dict[str, Any]:
    pairs = key.get("single_slice_keys", [])
    return {
        one(p, "column"): next((p[k][0] for k in ("bytes_value", "int64_value", "float_value") if k in p), 0)
        for p in pairs
    }


def key_of(pairs: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    texts = {k: f"{v:g}" if isinstance(v, (int, float)) else str(v) for k, v in pairs.items()}
    return tuple(sorted(texts.items()))
