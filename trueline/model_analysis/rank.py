"""What AUC and its kin need of a slice: the scores themselves up to a cap, then histograms of fixed size.

Up to `cap` rows the scores are kept and every rank metric is exact. Above, scores are counted in 10,000 equal buckets
of 0..1 (TFMA's default resolution), and for the noise in 1,000 buckets by group of rows. Whether a slice is exact
depends on its total number of rows alone, and the fixed merge tree does the rest: equal blocks give equal bits.
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
Array = npt.NDArray[Any]


class RankStore:
    """Scores of one model on one slice.

    Args:
        groups: G, groups of rows for the noise; 1 means none is measured.
        cap: rows kept exactly.
    """

    def __init__(self, groups: int, cap: int) -> None:
        self.groups, self.cap = groups, cap
        self._count = 0
        self._chunks: list[tuple[Floats, Array]] = []  # float64 [3, n]: positive weight, negative weight, score
        self._fine: Floats | None = None  # [2, FINE_BUCKETS + 1], the last for scores of minus infinity
        self._coarse: Floats | None = None  # [G, 2, COARSE_BUCKETS + 1]

    @property
    def exact(self) -> bool:
        """Whether all scores are still kept."""
        return self._fine is None

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
        if self.exact and self._count <= self.cap:
            self._chunks.append((rows, groups))
            return
        self._spill()
        self._bin(rows, groups)

    def _spill(self) -> None:
        if self._fine is None:
            self._fine = np.zeros((2, FINE_BUCKETS + 1))
            self._coarse = np.zeros((self.groups, 2, COARSE_BUCKETS + 1)) if self.groups > 1 else None
            # In one piece, as a state that came as bytes holds them: sums of floats depend on the pieces.
            joined, self._chunks = self._joined(), []
            self._bin(*joined)

    def _bin(self, rows: Floats, groups: Array) -> None:
        assert self._fine is not None
        reached = np.maximum(rows[2], 0.0)
        fine = np.minimum((reached * FINE_BUCKETS).astype(np.int64), FINE_BUCKETS - 1)
        coarse = fine // (FINE_BUCKETS // COARSE_BUCKETS)
        never = np.isneginf(rows[2])
        if never.any():
            fine, coarse = np.where(never, FINE_BUCKETS, fine), np.where(never, COARSE_BUCKETS, coarse)
        for side in (0, 1):
            self._fine[side] += np.bincount(fine, rows[side], FINE_BUCKETS + 1)
        if self._coarse is not None:
            place = groups.astype(np.int64) * (COARSE_BUCKETS + 1) + coarse
            for side in (0, 1):
                counted = np.bincount(place, rows[side], self.groups * (COARSE_BUCKETS + 1))
                self._coarse[:, side] += counted.reshape(self.groups, COARSE_BUCKETS + 1)

    def merge(self, other: Self) -> None:
        """Takes in the rows that follow this slice's."""
        self._count += other._count
        if other._fine is None:
            if self.exact and self._count <= self.cap:
                self._chunks += other._chunks
                return
            self._spill()
            self._bin(*other._joined())
            return
        self._spill()
        assert self._fine is not None
        self._fine += other._fine
        if self._coarse is not None and other._coarse is not None:
            self._coarse += other._coarse

    def _joined(self) -> tuple[Floats, Array]:
        if not self._chunks:
            return np.zeros((3, 0)), np.zeros(0, dtype=np.uint8)
        rows = np.concatenate([r for r, _ in self._chunks], axis=1)
        return rows, np.concatenate([g for _, g in self._chunks])

    def arrays(self) -> dict[str, Array]:
        """Everything it holds, as named arrays."""
        if self._fine is None:
            rows, groups = self._joined()
            return {"rows": rows, "groups": groups}
        count = np.array([self._count], dtype=np.int64)
        coarse = {} if self._coarse is None else {"coarse": self._coarse}
        return {"fine": self._fine, "count": count, **coarse}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Takes back what `arrays` gave."""
        if "rows" in arrays:
            self._chunks = [(arrays["rows"], arrays["groups"])] if arrays["rows"].shape[1] else []
            self._count = int(arrays["rows"].shape[1])
        else:
            self._fine, self._coarse = arrays["fine"], arrays.get("coarse")
            self._count = int(arrays["count"][0])

    def curve(self) -> tuple[Curve, Curve | None]:
        """The curve of the whole slice (R = 1), and for histograms the two that it must lie between (R = 2)."""
        if self._fine is not None:
            inner, unreached, scores = self._fine[:, :-1], self._fine[:, -1:], _edges(FINE_BUCKETS)
            whole = Curve.of(inner[:1], inner[1:], scores, unreached)
            return whole, extreme_curves(inner[0], inner[1], scores, unreached)
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
            parts = {name: f"rank_{name}.{index}" for name in ("fine", "coarse", "count")}
            held.append({name: arrays[full] for name, full in parts.items() if full in arrays})
        else:
            end = start + length
            rows = np.ascontiguousarray(arrays["rank_rows"][:, start:end])
            held.append({"rows": rows, "groups": arrays["rank_groups"][start:end]})
            start = end
    return held
