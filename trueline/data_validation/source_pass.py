"""Statistics of a source of rows without writing Examples: read, cut into blocks, counted, forgotten."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from trueline._core.errors import DataError
from trueline.data.source import SchemaGrew, Source, SourceBatch
from trueline.data.widening import final_schema, join_schemas
from trueline.data_validation.given import options_of
from trueline.engine.base import DEFAULT_BLOCK_ROWS, AccumulatorSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.data_validation.options import StatsOptions

__all__ = ["Narrow", "Pass", "fold_source", "statistics_of_source"]

R_co = TypeVar("R_co", covariant=True)


class Pass(Protocol[R_co]):
    """A pass over a source: an accumulator, the columns that it reads (all if none), and what becomes of its result."""

    @property
    def spec(self) -> AccumulatorSpec[Any]:
        """The accumulator."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in the order of the data."""
        ...

    def result(self, found: Any) -> R_co:
        """What the pass gives, from the accumulator's result."""
        ...


Narrow: TypeAlias = Callable[[tuple[str, ...], tuple[str, ...]], Source]
_SHOWN = 10


def statistics_of_source(
    source: Source,
    options: StatsOptions | None = None,
    *,
    max_rejects: int = 0,
    workers: int | None = None,
    block_rows: int = DEFAULT_BLOCK_ROWS,
    narrow: Narrow | None = None,
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of all parts of a source, in order, in blocks of `block_rows` rows whatever the parts are.

    So the same rows give the same statistics from any source. When a value does not fit the types that were guessed,
    reading starts again with wider ones: the statistics are those of types guessed on all rows.

    Args:
        source: the source.
        options: see `StatsOptions`.
        max_rejects: how many rows may be left out because they cannot be read.
        workers: threads that count, beside the one that reads; one for each usable processor if None.
        block_rows: rows of a block.
        narrow: a source of the same rows with these columns alone, and these of them as dictionaries, where that is
            cheaper to read.

    Raises:
        DataError: what cannot be read, naming it; more rejects than allowed.
        ConfigError, SchemaError: as `generate_statistics`.
    """
    from trueline.data_validation.passes import plan_pass

    asked = options_of(options)
    return fold_source(
        source,
        lambda columns: plan_pass(columns, asked),
        max_rejects=max_rejects,
        workers=workers,
        block_rows=block_rows,
        narrow=narrow,
    )


def fold_source(
    source: Source,
    plan: Callable[[pa.Schema], Pass[R_co]],
    *,
    max_rejects: int = 0,
    workers: int | None = None,
    block_rows: int = DEFAULT_BLOCK_ROWS,
    narrow: Narrow | None = None,
) -> R_co:
    """What a pass over all parts of a source gives; other arguments and errors as in `statistics_of_source`.

    Args:
        source: the source.
        plan: the pass over columns in their final types; asked again when types have grown.
    """
    from trueline.engine.stream import reblock, run_stream

    raw = source.schema()
    while True:
        final = final_schema(raw)
        planned = plan(final)
        reader = source if narrow is None or not planned.columns else narrow(planned.columns, planned.spec.dictionaries)
        seen = raw if reader is source else _selected(raw, planned.columns)
        rows = _rows(reader, seen, planned, _Rejects(max_rejects))
        try:
            with closing(rows):
                return planned.result(run_stream(planned.spec, reblock(rows, block_rows), workers))
        except SchemaGrew as grown:
            raw = grown.schema


def _selected(schema: pa.Schema, names: tuple[str, ...]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([schema.field(name) for name in names])


def _wider(raw: pa.Schema, grown: pa.Schema) -> pa.Schema:
    """The joined schema; where columns have come, the source's own, which was made with the one it was given."""
    same = raw.names == grown.names
    wider = join_schemas(raw, grown, names=("the rows before", "a later row")) if same else grown
    if wider.equals(raw, check_metadata=True):
        raise DataError(
            "the source says that its schema grew, and gives the same one",
            hint="SchemaGrew takes a schema in which the value that did not fit has room.",
        )
    return wider


class _Rejects:
    """Counts rejects up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit, self._count = limit, 0
        self._first: list[str] = []

    def add(self, found: SourceBatch, label: str) -> None:
        """Takes in the rejects that a batch brought.

        Raises:
            DataError: when they are more than allowed, naming the first.
        """
        self._count += len(found.rejects)
        self._first += [r.sentence(label) for r in found.rejects][: _SHOWN - len(self._first)]
        if self._count > self._limit:
            raise DataError(
                f"more than {self._limit} rows cannot be read" if self._limit else "a row cannot be read",
                where=label,
                problems=self._first,
                hint="mend the rows, or allow some with max_rejects: they are then left out of the statistics.",
            )


def _rows(
    source: Source, raw: pa.Schema, planned: Pass[Any], rejects: _Rejects
) -> Generator[pa.RecordBatch, None, None]:
    """The rows of all parts in their final types, only the columns that the pass reads where it reads any."""
    final = final_schema(raw)
    codes = frozenset(planned.spec.dictionaries)
    labels, bare = list(source.parts()), 0
    for number, label in enumerate(labels):
        try:
            with _reading(source, number, raw) as batches:
                for given in batches:
                    if given.rejects:
                        rejects.add(given, label)
                    bare += 0 if final.names or given.records is None else len(given.records)
                    if given.batch.num_rows:
                        typed = _typed(given.batch, final, codes, label)
                        yield typed.select(list(planned.columns)) if planned.columns else typed
        except SchemaGrew as grown:
            raise SchemaGrew(_grown_by_all(source, _wider(raw, grown.schema), range(number + 1, len(labels)))) from None
    if bare:
        raise DataError(
            f"none of {bare:,} rows has a column",
            where=", ".join(labels[:_SHOWN]),
            hint="rows need keys or features; are the files of another kind, or of another payload?",
        )


def _reading(source: Source, part: int, schema: pa.Schema) -> AbstractContextManager[Iterable[SourceBatch]]:
    found: Any = source.read(part, schema)
    return closing(found) if hasattr(found, "close") else nullcontext(found)


def _grown_by_all(source: Source, schema: pa.Schema, parts: Iterable[int]) -> pa.Schema:
    """The schema that these parts ask for too: read once more for all of them, not once more for each."""
    for part in parts:
        try:
            with _reading(source, part, schema) as batches:
                for _ in batches:
                    pass
        except SchemaGrew as grown:
            schema = _wider(schema, grown.schema)
    return schema


def _typed(batch: pa.RecordBatch, final: pa.Schema, codes: frozenset[str], label: str) -> pa.RecordBatch:
    """The batch in its final types; dictionaries stay where the pass takes them."""
    import pyarrow as pa

    if batch.schema.names != final.names:
        raise DataError(
            "the source gives other columns than its schema has",
            where=label,
            problems=[f"schema: {final.names}", f"batch: {batch.schema.names}"],
        )
    columns = []
    for column, field in zip(batch.columns, final, strict=True):
        kept = pa.types.is_dictionary(column.type) and field.name in codes and column.type.value_type == field.type
        try:
            columns.append(column if kept or column.type == field.type else column.cast(field.type))
        except pa.ArrowException as error:
            raise DataError(
                f"column {field.name!r} comes as {column.type}, the source's schema says {field.type}: {error}",
                where=label,
            ) from error
    return pa.RecordBatch.from_arrays(columns, names=final.names)
