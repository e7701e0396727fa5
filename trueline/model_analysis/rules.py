"""From a configuration to what is really computed and gated: planned metrics with their keys, and threshold rules."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueline.model_analysis.config import EvalConfig, MetricConfig, MetricsSpec, MetricThreshold, SlicingSpec
from trueline.model_analysis.keys import MetricKey, SubKey
from trueline.model_analysis.metrics import Metric, find_metric
from trueline.model_analysis.views import View

__all__ = ["MeanOf", "PlannedMetric", "Rule", "metric_key", "part_name", "planned_metrics", "rules_of"]


@dataclass(frozen=True)
class MeanOf:
    """A value that is a weighted mean of other keys' values: macro averages, weighted outputs.

    Attributes:
        parts: (weight, canonical text of the key).
        by_frequency: weights are multiplied by the weight of the class's positive labels.
    """

    parts: tuple[tuple[float, str], ...]
    by_frequency: bool = False


@dataclass(frozen=True)
class PlannedMetric:
    """A metric with its key in the results and its options filled in.

    Attributes:
        key: canonical text of `metric_key`.
        metric: the record.
        options: options, defaults filled in, and ``classes``.
        metric_key: the key.
        view: the rows it is measured on.
        private: needed by others, and not shown.
        mean_of: it is no measurement of its own.
        models: the models it is for; empty means all.
    """

    key: str
    metric: Metric
    options: Mapping[str, Any]
    metric_key: MetricKey = field(default_factory=lambda: MetricKey(""))
    view: View = field(default_factory=View)
    private: bool = False
    mean_of: MeanOf | None = None
    models: tuple[str, ...] = ()

    def moments(self, classes: int) -> list[str]:
        """Names of the sums it needs; one each for all classes where it asks for them."""
        return [] if self.mean_of else self._named(self.metric.moments, classes)

    def tables(self, classes: int) -> list[str]:
        """Names of the histograms it needs."""
        return self._named(self.metric.tables, classes)

    def _named(self, templates: tuple[str, ...], classes: int) -> list[str]:
        names: list[str] = []
        for template in templates:
            fields = {name for _, name, _, _ in string.Formatter().parse(template) if name}
            given = {name: self.options.get(name) for name in fields - {"c", "t"}}
            thresholds = _threshold_texts(self.options) if "t" in fields else [None]
            for c in range(classes) if "c" in fields else [None]:
                names += [template.format(**given, c=c, t=t) for t in thresholds]
        return names


def _threshold_texts(options: Mapping[str, Any]) -> list[float]:
    value = options["thresholds"]
    return [float(t) for t in value] if isinstance(value, (list, tuple)) else [float(value)]


@dataclass(frozen=True)
class Rule:
    """One threshold in force.

    Attributes:
        key: the metric's name; it holds for every key of that name.
        threshold: what must hold.
        slicing_specs: the slices it is for; None means every slice.
    """

    key: str
    threshold: MetricThreshold
    slicing_specs: tuple[SlicingSpec, ...] | None = None


def metric_key(metric: MetricConfig) -> str:
    """The name of a metric's results: its option ``name``, else TFMA's default."""
    name = metric.config.get("name")
    if isinstance(name, str) and name:
        return name
    known = find_metric(metric.class_name, module=metric.module)
    return known.name if known else metric.class_name


def part_name(entry: MetricConfig, metric: Metric, part: Metric) -> str:
    """The name of one part of a metric with several: the option ``<part>_name``, or the option ``name`` before it."""
    own = entry.config.get(f"{part.name}_name")
    if isinstance(own, str) and own:
        return own
    name = entry.config.get("name")
    return f"{name}_{part.name.removeprefix(f'{metric.name}_')}" if isinstance(name, str) and name else part.name


def planned_metrics(config: EvalConfig, task: str, classes: int) -> tuple[PlannedMetric, ...]:
    """All metrics of a checked configuration, in its order; private ones that others need come before them."""
    planned: dict[str, PlannedMetric] = {}
    for spec in config.metrics_specs:
        for entry in spec.metrics:
            for made in _planned(spec, entry, task, classes):
                kept = planned.get(made.key)
                if kept is None or kept.private:
                    planned[made.key] = made
    return tuple(planned.values())


def _planned(spec: MetricsSpec, entry: MetricConfig, task: str, classes: int) -> Iterator[PlannedMetric]:
    binary = spec.binarize is not None or spec.aggregate is not None
    sort = "binary" if binary and task in ("multiclass", "multilabel") else task
    metric = find_metric(entry.class_name, sort, entry.module)
    if metric is None:
        return
    for part in metric.parts or (metric,):
        options = {**part.options, **entry.config, "classes": classes}
        name = part_name(entry, metric, part) if metric.parts else options.pop("name", None) or part.name
        for output in spec.output_names or ("",):
            for weighted, mark in _weightings(spec):
                for view, key, mean_of, private in _problems(spec, name, output, weighted, mark):
                    yield PlannedMetric(key.text, part, options, key, view, private, mean_of, spec.model_names)


def _weightings(spec: MetricsSpec) -> list[tuple[bool, bool]]:
    """(weighted, whether the key says that it is not); nothing said means weighted where there is a weight."""
    said = spec.example_weights
    if said is None or said.weighted == said.unweighted:
        both = said is not None and said.weighted
        return [(True, False), (False, True)] if both else [(True, False)]
    return [(said.weighted, False)]


def _problems(
    spec: MetricsSpec, name: str, output: str, weighted: bool, mark: bool
) -> Iterator[tuple[View, MetricKey, MeanOf | None, bool]]:
    """The views, keys, means and privacy of one metric: as it is, for each sub key, and aggregated."""

    def keyed(sub: SubKey = SubKey(), aggregation: str = "") -> MetricKey:  # noqa: B008 (frozen)
        return MetricKey(name, output, sub, aggregation, mark)

    binarize, aggregate = spec.binarize, spec.aggregate
    if binarize is None and aggregate is None:
        yield View(output, weighted), keyed(), None, False
        return
    if binarize is not None:
        subs = [
            *(SubKey(class_id=c) for c in binarize.class_ids),
            *(SubKey(k=k) for k in binarize.k_list),
            *(SubKey(top_k=k) for k in binarize.top_k_list),
        ]
        for sub in subs:
            yield View(output, weighted, sub), keyed(sub), None, False
    if aggregate is None:
        return
    weights = tuple(sorted(aggregate.class_weights.items()))
    if aggregate.micro_average:
        for sub in [SubKey(top_k=k) for k in aggregate.top_k_list] or [SubKey()]:
            yield View(output, weighted, sub, True, weights), keyed(sub, "micro_average"), None, False
        return
    kind = "weighted_macro_average" if aggregate.weighted_macro_average else "macro_average"
    groups = [(SubKey(top_k=k), [(SubKey(k=i), 1.0) for i in range(1, k + 1)]) for k in aggregate.top_k_list] or [
        (SubKey(), [(SubKey(class_id=c), w) for c, w in weights])
    ]
    for sub, parts in groups:
        for each, _ in parts:
            yield View(output, weighted, each), keyed(each), None, True
        mean = MeanOf(tuple((w, keyed(each).text) for each, w in parts), aggregate.weighted_macro_average)
        yield View(output, weighted), keyed(sub, kind), mean, False


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
