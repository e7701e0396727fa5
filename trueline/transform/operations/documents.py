"""Documents as lists of ids: distinct ids in ascending order, and their TF-IDF weights.

A row's ids are sorted (TopK, exact on int64), runs of equal ones are found by comparing neighbours, and the places
where runs begin are sorted to the left; a run is as long as the way to the next one's beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.emitter import numpy_constant
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, Wire, expect, inside
from trueline.transform.operations.lists import limited

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]

_LAST = np.iinfo(np.int64).max


def _document(t: ValueType) -> None:
    expect([t], "int64")
    if t.kind not in ("ragged", "fixed") or t.constant:
        raise RuleError(f"it takes a list or a vector of ids a row, not {t}")


def _wrap_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    x, size = types
    expect([x, size], "int64")
    if x.kind == "table" or not size.constant or size.kind != "scalar":
        raise RuleError("it takes ids, and the size of their vocabulary: a whole number or an analyzer's constant")
    if size.literal is not None and int(size.literal) < 0:
        raise RuleError(f"the size of a vocabulary must not be negative, it is {size.literal}")
    return ValueType("int64", x.kind, x.size)


def _np_wrap(values: Sequence[Value], attrs: Attrs) -> Array:
    return np.mod(values[0].data, max(1, int(values[1].data)))


def _onnx_wrap(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return em.node("Mod", wires[0].data, em.constant(max(1, int(wires[1].type.literal)), "int64"))


def _ids_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    _document(types[0])
    return ValueType("int64", "ragged")


def _weights_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    _document(types[0])
    if types[1].kind != "table" or types[1].dtype != "float64":
        raise RuleError("its second argument must be a table of numbers, one for each id")
    return ValueType("float64", "ragged")


@dataclass(frozen=True)
class _Runs:
    """Distinct ids ``[N, K]`` from the left, how often each occurs, how many there are, and how many ids in all."""

    ids: Array
    counts: Array
    distinct: Array
    lengths: Array


def _np_runs(x: Value) -> _Runs:
    rows, width = x.data.shape
    lengths = np.full(rows, width) if x.lengths is None else np.clip(x.lengths, 0, width)
    there = inside(x.data, lengths)
    cells = np.sort(np.where(there, x.data, _LAST), axis=1)
    first = there.copy()
    first[:, 1:] &= cells[:, 1:] != cells[:, :-1]
    starts = np.sort(np.where(first, np.arange(width), width), axis=1)
    ends = np.minimum(np.concatenate([starts, np.full((rows, 1), width)], axis=1)[:, 1:], lengths[:, None])
    padded = np.concatenate([cells, np.zeros((rows, 1), np.int64)], axis=1)
    ids = np.take_along_axis(padded, starts, axis=1)
    return _Runs(ids, ends - starts, first.sum(axis=1, dtype=np.int64), lengths.astype(np.int64))


def _np_ids(values: Sequence[Value], attrs: Attrs) -> tuple[Array, Array]:
    runs = _np_runs(values[0])
    return runs.ids, runs.distinct


def _np_weights(values: Sequence[Value], attrs: Attrs) -> tuple[Array, Array]:
    runs, table = _np_runs(values[0]), np.concatenate([values[1].data, [0.0]])
    known = (runs.ids >= 0) & (runs.ids < len(table) - 1)
    factors = table[np.where(known, runs.ids, len(table) - 1)]
    return runs.counts.astype(np.float64) / runs.lengths[:, None].astype(np.float64) * factors, runs.distinct


@dataclass(frozen=True)
class _Names:
    """`_Runs` as tensor names."""

    ids: str
    counts: str
    distinct: str
    lengths: str


def _onnx_runs(em: Emitter, x: Wire) -> _Names:
    width, zero, one = em.width(x.data), em.ints(0), em.ints(1)
    lengths = limited(em, x) if x.lengths is not None else em.node("Expand", width, em.rows(x.data))
    positions, column = em.positions(x.data), em.column(lengths)
    there = em.node("Less", positions, column)
    cells = _ascending(em, em.node("Where", there, x.data, em.constant(_LAST, "int64")), width)
    before = em.node("Slice", cells, zero, em.ints(-1), one)
    before = em.node("Concat", em.node("Slice", cells, zero, one, one), before, axis=1)
    changes = em.node("Or", em.node("Equal", positions, zero), em.node("Not", em.node("Equal", cells, before)))
    first = em.node("And", there, changes)
    starts = _ascending(em, em.node("Where", first, positions, width), width)
    ends = em.node("Slice", _with(em, starts, width), one, em.ints(_LAST), one)
    counts = em.node("Sub", em.node("Min", ends, column), starts)
    ids = em.node("GatherElements", _with(em, cells, zero), starts, axis=1)
    distinct = em.node("ReduceSum", em.cast(first, "int64"), one, keepdims=0)
    return _Names(ids, counts, distinct, lengths)


def _ascending(em: Emitter, cells: str, width: str) -> str:
    """Each row's cells in ascending order."""
    return em.outputs(2, "TopK", cells, width, axis=1, largest=0, sorted=1)[0]


def _with(em: Emitter, cells: str, value: str) -> str:
    """One more column, of one value (int64 ``[1]``)."""
    column = em.node("Expand", value, em.node("Concat", em.rows(cells), em.ints(1), axis=0))
    return em.node("Concat", cells, column, axis=1)


def _onnx_ids(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    runs = _onnx_runs(em, wires[0])
    return runs.ids, runs.distinct


def _onnx_weights(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    runs = _onnx_runs(em, wires[0])
    table = np.concatenate([numpy_constant(wires[1].type.literal, "float64"), [0.0]])
    last = em.constant(len(table) - 1, "int64")
    known = em.node("GreaterOrEqual", runs.ids, em.constant(0, "int64"))
    known = em.node("And", known, em.node("Less", runs.ids, last))
    factors = em.node("Gather", em.array(table), em.node("Where", known, runs.ids, last))
    total = em.cast(em.column(runs.lengths), "float64")
    share = em.node("Div", em.cast(runs.counts, "float64"), total)
    return em.node("Mul", share, factors), runs.distinct


OPERATIONS = (
    Operation("wrap_ids", _wrap_rule, _np_wrap, _onnx_wrap, elementwise=False),
    Operation("term_ids", _ids_rule, _np_ids, _onnx_ids, elementwise=False),
    Operation("term_weights", _weights_rule, _np_weights, _onnx_weights, elementwise=False),
)
"""Rows of the table of operations."""
