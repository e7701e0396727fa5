"""Distances between two distributions: L-infinity, normalised absolute difference, Jensen-Shannon divergence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from trueline.data_validation.views import FeatureView

__all__ = ["divergence", "infinity_norm", "jensen_shannon_divergence", "normalized_abs_difference"]

Floats = npt.NDArray[np.float64]
Counts = Mapping[str, float]
_WIDE = 2.0**1000


def _shares(counts: Counts) -> dict[str, float]:
    total = sum(counts.values())
    return {value: n / total for value, n in counts.items()} if total else dict(counts)


def infinity_norm(one: Counts, other: Counts) -> tuple[float, str]:
    """The greatest difference of two values' shares, and the value where it occurs.

    max over v of abs(p(v) - q(v)), p and q being counts divided by their sum; a value that is absent has share 0. Of
    values with equal differences the last in order is named. Source: Chebyshev's distance, as TensorFlow Data
    Validation defines it.
    """
    p, q = _shares(one), _shares(other)
    found = [(abs(p.get(v, 0.0) - q.get(v, 0.0)), v) for v in sorted(p.keys() | q.keys())]
    return max(found, default=(0.0, ""))


def normalized_abs_difference(one: Counts, other: Counts) -> tuple[float, str]:
    """max over v of abs(x(v) - y(v)) / (sum of x + sum of y), over plain counts, and the value where it occurs."""
    total = sum(one.values()) + sum(other.values())
    found = [(abs(one.get(v, 0.0) - other.get(v, 0.0)), v) for v in sorted(one.keys() | other.keys())]
    difference, value = max(found, default=(0.0, ""))
    return (difference / total if total else 0.0), value


def jensen_shannon_divergence(one: FeatureView, other: FeatureView, kind: str) -> float | None:
    """The Jensen-Shannon divergence to base 2, between 0 (equal) and 1 (disjoint).

    (KL(P, M) + KL(Q, M)) / 2 with M = (P + Q) / 2 (Lin 1991). Of value counts where both sides have them, else of
    histograms of numbers.

    Args:
        one, other: the two features.
        kind: which histogram of numbers, ``STANDARD`` or ``QUANTILES``.

    Returns:
        None where the sides cannot be compared: one counts values and the other does not, or one is empty.
    """
    if one.has_rank_histogram and other.has_rank_histogram:
        values = sorted(one.counts.keys() | other.counts.keys())
        p = np.array([one.counts.get(v, 0.0) for v in values])
        q = np.array([other.counts.get(v, 0.0) for v in values])
        return divergence(p, q)
    first, second = one.histogram(kind), other.histogram(kind)
    if first is None or second is None:
        return None
    return divergence(*_aligned(first, second))


def divergence(p: Floats, q: Floats) -> float | None:
    """The Jensen-Shannon divergence of two arrays of masses over the same cells; None where one is empty."""
    if not p.sum() > 0 or not q.sum() > 0:
        return None
    p, q = p / p.sum(), q / q.sum()
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(x > 0, x * np.log2(x / m), 0.0).sum() for x in (p, q)]
    return float(min(max(sum(terms) / 2, 0.0), 1.0))


def _aligned(one: Any, other: Any) -> tuple[Floats, Floats]:
    """Masses of two histograms over common buckets.

    Buckets are cut at the union of the boundaries, their mass spread evenly; point buckets match only where values
    are equal; infinite buckets match nothing; NaN of one side never matches NaN of the other.
    """
    sides = [_Side(one), _Side(other)]
    edges = np.unique(np.concatenate([side.edges for side in sides]))
    points = sorted(sides[0].points.keys() | sides[1].points.keys())
    columns = []
    for i, side in enumerate(sides):
        extra = np.zeros(4)
        extra[2 * i] = side.infinite
        extra[2 * i + 1] = side.nan
        mass = [side.points.get(x, 0.0) for x in points]
        columns.append(np.concatenate([side.spread(edges), mass, extra]))
    return columns[0], columns[1]


class _Side:
    """One histogram, taken apart."""

    def __init__(self, histogram: Any) -> None:
        self.nan = float(histogram.num_nan)
        self.infinite = 0.0
        self.points: dict[float, float] = {}
        self.wide: list[tuple[float, float, float]] = []
        for bucket in histogram.buckets:
            low, high, mass = bucket.low_value, bucket.high_value, bucket.sample_count
            if math.isinf(low) or math.isinf(high):
                self.infinite += mass
            elif low == high:
                self.points[low] = self.points.get(low, 0.0) + mass
            else:
                self.wide.append((low, high, mass))

    @property
    def edges(self) -> Floats:
        return np.array([x for low, high, _ in self.wide for x in (low, high)], np.float64)

    def spread(self, edges: Floats) -> Floats:
        """The mass of the wide buckets over the cells between edges."""
        cells = np.zeros(max(len(edges) - 1, 0))
        for low, high, mass in self.wide:
            start, end = np.searchsorted(edges, [low, high])
            cuts = edges[start : end + 1]
            widths = np.diff(cuts / 2 if high / 2 - low / 2 > _WIDE else cuts)  # the full range may overflow
            cells[start:end] += mass * (widths / widths.sum())
        return cells
