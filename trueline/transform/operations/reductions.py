"""One value out of a row's elements, of a list or a vector: sum, mean, least, greatest, any, all.

Sums run from the first element to the last, starting with 0, in every batch size: CumSum is defined in that order,
while the order of ReduceSum depends on shapes and processors. Of an empty list the sum is 0, `any` false, `all` true;
mean, least and greatest are missing. NaN makes each of them NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.values import DType
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import (
    ALL,
    Array,
    Attrs,
    Operation,
    Presence,
    RuleError,
    Value,
    Wire,
    both_present,
    expect,
    inside,
)

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]

Rule = Callable[[Sequence[ValueType], Attrs], ValueType]
_LEAST, _GREATEST = -(2**63), 2**63 - 1


def _rule(*dtypes: DType) -> Rule:
    def rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
        if types[0].kind not in ("ragged", "fixed"):
            raise RuleError("it takes a list or a vector")
        expect(types, *dtypes)
        return ValueType(types[0].dtype)

    return rule


def _elements(value: Value, filling: Any) -> Array:
    """The cells ``[..., K]``, `filling` where no element is."""
    if value.lengths is None:
        return value.data
    return np.where(inside(value.data, value.lengths), value.data, np.asarray(filling, value.data.dtype))


def _onnx_elements(em: Emitter, wire: Wire, filling: Any) -> str:
    if wire.lengths is None:
        return wire.data
    blank = em.constant(filling, wire.type.dtype)
    return em.where(em.inside(wire.data, wire.lengths), wire.data, blank, wire.type.dtype)


def _started(em: Emitter, cells: str, first: Any, dtype: str) -> str:
    """The cells behind a first column of one value, so that there is always one."""
    column = em.column(em.node("Expand", em.constant(first, dtype), em.rows(cells)))
    return em.node("Concat", column, cells, axis=1)


def _np_sum(values: Sequence[Value], attrs: Attrs) -> Array:
    cells = _elements(values[0], 0)
    total = np.zeros(cells.shape[:-1], cells.dtype)
    for i in range(cells.shape[-1]):
        total = total + cells[..., i]
    return np.asarray(total)


def _onnx_sum(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    zero, dtype = {"float64": 0.0, "int64": 0}[wires[0].type.dtype], wires[0].type.dtype
    sums = em.node("CumSum", _started(em, _onnx_elements(em, wires[0], zero), zero, dtype), em.constant(1, "int64"))
    return em.node("Gather", sums, em.constant(-1, "int64"), axis=1)


def _np_mean(values: Sequence[Value], attrs: Attrs) -> Array:
    x = values[0]
    count = np.float64(x.data.shape[-1]) if x.lengths is None else x.lengths.astype(np.float64)
    return np.asarray(_np_sum(values, attrs) / count)


def _onnx_mean(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    x = wires[0]
    count = em.constant(float(x.type.size or 0), "float64") if x.lengths is None else em.cast(x.lengths, "float64")
    return em.node("Div", _onnx_sum(em, wires, attrs), count)


def _np_extreme(least: bool) -> Any:
    def oracle(values: Sequence[Value], attrs: Attrs) -> Array:
        x = values[0]
        if x.data.dtype == np.int64:
            cells = _elements(x, _GREATEST if least else _LEAST)
            return np.asarray((np.min if least else np.max)(cells, axis=-1, initial=_GREATEST if least else _LEAST))
        cells = _elements(x, np.inf if least else -np.inf)
        found = (np.min if least else np.max)(cells, axis=-1, initial=np.inf if least else -np.inf)
        return np.asarray(found + 0.0)

    return oracle


def _onnx_extreme(op: str, first: float, first_int: int) -> Any:
    def emit(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
        dtype = wires[0].type.dtype
        start = first if dtype == "float64" else first_int
        cells = _started(em, _onnx_elements(em, wires[0], start), start, dtype)
        if dtype != "float64":
            return em.node(op, cells, em.ints(1), keepdims=0)
        # the reductions do not say what they make of NaN, nor which of two zeros they give
        nan = em.node("IsNaN", cells)
        clean = em.node("Where", nan, em.constant(start, dtype), cells)
        found, zero = em.node(op, clean, em.ints(1), keepdims=0), em.constant(0.0, dtype)
        found = em.where(em.node("Equal", found, zero), zero, found, dtype)  # ONNX Runtime strikes out "+ 0.0"
        poisoned = em.cast(em.node("ReduceMax", em.cast(nan, "int64"), em.ints(1), keepdims=0), "bool")
        return em.where(poisoned, em.constant(float("nan"), dtype), found, dtype)

    return emit


def _np_logic(every: bool) -> Any:
    def oracle(values: Sequence[Value], attrs: Attrs) -> Array:
        return np.asarray((np.all if every else np.any)(_elements(values[0], every), axis=-1))

    return oracle


def _onnx_logic(op: str, start: bool) -> Any:
    def emit(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
        cells = em.cast(_onnx_elements(em, wires[0], start), "int64")
        return em.cast(em.node(op, _started(em, cells, int(start), "int64"), em.ints(1), keepdims=0), "bool")

    return emit


def _np_filled(values: Sequence[Value], attrs: Attrs) -> npt.NDArray[np.bool_] | None:
    x = values[0]
    return x.present if x.lengths is None else both_present([x.present, x.lengths > 0])


def _onnx_filled(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
    x = wires[0]
    if x.lengths is None:
        return x.present
    return em.all_of([x.present, em.node("Greater", x.lengths, em.constant(0, "int64"))])


NOT_EMPTY = Presence(
    lambda types, attrs: types[0].optional or types[0].kind == "ragged",
    _np_filled,
    _onnx_filled,
)
"""As `ALL`, and missing where the list is empty."""
_INF = float("inf")
_LOGIC, _ORDERED = _rule("bool"), _rule("float64", "int64", "timestamp")

OPERATIONS = (
    Operation("row_sum", _rule("float64", "int64"), _np_sum, _onnx_sum, ALL, elementwise=False),
    Operation("row_mean", _rule("float64"), _np_mean, _onnx_mean, NOT_EMPTY, elementwise=False),
    Operation("row_min", _ORDERED, _np_extreme(True), _onnx_extreme("ReduceMin", _INF, _GREATEST), NOT_EMPTY, False),
    Operation("row_max", _ORDERED, _np_extreme(False), _onnx_extreme("ReduceMax", -_INF, _LEAST), NOT_EMPTY, False),
    Operation("row_any", _LOGIC, _np_logic(False), _onnx_logic("ReduceMax", False), ALL, elementwise=False),
    Operation("row_all", _LOGIC, _np_logic(True), _onnx_logic("ReduceMin", True), ALL, elementwise=False),
)
"""Rows of the table of operations."""
