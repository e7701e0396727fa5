"""Which metrics are computed: every metric of a configuration with its keys, views and options filled in.

The rules are TFMA's: a metric of binary rows sees every class of every class row (flattened), unless `binarize`,
`aggregate` or the metric's own options ``class_id`` and ``top_k`` make another binary problem of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trueline._core.errors import ConfigError
from trueline.model_analysis.config import (
    AggregationOptions,
    BinarizationOptions,
    EvalConfig,
    MetricConfig,
    MetricsSpec,
)
from trueline.model_analysis.curves import even_thresholds
from trueline.model_analysis.keys import MetricKey, SubKey
from trueline.model_analysis.metrics import CLASS_TASKS, Metric, find_metric
from trueline.model_analysis.rules import MeanOf, PlannedMetric, part_name
from trueline.model_analysis.views import View

__all__ = ["planned_metrics"]

_NO_SUB = SubKey()


@dataclass(frozen=True)
class _Problem:
    """One binary problem, or the rows as they are: the view, the key without its name, and the means of others."""

    view: View
    key: MetricKey
    mean_of: tuple[tuple[float, MetricKey], ...] = ()
    by_frequency: bool = False
    private: bool = False


def planned_metrics(
    config: EvalConfig, task: str, classes: int, outputs: Sequence[str] = ("",)
) -> tuple[PlannedMetric, ...]:
    """All metrics of a checked configuration, in its order; private ones that others need come before them."""
    planned: dict[str, PlannedMetric] = {}
    for spec in config.metrics_specs:
        for entry in spec.metrics:
            for made in _planned(spec, entry, task, classes, outputs):
                _check_sub_key(made, classes)
                kept = planned.get(made.key)
                if kept is None or kept.private:
                    planned[made.key] = made
    return tuple(planned.values())


def _check_sub_key(planned: PlannedMetric, classes: int) -> None:
    """A class, or a place among the greatest, that the output does not have."""
    sub = planned.view.sub_key
    beyond = [f"class {sub.class_id}"] if sub.class_id is not None and sub.class_id >= classes else []
    beyond += [f"the {k} greatest" for k in (sub.k, sub.top_k) if k is not None and k > classes]
    if beyond:
        raise ConfigError(
            f"metric {planned.key!r} asks for {' and '.join(beyond)}",
            hint=f"there are {classes} classes, with the numbers 0 to {classes - 1}.",
        )


def _planned(
    spec: MetricsSpec, entry: MetricConfig, task: str, classes: int, outputs: Sequence[str]
) -> Iterator[PlannedMetric]:
    metric = find_metric(entry.class_name, task, entry.module)
    if metric is None:
        return
    of_rows = _of_rows(metric, entry, spec, task)
    for part in of_rows.parts or (of_rows,):
        options = {**part.options, **entry.config, "classes": classes}
        name = part_name(entry, of_rows, part) if of_rows.parts else options.pop("name", None) or part.name
        for weighted, mark in _weightings(spec):
            for output in spec.output_names or outputs:
                problems = list(_problems(spec, part, options, View(output, weighted), mark, task, classes))
                yield from _filled(part, name, options, problems, spec)
            if spec.output_weights:
                yield _over_outputs(part, name, options, spec, weighted, mark)


def _of_rows(metric: Metric, entry: MetricConfig, spec: MetricsSpec, task: str) -> Metric:
    """The record for binary rows where the configuration asks for a binary problem of class rows, or for none."""
    if task not in CLASS_TASKS or not set(metric.tasks) & set(CLASS_TASKS):
        return metric
    binary = find_metric(entry.class_name, "binary", entry.module)
    asked = spec.binarize is not None or spec.aggregate is not None
    asked |= "average" in metric.options and entry.config.get("average") is None
    return binary if asked and binary is not None and "class_id" in binary.options else metric


def _weightings(spec: MetricsSpec) -> list[tuple[bool, bool]]:
    """(weighted, whether the key says that it is not); nothing said means weighted where there is a weight."""
    said = spec.example_weights
    if said is None or said.weighted == said.unweighted:
        both = said is not None and said.weighted
        return [(True, False), (False, True)] if both else [(True, False)]
    return [(said.weighted, False)]


def _problems(
    spec: MetricsSpec, metric: Metric, options: Mapping[str, Any], rows: View, mark: bool, task: str, classes: int
) -> Iterator[_Problem]:
    """As it is, for each sub key, and aggregated; the keys have no name yet."""
    key = MetricKey("", rows.output, _NO_SUB, "", mark)
    if metric.query:
        for sub, _ in _expanded(metric, options):
            yield _Problem(replace(rows, query=spec.query_key), replace(key, sub_key=sub))
        return
    if metric.class_mean is not None and task in CLASS_TASKS:
        yield from _class_means(metric, options, rows, key, classes)
        return
    if task not in CLASS_TASKS or not set(metric.tasks) & {"binary"} or set(metric.tasks) & set(CLASS_TASKS):
        for sub, _ in _expanded(metric, options):
            yield _Problem(rows, replace(key, sub_key=sub))
        return
    own = SubKey(*(options.get(name) for name in ("class_id", "k", "top_k")))
    if spec.binarize is None and spec.aggregate is None:
        flat = own.class_id is None and own.k is None and own.top_k is None
        yield _Problem(replace(rows, sub_key=own, flatten=flat), replace(key, sub_key=own))
        return
    for sub in _subs(spec.binarize):
        both = SubKey(*(_first(a, b) for a, b in zip(_parts(sub), _parts(own), strict=True)))
        yield _Problem(replace(rows, sub_key=both), replace(key, sub_key=both))
    if spec.aggregate is not None:
        yield from _aggregated(spec.aggregate, rows, key)


def _expanded(metric: Metric, options: Mapping[str, Any]) -> list[tuple[SubKey, Mapping[str, Any]]]:
    return [(_NO_SUB, options)] if metric.expand is None else list(metric.expand(options))


def _parts(sub: SubKey) -> tuple[int | None, int | None, int | None]:
    return sub.class_id, sub.k, sub.top_k


def _first(a: int | None, b: int | None) -> int | None:
    return b if a is None else a


def _subs(binarize: BinarizationOptions | None) -> list[SubKey]:
    if binarize is None:
        return []
    return [
        *(SubKey(class_id=c) for c in binarize.class_ids),
        *(SubKey(k=k) for k in binarize.k_list),
        *(SubKey(top_k=k) for k in binarize.top_k_list),
    ]


def _aggregated(aggregate: AggregationOptions, rows: View, key: MetricKey) -> Iterator[_Problem]:
    weights = tuple(sorted(aggregate.class_weights.items()))
    if aggregate.micro_average:
        for sub in [SubKey(top_k=k) for k in aggregate.top_k_list] or [_NO_SUB]:
            view = replace(rows, sub_key=sub, flatten=True, class_weights=weights)
            yield _Problem(view, replace(key, sub_key=sub, aggregation="micro_average"))
        return
    kind = "weighted_macro_average" if aggregate.weighted_macro_average else "macro_average"
    groups = [(SubKey(top_k=k), [(SubKey(k=i), 1.0) for i in range(1, k + 1)]) for k in aggregate.top_k_list] or [
        (_NO_SUB, [(SubKey(class_id=c), w) for c, w in weights])
    ]
    for sub, parts in groups:
        for each, _ in parts:
            yield _Problem(replace(rows, sub_key=each), replace(key, sub_key=each), private=True)
        means = tuple((w, replace(key, sub_key=each)) for each, w in parts)
        yield _Problem(rows, replace(key, sub_key=sub, aggregation=kind), means, aggregate.weighted_macro_average)


def _class_means(
    metric: Metric, options: Mapping[str, Any], rows: View, key: MetricKey, classes: int
) -> Iterator[_Problem]:
    """A mean over all classes, each against the rest."""
    subs = [SubKey(class_id=c) for c in range(classes)]
    for sub in subs:
        yield _Problem(replace(rows, sub_key=sub), replace(key, sub_key=sub), private=True)
    means = tuple((1.0, replace(key, sub_key=sub)) for sub in subs)
    assert metric.class_mean is not None
    yield _Problem(rows, key, means, metric.class_mean(options))


def _filled(
    metric: Metric, name: str, options: Mapping[str, Any], problems: list[_Problem], spec: MetricsSpec
) -> Iterator[PlannedMetric]:
    """The problems with names and thresholds; several thresholds give a key each, and one that holds them all."""
    expanded = dict(_expanded(metric, options)) if metric.expand is not None else {}
    for problem in problems:
        own = dict(expanded.get(problem.key.sub_key, options))
        levels = _thresholds(own, problem.view) if _decides(metric) else [None]
        several = (len(levels) > 1 or metric.at_thresholds) and metric.data is None
        if not several:
            own |= {"thresholds": levels if metric.data is not None else levels[0]} if levels != [None] else {}
            yield _made(metric, replace(problem.key, name=name), own, problem, spec)
            continue
        keys = [replace(problem.key, name=f"{name}@{level:g}") for level in levels]
        for level, key in zip(levels, keys, strict=True):
            yield _made(metric, key, {**own, "thresholds": level}, problem, spec)
        if metric.at_thresholds:
            continue
        whole = replace(problem.key, name=name)
        texts = tuple(key.text for key in keys)
        yield replace(_made(metric, whole, {**own, "thresholds": levels}, problem, spec), array_of=texts, mean_of=None)


def _models(spec: MetricsSpec) -> tuple[str, ...]:
    """The models that a spec is for; TFMA's empty name is that of a single model, so of all."""
    return tuple(name for name in spec.model_names if name)


