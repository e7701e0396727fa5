"""`find_anomalous_rows`: which rows, each by itself, do not satisfy a schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError
from trueline.data_validation.anomalies_util import anomaly_slices
from trueline.data_validation.instance import validate_instance
from trueline.data_validation.options import StatsOptions
from trueline.schema.features import walk_features

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import anomalies_pb2

__all__ = ["AnomalousRow", "find_anomalous_rows"]

_TOGETHER = 512
"""Rows that are judged together first; small enough that rank histograms hold all their values."""


@dataclass(frozen=True)
class AnomalousRow:
    """One row that does not satisfy the schema.

    Attributes:
        row: its number in the table, from 0.
        anomalies: what `validate_instance` says of it.
    """

    row: int
    anomalies: anomalies_pb2.Anomalies

    @property
    def slices(self) -> tuple[str, ...]:
        """What is wrong, as ``<feature>_<TYPE>``."""
        return tuple(anomaly_slices(self.anomalies))


def find_anomalous_rows(
    table: pa.Table | pa.RecordBatch, options: StatsOptions, environment: str | None = None
) -> Iterator[AnomalousRow]:
    """The rows that have anomalies of their own, in order, one at a time.

    Rows are judged together and, where something is wrong, by halves: rows in order cost little.

    Args:
        table: the rows.
        options: with the schema; see `validate_instance`.
        environment: one of the schema's default environments.

    Raises:
        ConfigError: unless `options` are `StatsOptions` with a schema.
        DataError: for another thing than a table or a record batch.
        SchemaError: for an environment that the schema does not know.
    """
    import pyarrow as pa

    if not isinstance(options, StatsOptions) or options.schema is None:
        raise ConfigError("options must be StatsOptions with a schema", hint="StatsOptions(schema=...).")
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    if not isinstance(table, pa.Table):
        raise DataError(f"a table or a record batch is needed, got {type(table).__name__}")
    together = 1 if _half_hidden(options.schema) else _TOGETHER
    strict = replace(options, schema=_strict(options.schema))
    for start in range(0, table.num_rows, together):
        count = min(together, table.num_rows - start)
        for row in _search(table, start, count, strict, environment):
            anomalies = validate_instance(table.slice(row, 1), options, environment)
            if anomalies.anomaly_info:
                yield AnomalousRow(row, anomalies)


def _search(table: pa.Table, start: int, count: int, options: StatsOptions, environment: str | None) -> Iterator[int]:
    """The rows that may have anomalies: a part without any holds no such row."""
    found = validate_instance(table.slice(start, count), options, environment)
    if not found.anomaly_info:
        return
    if count == 1:
        yield start
        return
    half = count // 2
    yield from _search(table, start, half, options, environment)
    yield from _search(table, start + half, count - half, options, environment)


def _strict(schema: Any) -> Any:
    """The schema that allows no share of strange values: a share that many rows may have a single row exceeds."""
    result = type(schema)()
    result.CopyFrom(schema)
    for _, feature in walk_features(result):
        if feature.WhichOneof("domain_info") in ("domain", "string_domain"):
            feature.ClearField("distribution_constraints")
    return result


def _half_hidden(schema: Any) -> bool:
    """Whether an anomaly of a row may be unseen among others: a number between 0 and 1 hides in a histogram."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    number = schema_pb2.FeatureType.Value("FLOAT")
    return any(f.type == number and f.WhichOneof("domain_info") == "bool_domain" for _, f in walk_features(schema))
