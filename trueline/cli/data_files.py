"""Data and statistics that a command is pointed at: which kind they are, and how they are read, straight from the file.

csv, tsv, jsonl, parquet, avro, tfrecord    by the ending, packed (.gz, .bz2, .zst) or not
a folder or a pattern                       of files of one kind, here or at a URI (s3://bucket/day-*/part-?.csv)
Examples of a pipeline                      a folder with examples.json: one split of it
statistics                                  FeatureStats.pb, .pbtxt, or a folder of them by split
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ArtifactError, ConfigError, DataError, SchemaError

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

    from trueline.data import Source, SourceSpec
    from trueline.data_validation import StatsOptions
    from trueline.engine import Dataset

__all__ = ["KINDS", "DataFile", "DataOptions"]

KINDS = ("csv", "tsv", "jsonl", "parquet", "avro", "tfrecord", "sequence")
"""Kinds that ``--format`` can name."""

_STATISTICS = "FeatureStats.pb"
_TEXT = ("csv", "jsonl")
_EXACT = 2**53
_SOURCES = {
    "csv": "trueline.data.csv_source:CsvSource",
    "jsonl": "trueline.data.jsonl_source:JsonlSource",
    "parquet": "trueline.data.parquet_source:ParquetSource",
    "avro": "trueline.data.avro_source:AvroSource",
    "tfrecord": "trueline.data.tfrecord_source:TfRecordSource",
}


@dataclass(frozen=True)
class DataOptions:
    """What the command line says of how data are read.

    Attributes:
        format: a kind where the ending does not tell it; empty: the ending does.
        split: which split of Examples or of statistics; empty: train if there is one, else the only one.
        names: column names, for CSV without a header.
        delimiter: of CSV; empty: a tab for ``.tsv``, else a comma.
        trim: take blanks around cells of CSV away.
        max_rejects: rows that may be left out because they cannot be read.
        null: cells of CSV that are missing besides the empty one.
        encoding: of CSV; empty: UTF-8.
        skip_rows: lines to pass over at the start of each CSV.
    """

    format: str = ""
    split: str = ""
    names: tuple[str, ...] = ()
    delimiter: str = ""
    trim: bool = False
    max_rejects: int = 0
    null: tuple[str, ...] = ()
    encoding: str = ""
    skip_rows: int = 0

    def csv(self) -> dict[str, Any]:
        """Arguments of the CSV source; only what was given."""
        given = {
            "column_names": self.names,
            "delimiter": self.delimiter,
            "trim": self.trim,
            "null_values": ("", *self.null) if self.null else (),
            "encoding": self.encoding,
            "skip_rows": self.skip_rows,
        }
        return {name: value for name, value in given.items() if value}

    def arguments(self) -> list[str]:
        """The same on a command line."""
        given = {
            "--format": self.format,
            "--split": self.split,
            "--names": ",".join(self.names),
            "--delimiter": self.delimiter.replace("\t", "\\t"),
            "--encoding": self.encoding,
            "--max-rejects": str(self.max_rejects or ""),
            "--skip-rows": str(self.skip_rows or ""),
        }
        found = [part for option, value in given.items() if value for part in (option, value)]
        return found + ["--trim"] * self.trim + [part for text in self.null for part in ("--null", text)]


@dataclass(frozen=True)
class DataFile:
    """Data that were found.

    Attributes:
        location: as it was given.
        kind: a key of the readers, ``examples`` or ``statistics``.
        options: how they are read.
        split: the split of Examples or statistics.
        column_types: types of columns of text files that are not guessed.
        schema_types: the same for columns of CSV that may be there or not.
    """

    location: str
    kind: str
    options: DataOptions = field(default_factory=DataOptions)
    split: str = ""
    column_types: Mapping[str, str] = field(default_factory=dict)
    schema_types: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people call it."""
        own = self.location.rstrip("/").rsplit("/", 1)[-1]
        return f"{own}, split {self.split}" if self.split else own

    @property
    def has_rows(self) -> bool:
        """Whether there are rows to look at; statistics have none."""
        return self.kind != "statistics"

    def statistics(self, options: StatsOptions | None = None) -> statistics_pb2.DatasetFeatureStatisticsList:
        """The statistics: read from their file, or made of the rows, straight from the source.

        Raises:
            DataError, ArtifactError, SchemaError, ConfigError: as reading and counting do.
        """
        from trueline import data_validation

        if self.kind == "statistics":
            return self._load_statistics()
        if self.kind == "examples":
            return data_validation.generate_statistics(self._dataset(), options)
        if self.kind == "parquet":
            return data_validation.generate_statistics_from_parquet(self.location, stats_options=options)
        if self.kind == "csv":
            csv: dict[str, Any] = {"max_rejects": self.options.max_rejects, **self.options.csv()}
            csv |= {"column_types": dict(self.column_types), "schema_types": dict(self.schema_types)}
            return data_validation.generate_statistics_from_csv(self.location, stats_options=options, **csv)
        limit = self.options.max_rejects
        return data_validation.generate_statistics_from_source(self.spec(), stats_options=options, max_rejects=limit)

    def statistics_by(
        self, schema: schema_pb2.Schema, options: StatsOptions | None = None
    ) -> statistics_pb2.DatasetFeatureStatisticsList:
        """The statistics of rows that are held to a schema; `options` holds it too.

        Text has no types of its own: a type that was guessed gives way to the schema's where that takes every cell as
        it stands. In CSV all cells are text for the schema's BYTES, and whole numbers are numbers for its FLOAT. A
        column of any text file in which every cell is empty gets the schema's type. What does not fit the schema's
        type (text in a column of INT) stays another type.
        """
        from trueline.data_validation import StatsOptions

        options = options or StatsOptions(schema=schema)
        file = replace(self, schema_types=_texts_of(schema)) if self.kind == "csv" else self
        found = file.statistics(options if file.has_rows else None)
        types = _types_of_empty(found, schema) if file.kind in _TEXT else {}
        if file.kind == "csv":
            types |= _types_of_whole(found, schema)
        return replace(file, column_types=types).statistics(options) if types else found

    def rows(self) -> Source | Dataset:
        """The rows: a source, or a split of Examples.

        Raises:
            ConfigError: where there are only statistics.
        """
        if not self.has_rows:
            raise ConfigError("statistics have no rows to look at", where=self.location, hint="give the data.")
        return self._dataset() if self.kind == "examples" else self.source()

    def rows_by(self, schema: schema_pb2.Schema) -> Source | Dataset:
        """The rows, those of text files in the types that a schema gives: a cell that does not fit makes a reject."""
        if self.kind not in _TEXT:
            return self.rows()
        from trueline.data.csv_ingest import fixed_types

        spec = self.spec()
        return replace(spec, params={**spec.params, "schema_types": fixed_types(schema)}).open()

    def source(self) -> Source:
        """The source of a file's rows."""
        return self.spec().open()

    def spec(self) -> SourceSpec:
        """The source as data."""
        from trueline.data import SourceSpec
        from trueline.data_validation.entry import location_of

        base, pattern = location_of(self.location)
        params: dict[str, Any] = {"input_base": base, "pattern": pattern}
        kind = "tfrecord" if self.kind == "sequence" else self.kind
        if kind == "csv":
            params |= self.options.csv()
        if self.column_types:
            params["column_types"] = dict(self.column_types)
        if self.schema_types:
            params["schema_types"] = dict(self.schema_types)
        if self.kind == "sequence":
            params["payload"] = "sequence_example"
        return SourceSpec(_SOURCES[kind], params)

    def source_names(self) -> list[str]:
        """Names of the files that rows come from, by the number in ``__row__``."""
        if self.kind == "examples":
            from trueline.data import Examples

            return [str(source["name"]) for source in Examples.open(self.location).sources]
        return list(self.source().parts())

    def _dataset(self) -> Dataset:
        from trueline.data import Examples

        return Examples.open(self.location).dataset(self.split)

    def _load_statistics(self) -> statistics_pb2.DatasetFeatureStatisticsList:
        from trueline._core import store
        from trueline.data_validation import load_statistics

        place = store.join(self.location, f"Split-{self.split}", _STATISTICS) if self.split else self.location
        try:
            return load_statistics(place)
        except SchemaError as error:
            if _is_schema(place):
                hint = "give data or statistics; `trueline schema view` shows a schema."
                raise DataError("this is a schema, not data", where=place, hint=hint) from error
            raise


