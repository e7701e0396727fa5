"""What AUC and its kin need of a slice: the scores themselves up to a cap, then histograms of fixed size.

Up to `cap` rows the scores are kept and every rank metric is exact. Above, the weights of each distinct score are kept,
as long as there are no more than `cap` of them (trees and rounded scores have few), and rank metrics stay exact. With
more, scores are counted in 10,000 equal buckets of 0..1 (TFMA's default resolution). The noise of more than `cap` rows
comes from 1,000 buckets by group of rows. Whether a slice is exact depends on its rows and distinct scores alone, and
the fixed merge tree does the rest: equal blocks give equal bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.curves import Curve, extreme_curves
from trueline.model_analysis.rows import Floats

__all__ = ["COARSE_BUCKETS", "FINE_BUCKETS", "RankStore", "pack_ranks", "unpack_ranks"]

FINE_BUCKETS = 10_000
COARSE_BUCKETS = 1_000
_MARKS = 1 << 20
Array = npt.NDArray[Any]


class RankStore:
    """Scores of one model on one slice.

    Args:
        groups: G, groups of rows for the noise; 1 means none is measured.
        cap: rows, or distinct scores, kept exactly.
    """

    def __init__(self, groups: int, cap: int) -> None:
        self.groups, self.cap = groups, cap
        self._count = 0
        self._chunks: list[tuple[Floats, Array]] = []  # float64 [3, n]: positive weight, negative weight, score
        self._packed: Floats | None = None  # float64 [3, D]: the same by distinct score, ascending
        self._fine: Floats | None = None  # [2, FINE_BUCKETS + 1], the last for scores of minus infinity
        self._coarse: Floats | None = None  # [G, 2, COARSE_BUCKETS + 1]

    @property
    def exact(self) -> bool:
        """Whether all distinct scores are still kept."""
        return self._fine is None

    @property
    def _holds_rows(self) -> bool:
        return self._packed is None and self._fine is None

    def add(self, positive: Floats, negative: Floats, scores: Floats, groups: Array) -> None:
        """Takes in n rows: weights of the two classes ``[n]``, scores ``[n]``, groups ``[n]``.

        Scores lie within 0..1, or are minus infinity where no threshold may reach them.
        """
        self.add_rows(np.stack([positive, negative, scores]), groups)

    def add_rows(self, rows: Floats, groups: Array) -> None:
        """The same as one array: positive weight, negative weight, score ``[3, n]``."""
        self._take(rows, groups.astype(np.uint8))

    def _take(self, rows: Floats, groups: Array) -> None:
        self._count += rows.shape[1]
        if self._holds_rows and self._count <= self.cap:
            self._chunks.append((rows, groups))
            return
        self._leave_rows()
        self._bin_groups(rows, groups)
        self._fold(rows)

    def _leave_rows(self) -> None:
        """From rows to what is kept of any number of rows."""
        if self._holds_rows:
            rows, groups = self._joined()
            self._chunks, self._packed = [], np.zeros((3, 0))
            self._coarse = np.zeros((self.groups, 2, COARSE_BUCKETS + 1)) if self.groups > 1 else None
            self._bin_groups(rows, groups)
            self._fold(rows)

    def _fold(self, rows: Floats) -> None:
        """Adds rows to the distinct scores, or to the histogram where these have become too many."""
        if self._packed is not None:
            both = np.concatenate([self._packed, rows], axis=1)
            self._packed = _by_score(both, self.cap)
            if self._packed is not None:
                return
            self._fine, rows = np.zeros((2, FINE_BUCKETS + 1)), both
        assert self._fine is not None
        fine = _buckets(rows[2], FINE_BUCKETS)
        for side in (0, 1):
            self._fine[side] += np.bincount(fine, rows[side], FINE_BUCKETS + 1)

    def _bin_groups(self, rows: Floats, groups: Array) -> None:
        if self._coarse is None:
            return
        place = groups.astype(np.int64) * (COARSE_BUCKETS + 1) + _buckets(rows[2], COARSE_BUCKETS)
        for side in (0, 1):
            counted = np.bincount(place, rows[side], self.groups * (COARSE_BUCKETS + 1))
            self._coarse[:, side] += counted.reshape(self.groups, COARSE_BUCKETS + 1)

    def merge(self, other: Self) -> None:
        """Takes in the rows that follow this slice's."""
        if other._holds_rows:
            if self._holds_rows and self._count + other._count <= self.cap:
                self._count += other._count
                self._chunks += other._chunks
            elif other._count:
                self._leave_rows()
                self._take(*other._joined())
            return
        self._leave_rows()
        self._count += other._count
        if self._coarse is not None and other._coarse is not None:
            self._coarse += other._coarse
        if other._packed is not None:
            self._fold(other._packed)
            return
        if self._packed is not None:
            packed, self._packed = self._packed, None
            self._fine = np.zeros((2, FINE_BUCKETS + 1))
            self._fold(packed)
        assert self._fine is not None
        assert other._fine is not None
        self._fine += other._fine

    def _joined(self) -> tuple[Floats, Array]:
        if not self._chunks:
            return np.zeros((3, 0)), np.zeros(0, dtype=np.uint8)
        rows = np.concatenate([r for r, _ in self._chunks], axis=1)
        return rows, np.concatenate([g for _, g in self._chunks])

    def arrays(self) -> dict[str, Array]:
        """Everything it holds, as named arrays."""
        if self._holds_rows:
            rows, groups = self._joined()
            return {"rows": rows, "groups": groups}
        held = {"fine": self._fine, "packed": self._packed, "coarse": self._coarse}
        count = np.array([self._count], dtype=np.int64)
        return {"count": count, **{name: array for name, array in held.items() if array is not None}}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Takes back what `arrays` gave."""
        if "rows" in arrays:
            self._chunks = [(arrays["rows"], arrays["groups"])] if arrays["rows"].shape[1] else []
            self._count = int(arrays["rows"].shape[1])
        else:
            self._fine, self._packed, self._coarse = (arrays.get(name) for name in ("fine", "packed", "coarse"))
            self._count = int(arrays["count"][0])

    def curve(self) -> tuple[Curve, Curve | None]:
        """The curve of the whole slice (R = 1), and for histograms the two that it must lie between (R = 2)."""
        if self._fine is not None:
            inner, unreached, scores = self._fine[:, :-1], self._fine[:, -1:], _edges(FINE_BUCKETS)
            whole = Curve.of(inner[:1], inner[1:], scores, unreached)
            return whole, extreme_curves(inner[0], inner[1], scores, unreached)
        if self._packed is not None:
            return _reached(self._packed[:1], self._packed[1:2], self._packed[2]), None
        places, scores, rows, _ = self._places()
        sides = [np.bincount(places, rows[side], len(scores))[None].astype(np.float64) for side in (0, 1)]
        return _reached(sides[0], sides[1], scores), None

    def variants(self, multiplicity: Floats) -> Curve:
        """The curves of the slice with each noise group taken so many times: ``[G, R]`` gives R curves."""
        if self._coarse is not None:
            by_group = np.roll(self._coarse, 1, axis=2).transpose(1, 0, 2)
            scores = np.concatenate([[-np.inf], _edges(COARSE_BUCKETS)])
        else:
            places, scores, rows, groups = self._places()
            count = len(scores)
            flat = groups.astype(np.int64) * count + places
            by_group = np.stack(
                [np.bincount(flat, rows[side], self.groups * count).reshape(self.groups, count) for side in (0, 1)]
            )
        made = [np.einsum("gt,gr->rt", side, multiplicity) for side in by_group]
        return _reached(made[0], made[1], scores)

    def _places(self) -> tuple[npt.NDArray[np.int64], Floats, Floats, Array]:
        """For each row the rank of its score among the distinct scores, and these."""
        rows, groups = self._joined()
        scores, places = np.unique(rows[2], return_inverse=True)
        return places.astype(np.int64), scores, rows, groups


def _buckets(scores: Floats, buckets: int) -> npt.NDArray[np.int64]:
    """The bucket of each score in 0..1; one more for minus infinity."""
    fine = np.minimum((np.maximum(scores, 0.0) * FINE_BUCKETS).astype(np.int64), FINE_BUCKETS - 1)
    made = fine if buckets == FINE_BUCKETS else fine // (FINE_BUCKETS // buckets)
    never = np.isneginf(scores)
    return np.where(never, buckets, made) if never.any() else made


def _by_score(rows: Floats, cap: int) -> Floats | None:
    """Weights by distinct score, ascending; None where there are more than `cap`."""
    seen = np.zeros(_MARKS + 1, dtype=np.bool_)
    seen[(np.maximum(rows[2], 0.0) * _MARKS).astype(np.int64)] = True
    if np.count_nonzero(seen) > cap:  # as many distinct scores at least, without a sort
        return None
    scores, places = np.unique(rows[2], return_inverse=True)
    if len(scores) > cap:
        return None
    sides = [np.bincount(places, rows[side], len(scores)) for side in (0, 1)]
    packed: Floats = np.stack([*sides, scores])
    return packed


def _edges(buckets: int) -> Floats:
    """The lower edges of equal buckets of 0..1."""
    edges: Floats = np.arange(buckets) / buckets
    return edges


def _reached(positives: Floats, negatives: Floats, scores: Floats) -> Curve:
    """The curve of weights ``[R, T]``; a first score of minus infinity is reached by no threshold."""
    if not (len(scores) and np.isneginf(scores[0])):
        return Curve.of(positives, negatives, scores)
    unreached = np.stack([positives[:, 0], negatives[:, 0]])
    return Curve.of(positives[:, 1:], negatives[:, 1:], scores[1:], unreached)


def pack_ranks(stores: Sequence[RankStore]) -> dict[str, Array]:
    """Many stores as few arrays: the exact ones end to end, the histograms each on its own.

    ``rank_lengths`` holds the rows of each store, -1 for a histogram.
    """
    held = [store.arrays() for store in stores]
    exact = [arrays for arrays in held if "rows" in arrays]
    lengths = [arrays["rows"].shape[1] if "rows" in arrays else -1 for arrays in held]
    packed: dict[str, Array] = {"rank_lengths": np.array(lengths, dtype=np.int64)}
    if exact:
        packed["rank_rows"] = np.concatenate([arrays["rows"] for arrays in exact], axis=1)
        packed["rank_groups"] = np.concatenate([arrays["groups"] for arrays in exact])
    for index, arrays in enumerate(held):
        if "rows" not in arrays:
            packed |= {f"rank_{name}.{index}": array for name, array in arrays.items()}
    return packed


def unpack_ranks(arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
    """What each store's `RankStore.restore` takes, from `pack_ranks`."""
    held: list[dict[str, Array]] = []
    start = 0
    for index, length in enumerate(arrays["rank_lengths"].tolist()):
        if length < 0:
            parts = {name: f"rank_{name}.{index}" for name in ("fine", "packed", "coarse", "count")}
            held.append({name: arrays[full] for name, full in parts.items() if full in arrays})
        else:
            end = start + length
            rows = np.ascontiguousarray(arrays["rank_rows"][:, start:end])
            held.append({"rows": rows, "groups": arrays["rank_groups"][start:end]})
            start = end
    return held
