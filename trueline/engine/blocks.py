"""Reading blocks: one record batch per Parquet row group, only the columns asked for, in the contract's types."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from trueline._core.errors import ArtifactError, EngineError, did_you_mean, first_line
from trueline.engine.base import DEFAULT_BLOCK_ROWS, Block, Dataset, Shard
from trueline.engine.parquet_pool import POOL

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "CONTRACT_MARK",
    "dataset_from_parquet",
    "dataset_from_table",
    "parquet_batches",
    "parquet_schema",
    "read_block",
    "widened_batch",
    "widened_schema",
]

CONTRACT_MARK = b"trueline.examples"
"""Schema metadata of files whose types are the contract's already: there float32 is meant and stays."""


def read_block(block: Block, columns: Sequence[str] | None = None, dictionaries: Sequence[str] = ()) -> pa.RecordBatch:
    """All rows of a block as one batch, the columns in the order asked for (all by default).

    Args:
        block: the block.
        columns: names; an empty sequence gives a batch without columns that has the block's row count.
        dictionaries: text columns to leave dictionary-encoded where they are, for a consumer that asks for codes:
            values without nulls, each there once in all but odd files. Other columns are no matter.

    Raises:
        ArtifactError: when the file is gone, damaged or another one than was written, naming it.
        EngineError: when a column does not exist.
    """
    table = block.table if block.table is not None else _read_row_group(block, columns, tuple(dictionaries))
    if columns is not None:
        _check_columns(block, columns, table.schema.names)
        table = table.select(list(columns))
    return _one_batch(table, block, frozenset(dictionaries))


def _check_columns(block: Block, columns: Sequence[str], existing: Sequence[str]) -> None:
    for name in columns:
        if name not in existing:
            raise EngineError(
                f"there is no column {name!r} in block {block.number}",
                where=block.uri or "a table in memory",
                hint=did_you_mean(name, existing),
            )


def _read_row_group(block: Block, columns: Sequence[str] | None, dictionaries: tuple[str, ...]) -> pa.Table:
    import pyarrow as pa

    with POOL.lease(block.uri, dictionaries) as handle:
        if columns is not None:
            _check_columns(block, columns, handle.schema_arrow.names)
        if not 0 <= block.row_group < handle.num_row_groups:
            raise ArtifactError(
                f"there is no row group {block.row_group}, the file has {handle.num_row_groups}", where=block.uri
            )
        wanted = None if columns is None else list(columns)
        try:
            table = handle.read_row_group(block.row_group, columns=wanted, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise ArtifactError(
                f"row group {block.row_group} cannot be read: {first_line(error)}",
                where=block.uri,
                hint="the file is damaged: run the component that wrote it again.",
            ) from error
        rows = handle.metadata.row_group(block.row_group).num_rows
    if rows != block.rows:
        raise ArtifactError(f"row group {block.row_group} has {rows} rows, {block.rows} were written", where=block.uri)
    return table


def _one_batch(table: pa.Table, block: Block, keep: frozenset[str]) -> pa.RecordBatch:
    import pyarrow as pa

    if table.num_columns == 0:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * block.rows, type=pa.struct([])))
    arrays = []
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if column.num_chunks == 1:
            arrays.append(column.chunk(0))
            continue
        combined = column.combine_chunks() if column.num_chunks else pa.array([], type=column.type)
        if isinstance(combined, pa.ChunkedArray):
            raise EngineError(
                f"column {name!r} of block {block.number} holds more than 2 GiB of text",
                where=block.uri or "a table in memory",
                hint="ingest the data with a smaller block_rows.",
            )
        arrays.append(combined)
    names = table.schema.names
    batch = pa.RecordBatch.from_arrays(arrays, names=names)
    if _is_marked(table.schema):
        return batch
    return widened_batch(batch, keep)


def widened_batch(batch: pa.RecordBatch, dictionaries: Collection[str] = ()) -> pa.RecordBatch:
    """The batch in the contract's types; text named in `dictionaries` stays codes where it is codes of distinct words.

    Raises:
        SchemaError: naming a column that has no place in the contract.
    """
    import pyarrow as pa

    from trueline._core.values import widen

    names = batch.schema.names
    keep = {n for n, array in zip(names, batch.columns, strict=True) if n in dictionaries and _are_codes(array)}
    if not keep:
        return widen(batch)
    wide = widen(batch.select([n for n in names if n not in keep]))
    columns = [batch.column(n) if n in keep else wide.column(n) for n in names]
    return pa.RecordBatch.from_arrays(columns, names=names)


