"""How many rows a dataset has: all that is known of it where the default statistics are not asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trueline._core.errors import EngineError
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["RowCount"]

_KIND, _VERSION = "row_count", 1


class RowCount:
    """Counts rows and sums their weights; the result is a dataset without features.

    Args:
        weight: the column of weights, None for none.
    """

    def __init__(self, weight: str | None = None) -> None:
        self.weight = weight
        self.rows, self.weights = 0, 0.0

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block.

        Raises:
            DataError: a row without a weight.
        """
        self.rows += batch.num_rows
        if self.weight is not None:
            from trueline.data_validation.weights import row_weights

            self.weights += float(row_weights(batch.column(self.weight), self.weight).sum())

    def merge(self, other: RowCount) -> None:
        """Takes in other blocks."""
        self.rows += other.rows
        self.weights += other.weights

    def state(self) -> bytes:
        """The counts, format 1."""
        return pack_state(_KIND, _VERSION, {"rows": self.rows}, {"weights": np.array([self.weights])})

    @classmethod
    def load(cls, state: bytes, weight: str | None = None) -> RowCount:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state.
        """
        _, header, arrays = unpack_state(state, _KIND, _VERSION)
        count = cls(weight)
        try:
            count.rows, count.weights = int(header["rows"]), float(np.asarray(arrays["weights"])[0])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise EngineError(f"the state holds no counts of rows: {error!r}") from error
        return count

    def finish(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The dataset's number of examples."""
        from tensorflow_metadata.proto.v0 import statistics_pb2

        dataset = statistics_pb2.DatasetFeatureStatistics(num_examples=self.rows)
        if self.weight is not None:
            dataset.weighted_num_examples = self.weights
        return dataset
