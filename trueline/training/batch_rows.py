"""The rows of one window in memory, and batches taken from them in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline._core.feed_arrow import column_from_arrow
from trueline._core.feeds import LENGTH
from trueline._core.values import PRESENT, RawFeature, raw_feature_of

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.training.batch_plan import Window

__all__ = ["Arrays", "Rows", "WindowRows", "column_arrays", "dense_columns", "joined", "read_window"]

Arrays = dict[str, npt.NDArray[Any]]
_FLOATS = ("float32", "float64")


def read_window(window: Window, columns: Sequence[str], present: str | None) -> pa.Table:
    """The window's pieces one behind the other.

    Args:
        window: what to read.
        columns: names.
        present: a column whose missing values leave out their rows; pieces count the rows that stay.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    read = list(columns) if present is None or present in columns else [*columns, present]
    batches = []
    for piece in window.pieces:
        batch = piece.block.read(read)
        if present is not None and batch.column(present).null_count:
            batch = batch.filter(pc.is_valid(batch.column(present)))
        batches.append(batch.select(list(columns)).slice(piece.start, piece.stop - piece.start))
    return pa.Table.from_batches(batches)


@dataclass(frozen=True)
class Rows:
    """Rows of a batch, or a part of them.

    Attributes:
        arrays: numbers of fixed shape, by name.
        table: the other columns.
    """

    arrays: Arrays
    table: pa.Table


class WindowRows:
    """One window in memory.

    Args:
        table: its rows, one piece behind the other.
        places: in which order they are read.
        dense: columns to keep as arrays; see `dense_columns`.
        masks: see `column_arrays`.
    """

    def __init__(self, table: pa.Table, places: npt.NDArray[np.int64], dense: Sequence[str], masks: bool) -> None:
        self._places = places
        self._arrays: Arrays = {}
        for name in dense:
            self._arrays |= column_arrays(raw_feature_of(table.schema.field(name)), table.column(name), masks)
        self._table = _one_chunk(table.drop_columns(list(dense)))

    def take(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop` in the order of reading, in memory of their own."""
        places = self._places[start:stop]
        arrays = {name: array.take(places, axis=0) for name, array in self._arrays.items()}
        return Rows(arrays, self._table.take(places) if self._table.num_columns else self._table)


def _one_chunk(table: pa.Table) -> pa.Table:
    """Each column in one piece, from which rows are taken much faster; text beyond 2 GiB stays in several."""
    return table.combine_chunks()


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of several windows one behind the other."""
    import pyarrow as pa

    if len(parts) == 1:
        return parts[0]
    arrays = {name: np.concatenate([p.arrays[name] for p in parts]) for name in parts[0].arrays}
    return Rows(arrays, pa.concat_tables([p.table for p in parts]))


def dense_columns(schema: pa.Schema) -> list[str]:
    """Columns of numbers of fixed shape: those that lie in memory as arrays."""
    features = [raw_feature_of(field) for field in schema]
    return [f.name for f in features if f.kind != "ragged" and f.dtype not in ("utf8", "bytes")]


def column_arrays(feature: RawFeature, values: pa.ChunkedArray, masks: bool) -> Arrays:
    """A column as arrays by name.

    Args:
        feature: the column.
        values: its rows.
        masks: add bool ``<name>:present``, and give 0, "" or False for what is missing. Without, a missing float is
            NaN.

    Raises:
        DataError: without `masks`, anything but a float is missing.
    """
    column, wrong = column_from_arrow(feature, values)
    if wrong:
        raise DataError("a column has no array form", problems=wrong)
    arrays: Arrays = {feature.name: column.values}
    if masks:
        arrays[feature.name + PRESENT] = column.present
    elif not column.present.all():
        arrays[feature.name] = _with_nan(feature, column.values, column.present)
    if column.lengths is not None:
        arrays[feature.name + LENGTH] = column.lengths
    return arrays


def _with_nan(feature: RawFeature, values: npt.NDArray[Any], present: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    if feature.dtype not in _FLOATS or feature.kind == "ragged":
        raise DataError(
            f"column {feature.name!r} ({feature.dtype}) is missing in some rows, and only a float can be NaN",
            hint=f"masks=True adds {feature.name + PRESENT!r}; or use tlt.fill_missing in preprocessing_fn.",
        )
    filled = values.copy()
    filled[~present] = np.nan
    return filled
