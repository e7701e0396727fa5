"""Parquet files become Examples: types stay, widened to the value contract; splits, rows and blocks are as for CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ConfigError, DataError, TruelineError
from trueline._core.rowid import ROW_COLUMN, row_ids
from trueline.data.arrow_json import schema_from_json, schema_to_json
from trueline.data.assemble import SourceResult, assemble, check_same_names, source_dataset
from trueline.data.examples import EXAMPLES_NAME
from trueline.data.inputs import input_uri, list_inputs
from trueline.data.report import IngestReport
from trueline.data.splits import DEFAULT_SPLITS, SplitRule
from trueline.data.writer import PartWriter
from trueline.engine.base import DEFAULT_BLOCK_ROWS, Block, Engine, FunctionSpec

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ingest_parquet", "ingest_parquet_file"]

_BATCH_ROWS = 16_384


def ingest_parquet(
    input_base: str,
    uri: str,
    *,
    splits: Sequence[tuple[str, int]] = DEFAULT_SPLITS,
    block_rows: int = DEFAULT_BLOCK_ROWS,
    engine: Engine | None = None,
    pattern: str = "*",
) -> IngestReport:
    """Writes the rows of Parquet files as Examples.

    Args:
        input_base: a Parquet file, or a folder of them.
        uri: the folder of the Examples.
        splits: names and shares; two thirds train and one third eval by default.
        block_rows: rows of a block.
        engine: runs the files; threads of this machine by default.
        pattern: which files of the folder, as in a shell.

    Raises:
        DataError: no file, or files whose columns differ.
        ArtifactError: a file that is no readable Parquet, naming it.
        SchemaError: columns or values outside the value contract.
        ConfigError: an option that is wrong.
    """
    rule = SplitRule.of(splits)
    if block_rows < 1:
        raise ConfigError(f"block_rows is {block_rows}", hint="give at least one.")
    if engine is None:
        from trueline.engine.local import default_engine

        engine = default_engine()
    files = list_inputs(input_base, pattern)
    uris = {number: input_uri(input_base, name) for number, name in enumerate(files)}
    labels = {n: name or input_base.rstrip("/").rsplit("/", 1)[-1] for n, name in enumerate(files)}
    schema = _common_schema(uris, labels)
    store.remove_tree(store.join(uri, EXAMPLES_NAME))
    params = {
        "uri": uri,
        "schema": schema_to_json(schema),
        "splits": [list(s) for s in rule.splits],
        "block_rows": block_rows,
    }
    results = engine.map_blocks(FunctionSpec(f"{__name__}:ingest_parquet_file", params), source_dataset(uris))
    return assemble(uri, schema, [SourceResult.of(n, labels[n], r) for n, r in enumerate(results)], rule)


def _common_schema(uris: Mapping[int, str], labels: Mapping[int, str]) -> pa.Schema:
    """The files' one widened schema; a column that is null in some files has the type it has in the others."""
    import pyarrow as pa

    from trueline.engine.blocks import parquet_schema, widened_schema

    raw = [parquet_schema(uri) for uri in uris.values()]
    check_same_names([(labels[n], schema.names) for n, schema in enumerate(raw)])
    wide = [widened_schema(schema, labels[n]) for n, schema in enumerate(raw)]
    fields, problems = [], []
    for position, name in enumerate(raw[0].names):
        if name == ROW_COLUMN:
            problems.append(f"{name!r} is a name of trueline's own")
        types = {
            w.field(position).type: labels[n] for n, w in enumerate(wide) if raw[n].field(position).type != pa.null()
        }
        if len(types) > 1:
            problems.append(f"column {name!r}: " + "; ".join(f"{t} in {label}" for t, label in types.items()))
        fields.append(pa.field(name, next(iter(types), pa.string())))
    if problems:
        raise DataError("the files do not fit together", where=labels[0], problems=problems)
    return pa.schema(fields)


def ingest_parquet_file(
    block: Block, *, uri: str, schema: Sequence[Mapping[str, Any]], splits: Sequence[tuple[str, int]], block_rows: int
) -> dict[str, Any]:
    """Writes one file's rows. ``block.uri`` is the file, ``block.number`` its source number."""
    import pyarrow as pa

    rule = SplitRule.of([(n, b) for n, b in splits])
    full = schema_from_json(schema).append(pa.field(ROW_COLUMN, pa.int64()))
    parts = {n: PartWriter(uri, f"Split-{n}/part-{block.number:05d}.parquet", full, block_rows) for n in rule.names}
    rows = 0
    try:
        for batch in _batches(block.uri, full):
            ids = row_ids(block.number, rows, batch.num_rows)
            rows += batch.num_rows
            whole = pa.RecordBatch.from_arrays([*batch.columns, ids], schema=full)
            for name, part in rule.parts(whole):
                parts[name].write(part)
        return {"rows": rows, "parts": {name: part.close() for name, part in parts.items()}}
    except BaseException:
        for part in parts.values():
            part.abort()
        raise


def _batches(place: str, full: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The file's rows in the contract's types."""
    import pyarrow as pa

    from trueline._core.values import widen
    from trueline.engine.blocks import parquet_batches

    for raw in parquet_batches(place, _BATCH_ROWS):
        try:
            batch = widen(raw)
        except TruelineError as error:
            raise type(error)(error.message, where=f"{place} {error.where or ''}".strip()) from error
        columns = [
            pa.nulls(batch.num_rows, target.type) if kind == pa.null() else column
            for column, target, kind in zip(batch.columns, full, raw.schema.types, strict=False)
        ]
        yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
