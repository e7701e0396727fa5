"""The two jobs of a shuffle: scatter one file's rows into buckets, gather one bucket's rows in their order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core import store
from trueline._core.errors import DataError
from trueline._core.rowid import ROW_COLUMN
from trueline.data.repartition_job import BATCH_ROWS, rule_of_file
from trueline.data.rows import keep_from_json
from trueline.data.splits_rules import Rule
from trueline.data.writer import PartWriter
from trueline.engine.base import Block

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["gather", "scatter_file", "scattered_name"]

_SHUFFLE_SEED = 0x53485546464C45
CHUNK_BYTES = 32 << 20
"""How much of a file's rows is sorted into buckets at a time."""
U64 = np.ndarray[Any, np.dtype[np.uint64]]


def place_keys(rows: pa.RecordBatch | pa.Table, seed: int) -> U64:
    """The keys that rows are sorted by: no two are equal."""
    from trueline._core.hash import hash_array

    return hash_array(rows.column(ROW_COLUMN), seed ^ _SHUFFLE_SEED)


def bucket_of(keys: U64, buckets: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Which of equal ranges of keys each key lies in."""
    return ((keys >> np.uint64(32)) * np.uint64(buckets) >> np.uint64(32)).astype(np.int64)


def scattered_name(number: int, chunk: int) -> str:
    """Where the rows of one chunk of a file lie, below the staging folder."""
    return f"scattered/part-{number:05d}-{chunk:05d}.parquet"


def scatter_file(
    block: Block,
    *,
    staging: str,
    rule: Mapping[str, Any] | None,
    fixed: Mapping[str, str],
    keep: Mapping[str, Any],
    seed: int,
    buckets: int,
    sources: Sequence[str],
) -> dict[str, Any]:
    """Writes one file's kept rows, a chunk at a time: a file of row groups, each of one split and bucket.

    Returns:
        ``chunks``: for each file split, bucket and rows of its row groups; ``filtered``, ``sampled_out``.
    """
    from trueline.engine.blocks import parquet_schema

    schema = parquet_schema(block.uri).remove_metadata()
    given = rule_of_file(block.number, rule, fixed)
    chunks: list[list[tuple[str, int, int]]] = []
    left_out = {"filtered": 0, "sampled_out": 0}
    for chunk in _chunks(block.uri, schema, keep, left_out):
        groups = []
        with PartWriter(staging, scattered_name(block.number, len(chunks)), schema, 1 << 40) as writer:
            for split, bucket, rows in _sorted_rows(chunk, given, sources, seed, buckets):
                writer.write_block(rows)
                groups.append((split, bucket, rows.num_rows))
        chunks.append(groups)
    return {"chunks": chunks, **left_out}


def _chunks(uri: str, schema: pa.Schema, keep: Mapping[str, Any], left_out: dict[str, int]) -> Iterator[pa.RecordBatch]:
    """The file's kept rows, a chunk of bounded size at a time."""
    import pyarrow as pa

    from trueline.engine.blocks import parquet_batches

    kept = keep_from_json(keep)
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in parquet_batches(uri, BATCH_ROWS):
        rows, filtered, sampled = kept.apply(batch.replace_schema_metadata(None))
        left_out["filtered"] += filtered
        left_out["sampled_out"] += sampled
        held.append(rows)
        size += rows.nbytes
        if size >= CHUNK_BYTES:
            yield from _whole(pa.Table.from_batches(held, schema=schema))
            held, size = [], 0
    yield from _whole(pa.Table.from_batches(held, schema=schema))


def _whole(table: pa.Table) -> list[pa.RecordBatch]:
    return table.combine_chunks().to_batches() if table.num_rows else []


def _sorted_rows(
    chunk: pa.RecordBatch, rule: Rule, sources: Sequence[str], seed: int, buckets: int
) -> Iterator[tuple[str, int, pa.RecordBatch]]:
    """The chunk's rows by split and bucket."""
    import pyarrow as pa

    split = rule.assign(chunk, sources).astype(np.int64)
    slot = split * buckets + bucket_of(place_keys(chunk, seed), buckets)
    order = np.argsort(slot, kind="stable")
    ordered, slots = chunk.take(pa.array(order)), slot[order]
    starts = np.flatnonzero(np.concatenate([[True], slots[1:] != slots[:-1]]))
    for start, end in zip(starts, [*starts[1:], len(slots)], strict=True):
        number = int(slots[start])
        yield rule.names[number // buckets], number % buckets, ordered.slice(int(start), int(end - start))


def gather(block: Block, *, uri: str, seed: int, block_rows: int, splits: Sequence[str]) -> list[int]:
    """Writes one bucket's rows in their order; the rows of each block. ``block.uri`` is the plan of all buckets."""
    import pyarrow as pa

    from trueline.engine.blocks import read_block

    pieces = json.loads(store.read_text(block.uri))[str(block.number)]
    batches = [read_block(Block(0, place, group, rows)) for place, group, rows in pieces]
    table = pa.Table.from_batches([b.replace_schema_metadata(None) for b in batches])
    del batches
    order = np.argsort(place_keys(table, seed), kind="stable")
    if table.nbytes >= 1 << 31:
        raise DataError("a bucket of the shuffle holds more than 2 GiB", hint="shuffle fewer rows at a time.")
    name = f"Split-{splits[block.number]}/part-{block.number:05d}.parquet"
    with PartWriter(uri, name, table.schema, block_rows) as writer:
        for start in range(0, len(order), block_rows):
            for batch in table.take(pa.array(order[start : start + block_rows])).to_batches():
                writer.write(batch)
        return writer.close()
