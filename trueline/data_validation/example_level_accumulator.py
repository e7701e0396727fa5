"""Examples by what is wrong with them, as an accumulator: statistics and a sample of rows for each anomaly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import EngineError
from trueline._core.rowid import ROW_COLUMN
from trueline.data_validation.arrow_numpy import from_numpy, to_numpy
from trueline.data_validation.example_level_judge import RowJudge, judging_options
from trueline.data_validation.options import StatsOptions
from trueline.engine.base import Accumulator, AccumulatorSpec
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ExampleLevelAccumulator", "FoundExamples", "example_level_spec"]

_KIND, _VERSION = "example_level", 1


@dataclass(frozen=True)
class FoundExamples:
    """The examples that have one anomaly.

    Attributes:
        statistics: what the inner accumulator made of them.
        count: how many they are.
        rows: some of them with all their columns, ``__row__`` first; None where none were asked for.
    """

    statistics: Any
    count: int
    rows: pa.Table | None


def example_level_spec(
    inner: AccumulatorSpec[Any],
    arrow_schema: pa.Schema,
    options: StatsOptions,
    environment: str | None = None,
    samples: int = 0,
) -> AccumulatorSpec[dict[str, FoundExamples]]:
    """The accumulator that maps each anomaly's key to the examples which have it.

    Args:
        inner: what is computed over the examples of each anomaly.
        arrow_schema: the columns, ``__row__`` among them.
        options: with the schema that rows are held to.
        environment: one of the schema's default environments.
        samples: most rows of each anomaly to keep: those of the smallest hashes of ``__row__``.
    """
    from trueline.data.widening import schema_to_text

    params = {
        "inner": {"name": inner.name, "params": dict(inner.params), "dictionaries": list(inner.dictionaries)},
        "columns": schema_to_text(arrow_schema),
        "options": judging_options(options).to_json(),
        "environment": environment,
        "samples": samples,
    }
    return AccumulatorSpec(f"{__name__}:ExampleLevelAccumulator", params)


@lru_cache(maxsize=8)
def _judge(columns: str, options: str, environment: str | None) -> RowJudge:
    """One judge for all blocks of a pass: what it has learnt of one block serves the next."""
    from trueline.data.widening import schema_from_text

    return RowJudge(schema_from_text(columns), StatsOptions.from_json(options), environment)


@dataclass
class _Bucket:
    """The examples of one anomaly so far."""

    inner: Accumulator[Any]
    count: int = 0
    rows: list[Any] = field(default_factory=list)  # batches of sampled rows, the hashes of all are `ranks`
    ranks: Any = field(default_factory=lambda: np.empty(0, np.uint64))

    def sample(self, batch: pa.RecordBatch, ranks: Any, limit: int) -> None:
        """Takes in rows, and keeps those of the smallest ranks."""
        import pyarrow as pa

        ranks = np.concatenate([self.ranks, ranks])
        kept = np.argsort(ranks, kind="stable")[:limit]
        table = pa.Table.from_batches([*self.rows, batch]).take(from_numpy(kept.astype(np.int64)))
        self.rows, self.ranks = table.combine_chunks().to_batches(), ranks[kept]


class ExampleLevelAccumulator:
    """The accumulator that `example_level_spec` describes."""

    def __init__(
        self, inner: Mapping[str, Any], columns: str, options: str, environment: str | None, samples: int
    ) -> None:
        self._spec = AccumulatorSpec[Any](str(inner["name"]), dict(inner["params"]), tuple(inner["dictionaries"]))
        self._described = (columns, options, environment)
        self._samples = samples
        self._found: dict[str, _Bucket] = {}

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        for anomaly, rows in _judge(*self._described).judge(batch).items():
            bad = batch if len(rows) == batch.num_rows else batch.take(from_numpy(rows))
            bucket = self._bucket(anomaly.key)
            bucket.count += len(rows)
            bucket.inner.update(bad)
            if self._samples:
                self._take_sample(bucket, bad)

    def _bucket(self, key: str) -> _Bucket:
        if key not in self._found:
            self._found[key] = _Bucket(self._spec.new())
        return self._found[key]

    def _take_sample(self, bucket: _Bucket, bad: pa.RecordBatch) -> None:
        from trueline._core.hash import hash_array

        ranks = hash_array(bad.column(ROW_COLUMN))
        kept = np.argsort(ranks, kind="stable")[: self._samples].astype(np.int64)
        bucket.sample(bad.take(from_numpy(kept)), ranks[kept], self._samples)

    def merge(self, other: ExampleLevelAccumulator) -> None:
        """Takes in the examples of other blocks."""
        for key, theirs in other._found.items():
            mine = self._found.get(key)
            if mine is None:
                self._found[key] = theirs
                continue
            mine.inner.merge(theirs.inner)
            mine.count += theirs.count
            for batch in theirs.rows:
                mine.sample(batch, theirs.ranks, self._samples)

    def state(self) -> bytes:
        """Counts, inner states and samples, format 1."""
        keys = sorted(self._found)
        arrays: dict[str, Any] = {}
        for i, key in enumerate(keys):
            bucket = self._found[key]
            arrays[f"inner{i}"] = np.frombuffer(bucket.inner.state(), np.uint8)
            if bucket.rows:
                arrays[f"rows{i}"] = _structs(bucket.rows[0])
        return pack_state(_KIND, _VERSION, {"keys": keys, "counts": [self._found[k].count for k in keys]}, arrays)

    @classmethod
    def load(
        cls,
        state: bytes,
        inner: Mapping[str, Any],
        columns: str,
        options: str,
        environment: str | None,
        samples: int,
    ) -> ExampleLevelAccumulator:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state.
        """
        from trueline._core.hash import hash_array

        _, header, arrays = unpack_state(state, _KIND, _VERSION)
        accumulator = cls(inner, columns, options, environment, samples)
        try:
            for i, (key, count) in enumerate(zip(header["keys"], header["counts"], strict=True)):
                bucket = _Bucket(accumulator._spec.load(arrays[f"inner{i}"].tobytes()), int(count))
                if f"rows{i}" in arrays:
                    bucket.rows = [_batch(arrays[f"rows{i}"])]
                    bucket.ranks = hash_array(bucket.rows[0].column(ROW_COLUMN))
                accumulator._found[str(key)] = bucket
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EngineError(f"the state holds no examples: {error!r}") from error
        return accumulator

    def finish(self) -> dict[str, FoundExamples]:
        """The examples of each anomaly, by key; sampled rows in the order of the data."""
        return {key: self._finished(self._found[key]) for key in sorted(self._found)}

    def _finished(self, bucket: _Bucket) -> FoundExamples:
        import pyarrow as pa

        rows = None
        if self._samples:
            table = pa.Table.from_batches(bucket.rows)
            places = np.argsort(to_numpy(bucket.rows[0].column(ROW_COLUMN)), kind="stable")
            rows = table.take(from_numpy(places.astype(np.int64)))
        return FoundExamples(bucket.inner.finish(), bucket.count, rows)


def _structs(batch: pa.RecordBatch) -> pa.Array:
    """The rows as one array, which a state can hold."""
    import pyarrow as pa

    columns = [c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.StructArray.from_arrays(columns, names=batch.schema.names)


def _batch(structs: pa.Array) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_struct_array(structs)
