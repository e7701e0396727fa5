"""Mathematics beyond arithmetic: trigonometric and hyperbolic functions, logarithms, signs, finiteness, cycles.

All take numbers, as scalars, vectors or lists, and compute in float64. The bounds in units in the last place (ulps) are
those against numpy; trigonometric ones hold up to magnitudes of a million.
"""

from __future__ import annotations

import math
from typing import Any

from trueline.transform.column import Column
from trueline.transform.functions import abs as absolute
from trueline.transform.functions import as_float, sqrt, tracer_of

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "cyclical",
    "erf",
    "expm1",
    "is_finite",
    "is_inf",
    "log2",
    "log10",
    "reciprocal",
    "rsqrt",
    "sign",
    "sin",
    "sinh",
    "square",
    "tan",
    "tanh",
]


def sin(x: Column) -> Column:
    """The sine of an angle in radians (rounded: 3 ulps)."""
    return x.tracer.op("sin", as_float(x))


def cos(x: Column) -> Column:
    """The cosine of an angle in radians (rounded: 3 ulps)."""
    return x.tracer.op("cos", as_float(x))


def tan(x: Column) -> Column:
    """The tangent of an angle in radians (rounded: 5 ulps)."""
    return x.tracer.op("tan", as_float(x))


def asin(x: Column) -> Column:
    """The angle in radians with the sine x, NaN beyond -1 .. 1 (rounded: 4 ulps)."""
    return x.tracer.op("asin", as_float(x))


def acos(x: Column) -> Column:
    """The angle in radians with the cosine x, NaN beyond -1 .. 1 (rounded: 4 ulps)."""
    return x.tracer.op("acos", as_float(x))


def atan(x: Column) -> Column:
    """The angle in radians with the tangent x (rounded: 3 ulps)."""
    return x.tracer.op("atan", as_float(x))


def atan2(y: Any, x: Any) -> Column:
    """The angle in radians, -pi to pi, from the x axis to the point (x, y) (rounded: 4 ulps)."""
    tracer = tracer_of(y, x)
    with tracer.scope("atan2"):
        return tracer.op("atan2", as_float(tracer.column(y)), as_float(tracer.column(x)))


def sinh(x: Column) -> Column:
    """The hyperbolic sine (rounded: 6 ulps)."""
    return x.tracer.op("sinh", as_float(x))


def cosh(x: Column) -> Column:
    """The hyperbolic cosine (rounded: 6 ulps)."""
    return x.tracer.op("cosh", as_float(x))


def tanh(x: Column) -> Column:
    """The hyperbolic tangent (rounded: 5 ulps)."""
    return x.tracer.op("tanh", as_float(x))


def asinh(x: Column) -> Column:
    """The inverse of `sinh` (rounded: 5 ulps); it tames long tails as log does, and takes 0 and negatives."""
    return x.tracer.op("asinh", as_float(x))


def acosh(x: Column) -> Column:
    """The inverse of `cosh`, NaN below 1 (rounded: 6 ulps)."""
    return x.tracer.op("acosh", as_float(x))


def atanh(x: Column) -> Column:
    """The inverse of `tanh`, NaN beyond -1 .. 1 (rounded: 5 ulps)."""
    return x.tracer.op("atanh", as_float(x))


def erf(x: Column) -> Column:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x (rounded: 4 ulps)."""
    return x.tracer.op("erf", as_float(x))


def log2(x: Column) -> Column:
    """The logarithm to base 2 (rounded: 4 ulps); of 0 -inf, of negatives NaN."""
    return x.tracer.op("log2", as_float(x))


def log10(x: Column) -> Column:
    """The logarithm to base 10 (rounded: 4 ulps); of 0 -inf, of negatives NaN."""
    return x.tracer.op("log10", as_float(x))


def expm1(x: Column) -> Column:
    """exp(x) - 1, accurate for small x (rounded: 6 ulps)."""
    return x.tracer.op("expm1", as_float(x))


def sign(x: Column) -> Column:
    """-1, 0 or 1 of the type of x (booleans as int64); NaN of NaN."""
    return x.tracer.op("sign", x.cast("int64", implied=True) if x.dtype == "bool" else x)


def square(x: Column) -> Column:
    """x times x."""
    with x.tracer.scope("square"):
        return x * x


def reciprocal(x: Column) -> Column:
    """1 / x, float64."""
    with x.tracer.scope("reciprocal"):
        return 1.0 / x


def rsqrt(x: Column) -> Column:
    """1 / sqrt(x), float64."""
    with x.tracer.scope("rsqrt"):
        return 1.0 / sqrt(x)


def is_finite(x: Column) -> Column:
    """True where the value is neither NaN nor infinite."""
    with x.tracer.scope("is_finite"):
        return absolute(as_float(x)) < math.inf


def is_inf(x: Column) -> Column:
    """True where the value is infinite, of either sign."""
    with x.tracer.scope("is_inf"):
        return absolute(as_float(x)) == math.inf


def cyclical(x: Column, period: float) -> tuple[Column, Column]:
    """Sine and cosine of a value that returns after a period, such as an hour of the day with period 24.

    Args:
        x: numbers.
        period: above 0.
    """
    if not 0.0 < period < math.inf:
        raise x.tracer.error(f"a period is a number above 0, not {period}")
    with x.tracer.scope("cyclical"):
        angle = (as_float(x) % float(period)) * (2.0 * math.pi / period)
        return sin(angle), cos(angle)
