"""Parquet files as a source: types stay, widened to the value contract."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from trueline._core.errors import DataError, TruelineError, did_you_mean
from trueline.data.file_source import FileParts
from trueline.data.source import SourceBatch
from trueline.data.widening import check_same_names

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ParquetSource"]

_BATCH_ROWS = 16_384


class ParquetSource(FileParts):
    """Rows of Parquet files; each file is a part.

    Args:
        input_base: a Parquet file, or a folder of them.
        pattern: which files of the folder, as in a shell.
        columns: the columns to read, in this order; all by default.
        files: the files' names relative to `input_base`, where they are known already.
        dictionaries: text columns that are given as dictionary arrays where the file has them so.
        batch_rows: rows of a batch, at most.

    Raises:
        DataError: when there is no such input, or no file matches.
    """

    def __init__(
        self,
        input_base: str,
        pattern: str = "*",
        columns: Sequence[str] | None = None,
        files: Sequence[str] | None = None,
        dictionaries: Sequence[str] = (),
        batch_rows: int = _BATCH_ROWS,
    ) -> None:
        super().__init__(input_base, pattern, files, "" if columns is None else json.dumps(list(columns)))
        self._dictionaries, self._batch_rows = tuple(dictionaries), batch_rows
        self._columns = None if columns is None else list(columns)

    def schema(self) -> pa.Schema:
        """The files' one widened schema; a column that is null in some files has the type it has in the others.

        Raises:
            ArtifactError: a file that is no readable Parquet, naming it.
            DataError: files whose columns differ, or a column that is not there.
            SchemaError: columns outside the value contract.
        """
        import pyarrow as pa

        from trueline.engine.blocks import parquet_schema, widened_schema

        labels = self.parts()
        raw = [parquet_schema(self.uri(n)) for n in range(len(labels))]
        check_same_names([(labels[n], schema.names) for n, schema in enumerate(raw)])
        if self._columns is not None:
            raw = [self._projected(schema, labels[n]) for n, schema in enumerate(raw)]
        wide = [widened_schema(schema, labels[n]) for n, schema in enumerate(raw)]
        fields, problems = [], []
        for position, name in enumerate(raw[0].names):
            types = {
                w.field(position).type: labels[n]
                for n, w in enumerate(wide)
                if raw[n].field(position).type != pa.null()
            }
            if len(types) > 1:
                problems.append(f"column {name!r}: " + "; ".join(f"{t} in {label}" for t, label in types.items()))
            fields.append(pa.field(name, next(iter(types), pa.string())))
        if problems:
            raise DataError("the files do not fit together", where=labels[0], problems=problems)
        return pa.schema(fields)

    def _projected(self, schema: pa.Schema, label: str) -> pa.Schema:
        import pyarrow as pa

        wanted = self._columns or []
        missing = [f"{n!r}: {did_you_mean(n, schema.names)}" for n in wanted if n not in schema.names]
        if missing:
            raise DataError("columns that are not in the file", where=label, problems=missing)
        return pa.schema([schema.field(name) for name in wanted])

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The file's rows in the contract's types.

        Raises:
            ArtifactError: when the file is gone or damaged.
            DataError: when a column cannot be given in the schema's type.
        """
        import pyarrow as pa

        from trueline.engine.blocks import widened_batch

        place = self.uri(part)
        for raw in self._batches(place):
            check_same_names([("the schema that was asked for", schema.names), (place, raw.schema.names)])
            try:
                batch = widened_batch(raw, self._dictionaries)
            except TruelineError as error:
                raise type(error)(error.message, where=f"{place} {error.where or ''}".strip()) from error
            columns = [
                pa.nulls(batch.num_rows, target.type) if kind == pa.null() else _as(column, target, place)
                for column, target, kind in zip(batch.columns, schema, raw.schema.types, strict=True)
            ]
            yield SourceBatch(pa.RecordBatch.from_arrays(columns, names=schema.names))

    def _batches(self, place: str) -> Iterator[pa.RecordBatch]:
        """The file's rows as they stand there, only the columns asked for, in their order."""
        from trueline.engine.blocks import parquet_batches

        for raw in parquet_batches(place, self._batch_rows, self._columns, self._dictionaries):
            yield raw if self._columns is None else raw.select(list(self._columns))


def _as(column: pa.Array, target: pa.Field, place: str) -> pa.Array:
    """The column in a joined type: only what loses nothing."""
    import pyarrow as pa
    import pyarrow.types as t

    if column.type == target.type or (t.is_dictionary(column.type) and column.type.value_type == target.type):
        return column
    try:
        if t.is_string(target.type) and not t.is_string(column.type):
            raise pa.ArrowInvalid("the text in which the values were once written is not known")
        return column.cast(target.type)
    except pa.ArrowException as error:
        raise DataError(
            f"column {target.name!r} is {column.type} here and {target.type} elsewhere: {error}",
            where=place,
            hint="give the column the same type in all files.",
        ) from error
