"""Fine histograms of scores: a fixed number of buckets, in each a few weighted sums.

The state of a slice and a model is one float64 array ``[buckets + 2, COLUMNS]``: the first row holds what lies left of
the buckets, the last what lies right of them. States are added to merge them; their size does not grow with rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError

__all__ = ["COLUMNS", "BucketSums", "ScoreBuckets"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
COLUMNS = ("weight", "label", "prediction", "weight_square", "label_square")
"""Sums over a bucket's rows of w, w y, w p, w w and w y y."""
MOST_BUCKETS = 100_000


@dataclass(frozen=True)
class BucketSums:
    """The columns of a state by name; each float64 ``[buckets + 2]``."""

    weight: Floats
    label: Floats
    prediction: Floats
    weight_square: Floats
    label_square: Floats

    @classmethod
    def of(cls, state: Floats) -> BucketSums:
        """The columns of a state ``[buckets + 2, COLUMNS]``."""
        return cls(*(np.ascontiguousarray(state[:, i], dtype=np.float64) for i in range(len(COLUMNS))))


@dataclass(frozen=True)
class ScoreBuckets:
    """Buckets of one width over left..right.

    Attributes:
        buckets: how many.
        left, right: the ends; a probability's by default.

    Raises:
        ConfigError: no bucket or too many, or ends that are not finite or not in order.
    """

    buckets: int = 1000
    left: float = 0.0
    right: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.buckets <= MOST_BUCKETS:
            raise ConfigError(f"a plot has 1 to {MOST_BUCKETS:,} buckets, not {self.buckets}")
        if not (np.isfinite(self.left) and np.isfinite(self.right) and self.left < self.right):
            raise ConfigError(f"the buckets of a plot go from left {self.left} up to right {self.right}")

    @property
    def edges(self) -> Floats:
        """The buckets' ends, ``[buckets + 1]``, at ``left + i (right - left) / buckets``."""
        return self.left + np.arange(self.buckets + 1) * (self.right - self.left) / self.buckets

    def within(self, scores: Floats) -> Ints:
        """The row of the state for each score ``[n]``, buckets being [low, high), as in TFMA's calibration plot."""
        return np.searchsorted(self.edges, scores, side="right").astype(np.int64)

    def above(self, scores: Floats) -> Ints:
        """The same, buckets being (low, high]: a score is greater than edge i where its row is greater than i."""
        return np.searchsorted(self.edges, scores, side="left").astype(np.int64)

    def empty(self) -> Floats:
        """The state of no rows."""
        return np.zeros((self.buckets + 2, len(COLUMNS)))

    def sums(self, codes: Ints, label: Floats, prediction: Floats, weight: Floats) -> Floats:
        """The state of a batch: sums by `codes` over rows whose label and prediction are finite.

        Args:
            codes: int64 ``[n]`` from `within` or `above`.
            label, prediction, weight: float64 ``[n]``.
        """
        kept = np.isfinite(label) & np.isfinite(prediction) & np.isfinite(weight)
        codes, label, prediction, weight = codes[kept], label[kept], prediction[kept], weight[kept]
        columns = (weight, weight * label, weight * prediction, weight * weight, weight * label * label)
        rows = self.buckets + 2
        return np.stack([np.bincount(codes, weights=c, minlength=rows)[:rows] for c in columns], axis=1)
