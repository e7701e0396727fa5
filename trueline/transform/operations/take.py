"""`take`: the row of a constant table at a position; what lookups and statistics per key are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.transform.emitter import numpy_constant
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import (
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

__all__ = ["OPERATIONS"]

_BLANK: dict[str, Any] = {"float64": 0.0, "int64": 0, "timestamp": 0, "bool": False, "utf8": ""}
_LITERALS: dict[str, tuple[type, ...]] = {
    "float64": (float, int),
    "int64": (int,),
    "timestamp": (int,),
    "bool": (bool,),
    "utf8": (str,),
}


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    """Attributes: ``default``: for positions outside (None: missing; a list: one value per place of a row);
    ``width``: the length of the rows of a matrix, None or absent for a table of single values.
    """
    index, table = types
    expect([index], "int64")
    if index.kind == "table":
        raise RuleError("it takes positions of a column, not a table of them")
    if table.kind != "table" or table.dtype not in _BLANK:
        raise RuleError(
            f"its second argument must be a table of {', '.join(_BLANK)}, as an analyzer or a list gives it"
        )
    default, width = attrs.get("default"), attrs.get("width")
    _check_default(default, width, table.dtype)
    if width is None:
        if default is None and index.kind != "scalar":
            raise RuleError("the elements of vectors and lists are never missing: give it a default for those outside")
        return ValueType(table.dtype, index.kind, index.size)
    if index.kind != "scalar":
        raise RuleError("rows of a matrix are taken by a scalar column, not by vectors or lists")
    if int(width) < 1 or (table.size is not None and table.size % int(width)):
        raise RuleError(f"a table of {table.size} values has no rows of {width}")
    return ValueType(table.dtype, "fixed", int(width))


def _check_default(default: Any, width: int | None, dtype: str) -> None:
    given = default if isinstance(default, list | tuple) else [] if default is None else [default]
    wrong = [v for v in given if not isinstance(v, _LITERALS[dtype]) or (isinstance(v, bool) and dtype != "bool")]
    if wrong:
        raise RuleError(f"its default {wrong[0]!r} is no {dtype}")
    if isinstance(default, list | tuple) and len(default) != width:
        raise RuleError(f"its default has {len(default)} values, a row of the table has {width or 1}")


def _extended(table: Any, dtype: str, attrs: Attrs) -> tuple[Array, int]:
    """The table with one more row behind it, which every position outside reads, and the number of its own rows."""
    default, width = attrs.get("default"), attrs.get("width")
    values = numpy_constant(table, dtype)
    if width is not None:
        values = values.reshape(-1, int(width))
    last = np.empty((1, *values.shape[1:]), values.dtype)
    last[...] = numpy_constant(_BLANK[dtype] if default is None else default, dtype)
    return np.concatenate([values, last]), len(values)


def _dtype(data: Array) -> str:
    return {"f": "float64", "i": "int64", "b": "bool"}.get(data.dtype.kind, "utf8")


def _inside(index: Array, rows: int) -> npt.NDArray[np.bool_]:
    return np.asarray((index >= 0) & (index < rows))


def _np_take(values: Sequence[Value], attrs: Attrs) -> Array:
    index, table = values[0].data, values[1].data
    extended, rows = _extended(table, _dtype(table), attrs)
    return np.asarray(extended[np.where(_inside(index, rows), index, rows)])


def _rows(table: Any, attrs: Attrs) -> int:
    size = np.size(numpy_constant(table, "utf8"))
    return size // int(attrs.get("width") or 1)


def _onnx_inside(em: Emitter, index: str, rows: int) -> str:
    below = em.node("Less", index, em.constant(rows, "int64"))
    return em.node("And", em.node("GreaterOrEqual", index, em.constant(0, "int64")), below)


def _onnx_take(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    index, table = wires[0].data, wires[1].type
    extended, rows = _extended(table.literal, table.dtype, attrs)
    place = em.node("Where", _onnx_inside(em, index, rows), index, em.constant(rows, "int64"))
    if extended.ndim == 2 and table.dtype == "utf8":
        # ONNX Runtime's Gather copies only the first text of a row: each cell is taken by itself
        width = extended.shape[1]
        first = em.node("Mul", em.column(place), em.constant(width, "int64"))
        place = em.node("Add", first, em.array(np.arange(width, dtype=np.int64)))
        extended = extended.ravel()
    return em.node("Gather", em.array(extended), place)


def _present(values: Sequence[Value], attrs: Attrs) -> npt.NDArray[np.bool_] | None:
    index, table = values
    if attrs.get("default") is not None:
        return index.present
    return both_present([index.present, _inside(index.data, _rows(table.data, attrs))])


def _onnx_present(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
    index, table = wires
    if attrs.get("default") is not None:
        return index.present
    return em.all_of([index.present, _onnx_inside(em, index.data, _rows(table.type.literal, attrs))])


INSIDE = Presence(
    lambda types, attrs: types[0].optional or attrs.get("default") is None,
    _present,
    _onnx_present,
)
"""Missing where the position is; without a default also where it lies outside the table."""

OPERATIONS = (Operation("take", _rule, _np_take, _onnx_take, INSIDE, elementwise=False),)
"""Rows of the table of operations."""
