"""`generate_statistics`: every statistic of a dataset in one pass on an engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from trueline.data_validation.given import dataset_of, options_of
from trueline.data_validation.options import StatsOptions
from trueline.data_validation.plan import basic_spec
from trueline.engine.base import AccumulatorSpec, Dataset

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.engine.base import Engine

__all__ = ["generate_statistics", "statistics_columns", "statistics_of_batches", "statistics_spec"]


def statistics_spec(arrow_schema: pa.Schema, options: StatsOptions | None = None) -> AccumulatorSpec[Any]:
    """The accumulator of the default statistics of these columns; `finish` gives a `DatasetFeatureStatistics`.

    Raises:
        SchemaError: for columns whose type has no statistics, and for unknown names of the allowlist or of weights.
    """
    return basic_spec(arrow_schema, options or StatsOptions())[0]


def statistics_columns(arrow_schema: pa.Schema, options: StatsOptions) -> tuple[str, ...]:
    """The columns that `statistics_spec` reads, weights included."""
    return basic_spec(arrow_schema, options)[1]


def generate_statistics(
    dataset: Dataset | pa.Table | Any, options: StatsOptions | None = None, engine: Engine | None = None
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of a dataset: one `DatasetFeatureStatistics`, or one a slice; features in the order of columns.

    A plain column counts as one value in each row that is not null; a list column has as many values as its list is
    long. Booleans, dates and timestamps (microseconds) get integer statistics, in a table in memory durations and
    times of day too; the custom statistic ``arrow_type`` says what they were. Decimals are floats. Hidden columns
    (``__...``) are left out.
    Semantics are TensorFlow Data Validation's, with two differences: STANDARD histograms count instead of
    interpolating, and where infinities occur the standard deviation is NaN, as the mean is, instead of 0.

    Everything that options ask for is made in one pass over the data: the default statistics, those of generators,
    the user's own accumulators (see `trueline.data_validation.merging`), and all of them for every slice. Where
    there are slices, the first dataset is ``All Examples``, the others follow by name.

    Memory does not depend on the number of rows: see `StatsOptions`. Where a bound made a figure inexact, a custom
    statistic says so: ``quantiles_rank_error`` (rows), ``frequency_error`` (rows), ``unique_relative_error``.

    Args:
        dataset: a dataset of blocks, or a table in memory: of pyarrow, pandas, polars, or whatever hands out Arrow
            columns.
        options: see `StatsOptions`.
        engine: where it runs; the local engine if None.

    Raises:
        SchemaError: for columns whose type has no statistics, and for unknown names of the allowlist.
        ConfigError: for slices, weights and accumulators that do not fit the columns, for too many slices, and for a
            path instead of rows.
        DataError: for what is no table.
    """
    import pyarrow as pa

    from trueline.data_validation.passes import plan_pass

    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    asked = options_of(options)
    if isinstance(dataset, pa.Table):
        from trueline.data_validation.temporal import countable

        dataset = countable(dataset)
    dataset = dataset_of(dataset)
    planned = plan_pass(dataset.arrow_schema, asked)
    return planned.result(engine.run(planned.spec, dataset, planned.columns))


def statistics_of_batches(
    arrow_schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    options: StatsOptions | None = None,
    workers: int | None = None,
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of batches as they come, each taken for one block; nothing is written.

    Batches of `trueline.engine.DEFAULT_BLOCK_ROWS` rows give the bits of `generate_statistics` over a table.

    Args:
        arrow_schema: the columns in the contract's types.
        batches: rows in these columns.
        options: see `StatsOptions`.
        workers: threads; one for each usable processor if None.

    Raises:
        SchemaError, ConfigError: as `generate_statistics`; and whatever the batches raise.
    """
    from trueline.data_validation.passes import plan_pass
    from trueline.engine.stream import run_stream

    planned = plan_pass(arrow_schema, options_of(options))
    selected = (batch.select(list(planned.columns)) if planned.columns else _rows_only(batch) for batch in batches)
    return planned.result(run_stream(planned.spec, selected, workers))


def _rows_only(batch: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_struct_array(pa.array([{}] * batch.num_rows, type=pa.struct([])))
