"""Covariance and correlation of pairs of numeric features.

A row counts for a pair when both features have exactly one value in it, and both values are finite. Covariance is the
population's, correlation Pearson's, left out where one of the two does not vary. Moments are exact up to rounding, over
all rows: upstream samples a tenth of each batch, and takes E[xy] - E[x] E[y], which loses all digits where means are
large. Merging follows Chan, Golub and LeVeque (1979).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import EngineError
from trueline.data_validation.generators.leaves import leaf_at
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["MAX_PAIRS", "CrossMoments", "crossed_pairs"]

MAX_PAIRS = 20_000
"""Most pairs of features of one pass: all pairs of 200 features."""
_MOST_CELLS = 4_000_000
_KIND, _VERSION = "cross moments", 2
_ROUNDING = 64.0 * 2.0**-53
_CANCELLED = 1e-6
"""Where less than this share of a sum of squares is left, the pair is worked out from its own rows."""
Floats = npt.NDArray[np.float64]


class CrossMoments:
    """The accumulator for all pairs.

    Args:
        pairs: ``[column, column]`` each.
    """

    def __init__(self, pairs: Sequence[Sequence[str]]) -> None:
        self._pairs = [(str(x), str(y)) for x, y in pairs]
        self._columns = sorted({name for pair in self._pairs for name in pair})
        self._places = [[self._columns.index(pair[side]) for pair in self._pairs] for side in (0, 1)]
        self._table = np.zeros((8, len(self._pairs)))
        """Rows: count, mean of x, mean of y, sums of squared deviations of x and of y, and of their products; and the
        greatest numbers that the means of x and y were worked out from, for their rounding."""

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block, so many at a time that memory does not grow with the number of columns."""
        step = max(1024, _MOST_CELLS // max(len(self._columns), 1))
        for start in range(0, batch.num_rows if self._pairs else 0, step):
            self._update_rows(batch.slice(start, step))

    def _update_rows(self, batch: pa.RecordBatch) -> None:
        columns = [_univalent(batch, name) for name in self._columns]
        values = np.stack([column for column, _ in columns])
        there = np.stack([mask for _, mask in columns])
        sizes = np.maximum(there.sum(axis=1), 1)
        with np.errstate(over="ignore", invalid="ignore"):
            centre = np.where(there, values, 0.0).sum(axis=1) / sizes
            centre = np.where(np.isfinite(centre), centre, 0.0)
            centred = np.where(there, values - centre[:, None], 0.0)
            self._merge(self._block(centred, there.astype(np.float64), centre))

    def _block(self, centred: Floats, there: Floats, centre: Floats) -> Floats:
        """The table of one block, its columns centred: sums of each column over the rows of the other one too."""
        first, second = self._places
        count = _products(there, there)[first, second]
        sums, squares = _products(centred, there), _products(centred * centred, there)
        n = np.maximum(count, 1.0)
        x, y = sums[first, second], sums[second, first]
        xx = np.maximum(squares[first, second] - x * x / n, 0.0)
        yy = np.maximum(squares[second, first] - y * y / n, 0.0)
        xy = _products(centred, centred)[first, second] - x * y / n
        little = (xx <= _CANCELLED * squares[first, second]) | (yy <= _CANCELLED * squares[second, first])
        for pair in np.flatnonzero(little & (count > 0.0)):
            both = (there[first[pair]] > 0.0) & (there[second[pair]] > 0.0)
            xx[pair], yy[pair], xy[pair] = _deviations(centred[first[pair]][both], centred[second[pair]][both])
        sizes = np.abs(centre[first]), np.abs(centre[second])
        return np.stack([count, centre[first] + x / n, centre[second] + y / n, xx, yy, xy, *sizes])

    def merge(self, other: Self) -> None:
        """Takes in the blocks that follow."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._merge(other._table)

    def _merge(self, other: Floats) -> None:
        mine = self._table
        total = np.maximum(mine[0] + other[0], 1.0)
        dx, dy = other[1] - mine[1], other[2] - mine[2]
        share, cross = other[0] / total, mine[0] * (other[0] / total)
        merged = np.stack(
            [
                mine[0] + other[0],
                mine[1] + dx * share,
                mine[2] + dy * share,
                mine[3] + other[3] + dx * dx * cross,
                mine[4] + other[4] + dy * dy * cross,
                mine[5] + other[5] + dx * dy * cross,
                np.maximum(mine[6], other[6]),
                np.maximum(mine[7], other[7]),
            ]
        )
        # Where one side has no rows the other one stays as it is, to the bit.
        self._table = np.where(mine[0] == 0.0, other, np.where(other[0] == 0.0, mine, merged))

    def state(self) -> bytes:
        """The state; `load` is its inverse."""
        return pack_state(_KIND, _VERSION, {}, {"table": self._table})

    @classmethod
    def load(cls, state: bytes, pairs: Sequence[Sequence[str]]) -> CrossMoments:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state, or one of other pairs.
        """
        _, _, arrays = unpack_state(state, _KIND, _VERSION)
        made, table = cls(pairs), arrays.get("table")
        if not isinstance(table, np.ndarray) or table.shape != made._table.shape:
            raise EngineError(f"the state is not one of {len(made._pairs)} pairs of features")
        made._table = table
        return made

    def finish(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The partial statistics: cross-features in the order of their names; pairs without rows are left out."""
        from tensorflow_metadata.proto.v0 import statistics_pb2

        dataset = statistics_pb2.DatasetFeatureStatistics()
        for (x, y), (count, mx, my, xx, yy, xy, sx, sy) in zip(self._pairs, self._table.T.tolist(), strict=True):
            if count == 0.0:
                continue
            if not (_varies(xx, count, max(abs(mx), sx)) and _varies(yy, count, max(abs(my), sy))):
                xx = yy = xy = 0.0
            cross = dataset.cross_features.add(count=int(count))
            cross.path_x.step.append(x)
            cross.path_y.step.append(y)
            cross.num_cross_stats.covariance = xy / count
            spread = math.sqrt(xx) * math.sqrt(yy)
            if spread > 0.0 and math.isfinite(spread):
                cross.num_cross_stats.correlation = min(1.0, max(-1.0, xy / spread))
        return dataset


def _deviations(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Sums of squared deviations and of their products, from the means of these very rows; a constant has none."""
    dx, dy = (v - v.mean() if v.min() != v.max() else np.zeros_like(v) for v in (x, y))
    return float((dx * dx).sum()), float((dy * dy).sum()), float((dx * dy).sum())


def _varies(squares: float, count: float, size: float) -> bool:
    """Whether deviations are more than the rounding of the means of blocks."""
    return not squares <= count * (_ROUNDING * size) ** 2


def _products(one: Floats, two: Floats) -> Floats:
    """The products of all rows of two matrices; einsum, because BLAS may give other bits with other threads."""
    return np.asarray(np.einsum("in,jn->ij", one, two), np.float64)


def _univalent(batch: pa.RecordBatch, name: str) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """A column's numbers, and in which rows there is exactly one and it is finite."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values, mask = np.zeros(batch.num_rows), np.zeros(batch.num_rows, np.bool_)
    leaf = leaf_at(batch, (name,))
    if leaf is None or leaf.kind not in ("int", "float", "bool"):
        return values, mask
    single = np.bincount(leaf.rows, minlength=batch.num_rows)[leaf.rows] == 1
    numbers = pc.cast(leaf.values, pa.int8()) if leaf.kind == "bool" else leaf.values
    floats = numbers.to_numpy(zero_copy_only=False).astype(np.float64)
    single &= np.isfinite(floats)
    values[leaf.rows[single]] = floats[single]
    mask[leaf.rows[single]] = True
    return values, mask


def crossed_pairs(columns: Sequence[str]) -> list[list[str]]:
    """All pairs of different columns, by name."""
    return [[x, y] for x, y in itertools.combinations(sorted(set(columns)), 2)]
