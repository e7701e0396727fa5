"""The ExampleGens of files, one for each format. What all share is in `trueline.components.example_gen_base`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from trueline._core.errors import ConfigError
from trueline.components.example_gen_base import ExampleGen, IngestOptions, problems_of, range_to_json

if TYPE_CHECKING:
    from trueline.data import RollingRange, StaticRange

__all__ = [
    "AvroExampleGen",
    "CsvExampleGen",
    "ImportExampleGen",
    "JsonlExampleGen",
    "ParquetExampleGen",
]

Pattern = str | Mapping[str, str]
"""Which files, as in a shell; ``{SPAN}``, ``{VERSION}``, ``{YYYY}{MM}{DD}`` are numbers. Or one a split."""
_DATA = "trueline.data"


class _FileExampleGen(ExampleGen):
    """Base of those that read files."""

    SOURCE = ""

    def _files(
        self,
        node_id: str | None,
        input_base: str,
        pattern: Pattern,
        span_range: StaticRange | RollingRange | None,
        options: Mapping[str, Any],
        schema_file: str | None = None,
        **params: Any,
    ) -> None:
        kept = pattern if isinstance(pattern, str) else dict(pattern)
        files = {
            "input_base": str(input_base),
            "pattern": kept,
            "range": range_to_json(span_range),
            "schema_file": None if schema_file is None else str(schema_file),
        }
        ExampleGen.__init__(
            self, node_id=node_id, source=f"{_DATA}.{self.SOURCE}", params=params, files=files, options=options
        )
        for problem in _pattern_problems(kept, span_range is not None):
            self.note(problem)


def _pattern_problems(pattern: Pattern, ranged: bool) -> list[str]:
    from trueline.data.spans_pattern import SpanPattern

    problems, spans = [], False
    for text in [pattern] if isinstance(pattern, str) else pattern.values():
        try:
            spans |= SpanPattern.parse(text).has_span
        except ConfigError as error:
            problems += [f"has a wrong pattern: {p}" for p in error.problems or (error.message,)]
    if ranged and not spans and not problems:
        problems.append("has a span_range, but its pattern has no {SPAN} and no date")
    return problems


class CsvExampleGen(_FileExampleGen):
    """Examples from CSV and TSV files.

    Types are inferred over all rows; an empty cell is a missing value. The cache key holds the contents of the files,
    so a changed file is read again and an unchanged one is not.

    Args:
        input_base: a file, or a folder whose files are read in the order of their names; all have the same header.
        pattern: which of the folder's files; one for each split where the input is split already.
        span_range: which spans of a pattern with spans; the newest by default.
        delimiter: one character; a comma, or a tab for files that end in ``.tsv``, by default.
        encoding: a name that Python's codecs know.
        null_values: what cells say when the value is missing.
        schema_file: a ``schema.pbtxt`` that fixes the types of its features.
        column_types: columns whose type is fixed, such as ``{"zip": "utf8"}`` for ids with leading zeros.
        column_names: the columns' names, for files without a header.
        trim: whether blanks around unquoted cells are cut off.
        quote, escape: the dialect's characters.
        skip_rows: lines before the header.
        multivalent_columns: columns whose cells hold several values, parted by `secondary_delimiter`.
        options: see `IngestOptions`.

    Outputs: ``examples``.
    """

    SOURCE = "csv_source:CsvSource"

    def __init__(
        self,
        *,
        input_base: str,
        pattern: Pattern = "*",
        span_range: StaticRange | RollingRange | None = None,
        delimiter: str | None = None,
        encoding: str = "utf8",
        null_values: Sequence[str] = ("",),
        schema_file: str | None = None,
        column_types: Mapping[str, str] | None = None,
        column_names: Sequence[str] | None = None,
        trim: bool = False,
        quote: str | None = '"',
        escape: str | None = None,
        skip_rows: int = 0,
        multivalent_columns: Sequence[str] = (),
        secondary_delimiter: str | None = None,
        node_id: str | None = None,
        **options: Unpack[IngestOptions],
    ) -> None:
        params: dict[str, Any] = {
            "delimiter": delimiter,
            "encoding": encoding,
            "null_values": list(null_values),
            "column_types": dict(column_types or {}),
            "column_names": None if column_names is None else list(column_names),
            "trim": trim,
            "quote": quote,
            "escape": escape,
            "skip_rows": skip_rows,
            "multivalent_columns": list(multivalent_columns),
            "secondary_delimiter": secondary_delimiter,
        }
        self._files(node_id, input_base, pattern, span_range, options, schema_file, **params)
        from trueline.data.csv_source import CsvSource

        for problem in problems_of(lambda: CsvSource(str(input_base), **params)):
            self.note(problem)


class JsonlExampleGen(_FileExampleGen):
    """Examples from files of one JSON object a line; a column a key.

    Args:
        input_base, pattern, span_range: as for `CsvExampleGen`.
        encoding: a name that Python's codecs know.
        schema_file: a ``schema.pbtxt`` that fixes the types of its features.
        column_types: columns whose type is fixed.
        options: see `IngestOptions`.

    Outputs: ``examples``.
    """

    SOURCE = "jsonl_source:JsonlSource"

    def __init__(
        self,
        *,
        input_base: str,
        pattern: Pattern = "*",
        span_range: StaticRange | RollingRange | None = None,
        encoding: str = "utf8",
        schema_file: str | None = None,
        column_types: Mapping[str, str] | None = None,
        node_id: str | None = None,
        **options: Unpack[IngestOptions],
    ) -> None:
        types = dict(column_types or {})
        params: dict[str, Any] = {"encoding": encoding, "column_types": types}
        self._files(node_id, input_base, pattern, span_range, options, schema_file, **params)


class ParquetExampleGen(_FileExampleGen):
    """Examples from Parquet files.

    Args:
        input_base, pattern, span_range: as for `CsvExampleGen`.
        columns: the columns to read; all by default.
        options: see `IngestOptions`.

    Outputs: ``examples``.
    """

    SOURCE = "parquet_source:ParquetSource"

    def __init__(
        self,
        *,
        input_base: str,
        pattern: Pattern = "*",
        span_range: StaticRange | RollingRange | None = None,
        columns: Sequence[str] | None = None,
        node_id: str | None = None,
        **options: Unpack[IngestOptions],
    ) -> None:
        chosen = None if columns is None else list(columns)
        self._files(node_id, input_base, pattern, span_range, options, columns=chosen)


class AvroExampleGen(_FileExampleGen):
    """Examples from Avro files; needs the ``avro`` extra.

    Args:
        input_base, pattern, span_range: as for `CsvExampleGen`.
        options: see `IngestOptions`.

    Outputs: ``examples``.
    """

    SOURCE = "avro_source:AvroSource"

    def __init__(
        self,
        *,
        input_base: str,
        pattern: Pattern = "*",
        span_range: StaticRange | RollingRange | None = None,
        node_id: str | None = None,
        **options: Unpack[IngestOptions],
    ) -> None:
        self._files(node_id, input_base, pattern, span_range, options)


class ImportExampleGen(_FileExampleGen):
    """Examples from TFRecord files of ``tf.Example`` or ``tf.SequenceExample``, plain or packed; no TensorFlow needed.

    Args:
        input_base, pattern, span_range: as for `CsvExampleGen`.
        payload: ``example`` or ``sequence_example``.
        schema_file: a ``schema.pbtxt`` that fixes the types and shapes of its features.
        options: see `IngestOptions`.

    Outputs: ``examples``.
    """

    SOURCE = "tfrecord_source:TfRecordSource"

    def __init__(
        self,
        *,
        input_base: str,
        pattern: Pattern = "*",
        span_range: StaticRange | RollingRange | None = None,
        payload: str = "example",
        schema_file: str | None = None,
        node_id: str | None = None,
        **options: Unpack[IngestOptions],
    ) -> None:
        self._files(node_id, input_base, pattern, span_range, options, schema_file, payload=payload)
        if payload not in ("example", "sequence_example"):
            self.note(f"has payload {payload!r}; give 'example' or 'sequence_example'")