def _decides(metric: Metric) -> bool:
    """Whether it is measured at thresholds."""
    return any("{t}" in template for template in (*metric.moments, *metric.tables))


def _made(
    metric: Metric, key: MetricKey, options: Mapping[str, Any], problem: _Problem, spec: MetricsSpec
) -> PlannedMetric:
    mean = None
    if problem.mean_of:
        mean = MeanOf(tuple((w, replace(k, name=key.name).text) for w, k in problem.mean_of), problem.by_frequency)
    if options.get("from_logits"):  # any number is a logit
        metric = replace(metric, reads=metric.reads - {"score"})
    return PlannedMetric(key.text, metric, options, key, problem.view, problem.private, mean, _models(spec))


def _thresholds(options: Mapping[str, Any], view: View) -> list[Any]:
    """Those given; else minus infinity for the top k, and the model's own decision threshold for all others."""
    given = options.get("thresholds")
    if given is None and options.get("num_thresholds"):
        return list(even_thresholds(int(options["num_thresholds"])))
    if given is None:
        return [float("-inf") if view.sub_key.top_k is not None else "own"]
    return [float(t) for t in given] if isinstance(given, (list, tuple)) else [float(given)]


def _over_outputs(
    metric: Metric, name: str, options: Mapping[str, Any], spec: MetricsSpec, weighted: bool, mark: bool
) -> PlannedMetric:
    """The weighted mean over outputs: one more key, without an output's name."""
    outputs = list(spec.output_weights)
    whole = MetricKey(name, "", _NO_SUB, "", mark)
    parts = tuple((float(w), replace(whole, output_name=output).text) for output, w in spec.output_weights.items())
    view = View(outputs[0], weighted)
    own = {**options, "thresholds": "own"} if _decides(metric) else dict(options)
    return PlannedMetric(whole.text, metric, own, whole, view, False, MeanOf(parts), _models(spec))
