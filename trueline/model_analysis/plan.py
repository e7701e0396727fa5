"""An evaluation as data: what every worker needs to rebuild the same accumulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trueline.model_analysis.config import EvalConfig
from trueline.model_analysis.rules import PlannedMetric, planned_metrics, rules_of

__all__ = ["BASELINE", "CANDIDATE", "EvalPlan", "make_plan"]

CANDIDATE, BASELINE = "candidate", "baseline"


@dataclass(frozen=True)
class EvalPlan:
    """What is measured.

    Attributes:
        config: the checked configuration.
        task: ``binary``, ``regression``, ``multiclass`` or ``ranking``.
        classes: number of classes of a multi-class task, else 0.
        models: names of the candidates, ``("candidate",)`` where there is one; then ``"baseline"`` if it is measured.
        groups: groups of rows for the noise; 1 where no noise is asked for.
    """

    config: EvalConfig
    task: str
    classes: int
    models: tuple[str, ...]
    groups: int

    @cached_property
    def metrics(self) -> tuple[PlannedMetric, ...]:
        """The metrics, with keys and options."""
        return planned_metrics(self.config, self.task, self.classes)

    @cached_property
    def moments(self) -> tuple[str, ...]:
        """Names of all sums, each once; that of the weights always, for without weight nothing was measured."""
        names = [name for metric in self.metrics for name in metric.moments(self.classes)]
        return tuple(dict.fromkeys([*names, "weight"]))

    @property
    def ranked(self) -> bool:
        """Whether any metric needs the order of scores."""
        return any(metric.metric.curve for metric in self.metrics)

    def to_json(self) -> dict[str, Any]:
        """JSON values alone."""
        return {
            "config": self.config.to_json(),
            "task": self.task,
            "classes": self.classes,
            "models": list(self.models),
            "groups": self.groups,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EvalPlan:
        """The plan that `to_json` described."""
        config = EvalConfig.from_json(data["config"])
        return cls(config, data["task"], int(data["classes"]), tuple(data["models"]), int(data["groups"]))


def make_plan(
    config: EvalConfig, task: str, classes: int, baseline: bool, candidates: Sequence[str] = (CANDIDATE,)
) -> EvalPlan:
    """The plan of a checked configuration; noise is measured for change thresholds, and for intervals where asked."""
    gated = baseline and any(rule.threshold.change_threshold for rule in rules_of(config))
    noise = gated or config.options.compute_confidence_intervals
    models = (*candidates, BASELINE) if baseline else tuple(candidates)
    return EvalPlan(config, task, classes, models, config.options.noise_groups if noise else 1)
