"""An evaluation as data: what every worker needs to rebuild the same accumulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from trueline.model_analysis.config import EvalConfig
from trueline.model_analysis.gates_rules import gate_rules
from trueline.model_analysis.metrics import TABLES
from trueline.model_analysis.planning import planned_metrics
from trueline.model_analysis.rules import PlannedMetric
from trueline.model_analysis.views import View

__all__ = ["BASELINE", "BOOTSTRAP_GROUPS", "CANDIDATE", "EvalPlan", "PlannedTable", "make_plan"]

CANDIDATE, BASELINE = "candidate", "baseline"
BOOTSTRAP_GROUPS = 128
"""Groups of rows that the bootstrap draws; their own noise adds less than 5 % to a standard error."""


@dataclass(frozen=True)
class PlannedTable:
    """A histogram that the pass keeps: on which view, under which name, how wide, and whether by noise group."""

    view: View
    name: str
    width: int
    grouped: bool = False


@dataclass(frozen=True)
class EvalPlan:
    """What is measured.

    Attributes:
        config: the checked configuration.
        task: one of `metrics.TASKS`.
        classes: number of classes of a multi-class or multi-label task, else 0.
        models: names of the candidates, ``("candidate",)`` where there is one; then ``"baseline"`` if it is measured.
        groups: groups of rows for the noise; 1 where no noise is asked for.
        outputs: names of the outputs; one empty name where there is one.
        decision_thresholds: of each model that has one of its own; binary rows of others are decided at 0.5.
    """

    config: EvalConfig
    task: str
    classes: int
    models: tuple[str, ...]
    groups: int
    outputs: tuple[str, ...] = ("",)
    decision_thresholds: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def metrics(self) -> tuple[PlannedMetric, ...]:
        """The metrics, with keys and options."""
        return planned_metrics(self.config, self.task, self.classes, self.outputs)

    @property
    def has_baseline(self) -> bool:
        """Whether the last model is a baseline."""
        return self.models[-1] == BASELINE

    @cached_property
    def sums(self) -> dict[tuple[View, str], int]:
        """(view, moment) -> place among all sums; without the weight of each output nothing was measured."""
        wanted: dict[tuple[View, str], None] = {(View(output), "weight"): None for output in self.outputs}
        views = {planned.key: planned.view for planned in self.metrics}
        for planned in self.metrics:
            if planned:
                wanted |= dict.fromkeys((planned.view, name) for name in planned.moments(self.classes))
            if self.groups > 1:
                method = self.config.options.confidence_intervals.method
                named = planned.closed_form_moments(method, self.classes)
                wanted |= dict.fromkeys((planned.view, name) for name in named)
            if planned.mean_of is not None and planned.mean_of.by_frequency:
                wanted |= dict.fromkeys((views[text], "label") for _, text in planned.mean_of.parts)
        views_first = {view: place for place, view in enumerate(dict.fromkeys(view for view, _ in wanted))}
        ordered = sorted(wanted, key=lambda key: views_first[key[0]])  # a view's rows are made once and let go
        return {key: place for place, key in enumerate(ordered)}

    @cached_property
    def ranked(self) -> tuple[View, ...]:
        """The views of which the order of scores is needed."""
        return tuple(dict.fromkeys(p.view for p in self.metrics if p.metric.curve and p.mean_of is None))

    @cached_property
    def query_keys(self) -> tuple[str, ...]:
        """The columns whose equal values are one query."""
        return tuple(dict.fromkeys(p.view.query for p in self.metrics if p.view.query))

    @cached_property
    def tables(self) -> tuple[PlannedTable, ...]:
        """The histograms, each once."""
        wanted = dict.fromkeys((p.view, name) for p in self.metrics for name in p.tables(self.classes))
        return tuple(_planned_table(v, n, self.classes) for v, n in wanted)

    @cached_property
    def owns(self) -> tuple[PlannedMetric, ...]:
        """The metrics with a state of their own."""
        return tuple(p for p in self.metrics if p.metric.own is not None and p.mean_of is None)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data that metrics read."""
        found = [p.options.get(option) for p in self.metrics for option in p.metric.columns]
        keys = [spec.query_key for spec in self.config.metrics_specs if spec.query_key]
        return tuple(dict.fromkeys([*(c for c in found if isinstance(c, str) and c), *keys]))

    def to_json(self) -> dict[str, Any]:
        """JSON values alone."""
        return {
            "config": self.config.to_json(),
            "task": self.task,
            "classes": self.classes,
            "models": list(self.models),
            "groups": self.groups,
            "outputs": list(self.outputs),
            "decision_thresholds": dict(self.decision_thresholds),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EvalPlan:
        """The plan that `to_json` described."""
        config = EvalConfig.from_json(data["config"])
        models, outputs = tuple(data["models"]), tuple(data["outputs"])
        own = {str(name): float(t) for name, t in data.get("decision_thresholds", {}).items()}
        return cls(config, data["task"], int(data["classes"]), models, int(data["groups"]), outputs, own)


def _planned_table(view: View, name: str, classes: int) -> PlannedTable:
    base, _, parameter = name.partition("@")
    return PlannedTable(view, name, TABLES[base].width(parameter, classes), TABLES[base].grouped)


def make_plan(
    config: EvalConfig,
    task: str,
    classes: int,
    baseline: bool,
    candidates: Sequence[str] = (CANDIDATE,),
    outputs: Sequence[str] = ("",),
    decision_thresholds: Mapping[str, float] | None = None,
) -> EvalPlan:
    """The plan of a checked configuration; noise is measured for change thresholds, and for intervals where asked."""
    gated = baseline and any(rule.threshold.change_threshold for rule in gate_rules(config))
    models = (*candidates, BASELINE) if baseline else tuple(candidates)
    groups = 1
    if gated or config.options.compute_confidence_intervals:
        bootstrap = config.options.confidence_intervals.method == "POISSON_BOOTSTRAP"
        groups = max(BOOTSTRAP_GROUPS, config.options.noise_groups) if bootstrap else config.options.noise_groups
    return EvalPlan(config, task, classes, models, groups, tuple(outputs), decision_thresholds or {})
