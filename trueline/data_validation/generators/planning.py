"""Which generators the options of a pass ask for, and which features each of them looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.values import HIDDEN_PREFIX
from trueline.data_validation.generators.base import Plan, features_spec
from trueline.data_validation.generators.lengths import composite_plan
from trueline.data_validation.plan import FeaturePlan, plan_features

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data_validation.options import StatsOptions

__all__ = ["planned"]


@dataclass(frozen=True)
class _Asked:
    """What a planner looks at.

    Attributes:
        arrow_schema: the columns.
        options: the options.
        features: the features of the columns that may be read.
    """

    arrow_schema: pa.Schema
    options: StatsOptions
    features: tuple[FeaturePlan, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that may be read."""
        allowed = self.options.feature_allowlist
        names = self.arrow_schema.names if allowed is None else allowed
        return tuple(name for name in names if not name.startswith(HIDDEN_PREFIX))


def planned(arrow_schema: pa.Schema, options: StatsOptions) -> dict[str, Plan]:
    """The accumulators by name, with the columns that each reads.

    Raises:
        ConfigError, SchemaError: when options or schema ask for what the columns cannot give.
    """
    wanted = {name: plan for name, (wants, plan) in _PLANNERS.items() if wants(options)}
    if not wanted:
        return {}
    asked = _Asked(arrow_schema, options, plan_features(arrow_schema, options))
    found = {name: plan(asked) for name, plan in wanted.items()}
    return {name: plan for name, plan in found.items() if plan is not None}


def _composites(asked: _Asked) -> Plan | None:
    return composite_plan(asked.options.schema, asked.columns)


def _empties(asked: _Asked) -> Plan | None:
    paths = [f.path for f in asked.features if f.type != "STRUCT" and not f.source]
    return features_spec("empties:EmptyValues", paths, {})


def _guess(part: str, types: tuple[str, ...]) -> Callable[[_Asked], Plan | None]:
    def plan(asked: _Asked) -> Plan | None:
        rate = asked.options.semantic_domain_stats_sample_rate
        paths = [f.path for f in asked.features if f.type in types and not f.source]
        return features_spec(part, paths, {"sample_rate": 1.0 if rate is None else rate})

    return plan


def _semantic(options: StatsOptions) -> bool:
    return bool(options.enable_semantic_domain_stats)


def _with_schema(options: StatsOptions) -> bool:
    return options.schema is not None


_TEXT = ("STRING", "BYTES")
_Planner = tuple[Callable[["StatsOptions"], Any], Callable[[_Asked], Plan | None]]
_PLANNERS: dict[str, _Planner] = {
    "composite features": (_with_schema, _composites),
    "empty values": (lambda options: options.count_empty_values, _empties),
    "image domains": (_semantic, _guess("images:ImageGuess", _TEXT)),
    "natural language domains": (_semantic, _guess("texts:NaturalLanguageGuess", _TEXT)),
    "time domains": (_semantic, _guess("times:TimeGuess", (*_TEXT, "INT"))),
}
