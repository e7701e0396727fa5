"""What was measured as a table, one row a slice (or pair of slices) and metric, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trueline.model_analysis.measured import Change, CrossSliceMetrics, Estimate, Measured, SliceMetrics
from trueline.model_analysis.slices import key_text, parse_key

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MEASURED_FIELDS", "measured_table", "table_measured"]

_ESTIMATE = ("value", "undefined", "standard_error", "error_bound", "low", "high", "data", "method")
_CHANGE = ("value", "standard_error", "low", "high", "p_value")
_KINDS = {"undefined": "text", "data": "text", "method": "text"}
MEASURED_FIELDS: tuple[tuple[str, str], ...] = (
    ("slice", "text"), ("slice_key", "text"), ("cross_slice_key", "text"), ("rows", "whole"),
    ("missing_labels", "whole"), ("noise_groups", "whole"), ("metric", "text"),
    *((name, _KINDS.get(name, "real")) for name in _ESTIMATE),
    ("baseline", "real"), *((f"baseline_{name}", _KINDS.get(name, "real")) for name in _ESTIMATE[1:]),
    ("change", "real"), *((f"change_{name}", "real") for name in _CHANGE[1:]), ("compared", "truth"),
)  # fmt: skip
"""Column and kind; `cross_slice_key` is null but for pairs of slices, where `slice_key` is the baseline slice.

`compared` says whether there is a change, be it undefined; files of format 1, and older ones of format 2, lack it.
"""


def measured_table(measured: Measured) -> pa.Table:
    """All values; `table_measured` is the inverse, given the counts that the table does not hold."""
    import pyarrow as pa

    kinds = {"text": pa.string(), "real": pa.float64(), "whole": pa.int64(), "truth": pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in MEASURED_FIELDS])
    return pa.Table.from_pylist(list(_rows(measured)), schema=schema)


def _rows(measured: Measured) -> Iterator[dict[str, Any]]:
    for s in measured.slices:
        about = {
            "slice": s.name, "slice_key": key_text(s.key), "rows": s.rows, "missing_labels": s.missing_labels,
            "noise_groups": s.groups,
        }  # fmt: skip
        yield from (about | _row(s, name) for name in s.metrics)
    for c in measured.cross:
        about = {"slice": c.name, "slice_key": key_text(c.key[0]), "cross_slice_key": key_text(c.key[1])}
        yield from (about | _row(c, name) for name in c.metrics)


def _row(s: SliceMetrics | CrossSliceMetrics, name: str) -> dict[str, Any]:
    base, change = s.baseline.get(name), s.changes.get(name)
    row: dict[str, Any] = {"metric": name, "compared": change is not None} | _encoded(s.metrics[name])
    if base is not None:
        said = _encoded(base)
        row |= {"baseline": said.pop("value")} | {f"baseline_{key}": value for key, value in said.items()}
    if change is not None:
        row |= {"change": change.value} | {f"change_{key}": getattr(change, key) for key in _CHANGE[1:]}
    return row


def _encoded(estimate: Estimate) -> dict[str, Any]:
    data = None if estimate.data is None else json.dumps(estimate.data, sort_keys=True, ensure_ascii=False)
    return {name: getattr(estimate, name) for name in _ESTIMATE} | {"data": data}


def table_measured(table: pa.Table, too_small: tuple[tuple[Any, int], ...], rows: int, missing_labels: int) -> Measured:
    """What `measured_table` was given; columns that older files do not have are empty."""
    by_slice: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        by_slice.setdefault((row["slice_key"], row.get("cross_slice_key")), []).append(row)
    slices, cross = [], []
    for (text, other), group in by_slice.items():
        metrics = {r["metric"]: _estimate(r, "") for r in group}
        baseline = {r["metric"]: _estimate(r, "baseline_") for r in group if _has_baseline(r)}
        changes = {r["metric"]: _change(r) for r in group if r["metric"] in baseline and _changed(r)}
        key, first = parse_key(text), group[0]
        if other is not None:
            cross.append(CrossSliceMetrics((key, parse_key(other)), metrics, baseline, changes))
        else:
            counts = (first["rows"], first["missing_labels"], first["noise_groups"])
            slices.append(SliceMetrics(key, *counts, metrics, baseline, changes))
    return Measured(tuple(slices), too_small, rows, missing_labels, tuple(cross))


def _estimate(row: Mapping[str, Any], prefix: str) -> Estimate:
    found = {name: row.get(f"{prefix}{name}") for name in _ESTIMATE}
    if prefix:
        found["value"] = row["baseline"]
    text = found["data"]
    return Estimate(**found | {"data": None if text is None else json.loads(text)})


def _has_baseline(row: Mapping[str, Any]) -> bool:
    return any(row.get(name) is not None for name in ("baseline", "baseline_undefined", "baseline_data"))


def _changed(row: Mapping[str, Any]) -> bool:
    """Whether there is a change; where the file does not say so, structured values have none."""
    said = row.get("compared")
    return row.get("data") is None if said is None else bool(said)


def _change(row: Mapping[str, Any]) -> Change:
    return Change(row["change"], *(row.get(f"change_{name}") for name in _CHANGE[1:]))
