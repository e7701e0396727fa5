"""A source whose rows know where they come from: ``__row__`` beside the columns, with part and record in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.rowid import ROW_COLUMN, row_ids
from trueline.data.source import SchemaGrew, Source, SourceBatch
from trueline.data_validation.arrow_numpy import from_numpy, to_numpy

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NumberedSource", "numbered_batch"]


class NumberedSource:
    """Another source with the hidden column ``__row__`` in front: ``part << 40 | record``.

    A source that has the column already, such as the files of Examples, keeps its own.

    Args:
        source: the source.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._schema = source.schema()

    @property
    def own(self) -> bool:
        """Whether the ids are the source's own."""
        return ROW_COLUMN in self._schema.names

    def parts(self) -> Sequence[str]:
        """The source's parts."""
        return self._source.parts()

    def schema(self) -> pa.Schema:
        """The source's columns after ``__row__``."""
        return self._schema if self.own else _with_rows(self._schema)

    def fingerprint(self) -> str | None:
        """The source's."""
        return self._source.fingerprint()

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The part's rows; raises as the source does."""
        import pyarrow as pa

        if self.own:
            yield from self._source.read(part, schema)
            return
        given = pa.schema([f for f in schema if f.name != ROW_COLUMN], schema.metadata)
        following = 0
        found: Any = self._source.read(part, given)
        try:
            with closing(found) if hasattr(found, "close") else nullcontext(found) as batches:
                for batch in batches:
                    records = batch.records
                    rows = batch.batch.num_rows
                    if records is None:
                        records = np.arange(following, following + rows, dtype=np.int64)
                    if rows:
                        following = int(records[-1]) + 1
                    ids = from_numpy(np.asarray(records + to_numpy(row_ids(part, 0, 1))[0], np.int64))
                    yield SourceBatch(_in_front(ids, batch.batch), records, batch.rejects)
        except SchemaGrew as grown:
            raise SchemaGrew(_with_rows(grown.schema)) from None


def _with_rows(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field(ROW_COLUMN, pa.int64()), *(f for f in schema if f.name != ROW_COLUMN)], schema.metadata)


def _in_front(ids: pa.Array, batch: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow as pa

    names = [name for name in batch.schema.names if name != ROW_COLUMN]
    columns = [batch.column(name) for name in names]
    return pa.RecordBatch.from_arrays([ids, *columns], names=[ROW_COLUMN, *names])


def numbered_batch(batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
    """The batch with ``__row__`` in front: its own where it has one, else numbers from `start` on."""
    own = ROW_COLUMN in batch.schema.names
    return _in_front(batch.column(ROW_COLUMN) if own else row_ids(0, start, batch.num_rows), batch)
