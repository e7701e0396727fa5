"""From a configuration to what is really computed and gated: planned metrics with their keys, and threshold rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueline.model_analysis.config import EvalConfig, MetricConfig, MetricThreshold, SlicingSpec
from trueline.model_analysis.metrics import Metric, find_metric

__all__ = ["PlannedMetric", "Rule", "metric_key", "planned_metrics", "rules_of"]


@dataclass(frozen=True)
class PlannedMetric:
    """A metric with its key in the results and its options filled in."""

    key: str
    metric: Metric
    options: Mapping[str, Any]

    def moments(self, classes: int) -> list[str]:
        """Names of the sums it needs; one each for all classes where it asks for them."""
        names: list[str] = []
        for template in self.metric.moments:
            if "{c}" in template:
                names += [template.format(c=c) for c in range(classes)]
            elif "{t}" in template:
                value = self.options["thresholds"]
                names.append(template.format(t=float(value[0] if isinstance(value, (list, tuple)) else value)))
            else:
                names.append(template.format(k=self.options.get("k")))
        return names


@dataclass(frozen=True)
class Rule:
    """One threshold in force.

    Attributes:
        key: the metric's key.
        threshold: what must hold.
        slicing_specs: the slices it is for; None means every slice.
    """

    key: str
    threshold: MetricThreshold
    slicing_specs: tuple[SlicingSpec, ...] | None = None


def metric_key(metric: MetricConfig) -> str:
    """The key of a metric's results: its option ``name``, else TFMA's default."""
    name = metric.config.get("name")
    if isinstance(name, str) and name:
        return name
    known = find_metric(metric.class_name)
    return known.name if known else metric.class_name


def planned_metrics(config: EvalConfig, task: str, classes: int) -> tuple[PlannedMetric, ...]:
    """All metrics of a checked configuration, in its order."""
    planned = []
    for spec in config.metrics_specs:
        for entry in spec.metrics:
            metric = find_metric(entry.class_name, task)
            if metric is not None:
                options = {**metric.options, **entry.config, "classes": classes}
                key = options.pop("name", None) or metric.name
                planned.append(PlannedMetric(key, metric, options))
    return tuple(planned)


def rules_of(config: EvalConfig) -> tuple[Rule, ...]:
    """All thresholds of a configuration, in its order."""
    rules = []
    for spec in config.metrics_specs:
        for entry in spec.metrics:
            key = metric_key(entry)
            if entry.threshold is not None:
                rules.append(Rule(key, entry.threshold))
            rules += [Rule(key, p.threshold, p.slicing_specs) for p in entry.per_slice_thresholds]
        rules += [Rule(key, threshold) for key, threshold in spec.thresholds.items()]
        for key, entries in spec.per_slice_thresholds.items():
            rules += [Rule(key, p.threshold, p.slicing_specs) for p in entries]
    return tuple(rules)
