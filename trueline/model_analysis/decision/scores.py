"""The accumulator of a two-class decision: sums by score, class, half and noise group.

Scores stand for themselves while there are at most `_CELLS` cells. Above, they become the lower edges of buckets of a
relative width of 1/256 of the smaller of p and 1 - p, at which counts are exact. Whether that happens depends on all
rows together and not on their order, so the state does not depend on how blocks are dealt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError
from trueline.engine.state import pack_state, unpack_state
from trueline.model_analysis.decision.rows import COUNTED, judged_rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MAX_GROUPS", "SCORE_TABLE", "ScoreTable", "Scores", "bucket_edges"]

SCORE_TABLE = "trueline.model_analysis.decision.scores:ScoreTable"
MAX_GROUPS = 1 << 10
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
_KIND, _VERSION = "decision-scores", 1
_CELLS = 1 << 17
_KEPT_BITS = 8
_SMALLEST = np.float32(2.0**-23)


@dataclass(frozen=True)
class Scores:
    """The finish of the pass: cells, in the order of scores.

    Attributes:
        score: float32 probability of the second class ``[K]``, or the lower edge of its bucket.
        positive: whether the second class is true ``[K]``.
        half: 0 or 1 ``[K]``.
        group: noise group ``[K]``.
        weight: summed ``[K]``.
        exact: whether scores are scores and not edges.
        before: weights as the model decides now: group x true class x said class ``[G, 2, 2]``.
        counted: rows by reason.
    """

    score: npt.NDArray[np.float32]
    positive: npt.NDArray[np.bool_]
    half: Ints
    group: Ints
    weight: Floats
    exact: bool
    before: Floats
    counted: dict[str, int]


class ScoreTable:
    """Sums of weights by score, class, half and noise group.

    Args:
        model, plain: as `judged_rows` takes them.
        groups: noise groups, at most 1024.
        seed: deals rows into groups and halves.
        cells: so many cells stay exact.
    """

    def __init__(
        self, model: Mapping[str, Any], plain: Mapping[str, Any], groups: int, seed: int, cells: int = _CELLS
    ) -> None:
        if not 2 <= groups <= MAX_GROUPS:
            raise ConfigError(f"noise_groups is {groups}; write 2 to {MAX_GROUPS}")
        self._model, self._plain, self._groups, self._seed, self._limit = model, plain, groups, seed, cells
        self._keys: U64 = np.zeros(0, np.uint64)
        self._weight: Floats = np.zeros(0)
        self._exact = True
        self._before = np.zeros((groups, 2, 2))
        self._counted = np.zeros(len(COUNTED), np.int64)

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        if not batch.num_rows:
            return
        rows = judged_rows(self._model, self._plain, batch, self._groups, self._seed)
        self._counted += rows.counted
        np.add.at(self._before, (rows.group, rows.true, rows.said), rows.weight)
        score = np.abs(rows.probabilities[:, 1]) if self._exact else bucket_edges(rows.probabilities[:, 1])
        low = (rows.true << 31) | (rows.half << 30) | rows.group
        self._join((score.view(np.uint32).astype(np.uint64) << np.uint64(32)) | low.astype(np.uint64), rows.weight)

    def _join(self, keys: U64, weight: Floats) -> None:
        every, place = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
        self._weight = np.bincount(place, np.concatenate([self._weight, weight]), len(every)).astype(np.float64)
        self._keys = every
        if self._exact and len(every) > self._limit:
            self._exact = False
            self._coarsen()

    def _coarsen(self) -> None:
        score = (self._keys >> np.uint64(32)).astype(np.uint32).view(np.float32)
        edges = bucket_edges(score).view(np.uint32).astype(np.uint64) << np.uint64(32)
        keys, weight = edges | (self._keys & np.uint64(0xFFFFFFFF)), self._weight
        self._keys, self._weight = np.zeros(0, np.uint64), np.zeros(0)
        self._join(keys, weight)

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow."""
        for table in (self, other):
            if table._exact and not (self._exact and other._exact):
                table._exact = False
                table._coarsen()
        self._join(other._keys, other._weight)
        self._before += other._before
        self._counted += other._counted

    def state(self) -> bytes:
        """Keys, weights and counts."""
        arrays = {"keys": self._keys, "weight": self._weight, "before": self._before, "counted": self._counted}
        return pack_state(_KIND, _VERSION, {"exact": self._exact}, arrays)

    @classmethod
    def load(cls, state: bytes, **params: Any) -> Self:
        """The accumulator that gave this state."""
        self = cls(**params)
        _, header, arrays = unpack_state(state, _KIND, _VERSION)
        self._exact = bool(header["exact"])
        self._keys, self._weight = arrays["keys"], arrays["weight"]
        self._before, self._counted = arrays["before"], arrays["counted"]
        return self

    def finish(self) -> Scores:
        """The cells."""
        low = (self._keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
        return Scores(
            (self._keys >> np.uint64(32)).astype(np.uint32).view(np.float32),
            (low >> 31).astype(bool),
            (low >> 30) & 1,
            low & (MAX_GROUPS - 1),
            self._weight,
            self._exact,
            self._before,
            dict(zip(COUNTED, self._counted.tolist(), strict=True)),
        )


def bucket_edges(score: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The lower edge of each score's bucket; an edge is its own.

    Below a half the low bits of the float are cut off; above, those of 1 - p, which float32 holds without rounding.
    """
    cut = np.uint32(23 - _KEPT_BITS)
    mask = np.uint32((1 << int(cut)) - 1)
    score = np.abs(np.ascontiguousarray(score, np.float32))
    down = ((score.view(np.uint32) >> cut) << cut).view(np.float32)
    down = np.where(score < _SMALLEST, np.float32(0), down)
    rest = np.ascontiguousarray(np.float32(1) - score)
    up = (((rest.view(np.uint32) + mask) >> cut) << cut).view(np.float32)
    return np.asarray(np.where(score < 0.5, down, np.float32(1) - up), np.float32)
