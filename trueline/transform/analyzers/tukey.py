"""Location, scale and the two h of the Tukey HH distribution that has a column's L-moments.

L-moments are those of the sample, unbiased (Hosking 1990), taken of the quantile summary: exact up to 32,768
distinct values, whatever the blocks were. TensorFlow Transform takes them per batch and averages, which depends on the
batch size. Those of the distribution have a closed form (`hh_l_moments`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trueline.transform.analyzers.base import Analyzer, Array, StateMaker, one_column
from trueline.transform.analyzers.basic_states import Points
from trueline.transform.analyzers.places import by_place, each

__all__ = ["ANALYZERS", "STATES", "FinitePoints", "TukeyFit", "fit_tukey", "hh_l_moments", "hh_params"]

NORMAL_L_KURTOSIS = 0.1226017195
"""30 / pi * atan(sqrt(2)) - 9, the L-kurtosis of a normal distribution."""
_MOST = 1.0 - 1e-7
"""h must stay below 1: the mean of an HH variable is infinite from there on."""
_HALVINGS = 60


def _half(h: float) -> tuple[float, float, float, float]:
    """The integrals over z > 0 of ``z exp(h z**2 / 2)`` times the shifted Legendre polynomials 0 to 3 of the normal
    distribution function; by parts they come down to probabilities of normal orthants, which have closed forms."""
    a, b = 1.0 - h, 2.0 - h
    zero = 1.0 / (math.sqrt(2.0 * math.pi) * a)
    one = zero / math.sqrt(b)
    two = 4.0 * one * math.atan(1.0 / math.sqrt(b)) / math.pi
    three = 6.0 * one * math.asin(1.0 / (3.0 - h)) / math.pi
    return zero, one, (3.0 * two - zero) / 2.0, (5.0 * three - 3.0 * one) / 2.0


def hh_l_moments(left: float, right: float) -> tuple[float, float, float, float]:
    """Mean, L-scale, L-skewness and L-kurtosis of the standard Tukey HH distribution; h from 0 to below 1."""
    lower, upper = _half(left), _half(right)
    scale = upper[1] + lower[1]
    return upper[0] - lower[0], scale, (upper[2] - lower[2]) / scale, (upper[3] + lower[3]) / scale


def _right_for(left: float, kurtosis: float) -> float:
    """The h of the heavier tail that has the L-kurtosis together with the lighter one."""
    low, high = left, _MOST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if hh_l_moments(left, middle)[3] < kurtosis:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def hh_params(skewness: float, kurtosis: float) -> tuple[float, float]:
    """The left and right h of the Tukey HH distribution with these L-moment ratios, by two nested bisections.

    Tails lighter than the normal's give (0, 0). Where the column is more skewed than any such distribution of that
    L-kurtosis, the lighter tail's h is 0 and the heavier's is that of the L-kurtosis, as in TensorFlow Transform.
    """
    if not kurtosis > NORMAL_L_KURTOSIS:
        return 0.0, 0.0
    wanted = abs(skewness)
    low, high = 0.0, _MOST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if hh_l_moments(middle, middle)[3] < kurtosis:
            low = middle
        else:
            high = middle
    low, high = 0.0, low  # both tails alike: no skewness
    lighter = 0.0
    if hh_l_moments(0.0, _right_for(0.0, kurtosis))[2] > wanted:
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            if hh_l_moments(middle, _right_for(middle, kurtosis))[2] > wanted:
                low = middle
            else:
                high = middle
        lighter = (low + high) / 2.0
    heavier = _right_for(lighter, kurtosis)
    return (lighter, heavier) if skewness >= 0.0 else (heavier, lighter)


@dataclass(frozen=True)
class TukeyFit:
    """``x = location + scale * y`` where y is a standard Tukey HH variable."""

    location: float
    scale: float
    left: float
    right: float


def fit_tukey(l_moments: Sequence[float]) -> TukeyFit:
    """The distribution that has these four L-moments (mean, L-scale, third, fourth); scale 1 where there is no spread.

    Args:
        l_moments: as they are, no ratios.
    """
    first, second, third, fourth = l_moments
    if not second > 0.0 or not math.isfinite(second):
        return TukeyFit(first, 1.0, 0.0, 0.0)
    left, right = hh_params(third / second, fourth / second)
    mean, spread, _, _ = hh_l_moments(left, right)
    scale = second / spread
    return TukeyFit(first - scale * mean, scale, left, right)


_FACTORS = ((1.0, -1.0), (-1.0, 3.0, -2.0), (1.0, -6.0, 10.0, -5.0))
"""What each gap counts in the second to fourth L-moment, by the chances that one, two, ... values lie below it."""


def _gap_sum(gaps: Array, chances: Sequence[Array], factors: Sequence[float]) -> float:
    if len(chances) < len(factors):
        return 0.0
    return float((gaps * sum(f * c for f, c in zip(factors, chances[: len(factors)], strict=True))).sum())


class FinitePoints(Points):
    """The quantile summary of the finite values."""

    def update(self, values: Array, *others: Array) -> None:
        super().update(values[np.isfinite(values)])

    @property
    def l_moments(self) -> tuple[float, float, float, float]:
        """The first four unbiased sample L-moments; 0 where there are fewer values than a moment's order.

        Written over the gaps between neighbouring values: then a common offset of all values costs no digit.
        """
        if not len(self.values):
            return 0.0, 0.0, 0.0, 0.0
        below = np.cumsum(self.weights)
        count = int(below[-1])
        with np.errstate(all="ignore"):
            gaps = np.diff(self.values)
            mean = self.values[0] + float((gaps * ((count - below[:-1]) / count)).sum())
            # how likely it is that one, two, ... values drawn without replacement all lie below the gap
            chances: list[Array] = []
            chance: Array = np.ones(len(gaps))
            for drawn in range(min(4, count)):
                chance = chance * (np.maximum(below[:-1] - drawn, 0) / (count - drawn))
                chances.append(chance)
            higher = [_gap_sum(gaps, chances, factors) for factors in _FACTORS]
        return float(mean), higher[0], higher[1], higher[2]

    @property
    def fit(self) -> TukeyFit:
        """The Tukey HH distribution of these values."""
        return fit_tukey(self.l_moments)

    @property
    def location(self) -> float:
        return self.fit.location

    @property
    def scale(self) -> float:
        return self.fit.scale

    @property
    def left(self) -> float:
        return self.fit.left

    @property
    def right(self) -> float:
        return self.fit.right


ANALYZERS = (
    Analyzer("tukey_location", one_column("float64"), "finite_points", each("location"), ("reduce",)),
    Analyzer("tukey_scale", one_column("float64"), "finite_points", each("scale"), ("reduce",)),
    Analyzer("tukey_h_left", one_column("float64"), "finite_points", each("left"), ("reduce",)),
    Analyzer("tukey_h_right", one_column("float64"), "finite_points", each("right"), ("reduce",)),
)
"""Rows of the table of analyzers."""

STATES: dict[str, StateMaker] = {"finite_points": by_place(FinitePoints)}
"""The states that they read, by name."""
