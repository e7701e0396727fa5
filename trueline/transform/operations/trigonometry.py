"""Sine, cosine, tangent and their inverses in float64.

ONNX Runtime's Sin and Cos lose all digits near their zeros, and the others have no float64 kernel. Here angles are
reduced by multiples of pi/2 that are subtracted in three parts (Cody and Waite), and what remains goes into Taylor's
series. The inverses come from one arc tangent: a table in steps of 1/8 and the series of what is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.operations.base import Attrs, Operation, Wire, plain
from trueline.transform.operations.series import Numbers, by_name, float_rule

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["FARTHEST", "OPERATIONS"]

FARTHEST = 2.0**20
"""Up to this magnitude angles are reduced here; beyond, ONNX Runtime's own Sin and Cos are taken."""
_PI = Fraction(0x3243F6A8885A308D313198A2E03707344A4093822299F31D008, 2**200)
"""Pi to 200 binary places."""
_PART_BITS = 32
_SIN = [(-1.0) ** n / math.factorial(2 * n + 1) for n in range(10)]
_COS = [(-1.0) ** n / math.factorial(2 * n) for n in range(10)]
_ATAN = [(-1.0) ** n / (2 * n + 1) for n in range(9)]
_STEPS = 8
_HALF_PI = math.pi / 2


def _parts() -> tuple[float, float, float]:
    """Pi/2 as a sum; the first two have so few bits that their products with 20-bit integers are exact."""
    rest, parts = _PI / 2, []
    for place in (_PART_BITS, 2 * _PART_BITS):
        head = Fraction(math.floor(rest * 2**place), 2**place)
        parts.append(float(head))
        rest -= head
    return parts[0], parts[1], float(rest)


def _sin_cos(n: Numbers, x: str) -> tuple[str, str]:
    """Sine and cosine by octants."""
    turns = n.op("Round", n.mul(x, 2 / math.pi))
    rest = x
    for part in _parts():
        rest = n.sub(rest, n.mul(turns, part))
    square = n.mul(rest, rest)
    sine = n.add(rest, n.mul(n.mul(rest, square), n.series(square, _SIN[1:])))
    cosine = n.series(square, _COS)
    quarter = n.sub(turns, n.mul(4.0, n.op("Floor", n.mul(turns, 0.25))))
    swapped = n.em.node("Or", n.op("Equal", quarter, 1.0), n.op("Equal", quarter, 3.0))
    first, second = n.where(swapped, cosine, sine), n.where(swapped, sine, cosine)
    below = n.op("GreaterOrEqual", quarter, 2.0)
    left = n.em.node("Or", n.op("Equal", quarter, 1.0), n.op("Equal", quarter, 2.0))
    near = n.op("LessOrEqual", n.op("Abs", x), FARTHEST)
    sine = n.where(below, n.op("Neg", first), first)
    cosine = n.where(left, n.op("Neg", second), second)
    return n.where(near, sine, n.op("Sin", x)), n.where(near, cosine, n.op("Cos", x))


def _tan(n: Numbers, x: str) -> str:
    return n.div(*_sin_cos(n, x))


def _atan_of(n: Numbers, size: str) -> str:
    """The arc tangent of a number of at least 0."""
    steep = n.op("Greater", size, 1.0)
    small = n.where(steep, n.div(1.0, size), size)
    small = n.where(n.op("IsNaN", small), 0.0, small)
    step = n.op("Round", n.mul(small, float(_STEPS)))
    centre = n.div(step, float(_STEPS))
    rest = n.div(n.sub(small, centre), n.add(1.0, n.mul(small, centre)))
    square = n.mul(rest, rest)
    angle = n.add(rest, n.mul(n.mul(rest, square), n.series(square, _ATAN[1:])))
    angle = n.add(n.pick(np.arctan(np.arange(_STEPS + 1) / _STEPS), step), angle)
    angle = n.where(steep, n.sub(_HALF_PI, angle), angle)
    return n.where(n.op("IsNaN", size), size, angle)


def _atan(n: Numbers, x: str) -> str:
    return n.signed(x, _atan_of(n, n.op("Abs", x)))


def _asin(n: Numbers, x: str) -> str:
    """The angle whose tangent is x / sqrt(1 - x^2), the square's difference as a product to keep its digits."""
    other = n.op("Sqrt", n.mul(n.sub(1.0, x), n.add(1.0, x)))
    return _atan(n, n.div(x, other))


def _acos(n: Numbers, x: str) -> str:
    """Twice the angle whose tangent is sqrt((1 - x) / (1 + x))."""
    half = n.op("Sqrt", n.div(n.sub(1.0, x), n.add(1.0, x)))
    return n.mul(2.0, _atan_of(n, half))


def _atan2(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    n, (y, x) = Numbers(em), (w.data for w in wires)
    up, across = n.op("Abs", y), n.op("Abs", x)
    ratio = n.where(n.op("Equal", up, across), 1.0, n.div(up, across))  # also of two infinities
    ratio = n.where(n.op("Equal", up, 0.0), n.mul(up, 0.0), ratio)
    angle = _atan_of(n, ratio)
    # 1 / x tells -0.0 from 0.0
    left = em.node("Or", n.op("Less", x, 0.0), n.op("Equal", n.div(1.0, x), -math.inf))
    angle = n.where(left, n.sub(math.pi, angle), angle)
    below = em.node("Or", n.op("Less", y, 0.0), n.op("Equal", n.div(1.0, y), -math.inf))
    angle = n.where(below, n.op("Neg", angle), angle)
    return n.where(em.node("Or", em.node("IsNaN", x), em.node("IsNaN", y)), math.nan, angle)


OPERATIONS = (
    Operation("sin", float_rule, plain(np.sin), by_name(lambda n, x: _sin_cos(n, x)[0]), kind="rounded", ulps=3),
    Operation("cos", float_rule, plain(np.cos), by_name(lambda n, x: _sin_cos(n, x)[1]), kind="rounded", ulps=3),
    Operation("tan", float_rule, plain(np.tan), by_name(_tan), kind="rounded", ulps=5),
    Operation("asin", float_rule, plain(np.arcsin), by_name(_asin), kind="rounded", ulps=4),
    Operation("acos", float_rule, plain(np.arccos), by_name(_acos), kind="rounded", ulps=4),
    Operation("atan", float_rule, plain(np.arctan), by_name(_atan), kind="rounded", ulps=3),
    Operation("atan2", float_rule, plain(np.arctan2), _atan2, kind="rounded", ulps=4),
)
"""Rows of the table of operations."""
