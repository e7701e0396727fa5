"""The states that the basic analyzers read: counts, extremes, sums, moments, weighted points; items of `Places`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Self

import numpy as np

from trueline._core.errors import TransformError
from trueline.transform.analyzers.base import Array, Attrs, Parts

__all__ = ["Count", "Extremes", "Moments", "Points", "Total"]


class Count:
    """How many values there are."""

    def __init__(self, dtype: str, params: Attrs) -> None:
        self.count = 0

    def update(self, values: Array, *others: Array) -> None:
        self.count += len(values)

    def merge(self, other: Self) -> None:
        self.count += other.count

    def parts(self) -> Parts:
        return {"count": self.count}, {}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.count = int(header["count"])


class Extremes:
    """Least and greatest value; NaN is left out. Of no values: +inf and -inf, or the ends of int64."""

    def __init__(self, dtype: str, params: Attrs) -> None:
        limits = np.iinfo(np.int64)
        self.ends: Array = np.array([np.inf, -np.inf] if dtype == "float64" else [limits.max, limits.min])

    @property
    def least(self) -> Any:
        return self.ends[0].item()

    @property
    def greatest(self) -> Any:
        return self.ends[1].item()

    def update(self, values: Array, *others: Array) -> None:
        array = values
        if array.dtype == np.float64:
            array = array[~np.isnan(array)]
        if len(array):
            self.ends = np.array([min(self.ends[0], array.min()), max(self.ends[1], array.max())], self.ends.dtype)

    def merge(self, other: Self) -> None:
        ends = [min(self.ends[0], other.ends[0]), max(self.ends[1], other.ends[1])]
        self.ends = np.array(ends, self.ends.dtype)

    def parts(self) -> Parts:
        return {}, {"ends": self.ends}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.ends = arrays["ends"]


class Total:
    """The sum; of integers it is exact, and too large a sum for 64 bits is an error. NaN makes it NaN."""

    def __init__(self, dtype: str, params: Attrs) -> None:
        self.integer = dtype == "int64"
        self.total: Any = 0 if self.integer else np.zeros(1)

    @property
    def sum(self) -> Any:
        if not self.integer:
            return self.total[0].item()
        if not -(2**63) <= self.total < 2**63:
            raise TransformError(f"the sum {self.total} does not fit into 64 bits", hint="cast the column to float64.")
        return self.total

    def update(self, values: Array, *others: Array) -> None:
        array = values
        if self.integer:  # two halves, so that no partial sum wraps
            self.total += (int((array >> 32).sum()) << 32) + int((array & 0xFFFFFFFF).sum())
        else:
            with np.errstate(all="ignore"):
                self.total = self.total + array.sum()

    def merge(self, other: Self) -> None:
        with np.errstate(all="ignore"):
            self.total = self.total + other.total

    def parts(self) -> Parts:
        return ({"total": str(self.total)}, {}) if self.integer else ({}, {"total": self.total})

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.total = int(header["total"]) if self.integer else arrays["total"]


class Moments:
    """Count, mean and sum of squared deviations of the finite values (as TensorFlow Transform: NaN and infinities
    are left out, ddof 0). Two passes within a block, then the merge of Chan, Golub and LeVeque (1979)."""

    def __init__(self, dtype: str, params: Attrs) -> None:
        self.count = 0
        self.state: Array = np.zeros(2)

    @property
    def mean(self) -> float:
        return float(self.state[0])

    @property
    def variance(self) -> float:
        return float(self.state[1] / self.count) if self.count else 0.0

    def update(self, values: Array, *others: Array) -> None:
        array = values
        array = array[np.isfinite(array)]
        if len(array):
            block = Moments("float64", {})
            block.count = len(array)
            with np.errstate(all="ignore"):
                mean = _mean(array)
                block.state = np.array([mean, np.square(array - mean).sum()])
            self.merge(block)

    def merge(self, other: Self) -> None:
        if not other.count:
            return
        if not self.count:
            self.count, self.state = other.count, other.state
            return
        count = self.count + other.count
        with np.errstate(all="ignore"):
            delta = other.state[0] - self.state[0]
            mean = self.state[0] + delta * (other.count / count)
            squares = self.state[1] + other.state[1] + delta * delta * (self.count / count) * other.count
        self.count, self.state = count, np.array([mean, squares])

    def parts(self) -> Parts:
        return {"count": self.count}, {"state": self.state}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.count, self.state = int(header["count"]), arrays["state"]


def _mean(array: Array) -> Any:
    """The mean, taken about the first value: a column of equal values has exactly that value as its mean."""
    return array[0] + (array - array[0]).sum() / len(array)


def _firsts(ordered: Array) -> Array:
    """Where each distinct value of a sorted array begins."""
    if not len(ordered):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def _rises(values: Array) -> bool:
    """Whether each value is above the one before it."""
    return bool((values[1:] > values[:-1]).all())


class Points:
    """A quantile summary: at most `cap` values with weights; exact while there are no more distinct values.

    A fuller summary is pruned to `cap` values at equal distances in rank, which moves a rank by at most
    weight / (2 * cap); in a tree of depth d the error is at most d / (2 * cap) of all values: with `CAP` under 0.04 %
    for a million blocks. NaN is left out.
    """

    CAP = 32_768

    def __init__(self, dtype: str, params: Attrs) -> None:
        self.cap = int(params.get("cap", self.CAP))
        self.values: Array = np.zeros(0)
        self.weights: Array = np.zeros(0, np.int64)

    def update(self, values: Array, *others: Array) -> None:
        ordered = np.sort(values[~np.isnan(values)] + 0.0)  # + 0.0: one zero
        if not len(ordered):
            return
        firsts = _firsts(ordered)
        if len(firsts) > self.cap:
            edges, middles = self._ranks(len(ordered))
            block = ordered[middles]
            firsts = _firsts(block)
            self._join(block[firsts], np.add.reduceat(np.diff(edges), firsts))
        else:
            self._join(ordered[firsts], np.diff(firsts, append=len(ordered)))

    def merge(self, other: Self) -> None:
        self._join(other.values, other.weights)

    def _join(self, values: Array, weights: Array) -> None:
        if not len(self.values) and len(values) <= self.cap and _rises(values):
            self.values, self.weights = values, weights.astype(self.weights.dtype, copy=False)
            return
        both = np.concatenate([self.weights, weights])
        self._collect(np.concatenate([self.values, values]), both)
        if len(self.values) > self.cap:
            self._prune()

    def _collect(self, values: Array, weights: Array) -> None:
        """Each value once, in order, with the sum of its weights."""
        order = np.argsort(values, kind="stable")  # of two sorted halves it merges
        self._collect_sorted(values[order], weights[order])

    def _collect_sorted(self, values: Array, weights: Array) -> None:
        firsts = _firsts(values)
        self.values = values[firsts]
        self.weights = np.add.reduceat(weights, firsts) if len(firsts) else weights[:0]

    def _ranks(self, total: int) -> tuple[Array, Array]:
        """The ranks that cut a weight into `cap` equal parts, and the middle rank of each part."""
        edges = np.arange(self.cap + 1, dtype=np.int64) * (total // self.cap)
        edges += np.arange(self.cap + 1, dtype=np.int64) * (total % self.cap) // self.cap
        return edges, (edges[:-1] + edges[1:]) // 2

    def _prune(self) -> None:
        cumulative = np.cumsum(self.weights)
        edges, middles = self._ranks(int(cumulative[-1]))
        chosen = self.values[np.searchsorted(cumulative, middles, side="right")]
        self._collect_sorted(chosen, np.diff(edges))

    def _above(self, shares: Sequence[Fraction]) -> Array:
        """Of each share the place of the smallest value whose cumulative weight is above it."""
        cumulative = np.cumsum(self.weights)
        total = int(cumulative[-1])
        # an integer is above a number exactly when it is above that number rounded down
        ranks = [share.numerator * total // share.denominator for share in shares]
        return np.searchsorted(cumulative, ranks, side="right")

    def at(self, shares: Sequence[Fraction]) -> list[float]:
        """Of each share of all weight the smallest value whose cumulative weight is above it (TensorFlow Transform's
        rule); of 1 the greatest value. Of no values: zeros."""
        if not len(self.values):
            return [0.0] * len(shares)
        found: list[float] = self.values[np.minimum(self._above(shares), len(self.values) - 1)].tolist()
        return found

    def quantiles(self, num_buckets: int) -> list[float]:
        """The ``num_buckets - 1`` inner boundaries."""
        return self.at([Fraction(i, num_buckets) for i in range(1, num_buckets)])

    def percentile(self, q: float, empty: float) -> float:
        """The value at a share, `empty` of no values."""
        return self.at([Fraction(repr(q))])[0] if len(self.values) else empty

    def parts(self) -> Parts:
        return {}, {"values": self.values, "weights": self.weights}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.values, self.weights = arrays["values"], arrays["weights"]
