"""Structure of lists: lengths, padding to vectors, slices, single elements, lists put together, empty for missing.

A list's cells beyond its length are arbitrary, and so is the length of a missing row: every place that is read is
checked against both the length and the width of the padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import (
    NEVER,
    Array,
    Attrs,
    Operation,
    Presence,
    RuleError,
    Value,
    Wire,
    both_present,
    expect,
)

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["BLANK", "OPERATIONS", "a_list", "cut", "limited", "packed", "picked", "widened"]

Types = Sequence[ValueType]
Pair = tuple[Array, Array]
BLANK: dict[str, Any] = {"float64": 0.0, "int64": 0, "timestamp": 0, "bool": False, "utf8": ""}
"""What stands in cells that hold no element."""


def a_list(t: ValueType) -> None:
    """Refuses what is no column of lists."""
    if t.kind != "ragged":
        raise RuleError("it takes a column of lists")
    if t.dtype not in BLANK:
        raise RuleError(f"it takes lists of {', '.join(BLANK)}, not of {t.dtype}")


def cut(value: Value) -> list[Array]:
    """Each row's elements."""
    assert value.lengths is not None
    return [row[: max(int(n), 0)] for row, n in zip(value.data, value.lengths, strict=True)]


def packed(rows: Sequence[Array], like: Array) -> Pair:
    """Lists as padded cells ``[N, K]`` of the dtype of `like`, and their lengths."""
    lengths = np.array([len(r) for r in rows], np.int64)
    blank: Any = "" if like.dtype == object else 0
    data = np.full((len(rows), int(lengths.max(initial=0))), blank, like.dtype)
    for i, row in enumerate(rows):
        data[i, : len(row)] = row
    return data, lengths


def limited(em: Emitter, wire: Wire) -> str:
    """The lengths, none of them beyond the padding: of a missing row it may be."""
    assert wire.lengths is not None
    return em.node("Min", wire.lengths, em.width(wire.data))


def widened(em: Emitter, wire: Wire, filling: Any = None) -> str:
    """The cells with one more column, ``[N, K + 1]``, of blanks or of `filling`."""
    value = em.constant(BLANK[wire.type.dtype] if filling is None else filling, wire.type.dtype)
    return em.node("Concat", wire.data, em.column(em.node("Expand", value, em.rows(wire.data))), axis=1)


def picked(em: Emitter, cells: str, valid: str, places: str, blank: str) -> str:
    """Per row the cells at `places`, or the one at `blank` where the place is not valid."""
    return em.node("GatherElements", cells, em.node("Where", valid, places, blank), axis=1)


def _length_rule(types: Types, attrs: Attrs) -> ValueType:
    a_list(types[0])
    return ValueType("int64")


def _np_length(values: Sequence[Value], attrs: Attrs) -> Array:
    assert values[0].lengths is not None
    return values[0].lengths


