"""Statistics against a schema: the gate for data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core import store
from trueline._core.errors import ConfigError
from trueline.components.common import split_path, splits_of
from trueline.components.sampled import close_or_tell, hangs_on_number
from trueline.components.schema_gen import SCHEMA_FILE
from trueline.components.statistics_gen import STATISTICS_FILE
from trueline.pipeline.artifacts import ExampleAnomalies, ExampleStatistics, Schema
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.node import Component, In, Out
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    from trueline.data_validation import CustomValidationConfig, Finding, RuleConfig

__all__ = ["ANOMALIES_FILE", "FINDINGS_FILE", "ExampleValidator", "execute"]

ANOMALIES_FILE, FINDINGS_FILE = "SchemaDiff.pb", "findings.json"


class ExampleValidator(Component):
    """Compares statistics with a schema, and closes the line when they do not fit.

    Unlike TFX's, which only writes its findings, an anomaly of severity ERROR stops the line here; the anomalies are
    published all the same, so that they can be read. WARNING never stops it. In a sampled run an anomaly that hangs on
    the number of rows (`trueline.components.sampled.BY_NUMBER`) is told and does not stop it either.

    Args:
        statistics: what was measured.
        schema: what was promised.
        previous_statistics: statistics of an earlier run, for the schema's drift comparators (split by split).
        serving_statistics: statistics of what the server saw, for the schema's skew comparators.
        environment: the schema's environment to validate in.
        exclude_splits: splits to leave out.
        rules: severity and owner by type of anomaly and feature, see `trueline.data_validation.RuleConfig`.
        custom_validation_config: expressions over the statistics that must be true, see
            `trueline.data_validation.CustomValidationConfig`.
        drift_confidence: between 0 and 1: drift and skew count only where they exceed their threshold with this
            confidence, so that a small sample does not cry wolf.
        fail_on_anomalies: False lets the line go on whatever was found.

    Outputs: ``anomalies``, a split's in ``Split-<name>/SchemaDiff.pb``, and in ``findings.json`` with severity, owner
        and the change of the schema that would accept each; the property ``blessed`` is split -> 1 or 0.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "statistics": In(ExampleStatistics),
        "schema": In(Schema),
        "previous_statistics": In(ExampleStatistics, optional=True),
        "serving_statistics": In(ExampleStatistics, optional=True),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"anomalies": Out(ExampleAnomalies)}
    EXECUTOR = "trueline.components.example_validator:execute"

    def __init__(
        self,
        *,
        statistics: Channel,
        schema: Channel,
        previous_statistics: Channel | None = None,
        serving_statistics: Channel | None = None,
        environment: str | None = None,
        exclude_splits: Sequence[str] = (),
        rules: Sequence[RuleConfig | Mapping[str, Any]] = (),
        custom_validation_config: CustomValidationConfig | Mapping[str, Any] | None = None,
        drift_confidence: float | None = None,
        fail_on_anomalies: bool = True,
        node_id: str | None = None,
    ) -> None:
        described, problems = _described(rules, custom_validation_config)
        super().__init__(
            node_id=node_id,
            inputs={
                "statistics": statistics,
                "schema": schema,
                "previous_statistics": previous_statistics,
                "serving_statistics": serving_statistics,
            },
            params={
                "environment": environment,
                "exclude_splits": list(exclude_splits),
                "drift_confidence": drift_confidence,
                "fail_on_anomalies": fail_on_anomalies,
                **described,
            },
        )
        if drift_confidence is not None and not 0 < drift_confidence < 1:
            problems.append(f"drift_confidence is {drift_confidence}, give a number between 0 and 1")
        for problem in problems:
            self.note(f"is set up wrongly: {problem}")


def _described(
    rules: Sequence[RuleConfig | Mapping[str, Any]], config: CustomValidationConfig | Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[str]]:
    """Rules and custom validations as JSON, and what is wrong with them."""
    from trueline.data_validation.custom_validation_config import read_custom_config
    from trueline.data_validation.rules_config import rule_book

    problems: list[str] = []
    for check in (lambda: rule_book(rules), lambda: read_custom_config(config) if config is not None else None):
        try:
            check()
        except ConfigError as error:
            problems += error.problems or (error.message,)
    if problems:
        return {"rules": [], "custom_validation_config": None}, problems
    kept = [_plain(rule) for rule in rules]
    return {"rules": kept, "custom_validation_config": None if config is None else _plain(config)}, []


