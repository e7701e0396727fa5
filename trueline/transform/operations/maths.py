"""Logarithms of other bases, hyperbolic functions and their inverses, the error function, signs, in float64.

ONNX Runtime has Exp and Log for float64, no accurate Tanh and none of the others. What would cancel near 0 is computed
from exp(x) - 1 and log(1 + x), which have forms that do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Array, Attrs, Operation, Value, Wire, common, plain
from trueline.transform.operations.series import Lowering, Numbers, by_name, float_rule

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["OPERATIONS"]

_EXPM1 = [1.0 / math.factorial(n) for n in range(2, 22)]
_LN2 = math.log(2.0)
_LARGE = 2.0**28
"""From here on 1 + x^2 is x^2."""
_ERF_STEPS, _ERF_TERMS = 4, 18


def _log_by(base: float) -> Lowering:
    return by_name(lambda n, x: n.div(n.op("Log", x), math.log(base)))


def _expm1(n: Numbers, x: str) -> str:
    """Taylor's series up to 1 in magnitude, beyond exp(x) - 1."""
    near = n.op("LessOrEqual", n.op("Abs", x), 1.0)
    small = n.where(near, x, 0.0)
    series = n.add(small, n.mul(n.mul(small, small), n.series(small, _EXPM1)))
    return n.where(near, series, n.sub(n.op("Exp", x), 1.0))


def _log1p(n: Numbers, x: str) -> str:
    """As the operation log1p, of a number of at least -1 that is not infinite."""
    u = n.add(1.0, x)
    tiny = n.op("Equal", u, 1.0)
    less = n.where(tiny, 1.0, n.sub(u, 1.0))
    return n.where(tiny, x, n.mul(n.op("Log", u), n.div(x, less)))


def _sinh(n: Numbers, x: str) -> str:
    size = n.op("Abs", x)
    near = n.op("LessOrEqual", size, 1.0)
    less = _expm1(n, n.where(near, size, 0.0))
    small = n.mul(0.5, n.add(less, n.div(less, n.add(less, 1.0))))
    root = n.op("Exp", n.mul(size, 0.5))  # its square may overflow where sinh does not
    large = n.sub(n.mul(n.mul(0.5, root), root), n.div(n.div(0.5, root), root))
    return n.signed(x, n.where(near, small, large))


def _cosh(n: Numbers, x: str) -> str:
    root = n.op("Exp", n.mul(n.op("Abs", x), 0.5))
    return n.add(n.mul(n.mul(0.5, root), root), n.div(n.div(0.5, root), root))


def _tanh(n: Numbers, x: str) -> str:
    """1 - 2 / (exp(2x) + 1), near 0 by exp(2x) - 1; from 22 on it is 1 in float64."""
    size = n.op("Abs", x)
    far = n.op("Greater", size, 22.0)
    double = n.mul(2.0, n.where(far, 22.0, size))
    less = _expm1(n, double)
    near = n.op("Less", double, 1.0)
    value = n.where(near, n.div(less, n.add(less, 2.0)), n.sub(1.0, n.div(2.0, n.add(n.op("Exp", double), 1.0))))
    return n.signed(x, value)


def _asinh(n: Numbers, x: str) -> str:
    size = n.op("Abs", x)
    far = n.op("Greater", size, _LARGE)
    near = n.where(far, 1.0, size)
    square = n.mul(near, near)
    inner = n.add(near, n.div(square, n.add(1.0, n.op("Sqrt", n.add(1.0, square)))))
    large = n.add(n.op("Log", n.where(far, size, 1.0)), _LN2)
    return n.signed(x, n.where(far, large, _log1p(n, inner)))


def _acosh(n: Numbers, x: str) -> str:
    far = n.op("Greater", x, _LARGE)
    above = n.sub(n.where(far, 1.0, x), 1.0)
    inner = n.add(above, n.op("Sqrt", n.mul(above, n.add(above, 2.0))))
    large = n.add(n.op("Log", n.where(far, x, 1.0)), _LN2)
    value = n.where(far, large, _log1p(n, inner))
    return n.where(n.op("Less", x, 1.0), math.nan, value)


