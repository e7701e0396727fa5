"""Tails of the normal and the chi-square distribution, without SciPy.

The normal quantile is the standard library's. The chi-square tail is the regularised upper incomplete gamma function
Q(df/2, x/2): a power series where x is small (NIST DLMF 8.11.4) and a continued fraction, run by Lentz's method, where
it is large (DLMF 8.9.2).
"""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["chi2_quantile", "chi2_tail", "normal_quantile", "normal_tail"]

_TINY = 1e-300
_ENOUGH = 1e-15
_STEPS = 100_000


def normal_tail(z: float) -> float:
    """P(Z > z) of a standard normal variable."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def normal_quantile(tail: float) -> float:
    """The z with P(Z > z) = tail, for a tail between 0 and 1; infinite at 0."""
    return math.inf if tail <= 0 else -NormalDist().inv_cdf(min(tail, 1 - 1e-16))


def chi2_tail(x: float, df: float) -> float:
    """P(X > x) of a chi-square variable of df degrees of freedom; with none of them X is 0."""
    if df <= 0:
        return 0.0 if x > 0 else 1.0
    if x <= 0:
        return 1.0
    a, half = df / 2, x / 2
    weight = math.exp(a * math.log(half) - half - math.lgamma(a))
    if half < a + 1:
        return min(max(1.0 - weight * _series(a, half), 0.0), 1.0)
    return min(max(weight * _fraction(a, half), 0.0), 1.0)


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    for n in range(1, _STEPS):
        term *= x / (a + n)
        total += term
        if term < total * _ENOUGH:
            break
    return total


def _fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    result = d
    for n in range(1, _STEPS):
        factor = -n * (n - a)
        b += 2
        d = factor * d + b
        d = 1 / (d if abs(d) > _TINY else _TINY)
        c = b + factor / c
        c = c if abs(c) > _TINY else _TINY
        result *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return result


def chi2_quantile(tail: float, df: float) -> float:
    """The x with P(X > x) = tail, by bisection; infinite at 0."""
    if df <= 0 or tail >= 1:
        return 0.0
    if tail <= 0:
        return math.inf
    low, high = 0.0, df + 10.0
    while chi2_tail(high, df) > tail:
        low, high = high, high * 2
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if chi2_tail(middle, df) > tail else (low, middle)
    return high
