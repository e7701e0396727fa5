"""`generate_statistics`: every statistic of a dataset in one pass on an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trueline.data_validation.options import StatsOptions
from trueline.data_validation.plan import plan_features
from trueline.engine.base import AccumulatorSpec, Dataset

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.engine.base import Engine

__all__ = ["generate_statistics", "statistics_spec"]


def statistics_spec(arrow_schema: pa.Schema, options: StatsOptions | None = None) -> AccumulatorSpec[Any]:
    """The accumulator of a statistics pass over these columns; `finish` gives a `DatasetFeatureStatistics`.

    Raises:
        SchemaError: for columns whose type has no statistics, and for unknown names of the allowlist.
    """
    options = options or StatsOptions()
    features = [plan.to_json() for plan in plan_features(arrow_schema, options)]
    return AccumulatorSpec(
        "trueline.data_validation.accumulator:StatisticsAccumulator",
        {"features": features, "limits": options.numbers()},
    )


def generate_statistics(
    dataset: Dataset | pa.Table, options: StatsOptions | None = None, engine: Engine | None = None
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of a dataset: one `DatasetFeatureStatistics`, features in the order of columns.

    A plain column counts as one value in each row that is not null; a list column has as many values as its list is
    long. Booleans and timestamps (microseconds) get integer statistics. Hidden columns (``__...``) are left out.
    Semantics are TensorFlow Data Validation's, with two differences: STANDARD histograms count instead of
    interpolating, and where infinities occur the standard deviation is NaN, as the mean is, instead of 0.

    Memory does not depend on the number of rows: see `StatsOptions`. Where a bound made a figure inexact, a custom
    statistic says so: ``quantiles_rank_error`` (rows), ``frequency_error`` (rows), ``unique_relative_error``.

    Args:
        dataset: a dataset of blocks, or a table in memory.
        options: see `StatsOptions`.
        engine: where it runs; the local engine if None.

    Raises:
        SchemaError: for columns whose type has no statistics, and for unknown names of the allowlist.
    """
    from tensorflow_metadata.proto.v0 import statistics_pb2

    if engine is None:
        from trueline.engine import default_engine

        engine = default_engine()
    if not isinstance(dataset, Dataset):
        dataset = Dataset.from_table(dataset)
    spec = statistics_spec(dataset.arrow_schema, options)
    columns = list(dict.fromkeys(plan["path"][0] for plan in spec.params["features"]))
    result = statistics_pb2.DatasetFeatureStatisticsList()
    result.datasets.append(engine.run(spec, dataset, columns))
    return result
