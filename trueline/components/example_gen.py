"""Files to Examples: rows are read once, typed, dealt into splits by a hash of their values and written in blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from trueline._core.errors import ConfigError, DataError
from trueline.pipeline.artifacts import Examples
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, Out

__all__ = ["CsvExampleGen", "ParquetExampleGen", "execute_csv", "execute_parquet", "fingerprint"]

DEFAULT_SPLITS = (("train", 2), ("eval", 1))


class _FileExampleGen(Component):
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"examples": Out(Examples)}
    FINGERPRINT = "trueline.components.example_gen:fingerprint"

    def _declare(
        self,
        node_id: str | None,
        input_base: str,
        splits: Mapping[str, int] | Sequence[tuple[str, int]],
        block_rows: int,
        pattern: str,
        **params: Any,
    ) -> None:
        from trueline.data.splits import SplitRule

        pairs = list(splits.items() if isinstance(splits, Mapping) else splits)
        common = {"input_base": str(input_base), "splits": pairs, "block_rows": block_rows, "pattern": pattern}
        super().__init__(node_id=node_id, params=common | params)
        try:
            SplitRule.of(pairs)
        except ConfigError as error:
            for problem in error.problems:
                self.note(f"cannot split so: {problem}")
        if block_rows < 1:
            self.note(f"block_rows is {block_rows}; give at least 1")


class CsvExampleGen(_FileExampleGen):
    """Examples from CSV files with a header line.

    Types are inferred over all rows; an empty cell is a missing value. The cache key holds the contents of the files,
    so a changed file is read again and an unchanged one is not.

    Args:
        input_base: a file, or a folder whose files are read in the order of their names; all have the same header.
        splits: split name to hash buckets; ``(("train", 2), ("eval", 1))`` puts two thirds of the rows into train. A
            row's split depends on its values alone, so it stays there when other rows come or go.
        max_rejects: how many rows that do not parse may be set aside (in ``rejects/`` of the artifact) before the
            node fails. 0: the first bad row fails the node, named by file and line.
        block_rows: rows a block, the unit of computation.
        pattern: which of the folder's files, as in a shell.
        delimiter: one character.
        encoding: a name that Python's codecs know.
        null_values: what cells say when the value is missing.

    Outputs: ``examples``.
    """

    EXECUTOR = "trueline.components.example_gen:execute_csv"

    def __init__(
        self,
        *,
        input_base: str,
        splits: Mapping[str, int] | Sequence[tuple[str, int]] = DEFAULT_SPLITS,
        max_rejects: int = 0,
        block_rows: int = 65_536,
        pattern: str = "*",
        delimiter: str = ",",
        encoding: str = "utf8",
        null_values: Sequence[str] = ("",),
        node_id: str | None = None,
    ) -> None:
        self._declare(
            node_id,
            input_base,
            splits,
            block_rows,
            pattern,
            max_rejects=max_rejects,
            delimiter=delimiter,
            encoding=encoding,
            null_values=list(null_values),
        )
        if max_rejects < 0:
            self.note(f"max_rejects is {max_rejects}; give 0 or more")
        if len(delimiter) != 1:
            self.note(f"the delimiter {delimiter!r} is not one character")


class ParquetExampleGen(_FileExampleGen):
    """Examples from Parquet files.

    Args:
        input_base: a file, or a folder whose files are read in the order of their names; all have the same columns.
        splits: as for `CsvExampleGen`.
        block_rows: rows a block, the unit of computation.
        pattern: which of the folder's files, as in a shell.

    Outputs: ``examples``.
    """

    EXECUTOR = "trueline.components.example_gen:execute_parquet"

    def __init__(
        self,
        *,
        input_base: str,
        splits: Mapping[str, int] | Sequence[tuple[str, int]] = DEFAULT_SPLITS,
        block_rows: int = 65_536,
        pattern: str = "*",
        node_id: str | None = None,
    ) -> None:
        self._declare(node_id, input_base, splits, block_rows, pattern)


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
    options = dict(ctx.params)
    splits = [(str(name), int(buckets)) for name, buckets in options.pop("splits")]
    report = ingest(options.pop("input_base"), out.uri, splits=splits, engine=ctx.engine, **options)
    if not report.rows:
        raise DataError(
            f"there is no row in it (rejects: {report.rejects})",
            where=str(ctx.params["input_base"]),
            hint="a header alone is no data: a line that went on would learn and judge nothing.",
        )
    out.properties.update(span=0, version=0, split_names=[name for name, _ in splits])
    ctx.report(rows=report.rows, rejects=report.rejects, splits=dict(report.splits))
    for sentence in report.first_rejects:
        ctx.log.warning("rejected: %s", sentence)


def fingerprint(params: Mapping[str, Any]) -> str:
    """The sha256 over names and contents of the input files: what the cache key holds of the outside world.

    Raises:
        DataError: when there is nothing at ``input_base``.
    """
    from trueline.data import input_fingerprint

    return input_fingerprint(str(params["input_base"]), str(params["pattern"]))
