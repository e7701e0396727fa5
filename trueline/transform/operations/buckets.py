"""Buckets by boundaries of each place of a vector, of each key, and with interpolation; the size of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import TransformError
from trueline.transform.emitter import numpy_constant
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, RuleError, Value, Wire, expect

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS", "key_table", "padded_rows", "place_table", "segments"]


def _boundaries(t: ValueType) -> None:
    if t.kind != "table" or t.dtype != "float64":
        raise RuleError("its boundaries must be a table of float64, as an analyzer or a list gives it")


def _count(x: Array, boundaries: Array, offsets: Array | int) -> Array:
    """How many boundaries of its row of the flattened, padded table each value is not below: binary search."""
    width = boundaries.shape[-1] + 1
    table = boundaries.ravel()
    position = np.zeros(x.shape, np.int64)
    step = width // 2
    while step:
        probe = table[position + (step - 1) + offsets]
        position = position + np.where(x < probe, 0, step)
        step //= 2
    return position


def padded_rows(boundaries: Array) -> Array:
    """Rows of boundaries, filled with infinity up to one less than a power of two."""
    columns = boundaries.shape[1]
    out = np.full((len(boundaries), 2 ** columns.bit_length() - 1), np.inf)
    out[:, :columns] = boundaries
    return out


def _onnx_count(em: Emitter, x: str, padded: Array, row: str | None) -> str:
    """`_count` as ONNX nodes; `row` is the row of the table for each value, None for the only one.

    A search tree with one table for each level. A place is ``row * 2**level`` and, in binary, at which levels the value
    was below: it doubles with each level, and the row finds its part of the next table by itself. NaN is never below.
    """
    steps = (padded.shape[1] + 1).bit_length() - 1
    descending = padded[:, ::-1]
    place = row if row is not None else em.constant(0, "int64")
    for level in range(steps):
        width = 2 ** (steps - level)
        probe = em.node("Gather", em.array(descending[:, width // 2 - 1 :: width].ravel()), place)
        below = em.cast(em.node("Less", x, probe), "int64")
        place = em.node("Add", em.node("Add", place, place), below)
    all_of_them = em.constant(2**steps - 1, "int64")
    if row is not None:
        all_of_them = em.node("Add", em.node("Mul", row, em.constant(2**steps, "int64")), all_of_them)
    return em.node("Sub", all_of_them, place)


def _filled(em: Emitter, like: str, value: int) -> str:
    return em.node("Expand", em.constant(value, "int64"), em.node("Shape", like))


def _place_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types[:1], "float64")
    _boundaries(types[1])
    if types[0].kind != "fixed":
        raise RuleError("boundaries for each place need a column of vectors")
    if types[0].constant:
        raise RuleError("it takes a column, not a constant")
    if types[1].size is not None and types[1].size % int(types[0].size or 1):
        raise RuleError(f"there are {types[1].size} boundaries for {types[0].size} places")
    return ValueType("int64", "fixed", types[0].size)


def place_table(value: Any, places: int) -> Array:
    """The boundaries ``[places, columns]``; raises `TransformError` where there are not so many places."""
    table = numpy_constant(value, "float64")
    if table.ndim != 2 or len(table) != places:
        raise TransformError(
            f"there are boundaries of {len(table)} places for vectors of {places}",
            hint="give one list of boundaries for each place of the vector.",
        )
    return table


def _np_by_place(values: Sequence[Value], attrs: Attrs) -> Array:
    x = values[0].data
    table = place_table(values[1].data, x.shape[1])
    padded = padded_rows(table)
    offsets = np.arange(len(padded), dtype=np.int64) * padded.shape[1]
    return np.minimum(_count(x, padded, offsets), table.shape[1])


def _onnx_by_place(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x = wires[0].data
    table = place_table(wires[1].type.literal, int(wires[0].type.size or 1))
    padded = padded_rows(table)
    if not table.shape[1]:
        return _filled(em, x, 0)
    places = em.array(np.arange(len(padded), dtype=np.int64))
    return em.node("Min", _onnx_count(em, x, padded, places), em.constant(table.shape[1], "int64"))


def _key_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    """Attribute ``num_buckets``: one more than a row of the table has boundaries."""
    x, index, table = types
    expect([x], "float64")
    expect([index], "int64")
    _boundaries(table)
    if x.kind == "table" or (index.kind != "scalar" and (index.kind, index.size) != (x.kind, x.size)):
        raise RuleError("there must be one key a row, or one for each value")
    if x.constant or index.constant:
        raise RuleError("it takes a column and its keys, not constants")
    if int(attrs["num_buckets"]) < 1:
        raise RuleError(f"num_buckets must be at least 1, it is {attrs['num_buckets']}")
    return ValueType("int64", x.kind, x.size)


def key_table(value: Any, attrs: Attrs) -> Array:
    """The boundaries of every key, ``[keys, num_buckets - 1]``."""
    table = numpy_constant(value, "float64")
    columns = int(attrs["num_buckets"]) - 1
    rows = table.size // columns if columns else len(table)
    return table.reshape(rows, columns)


def _np_by_key(values: Sequence[Value], attrs: Attrs) -> Array:
    x, index = values[0].data, values[1].data
    table = key_table(values[2].data, attrs)
    index = index[:, None] if index.ndim < x.ndim else index
    known = np.broadcast_to((index >= 0) & (index < len(table)), x.shape)
    if not len(table):
        return np.full(x.shape, -1, np.int64)
    padded = padded_rows(table)
    offsets = np.where(known, index, 0) * padded.shape[1]
    return np.where(known, np.minimum(_count(x, padded, offsets), table.shape[1]), -1)


def _onnx_by_key(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x, index = wires[0].data, wires[1].data
    table = key_table(wires[2].type.literal, attrs)
    if not len(table):
        return _filled(em, x, -1)
    if wires[1].type.kind == "scalar" and wires[0].type.kind != "scalar":
        index = em.column(index)
    rows = em.constant(len(table), "int64")
    known = em.node("And", em.node("GreaterOrEqual", index, em.constant(0, "int64")), em.node("Less", index, rows))
    padded = padded_rows(table)
    if table.shape[1]:
        safe = em.node("Where", known, index, em.constant(0, "int64"))
        found = em.node("Min", _onnx_count(em, x, padded, safe), em.constant(table.shape[1], "int64"))
    else:
        found = _filled(em, x, 0)
    return em.node("Where", known, found, em.constant(-1, "int64"))


def _interpolate_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types[:1], "float64")
    _boundaries(types[1])
    if types[0].kind == "table":
        raise RuleError("it takes scalar, vector and list columns")
    return ValueType("float64", types[0].kind, types[0].size)


def segments(value: Any) -> tuple[Array, Array, Array]:
    """Finite boundaries; and by how many of them a value is not below: half of the lower one, and the reciprocal of
    half the bucket's width (halves, so that no difference of two finite numbers overflows)."""
    given = numpy_constant(value, "float64").ravel()
    finite = np.sort(given[np.isfinite(given)])
    if not len(finite):
        raise TransformError(
            "apply_buckets_with_interpolation has no finite boundary", hint="the column has no finite values."
        )
    half = np.concatenate([finite[:1], finite]) * 0.5
    width = np.concatenate([[0.0], np.diff(finite * 0.5), [0.0]])
    with np.errstate(all="ignore"):
        reciprocal = np.where(width > 0.0, 1.0 / width, 0.0)
    return finite, half, np.where(np.isfinite(reciprocal), reciprocal, 0.0)