def _plain(found: Any) -> Any:
    """Dataclasses and paths as JSON values; what is left out stays out."""
    if is_dataclass(found) and not isinstance(found, type):
        if isinstance(found, FeaturePath):
            return list(found.steps)
        values = ((f.name, getattr(found, f.name)) for f in fields(found))
        return {name: _plain(value) for name, value in values if value is not None}
    if isinstance(found, Mapping):
        return {str(name): _plain(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(value) for value in found]
    return found


def execute(ctx: ExecutionContext) -> None:
    """Validates each split, publishes what was found, and closes the gate on errors."""
    from trueline.data_validation import (
        explain_anomalies,
        load_statistics,
        validate_statistics,
        write_anomalies_binary,
    )
    from trueline.data_validation.comparators_asked import idle_controls
    from trueline.schema import load_schema_text

    source, out = ctx.input("statistics"), ctx.output("anomalies")
    schema = load_schema_text(store.join(ctx.input("schema").uri, SCHEMA_FILE))
    previous, serving = ctx.optional_input("previous_statistics"), ctx.optional_input("serving_statistics")
    given = {"drift": previous, "skew": serving}
    for note in idle_controls(schema, {name for name, handle in given.items() if handle is not None}):
        ctx.log.warning(note)
    errors: list[_Error] = []
    warnings = 0
    rules = ctx.params["rules"] or None
    splits = splits_of(source, ctx.params["exclude_splits"])
    for split in splits:
        statistics = load_statistics(split_path(source, split, STATISTICS_FILE))
        terms: dict[str, Any] = {
            "environment": ctx.params["environment"],
            "previous_statistics": _beside(previous, split),
            "serving_statistics": _beside(serving, split),
            "rules": rules,
            "drift_confidence": ctx.params["drift_confidence"],
        }
        custom = ctx.params["custom_validation_config"]
        anomalies = validate_statistics(statistics, schema, custom_validation_config=custom, **terms)
        write_anomalies_binary(anomalies, split_path(out, split, ANOMALIES_FILE))
        explained = [
            _finding(f)
            for f in explain_anomalies(anomalies, schema, statistics, custom_validation_config=custom, **terms)
        ]
        store.write_text(split_path(out, split, FINDINGS_FILE), json.dumps(explained, indent=1) + "\n")
        found, mild = _findings(anomalies, split)
        errors += found
        warnings += mild
    failed = {error.split for error in errors}
    out.properties.update(
        span=source.properties.get("span", 0),
        split_names=splits,
        blessed={split: int(split not in failed) for split in splits},
    )
    ctx.report(anomalies=len(errors), warnings=warnings, features=sorted({error.name for error in errors}))
    if ctx.params["fail_on_anomalies"]:
        _judge(ctx, errors)


@dataclass(frozen=True)
class _Error:
    """An anomaly of severity ERROR; `of_sample`: it hangs on the number of rows."""

    split: str
    name: str
    description: str
    of_sample: bool


def _judge(ctx: ExecutionContext, errors: Sequence[_Error]) -> None:
    """Closes the gate, in a sampled run for what a few rows can show."""
    told = [error for error in errors if error.of_sample] if ctx.sample is not None else []
    closing = [error for error in errors if error not in told]
    if told:
        close_or_tell(ctx, _sentence(told))
    if closing:
        ctx.close_gate(_sentence(closing))


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "type": found.type,
        "feature": None if found.path is None else str(found.path),
        "severity": found.severity,
        "owner": found.owner,
        "short": found.short,
        "long": found.long,
        "how_to_accept": found.how_to_accept,
    }


def _beside(statistics: ArtifactHandle | None, split: str) -> Any:
    """The same split of other statistics; a split that they do not have has no counterpart to be compared with."""
    from trueline.data_validation import load_statistics

    if statistics is None or split not in splits_of(statistics):
        return None
    return load_statistics(split_path(statistics, split, STATISTICS_FILE))


def _findings(anomalies: anomalies_pb2.Anomalies, split: str) -> tuple[list[_Error], int]:
    """The errors, and the number of warnings."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    errors: list[_Error] = []
    warnings = 0
    named = [(name, info) for name, info in sorted(anomalies.anomaly_info.items())]
    if anomalies.HasField("dataset_anomaly_info"):
        named.append(("the data set", anomalies.dataset_anomaly_info))
    for name, info in named:
        if info.severity == anomalies_pb2.AnomalyInfo.ERROR:
            said = info.description or info.short_description
            errors.append(_Error(split, name, said, hangs_on_number(info)))
        else:
            warnings += 1
    return errors, warnings


def _sentence(errors: Sequence[_Error]) -> str:
    first, more = errors[0], f" ({len(errors) - 1} more anomalies)" if len(errors) > 1 else ""
    where = f"feature {first.name!r} in split {first.split!r}"
    return f"The data breaks the schema: {where}: {first.description.rstrip('.')}{more}."
