"""The accumulator of reweighing: rows and weights by group and label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trueline._core.errors import DataError
from trueline.engine.state import pack_state, unpack_state
from trueline.model_analysis.fairness.cells import Cell, cell_codes
from trueline.model_analysis.fairness.sums import MAX_CELLS, cell_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PAIR_SUMS", "PairSums", "whole_labels"]

PAIR_SUMS = "trueline.model_analysis.fairness.pair_sums:PairSums"


def whole_labels(batch: pa.RecordBatch, label: str) -> pa.RecordBatch:
    """The batch with a label of whole floats as integers.

    Raises:
        DataError: floats with a fraction.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    place = batch.schema.get_field_index(label)
    column = batch.column(place)
    if not pa.types.is_floating(column.type):
        return batch
    try:
        whole = pc.cast(column, pa.int64())
    except pa.ArrowInvalid as error:
        raise DataError(
            f"label {label!r} has values with a fraction: {error}", hint="reweighing is of classes."
        ) from error
    return batch.set_column(place, label, whole)


class PairSums:
    """Rows and weights by group and label.

    Args:
        columns: sensitive columns, then the label.
        weight: a column of weights, or None.
    """

    def __init__(self, columns: Sequence[str], weight: str | None) -> None:
        self._columns, self._weight = tuple(columns), weight
        self._found: dict[str, tuple[Cell, int, float]] = {}

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        if not batch.num_rows:
            return
        batch = whole_labels(batch, self._columns[-1])
        codes, cells = cell_codes(batch, self._columns, {})
        weights = self._weights(batch)
        rows, sums = np.bincount(codes, minlength=len(cells)), np.bincount(codes, weights, len(cells))
        for cell, n, w in zip(cells, rows.tolist(), sums.tolist(), strict=True):
            if cell[-1] is not None:
                self._add(cell, n, w)

    def _weights(self, batch: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.float64]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._weight is None:
            return np.ones(batch.num_rows)
        column = batch.column(batch.schema.get_field_index(self._weight))
        values = pc.cast(column, pa.float64()).fill_null(1.0).to_numpy(zero_copy_only=False)
        if not (np.isfinite(values) & (values >= 0)).all():
            raise DataError(f"column {self._weight!r} has weights that are negative, NaN or infinite")
        return np.asarray(values, np.float64)

    def _add(self, cell: Cell, rows: int, weight: float) -> None:
        _, n, w = self._found.get(cell_text(cell), (cell, 0, 0.0))
        self._found[cell_text(cell)] = (cell, n + rows, w + weight)
        if len(self._found) > MAX_CELLS:
            raise DataError(f"{', '.join(self._columns)} have more than {MAX_CELLS} combinations of values")

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow."""
        for cell, n, w in other._found.values():
            self._add(cell, n, w)

    def state(self) -> bytes:
        """Cells and sums."""
        items = [self._found[key] for key in sorted(self._found)]
        arrays = {"rows": np.array([n for _, n, _ in items], np.int64), "sums": np.array([w for *_, w in items], float)}
        return pack_state("model_analysis.reweighing", 1, [list(c) for c, *_ in items], arrays)

    @classmethod
    def load(cls, state: bytes, **params: Any) -> Self:
        """The accumulator that gave this state."""
        self = cls(**params)
        _, cells, arrays = unpack_state(state, "model_analysis.reweighing", 1)
        for cell, n, w in zip(cells, arrays["rows"].tolist(), arrays["sums"].tolist(), strict=True):
            self._add(tuple(cell), n, w)
        return self

    def finish(self) -> dict[str, tuple[Cell, int, float]]:
        """Text of the cell -> cell, rows, sum of weights."""
        return self._found
