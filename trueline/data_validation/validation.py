"""`validate_statistics`: the anomalies of a dataset against a schema and other datasets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError, did_you_mean
from trueline.data_validation.judge import Controls, Verdict, judge
from trueline.data_validation.rules import Reason
from trueline.data_validation.views import DatasetView, dataset_view
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

__all__ = ["check_schema", "validate_statistics"]


def validate_statistics(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    environment: str | None = None,
    previous_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    serving_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    previous_version_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    severity_overrides: Mapping[str, str] | None = None,
) -> anomalies_pb2.Anomalies:
    """The anomalies of a dataset.

    Rules are TensorFlow Data Validation's. Where it is plainly wrong this is right: an upper limit on examples holds
    without a lower one, and a limit on distinct values that is not set never fires. As there, an L-infinity threshold
    says nothing of numbers, whose values are not counted: use the Jensen-Shannon divergence for them.

    Args:
        statistics: of the data; one dataset, or slices with one of ``All Examples``.
        schema: what is expected.
        environment: one of the schema's default environments: features outside it are not expected.
        previous_statistics: of earlier data; drift comparators compare with them.
        serving_statistics: of the data that a model serves on; skew comparators compare with them.
        previous_version_statistics: of an earlier version of the same data; the version comparator compares with them.
        severity_overrides: type of anomaly -> ``WARNING`` or ``ERROR``, where it is not to be ERROR:
            ``{"SCHEMA_NEW_COLUMN": "WARNING"}``.

    Returns:
        Anomalies by feature path, of the greatest severity of their reasons; the dataset's own; every drift and skew
        measurement. Data of no examples give `data_missing` and no anomalies.

    Raises:
        SchemaError: for arguments of another type, several datasets without a default slice, an environment that
            the schema does not know, or an override of what there is not.
    """
    check_schema(schema, environment)
    severities = _check_severities(severity_overrides or {})
    dataset = dataset_view(statistics)
    controls = Controls(
        _optional(previous_statistics, "previous_statistics"),
        _optional(serving_statistics, "serving_statistics"),
        _optional(previous_version_statistics, "previous_version_statistics"),
    )
    result = _empty(schema)
    if dataset.num_examples == 0:
        result.data_missing = True
        return result
    _fill(result, judge(schema, dataset, environment, controls), severities)
    return result


def check_schema(schema: Any, environment: str | None = None) -> None:
    """Refuses another thing than a schema, and an environment that it does not know.

    Raises:
        SchemaError: naming what was given, or the environments that there are.
    """
    from tensorflow_metadata.proto.v0 import schema_pb2

    if not isinstance(schema, schema_pb2.Schema):
        raise SchemaError(f"a Schema proto is needed, got {type(schema).__name__}")
    if environment is not None and environment not in schema.default_environment:
        raise SchemaError(
            f"the schema has no environment {environment!r}", hint=did_you_mean(environment, schema.default_environment)
        )


def _check_severities(overrides: Mapping[str, str]) -> dict[str, int]:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    types, severities = anomalies_pb2.AnomalyInfo.Type.keys(), anomalies_pb2.AnomalyInfo.Severity.keys()
    problems = [f"type {name!r}: {did_you_mean(name, types)}" for name in overrides if name not in types]
    problems += [
        f"severity {name!r}: {did_you_mean(name, severities)}" for name in overrides.values() if name not in severities
    ]
    if problems:
        raise SchemaError("these severity overrides cannot be used", problems=problems)
    return {name: int(anomalies_pb2.AnomalyInfo.Severity.Value(severity)) for name, severity in overrides.items()}


def _optional(statistics: Any, what: str) -> DatasetView | None:
    return None if statistics is None else dataset_view(statistics, what)


def _empty(schema: Any) -> anomalies_pb2.Anomalies:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    result = anomalies_pb2.Anomalies(anomaly_name_format=anomalies_pb2.Anomalies.SERIALIZED_PATH)
    result.baseline.CopyFrom(schema)
    return result


def _fill(result: anomalies_pb2.Anomalies, verdict: Verdict, severities: dict[str, int]) -> None:
    for path, reasons in verdict.features.items():
        info = result.anomaly_info[str(path)]
        info.path.step.extend(path.steps)
        _fill_info(info, reasons, severities)
    if verdict.dataset:
        _fill_info(result.dataset_anomaly_info, verdict.dataset, severities)
    for path, measured in verdict.measurements.items():
        _fill_measurements(result.drift_skew_info.add(), path, measured)


def _fill_info(info: Any, reasons: list[Reason], severities: dict[str, int]) -> None:
    info.severity = max(severities.get(reason.type, info.Severity.Value("ERROR")) for reason in reasons)
    info.description = " ".join(reason.text for reason in reasons)
    info.short_description = reasons[0].short if len(reasons) == 1 else "Multiple errors"
    for reason in reasons:
        info.reason.add(type=info.Type.Value(reason.type), short_description=reason.short, description=reason.text)


def _fill_measurements(info: Any, path: FeaturePath, measured: dict[str, list[Any]]) -> None:
    info.path.step.extend(path.steps)
    for name, found in measured.items():
        target = getattr(info, f"{name}_measurements")
        for m in found:
            target.add(type=info.Measurement.Type.Value(m.type), value=m.value, threshold=m.threshold)
