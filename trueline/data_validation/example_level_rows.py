"""Which rows break a schema, one block after the other: the lower level of example-level validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError
from trueline._core.rowid import ROW_COLUMN
from trueline.data_validation.arrow_numpy import from_numpy, to_numpy
from trueline.data_validation.example_level_judge import RowJudge
from trueline.data_validation.example_level_source import numbered_batch
from trueline.data_validation.options import StatsOptions
from trueline.data_validation.validation import check_schema
from trueline.engine.base import Dataset

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

__all__ = ["AnomalousExamples", "check_arguments", "identify_anomalous_examples", "numbered"]


@dataclass(frozen=True)
class AnomalousExamples:
    """The rows of one block that have one anomaly.

    Attributes:
        feature: the feature's path as text.
        type: name of the `AnomalyInfo.Type`.
        short: a few words.
        row_ids: int64, ascending: their ``__row__``, see `trueline._core.rowid`.
        rows: the rows themselves, ``__row__`` among their columns.
    """

    feature: str
    type: str
    short: str
    row_ids: npt.NDArray[np.int64]
    rows: pa.RecordBatch

    @property
    def key(self) -> str:
        """``<feature>_<TYPE>``."""
        return f"{self.feature}_{self.type}"


def identify_anomalous_examples(
    data: Dataset | Any, options: StatsOptions, environment: str | None = None
) -> Iterator[AnomalousExamples]:
    """The rows that break the schema, block by block: memory holds one block.

    Args:
        data: a `Dataset`, or a table as `generate_statistics_from_dataframe` takes it. Rows without ``__row__`` are
            numbered from 0.
        options: with a schema. `feature_allowlist` and what bounds statistics are heeded, weights and slices are not.
        environment: one of the schema's default environments.

    Raises:
        ConfigError: unless `options` are `StatsOptions` with a schema.
        SchemaError: for an environment that the schema does not know, or columns whose type has no statistics.
        DataError: what is no table.
    """
    check_arguments(options, environment)
    return _identified(data, options, environment)


def _identified(data: Any, options: StatsOptions, environment: str | None) -> Iterator[AnomalousExamples]:
    judge: RowJudge | None = None
    for batch in numbered(_batches(data)):
        judge = judge or RowJudge(batch.schema, options, environment)
        for anomaly, places in judge.judge(batch).items():
            rows = batch.take(from_numpy(places))
            ids = to_numpy(rows.column(ROW_COLUMN))
            yield AnomalousExamples(anomaly.feature, anomaly.type, anomaly.short, ids, rows)


def _batches(data: Any) -> Iterator[pa.RecordBatch]:
    from trueline.data.tables import table_batches
    from trueline.engine.stream import reblock

    return data.batches() if isinstance(data, Dataset) else reblock(table_batches(data).batches)


def numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches whose rows are numbered: by their own ``__row__``, else from 0 on."""
    done = 0
    for batch in batches:
        yield numbered_batch(batch, done)
        done += batch.num_rows


def check_arguments(options: Any, environment: str | None, samples: int = 0) -> None:
    """Refuses arguments that are wrong.

    Raises:
        ConfigError: unless `options` are `StatsOptions` with a schema, and `samples` a number.
        SchemaError: for an environment that the schema does not know.
    """
    if not isinstance(options, StatsOptions):
        raise ConfigError(f"stats_options must be StatsOptions, got {type(options).__name__}")
    if options.schema is None:
        raise ConfigError("the options have no schema", hint="StatsOptions(schema=...) says what rows are held to.")
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 0:
        raise ConfigError(f"num_sampled_examples is {samples!r}", hint="give 0 or more.")
    check_schema(options.schema, environment)
