"""Anomalies explained to people, with the exact change of the schema that accepts each; and that change made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.data_validation.accept_remedy import Workshop
from trueline.data_validation.accept_words import ACCEPT_WORDS
from trueline.data_validation.custom_validation import check_custom
from trueline.data_validation.judge import Terms
from trueline.data_validation.rules_config import RuleConfig, rule_book
from trueline.data_validation.validation import check_confidence, check_schema, controls_of
from trueline.data_validation.views import dataset_view
from trueline.schema.changes import SchemaChange, apply_changes
from trueline.schema.changes_text import render_changes
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

    from trueline.data_validation.custom_validation_config import CustomValidationConfig

__all__ = ["Finding", "accept", "explain_anomalies"]

Only = Iterable[tuple[FeaturePath | str | Sequence[str] | None, str | None]]


@dataclass(frozen=True)
class Finding:
    """One reason of one anomaly.

    Attributes:
        type: name of the `AnomalyInfo.Type`.
        path: the feature; None for the dataset as a whole.
        severity: ``ERROR``, ``WARNING`` or ``UNKNOWN``.
        owner: whom it concerns; empty if nobody is named.
        short: a few words.
        long: what was found and what was expected.
        changes: the least change of the schema that accepts it; empty if there is none or the data were not given.
    """

    type: str
    path: FeaturePath | None
    severity: str
    owner: str
    short: str
    long: str
    changes: tuple[SchemaChange, ...] = ()

    @property
    def how_to_accept(self) -> str:
        """What accepting it means, in words, and the lines of the schema's text that change."""
        words = ACCEPT_WORDS.get(self.type, "")
        return f"{words}\n{render_changes(self.changes)}" if self.changes else words

    def accept(self, schema: schema_pb2.Schema) -> schema_pb2.Schema:
        """The schema with the change made; the one given is left as it is.

        Raises:
            SchemaError: if no change is known, or the schema has changed since.
        """
        return accept(schema, [self], only=[(self.path, self.type)])


def explain_anomalies(
    anomalies: anomalies_pb2.Anomalies,
    schema: schema_pb2.Schema | None = None,
    statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    *,
    environment: str | None = None,
    previous_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    serving_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    previous_version_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    rules: Iterable[RuleConfig | Mapping[str, Any]] | None = None,
    custom_validation_config: CustomValidationConfig | Mapping[str, Any] | str | None = None,
    drift_confidence: float | None = None,
) -> tuple[Finding, ...]:
    """Every reason of every anomaly: the dataset's first, then features by path.

    Args:
        anomalies: from `validate_statistics`.
        schema: what they were found against; their baseline if None.
        statistics: the data. Without them only those changes are known that need no figures.
        environment, previous_statistics, serving_statistics, previous_version_statistics, drift_confidence: as they
            were given to `validate_statistics`.
        rules: for severity and owner, see `RuleConfig`; severities are the anomalies' own where None.
        custom_validation_config: as it was given to `validate_statistics`: with it and the data, a failed expression
            keeps the severity that it has of its own beside other anomalies of its feature.

    Raises:
        SchemaError: for arguments of another type.
        ConfigError: listing what is wrong with the rules.
    """
    schema = anomalies.baseline if schema is None else schema
    check_schema(schema, environment)
    check_confidence(drift_confidence)
    book = rule_book(rules)
    controls = controls_of(previous_statistics, serving_statistics, previous_version_statistics)
    dataset = None if statistics is None else dataset_view(statistics)
    workshop = Workshop(schema, dataset, controls, Terms(environment, confidence=drift_confidence))
    infos: list[tuple[FeaturePath | None, Any]] = [(None, anomalies.dataset_anomaly_info)]
    for name in sorted(anomalies.anomaly_info):
        info = anomalies.anomaly_info[name]
        infos.append((FeaturePath.from_proto(info.path) if info.path.step else FeaturePath((name,)), info))
    own: dict[tuple[FeaturePath | None, str], str] = {}
    if statistics is not None:
        failed = check_custom(custom_validation_config, statistics, previous_statistics, schema, environment)
        own = {(path, reason.text): severity for path, reason, severity in failed}
    found: list[Finding] = []
    for path, info in infos:
        remedies: dict[str, tuple[SchemaChange, ...]] = {}
        for reason in info.reason:
            kind = info.Type.Name(reason.type)
            if kind not in remedies:
                remedies[kind] = workshop.remedy(kind, path)
            ruling = book.ruling(kind, path, workshop.index)
            severity = ruling.severity if rules is not None else info.Severity.Name(info.severity)
            if own.get((path, reason.description)) == "WARNING":  # a rule may soften it, not harden it
                severity = "WARNING"
            texts = reason.short_description, reason.description
            found.append(Finding(kind, path, severity, ruling.owner, *texts, remedies[kind]))
    return tuple(found)


def accept(
    schema: schema_pb2.Schema,
    found: anomalies_pb2.Anomalies | Iterable[Finding],
    only: Only | None = None,
    **explain: Any,
) -> schema_pb2.Schema:
    """A schema that accepts anomalies: the least change for each, and nothing else.

    Args:
        schema: left as it is.
        found: findings of `explain_anomalies`; or anomalies, explained first.
        only: the anomalies to accept, as pairs of a feature (None for the dataset) and a type of anomaly (None for
            all of the feature's). None accepts all that a change of the schema can accept.
        **explain: for `explain_anomalies` where `found` are anomalies: ``statistics=`` above all.

    Raises:
        ConfigError: listing what `only` names that was not found, or that no change accepts.
        SchemaError: if the schema has changed since the anomalies were found.
    """
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    if isinstance(found, anomalies_pb2.Anomalies):
        found = explain_anomalies(found, schema, **explain)
    elif explain:
        raise ConfigError(f"{', '.join(explain)} explain anomalies, and findings are explained already")
    findings = list(found)
    if only is not None:
        findings = _chosen(findings, only)
    return apply_changes(schema, dict.fromkeys(change for finding in findings for change in finding.changes))


def _chosen(findings: list[Finding], only: Only) -> list[Finding]:
    problems: list[str] = []
    chosen: list[Finding] = []
    for where, kind in only:
        path = None if where is None else where if isinstance(where, FeaturePath) else FeaturePath.of(where)
        at = [f for f in findings if f.path == path or (isinstance(where, str) and str(f.path) == where)]
        hits = [f for f in at if kind in (None, f.type)]
        place = "the dataset" if path is None else f"feature {str(path)!r}"
        if not at:
            known = sorted({str(f.path) for f in findings if f.path is not None})
            problems.append(f"{place} has no anomaly: {did_you_mean(str(path or ''), known)}")
        elif not hits:
            problems.append(f"{place} has no {kind}: {did_you_mean(str(kind), [f.type for f in at])}")
        for finding in hits:
            if not finding.changes:
                why = ACCEPT_WORDS.get(finding.type, "")
                problems.append(f"{place}, {finding.type}: no change is known. {why} Were the statistics given?")
        chosen += hits
    if problems:
        raise ConfigError("these anomalies cannot be accepted", problems=problems)
    return chosen
