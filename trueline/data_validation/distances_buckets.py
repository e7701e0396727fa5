"""What two histograms of numbers prove about the divergence of the data behind them.

A bucket says how many numbers lie in it, not where. Of all ways to arrange both sides' numbers inside their buckets,
the one with the least Jensen-Shannon divergence is sought; no arrangement explains the data with less, so this much is
proven. With M the mean of both sides, a side comes nearest to M where each bucket's mass is spread in proportion to M;
taking sides and mean in turn, the divergence falls to its minimum, as it is convex and each step has a closed form
(Csiszar and Tusnady, Statistics and Decisions Supplement 1, 1984).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.distances import divergence

__all__ = ["Provable", "provable_divergence"]

Floats = npt.NDArray[np.float64]

_STEPS = 300
_STILL = 1e-9
_PER_END = 3
"""Degrees of freedom for each end where one side has numbers beyond the other's extreme. Their share is nearly
exponential with mean 1 / n; the divergence it gives has about the tail of a chi-square of three degrees of freedom."""


@dataclass(frozen=True)
class Provable:
    """What is proven.

    Attributes:
        value: the divergence that no arrangement undercuts.
        freedom: degrees of freedom of the chance in it.
        totals: numbers on each side, NaN included.
    """

    value: float
    freedom: int
    totals: tuple[float, float]


@dataclass(frozen=True)
class _Buckets:
    """One side: its buckets as sets of cells.

    Attributes:
        cover: bucket x cell, 1 where the bucket's numbers may lie in the cell.
        mass: share of each bucket.
    """

    cover: Floats
    mass: Floats

    @property
    def evenly(self) -> Floats:
        """Bucket x cell: each bucket's mass evenly over its cells."""
        result: Floats = self.cover / self.cover.sum(axis=1, keepdims=True) * self.mass[:, None]
        return result

    def nearer(self, arranged: Floats, mean: Floats) -> Floats:
        """An arrangement nearer to `mean`.

        Two buckets that share a boundary share its cell; what each holds of the cell is kept in proportion.
        """
        share = arranged.sum(axis=0)
        weights = arranged * np.where(share > 0, mean / np.where(share > 0, share, 1.0), 0.0)
        sums = weights.sum(axis=1, keepdims=True)
        result: Floats = weights / np.where(sums > 0, sums, 1.0) * self.mass[:, None]
        return result


def provable_divergence(one: Any, other: Any) -> Provable:
    """The least divergence of the data behind two histograms of one kind; NaN is compared with NaN."""
    found = [
        [(b.low_value, b.high_value, b.sample_count) for b in h.buckets if b.sample_count > 0] for h in (one, other)
    ]
    nan = float(one.num_nan), float(other.num_nan)
    totals = tuple(sum(mass for _, _, mass in side) + extra for side, extra in zip(found, nan, strict=True))
    if not all(totals):
        return Provable(0.0, 0, (totals[0], totals[1]))
    places = sorted({x for side in found for low, high, _ in side for x in (low, high)})
    sides = [_buckets(side, extra, total, places) for side, extra, total in zip(found, nan, totals, strict=True)]
    arranged = [side.evenly for side in sides]
    value = 1.0
    for _ in range(_STEPS):
        p, q = (found.sum(axis=0) for found in arranged)
        now = divergence(p, q) or 0.0
        if value - now < _STILL:
            break
        value = now
        arranged = [side.nearer(found, (p + q) / 2) for side, found in zip(sides, arranged, strict=True)]
    cells = max(len(side.mass) for side in sides)
    ends = _PER_END * sum(_extremes(found[0])[i] != _extremes(found[1])[i] for i in (0, 1))
    return Provable(value, max(cells - 1, 0) + ends, (totals[0], totals[1]))


def _extremes(side: list[tuple[float, float, float]]) -> tuple[float | None, float | None]:
    return min((low for low, _, _ in side), default=None), max((high for _, high, _ in side), default=None)


def _buckets(side: list[tuple[float, float, float]], nan: float, total: float, places: list[float]) -> _Buckets:
    """Cells are the places and the gaps between them, in order, and one for NaN.

    A number at a boundary may be counted on either side of it.
    """
    index = {x: 2 * i for i, x in enumerate(places)}
    count = max(2 * len(places) - 1, 0) + 1
    rows, masses = [], []
    for low, high, mass in side:
        row = np.zeros(count)
        row[index[low] : index[high] + 1] = 1.0
        rows.append(row)
        masses.append(mass / total)
    if nan:
        row = np.zeros(count)
        row[-1] = 1.0
        rows.append(row)
        masses.append(nan / total)
    return _Buckets(np.array(rows), np.array(masses))
