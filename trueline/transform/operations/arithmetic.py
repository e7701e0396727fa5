"""Arithmetic: the four operations, floor division and remainder as in Python, powers, minima, rounding, exp and log.

Integers wrap at 64 bits. ``//`` and ``%`` follow Python: the quotient is rounded down, the remainder has the divisor's
sign; an integer divided by zero is missing, a float divided by zero follows IEEE 754. Float ``//`` and ``%``
give +0 where their result is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

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
    common,
    plain,
    plain_onnx,
    select,
)

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]


def _number(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    return common(types, "float64", "int64")


def _float(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    return common(types, "float64")


def _divisor_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    if _zero_possible(types) and any(t.kind != "scalar" for t in types):
        raise RuleError("integer // and % of vectors and lists need a literal divisor; cast them to float64 first")
    return common(types, "float64", "int64")


def _zero_possible(types: Sequence[ValueType]) -> bool:
    return types[1].dtype == "int64" and not (types[1].literal is not None and types[1].literal != 0)


def _divisor_numpy(values: Sequence[Value], attrs: Attrs) -> npt.NDArray[np.bool_] | None:
    divisor = values[1].data
    there = both_present([v.present for v in values])
    if divisor.dtype != np.int64 or (divisor.ndim == 0 and divisor != 0):
        return there
    nonzero = np.broadcast_to(divisor != 0, np.broadcast_shapes(values[0].data.shape, divisor.shape))
    return both_present([there, nonzero])


def _divisor_onnx(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
    there = em.all_of([w.present for w in wires])
    if not _zero_possible([w.type for w in wires]):
        return there
    nonzero = em.node("Not", em.node("Equal", wires[1].data, em.constant(0, "int64")))
    if wires[1].type.constant:  # a constant's mask has no rows: take them from the dividend
        same = em.node("Equal", wires[0].data, wires[0].data)
        nonzero = em.node("And", nonzero, same)
    return em.all_of([there, nonzero])


DIVISOR = Presence(
    lambda types, attrs: any(t.optional for t in types) or _zero_possible(types), _divisor_numpy, _divisor_onnx
)
"""As `ALL`, and missing where an integer divisor is 0."""


def _np_floor_divide(a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        if a.dtype == np.int64:
            safe = np.where((b == 0) | (b == -1), 1, b)
            return np.where(b == -1, -a, a // safe)
        return np.asarray(np.floor_divide(a, b) + 0.0)


def _np_mod(a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        if a.dtype == np.int64:
            safe = np.where((b == 0) | (b == -1), 1, b)
            return np.asarray(a % safe)
        return np.asarray(np.mod(a, b) + 0.0)


def _safe_divisor(em: Emitter, b: str) -> tuple[str, str]:
    """A divisor with 0 and -1 replaced by 1 (processors fault on both), and where it was -1."""
    minus_one = em.node("Equal", b, em.constant(-1, "int64"))
    bad = em.node("Or", minus_one, em.node("Equal", b, em.constant(0, "int64")))
    return em.node("Where", bad, em.constant(1, "int64"), b), minus_one


def _onnx_float_mod(em: Emitter, a: str, b: str) -> tuple[str, str, str]:
    """C's fmod, Python's remainder, and whether the two differ by one divisor (CPython, float_divmod)."""
    zero = em.constant(0.0, "float64")
    c_mod = em.node("Mod", a, b, fmod=1)
    nonzero = em.node("Not", em.node("Equal", c_mod, zero))
    signs = em.node("Xor", em.node("Less", b, zero), em.node("Less", c_mod, zero))
    moved = em.node("And", nonzero, signs)
    return c_mod, em.node("Where", moved, em.node("Add", c_mod, b), em.where(nonzero, c_mod, zero, "float64")), moved


def _onnx_mod(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    a, b = wires[0].data, wires[1].data
    if wires[0].type.dtype == "int64":
        return em.node("Mod", a, _safe_divisor(em, b)[0])
    return _onnx_float_mod(em, a, b)[1]


def _onnx_floor_divide(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    a, b = wires[0].data, wires[1].data
    if wires[0].type.dtype == "int64":
        safe, minus_one = _safe_divisor(em, b)
        zero = em.constant(0, "int64")
        inexact = em.node("Not", em.node("Equal", em.node("Mod", a, safe), zero))
        negative = em.node("Xor", em.node("Less", a, zero), em.node("Less", safe, zero))
        towards_zero = em.node("Div", a, safe)
        lower = em.node("Sub", towards_zero, em.constant(1, "int64"))
        quotient = em.node("Where", em.node("And", inexact, negative), lower, towards_zero)
        return em.node("Where", minus_one, em.node("Neg", a), quotient)
    return _onnx_float_floor(em, a, b)


def _onnx_float_floor(em: Emitter, a: str, b: str) -> str:
    """numpy's npy_floor_divide, step by step, so that the bits agree (but for the sign of zero)."""
    zero, one = em.constant(0.0, "float64"), em.constant(1.0, "float64")
    c_mod, _, moved = _onnx_float_mod(em, a, b)
    quotient = em.node("Div", em.node("Sub", a, c_mod), b)
    quotient = em.node("Where", moved, em.node("Sub", quotient, one), quotient)
    floor = em.node("Floor", quotient)
    far = em.node("Greater", em.node("Sub", quotient, floor), em.constant(0.5, "float64"))
    rounded = em.node("Where", far, em.node("Add", floor, one), floor)
    proper = em.node("Not", em.node("Equal", b, zero))
    return em.where(proper, rounded, em.node("Div", a, b), "float64")


