"""A mergeable summary of sorted numbers: exact while there are few distinct ones, bounded in error beyond.

Weights are counts of rows (integers) or, in a weighted summary, sums of the rows' weights (floats); then read "rows" as
"weight" below, and add the rounding of sums. A summary is a list of points (value, weight), values ascending and
distinct. Its rank function R(x) = weight of the points <= x estimates F(x) = how many numbers are <= x. `error` bounds
abs(R(x) - F(x)) over all x, in rows:

* it is 0 while the distinct numbers fit into `capacity` points;
* merging adds the two bounds (rank functions add). Merged points are kept up to twice `capacity`, so that only every
  second level of a tree pays for thinning, in time and in error;
* beyond that, the ranks are cut into `capacity` even groups, each replaced by the point in its middle. That adds half
  a group's weight, n / (2 * capacity) rows. Groups do not overlap, so the bound holds for every x at once.

Over a tree of L levels the relative error is therefore about (L / 2 + 1) / (2 * capacity): 0.06 % for 7 levels (128
blocks) of 4096 points. Nothing in it is random: equal blocks give equal bits. A value that alone
outweighs many groups is the middle of each, so weights that differ much cost no more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["QuantileSummary"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Weights = npt.NDArray[Any]  # int64, or float64 where they are sums of weights


def _no_floats() -> Floats:
    return np.empty(0, np.float64)


def _no_ints() -> Ints:
    return np.empty(0, np.int64)


@dataclass
class QuantileSummary:
    """Weighted points that stand for many numbers; NaN is no number here, infinities are.

    Attributes:
        capacity: most points of one block; merged summaries hold up to twice as many.
        values: the points, ascending and distinct.
        weights: how many numbers each point stands for.
        error: bound on the error of every rank, in numbers (or weight); 0 means exact.
    """

    capacity: int
    values: Floats = field(default_factory=_no_floats)
    weights: Weights = field(default_factory=_no_ints)
    error: int | float = 0

    @classmethod
    def of_sorted(cls, numbers: Floats, capacity: int) -> QuantileSummary:
        """The summary of ascending numbers without NaN."""
        n = len(numbers)
        if n == 0:
            return cls(capacity)
        differs = numbers[1:] != numbers[:-1]
        if np.count_nonzero(differs) < capacity:
            ends = np.append(np.flatnonzero(differs), n - 1)
            return cls(capacity, numbers[ends], np.diff(ends, prepend=-1))
        cuts = (np.arange(capacity + 1, dtype=np.int64) * n) // capacity
        sizes = np.diff(cuts)
        summary = cls(capacity, numbers[cuts[:-1] + sizes // 2], sizes, int(sizes.max()) // 2)
        summary._join_equal()
        return summary

    @classmethod
    def of_weighted(cls, numbers: Floats, weights: Floats, capacity: int) -> QuantileSummary:
        """The summary of ascending numbers without NaN, each with a weight; those that weigh nothing leave no trace."""
        heavy = weights > 0.0
        summary = cls(capacity, numbers[heavy], weights[heavy], 0.0)
        summary._join_equal()
        summary._compact()
        return summary

    @classmethod
    def constant(cls, value: float, count: int, capacity: int) -> QuantileSummary:
        """The summary of one number that occurs `count` times."""
        if count == 0:
            return cls(capacity)
        return cls(capacity, np.array([value], np.float64), np.array([count], np.int64))

    @property
    def count(self) -> int | float:
        """How many numbers it stands for, or their weight."""
        total: int | float = self.weights.sum().item()
        return total

    def merge(self, other: QuantileSummary) -> None:
        """Takes in another summary."""
        if len(other.values) == 0:
            return
        if len(self.values) == 0:
            self.values, self.weights, self.error = other.values, other.weights, other.error
            return
        if len(self.values) == len(other.values) == 1 and self.values[0] == other.values[0]:
            self.weights, self.error = self.weights + other.weights, self.error + other.error
            return
        values = np.concatenate([self.values, other.values])
        order = np.argsort(values, kind="stable")
        self.values = values[order]
        self.weights = np.concatenate([self.weights, other.weights])[order]
        self.error += other.error
        self._join_equal()
        if len(self.values) > 2 * self.capacity:
            self._compact()

    def _join_equal(self) -> None:
        """Adds up the weights of equal values."""
        new = self.values[1:] != self.values[:-1]
        if new.all():  # none at all too
            return
        starts = np.flatnonzero(np.concatenate([[True], new]))
        self.weights = np.add.reduceat(self.weights, starts)
        self.values = self.values[starts]

    def _compact(self) -> None:
        """Cuts the ranks into `capacity` even groups, each held by the point in its middle; adds the error of that."""
        if len(self.values) <= self.capacity:
            return
        ends = np.cumsum(self.weights)
        total, steps = ends[-1].item(), np.arange(self.capacity + 1)
        whole = self.weights.dtype == np.int64
        cuts = steps * total // self.capacity if whole else steps * (total / self.capacity)
        sizes = np.diff(cuts)
        half = sizes // 2 if whole else sizes / 2
        chosen = np.searchsorted(ends, cuts[:-1] + half, side="right")
        self.error += half.max().item()
        self.values, self.weights = self.values[np.minimum(chosen, len(ends) - 1)], sizes
        self._join_equal()

    def with_infinities(self, negative: int | float, positive: int | float) -> QuantileSummary:
        """The summary of these numbers and as many -inf and inf (or their weight); it may hold two points more."""
        if not negative and not positive:
            return self
        ends = [(-np.inf, negative)] if negative else []
        tail = [(np.inf, positive)] if positive else []
        values = np.concatenate([[v for v, _ in ends], self.values, [v for v, _ in tail]])
        weights = np.concatenate([[n for _, n in ends], self.weights, [n for _, n in tail]]).astype(self.weights.dtype)
        return QuantileSummary(self.capacity + 2, values, weights, self.error)

    def rank(self, x: Floats) -> Weights:
        """How many numbers are <= each x (or their weight), within `error`."""
        ends = np.concatenate([[self.weights.dtype.type(0)], np.cumsum(self.weights)])
        return np.asarray(ends[np.searchsorted(self.values, x, side="right")], self.weights.dtype)

    def quantiles(self, buckets: int, low: float, high: float) -> Floats:
        """The boundaries of `buckets` quantile buckets: `buckets` + 1 ascending numbers.

        Boundary i is the smallest value whose cumulative weight is above i/buckets of the whole; the first is `low`,
        the last `high` (the exact extremes). For 2 buckets the middle one is the upper median, the number of rank
        floor(n / 2) + 1. Source: TensorFlow Data Validation's quantile rule.
        """
        ends = np.cumsum(self.weights)
        total = ends[-1].item()
        whole = self.weights.dtype == np.int64
        wanted = [i * total // buckets if whole else i * total / buckets for i in range(1, buckets)]
        places = np.searchsorted(ends, np.array(wanted, self.weights.dtype), side="right")
        inner = self.values[np.minimum(places, len(ends) - 1)] if wanted else _no_floats()
        return np.concatenate([[low], np.clip(inner, low, high), [high]])
