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

from trueline.model_analysis.moments import Floats

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ROW_COLUMN", "row_groups", "standard_errors", "t_quantile"]

ROW_COLUMN = "__row__"


def row_groups(batch: pa.RecordBatch, groups: int, seed: int) -> npt.NDArray[np.int64]:
    """The group of each row, int64 ``[N]`` in 0..groups-1.

    Rows are told apart by ``__row__``; a table without it is dealt by the rows' contents, so that equal rows share a
    group.
    """
    from trueline._core.hash import hash_array, hash_rows

    if groups == 1:
        return np.zeros(batch.num_rows, dtype=np.int64)
    index = batch.schema.get_field_index(ROW_COLUMN)
    hashed: npt.NDArray[Any] = hash_array(batch.column(index), seed) if index >= 0 else hash_rows(batch, None, seed)
    return (hashed % np.uint64(groups)).astype(np.int64)


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


def _t_upper_tail(t: float, dof: int) -> float:
    """P(T > t), t >= 0, for integer degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    theta = math.atan2(t, math.sqrt(dof))
    sine, cosine = math.sin(theta), math.cos(theta)
    if dof % 2:
        total, term = 0.0, cosine
        for k in range(1, dof - 1, 2):
            total += term
            term *= cosine * cosine * (k + 1) / (k + 2)
        inside = 2 / math.pi * (theta + sine * total)
    else:
        total, term = 0.0, 1.0
        for k in range(0, dof - 1, 2):
            total += term
            term *= cosine * cosine * (k + 1) / (k + 2)
        inside = sine * total
    return max((1 - inside) / 2, 0.0)


@lru_cache(maxsize=1024)
def t_quantile(probability: float, dof: int) -> float:
    """The value that a Student t variable stays below with this probability (from 0.5 to below 1)."""
    tail, low, high = 1 - probability, 0.0, 1.0
    while _t_upper_tail(high, dof) > tail and high < 1e12:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_upper_tail(middle, dof) > tail else (low, middle)
    return high