def _atanh(n: Numbers, x: str) -> str:
    size = n.op("Abs", x)
    proper = n.where(n.op("Less", size, 1.0), size, 0.0)
    inner = n.div(n.mul(2.0, proper), n.sub(1.0, proper))
    value = n.mul(0.5, _log1p(n, inner))
    edge = n.where(n.op("Equal", size, 1.0), math.inf, math.nan)
    return n.signed(x, n.where(n.op("Less", size, 1.0), value, edge))


def _erf_table() -> Array:
    """Per centre in steps of 1/4 the coefficients of Taylor's series of erf.

    The n-th derivative is 2 / sqrt(pi) exp(-c^2) times (-1)^(n-1) H_(n-1)(c), with Hermite's polynomials, and these
    obey H_(n+1) = 2 c H_n - 2 n H_(n-1). Here a_n = H_n / n! to stay in range.
    """
    rows = []
    for step in range(6 * _ERF_STEPS + 1):
        c = step / _ERF_STEPS
        hermite = [1.0, 2.0 * c]
        for k in range(1, _ERF_TERMS):
            hermite.append(2.0 * (c * hermite[k] - hermite[k - 1]) / (k + 1))
        slope = 2.0 / math.sqrt(math.pi) * math.exp(-c * c)
        rows.append([math.erf(c)] + [slope * (-1.0) ** k * hermite[k] / (k + 1) for k in range(_ERF_TERMS)])
    return np.array(rows)


def _erf(n: Numbers, x: str) -> str:
    size = n.op("Abs", x)
    far = n.op("Greater", size, 6.0)
    near = n.where(n.em.node("Or", far, n.op("IsNaN", size)), 0.0, size)
    step = n.op("Round", n.mul(near, float(_ERF_STEPS)))
    rest = n.sub(near, n.div(step, float(_ERF_STEPS)))
    table = _erf_table()
    value = n.series(rest, [n.pick(table[:, k], step) for k in range(table.shape[1])])
    value = n.where(far, 1.0, value)
    return n.signed(x, n.where(n.op("IsNaN", x), x, value))


def _np_erf(values: Sequence[Value], attrs: Attrs) -> Array:
    x = values[0].data
    return np.array([math.erf(v) for v in x.ravel().tolist()], np.float64).reshape(x.shape)


def _sign_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    return common(types, "float64", "int64")


def _np_sign(values: Sequence[Value], attrs: Attrs) -> Array:
    x = values[0].data
    signs = np.where(x > 0, 1, np.where(x < 0, -1, 0)).astype(x.dtype)
    return np.where(np.isnan(x), np.nan, signs) if x.dtype == np.float64 else signs


def _onnx_sign(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    """Not ONNX's Sign: what it makes of NaN is not said."""
    x, dtype = wires[0].data, wires[0].type.dtype
    zero = em.constant(0.0 if dtype == "float64" else 0, dtype)
    above, below = em.node("Greater", x, zero), em.node("Less", x, zero)
    sign = em.node("Sub", em.cast(above, dtype), em.cast(below, dtype))
    if dtype == "int64":
        return sign
    return em.where(em.node("IsNaN", x), em.constant(math.nan, dtype), sign, dtype)


OPERATIONS = (
    Operation("log2", float_rule, plain(np.log2), _log_by(2.0), kind="rounded", ulps=4),
    Operation("log10", float_rule, plain(np.log10), _log_by(10.0), kind="rounded", ulps=4),
    Operation("expm1", float_rule, plain(np.expm1), by_name(_expm1), kind="rounded", ulps=6),
    Operation("sinh", float_rule, plain(np.sinh), by_name(_sinh), kind="rounded", ulps=6),
    Operation("cosh", float_rule, plain(np.cosh), by_name(_cosh), kind="rounded", ulps=6),
    Operation("tanh", float_rule, plain(np.tanh), by_name(_tanh), kind="rounded", ulps=5),
    Operation("asinh", float_rule, plain(np.arcsinh), by_name(_asinh), kind="rounded", ulps=5),
    Operation("acosh", float_rule, plain(np.arccosh), by_name(_acosh), kind="rounded", ulps=6),
    Operation("atanh", float_rule, plain(np.arctanh), by_name(_atanh), kind="rounded", ulps=5),
    Operation("erf", float_rule, _np_erf, by_name(_erf), kind="rounded", ulps=4),
    Operation("sign", _sign_rule, _np_sign, _onnx_sign),
)
"""Rows of the table of operations."""
