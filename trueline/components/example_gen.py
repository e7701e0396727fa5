"""Files to Examples: rows are read once, typed, dealt into splits by a hash of their values and written in blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from trueline._core.errors import ConfigError
from trueline.pipeline.artifacts import Examples
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, Out

__all__ = ["CsvExampleGen", "ParquetExampleGen", "execute_csv", "execute_parquet", "fingerprint"]

DEFAULT_SPLITS = (("train", 2), ("eval", 1))


def _splits(given: Mapping[str, int] | Sequence[tuple[str, int]]) -> list[Any]:
    pairs = given.items() if isinstance(given, Mapping) else given
    return [(name, buckets) for name, buckets in pairs]


class _FileExampleGen(Component):
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"examples": Out(Examples)}
    FINGERPRINT = "trueline.components.example_gen:fingerprint"

    def __init__(
        self,
        *,
        input_base: str,
        splits: Mapping[str, int] | Sequence[tuple[str, int]] = DEFAULT_SPLITS,
        max_rejects: int = 0,
        block_rows: int = 65_536,
        node_id: str | None = None,
    ) -> None:
        from trueline.data.splits import SplitRule

        super().__init__(
            node_id=node_id,
            params={
                "input_base": str(input_base),
                "splits": _splits(splits),
                "max_rejects": max_rejects,
                "block_rows": block_rows,
            },
        )
        try:
            SplitRule.of(_splits(splits))
        except ConfigError as error:
            for problem in error.problems:
                self.note(f"cannot split so: {problem}")
        if max_rejects < 0:
            self.note(f"max_rejects is {max_rejects}; give 0 or more")


class CsvExampleGen(_FileExampleGen):
    """Examples from CSV files with a header line.

    Types are inferred over all rows; an empty cell is a missing value. The cache key holds the contents of the files,
    so a changed file is read again and an unchanged one is not.

    Args:
        input_base: a file, or a folder whose ``*.csv`` files are read in the order of their names.
        splits: split name to hash buckets; ``(("train", 2), ("eval", 1))`` puts two thirds of the rows into train. A
            row's split depends on its values alone, so it stays there when other rows come or go.
        max_rejects: how many rows that do not parse may be set aside (in ``rejects/`` of the artifact) before the
            node fails. 0: the first bad row fails the node, named by file and line.
        block_rows: rows a block, the unit of computation.

    Outputs: ``examples``.
    """

    EXECUTOR = "trueline.components.example_gen:execute_csv"


class ParquetExampleGen(_FileExampleGen):
    """Examples from Parquet files; arguments and output as `CsvExampleGen`."""

    EXECUTOR = "trueline.components.example_gen:execute_parquet"


def execute_csv(ctx: ExecutionContext) -> None:
    """Reads CSV files."""
    from trueline.data import ingest_csv

    _ingest(ctx, ingest_csv)


def execute_parquet(ctx: ExecutionContext) -> None:
    """Reads Parquet files."""
    from trueline.data import ingest_parquet

    _ingest(ctx, ingest_parquet)


def _ingest(ctx: ExecutionContext, ingest: Callable[..., Any]) -> None:
    out = ctx.output("examples")
    splits = [(str(name), int(buckets)) for name, buckets in ctx.params["splits"]]
    report = ingest(
        ctx.params["input_base"],
        out.uri,
        splits=splits,
        max_rejects=ctx.params["max_rejects"],
        block_rows=ctx.params["block_rows"],
        engine=ctx.engine,
    )
    out.properties.update(span=0, version=0, split_names=[name for name, _ in splits])
    ctx.report(rows=report.rows, rejects=report.rejects, splits=dict(report.splits))


def fingerprint(params: Mapping[str, Any]) -> str:
    """The sha256 over names and contents of the input files: what the cache key holds of the outside world.

    Raises:
        DataError: when there is nothing at ``input_base``.
    """
    from trueline.data import input_fingerprint

    return input_fingerprint(str(params["input_base"]))
