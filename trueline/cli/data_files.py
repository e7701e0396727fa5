"""Data and statistics that a command is pointed at: which kind they are, and how they are read, straight from the file.

csv, tsv, jsonl, parquet, avro, tfrecord    by the ending, packed (.gz, .bz2, .zst) or not
a folder or a pattern                       of files of one kind, here or at a URI (s3://bucket/day-*/part-?.csv)
Examples of a pipeline                      a folder with examples.json: one split of it
statistics                                  FeatureStats.pb, .pbtxt, or a folder of them by split
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ArtifactError, ConfigError, DataError, SchemaError, did_you_mean

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

    from trueline.data import Source, SourceSpec
    from trueline.data_validation import StatsOptions
    from trueline.engine import Dataset

__all__ = ["KINDS", "DataFile", "DataOptions", "find_data", "find_other", "load_schema"]

KINDS = ("csv", "tsv", "jsonl", "parquet", "avro", "tfrecord", "sequence")
"""Kinds that ``--format`` can name."""

_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".avro": "avro",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
    ".pb": "statistics",
    ".pbtxt": "statistics",
}
_PACKED = (".gz", ".bz2", ".zst")
_EXAMPLES, _STATISTICS, _SCHEMA = "examples.json", "FeatureStats.pb", "schema.pbtxt"
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
    """

    format: str = ""
    split: str = ""
    names: tuple[str, ...] = ()
    delimiter: str = ""
    trim: bool = False
    max_rejects: int = 0

    def csv(self) -> dict[str, Any]:
        """Arguments of the CSV source; only what was given."""
        given = {"column_names": self.names, "delimiter": self.delimiter, "trim": self.trim}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class DataFile:
    """Data that were found.

    Attributes:
        location: as it was given.
        kind: a key of the readers, ``examples`` or ``statistics``.
        options: how they are read.
        split: the split of Examples or statistics.
    """

    location: str
    kind: str
    options: DataOptions = field(default_factory=DataOptions)
    split: str = ""

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
            return data_validation.generate_statistics_from_csv(self.location, stats_options=options, **csv)
        limit = self.options.max_rejects
        return data_validation.generate_statistics_from_source(self.spec(), stats_options=options, max_rejects=limit)

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
        if self.kind not in ("csv", "jsonl"):
            return self.rows()
        from dataclasses import replace

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


def _is_schema(place: str) -> bool:
    try:
        return bool(load_schema(place).feature)
    except (SchemaError, ArtifactError):
        return False


def find_data(location: str, options: DataOptions | None = None) -> DataFile:
    """The data or statistics at a location, by ending and content.

    Raises:
        DataError: nothing is there, or files of no kind or of several.
        ConfigError: a split that does not exist, or that has to be named.
    """
    options = options or DataOptions()
    if options.format:
        if options.format == "tsv":
            return DataFile(location, "csv", _tabbed(options))
        return DataFile(location, options.format, options)
    from trueline._core import store
    from trueline.data import list_inputs
    from trueline.data_validation.entry import location_of

    if store.exists(store.join(location, _EXAMPLES)):
        from trueline.data import Examples

        return DataFile(location, "examples", options, _split(location, options, Examples.open(location).splits))
    splits = [n.removeprefix("Split-") for n in store.listdir(location) if n.startswith("Split-")]
    if splits and all(store.exists(store.join(location, f"Split-{split}", _STATISTICS)) for split in splits):
        return DataFile(location, "statistics", options, _split(location, options, splits))
    own = location.rstrip("/").rsplit("/", 1)[-1]
    base, pattern = location_of(location)
    if pattern == "*" and not store.exists(location):
        raise DataError("no such file", where=location, hint=_near(location))
    names = [name or own for name in list_inputs(base, pattern)]
    kinds = {name: _kind_of(name) for name in names}
    return DataFile(location, _one_kind(location, kinds), options)


def find_other(location: str, options: DataOptions) -> DataFile:
    """Data to compare with, read as the first are; a kind that was given for those holds where no ending tells one."""
    from dataclasses import replace

    return find_data(location, replace(options, format="") if _kind_of(location) else options)


def _tabbed(options: DataOptions) -> DataOptions:
    from dataclasses import replace

    return replace(options, delimiter=options.delimiter or "\t")


def _near(location: str) -> str | None:
    """What lies where a local file was looked for."""
    from trueline._core import store

    folder, _, name = location.rstrip("/").rpartition("/")
    names = [found for found in store.listdir(folder or ".") if not found.startswith((".", "_"))]
    return did_you_mean(name, names) if difflib.get_close_matches(name, names) else None


def _split(location: str, options: DataOptions, splits: Sequence[str]) -> str:
    if options.split:
        if options.split not in splits:
            raise ConfigError(
                f"there is no split {options.split!r}", where=location, hint=did_you_mean(options.split, list(splits))
            )
        return options.split
    if "train" in splits:
        return "train"
    if len(splits) == 1:
        return splits[0]
    raise ConfigError("there are several splits", where=location, hint=f"give --split: {', '.join(splits)}.")


def _kind_of(name: str) -> str | None:
    lowered = name.lower()
    for packed in _PACKED:
        lowered = lowered.removesuffix(packed)
    return next((kind for ending, kind in _ENDINGS.items() if lowered.endswith(ending)), None)


def _one_kind(location: str, kinds: Mapping[str, str | None]) -> str:
    found = {kind for kind in kinds.values() if kind is not None}
    unknown = [name for name, kind in kinds.items() if kind is None]
    if len(found) == 1 and not unknown:
        return found.pop()
    if found == {"statistics"} or (found and not unknown):
        problems = [f"{name}: {kind}" for name, kind in kinds.items()]
        raise DataError("there are files of several kinds", where=location, problems=problems[:_SHOWN], hint=_PATTERN)
    raise DataError(
        "the ending does not tell the kind of the file" if len(kinds) == 1 else "some files are of no known kind",
        where=location,
        problems=[] if len(kinds) == 1 else unknown[:_SHOWN],
        hint=f"known endings: {' '.join(_ENDINGS)} (.gz too); or say it with --format"
        + ("." if len(kinds) == 1 else ", or give a pattern such as 'folder/*.csv'."),
    )


_SHOWN = 10
_PATTERN = "give a pattern that takes one kind, such as 'folder/*.csv'."


def load_schema(location: str) -> schema_pb2.Schema:
    """The schema in a text file, or in a Schema artifact's folder.

    Raises:
        SchemaError: naming file, line and column, if the text does not parse.
        ArtifactError: when there is no such file.
    """
    from trueline._core import store
    from trueline.schema import load_schema_text

    inside = store.join(location, _SCHEMA)
    if store.exists(inside):
        return load_schema_text(inside)
    if not store.exists(location):
        raise ArtifactError("there is no schema here", where=location, hint=_near(location) or _INFER)
    if store.listdir(location) or (store.is_local(location) and store.local_path(location).is_dir()):
        raise ArtifactError(f"the folder holds no {_SCHEMA}", where=location, hint=_INFER)
    return load_schema_text(location)


_INFER = "`trueline schema infer DATA --out schema.pbtxt` makes one from data."
