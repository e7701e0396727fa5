"""Sums of losses in the cells of tables: one accumulator for every level of the lattice.

A table is a tuple of axes; its cells are all combinations of theirs, for both halves of the rows. Memory is the number
of cells (a cap of the search), whatever the number of rows. Every row lies in one cell of each table, so that a table's
margins are the tables of fewer axes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline.engine.state import pack_state, unpack_state
from trueline.model_analysis.slice_finder.axes import Axis, cells_of
from trueline.model_analysis.slice_finder.rows import COUNTERS, JudgedRows, judge

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SLICE_SUMS", "SliceSums", "TableSums"]

SLICE_SUMS = "trueline.model_analysis.slice_finder.sums:SliceSums"
_KIND, _VERSION = "model_analysis.slice_sums", 1
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TableSums:
    """What was summed.

    Attributes:
        tables: one array a table, ``[Q, halves, cells of the first axis, ...]``: rows, sum of losses, sum of squared
            losses; with weights w: rows, w, w loss, w^2, w^2 loss, w^2 loss^2.
        left_out: how many rows could not be judged, by `COUNTERS`.
    """

    tables: list[Floats]
    left_out: Ints


class SliceSums:
    """The accumulator.

    Args:
        source: where losses come from, see `rows.judge`.
        axes: JSON of axes.
        tables: tuples of places in `axes`.
        weighted: whether rows have weights.
    """

    def __init__(
        self,
        source: Mapping[str, Any],
        axes: Sequence[Mapping[str, Any]],
        tables: Sequence[Sequence[int]],
        weighted: bool,
    ) -> None:
        self._source, self._weighted = source, weighted
        self._axes = [Axis.from_json(axis) for axis in axes]
        self._tables = [tuple(table) for table in tables]
        self._halves = int(source["halves"])
        sizes = [self._halves * math.prod(self._axes[a].cells for a in table) for table in self._tables]
        self._ends = np.cumsum([0, *sizes]).tolist()
        self._sums = np.zeros((6 if weighted else 3, self._ends[-1]))
        self._left_out = np.zeros(len(COUNTERS), dtype=np.int64)

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        if not batch.num_rows:
            return
        rows = judge(self._source, batch)
        self._left_out += rows.left_out
        quantities = self._quantities(rows)
        used = sorted({a for table in self._tables for a in table})
        found = cells_of([self._axes[a] for a in used], batch)
        cells = {a: c[rows.keep] for a, c in zip(used, found, strict=True)}
        for table, start, end in zip(self._tables, self._ends, self._ends[1:], strict=False):
            code = rows.half
            for a in table:
                code = code * self._axes[a].cells + cells[a]
            self._sums[0, start:end] += np.bincount(code, minlength=end - start)
            for q, values in enumerate(quantities, 1):
                self._sums[q, start:end] += np.bincount(code, values, minlength=end - start)

    def _quantities(self, rows: JudgedRows) -> list[Floats]:
        loss, w = rows.loss, rows.weight
        if not self._weighted:
            return [loss, loss * loss]
        w = np.ones(len(loss)) if w is None else w
        return [w, w * loss, w * w, w * w * loss, np.square(w * loss)]

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow."""
        self._sums += other._sums
        self._left_out += other._left_out

    def detach(self) -> bool:
        """Nothing of a batch is held."""
        return True

    def state(self) -> bytes:
        """The sums."""
        return pack_state(_KIND, _VERSION, None, {"sums": self._sums, "left_out": self._left_out})

    @classmethod
    def load(cls, state: bytes, **params: Any) -> Self:
        """The accumulator that gave this state."""
        _, _, arrays = unpack_state(state, _KIND, _VERSION)
        self = cls(**params)
        self._sums, self._left_out = np.asarray(arrays["sums"]), np.asarray(arrays["left_out"])
        return self

    def finish(self) -> TableSums:
        """Every table in its shape."""
        found = []
        for table, start, end in zip(self._tables, self._ends, self._ends[1:], strict=False):
            shape = (-1, self._halves, *(self._axes[a].cells for a in table))
            found.append(self._sums[:, start:end].reshape(shape))
        return TableSums(found, self._left_out)
