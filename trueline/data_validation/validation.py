"""`validate_statistics`: the anomalies of a dataset against a schema and other datasets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, SchemaError, did_you_mean
from trueline.data_validation.custom_validation import check_custom
from trueline.data_validation.judge import Controls, Terms, Verdict, judge
from trueline.data_validation.rules import Reason
from trueline.data_validation.rules_config import RuleBook, RuleConfig, rule_book
from trueline.data_validation.views import DatasetView, dataset_view
from trueline.schema.index import SchemaIndex
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

    from trueline.data_validation.custom_validation_config import CustomValidationConfig

__all__ = ["check_schema", "controls_of", "validate_dataset", "validate_statistics"]

PathLike = FeaturePath | str | Sequence[str]


def validate_statistics(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    environment: str | None = None,
    previous_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    serving_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    previous_version_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    severity_overrides: Mapping[str, str] | None = None,
    custom_validation_config: CustomValidationConfig | Mapping[str, Any] | str | None = None,
    rules: Iterable[RuleConfig | Mapping[str, Any]] | None = None,
    features_needed: Collection[PathLike] | None = None,
    new_features_are_warnings: bool = False,
    drift_confidence: float | None = None,
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
        severity_overrides: type of anomaly -> ``WARNING``, ``ERROR`` or ``IGNORE``, where it is not to be ERROR:
            ``{"SCHEMA_NEW_COLUMN": "WARNING"}``.
        custom_validation_config: expressions over the statistics, see `CustomValidationConfig`. Pairs of features
            compare with `previous_statistics`.
        rules: severity and owner by type of anomaly and feature, see `RuleConfig`; `explain_anomalies` tells owners.
        features_needed: the only new columns that are an anomaly; a struct stands for its fields. None for all.
        new_features_are_warnings: new columns are a WARNING.
        drift_confidence: between 0 and 1: drift and skew are anomalies only where the distance exceeds its threshold
            with this confidence, so that a small sample does not cry wolf; see `measure_drift`. None compares the
            measured distance with the threshold, as upstream does. The measurements are the same.

    Returns:
        Anomalies by feature path, of the greatest severity of their reasons; the dataset's own; every drift and skew
        measurement. Data of no examples give `data_missing` and no anomalies.

    Raises:
        SchemaError: for arguments of another type, several datasets without a default slice, or an environment that
            the schema does not know.
        ConfigError: listing everything that is wrong with rules, custom validations and the confidence.
    """
    check_schema(schema, environment)
    check_confidence(drift_confidence)
    overrides = {"SCHEMA_NEW_COLUMN": "WARNING"} if new_features_are_warnings else {}
    book = rule_book(rules, {**overrides, **(severity_overrides or {})})
    dataset = dataset_view(statistics)
    controls = controls_of(previous_statistics, serving_statistics, previous_version_statistics)
    needed = None if features_needed is None else frozenset(FeaturePath.of(path) for path in features_needed)
    terms = Terms(environment, needed=needed, confidence=drift_confidence)
    check_rule_paths(book, schema, dataset)
    custom = check_custom(custom_validation_config, statistics, previous_statistics, schema, environment)
    return validate_dataset(dataset, schema, controls, terms, book, custom)


def validate_dataset(
    dataset: DatasetView,
    schema: Any,
    controls: Controls,
    terms: Terms,
    book: RuleBook | None = None,
    custom: Sequence[tuple[FeaturePath, Reason, str]] = (),
) -> anomalies_pb2.Anomalies:
    """The anomalies of one dataset.

    Args:
        dataset: the data.
        schema: what is expected.
        controls: what they are compared with.
        terms: how they are judged.
        book: severities.
        custom: reasons of custom validations, with their severities.
    """
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    result = anomalies_pb2.Anomalies(anomaly_name_format=anomalies_pb2.Anomalies.SERIALIZED_PATH)
    result.baseline.CopyFrom(schema)
    if dataset.num_examples == 0:
        result.data_missing = True
        return result
    verdict = judge(schema, dataset, controls, terms)
    _fill(result, verdict, book or RuleBook(), custom)
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


def check_confidence(confidence: Any) -> None:
    """Refuses a confidence that is none.

    Raises:
        ConfigError: unless it is None or a number between 0 and 1.
    """
    number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    if confidence is not None and not (number and 0 < confidence < 1):
        raise ConfigError(f"drift_confidence is {confidence!r}, it must lie between 0 and 1", hint="0.95 is usual.")


def check_rule_paths(book: RuleBook, schema: Any, dataset: DatasetView) -> None:
    """Refuses rules for features that neither the schema nor the data know: a typo would silence nothing.

    Raises:
        ConfigError: naming all of them.
    """
    paths = [rule.path for rule in book.rules if isinstance(rule.path, FeaturePath) and rule.path.steps]
    if not paths:
        return
    index = SchemaIndex(schema)
    known = {str(path) for path in (*index.features, *dataset.features, *dataset.extras)} | index.composites
    unknown = sorted({str(path) for path in paths} - known)
    if unknown:
        problems = [f"{name!r}: {did_you_mean(name, sorted(known))}" for name in unknown]
        raise ConfigError("rules name features that neither the schema nor the data have", problems=problems)


def controls_of(previous: Any, serving: Any, version: Any) -> Controls:
    """What data are compared with.

    Raises:
        SchemaError: for arguments of another type, or several datasets without a default slice.
    """
    return Controls(
        _optional(previous, "previous_statistics"),
        _optional(serving, "serving_statistics"),
        _optional(version, "previous_version_statistics"),
    )


def _optional(statistics: Any, what: str) -> DatasetView | None:
    return None if statistics is None else dataset_view(statistics, what)


def _fill(result: Any, verdict: Verdict, book: RuleBook, custom: Sequence[tuple[FeaturePath, Reason, str]]) -> None:
    found: dict[FeaturePath | None, list[tuple[Reason, str]]] = {}
    for path, reasons in (*verdict.features.items(), (None, verdict.dataset)):
        for reason in reasons:
            found.setdefault(path, []).append((reason, book.ruling(reason.type, path).severity))
    for path, reason, severity in custom:
        # A rule may soften what the configuration of custom validations says, not harden it.
        ruled = book.ruling(reason.type, path).severity
        found.setdefault(path, []).append((reason, severity if ruled == "ERROR" else ruled))
    for path, judged in found.items():
        kept = [(reason, severity) for reason, severity in judged if severity != "IGNORE"]
        if not kept:
            continue
        if path is None:
            _fill_info(result.dataset_anomaly_info, kept)
            continue
        info = result.anomaly_info[str(path)]
        info.path.step.extend(path.steps)
        _fill_info(info, kept)
    for path, measured in verdict.measurements.items():
        _fill_measurements(result.drift_skew_info.add(), path, measured)


def _fill_info(info: Any, judged: list[tuple[Reason, str]]) -> None:
    info.severity = max(info.Severity.Value(severity) for _, severity in judged)
    info.description = " ".join(reason.text for reason, _ in judged)
    info.short_description = judged[0][0].short if len(judged) == 1 else "Multiple errors"
    for reason, _ in judged:
        info.reason.add(type=info.Type.Value(reason.type), short_description=reason.short, description=reason.text)


def _fill_measurements(info: Any, path: FeaturePath, measured: dict[str, list[Any]]) -> None:
    info.path.step.extend(path.steps)
    for name, found in measured.items():
        target = getattr(info, f"{name}_measurements")
        for m in found:
            target.add(type=info.Measurement.Type.Value(m.type), value=m.value, threshold=m.threshold)
