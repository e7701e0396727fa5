"""TFMA's golden cases: reading them, and comparing the values that they expect with ours."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from model_analysis_pbtxt import one, parse_pbtxt

from trueline.model_analysis.keys import MetricKey, SubKey
from trueline.model_analysis.measured import Estimate

SHARED = Path(__file__).parents[3] / "shared" / "conformance" / "tfma"
LISTED = Path(__file__).with_name("model_analysis_not_passing.json")
Reason = str | None
_KINDS = {"float64": pa.float64(), "float32": pa.float32(), "int64": pa.int64(), "int32": pa.int32(),
          "utf8": pa.string(), "str": pa.string(), "list<float64>": pa.list_(pa.float64())}  # fmt: skip


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SHARED / name).read_text(encoding="utf-8").splitlines()]


def table_of_columns(columns: Iterable[Mapping[str, Any]]) -> pa.Table:
    return pa.table({c["name"]: pa.array(c["values"], _KINDS[c["type"]]) for c in columns})


def keys_of(key: Mapping[str, Any]) -> list[str]:
    """The texts that a key of TFMA may have here: it calls the weighted macro average a macro average."""
    sub = SubKey(**{name: plain_number(value) for name, value in key.get("sub_key", {}).items()})
    kinds = [name for name, on in key.get("aggregation_type", {}).items() if on]
    aggregations = [*kinds, *(["weighted_macro_average"] if "macro_average" in kinds else [])] or [""]
    output = key.get("output_name", "")
    return [
        MetricKey(key["name"], output, sub, a, unweighted).text for a in aggregations for unweighted in (False, True)
    ]


def plain_number(value: Any) -> int:
    """A number of JSON, or a wrapped one of a proto, whose 0 is left out."""
    return int(one(value, "value", 0)) if isinstance(value, dict) else int(value)


def compare(key: Mapping[str, Any], want: Any, got: Mapping[str, Estimate], tolerance: float) -> Reason:
    """Why the value of a key is another than TFMA's, or None."""
    name = key["name"]
    if name.startswith("_"):
        return None
    found = next((got[text] for text in keys_of(key) if text in got), None)
    if found is None:
        return f"{name} is not among {sorted(got)}"
    if isinstance(want, (dict, list)):
        return (
            None if same_data(want, found.data, tolerance) else f"{name}: {str(found.data)[:80]} here, another in TFMA"
        )
    want = float(want)
    if found.value is None:
        return None if math.isnan(want) else f"{name}: undefined here ({found.undefined}), {want:g} in TFMA"
    if math.isclose(found.value, want, rel_tol=tolerance, abs_tol=tolerance):
        return None
    return f"{name}: {found.value:.6g} here, {want:.6g} in TFMA"


def same_data(want: Any, data: Any, tolerance: float) -> bool:
    """Structured values: confusion matrices of two and of many classes, and values at several thresholds."""
    if data is None:
        return False
    if isinstance(want, dict) and "tp" in want:
        fields = zip(("tp", "tn", "fp", "fn"), ("true_positives", "true_negatives", "false_positives",
                                                "false_negatives"), strict=True)  # fmt: skip
        close_thresholds = close(
            [float(t) for t in want["thresholds"]], [float(m["threshold"]) for m in data], tolerance
        )
        return close_thresholds and all(close(want[a], [m[b] for m in data], tolerance) for a, b in fields)
    if isinstance(want, dict) and "array_value" in want:
        return close(one(want, "array_value")["float64_values"], data["values"], tolerance)
    if isinstance(want, dict) and "confusion_matrix_at_thresholds" in want:
        return same_binary(one(want, "confusion_matrix_at_thresholds")["matrices"], data, tolerance)
    if isinstance(want, dict) and "multi_class_confusion_matrix_at_thresholds" in want:
        matrices = one(want, "multi_class_confusion_matrix_at_thresholds")["matrices"]
        return entries_of_proto(matrices) == entries_of_data(data)
    if isinstance(want, list) and want and isinstance(want[0], list):
        listed = {
            (float(t), e["actual_class_id"], e["predicted_class_id"]): float(w) for t, pairs in want for e, w in pairs
        }
        return listed == entries_of_data(data)
    return False


def same_binary(matrices: list[dict[str, list[Any]]], data: list[dict[str, Any]], tolerance: float) -> bool:
    """All fields of ours; TFMA has 1 or 0 where a denominator is 0 and ours is None."""
    for matrix, ours in zip(matrices, data, strict=True):
        for name, value in ours.items():
            if value is not None and not close([one(matrix, name, 0.0)], [value], max(tolerance, 1e-6)):
                return False
    return True


def entries_of_proto(matrices: list[dict[str, list[Any]]]) -> dict[tuple[float, int, int], float]:
    return {
        (float(one(m, "threshold", 0.0)), int(one(e, "actual_class_id", 0)), int(one(e, "predicted_class_id", 0))): one(
            e, "num_weighted_examples", 0.0
        )
        for m in matrices
        for e in m.get("entries", [])
    }


def entries_of_data(data: list[dict[str, Any]]) -> dict[tuple[float, int, int], float]:
    return {
        (m["threshold"], e["actual_class_id"], e["predicted_class_id"]): e["num_weighted_examples"]
        for m in data
        for e in m["entries"]
    }


def close(a: Iterable[Any], b: Iterable[Any], tolerance: float) -> bool:
    pairs = list(zip(a, b, strict=True))
    return all(
        float(x) == float(y) or math.isclose(float(x), float(y), rel_tol=tolerance, abs_tol=tolerance) for x, y in pairs
    )


def parse_key(entry: Mapping[str, list[Any]]) -> dict[str, Any]:
    """A metric key of a proto."""
    key = one(entry, "key", {})
    return {"name": one(key, "name"), "output_name": one(key, "output_name", ""),
            "sub_key": {k: v[0] for k, v in one(key, "sub_key", {}).items()},
            "aggregation_type": {k: v[0] for k, v in one(key, "aggregation_type", {}).items()}}  # fmt: skip


__all__ = [
    "LISTED", "SHARED", "Reason", "cases", "close", "compare", "keys_of", "parse_key", "parse_pbtxt",
    "table_of_columns",
]  # fmt: skip
