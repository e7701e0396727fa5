"""A sample of whole rows that depends on the rows alone: those whose hash is smallest (a bottom-k sample).

Every row has the same chance to be in it, no matter how rows are cut into blocks (Cohen and Kaplan 2007, "Summarizing
data using bottom-k sketches"). With k = 16,384 a quantile of the sample is off by about 0.4 % of the rows (one standard
error at the median), and a value that 0.5 % of the rows have is seen some 80 times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trueline.engine.state import pack_state, unpack_state
from trueline.model_analysis.noise import ROW_COLUMN

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ROW_SAMPLE", "SAMPLE_ROWS", "RowSample", "SampledRows"]

ROW_SAMPLE = "trueline.model_analysis.slice_finder.sample:RowSample"
SAMPLE_ROWS = 16_384
_KIND, _VERSION = "model_analysis.row_sample", 1
_SALT = 0x5A3C


@dataclass(frozen=True)
class SampledRows:
    """The sample.

    Attributes:
        rows: how many rows there are in all.
        table: the sampled ones, with the columns asked for; None where there are no rows.
    """

    rows: int
    table: pa.Table | None


class RowSample:
    """The accumulator of the first pass.

    Args:
        columns: which columns are kept.
        rows: how many rows are kept.
        seed: another seed gives another sample.
    """

    def __init__(self, columns: list[str], rows: int = SAMPLE_ROWS, seed: int = 0) -> None:
        self._columns, self._rows, self._seed = list(columns), int(rows), int(seed)
        self._seen = 0
        self._hashes: np.ndarray[Any, Any] = np.zeros(0, dtype=np.uint64)
        self._table: pa.Table | None = None

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        import pyarrow as pa

        from trueline._core.hash import hash_array, hash_rows

        if not batch.num_rows:
            return
        self._seen += batch.num_rows
        index = batch.schema.get_field_index(ROW_COLUMN)
        seed = self._seed ^ _SALT
        hashes = hash_array(batch.column(index), seed) if index >= 0 else hash_rows(batch, None, seed)
        few = np.sort(np.argsort(hashes, kind="stable")[: self._rows])
        table = pa.Table.from_batches([batch]).select(self._columns).take(pa.array(few))
        self._join(hashes[few], _plain(table))

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow."""
        self._seen += other._seen
        if other._table is not None:
            self._join(other._hashes, other._table)

    def _join(self, hashes: np.ndarray[Any, Any], table: pa.Table) -> None:
        import pyarrow as pa

        if self._table is not None:
            hashes = np.concatenate([self._hashes, hashes])
            table = pa.concat_tables([self._table, table])
        if len(hashes) > self._rows or self._table is None:
            order = np.argsort(hashes, kind="stable")[: self._rows]
            hashes, table = hashes[order], table.take(pa.array(order))
        self._hashes, self._table = hashes, table.combine_chunks()

    def state(self) -> bytes:
        """The rows in the order of their hashes."""
        arrays: dict[str, Any] = {"hashes": self._hashes}
        if self._table is not None:
            order = np.argsort(self._hashes, kind="stable")
            arrays["hashes"] = self._hashes[order]
            self._table = self._table.take(order).combine_chunks()
            self._hashes = arrays["hashes"]
            arrays |= {f"column_{i}": self._table.column(i) for i in range(len(self._columns))}
        return pack_state(_KIND, _VERSION, {"seen": self._seen}, arrays)

    @classmethod
    def load(cls, state: bytes, columns: list[str], rows: int = SAMPLE_ROWS, seed: int = 0) -> Self:
        """The accumulator that gave this state."""
        import pyarrow as pa

        _, header, arrays = unpack_state(state, _KIND, _VERSION)
        self = cls(columns, rows, seed)
        self._seen = int(header["seen"])
        self._hashes = np.asarray(arrays.pop("hashes"))
        if arrays:
            self._table = pa.table([arrays[f"column_{i}"] for i in range(len(columns))], names=list(columns))
        return self

    def finish(self) -> SampledRows:
        """The sample, in the order of the rows' hashes."""
        self.state()
        return SampledRows(self._seen, self._table)


def _plain(table: pa.Table) -> pa.Table:
    """Without dictionaries, which differ from block to block."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(field.type.value_type))
    return table
