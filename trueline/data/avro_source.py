"""Avro files as a source."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError, SchemaError
from trueline._core.extras import missing_extra_hint
from trueline.data.avro_arrow import contract_type, converted
from trueline.data.avro_file import AvroBlock, AvroFile
from trueline.data.avro_types import Node, avro_node, wire_type
from trueline.data.file_source import FileParts
from trueline.data.source import Reject, SourceBatch

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["AvroSource"]

_BATCH_ROWS = 8_192
_SHOWN = 60


class AvroSource(FileParts):
    """Rows of Avro object container files; each file is a part.

    A union with null may be missing; enums become text, dates and timestamps timestamp[us], decimals the nearest
    float64, times of day stay the whole numbers that they are stored as, maps become lists of key and value. Files may
    differ: a column that a file does not have is missing in its rows, int64 and float64 join to float64.

    Avro has no checksums. A record that cannot be decoded is a reject, and so are those after it in its block. A block
    with bytes left over is damaged at an unknown place, and ends the file before its rows.

    Args:
        input_base: an Avro file, or a folder of them.
        pattern: which files of the folder, as in a shell.
        files: the files' names relative to `input_base`, where they are known already.

    Raises:
        ConfigError: when fastavro is not installed.
    """

    def __init__(self, input_base: str, pattern: str = "*", files: Sequence[str] | None = None) -> None:
        try:
            import fastavro  # noqa: F401 - asked for at once, not in a worker
        except ModuleNotFoundError as error:
            raise ConfigError("Avro files are read by fastavro", hint=missing_extra_hint(error)) from error
        super().__init__(input_base, pattern, files)

    def schema(self) -> pa.Schema:
        """The columns of all files: those of the first in its order, then what the others add.

        Raises:
            DataError: a file that is no Avro file, or types that do not fit together.
            SchemaError: columns outside the value contract.
        """
        from trueline.data.widening import join_schemas

        labels = self.parts()
        whole = self._schema_of(0)
        for part in range(1, len(labels)):
            here = self._schema_of(part)
            added = [f.name for f in here if f.name not in whole.names]
            order = [*whole.names, *added]
            sides = (_with_all(whole, order), _with_all(here, order))
            whole = join_schemas(*sides, to_text=False, names=("the files before it", labels[part]))
        return whole

    def _schema_of(self, part: int) -> pa.Schema:
        import pyarrow as pa

        node = _node_of(AvroFile(self.uri(part)))
        return pa.schema([pa.field(name, contract_type(child)) for name, child in node.children])

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        """The file's rows.

        Raises:
            DataError: naming file, block and record, after all rows before that place.
        """
        file = AvroFile(self.uri(part))
        node = _node_of(file)
        decode = _decoder(node)
        for block in file.blocks():
            yield from _block_rows(block, decode, node, schema, file.uri)


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)


def _with_all(schema: pa.Schema, order: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([schema.field(n) if n in schema.names else pa.field(n, pa.null()) for n in order])


def _node_of(file: AvroFile) -> Node:
    try:
        return avro_node(file.schema, file.uri)
    except RecursionError as error:
        raise SchemaError("the file's schema is nested too deep", where=file.uri) from error


def _decoder(node: Node) -> Callable[[io.BytesIO], dict[str, Any]]:
    import fastavro

    parsed = fastavro.parse_schema(node.wire)
    read = fastavro.schemaless_reader

    def decode(stream: io.BytesIO) -> dict[str, Any]:
        record: dict[str, Any] = read(stream, parsed, None)  # type: ignore[assignment]
        return record

    return decode


def _block_rows(
    block: AvroBlock, decode: Callable[[io.BytesIO], dict[str, Any]], node: Node, schema: pa.Schema, uri: str
) -> list[SourceBatch]:
    """The block's records up to the first that cannot be decoded, rejects for the others.

    Raises:
        DataError: when bytes remain.
    """
    stream, done, failure = io.BytesIO(block.data), 0, None
    found: list[SourceBatch] = []
    rows: list[dict[str, Any]] = []
    while done + len(rows) < block.count and failure is None:
        begin = stream.tell()
        try:
            rows.append(decode(stream))
        except Exception as error:  # fastavro lets through whatever the damaged bytes led to
            failure = Reject(
                block.first + done + len(rows),
                None,
                f"the record cannot be decoded: {error!r}",
                repr(block.data[begin : begin + _SHOWN])[2:-1],
            )
        if len(rows) == _BATCH_ROWS:
            found.append(_batch(rows, block.first + done, node, schema, uri))
            done, rows = done + len(rows), []
    leftover = len(block.data) - stream.tell()
    if failure is None and leftover:
        where = f"{uri} block {block.number + 1}, record {block.first + 1} and after"
        raise DataError(f"the block has {leftover} bytes more than its {block.count} records", where=where)
    if rows:
        found.append(_batch(rows, block.first + done, node, schema, uri))
    if failure is not None:
        after = f"it lies behind record {failure.record + 1} of the file, which cannot be decoded, in its block"
        lost = [Reject(n, None, after, "") for n in range(failure.record + 1, block.first + block.count)]
        found.append(SourceBatch(_no_rows(schema), None, [failure, *lost]))
    return found


def _batch(
    rows: list[dict[str, Any]], first: int, node: Node, schema: pa.Schema, uri: str, single: bool = False
) -> SourceBatch:
    """Rows in the schema's types; those with a value that has no form there are rejects."""
    import pyarrow as pa

    children = dict(node.children)
    columns, failed = [], None
    for field in schema:
        child = children.get(field.name)
        if child is None:
            columns.append(pa.nulls(len(rows), field.type))
            continue
        try:
            values = pa.array([row[field.name] for row in rows], wire_type(child))
            columns.append(_as(converted(values, child), field, uri))
        except (pa.ArrowInvalid, OverflowError, ValueError, TypeError) as error:
            failed = (field.name, str(error))
            break
    if failed is None:
        numbers = np.arange(first, first + len(rows))
        return SourceBatch(pa.RecordBatch.from_arrays(columns, schema=schema), numbers)
    if single:
        return SourceBatch(_no_rows(schema), None, [Reject(first, failed[0], failed[1], repr(rows[0])[:_SHOWN])])
    alone = [_batch([row], first + n, node, schema, uri, single=True) for n, row in enumerate(rows)]
    good = [a.batch for a in alone if a.batch.num_rows]
    whole = pa.Table.from_batches(good, schema).combine_chunks().to_batches() if good else [_no_rows(schema)]
    numbers = np.array([first + n for n, a in enumerate(alone) if a.batch.num_rows], np.int64)
    return SourceBatch(whole[0], numbers, [r for a in alone for r in a.rejects])


def _as(column: pa.Array, field: pa.Field, uri: str) -> pa.Array:
    import pyarrow as pa

    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except (pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"column {field.name!r} is {column.type} here and {field.type} elsewhere: {error}",
            where=uri,
            hint="give the column the same type in all files, or ingest them apart.",
        ) from error