def _onnx_length(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    assert wires[0].lengths is not None
    return wires[0].lengths


def _pad_rule(types: Types, attrs: Attrs) -> ValueType:
    a_list(types[0])
    if int(attrs["size"]) < 1:
        raise RuleError(f"the size must be at least 1, it is {attrs['size']}")
    if attrs["side"] not in ("left", "right"):
        raise RuleError(f"side must be 'left' or 'right', it is {attrs['side']!r}")
    kinds: dict[str, type] = {"float64": float, "int64": int, "timestamp": int, "bool": bool, "utf8": str}
    if type(attrs["value"]) is not kinds[types[0].dtype]:
        raise RuleError(f"lists of {types[0].dtype} cannot be padded with {attrs['value']!r}")
    return ValueType(types[0].dtype, "fixed", int(attrs["size"]))


def _np_pad(values: Sequence[Value], attrs: Attrs) -> Array:
    x, size, left = values[0], int(attrs["size"]), attrs["side"] == "left"
    out = np.full((len(x.data), size), attrs["value"], x.data.dtype)
    for i, row in enumerate(cut(x)):
        kept = row[-size:] if left else row[:size]
        if len(kept):
            out[i, slice(-len(kept), None) if left else slice(len(kept))] = kept
    return out


def _onnx_pad(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x, size = wires[0], int(attrs["size"])
    length, places = em.column(limited(em, x)), em.array(np.arange(size, dtype=np.int64))
    if attrs["side"] == "left":
        places = em.node("Add", places, em.node("Sub", length, em.constant(size, "int64")))
        valid = em.node("GreaterOrEqual", places, em.constant(0, "int64"))
    else:
        valid = em.node("Less", places, length)
    return picked(em, widened(em, x, attrs["value"]), valid, places, em.width(x.data))


def _slice_rule(types: Types, attrs: Attrs) -> ValueType:
    a_list(types[0])
    return ValueType(types[0].dtype, "ragged")


def _np_slice(values: Sequence[Value], attrs: Attrs) -> Pair:
    return packed([row[attrs["start"] : attrs["stop"]] for row in cut(values[0])], values[0].data)


def _bound(em: Emitter, bound: int, length: str) -> str:
    """A bound of a slice, as Python counts it, limited to 0 .. length."""
    if bound >= 0:
        return em.node("Min", length, em.constant(bound, "int64"))
    return em.node("Max", em.node("Add", length, em.constant(bound, "int64")), em.constant(0, "int64"))


def _most(start: int, stop: int | None) -> int | None:
    """The greatest length that a slice can have; None where only the list limits it."""
    if start < 0:
        return -start if stop is None or stop >= 0 else max(stop - start, 0)
    return None if stop is None or stop < 0 else max(stop - start, 0)


def _onnx_slice(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    x, start, stop = wires[0], attrs["start"] or 0, attrs["stop"]
    length, zero = limited(em, x), em.constant(0, "int64")
    low = _bound(em, start, length)
    high = length if stop is None else _bound(em, stop, length)
    lengths = em.node("Max", em.node("Sub", high, low), zero)
    positions, most = em.positions(x.data), _most(start, stop)
    if most is not None:
        positions = em.node("Slice", positions, em.ints(0), em.ints(most), em.ints(0))
    valid = em.node("Less", positions, em.column(lengths))
    places = em.node("Add", positions, em.column(low))
    return picked(em, widened(em, x), valid, places, em.width(x.data)), lengths


def _get_rule(types: Types, attrs: Attrs) -> ValueType:
    a_list(types[0])
    if types[1].kind != "scalar" or types[1].dtype != "int64":
        raise RuleError("the place in a list is an int64 literal or column")
    return ValueType(types[0].dtype)


def _np_place(values: Sequence[Value]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The place in each row, and whether there is an element."""
    x, index = values[0], values[1].data
    assert x.lengths is not None
    length = np.minimum(x.lengths, x.data.shape[1])
    place = np.where(index < 0, index + length, index)
    return place, (place >= 0) & (place < length)


def _np_get(values: Sequence[Value], attrs: Attrs) -> Array:
    x = values[0].data
    place, inside = _np_place(values)
    out = np.full(len(x), "" if x.dtype == object else 0, x.dtype)
    for i in np.flatnonzero(inside):
        out[i] = x[i, place[i]]
    return out


def _onnx_place(em: Emitter, wires: Sequence[Wire]) -> tuple[str, str]:
    length, index, zero = limited(em, wires[0]), wires[1].data, em.constant(0, "int64")
    from_end = em.node("Add", index, length)
    place = em.node("Where", em.node("Less", index, zero), from_end, em.node("Sub", from_end, length))
    return place, em.node("And", em.node("GreaterOrEqual", place, zero), em.node("Less", place, length))


def _onnx_get(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    place, inside = _onnx_place(em, wires)
    x = wires[0]
    found = picked(em, widened(em, x), em.column(inside), em.column(place), em.width(x.data))
    return em.node("Squeeze", found, em.ints(1))


IN_LIST = Presence(
    lambda types, attrs: True,
    lambda values, attrs: both_present([values[0].present, values[1].present, _np_place(values)[1]]),
    lambda em, wires, attrs: em.all_of([wires[0].present, wires[1].present, _onnx_place(em, wires)[1]]),
)
"""As `ALL`, and missing where the list has no such element."""


def _concat_rule(types: Types, attrs: Attrs) -> ValueType:
    if any(t.kind == "table" or t.constant for t in types):
        raise RuleError("it takes columns of lists, vectors and scalars, no constants")
    if len({t.dtype for t in types}) > 1:
        raise RuleError(f"its arguments have different types: {', '.join(t.dtype for t in types)}")
    expect(types, "float64", "int64", "bool", "utf8", "timestamp")
    return ValueType(types[0].dtype, "ragged")


def _np_concat(values: Sequence[Value], attrs: Attrs) -> Pair:
    cells = [v.data if v.data.ndim == 2 else v.data[:, None] for v in values]
    parts = [cut(v) if v.lengths is not None else list(c) for v, c in zip(values, cells, strict=True)]
    return packed([np.concatenate(row) for row in zip(*parts, strict=True)], values[0].data)


def _as_lists(em: Emitter, wire: Wire) -> tuple[str, str]:
    """Cells and lengths of lists, vectors or scalars."""
    if wire.type.kind == "ragged":
        return wire.data, limited(em, wire)
    cells = wire.data if wire.type.kind == "fixed" else em.column(wire.data)
    return cells, em.node("Expand", em.constant(wire.type.size or 1, "int64"), em.rows(wire.data))


def _onnx_concat(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    """The cells side by side, and for each place of the result the cell that it comes from."""
    parts = [_as_lists(em, w) for w in wires]
    cells = em.node("Concat", *(p[0] for p in parts), axis=1) if len(parts) > 1 else parts[0][0]
    whole = Wire(cells, None, wires[0].type)
    positions = em.positions(cells)
    places, end, shift = positions, parts[0][1], em.width(parts[0][0])
    for data, length in parts[1:]:
        # from the end of what came before stand this part's cells, which lie from `shift` on
        begin = em.column(end)
        own = em.node("Add", em.node("Sub", positions, begin), shift)
        places = em.node("Where", em.node("GreaterOrEqual", positions, begin), own, places)
        end = em.node("Add", end, length)
        shift = em.node("Add", shift, em.width(data))
    valid = em.node("Less", positions, em.column(end))
    return picked(em, widened(em, whole), valid, places, em.width(cells)), end


def _np_fill(values: Sequence[Value], attrs: Attrs) -> Pair:
    x = values[0]
    assert x.lengths is not None
    return x.data, x.lengths if x.present is None else np.where(x.present, x.lengths, 0)


def _onnx_fill(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> tuple[str, str]:
    x = wires[0]
    assert x.lengths is not None
    lengths = x.lengths if x.present is None else em.node("Where", x.present, x.lengths, em.constant(0, "int64"))
    return x.data, lengths


OPERATIONS = (
    Operation("list_length", _length_rule, _np_length, _onnx_length, elementwise=False),
    Operation("pad", _pad_rule, _np_pad, _onnx_pad, elementwise=False),
    Operation("list_slice", _slice_rule, _np_slice, _onnx_slice, elementwise=False),
    Operation("list_get", _get_rule, _np_get, _onnx_get, IN_LIST, elementwise=False),
    Operation("list_concat", _concat_rule, _np_concat, _onnx_concat, elementwise=False),
    Operation("fill_missing_list", _slice_rule, _np_fill, _onnx_fill, NEVER, elementwise=False),
)
"""Rows of the table of operations."""
