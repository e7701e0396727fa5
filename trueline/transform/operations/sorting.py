"""Each row's elements in order, of lists and vectors of numbers; NaN stands last, -0.0 becomes 0.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, Wire, expect
from trueline.transform.operations.lists import limited, widened

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS", "behind_all"]


def behind_all(dtype: str, descending: bool) -> float | int:
    """A number that no element stands behind."""
    if dtype == "float64":
        return -np.inf if descending else np.inf
    return -(2**63) if descending else 2**63 - 1


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    if types[0].kind not in ("ragged", "fixed") or types[0].constant:
        raise RuleError("it takes lists or vectors")
    expect(types, "float64", "int64", "timestamp")
    return ValueType(types[0].dtype, types[0].kind, types[0].size)


def _np_sort(values: Sequence[Value], attrs: Attrs) -> Array:
    x, out = values[0], np.zeros_like(values[0].data)
    for i, row in enumerate(x.data):
        kept = row if x.lengths is None else row[: x.lengths[i]]
        proper = sorted((v for v in kept.tolist() if v == v), reverse=attrs["descending"])
        out[i, : len(kept)] = [v or 0 for v in proper] + [np.nan] * (len(kept) - len(proper))
    return out


def _onnx_sort(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    """TopK of all; what is no element, and NaN, takes part as a number that stands behind all others."""
    x, descending = wires[0], bool(attrs["descending"])
    dtype, width = x.type.dtype, em.width(x.data)
    last = em.constant(behind_all(dtype, descending), dtype)
    cells, length, nan = x.data, width, None
    if dtype == "float64":
        nan, zero = em.node("IsNaN", cells), em.constant(0.0, dtype)
        cells = em.node("Where", nan, last, em.where(em.node("Equal", cells, zero), zero, cells, dtype))
    if x.lengths is not None:
        inside, length = em.inside(x.data, limited(em, x)), em.column(limited(em, x))
        cells = em.node("Where", inside, cells, last)
        nan = None if nan is None else em.node("And", nan, inside)
    # one cell and one row more, as there may be none: ONNX Runtime divides by the number of rows
    wide = widened(em, Wire(cells, None, x.type), behind_all(dtype, descending))
    count = em.node("Add", width, em.ints(1))
    wide = em.node("Concat", wide, em.node("Expand", last, em.node("Concat", em.ints(1), count, axis=0)), axis=0)
    found = em.outputs(2, "TopK", wide, count, axis=1, largest=int(descending), sorted=1)[0]
    found = em.node("Slice", found, em.ints(0, 0), em.node("Shape", x.data), em.ints(0, 1))
    if nan is None:
        return found
    missing = em.node("ReduceSum", em.cast(nan, "int64"), em.ints(1), keepdims=1)
    proper = em.node("Less", em.positions(x.data), em.node("Sub", length, missing))
    return em.where(proper, found, em.constant(float("nan"), dtype), dtype)


OPERATIONS = (Operation("sort", _rule, _np_sort, _onnx_sort, elementwise=False),)
"""Rows of the table of operations."""
