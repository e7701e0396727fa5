"""`validate_instance`: one row, or one batch of rows, against a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, DataError
from trueline.data_validation.anomalies_util import remove_anomaly_types
from trueline.data_validation.options import StatsOptions
from trueline.data_validation.validation import check_schema, validate_statistics
from trueline.schema.features import find_feature

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import anomalies_pb2

__all__ = ["GLOBAL_TYPES", "validate_instance"]

GLOBAL_TYPES = frozenset(
    {
        "COMPARATOR_CONTROL_DATA_MISSING",
        "COMPARATOR_HIGH_NUM_EXAMPLES",
        "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
        "COMPARATOR_LOW_NUM_EXAMPLES",
        "COMPARATOR_L_INFTY_HIGH",
        "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH",
        "COMPARATOR_TREATMENT_DATA_MISSING",
        "DATASET_HIGH_NUM_EXAMPLES",
        "DATASET_LOW_NUM_EXAMPLES",
        "FEATURE_TYPE_LOW_FRACTION_PRESENT",
        "FEATURE_TYPE_LOW_NUMBER_PRESENT",
        "FEATURE_TYPE_LOW_UNIQUE",
        "FEATURE_TYPE_NOT_PRESENT",
        "NO_DATA_IN_SPAN",
        "SCHEMA_TRAINING_SERVING_SKEW",
    }
)
"""Types that say something of many rows together, and nothing of one."""


def validate_instance(
    instance: pa.RecordBatch | pa.Table | Mapping[str, Any], options: StatsOptions, environment: str | None = None
) -> anomalies_pb2.Anomalies:
    """The anomalies of one row, or of the rows of one batch taken together.

    Anomalies that only a whole dataset can have (presence, counts, drift; see `GLOBAL_TYPES`) are left out.

    Args:
        instance: a record batch, a table, or one row as a mapping of a column to its value, to a list of values, or to
            None where it is missing.
        options: with the schema; the rest as for `generate_statistics`.
        environment: one of the schema's default environments.

    Raises:
        ConfigError: unless `options` are `StatsOptions` with a schema.
        DataError: for an instance of another type, or a row whose values are of no one type.
        SchemaError: for an environment that the schema does not know.
    """
    from trueline.data_validation.statistics import generate_statistics
    from trueline.engine import LocalEngine

    if not isinstance(options, StatsOptions):
        raise ConfigError(f"options must be StatsOptions, got {type(options).__name__}")
    if options.schema is None:
        raise ConfigError("options have no schema", hint="StatsOptions(schema=...) says what the row is held to.")
    check_schema(options.schema, environment)
    statistics = generate_statistics(_table(instance, options.schema), options, engine=LocalEngine(1))
    anomalies = validate_statistics(statistics, options.schema, environment)
    remove_anomaly_types(anomalies, GLOBAL_TYPES)
    return anomalies


def _table(instance: Any, schema: Any) -> pa.Table:
    import pyarrow as pa

    if isinstance(instance, pa.Table):
        return instance
    if isinstance(instance, pa.RecordBatch):
        return pa.Table.from_batches([instance])
    if not isinstance(instance, Mapping):
        raise DataError(
            f"an instance of type {type(instance).__name__} cannot be validated",
            hint="give a record batch, a table, or one row as a dict.",
        )
    columns, problems = {}, []
    for name, value in instance.items():
        try:
            feature = find_feature(schema, str(name))
            columns[str(name)] = pa.array([value], _fitted(pa.array([value]).type, feature))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
            problems.append(f"column {name!r}: {error}")
    if problems:
        raise DataError("the row has values that are no column", problems=problems)
    return pa.table(columns) if columns else pa.Table.from_struct_array(pa.array([{}], pa.struct([])))


def _fitted(arrow_type: pa.DataType, feature: Any, level: int = 0) -> pa.DataType:
    """The type of a value: what the value leaves open as the schema says, and whole numbers as floats where it does."""
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

    if pa.types.is_list(arrow_type):
        return pa.list_(_fitted(arrow_type.value_type, feature, level + 1))
    inside = {} if feature is None else {f.name: f for f in feature.struct_domain.feature}
    if pa.types.is_struct(arrow_type):
        return pa.struct([pa.field(f.name, _fitted(f.type, inside.get(f.name))) for f in arrow_type])
    kind = "TYPE_UNKNOWN" if feature is None else schema_pb2.FeatureType.Name(feature.type)
    if pa.types.is_integer(arrow_type) and kind == "FLOAT":
        return pa.float64()
    if not pa.types.is_null(arrow_type):
        return arrow_type
    types = {"INT": pa.int64(), "FLOAT": pa.float64()}
    found = types.get(kind, pa.string())
    if kind == "STRUCT":
        found = pa.struct([pa.field(name, _fitted(pa.null(), field)) for name, field in inside.items()])
    for _ in range(_levels(feature) - level):
        found = pa.list_(found)
    return found


def _levels(feature: Any) -> int:
    """How deep the schema nests lists; 0 where one level may be none."""
    counts = 0 if feature is None else max(len(feature.value_counts.value_count), len(feature.shape.dim))
    return counts if counts > 1 else 0
