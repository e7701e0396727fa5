"""The work on one part of a source: its rows, kept or not, typed and dealt into splits, as Parquet files of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import DataError
from trueline._core.rowid import MAX_RECORDS, ROW_COLUMN, row_ids
from trueline.data.rows import RejectOutput, SplitOutput, keep_from_json
from trueline.data.source import SchemaGrew, SourceBatch, SourceSpec
from trueline.data.splits_rules import FixedSplit, rule_from_json
from trueline.data.widening import final_schema, schema_from_text, schema_to_text
from trueline.engine.base import Block

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["STAGED", "ingest_part"]

STAGED = "_staged"
"""The folder below an artifact where rows wait for a second pass."""


def ingest_part(
    block: Block,
    *,
    uri: str,
    inputs: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    schema: str,
    rule: Mapping[str, Any] | None,
    keep: Mapping[str, Any],
    block_rows: int,
    max_rejects: int,
    limit: int | None = None,
) -> dict[str, Any]:
    """Writes one part's rows. ``block.number`` is the source number in ``__row__``.

    Args:
        block: which part.
        uri: the artifact's folder.
        inputs: for each source ``spec`` (name and parameters), ``first`` (its first part's number) and ``split`` (the
            split of all its rows, or None).
        labels: the names of all parts.
        schema: the columns, as `schema_to_text` gives them.
        rule: the split rule; None: the rows are staged for a second pass.
        keep: which rows are kept.
        block_rows: rows of a block.
        max_rejects: rejects that are allowed.
        limit: how many rows are kept at most; reading stops there.

    Returns:
        ``grew``: the schema that the part asks for, or None; then nothing was written. Else ``rows``, ``rejects``,
        ``filtered``, ``sampled_out``, ``first`` (sentences), ``rejects_file``, ``parts``: blocks' rows by split.
    """
    found = next(i for i in reversed(inputs) if i["first"] <= block.number)
    raw = schema_from_text(schema)
    full = _with_rows(final_schema(raw))
    kept, label = keep_from_json(keep), labels[block.number]
    folder = "Split-{split}" if rule is not None else f"{STAGED}/rows"
    given = FixedSplit(found["split"] or "rows") if rule is None or found["split"] else rule_from_json(rule)
    output = SplitOutput(uri, block.number, given, full, block_rows, sources=labels, folder=folder)
    rejects = RejectOutput(uri, block.number, label, max_rejects)
    counts = {"rows": 0, "filtered": 0, "sampled_out": 0}
    try:
        source = SourceSpec(found["spec"]["name"], found["spec"]["params"]).open()
        rows = source.read(block.number - found["first"], raw) if limit != 0 else iter(())
        with _closing(rows) as batches:
            for batch in _numbered(batches, block.number, label, rejects):
                typed, filtered, sampled = kept.apply(batch)
                if limit is not None:
                    typed = typed.slice(0, limit - counts["rows"])
                counts["rows"] += typed.num_rows
                counts["filtered"] += filtered
                counts["sampled_out"] += sampled
                output.write(_final_batch(typed, full, label))
                if counts["rows"] == limit:
                    break
        parts = output.close()
        return {
            "grew": None,
            **counts,
            "rejects": rejects.count,
            "first": rejects.first,
            "rejects_file": rejects.close(),
            "parts": parts,
        }
    except SchemaGrew as grown:
        output.abort()
        rejects.abort()
        return {"grew": schema_to_text(grown.schema)}
    except BaseException:
        output.abort()
        rejects.abort()
        raise


@contextmanager
def _closing(batches: Iterator[SourceBatch]) -> Iterator[Iterator[SourceBatch]]:
    """The source's batches; what it has open is closed when the reading ends, however it ends."""
    try:
        yield batches
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()


def _with_rows(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return schema.append(pa.field(ROW_COLUMN, pa.int64()))


def _numbered(
    batches: Iterator[SourceBatch], number: int, label: str, rejects: RejectOutput
) -> Iterator[pa.RecordBatch]:
    """The source's batches with ``__row__`` as their last column."""
    import pyarrow as pa

    following = 0
    for found in batches:
        if found.rejects:
            rejects.write(found.rejects)
        rows = found.batch.num_rows
        if not rows:
            continue
        if found.records is None:
            ids = row_ids(number, following, rows)
            following += rows
        else:
            ids, following = _given_ids(found.records, number, rows, following, label)
        columns = [*found.batch.columns, ids]
        yield pa.RecordBatch.from_arrays(columns, names=[*found.batch.schema.names, ROW_COLUMN])


def _given_ids(records: Any, number: int, rows: int, following: int, label: str) -> tuple[pa.Array, int]:
    import pyarrow as pa

    array = np.asarray(records, np.int64)
    ascending = len(array) == rows and array[0] >= following and bool((np.diff(array) > 0).all())
    if not ascending or array[-1] >= MAX_RECORDS:
        raise DataError(
            "the source numbers its records wrongly",
            where=label,
            hint="one number a row, ascending over the whole part, from 0.",
        )
    return pa.array(array + row_ids(number, 0, 1)[0].as_py()), int(array[-1]) + 1


def _final_batch(batch: pa.RecordBatch, full: pa.Schema, label: str) -> pa.RecordBatch:
    """The batch in the types that are kept: what the source promised, with text where no value was seen."""
    import pyarrow as pa

    if batch.schema.names != full.names:
        raise DataError(
            "the source gives other columns than its schema has",
            where=label,
            problems=[f"schema: {full.names[:-1]}", f"batch: {batch.schema.names[:-1]}"],
        )
    columns = []
    for column, field in zip(batch.columns, full, strict=True):
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowException as error:
            raise DataError(
                f"column {field.name!r} comes as {column.type}, the source's schema says {field.type}: {error}",
                where=label,
                hint="give the column one type in all parts, or fix its type.",
            ) from error
    return pa.RecordBatch.from_arrays(columns, schema=full)
