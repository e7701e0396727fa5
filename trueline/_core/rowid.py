"""The hidden column ``__row__``: which record of which source a row came from.

Ingestion gives it; bootstrap weights, sampling, label joins and error messages use it. One int64:
``source << 40 | record``, with the record counted from 0 within its source (a file, in sorted order).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MAX_RECORDS", "MAX_SOURCES", "ROW_COLUMN", "describe_row", "row_ids", "split_row_ids", "with_sources_from"]

ROW_COLUMN = "__row__"
_BITS = 40
MAX_RECORDS = 1 << _BITS
MAX_SOURCES = 1 << 23


def row_ids(source: int, start: int, count: int) -> pa.Array:
    """Ids of `count` consecutive records of one source: int64 ``[count]``.

    Raises:
        DataError: beyond 2**23 sources or 2**40 records a source.
    """
    import pyarrow as pa

    if not 0 <= source < MAX_SOURCES or start < 0 or start + count > MAX_RECORDS:
        raise DataError(f"source {source}, records {start} to {start + count}: beyond what a row id can hold")
    return pa.array((source << _BITS) + np.arange(start, start + count, dtype=np.int64))


def split_row_ids(ids: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Source and record number of each id."""
    array = np.asarray(ids, np.int64)
    return array >> _BITS, array & (MAX_RECORDS - 1)


def with_sources_from(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
    """The rows with the numbers of their sources raised by `first`: several ingestions side by side."""
    if not first or ROW_COLUMN not in batch.schema.names:
        return batch
    import pyarrow as pa

    place = batch.schema.get_field_index(ROW_COLUMN)
    raised = pa.array(batch.column(place).to_numpy() + (np.int64(first) << _BITS))
    return batch.set_column(place, batch.schema.field(place), raised)


def describe_row(row_id: int, sources: list[str] | None = None) -> str:
    """A row id for people: ``taxi.csv record 17`` (records counted from 1)."""
    source, record = row_id >> _BITS, row_id & (MAX_RECORDS - 1)
    name = sources[source] if sources is not None and 0 <= source < len(sources) else f"source {source}"
    return f"{name} record {record + 1}"