def _np_pick(left_if_less: bool) -> Any:
    def pick(a: Array, b: Array) -> Array:
        first = (a < b) if left_if_less else (a > b)
        return select(first | (a != a), a, b)

    return plain(pick)


def _onnx_pick(op: str) -> Any:
    def emit(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
        a, b = wires[0].data, wires[1].data
        first = em.node(op, a, b)
        if wires[0].type.dtype == "float64":
            first = em.node("Or", first, em.node("IsNaN", a))
        return em.where(first, a, b, wires[0].type.dtype)

    return emit


def _np_log1p(x: Array) -> Array:
    return np.asarray(np.log1p(x))


def _onnx_log1p(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    """log(1 + x) without losing small x: with u = fl(1 + x), log(u) * x / (u - 1) (Kahan; Goldberg 1991, theorem 4)."""
    x, one = wires[0].data, em.constant(1.0, "float64")
    u = em.node("Add", one, x)
    less = em.node("Sub", u, one)
    tiny = em.node("Equal", u, one)
    denominator = em.node("Where", tiny, one, less)
    corrected = em.node("Mul", em.node("Log", u), em.node("Div", x, denominator))
    large = em.node("Equal", u, x)  # 1 + x == x: also infinity, where the correction would be NaN
    return em.node("Where", tiny, x, em.node("Where", large, em.node("Log", x), corrected))


def _np_sigmoid(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _onnx_sigmoid(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    """1 / (1 + exp(-x)): ONNX Runtime's own Sigmoid flushes small results to 0."""
    one = em.constant(1.0, "float64")
    return em.node("Div", one, em.node("Add", one, em.node("Exp", em.node("Neg", wires[0].data))))


OPERATIONS = (
    Operation("add", _number, plain(np.add), plain_onnx("Add"), symbol="+"),
    Operation("subtract", _number, plain(np.subtract), plain_onnx("Sub"), symbol="-"),
    Operation("multiply", _number, plain(np.multiply), plain_onnx("Mul"), symbol="*"),
    Operation("divide", _float, plain(np.divide), plain_onnx("Div"), symbol="/"),
    Operation("floor_divide", _divisor_rule, plain(_np_floor_divide), _onnx_floor_divide, DIVISOR, symbol="//"),
    Operation("mod", _divisor_rule, plain(_np_mod), _onnx_mod, DIVISOR, symbol="%"),
    Operation("power", _float, plain(np.power), plain_onnx("Pow"), kind="rounded", ulps=4, symbol="**"),
    Operation("negate", _number, plain(np.negative), plain_onnx("Neg")),
    Operation("absolute", _number, plain(np.absolute), plain_onnx("Abs")),
    Operation("minimum", _number, _np_pick(True), _onnx_pick("Less")),
    Operation("maximum", _number, _np_pick(False), _onnx_pick("Greater")),
    Operation("sqrt", _float, plain(np.sqrt), plain_onnx("Sqrt")),
    Operation("floor", _float, plain(np.floor), plain_onnx("Floor")),
    Operation("ceil", _float, plain(np.ceil), plain_onnx("Ceil")),
    Operation("round", _float, plain(np.rint), plain_onnx("Round")),
    Operation("exp", _float, plain(np.exp), plain_onnx("Exp"), kind="rounded", ulps=4),
    Operation("log", _float, plain(np.log), plain_onnx("Log"), kind="rounded", ulps=4),
    Operation("log1p", _float, plain(_np_log1p), _onnx_log1p, kind="rounded", ulps=6),
    Operation("sigmoid", _float, plain(_np_sigmoid), _onnx_sigmoid, kind="rounded", ulps=6),
)
"""Rows of the table of operations."""