def _np_interpolate(values: Sequence[Value], attrs: Attrs) -> Array:
    x = values[0].data
    finite, half, reciprocal = segments(values[1].data)
    last = len(finite)
    position = np.minimum(_count(x, padded_rows(finite[None]), 0), last)
    inner = (x * 0.5 - half[position]) * reciprocal[position] + (position - 1).astype(np.float64)
    unit = inner * (1.0 / max(last - 1, 1))
    unit = np.where(position == 0, 0.0, np.where(position == last, 1.0, unit))
    return np.where(np.isnan(x), 0.5, unit)


def _onnx_interpolate(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x = wires[0].data
    finite, half, reciprocal = segments(wires[1].type.literal)
    last = em.constant(len(finite), "int64")
    position = em.node("Min", _onnx_count(em, x, padded_rows(finite[None]), None), last)
    way = em.node("Sub", em.node("Mul", x, em.constant(0.5, "float64")), em.node("Gather", em.array(half), position))
    inner = em.node("Mul", way, em.node("Gather", em.array(reciprocal), position))
    bucket = em.cast(em.node("Sub", position, em.constant(1, "int64")), "float64")
    scale = em.constant(1.0 / max(len(finite) - 1, 1), "float64")
    unit = em.node("Mul", em.node("Add", inner, bucket), scale)
    zero, one, middle = (em.constant(v, "float64") for v in (0.0, 1.0, 0.5))
    unit = em.where(em.node("Equal", position, last), one, unit, "float64")
    unit = em.where(em.node("Equal", position, em.constant(0, "int64")), zero, unit, "float64")
    return em.where(em.node("IsNaN", x), middle, unit, "float64")


def _size_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    if types[0].kind != "table":
        raise RuleError("it takes a table (boundaries, vocabulary)")
    return ValueType("int64")


def _np_size(values: Sequence[Value], attrs: Attrs) -> Array:
    return np.asarray(len(values[0].data), np.int64)


def _onnx_size(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return em.constant(len(wires[0].type.literal), "int64")


OPERATIONS = (
    Operation("apply_buckets_by_place", _place_rule, _np_by_place, _onnx_by_place, elementwise=False),
    Operation("apply_buckets_by_key", _key_rule, _np_by_key, _onnx_by_key, elementwise=False),
    Operation("interpolate_buckets", _interpolate_rule, _np_interpolate, _onnx_interpolate, elementwise=False),
    Operation("table_size", _size_rule, _np_size, _onnx_size, elementwise=False),
)
"""Rows of the table of operations."""