def _types_of_empty(statistics: Any, schema: schema_pb2.Schema) -> dict[str, str]:
    """The schema's types of the columns in which there is no value at all."""
    from trueline.data.csv_ingest import fixed_types

    types = fixed_types(schema)
    return {
        feature.path.step[0]: types[feature.path.step[0]]
        for feature in statistics.datasets[0].features
        if feature.HasField("string_stats")
        and feature.string_stats.common_stats.num_non_missing == 0
        and types.get(feature.path.step[0], "utf8") != "utf8"
    }


def _texts_of(schema: schema_pb2.Schema) -> dict[str, str]:
    """The columns that the schema calls BYTES: 01234 is text there, whatever else the file holds."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    return {feature.name: "utf8" for feature in schema.feature if feature.type == schema_pb2.BYTES}


def _types_of_whole(statistics: Any, schema: schema_pb2.Schema) -> dict[str, str]:
    """The columns of whole numbers that the schema calls FLOAT, where floats hold every one of them."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.data.csv_ingest import fixed_types

    floats = {name for name, kind in fixed_types(schema).items() if kind == "float64"}
    return {
        feature.path.step[0]: "float64"
        for feature in statistics.datasets[0].features
        if feature.type == statistics_pb2.FeatureNameStatistics.INT
        and feature.path.step[0] in floats
        and not any(stat.name == "arrow_type" for stat in feature.custom_stats)
        and max(-feature.num_stats.min, feature.num_stats.max) < _EXACT
    }


def _is_schema(place: str) -> bool:
    from trueline.cli.data_files_find import load_schema

    try:
        return bool(load_schema(place).feature)
    except (SchemaError, ArtifactError):
        return False
