"""TensorFlow Data Validation's entry points: statistics of files and tables, without a pipeline and without Examples.

    statistics = generate_statistics_from_csv("/data/taxi/*.csv", stats_options=StatsOptions(weight_feature="w"))

A location is a file, a folder, or a pattern (``*``, ``?``, ``[...]``), on this machine or at a URI that fsspec knows
(``s3://bucket/day-*/part-?.csv``). All entry points cut the rows into the same blocks, so the same rows give the same
statistics in float64, from whatever format: upstream's readers differ in that (CSV is float32 there, DataFrames lose
times, and their top values are estimates).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError
from trueline.data_validation.given import check_compression, check_pipeline, options_of
from trueline.data_validation.options import StatsOptions
from trueline.engine.base import DEFAULT_BLOCK_ROWS

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.data.source import Source, SourceSpec
    from trueline.data_validation.source_pass import Narrow

__all__ = [
    "generate_statistics_from_arrow",
    "generate_statistics_from_avro",
    "generate_statistics_from_csv",
    "generate_statistics_from_dataframe",
    "generate_statistics_from_jsonl",
    "generate_statistics_from_parquet",
    "generate_statistics_from_source",
    "generate_statistics_from_tfrecord",
    "location_of",
    "named_source",
    "types_of_schema",
    "workers_of",
]

_PATTERN = frozenset("*?[")


def generate_statistics_from_csv(
    data_location: str | os.PathLike[str],
    column_names: Sequence[str] | None = None,
    delimiter: str | None = None,
    output_path: str | None = None,
    stats_options: StatsOptions | None = None,
    pipeline_options: None = None,
    compression_type: str | None = None,
    *,
    max_rejects: int = 0,
    n_jobs: int | None = None,
    **csv_options: Any,
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of CSV or TSV files.

    Types are those of all values of a column: integer, float, boolean, time or text; an empty cell is missing. With
    ``infer_type_from_schema`` in the options they are the schema's, and columns that it does not name are left out.

    Args:
        data_location: a file, a folder or a pattern; ``.gz``, ``.bz2`` and ``.zst`` are unpacked.
        column_names: the names, for files without a header.
        delimiter: one character; None: a tab for ``.tsv`` and ``.tab``, else a comma.
        output_path: where to write the statistics too, see `write_statistics`.
        stats_options: see `StatsOptions`.
        pipeline_options: None: there is no pipeline here, upstream's argument is taken so that calls need no change.
        compression_type: no effect, files are unpacked by their names; upstream's values are taken.
        max_rejects: how many rows with a wrong number of cells may be left out.
        n_jobs: threads; -1 or None: one for each usable processor.
        csv_options: further arguments of `trueline.data.csv_source.CsvSource`, such as ``encoding`` and ``quote``.

    Raises:
        DataError: no file, headers that differ, rows that cannot be read: with file and line.
        ConfigError, SchemaError: options that do not fit the columns.
    """
    from trueline.data.csv_source import CsvSource
    from trueline.data.params import check_params

    base, pattern = location_of(data_location)
    check_compression(compression_type)
    check_pipeline(pipeline_options)
    check_params("generate_statistics_from_csv", CsvSource, {"input_base": base, **csv_options})
    given = {"pattern": pattern, "delimiter": delimiter, "column_names": column_names, **csv_options}
    options = options_of(stats_options)
    if options.infer_type_from_schema:
        found = CsvSource(base, **given).schema().names
        given["column_types"], options = types_of_schema(options, found, csv_options.get("column_types") or {})
    return _finish(CsvSource(base, **given), options, output_path, max_rejects, n_jobs)


def types_of_schema(
    options: StatsOptions, found: Sequence[str], given: Mapping[str, str]
) -> tuple[dict[str, str], StatsOptions]:
    """The types that the schema fixes for the columns that are there; and options that leave out what it has not."""
    from trueline.data.csv_ingest import fixed_types

    known = {feature.name for feature in options.schema.feature}
    types = {name: kind for name, kind in fixed_types(options.schema).items() if name in found}
    wanted = found if options.feature_allowlist is None else options.feature_allowlist
    kept = tuple(name for name in wanted if name in known or name not in found)
    return {**types, **given}, replace(options, feature_allowlist=kept)


