"""Parquet files become Examples: `ingest` with a `ParquetSource`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.data.ingestion import ingest
from trueline.data.inputs import list_inputs
from trueline.data.params import known_options
from trueline.data.report import IngestReport
from trueline.data.source import SourceSpec
from trueline.data.splits import DEFAULT_SPLITS
from trueline.data.splits_rules import SplitSpec
from trueline.engine.base import DEFAULT_BLOCK_ROWS, Engine

__all__ = ["PARQUET_SOURCE", "ingest_parquet"]

PARQUET_SOURCE = "trueline.data.parquet_source:ParquetSource"


@known_options(ingest)
def ingest_parquet(
    input_base: str,
    uri: str,
    *,
    splits: SplitSpec = DEFAULT_SPLITS,
    block_rows: int = DEFAULT_BLOCK_ROWS,
    engine: Engine | None = None,
    pattern: str = "*",
    columns: Sequence[str] | None = None,
    **options: Any,
) -> IngestReport:
    """Writes the rows of Parquet files as Examples.

    Args:
        input_base: a Parquet file, or a folder of them.
        uri: the folder of the Examples.
        splits: names and shares, or a rule; two thirds train and one third eval by default.
        block_rows: rows of a block.
        engine: runs the files; threads of this machine by default.
        pattern: which files of the folder, as in a shell.
        columns: the columns to read, in this order; all by default.
        options: further options of `ingest`: ``where``, ``sample``, ``shuffle``, ``split_by`` and so on.

    Raises:
        DataError: no file, or files whose columns differ.
        ArtifactError: a file that is no readable Parquet, naming it.
        SchemaError: columns or values outside the value contract.
        ConfigError: an option that is wrong.
    """
    params: dict[str, Any] = {"input_base": input_base, "pattern": pattern, "files": list_inputs(input_base, pattern)}
    if columns is not None:
        params["columns"] = list(columns)
    spec = SourceSpec(PARQUET_SOURCE, params)
    return ingest(spec, uri, splits=splits, block_rows=block_rows, engine=engine, **options)
