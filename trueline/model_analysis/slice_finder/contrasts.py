"""Tests of means from sums: Welch's t, its interval, and p-values adjusted for how many were made.

* Welch (1947): t = (m1 - m2) / sqrt(v1 + v2), with the degrees of freedom of Welch and Satterthwaite. With weights, m
  is the weighted mean and v its linearised (Taylor) variance, ``n / (n - 1) * sum(w^2 (l - m)^2) / (sum w)^2``; equal
  weights give Welch's test. A group of equal losses has the variance of all rows: else a few of them were a certainty.
* The tail of Student's distribution goes through the normal one by Hill's expansion (1970, CACM Algorithm 395),
  whose error is below 1e-5 of the tail from 9 degrees of freedom on.
* Benjamini and Yekutieli (2001) hold the false discovery rate under any dependence, Benjamini and Hochberg (1995) under
  positive dependence; Bonferroni and Holm (1979) hold the chance of any false discovery.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.multiplicity import MULTIPLICITY

__all__ = [
    "ADJUSTMENTS",
    "Contrast",
    "Group",
    "adjusted",
    "contrast",
    "group_of",
    "normal_score",
    "normal_tail",
    "t_quantile",
    "t_tail",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """What sums say of groups of rows; arrays of one shape.

    Attributes:
        rows: how many.
        weight: their weight.
        mean: their mean loss; NaN where there is no weight.
        spread: the population variance of losses (of rows with weights: each weighed by the square of its weight).
        noise: the variance of the mean; NaN with fewer than two rows.
    """

    rows: Floats
    weight: Floats
    mean: Floats
    spread: Floats
    noise: Floats


def group_of(sums: Floats) -> Group:
    """From sums ``[Q, ...]`` as `SliceSums` makes them."""
    if len(sums) == 3:
        n, s1, s2 = sums
        w, wl, w2, w2l, w2l2 = n, s1, n, s1, s2
    else:
        n, w, wl, w2, w2l, w2l2 = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(w > 0, wl / w, np.nan)
        squares = w2l2 - 2 * mean * w2l + mean * mean * w2
        squares = np.where(squares > 1e-12 * w2l2, squares, 0.0)  # what rounding leaves of equal losses is nothing
        noise = np.where(n >= 2, squares / (w * w) * (n / (n - 1)), np.nan)
        return Group(n, w, mean, np.where(w2 > 0, squares / w2, np.nan), noise)


@dataclass(frozen=True)
class Contrast:
    """One group of rows against another, arrays of one shape; NaN where it is undefined.

    Attributes:
        difference: mean of the one minus mean of the other.
        error: its standard error.
        t, dof: the statistic and its degrees of freedom.
        effect: difference / sqrt of the mean of both variances (Chung et al. 2019).
    """

    difference: Floats
    error: Floats
    t: Floats
    dof: Floats
    effect: Floats


def contrast(one: Group, other: Group, spread: Floats | float) -> Contrast:
    """Compares two groups that share no row; `spread` is the variance of all rows."""
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = one.mean - other.mean
        noises, dofs = [], []
        for group in (one, other):
            noise = np.where(group.noise > 0, group.noise, np.where(group.rows >= 2, spread / group.rows, np.nan))
            noises.append(noise)
            dofs.append(noise**2 / (group.rows - 1))
        error = np.sqrt(noises[0] + noises[1])
        effect = difference / np.sqrt((one.spread + other.spread) / 2)
        effect = np.where(difference == 0, 0.0, effect)
        t = np.where(error > 0, difference / error, np.where(difference == 0, 0.0, np.nan))
        return Contrast(difference, error, t, (noises[0] + noises[1]) ** 2 / (dofs[0] + dofs[1]), effect)


def normal_score(t: Floats, dof: Floats) -> Floats:
    """The normal value with the same tail as Student's t (Hill 1970)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a = dof - 0.5
        b = 48 * a * a
        y = a * np.log1p(t * t / dof)
        z = (((((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b) + y + 3) / b + 1) * np.sqrt(y)
    return np.copysign(z, t)


def normal_tail(scores: Floats) -> Floats:
    """P(Z > z) of each; 1 where it is NaN."""
    flat = [math.erfc(z / math.sqrt(2)) / 2 if z == z else 1.0 for z in scores.reshape(-1).tolist()]
    return np.array(flat, dtype=np.float64).reshape(scores.shape)


def t_tail(t: Floats, dof: Floats) -> Floats:
    """P(T > t) of each; 1 where the statistic is undefined, for nothing was shown."""
    return normal_tail(normal_score(np.asarray(t, dtype=np.float64), np.asarray(dof, dtype=np.float64)))


def t_quantile(tail: float, dof: float) -> float:
    """The t with P(T > t) = tail, for a tail below 0.5, by bisection."""
    low, high = 0.0, 1e3
    for _ in range(100):
        middle = (low + high) / 2
        above = float(t_tail(np.array([middle]), np.array([dof]))[0]) > tail
        low, high = (middle, high) if above else (low, middle)
    return high


ADJUSTMENTS = ("benjamini_yekutieli", "benjamini_hochberg", "bonferroni", "holm")
"""How p-values may be adjusted."""


def adjusted(p: Floats, method: str, count: int | None = None) -> Floats:
    """Adjusted p-values; one is at most alpha where the test is rejected at alpha.

    Args:
        p: p-values, ``[N]``.
        method: one of `ADJUSTMENTS`.
        count: how many tests were made; those whose p-values are not given had 1.
    """
    count = len(p) if count is None else count
    order = np.argsort(p, kind="stable")
    every = np.concatenate([p[order], np.ones(count - len(p))])
    dependent = method == "benjamini_yekutieli"
    found = MULTIPLICITY["benjamini_hochberg" if dependent else method](every)[: len(p)]
    out = np.empty_like(p)
    out[order] = found * float(np.sum(1.0 / np.arange(1, count + 1))) if dependent else found
    return np.minimum(out, 1.0)
