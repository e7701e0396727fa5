"""Validation of single examples: which rows break the schema, and how, for all rows at the speed of a scan.

    statistics = validate_examples_in_csv("rides.csv", StatsOptions(schema=schema))
    statistics, rows = validate_examples_in_csv("rides.csv", StatsOptions(schema=schema), num_sampled_examples=5)

Every row gets the anomalies that `validate_instance` gives it alone; what only a whole dataset can break (presence,
counts, drift) is not looked at. A key is ``<feature>_<ANOMALY_TYPE>``. Upstream judges a batch of one row at a time;
here each kind of row is judged once (`example_level_judge`), with the same result, some ten thousand times as fast.

Weights do not excuse a row: it is judged as if it weighed 1. The statistics of the rows found are weighted. Slices of
the options are not made: the anomalies are the slices.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from trueline._core.rowid import ROW_COLUMN
from trueline.data_validation.entry import location_of, named_source, types_of_schema, workers_of
from trueline.data_validation.example_level_accumulator import FoundExamples, example_level_spec
from trueline.data_validation.example_level_rows import check_arguments, numbered
from trueline.data_validation.example_level_source import NumberedSource
from trueline.data_validation.options import StatsOptions
from trueline.engine.base import AccumulatorSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.data.source import Source, SourceSpec
    from trueline.data_validation.passes import StatisticsPass

    Samples: TypeAlias = Mapping[str, pa.Table]
    Found: TypeAlias = (
        statistics_pb2.DatasetFeatureStatisticsList | tuple[statistics_pb2.DatasetFeatureStatisticsList, Samples]
    )

__all__ = [
    "validate_examples_in_arrow",
    "validate_examples_in_csv",
    "validate_examples_in_dataframe",
    "validate_examples_in_parquet",
    "validate_examples_in_source",
    "validate_examples_in_tfrecord",
]


def validate_examples_in_csv(
    data_location: str | os.PathLike[str],
    stats_options: StatsOptions,
    column_names: Sequence[str] | None = None,
    delimiter: str | None = None,
    output_path: str | None = None,
    num_sampled_examples: int = 0,
    *,
    environment: str | None = None,
    max_rejects: int = 0,
    n_jobs: int | None = None,
    **csv_options: Any,
) -> Found:
    """The statistics of the rows of CSV or TSV files that break the schema, a dataset for each anomaly.

    One value that is no number makes a column text, and then the type of every row is wrong. To find such a row give
    ``infer_type_from_schema`` in the options: it is then an error that names the line, or a reject.

    Args:
        data_location: a file, a folder or a pattern.
        stats_options: with the schema that rows are held to; the statistics are made by them too. `sample_rate` is the
            share of rows that is looked at.
        column_names: the names, for files without a header.
        delimiter: one character; None: a tab for ``.tsv`` and ``.tab``, else a comma.
        output_path: where to write the statistics too, see `write_statistics`.
        num_sampled_examples: how many rows of each anomaly to give back, chosen by the hash of their place.
        environment: one of the schema's default environments.
        max_rejects: how many rows that cannot be read may be left out.
        n_jobs: threads; -1 or None: one for each usable processor.
        csv_options: further arguments of `trueline.data.csv_source.CsvSource`.

    Returns:
        One dataset for each key ``<feature>_<ANOMALY_TYPE>``, in order; none where all rows are right. With
        `num_sampled_examples` a pair of these and of the sampled rows by key, Arrow tables whose column ``__row__``
        tells file and record (`trueline._core.rowid.describe_row`).

    Raises:
        ConfigError: unless `stats_options` are `StatsOptions` with a schema.
        DataError: no file, headers that differ, rows that cannot be read: with file and line.
        SchemaError: for an environment that the schema does not know, or columns whose type has no statistics.
    """
    from trueline.data.csv_source import CsvSource

    check_arguments(stats_options, environment)
    base, pattern = location_of(data_location)
    given = {"pattern": pattern, "delimiter": delimiter, "column_names": column_names, **csv_options}
    if stats_options.infer_type_from_schema:
        names = CsvSource(base, **given).schema().names
        types, stats_options = types_of_schema(stats_options, names, csv_options.get("column_types") or {})
        given["column_types"] = types
    source = CsvSource(base, **given)
    return validate_examples_in_source(
        source,
        stats_options,
        output_path,
        num_sampled_examples,
        environment=environment,
        max_rejects=max_rejects,
        n_jobs=n_jobs,
    )


def validate_examples_in_parquet(
    data_location: str | os.PathLike[str],
    stats_options: StatsOptions,
    output_path: str | None = None,
    num_sampled_examples: int = 0,
    *,
    environment: str | None = None,
    n_jobs: int | None = None,
) -> Found:
    """The same for Parquet files; arguments, result and errors as in `validate_examples_in_csv`."""
    from trueline.data.parquet_source import ParquetSource

    base, pattern = location_of(data_location)
    source = ParquetSource(base, pattern)
    return validate_examples_in_source(
        source, stats_options, output_path, num_sampled_examples, environment=environment, n_jobs=n_jobs
    )


def validate_examples_in_tfrecord(
    data_location: str | os.PathLike[str],
    stats_options: StatsOptions,
    output_path: str | None = None,
    num_sampled_examples: int = 0,
    *,
    environment: str | None = None,
    max_rejects: int = 0,
    n_jobs: int | None = None,
) -> Found:
    """The same for TFRecord files of ``tf.Example``; arguments, result and errors as in `validate_examples_in_csv`."""
    source = named_source("trueline.data.tfrecord_source:TfRecordSource", data_location)
    return validate_examples_in_source(
        source,
        stats_options,
        output_path,
        num_sampled_examples,
        environment=environment,
        max_rejects=max_rejects,
        n_jobs=n_jobs,
    )


def validate_examples_in_source(
    source: Source | SourceSpec,
    stats_options: StatsOptions,
    output_path: str | None = None,
    num_sampled_examples: int = 0,
    *,
    environment: str | None = None,
    max_rejects: int = 0,
    n_jobs: int | None = None,
) -> Found:
    """The same for any source of rows; arguments, result and errors as in `validate_examples_in_csv`."""
    from trueline.data.source import SourceSpec
    from trueline.data_validation.source_pass import fold_source

    check_arguments(stats_options, environment, num_sampled_examples)
    workers = workers_of(n_jobs)
    found = fold_source(
        NumberedSource(source.open() if isinstance(source, SourceSpec) else source),
        lambda columns: _plan(columns, stats_options, environment, num_sampled_examples),
        max_rejects=max_rejects,
        workers=workers,
    )
    return _given(found, output_path, num_sampled_examples)


def validate_examples_in_dataframe(
    dataframe: Any,
    stats_options: StatsOptions,
    num_sampled_examples: int = 0,
    *,
    environment: str | None = None,
    n_jobs: int | None = 1,
) -> Found:
    """The same for a DataFrame of pandas, polars, or whatever hands out Arrow columns; rows are numbered from 0.

    Arguments and errors as in `validate_examples_in_csv`.
    """
    from trueline.data.tables import table_batches
    from trueline.engine.stream import reblock, run_stream

    check_arguments(stats_options, environment, num_sampled_examples)
    rows = table_batches(dataframe)
    import pyarrow as pa

    fields = [pa.field(ROW_COLUMN, pa.int64()), *(f for f in rows.schema if f.name != ROW_COLUMN)]
    planned = _plan(pa.schema(fields), stats_options, environment, num_sampled_examples)
    found = planned.result(run_stream(planned.spec, numbered(reblock(rows.batches)), workers_of(n_jobs)))
    return _given(found, None, num_sampled_examples)


def validate_examples_in_arrow(
    table: Any,
    stats_options: StatsOptions,
    num_sampled_examples: int = 0,
    *,
    environment: str | None = None,
    n_jobs: int | None = None,
) -> Found:
    """The same for a pyarrow Table, RecordBatch or RecordBatchReader; a reader's rows are not held."""
    return validate_examples_in_dataframe(
        table, stats_options, num_sampled_examples, environment=environment, n_jobs=n_jobs
    )


