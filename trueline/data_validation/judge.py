"""The walk over features that both `validate_statistics` and `update_schema` take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trueline.data_validation.comparators import CONTROLS, Measurement, compare_feature
from trueline.data_validation.inference import fill_feature
from trueline.data_validation.rules import Case, Reason, apply_rules
from trueline.data_validation.rules_composite import composite_names, judge_composites
from trueline.data_validation.rules_dataset import judge_dataset
from trueline.data_validation.rules_domain import DOMAIN_RULES
from trueline.data_validation.rules_feature import IDENTITY_RULES, PRESENCE_RULES
from trueline.data_validation.rules_strings import STRING_RULES
from trueline.data_validation.views import DatasetView, FeatureView
from trueline.schema.features import deprecated, expects, find_feature, in_environment, walk_features
from trueline.schema.paths import FeaturePath

__all__ = ["Controls", "Verdict", "judge"]


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
    """

    schema: Any
    features: dict[FeaturePath, list[Reason]] = field(default_factory=dict)
    dataset: list[Reason] = field(default_factory=list)
    measurements: dict[FeaturePath, dict[str, list[Measurement]]] = field(default_factory=dict)

    def add(self, path: FeaturePath, reasons: list[Reason]) -> None:
        """Notes reasons against a feature."""
        if reasons:
            self.features.setdefault(path, []).extend(reasons)


def judge(
    schema: Any,
    dataset: DatasetView,
    environment: str | None,
    controls: Controls,
    *,
    max_domain: int = 400,
    together: bool = False,
) -> Verdict:
    """Everything that is wrong with a dataset, and the schema that would accept it.

    Args:
        schema: left as it is.
        dataset: the data.
        environment: the environment that they are for, or None.
        controls: what they are compared with.
        max_domain: most strings that a domain may grow to.
        together: whether features that share a string domain see what others have added to it. Where anomalies are
            looked for they do not: each is judged by the schema as it was given.
    """
    verdict = Verdict(type(schema)())
    verdict.schema.CopyFrom(schema)
    named = controls.named()
    for view in dataset:
        _judge_present(verdict, view, environment, named, max_domain)
        if not together and view.path in verdict.features:
            del verdict.schema.string_domain[:]
            verdict.schema.string_domain.extend(schema.string_domain)
    _judge_absent(verdict, dataset, environment)
    for path, reason in judge_composites(verdict.schema, dataset):
        verdict.add(path, [reason])
    verdict.dataset = judge_dataset(verdict.schema, dataset, named)
    return verdict


def _judge_present(
    verdict: Verdict, view: FeatureView, environment: str | None, named: dict[str, DatasetView], max_domain: int
) -> None:
    schema = verdict.schema
    around = [find_feature(schema, FeaturePath(view.path.steps[:n])) for n in range(1, len(view.path.steps))]
    if any(parent is not None and deprecated(parent) for parent in around):
        return
    feature = find_feature(schema, view.path)
    if feature is None and not around and view.path.name in composite_names(schema):
        return
    if feature is None:
        _judge_new(verdict, view, around, max_domain)
        return
    if deprecated(feature):
        return
    if not in_environment(feature, schema, environment):
        text = f"The column is not expected in the environment {environment!r}."
        verdict.add(view.path, [Reason("SCHEMA_NEW_COLUMN", "Column outside its environment", text)])
        feature.in_environment.append(environment)
        return
    case = Case(schema, feature, view, view.path, environment, max_domain)
    reasons = apply_rules(IDENTITY_RULES, case)
    if view.num_present > 0 and not deprecated(feature):
        reasons += apply_rules(PRESENCE_RULES, case)
        reasons += apply_rules((*DOMAIN_RULES, *STRING_RULES), case)
        reasons += _compare(verdict, case, named)
    verdict.add(view.path, reasons)


def _judge_new(verdict: Verdict, view: FeatureView, around: list[Any], max_domain: int) -> None:
    """A column that the schema does not know; the fields of a new struct are no news of their own."""
    parent = around[-1] if around else verdict.schema
    if parent is None:
        return
    home = verdict.schema.feature if not around else parent.struct_domain.feature
    fill_feature(home.add(), view, verdict.schema, shapes=False, max_domain=max_domain)
    new = {path for path, found in verdict.features.items() if any(r.type == "SCHEMA_NEW_COLUMN" for r in found)}
    if not any(view.path.starts_with(path) for path in new):
        text = "The data have this column, the schema does not."
        verdict.add(view.path, [Reason("SCHEMA_NEW_COLUMN", "New column", text)])


def _compare(verdict: Verdict, case: Case, named: dict[str, DatasetView]) -> list[Reason]:
    reasons: list[Reason] = []
    for control in CONTROLS:
        if control.name in named:
            found, measured = compare_feature(case.feature, case.view, control, named[control.name])
            reasons += found
            if measured:
                verdict.measurements.setdefault(case.path, {})[control.name] = measured
    return reasons


def _judge_absent(verdict: Verdict, dataset: DatasetView, environment: str | None) -> None:
    """Features that the schema requires and the data lack."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    resting: list[FeaturePath] = []
    for path, feature in list(walk_features(verdict.schema)):
        if deprecated(feature):
            resting.append(path)
        if any(path.starts_with(parent) for parent in resting) or path in dataset.features:
            continue
        if expects(feature, verdict.schema, environment):
            text = "The schema requires this column, the data do not have it."
            verdict.add(path, [Reason("SCHEMA_MISSING_COLUMN", "Missing column", text)])
            feature.lifecycle_stage = schema_pb2.LifecycleStage.Value("DEPRECATED")