def generate_statistics_from_parquet(
    data_location: str | os.PathLike[str],
    output_path: str | None = None,
    stats_options: StatsOptions | None = None,
    *,
    n_jobs: int | None = None,
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of Parquet files; only columns that are needed are read. Arguments as in the CSV entry point.

    Raises:
        ArtifactError, DataError: files that are not there, are no Parquet, or have other columns than the first.
        ConfigError, SchemaError: options that do not fit the columns.
    """
    from trueline.data.parquet_source import ParquetSource

    base, pattern = location_of(data_location)
    source = ParquetSource(base, pattern)

    def narrow(columns: tuple[str, ...], dictionaries: tuple[str, ...]) -> ParquetSource:
        return ParquetSource(base, pattern, columns, dictionaries=dictionaries, batch_rows=DEFAULT_BLOCK_ROWS)

    return _finish(source, stats_options, output_path, 0, n_jobs, narrow)


def generate_statistics_from_tfrecord(
    data_location: str | os.PathLike[str],
    output_path: str | None = None,
    stats_options: StatsOptions | None = None,
    pipeline_options: None = None,
    *,
    payload: str = "example",
    max_rejects: int = 0,
    n_jobs: int | None = None,
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of TFRecord files of ``tf.Example`` or ``tf.SequenceExample`` (`payload`), packed or not.

    Other arguments and errors as in the CSV entry point; a record that is no Example counts as a reject.
    """
    from trueline.data.tfrecord_source import TfRecordSource

    check_pipeline(pipeline_options)
    base, pattern = location_of(data_location)
    return _finish(TfRecordSource(base, pattern, payload), stats_options, output_path, max_rejects, n_jobs)


def generate_statistics_from_jsonl(
    data_location: str | os.PathLike[str],
    output_path: str | None = None,
    stats_options: StatsOptions | None = None,
    *,
    max_rejects: int = 0,
    n_jobs: int | None = None,
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of files of JSON objects, one a line. Arguments and errors as in the CSV entry point."""
    source = named_source("trueline.data.jsonl_source:JsonlSource", data_location)
    return _finish(source, stats_options, output_path, max_rejects, n_jobs)


def generate_statistics_from_avro(
    data_location: str | os.PathLike[str],
    output_path: str | None = None,
    stats_options: StatsOptions | None = None,
    *,
    n_jobs: int | None = None,
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of Avro files. Arguments and errors as in the Parquet entry point.

    Raises:
        ConfigError: when the extra ``avro`` is not installed.
    """
    source = named_source("trueline.data.avro_source:AvroSource", data_location)
    return _finish(source, stats_options, output_path, 0, n_jobs)


def generate_statistics_from_source(
    source: Source | SourceSpec,
    output_path: str | None = None,
    stats_options: StatsOptions | None = None,
    *,
    max_rejects: int = 0,
    n_jobs: int | None = None,
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of any source of rows, a user's own too. Arguments and errors as in the CSV entry point."""
    from trueline.data.source import SourceSpec

    source = source.open() if isinstance(source, SourceSpec) else source
    return _finish(source, stats_options, output_path, max_rejects, n_jobs)


def generate_statistics_from_dataframe(
    dataframe: Any, stats_options: StatsOptions | None = None, n_jobs: int | None = 1
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of a DataFrame of pandas, polars, or whatever hands out Arrow columns.

    In a float column of pandas on numpy NaN is a missing value, as it is there; elsewhere NaN is a value and counted as
    such. Times and decimals are counted; upstream drops their columns. Top values are exact; upstream estimates them.

    Args:
        dataframe: the table.
        stats_options: see `StatsOptions`.
        n_jobs: threads; -1 or None: one for each usable processor.

    Raises:
        DataError: what is no table, or a column whose values have several types.
        ConfigError, SchemaError: options that do not fit the columns.
    """
    from trueline.data.tables import table_batches
    from trueline.data_validation.statistics import statistics_of_batches
    from trueline.engine.stream import reblock

    workers = workers_of(n_jobs)
    rows = table_batches(dataframe)
    return statistics_of_batches(rows.schema, reblock(rows.batches), stats_options, workers)


def generate_statistics_from_arrow(
    table: Any, stats_options: StatsOptions | None = None, n_jobs: int | None = None
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of a pyarrow Table, RecordBatch or RecordBatchReader, or whatever else hands out Arrow columns.

    A reader's rows are not held: memory stays bounded however many there are. Arguments and errors as in
    `generate_statistics_from_dataframe`.
    """
    return generate_statistics_from_dataframe(table, stats_options, n_jobs)


def _finish(
    source: Source,
    options: StatsOptions | None,
    output_path: str | None,
    max_rejects: int,
    n_jobs: int | None,
    narrow: Narrow | None = None,
) -> statistics_pb2.DatasetFeatureStatisticsList:
    from trueline.data_validation.files import write_statistics
    from trueline.data_validation.source_pass import statistics_of_source

    if max_rejects < 0:
        raise ConfigError(f"max_rejects is {max_rejects}, give 0 or more")
    statistics = statistics_of_source(
        source, options, max_rejects=max_rejects, workers=workers_of(n_jobs), narrow=narrow
    )
    if output_path is not None:
        write_statistics(statistics, output_path)
    return statistics


def named_source(name: str, data_location: str | os.PathLike[str]) -> Source:
    """The source of this name over the files of a location."""
    from trueline.data.source import SourceSpec

    base, pattern = location_of(data_location)
    return SourceSpec(name, {"input_base": base, "pattern": pattern}).open()


def workers_of(n_jobs: int | None) -> int | None:
    """Threads as `run_stream` takes them."""
    if n_jobs is None or n_jobs == -1:
        return None
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1:
        raise ConfigError(f"n_jobs is {n_jobs!r}", hint="give 1 or more, or -1 for one thread a processor.")
    return n_jobs


def location_of(data_location: str | os.PathLike[str]) -> tuple[str, str]:
    """The folder or file, and the pattern below it."""
    given: Any = data_location
    if not isinstance(given, str | os.PathLike):
        kind = type(given).__name__
        raise ConfigError(
            f"data_location is a {kind}, give a file, a folder, or a pattern",
            hint="generate_statistics_from_dataframe takes tables in memory.",
        )
    text = os.fspath(given)
    if not isinstance(text, str) or not text:
        raise ConfigError(f"data_location is {data_location!r}", hint="give a file, a folder, or a pattern.")
    steps = text.split("/")
    first = next((i for i, step in enumerate(steps) if _PATTERN & set(step)), None)
    if first is None or _exists(text):
        return text, "*"
    base = "/".join(steps[:first]) or ("/" if text.startswith("/") else ".")
    return base, "/".join(steps[first:])


def _exists(uri: str) -> bool:
    from trueline._core import store

    return store.exists(uri)
