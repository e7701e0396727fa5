"""CSV and TSV files become Examples: `ingest` with a `CsvSource`.

Types are guessed on what is read first of each file. A value that does not fit widens its column, and the files are
written again with the wider type, so the result is that of inference over all values of all files. Rows with a wrong
number of cells, or with a value that does not convert to a type which is fixed, are rejects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError
from trueline.data.csv_source import CsvSource
from trueline.data.ingestion import ingest
from trueline.data.inputs import list_inputs
from trueline.data.params import known_options
from trueline.data.report import IngestReport
from trueline.data.source import SourceSpec
from trueline.data.splits import DEFAULT_SPLITS
from trueline.data.splits_rules import SplitSpec
from trueline.engine.base import DEFAULT_BLOCK_ROWS, Engine

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["CSV_SOURCE", "fixed_types", "ingest_csv"]

CSV_SOURCE = "trueline.data.csv_source:CsvSource"


@known_options(ingest)
def ingest_csv(
    input_base: str,
    uri: str,
    *,
    splits: SplitSpec = DEFAULT_SPLITS,
    max_rejects: int = 0,
    block_rows: int = DEFAULT_BLOCK_ROWS,
    engine: Engine | None = None,
    schema: schema_pb2.Schema | None = None,
    pattern: str = "*",
    delimiter: str | None = None,
    encoding: str = "utf8",
    null_values: Sequence[str] = ("",),
    read_bytes: int = 2 << 20,
    column_types: Mapping[str, str] | None = None,
    column_names: Sequence[str] | None = None,
    quote: str | None = '"',
    escape: str | None = None,
    trim: bool = False,
    skip_rows: int = 0,
    multivalent_columns: Sequence[str] = (),
    secondary_delimiter: str | None = None,
    **options: Any,
) -> IngestReport:
    """Writes the rows of CSV files as Examples.

    Args:
        input_base: a CSV file, or a folder of them (``.gz``, ``.bz2`` and ``.zst`` are unpacked).
        uri: the folder of the Examples.
        splits: names and shares, or a rule; two thirds train and one third eval by default.
        max_rejects: how many rows may go to ``rejects/``; with one more the ingestion stops and names the first.
        block_rows: rows of a block.
        engine: runs the files; threads of this machine by default.
        schema: fixes the types of its features: BYTES utf8, INT int64, FLOAT float64. Features with a bool or time
            domain, and columns that it does not name, are guessed.
        pattern: which files of the folder, as in a shell.
        delimiter: one character; None: a tab for files named ``.tsv`` or ``.tab``, else a comma.
        encoding: a name that Python's codecs know.
        null_values: cells that are missing, quoted or not. The empty cell is always missing; ``""`` in quotes is text.
        read_bytes: how much is parsed at a time; the result does not depend on it.
        column_types: fixed types by column, before those of `schema`: ``utf8``, ``int64``, ``float64``, ``bool``,
            ``timestamp``.
        column_names: the names, for files without a header.
        quote: the character around cells that hold delimiters or line ends; None: quotes are text.
        escape: a character that takes the meaning from the one after it; None: there is none.
        trim: take blanks and tabs around unquoted cells and names away.
        skip_rows: physical lines to pass over at the start of each file.
        multivalent_columns: columns whose cells are lists.
        secondary_delimiter: what stands between a list's values.
        options: further options of `ingest`: ``where``, ``sample``, ``shuffle``, ``split_by`` and so on.

    Raises:
        DataError: no file, headers that differ, undecodable bytes, more rejects than allowed: with file and line.
        ConfigError: an option that is wrong.
    """
    params: dict[str, Any] = {
        "input_base": input_base,
        "pattern": pattern,
        "delimiter": delimiter,
        "encoding": encoding,
        "null_values": list(null_values),
        "read_bytes": read_bytes,
        "schema_types": fixed_types(schema),
        "column_types": dict(column_types or {}),
        "column_names": None if column_names is None else list(column_names),
        "quote": quote,
        "escape": escape,
        "trim": trim,
        "skip_rows": skip_rows,
        "multivalent_columns": list(multivalent_columns),
        "secondary_delimiter": secondary_delimiter,
    }
    _check(params, max_rejects, block_rows)
    params["files"] = list_inputs(input_base, pattern)
    more: dict[str, Any] = {"splits": splits, "max_rejects": max_rejects, "block_rows": block_rows, "engine": engine}
    return ingest(SourceSpec(CSV_SOURCE, params), uri, **more, **options)


def _check(params: Mapping[str, Any], max_rejects: int, block_rows: int) -> None:
    """Tells all wrong options at once, before the input is looked for."""
    problems = []
    if max_rejects < 0:
        problems.append(f"max_rejects is {max_rejects}, give 0 or more")
    if block_rows < 1:
        problems.append(f"block_rows is {block_rows}, give at least 1")
    try:
        CsvSource(**params)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError("the CSV options are wrong", problems=problems)


def fixed_types(schema: schema_pb2.Schema | None) -> dict[str, str]:
    """The column types that a schema fixes, by column."""
    if schema is None:
        return {}
    from tensorflow_metadata.proto.v0 import schema_pb2

    types = {schema_pb2.BYTES: "utf8", schema_pb2.INT: "int64", schema_pb2.FLOAT: "float64"}
    open_domains = {"bool_domain", "time_domain", "time_of_day_domain"}
    return {
        feature.name: types[feature.type]
        for feature in schema.feature
        if feature.type in types and feature.WhichOneof("domain_info") not in open_domains
    }
