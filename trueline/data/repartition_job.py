"""The second pass: rows that lie in Parquet files already are kept or not, dealt into splits and written again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline.data.rows import Keep, SplitOutput, keep_from_json
from trueline.data.splits_rules import FixedSplit, Rule, rule_from_json
from trueline.engine.base import Block, Dataset, Engine, FunctionSpec, Shard

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Dealt", "RowFile", "deal", "deal_file", "rows_dataset"]

BATCH_ROWS = 16_384


@dataclass(frozen=True)
class RowFile:
    """A Parquet file of rows with ``__row__``.

    Attributes:
        number: its number in the pass.
        uri: the file.
        blocks: the rows of each of its row groups.
        split: where all its rows go; None: the rule says it for each row.
    """

    number: int
    uri: str
    blocks: tuple[int, ...]
    split: str | None = None


@dataclass(frozen=True)
class Dealt:
    """What one job wrote: blocks' rows by split, and how many rows it left out."""

    number: int
    parts: Mapping[str, tuple[int, ...]]
    filtered: int = 0
    sampled_out: int = 0


def rows_dataset(files: Sequence[RowFile], schema: pa.Schema) -> Dataset:
    """The rows of all files as blocks, to be looked at before they are dealt."""
    groups = [(f.uri, g, rows) for f in files for g, rows in enumerate(f.blocks)]
    return Dataset((Shard(0, tuple(Block(n, u, g, rows) for n, (u, g, rows) in enumerate(groups))),), schema)


def file_dataset(files: Sequence[RowFile], schema: pa.Schema) -> Dataset:
    """One block a file, for `Engine.map_blocks`."""
    return Dataset((Shard(0, tuple(Block(f.number, f.uri, 0, sum(f.blocks)) for f in files)),), schema)


def deal(
    uri: str,
    files: Sequence[RowFile],
    schema: pa.Schema,
    *,
    rule: Rule | None,
    keep: Keep,
    block_rows: int,
    engine: Engine,
    sources: Sequence[str],
) -> list[Dealt]:
    """Writes the kept rows of the files into ``Split-<name>/``, one file a job and split, in the order they had."""
    params = {
        "uri": uri,
        "rule": None if rule is None else rule.to_json(),
        "fixed": {str(f.number): f.split for f in files if f.split is not None},
        "keep": keep.to_json(),
        "block_rows": block_rows,
        "sources": list(sources),
    }
    found = engine.map_blocks(FunctionSpec(f"{__name__}:deal_file", params), file_dataset(files, schema))
    return [
        Dealt(f.number, {s: tuple(counts) for s, counts in r["parts"].items()}, r["filtered"], r["sampled_out"])
        for f, r in zip(files, found, strict=True)
    ]


def rule_of_file(number: int, rule: Mapping[str, Any] | None, fixed: Mapping[str, str]) -> Rule:
    """The rule of one file: its own split, or the common rule."""
    return FixedSplit(fixed[str(number)]) if str(number) in fixed else rule_from_json(rule or {})


def deal_file(
    block: Block,
    *,
    uri: str,
    rule: Mapping[str, Any] | None,
    fixed: Mapping[str, str],
    keep: Mapping[str, Any],
    block_rows: int,
    sources: Sequence[str],
) -> dict[str, Any]:
    """Writes one file's rows. ``block.uri`` is the file, ``block.number`` its number in the pass."""
    from trueline.engine.blocks import parquet_batches, parquet_schema

    schema = parquet_schema(block.uri).remove_metadata()
    kept = keep_from_json(keep)
    output = SplitOutput(
        uri, block.number, rule_of_file(block.number, rule, fixed), schema, block_rows, sources=sources
    )
    filtered = sampled = 0
    try:
        for batch in parquet_batches(block.uri, BATCH_ROWS):
            rows, left_out, not_drawn = kept.apply(batch.replace_schema_metadata(None))
            filtered += left_out
            sampled += not_drawn
            output.write(rows)
        return {"filtered": filtered, "sampled_out": sampled, "parts": output.close()}
    except BaseException:
        output.abort()
        raise
