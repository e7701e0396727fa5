"""Repeated elements of lists: each once, and how far an element is from its first occurrence.

ONNX has Unique for a whole tensor. Elements become numbers by one Unique, (row, number) pairs become places of first
occurrence by another: memory grows with the cells, not with the square of a list's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, Wire
from trueline.transform.operations.lists import a_list, cut, limited, packed, picked, widened

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]


def _list_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    a_list(types[0])
    return ValueType(types[0].dtype, "ragged")


def _segment_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    a_list(types[0])
    if types[0].dtype != "int64":
        raise RuleError(f"segment ids are int64, not {types[0].dtype}")
    return ValueType("int64", "ragged")


def _np_distinct(values: Sequence[Value], attrs: Attrs) -> tuple[Array, Array]:
    rows = []
    for row in cut(values[0]):
        seen: set[Any] = set()
        kept = []
        for i, item in enumerate(row.tolist()):
            if item != item or item not in seen:  # NaN equals nothing, as for TensorFlow
                kept.append(i)
            seen.add(item)
        rows.append(row[kept])
    return packed(rows, values[0].data)


def _np_segments(values: Sequence[Value], attrs: Attrs) -> Array:
    out = np.zeros_like(values[0].data)
    for i, row in enumerate(cut(values[0])):
        first: dict[int, int] = {}
        for j, item in enumerate(row.tolist()):
            out[i, j] = j - first.setdefault(item, j)
    return out


def _numbers(em: Emitter, wire: Wire) -> tuple[str, str | None]:
    """A number per distinct value, in a flat tensor, and where the elements are NaN."""
    nan, cells = None, wire.data
    if wire.type.dtype == "bool":
        cells = em.cast(cells, "int64")
    if wire.type.dtype == "float64":
        nan = em.node("IsNaN", cells)
        cells = em.node("Where", nan, em.constant(0.0, "float64"), cells)
    flat = em.node("Reshape", cells, em.ints(-1))
    return em.outputs(4, "Unique", flat, sorted=0)[2], nan


def _first(em: Emitter, wire: Wire) -> tuple[str, str, str]:
    """Per cell: its place among all cells, the place of its value's first occurrence in the row, whether it counts."""
    shape = em.node("Shape", wire.data)
    zero, one = em.constant(0, "int64"), em.constant(1, "int64")
    count = em.node("ReduceProd", shape, keepdims=0)
    own = em.node("Reshape", em.node("Range", zero, count, one), shape, allowzero=1)
    numbers, nan = _numbers(em, wire)
    rows = em.node("Range", zero, em.node("Squeeze", em.rows(wire.data), em.ints(0)), one)
    base = em.column(em.node("Mul", rows, count))
    key = em.node("Add", em.node("Reshape", numbers, shape, allowzero=1), base)
    inside = em.node("Less", em.positions(wire.data), em.column(limited(em, wire)))
    proper = inside if nan is None else em.node("And", inside, em.node("Not", nan))
    key = em.node("Where", proper, key, em.node("Sub", em.constant(-1, "int64"), own))  # equal to no other
    _, places, back, _ = em.outputs(4, "Unique", em.node("Reshape", key, em.ints(-1)), sorted=0)
    first = em.node("Reshape", em.node("Gather", places, back), shape, allowzero=1)
    return own, first, inside


def _onnx_distinct(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    x = wires[0]
    own, first, inside = _first(em, x)
    kept = em.node("And", inside, em.node("Equal", own, first))
    rank = em.node("CumSum", em.cast(kept, "int64"), em.constant(1, "int64"))
    width = em.width(x.data)
    # the place that each element comes from: K, a blank, for those that are none
    blank = em.node("Expand", width, em.node("Concat", em.rows(x.data), em.node("Add", width, em.ints(1)), axis=0))
    targets = em.node("Where", kept, em.node("Sub", rank, em.constant(1, "int64")), width)
    positions = em.node("Expand", em.positions(x.data), em.node("Shape", x.data))
    places = em.node("ScatterElements", blank, targets, positions, axis=1)
    places = em.node("Slice", places, em.ints(0), width, em.ints(1))
    lengths = em.node("ReduceSum", em.cast(kept, "int64"), em.ints(1), keepdims=0)
    valid = em.node("Less", em.positions(x.data), em.column(lengths))
    return picked(em, widened(em, x), valid, places, width), lengths


def _onnx_segments(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    own, first, _ = _first(em, wires[0])
    return em.node("Sub", own, first)


OPERATIONS = (
    Operation("distinct", _list_rule, _np_distinct, _onnx_distinct, elementwise=False),
    Operation("segment_indices", _segment_rule, _np_segments, _onnx_segments, elementwise=False),
)
"""Rows of the table of operations."""
