"""The walk over features that both `validate_statistics` and `update_schema` take."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from trueline.data_validation.comparators import COMPARATOR_RULES, CONTROLS, Measurement, measurements
from trueline.data_validation.inference import fill_feature
from trueline.data_validation.rules import Case, Reason, apply_rules, retire_feature
from trueline.data_validation.rules_composite import judge_composites
from trueline.data_validation.rules_dataset import judge_dataset
from trueline.data_validation.rules_domain import DOMAIN_RULES
from trueline.data_validation.rules_feature import IDENTITY_RULES, PRESENCE_RULES
from trueline.data_validation.rules_language import LANGUAGE_RULES
from trueline.data_validation.rules_strings import STRING_RULES
from trueline.data_validation.views import DatasetView, FeatureView
from trueline.schema.features import deprecated, expects, in_environment
from trueline.schema.index import SchemaIndex
from trueline.schema.paths import FeaturePath

__all__ = ["CONTENT_RULES", "Controls", "Terms", "Verdict", "judge", "judge_present", "run_rules"]

CONTENT_RULES = (*PRESENCE_RULES, *DOMAIN_RULES, *STRING_RULES, *LANGUAGE_RULES, *COMPARATOR_RULES)
"""Asked of every present feature, after its identity."""


@dataclass(frozen=True)
class Controls:
    """What the data are compared with; None where there is no such data."""

    previous: DatasetView | None = None
    serving: DatasetView | None = None
    version: DatasetView | None = None

    def named(self) -> dict[str, DatasetView]:
        """The datasets that there are, by the names that the comparators use."""
        found = {"drift": self.previous, "previous": self.previous, "skew": self.serving, "version": self.version}
        return {name: dataset for name, dataset in found.items() if dataset is not None}


@dataclass
class Verdict:
    """What was found.

    Attributes:
        schema: the copy of the schema, widened so that the data fit (string domains only where judged together).
        features: reasons by feature, in the order found.
        dataset: reasons against the dataset as a whole.
        measurements: by feature, ``drift`` and ``skew``.
        new: columns that the schema did not know; fields of a new struct are not listed.
    """

    schema: Any
    features: dict[FeaturePath, list[Reason]] = field(default_factory=dict)
    dataset: list[Reason] = field(default_factory=list)
    measurements: dict[FeaturePath, dict[str, list[Measurement]]] = field(default_factory=dict)
    new: set[FeaturePath] = field(default_factory=set)

    def add(self, path: FeaturePath, reasons: list[Reason]) -> None:
        """Notes reasons against a feature."""
        if reasons:
            self.features.setdefault(path, []).extend(reasons)


@dataclass(frozen=True)
class Terms:
    """How to judge.

    Attributes:
        environment: the environment that the data are for, or None.
        max_domain: most strings that a domain may grow to.
        together: whether features that share a string domain see what others have added to it. Where anomalies are
            looked for they do not: each is judged by the schema as it was given.
        needed: the only new columns that are news, or None for all.
        confidence: if given, drift and skew count only where they exceed their threshold with this confidence.
    """

    environment: str | None = None
    max_domain: int = 400
    together: bool = False
    needed: frozenset[FeaturePath] | None = None
    confidence: float | None = None

    def news(self, path: FeaturePath) -> bool:
        """Whether a new column is news: it, what it is inside of, or something inside it is needed."""
        if self.needed is None:
            return True
        around = (FeaturePath(path.steps[:n]) for n in range(1, len(path.steps) + 1))
        return path in self._around_needed or any(parent in self.needed for parent in around)

    @cached_property
    def _around_needed(self) -> frozenset[FeaturePath]:
        found = (FeaturePath(p.steps[:n]) for p in self.needed or () for n in range(1, len(p.steps)))
        return frozenset(found)


def judge(schema: Any, dataset: DatasetView, controls: Controls, terms: Terms) -> Verdict:
    """Everything that is wrong with a dataset, and the schema that would accept it; `schema` is left as it is."""
    copy = type(schema)()
    copy.CopyFrom(schema)
    index = SchemaIndex(copy)
    verdict = Verdict(copy)
    named = controls.named()
    for view in dataset:
        judge_present(verdict, index, view, named, terms)
        if terms.together:
            index.commit()
        else:
            index.restore()
    _judge_absent(verdict, index, dataset, terms.environment)
    for path, reason in judge_composites(copy, dataset):
        verdict.add(path, [reason])
    verdict.dataset = judge_dataset(copy, dataset, named)
    return verdict


def judge_present(
    verdict: Verdict, index: SchemaIndex, view: FeatureView, named: dict[str, DatasetView], terms: Terms
) -> None:
    """Judges a feature that the data have."""
    steps = view.path.steps
    around = [index.features.get(FeaturePath(steps[:n])) for n in range(1, len(steps))]
    if any(parent is not None and deprecated(parent) for parent in around):
        return
    feature = index.features.get(view.path)
    if feature is None and not around and view.path.name in index.composites:
        return
    if feature is None:
        _judge_new(verdict, index, view, around, terms)
        return
    if deprecated(feature):
        return
    if terms.environment is not None and not in_environment(feature, index.schema, terms.environment):
        text = f"The column is not expected in the environment {terms.environment!r}."
        verdict.add(view.path, [Reason("SCHEMA_NEW_COLUMN", "Column outside its environment", text)])
        feature.in_environment.append(terms.environment)
        return
    case = Case(index, feature, view, view.path, terms.environment, terms.max_domain, named, terms.confidence)
    verdict.add(view.path, run_rules(case))
    for control in CONTROLS:
        measured = case.memo.get(f"measured {control.name}")
        if measured:
            verdict.measurements.setdefault(case.path, {})[control.name] = list(measured.values())


def run_rules(case: Case) -> list[Reason]:
    """The reasons against one feature; its part of the schema is mended."""
    reasons = apply_rules(IDENTITY_RULES, case)
    if case.view.num_present > 0 and not deprecated(case.feature):
        reasons += apply_rules(CONTENT_RULES, case)
        for control in CONTROLS:  # measured also where a rule has retired the feature
            measurements(case, control)
    return reasons


def _judge_new(verdict: Verdict, index: SchemaIndex, view: FeatureView, around: list[Any], terms: Terms) -> None:
    """A column that the schema does not know; the fields of a new struct are no news of their own."""
    parent = around[-1] if around else index.schema
    steps = view.path.steps
    paths = [FeaturePath(steps[:n]) for n in range(1, len(steps) + 1)]
    if parent is None or not terms.news(view.path):
        return
    home = index.schema.feature if not around else parent.struct_domain.feature
    feature = home.add()
    fill_feature(feature, view, index, shapes=False, max_domain=terms.max_domain)
    index.add_feature(view.path, feature)
    if verdict.new.isdisjoint(paths):
        text = "The data have this column, the schema does not."
        verdict.add(view.path, [Reason("SCHEMA_NEW_COLUMN", "New column", text)])
        verdict.new.add(view.path)


def _judge_absent(verdict: Verdict, index: SchemaIndex, dataset: DatasetView, environment: str | None) -> None:
    """Features that the schema requires and the data lack."""
    resting: set[FeaturePath] = set()
    for path, feature in index.features.items():
        if deprecated(feature) or not in_environment(feature, index.schema, environment):
            resting.add(path)
        above = (FeaturePath(path.steps[:n]) for n in range(1, len(path.steps) + 1))
        if path in dataset.features or any(parent in resting for parent in above):
            continue
        if expects(feature, index.schema, environment):
            text = "The schema requires this column, the data do not have it."
            verdict.add(path, [Reason("SCHEMA_MISSING_COLUMN", "Missing column", text)])
            retire_feature(feature)
