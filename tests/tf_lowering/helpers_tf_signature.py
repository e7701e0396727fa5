"""Raw rows of all types, and the results of signatures and layers as Python values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

RANDOM = np.random.default_rng(7)
WORDS = np.array(["", "a", "Ä", "日本", "taxi", "x" * 40])


def raw_table(rows: int) -> pa.Table:
    """Numbers, text, booleans and lists, a tenth of each missing."""

    def holes() -> Any:
        return RANDOM.random(rows) < 0.1

    lists = [[float(v) for v in RANDOM.normal(size=RANDOM.integers(0, 4))] for _ in range(rows)]
    return pa.table(
        {
            "fare": pa.array(RANDOM.normal(size=rows) * 50, mask=holes()),
            "Trip Miles": pa.array(RANDOM.normal(size=rows)),
            "count": pa.array(RANDOM.integers(-5, 5, rows), mask=holes()),
            "company": pa.array(WORDS[RANDOM.integers(0, len(WORDS), rows)].tolist(), mask=holes()),
            "paid": pa.array(RANDOM.random(rows) < 0.5, mask=holes()),
            "scores": pa.array(lists, pa.list_(pa.float64())),
        }
    )


def arrow_column(table: pa.Table, name: str) -> list[Any]:
    return table.column(name).to_pylist()


def column_of(found: dict[str, Any], name: str) -> list[Any]:
    """A flat result as Python values, None where it is missing."""
    data = found[name].numpy()
    cells = [[v.decode() for v in data.tolist()]] if data.dtype == object else [data.tolist()]
    values = cells[0]
    if name + "__length" in found:
        values = [row[:size] for row, size in zip(values, found[name + "__length"].numpy().tolist(), strict=True)]
    present = found.get(name + "__present")
    there = [True] * len(values) if present is None else present.numpy().tolist()
    return [v if p else None for v, p in zip(values, there, strict=True)]


def dense_features(table: pa.Table) -> dict[str, Any]:
    """Dense tensors by feature name, each beside its mask."""
    found: dict[str, Any] = {}
    for name in table.schema.names:
        cells = arrow_column(table, name)
        blank = "" if pa.types.is_string(table.schema.field(name).type) else 0.0
        found[name] = tf.constant([blank if v is None else v for v in cells], None if blank == "" else tf.float64)
        found[name + "__present"] = tf.constant([v is not None for v in cells])
    return found
