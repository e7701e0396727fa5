"""Sampling noise by the delete-a-group jackknife over groups that the hash of ``__row__`` decides.

Each row belongs to one of G groups (EvalOptions.noise_groups), by the hash of its row id and a seed, so that groups do
not depend on blocks, shards or order. All sums are kept by group: one pass gives the value, and the value without each
group. With t_g the value without group g, the standard error is ``sqrt((G-1)/G * sum((t_g - mean(t))^2))`` (Kott 2001,
"The delete-a-group jackknife"; TFMA's JACKKNIFE is the same with 20 random buckets). For candidate and baseline the
difference of both is taken within each group first: a paired comparison, in which noise common to both cancels.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.rows import Floats

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ROW_COLUMN",
    "ROW_HASH",
    "contents_hash",
    "ratio_interval",
    "row_groups",
    "standard_errors",
    "t_quantile",
    "upper_tail",
    "worsening_p_value",
]

ROW_COLUMN = "__row__"
ROW_HASH = "__row_hash__"
"""The bits of a hash as int64: what rows without a number were told apart by, once their own columns are not there."""


def row_groups(batch: pa.RecordBatch, groups: int, seed: int) -> npt.NDArray[np.int64]:
    """The group of each row, int64 ``[N]`` in 0..groups-1.

    Rows are told apart by ``__row__``; a table without it is dealt by the rows' contents, so that equal rows share a
    group. A table that was made of such rows carries their `contents_hash` of the same seed in ``__row_hash__``.
    """
    from trueline._core.hash import hash_array

    if groups == 1:
        return np.zeros(batch.num_rows, dtype=np.int64)
    names = batch.schema.names
    if ROW_COLUMN in names:
        hashed: npt.NDArray[Any] = hash_array(batch.column(names.index(ROW_COLUMN)), seed)
    elif ROW_HASH in names:
        hashed = np.asarray(batch.column(names.index(ROW_HASH)), np.int64).view(np.uint64)
    else:
        hashed = contents_hash(batch, seed)
    return (hashed % np.uint64(groups)).astype(np.int64)


def contents_hash(batch: pa.RecordBatch, seed: int) -> npt.NDArray[np.uint64]:
    """What tells rows without a number apart: the hash of all their columns, uint64 ``[N]``."""
    from trueline._core.hash import hash_rows

    return hash_rows(batch, None, seed)


def standard_errors(without_group: Floats, occupied: npt.NDArray[np.int64]) -> Floats:
    """Jackknife standard errors of values ``[..., G]``; NaN where one is undefined or fewer than two groups hold rows.

    Args:
        without_group: the statistic without each group.
        occupied: how many groups hold rows, ``[...]`` or broadcastable.
    """
    groups = without_group.shape[-1]
    gaps = without_group - without_group.mean(axis=-1, keepdims=True)
    errors: Floats = np.sqrt((groups - 1) / groups * np.square(gaps).sum(axis=-1))
    return np.where(occupied >= 2, errors, np.nan)


def upper_tail(t: float, dof: int) -> float:
    """P(T > t) of Student's t: the one-sided p-value of a statistic, accurate far into the tail.

    It is half the regularised incomplete beta function I_x(dof/2, 1/2) at x = dof / (dof + t^2) (Abramowitz and Stegun
    26.7.1), for negative t one minus that of -t. An infinite t gives 0 or 1.
    """
    if t < 0:
        return 1 - upper_tail(-t, dof)
    if math.isinf(t):
        return 0.0
    return _beta_share(dof / (dof + t * t), t * t / (dof + t * t), dof / 2, 0.5) / 2


def _beta_share(x: float, rest: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), with `rest` = 1 - x given to full precision."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side alone
        return 1 - _beta_share(rest, x, b, a)
    log_front = a * math.log(x) + b * math.log(rest) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) * _beta_fraction(x, a, b) / a


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's forward evaluation."""
    tiny, c, d = 1e-300, 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 10_000):
        before = value
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 + factor * d, 1 + factor / c
            d, c = 1 / (d if abs(d) > tiny else tiny), c if abs(c) > tiny else tiny
            value *= d * c
        if abs(value - before) <= 1e-16 * abs(value):
            break
    return value


@lru_cache(maxsize=1024)
def t_quantile(probability: float, dof: int) -> float:
    """The value that a Student t variable stays below with this probability (from 0.5 to below 1)."""
    tail, low, high = 1 - probability, 0.0, 1.0
    while upper_tail(high, dof) > tail and high < 1e12:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if upper_tail(middle, dof) > tail else (low, middle)
    return high


def worsening_p_value(change: float, error: float | None, dof: int) -> float | None:
    """One-sided p-value of "it did not get worse", for a change of which negative is worse; None where one is unknown.

    Without any noise (`error` 0) a worsening is certain and everything else is none.
    """
    if error is None or not (math.isfinite(error) and math.isfinite(change)):
        return None
    if error == 0:
        return 0.0 if change < 0 else 1.0
    return upper_tail(-change / error, dof)


def ratio_interval(
    change: float, base: float, errors: tuple[float, float, float], reach: float
) -> tuple[float, float] | None:
    """The interval of (candidate - base) / base for base > 0, by Fieller's theorem.

    It holds every ratio r for which ``change - r base`` is within `reach` of its standard errors around 0 (Fieller
    1954, "Some problems in interval estimation"). The delta method would divide by `base` as if it were known; this
    one is exact for normal errors. The jackknife variances of candidate, base and their paired change belong to one
    quadratic form, so that ``cov(change, base) = (V_candidate - V_base - V_change) / 2``.

    Args:
        change: candidate - base.
        base: the baseline's value, positive.
        errors: standard errors of candidate, base and change.
        reach: how many standard errors the interval reaches to each side.

    Returns:
        The two ends, or None where base lies within `reach` standard errors of 0: every ratio is possible then.
    """
    candidate_variance, base_variance, change_variance = (e * e for e in errors)
    covariance = (candidate_variance - base_variance - change_variance) / 2
    t2 = reach * reach
    leading = base * base - t2 * base_variance
    if leading <= 0:
        return None
    middle = change * base - t2 * covariance
    root = math.sqrt(max(middle * middle - leading * (change * change - t2 * change_variance), 0.0))
    return (middle - root) / leading, (middle + root) / leading
