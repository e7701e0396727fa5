"""Functions and accumulators that tests name and worker processes import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trueline.engine import AccumulatorSpec, pack_state, unpack_state


def by_sign(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Two slices; the second in two pieces, to be joined."""
    yield "negative", batch.filter(pc.less(batch.column("x"), 0))
    rest = batch.filter(pc.greater_equal(batch.column("x"), 0))
    half = rest.num_rows // 2
    yield "rest", rest.slice(0, half)
    yield "rest", rest.slice(half)


def drops_columns(batch: pa.RecordBatch) -> list[Any]:
    """A slice without the columns."""
    return [("few", batch.select(["x"]))]


def gives_rows(batch: pa.RecordBatch) -> list[Any]:
    """Not what is asked for."""
    return [("few", batch.to_pylist())]


def calls_all(batch: pa.RecordBatch) -> list[Any]:
    """The one key that is taken."""
    return [("All Examples", batch)]


def fails(batch: pa.RecordBatch) -> list[Any]:
    """Raises."""
    raise ValueError("no slices today")


class LongWords:
    """A user's accumulator: how many strings of a column are longer than `length`."""

    def __init__(self, column: str, length: int, kind: str = "dict") -> None:
        self.column, self.length, self.kind, self.count = column, length, kind, 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Counts."""
        assert list(batch.schema.names), "the columns asked for are there"
        longer = pc.greater(pc.utf8_length(batch.column(self.column)), self.length)
        self.count += pc.sum(longer).as_py() or 0

    def merge(self, other: LongWords) -> None:
        """Adds."""
        self.count += other.count

    def state(self) -> bytes:
        """The count."""
        return pack_state("long_words", 1, {"count": self.count})

    @classmethod
    def load(cls, state: bytes, **params: Any) -> LongWords:
        """From a count."""
        words = cls(**params)
        words.count = unpack_state(state, "long_words", 1)[1]["count"]
        return words

    def finish(self) -> Any:
        """In the form that `kind` says."""
        if self.kind == "proto":
            from tensorflow_metadata.proto.v0 import statistics_pb2

            part = statistics_pb2.DatasetFeatureStatistics()
            feature = part.features.add()
            feature.path.step.append(self.column)
            feature.custom_stats.add(name="long_words", num=self.count)
            return part
        if self.kind == "list":
            return [self.count]
        if self.kind == "odd":
            return {self.column: {"long_words": object()}}
        return {self.column: {"long_words": self.count, "about": "words"}}


class LongWordsOf:
    """The accumulator as an object with `spec()` and `columns`."""

    def __init__(self, column: str) -> None:
        self.columns = [column]

    def spec(self) -> AccumulatorSpec[Any]:
        """As data."""
        return AccumulatorSpec("slice_functions:LongWords", {"column": self.columns[0], "length": 3})