@dataclass(frozen=True)
class _ExamplePass:
    """A pass that sorts rows by what is wrong with them.

    Attributes:
        spec: the accumulator.
        statistics: what is made of the rows of one anomaly.
        columns: empty: it reads all.
    """

    spec: AccumulatorSpec[Any]
    statistics: StatisticsPass
    columns: tuple[str, ...] = ()

    def result(self, found: Mapping[str, FoundExamples]) -> tuple[Any, dict[str, Any]]:
        """The statistics by key, and the sampled rows by key."""
        parts = {key: examples.statistics for key, examples in found.items()}
        rows = {key: examples.rows for key, examples in found.items() if examples.rows is not None}
        return self.statistics.result(parts), rows


def _plan(columns: pa.Schema, options: StatsOptions, environment: str | None, samples: int) -> _ExamplePass:
    from trueline.data_validation.passes import plan_pass
    from trueline.data_validation.sampling import sampled_spec

    wanted = replace(
        options,
        slices=(),
        slice_functions=None,
        experimental_slice_functions=None,
        slicing_config=None,
        sample_rate=None,
    )
    planned = plan_pass(columns, wanted)
    spec: AccumulatorSpec[Any] = example_level_spec(planned.spec, columns, options, environment, samples)
    if options.sample_rate is not None:
        spec = sampled_spec(spec, options.sample_rate)
    return _ExamplePass(spec, replace(planned, sliced=True))


def _given(found: tuple[Any, dict[str, Any]], output_path: str | None, samples: int) -> Found:
    from trueline.data_validation.files import write_statistics

    statistics, rows = found
    if output_path is not None:
        write_statistics(statistics, output_path)
    return (statistics, rows) if samples else statistics