def _are_codes(array: pa.Array) -> bool:
    """Whether an array is text or bytes in a dictionary without nulls."""
    import pyarrow.types as t

    if not t.is_dictionary(array.type):
        return False
    words, kind = array.dictionary, array.type.value_type
    text = t.is_string(kind) or t.is_large_string(kind) or t.is_binary(kind) or t.is_large_binary(kind)
    return bool(text and words.null_count == 0)


def _is_marked(schema: pa.Schema) -> bool:
    return bool(schema.metadata) and CONTRACT_MARK in schema.metadata


def parquet_schema(uri: str) -> pa.Schema:
    """A Parquet file's own Arrow schema.

    Raises:
        ArtifactError: when the file is gone or no Parquet, naming it.
    """
    with POOL.lease(uri, ()) as handle:
        return handle.schema_arrow


def parquet_batches(
    uri: str, rows: int, columns: Sequence[str] | None = None, dictionaries: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """A Parquet file's rows in order, at most `rows` at a time, in the file's own types; only the columns asked for.

    A batch does not reach over the end of a row group, and no more than one row group's bytes are held. Text columns
    named in `dictionaries` come as dictionary arrays.

    Raises:
        ArtifactError: when the file is gone or damaged, naming it.
    """
    import pyarrow as pa

    wanted = None if columns is None else list(columns)
    with POOL.lease(uri, tuple(dictionaries)) as handle:
        try:
            for group in range(handle.num_row_groups):  # over all at once, pyarrow would hold the whole file's bytes
                yield from handle.iter_batches(rows, row_groups=[group], columns=wanted, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise ArtifactError(f"the file cannot be read: {first_line(error)}", where=uri) from error


def widened_schema(schema: pa.Schema, place: str) -> pa.Schema:
    """The schema in the contract's types, without metadata but `WIDENED_FROM`.

    Raises:
        SchemaError: naming all columns that have no place in the contract, or the same name.
    """
    import pyarrow as pa

    if _is_marked(schema):
        return schema.remove_metadata()

    from trueline._core.errors import SchemaError
    from trueline._core.values import widened_type

    fields, problems = [], []
    for field in schema:
        try:
            fields.append(pa.field(field.name, widened_type(field.type), metadata=_origin(field)))
        except SchemaError as error:
            problems.append(f"column {field.name!r}: {error.message}")
    if len(set(schema.names)) != len(schema.names):
        problems.append("two columns have the same name")
    if problems:
        raise SchemaError("columns that cannot go down the line", where=place, problems=problems)
    return pa.schema(fields)


def _origin(field: pa.Field) -> dict[bytes, bytes] | None:
    """What a field's metadata keep of its type: that a timestamp was a date, and what a source noted itself."""
    import pyarrow.types as t

    from trueline._core.values import WIDENED_FROM

    noted = b"date" if t.is_date(field.type) else (field.metadata or {}).get(WIDENED_FROM)
    return {WIDENED_FROM: noted} if noted else None


def dataset_from_table(table: pa.Table, block_rows: int = DEFAULT_BLOCK_ROWS) -> Dataset:
    """A table in memory as blocks of `block_rows` rows (the last may be shorter); columns are widened when read.

    Raises:
        EngineError: for a block size below one.
        SchemaError: for columns outside the value contract.
    """
    if block_rows < 1:
        raise EngineError(f"a block of {block_rows} rows is none", hint="give at least one.")
    blocks = []
    for number, start in enumerate(range(0, table.num_rows, block_rows)):
        part = table.slice(start, block_rows)
        blocks.append(Block(number, "", number, part.num_rows, part))
    return Dataset((Shard(0, tuple(blocks)),), widened_schema(table.schema, "a table in memory"))


def dataset_from_parquet(paths: Sequence[str]) -> Dataset:
    """Parquet files as they are: each row group a block, numbered in the order of the paths; columns are widened.

    Raises:
        ArtifactError: for a file that is gone or no Parquet.
        EngineError: no file, or files whose widened columns differ.
        SchemaError: for columns outside the value contract.
    """
    if not paths:
        raise EngineError("no Parquet file was given")
    blocks: list[Block] = []
    first: pa.Schema | None = None
    for path in paths:
        with POOL.lease(path, ()) as handle:
            schema = widened_schema(handle.schema_arrow, path)
            counts = [handle.metadata.row_group(i).num_rows for i in range(handle.num_row_groups)]
        if first is not None and schema != first:
            raise EngineError(
                "the files have different columns",
                where=path,
                problems=[f"{paths[0]}: {first.to_string()}", f"{path}: {schema.to_string()}"],
            )
        first = schema
        for row_group, rows in enumerate(counts):
            blocks.append(Block(len(blocks), path, row_group, rows))
    return Dataset((Shard(0, tuple(blocks)),), first)
