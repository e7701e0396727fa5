"""Data held to a schema, as `validate` and `schema accept` both do it; and findings as people read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import ConfigError, did_you_mean
from trueline.cli.data_files import DataFile, DataOptions
from trueline.cli.data_files_find import find_other

if TYPE_CHECKING:
    from trueline.data_validation import Finding

__all__ = ["Question", "describe_finding", "finding_json", "place_of", "read_json"]


@dataclass(frozen=True)
class Question:
    """What data are asked.

    Attributes:
        data: the data, or their statistics.
        schema: the schema.
        environment: one of the schema's environments.
        previous: data or statistics to measure drift from.
        serving: data or statistics to measure skew from.
        rules: a JSON file of severities and owners.
        custom: a JSON file of custom validations.
        confidence: drift and skew count only with this confidence.
        reading: how data are read.
        anomalies_file: findings that were made before; None: they are looked for now.
    """

    data: DataFile
    schema: Any
    environment: str | None = None
    previous: str | None = None
    serving: str | None = None
    rules: str | None = None
    custom: str | None = None
    confidence: float | None = None
    reading: DataOptions = field(default_factory=DataOptions)
    anomalies_file: str | None = None

    @cached_property
    def statistics(self) -> Any:
        """The data's statistics, made by the schema."""
        return self._statistics(self.data)

    @cached_property
    def controls(self) -> dict[str, Any]:
        """Statistics to compare with, by the names of `validate_statistics`."""
        given = {"previous_statistics": self.previous, "serving_statistics": self.serving}
        return {name: self._statistics(find_other(place, self.reading)) for name, place in given.items() if place}

    def _statistics(self, file: DataFile) -> Any:
        return file.statistics_by(self.schema)

    @cached_property
    def _terms(self) -> dict[str, Any]:
        rules = None if self.rules is None else _rules(self.rules)
        return {"environment": self.environment, "rules": rules, "drift_confidence": self.confidence}

    @cached_property
    def anomalies(self) -> Any:
        """What is wrong.

        Raises:
            SchemaError, ConfigError: an unknown environment, rules or custom validations that are wrong.
        """
        from trueline.data_validation import validate_statistics
        from trueline.data_validation.validation import check_schema

        check_schema(self.schema, self.environment)  # before the data are read
        if self.anomalies_file is not None:
            return _load_anomalies(self.anomalies_file)
        terms = self._terms
        custom = None if self.custom is None else _custom(self.custom)
        return validate_statistics(
            self.statistics, self.schema, custom_validation_config=custom, **self.controls, **terms
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was given and is of no use: other data that the schema compares nothing with."""
        from trueline.data_validation.comparators_asked import idle_controls

        if self.custom is not None:  # pairs of features compare with the previous data too
            return ()
        given = {"drift": self.previous, "skew": self.serving}
        return idle_controls(self.schema, {name for name, place in given.items() if place})

    def again(self) -> list[str]:
        """The arguments with which another command asks the same of the data."""
        asked = {
            "--environment": self.environment,
            "--previous": self.previous,
            "--serving": self.serving,
            "--confidence": self.confidence,
            "--rules": self.rules,
        }
        found = [part for option, value in asked.items() if value is not None for part in (option, str(value))]
        return found + self.reading.arguments()

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, each with the change of the schema that accepts it; errors first."""
        from dataclasses import replace

        from trueline.data_validation import explain_anomalies

        found = explain_anomalies(self.anomalies, self.schema, self.statistics, **self.controls, **self._terms)
        kept = [f if f.severity != "UNKNOWN" else replace(f, severity="ERROR") for f in found]
        return tuple(sorted((f for f in kept if f.severity != "IGNORE"), key=lambda f: f.severity != "ERROR"))


def _load_anomalies(place: str) -> Any:
    from trueline.data_validation import load_anomalies_binary, load_anomalies_text

    text = place.endswith((".pbtxt", ".textproto", ".txt"))
    return (load_anomalies_text if text else load_anomalies_binary)(place)


def _custom(place: str) -> Any:
    from trueline.data_validation.custom_validation_config import read_custom_config

    try:
        return read_custom_config(read_json(place, "custom validations"))
    except ConfigError as error:
        raise ConfigError(
            error.message, where=error.where or place, problems=error.problems, hint=error.hint
        ) from error


def _rules(place: str) -> list[Any]:
    found = read_json(place)
    if isinstance(found, dict) and set(found) == {"rules"}:
        found = found["rules"]
    if not isinstance(found, list):
        raise ConfigError(
            "the file holds no list of rules",
            where=place,
            hint='write [{"type": "SCHEMA_NEW_COLUMN", "severity": "WARNING", "owner": "data team"}, ...].',
        )
    return found


def read_json(place: str, what: str = "rules") -> Any:
    """The JSON value in a file.

    Args:
        place: the file.
        what: what it should hold, in words.

    Raises:
        ConfigError: no such file, or text that is no JSON, with line and column.
    """
    from trueline._core import store

    if not store.exists(place):
        folder, _, name = place.rpartition("/")
        raise ConfigError("no such file", where=place, hint=did_you_mean(name, store.listdir(folder or ".")))
    try:
        return json.loads(store.read_text(place))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the file is no JSON: {error}", where=place, hint=f"{what} are read from JSON alone."
        ) from error


def place_of(finding: Finding) -> str:
    """The feature, or the data set as a whole."""
    return "(the data set)" if finding.path is None else ".".join(finding.path.steps)


def describe_finding(
    finding: Finding, number: int | None = None, *, color: bool = True, most_lines: int | None = None
) -> str:
    """A finding in a few lines: what, where, whose, and the change of the schema that accepts it."""
    style = {"ERROR": "red", "WARNING": "yellow"}.get(finding.severity)
    severity = click.style(finding.severity, fg=style, bold=True) if color else finding.severity
    head = f"{severity}  {click.style(place_of(finding), bold=True) if color else place_of(finding)}  {finding.type}"
    lines = [head if number is None else f"{number}. {head}"]
    if finding.owner:
        lines[0] += f"  (owner: {finding.owner})"
    lines.append(f"    {finding.long}")
    how = finding.how_to_accept.splitlines()
    if how:
        lines.append(f"    To accept: {how[0]}")
        lines += [f"      {line}" for line in how[1:][:most_lines]]
        if most_lines is not None and len(how) - 1 > most_lines:
            lines.append(f"      ... and {len(how) - 1 - most_lines} more lines")
    return "\n".join(lines)


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding as a JSON object."""
    steps: Sequence[str] | None = None if finding.path is None else list(finding.path.steps)
    return {
        "severity": finding.severity,
        "owner": finding.owner,
        "feature": steps,
        "type": finding.type,
        "short": finding.short,
        "description": finding.long,
        "how_to_accept": finding.how_to_accept,
        "changes": [str(change) for change in finding.changes],
    }
