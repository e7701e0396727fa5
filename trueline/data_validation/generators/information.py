"""Mutual information of two columns of any kind, in bits, by nearest neighbours.

* two categorical columns: the plug-in estimate from counts;
* a categorical and a numeric one: B. C. Ross, "Mutual information between discrete and continuous data sets" (2014);
* two numeric ones: W. Gao and others, "Estimating mutual information for discrete-continuous mixtures" (2017), which
  generalises Kraskov, Stoegbauer and Grassberger (2004) to columns with ties.

Numbers are replaced first, the least by the least of as many draws from the normal distribution (always the same ones),
and so on, equal numbers staying equal. Mutual information does not change under monotone maps; so outliers, infinities
and scales do not matter at all, and distances stay as irregular as the estimators assume them to be.

A missing value is a category of its own: for a numeric x,
I(x; y) = I(is x missing; y) + P(x present) * I(x; y | x present).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "mutual_information"]

_EULER = 0.5772156649015329
_INSIDE = 1.0 - 1e-12
"""Keeps the rounding of centre + radius from counting the neighbour at the very radius."""
_BITS = 1.0 / float(np.log(2.0))
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """One column of a sample: `codes` of categories (missing is one of them), or `numbers` with NaN for missing."""

    codes: Ints | None = None
    numbers: Floats | None = None

    def rows(self, chosen: Bools | Ints) -> Column:
        """Some of its rows."""
        if self.codes is not None:
            return Column(codes=self.codes[chosen])
        assert self.numbers is not None
        return Column(numbers=self.numbers[chosen])


def mutual_information(x: Column, y: Column, k: int = 3) -> float:
    """The estimate in bits; below 0 by noise where there is none. Rows without a numeric y are left out."""
    if y.numbers is not None:
        known = ~np.isnan(y.numbers)
        x, y = x.rows(known), y.rows(known)
    if x.numbers is None:
        return _of_codes(_compact(x.codes), y, k)
    missing = np.isnan(x.numbers)
    total = _of_codes(missing.astype(np.int64), y, k) if missing.any() else 0.0
    share = 1.0 - float(missing.mean()) if len(missing) else 0.0
    if share == 0.0:
        return total
    numbers, rest = x.numbers[~missing], y.rows(~missing)
    if rest.codes is not None:
        return total + share * _mixed(_compact(rest.codes), _drawn(numbers, 1), k)
    assert rest.numbers is not None
    return total + share * _numeric(_drawn(numbers, 1), _drawn(rest.numbers, 2), k)


def _of_codes(codes: Ints, y: Column, k: int) -> float:
    if y.codes is not None:
        return _discrete(codes, _compact(y.codes))
    assert y.numbers is not None
    return _mixed(codes, _drawn(y.numbers, 2), k)


def _compact(codes: Ints | None) -> Ints:
    assert codes is not None
    return np.unique(codes, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _drawn(numbers: Floats, seed: int) -> Floats:
    """The numbers replaced, in order, by draws from the normal distribution; equal ones stay equal."""
    from trueline.data_validation.generators.sample import uniforms

    n = len(numbers)
    with np.errstate(divide="ignore"):
        radius = np.sqrt(-2.0 * np.log(uniforms(n, 2 * seed)))
    drawn = np.sort(radius * np.cos(2.0 * np.pi * uniforms(n, 2 * seed + 1)))
    return np.asarray(drawn[np.searchsorted(np.sort(numbers), numbers)], np.float64)


def _discrete(x: Ints, y: Ints) -> float:
    n = len(x)
    if n == 0:
        return 0.0
    joint = np.unique(x * (int(y.max()) + 1) + y, return_counts=True)[1]
    return _BITS * (_plog(np.bincount(x)) + _plog(np.bincount(y)) - _plog(joint)) if n else 0.0


def _plog(counts: Ints) -> float:
    """The entropy of counts in nats."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _psi(counts: Ints, table: Floats) -> Floats:
    """The digamma function of positive integers."""
    return np.asarray(table[counts - 1], np.float64)


def _psi_table(n: int) -> Floats:
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, max(n, 1) + 1))]) - _EULER


def _mixed(codes: Ints, numbers: Floats, k: int) -> float:
    n = len(numbers)
    if n < 2:
        return 0.0
    everyone = np.sort(numbers)
    inside, near, wide = np.ones(n, np.int64), np.ones(n, np.int64), np.ones(n, np.int64)
    order = np.argsort(codes, kind="stable")
    borders = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1))
    for start, end in itertools.pairwise(borders):
        rows = order[start:end]
        values = np.sort(numbers[rows])
        inside[rows] = len(rows)
        if len(rows) == 1:
            wide[rows] = n
            continue
        neighbours = min(k, len(rows) - 1)
        radius = _neighbour_distance(values, neighbours)[np.searchsorted(values, numbers[rows])]
        tied = radius == 0.0
        near[rows] = np.where(tied, _within(values, numbers[rows], radius), neighbours)
        wide[rows] = _within(everyone, numbers[rows], radius)
    table = _psi_table(n)
    value = np.log(n) + (_psi(near, table) - _psi(inside, table) - _psi(wide, table)).mean()
    return _BITS * float(value)


def _numeric(x: Floats, y: Floats, k: int) -> float:
    n = len(x)
    if n <= k:
        return 0.0
    radius, ties = np.empty(n), np.empty(n, np.int64)
    for start in range(0, n, 256):
        rows = slice(start, min(start + 256, n))
        distance = np.maximum(np.abs(x[rows, None] - x[None, :]), np.abs(y[rows, None] - y[None, :]))
        ties[rows] = np.count_nonzero(distance == 0.0, axis=1)
        radius[rows] = np.partition(distance, k, axis=1)[:, k]
    table = _psi_table(n)
    near = _psi(np.where(radius == 0.0, ties, k), table)
    wide = _psi(_within(np.sort(x), x, radius), table) + _psi(_within(np.sort(y), y, radius), table)
    return _BITS * float(np.log(n) + (near - wide).mean())


def _neighbour_distance(values: Floats, k: int) -> Floats:
    """The distance of each of some ascending numbers to its k-th nearest other one."""
    n = len(values)
    best = np.full(n, np.inf)
    for left in range(k + 1):  # the k nearest are some to the left and the others to the right
        low, high = np.arange(n) - left, np.arange(n) - left + k
        fits = (low >= 0) & (high < n)
        span = np.maximum(values[fits] - values[low[fits]], values[high[fits]] - values[fits])
        best[fits] = np.minimum(best[fits], span)
    return best


def _within(values: Floats, centres: Floats, radius: Floats) -> Ints:
    """How many of ascending numbers are nearer to each centre than the radius; equal to it where the radius is 0."""
    reach = radius * _INSIDE
    high = np.searchsorted(values, centres + reach, side="right")
    low = np.searchsorted(values, centres - reach, side="left")
    return np.asarray(np.maximum(high - low, 1), np.int64)
