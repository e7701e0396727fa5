"""`validate_corresponding_slices`: every slice against the schema, and against the same slice of other data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError
from trueline.data_validation.judge import Controls, Terms
from trueline.data_validation.rules_config import RuleConfig, rule_book
from trueline.data_validation.validation import check_confidence, check_schema, validate_dataset
from trueline.data_validation.views import DatasetView

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

__all__ = ["validate_corresponding_slices"]

_COUNTS = ("num_examples", "weighted_num_examples")


def validate_corresponding_slices(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    environment: str | None = None,
    previous_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    serving_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    rules: Iterable[RuleConfig | Mapping[str, Any]] | None = None,
    drift_confidence: float | None = None,
) -> anomalies_pb2.Anomalies:
    """The anomalies of all slices: each must satisfy the schema, and is compared with the slice of the same name.

    Column ``fare`` of slice ``city_Oslo`` becomes the feature ``slice(city_Oslo)::fare``, in the anomalies as in their
    baseline. A slice that other data have and `statistics` lack has all its required columns missing. Constraints on
    the number of examples are left out: they are about whole datasets.

    Args:
        statistics: of the slices, one dataset each.
        schema: what every slice is held to.
        environment: one of the schema's default environments.
        previous_statistics, serving_statistics: of the same slices, for drift and skew.
        rules: see `RuleConfig`; paths as above.
        drift_confidence: see `validate_statistics`.

    Raises:
        SchemaError: for arguments of another type, two slices of one name, or an unknown environment.
        ConfigError: listing what is wrong with rules and confidence.
    """
    check_schema(schema, environment)
    check_confidence(drift_confidence)
    book = rule_book(rules)
    given = {
        "statistics": statistics,
        "previous_statistics": previous_statistics,
        "serving_statistics": serving_statistics,
    }
    merged = {what: _merged(found, what) for what, found in given.items() if found is not None}
    slices = sorted({d.name for found in given.values() if found is not None for d in found.datasets})
    views = {what: DatasetView(found) for what, found in merged.items()}
    controls = Controls(views.get("previous_statistics"), views.get("serving_statistics"))
    terms = Terms(environment, confidence=drift_confidence)
    return validate_dataset(views["statistics"], _replicated(schema, slices), controls, terms, book)


def _inside(slice_name: str, name: str) -> str:
    return f"slice({slice_name})::{name}"


def _merged(statistics: Any, what: str) -> Any:
    """One dataset of the features of all slices."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    if not isinstance(statistics, statistics_pb2.DatasetFeatureStatisticsList):
        raise SchemaError(f"{what} must be a DatasetFeatureStatisticsList, got {type(statistics).__name__}")
    names = [dataset.name for dataset in statistics.datasets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SchemaError(f"{what} hold several slices of one name", problems=[repr(name) for name in twice])
    merged = statistics_pb2.DatasetFeatureStatistics()
    for dataset in statistics.datasets:
        for field in _COUNTS:
            setattr(merged, field, getattr(merged, field) + getattr(dataset, field))
        for feature in dataset.features:
            copy = merged.features.add()
            copy.CopyFrom(feature)
            if copy.WhichOneof("field_id") == "path" and copy.path.step:
                copy.path.step[0] = _inside(dataset.name, copy.path.step[0])
            else:
                copy.name = _inside(dataset.name, copy.name)
    return merged


def _replicated(schema: Any, slices: list[str]) -> Any:
    """The schema with its features once for each slice; string domains and environments are shared."""
    result = type(schema)()
    result.CopyFrom(schema)
    for field in ("feature", "sparse_feature", "weighted_feature", "dataset_constraints"):
        result.ClearField(field)
    for name in slices:
        for feature in schema.feature:
            copy = result.feature.add()
            copy.CopyFrom(feature)
            copy.name = _inside(name, feature.name)
        for sparse in schema.sparse_feature:
            copy = result.sparse_feature.add()
            copy.CopyFrom(sparse)
            copy.name = _inside(name, sparse.name)
            for part in (*copy.index_feature, copy.value_feature):
                part.name = _inside(name, part.name)
        for weighted in schema.weighted_feature:
            copy = result.weighted_feature.add()
            copy.CopyFrom(weighted)
            copy.name = _inside(name, weighted.name)
            for path in (copy.feature, copy.weight_feature):
                if path.step:
                    path.step[0] = _inside(name, path.step[0])
    return result
