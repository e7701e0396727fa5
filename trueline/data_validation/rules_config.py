"""Severity and owner of rules: what a team makes of an anomaly, and whom it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.schema.features import owner_of
from trueline.schema.index import SchemaIndex
from trueline.schema.paths import FeaturePath

__all__ = ["RuleBook", "RuleConfig", "Ruling", "rule_book"]

_SEVERITIES = ("ERROR", "WARNING", "IGNORE")


@dataclass(frozen=True)
class RuleConfig:
    """What is made of some anomalies.

    Attributes:
        type: name of an `AnomalyInfo.Type` such as ``SCHEMA_NEW_COLUMN``; None for all.
        path: a feature, with the fields inside it; a column's name, or a sequence of steps; ``()`` for anomalies of the
            dataset as a whole; None for all.
        severity: ``ERROR``, ``WARNING``, or ``IGNORE``: not reported at all. None leaves it.
        owner: whom it concerns, as text. None leaves it.
    """

    type: str | None = None
    path: FeaturePath | str | Sequence[str] | None = None
    severity: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Ruling:
    """What is made of one anomaly.

    Attributes:
        severity: ``ERROR``, ``WARNING`` or ``IGNORE``.
        owner: whom it concerns; empty if nobody is named.
    """

    severity: str = "ERROR"
    owner: str = ""


@dataclass(frozen=True)
class RuleBook:
    """Rules, the most specific first: feature and type, then feature, then type, then neither; of equals the last.

    Attributes:
        rules: checked and sorted.
    """

    rules: tuple[RuleConfig, ...] = ()

    def ruling(self, type_name: str, path: FeaturePath | None, index: SchemaIndex | None = None) -> Ruling:
        """What is made of an anomaly of a type at a feature, or of the dataset where `path` is None.

        Where no rule names an owner, the schema may: a feature's ``annotation { tag: "owner:team" }``, its own or that
        of a struct around it.
        """
        found = [rule for rule in self.rules if rule.type in (None, type_name) and _covers(rule.path, path)]
        severity = next((rule.severity for rule in found if rule.severity is not None), "ERROR")
        owner = next((rule.owner for rule in found if rule.owner is not None), None)
        if owner is None:
            owner = owner_of(index, path) if index is not None and path is not None else ""
        return Ruling(severity, owner)


def _covers(wanted: Any, path: FeaturePath | None) -> bool:
    if wanted is None:
        return True
    if path is None or not wanted.steps:
        return path is None and not wanted.steps
    return path.starts_with(wanted)


def rule_book(
    rules: Iterable[RuleConfig | Mapping[str, Any]] | None, severity_overrides: Mapping[str, str] | None = None
) -> RuleBook:
    """Checked rules.

    Args:
        rules: `RuleConfig`s, or mappings with its attributes as keys.
        severity_overrides: type of anomaly -> severity: the short form of rules without path; `rules` go first.

    Raises:
        ConfigError: listing everything that is wrong: unknown keys, types of anomaly or severities.
    """
    problems: list[str] = []
    given: list[Any] = [{"type": name, "severity": severity} for name, severity in (severity_overrides or {}).items()]
    given += list(rules or ())
    found = [rule for number, item in enumerate(given, 1) if (rule := _checked(item, number, problems)) is not None]
    if problems:
        raise ConfigError("these rules cannot be used", problems=problems)
    ranked = sorted(enumerate(found), key=lambda pair: (*_weight(pair[1]), pair[0]), reverse=True)
    return RuleBook(tuple(rule for _, rule in ranked))


def _weight(rule: RuleConfig) -> tuple[int, int]:
    """A deeper path is more specific, and any path more than a type."""
    depth = -1 if rule.path is None else len(FeaturePath.of(rule.path).steps)
    return depth, int(rule.type is not None)


def _checked(item: Any, number: int, problems: list[str]) -> RuleConfig | None:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    names = [field.name for field in fields(RuleConfig)]
    if isinstance(item, Mapping):
        unknown = [key for key in item if key not in names]
        problems += [f"rule {number}: no key {key!r}: {did_you_mean(str(key), names)}" for key in unknown]
        if unknown:
            return None
        item = RuleConfig(**item)
    if not isinstance(item, RuleConfig):
        problems.append(f"rule {number}: a RuleConfig or a mapping is needed, got {type(item).__name__}")
        return None
    types = anomalies_pb2.AnomalyInfo.Type.keys()
    if item.type is not None and item.type not in types:
        problems.append(f"rule {number}: no type of anomaly {item.type!r}: {did_you_mean(str(item.type), types)}")
    if item.severity is not None and item.severity not in _SEVERITIES:
        hint = did_you_mean(str(item.severity), _SEVERITIES)
        problems.append(f"rule {number}: no severity {item.severity!r}: {hint}")
    if item.severity is None and item.owner is None:
        problems.append(f"rule {number}: neither severity nor owner is given")
    owner: Any = item.owner
    if owner is not None and not isinstance(owner, str):
        problems.append(f"rule {number}: owner must be text, got {type(owner).__name__}")
    path = None if item.path is None else FeaturePath.of(item.path)
    return RuleConfig(item.type, path, item.severity, item.owner)
