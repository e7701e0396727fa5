"""What the transform tests share: both interpreters on one table, and comparison bit by bit."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trueline._core.values import raw_feature_of
from trueline.transform.bind import bind
from trueline.transform.bulk import Executor
from trueline.transform.graph import Graph
from trueline.transform.operations.base import Value, inside
from trueline.transform.oracle import evaluate, feed_values
from trueline.transform.tracer import trace

VECTOR = 3
"""Length of the vectors in the cases."""
TYPES = {
    "float64": pa.float64(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "utf8": pa.string(),
    "timestamp": pa.timestamp("us"),
}
TYPES |= {f"list<{name}>": pa.list_(t) for name, t in TYPES.items()} | {
    f"vector<{name}>": pa.list_(t, VECTOR) for name, t in TYPES.items()
}


def all_cases() -> list[tuple[str, tuple[str, ...], Callable[..., Any]]]:
    """The cases of every module ``cases_transform_*.py``: (operation, column types, function on columns)."""
    modules = sorted(path.stem for path in Path(__file__).parent.glob("cases_transform_*.py"))
    return [case for name in modules for case in importlib.import_module(name).CASES]


def graph_of(function: Callable[[Any], dict[str, Any]], table: pa.Table, optional: bool = True) -> Graph:
    """The bound graph of a function without analyzers."""
    return bind(trace(function, [raw_feature_of(f, optional) for f in table.schema]), {})


def by_onnx(graph: Graph, table: pa.Table, dictionary: bool | None = None) -> dict[str, Value]:
    """Float64 results of ONNX Runtime."""
    return Executor(graph, dict(graph.outputs), final=False, dictionary=dictionary).run(table)


def by_oracle(graph: Graph, table: pa.Table) -> dict[str, Value]:
    """Float64 results of the numpy interpreter."""
    roots = [i for _, i in graph.outputs]
    found = evaluate(graph, feed_values(graph, table, graph.input_names(roots)), roots)
    return {name: found[i] for name, i in graph.outputs}


def bits(array: np.ndarray) -> np.ndarray:
    """Doubles as integers, all NaN alike (their sign and payload carry no meaning in the value contract)."""
    if array.dtype != np.float64:
        return array
    return np.where(np.isnan(array), np.int64(0x7FF8 << 48), np.ascontiguousarray(array).view(np.int64))


def ulps_apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of doubles in units in the last place; 0 for equal values and for two NaN."""

    def ordered(x: np.ndarray) -> np.ndarray:
        raw = np.ascontiguousarray(x).view(np.int64).astype(object)
        return np.where(raw < 0, -(2**63) - raw, raw)

    distance = np.abs(ordered(a) - ordered(b))
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, distance)


def assert_same(a: Value, b: Value, ulps: int = 0) -> None:
    """Equal presence, and equal payloads where there is one."""
    rows = len(a.data)
    there_a = np.ones(rows, bool) if a.present is None else a.present
    there_b = np.ones(rows, bool) if b.present is None else b.present
    np.testing.assert_array_equal(there_a, there_b)
    left, right = a.data[there_a], b.data[there_b]
    if a.lengths is not None or b.lengths is not None:
        assert a.lengths is not None
        assert b.lengths is not None
        np.testing.assert_array_equal(a.lengths[there_a], b.lengths[there_b])
        left, right = left[inside(left, a.lengths[there_a])], right[inside(right, b.lengths[there_b])]
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    if ulps and left.dtype == np.float64 and left.size:
        assert ulps_apart(left, right).max() <= ulps, (left, right)
    else:
        np.testing.assert_array_equal(bits(left), bits(right))


def in_batches(graph: Graph, table: pa.Table, size: int) -> dict[str, Value]:
    """ONNX Runtime's results, computed `size` rows at a time."""
    executor = Executor(graph, dict(graph.outputs), final=False)
    parts = [executor.run(table.slice(i, size)) for i in range(0, table.num_rows, size)]
    return {name: join_values([p[name] for p in parts]) for name, _ in graph.outputs}


def join_values(parts: Sequence[Value]) -> Value:
    """One value out of the values of consecutive batches."""
    width = max((p.data.shape[1] for p in parts if p.lengths is not None), default=0)
    data = np.concatenate([p.data if p.lengths is None else widened(p.data, width) for p in parts])
    lengths = None if parts[0].lengths is None else np.concatenate([p.lengths for p in parts if p.lengths is not None])
    if all(p.present is None for p in parts):
        return Value(data, None, lengths)
    present = np.concatenate([np.ones(len(p.data), bool) if p.present is None else p.present for p in parts])
    return Value(data, present, lengths)


def widened(data: np.ndarray, width: int) -> np.ndarray:
    """Padded lists with more padding."""
    out = np.zeros((len(data), width), data.dtype)
    out[:, : data.shape[1]] = data
    return out
