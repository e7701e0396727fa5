"""Anomalies as a table: each rule is a record of what it looks for and how the schema would be widened instead.

An interpreter walks the rules of a feature in order, on a copy of the schema. A rule that finds something reports one
reason per text and then mends the copy, so that later rules judge the mended feature: `validate_statistics` keeps the
reasons, `update_schema` keeps the copy. Rules follow TensorFlow Data Validation; the texts are our own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueline.data_validation.views import DatasetView, FeatureView
from trueline.schema.features import deprecated
from trueline.schema.index import SchemaIndex
from trueline.schema.paths import FeaturePath

__all__ = ["Case", "Reason", "Rule", "apply_rules", "many", "retire", "retire_feature", "shorten"]


@dataclass(frozen=True)
class Case:
    """One feature under judgement.

    Attributes:
        index: the copy of the schema; rules change it.
        feature: its `Feature` in the copy.
        view: its statistics.
        path: where it is.
        environment: the environment that the data are for, or None.
        max_domain: most strings that a domain may grow to.
        controls: the datasets that the data are compared with, by the names of the comparators.
        confidence: if given, drift and skew count only where they exceed their threshold with this confidence.
        memo: what has been computed for the feature and is asked again.
    """

    index: SchemaIndex
    feature: Any
    view: FeatureView
    path: FeaturePath
    environment: str | None = None
    max_domain: int = 400
    controls: Mapping[str, DatasetView] = field(default_factory=dict)
    confidence: float | None = None
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> Any:
        """The copy of the schema."""
        return self.index.schema

    @property
    def domain(self) -> str | None:
        """The field of the feature's domain."""
        which = self.feature.WhichOneof("domain_info")
        return None if which is None else str(which)


@dataclass(frozen=True)
class Reason:
    """Why something is an anomaly.

    Attributes:
        type: name of an `AnomalyInfo.Type`.
        short: a few words.
        text: what was found and what was expected, without the feature's name.
    """

    type: str
    short: str
    text: str


@dataclass(frozen=True)
class Rule:
    """One kind of anomaly.

    Attributes:
        type: name of the `AnomalyInfo.Type`.
        short: a few words.
        find: the texts of what is wrong; none where all is well.
        mend: changes the schema so that the data fit; called once if something was found.
    """

    type: str
    short: str
    find: Callable[[Case], Sequence[str]]
    mend: Callable[[Case], None]


def apply_rules(rules: Sequence[Rule], case: Case) -> list[Reason]:
    """The reasons that rules find, in order; nothing more is asked of a feature that a rule has retired."""
    reasons: list[Reason] = []
    if deprecated(case.feature):
        return reasons
    for rule in rules:
        texts = rule.find(case)
        if texts:
            reasons += [Reason(rule.type, rule.short, text) for text in texts]
            rule.mend(case)
            if deprecated(case.feature):
                break
    return reasons


def retire_feature(feature: Any) -> None:
    """Marks a feature as deprecated."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    feature.lifecycle_stage = schema_pb2.LifecycleStage.Value("DEPRECATED")


def retire(case: Case) -> None:
    """Marks the feature of a case as deprecated."""
    retire_feature(case.feature)


def many(count: float, thing: str) -> str:
    """A number of things: ``1 row``, ``2 rows``."""
    return f"{count:g} {thing}" if count == 1 else f"{count:g} {thing}s"


def shorten(values: Sequence[str], limit: int = 20) -> str:
    """Values in one line, not more than `limit` of them."""
    listed = ", ".join(values[:limit])
    return listed + (f" and {len(values) - limit} more" if len(values) > limit else "")
