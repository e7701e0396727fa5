"""Anomalies as a table: each rule is a record of what it looks for and how the schema would be widened instead.

An interpreter walks the rules of a feature in order, on a copy of the schema. A rule that finds something reports one
reason per text and then mends the copy, so that later rules judge the mended feature: `validate_statistics` keeps the
reasons, `update_schema` keeps the copy. Rules follow TensorFlow Data Validation; the texts are our own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trueline.data_validation.views import FeatureView
from trueline.schema.features import deprecated
from trueline.schema.paths import FeaturePath

__all__ = ["Case", "Reason", "Rule", "apply_rules", "retire", "shorten"]


@dataclass(frozen=True)
class Case:
    """One feature under judgement.

    Attributes:
        schema: the copy of the schema; rules change it.
        feature: its `Feature` in the copy.
        view: its statistics.
        path: where it is.
        environment: the environment that the data are for, or None.
        max_domain: most strings that a domain may grow to.
    """

    schema: Any
    feature: Any
    view: FeatureView
    path: FeaturePath
    environment: str | None = None
    max_domain: int = 400

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
    for rule in rules:
        if deprecated(case.feature):
            break
        texts = rule.find(case)
        if texts:
            reasons += [Reason(rule.type, rule.short, text) for text in texts]
            rule.mend(case)
    return reasons


def retire(case: Case) -> None:
    """Marks the feature as deprecated."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    case.feature.lifecycle_stage = schema_pb2.LifecycleStage.Value("DEPRECATED")


def shorten(values: Sequence[str], limit: int = 20) -> str:
    """Values in one line, not more than `limit` of them."""
    listed = ", ".join(values[:limit])
    return listed + (f" and {len(values) - limit} more" if len(values) > limit else "")
