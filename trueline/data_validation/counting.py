"""How many rows a dataset has: all that is known of it where the default statistics are not asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["RowCount"]

_KIND, _VERSION = "row_count", 1


class RowCount:
    """Counts rows; the result is a dataset without features."""

    def __init__(self) -> None:
        self.rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        self.rows += batch.num_rows

    def merge(self, other: RowCount) -> None:
        """Takes in other blocks."""
        self.rows += other.rows

    def state(self) -> bytes:
        """The count, format 1."""
        return pack_state(_KIND, _VERSION, {"rows": self.rows})

    @classmethod
    def load(cls, state: bytes) -> RowCount:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state.
        """
        _, header, _ = unpack_state(state, _KIND, _VERSION)
        count = cls()
        count.rows = int(header["rows"])
        return count

    def finish(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The dataset's number of examples."""
        from tensorflow_metadata.proto.v0 import statistics_pb2

        return statistics_pb2.DatasetFeatureStatistics(num_examples=self.rows)
