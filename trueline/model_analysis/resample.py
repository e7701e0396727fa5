"""Variants of a slice's data for its sampling noise, as multiplicities of groups of rows ``[G, X]``.

Jackknife: variant x leaves group x out. Bootstrap: each group is taken Poisson(1) times (Chamandy et al. 2012,
"Estimating uncertainty for massive data streams"), here by group and not by row, so that the pass keeps sums by group
alone and any number of resamples costs nothing more. Groups are dealt by the hash of ``__row__``, multiplicities by the
hash of group, resample and seed: nothing depends on order, shards or workers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.config import EvalOptions
from trueline.model_analysis.noise import standard_errors, t_quantile
from trueline.model_analysis.rows import Floats

__all__ = ["Resampling", "resampling_of"]

_POISSON = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(17)])


@dataclass(frozen=True)
class Resampling:
    """How noise is measured.

    Attributes:
        multiplicity: ``[G, X]``; no columns where no noise is asked for.
        jackknife: whether variants leave a group out, else they are resamples.
        confidence: of intervals.
    """

    multiplicity: Floats
    jackknife: bool
    confidence: float

    @property
    def variants(self) -> int:
        """X."""
        return int(self.multiplicity.shape[1])

    def of_sums(self, by_group: Floats) -> Floats:
        """Sums by group ``[..., G]`` to ``[..., 1 + X]``: the whole, then the variants."""
        whole: Floats = by_group.sum(axis=-1, keepdims=True)
        if not self.variants:
            return whole
        made = whole - by_group if self.jackknife else np.einsum("...g,gx->...x", by_group, self.multiplicity)
        both: Floats = np.concatenate([whole, made], axis=-1)
        return both

    def errors(self, values: Floats, occupied: npt.NDArray[np.int64]) -> Floats:
        """Standard errors of variants ``[..., X]``, NaN where one is undefined or fewer than two groups hold rows."""
        if self.jackknife:
            return standard_errors(values, occupied)
        # Resamples of m groups spread by (m - 1) / m of the variance of groups that are drawn afresh.
        small = np.sqrt(occupied / np.maximum(occupied - 1, 1))
        return np.where(occupied >= 2, values.std(axis=-1, ddof=1) * small, np.nan)

    def reach(self, groups: int) -> float:
        """How many standard errors an interval reaches to each side, where so many groups hold rows."""
        return t_quantile((1 + self.confidence) / 2, max(groups - 1, 1))


def resampling_of(options: EvalOptions, groups: int) -> Resampling:
    """The resampling that the options ask for; none where there is one group."""
    method = options.confidence_intervals
    if groups == 1:
        return Resampling(np.zeros((1, 0)), True, options.confidence)
    if method.method == "POISSON_BOOTSTRAP":
        return Resampling(_poisson(groups, method.resamples, options.seed), False, options.confidence)
    return Resampling(1.0 - np.eye(groups), True, options.confidence)


@lru_cache(maxsize=8)
def _poisson(groups: int, resamples: int, seed: int) -> Floats:
    """Poisson(1) numbers from hashes, by inversion of the distribution function."""
    import pyarrow as pa

    from trueline._core.hash import hash_array

    hashed = hash_array(pa.array(np.arange(groups * resamples, dtype=np.int64)), seed)
    uniform = (hashed >> np.uint64(11)).astype(np.float64) / 2.0**53
    return np.searchsorted(_POISSON, uniform, side="right").astype(np.float64).reshape(groups, resamples)
