"""Every problem of an evaluation configuration, found at once and before any data is read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from trueline._core.errors import ExprError, did_you_mean
from trueline.model_analysis.config import (
    DIRECTIONS,
    EvalConfig,
    EvalOptions,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    SlicingSpec,
)
from trueline.model_analysis.curves import CURVE_AREAS
from trueline.model_analysis.metrics import Metric, find_metric, metric_names
from trueline.model_analysis.rules import Rule, metric_key, rules_of
from trueline.model_analysis.slices import spec_columns

__all__ = ["config_problems"]

_CHOICES = {
    "curve": sorted({curve for curve, _ in CURVE_AREAS}),
    "summation_method": sorted({method for _, method in CURVE_AREAS}),
    "average": ["macro", "micro", "weighted"],
}


def config_problems(config: EvalConfig, task: str | None = None, columns: Sequence[str] | None = None) -> list[str]:
    """All problems as sentences.

    Args:
        config: what to check.
        task: the model's task, where known: a metric that is not defined for it is a problem.
        columns: the data's columns, where known: a slice by another column is a problem.
    """
    entries = [entry for spec in config.metrics_specs for entry in spec.metrics]
    problems = [] if entries else ["metrics_specs name no metric, so nothing would be measured"]
    for entry in entries:
        problems += _metric_problems(entry, task)
    keys = [metric_key(entry) for entry in entries]
    problems += [
        f"{n} metrics have the key {key!r}: give them distinct names in config={{'name': ...}}"
        for key, n in Counter(keys).items()
        if n > 1
    ]
    by_key = dict(zip(keys, entries, strict=True))
    for rule in rules_of(config):
        problems += _rule_problems(rule, by_key, config, task)
    for spec in config.slicing_specs:
        problems += _slice_problems(spec, columns)
    return problems + _option_problems(config.options)


def _metric_problems(entry: MetricConfig, task: str | None) -> list[str]:
    metric = find_metric(entry.class_name, task)
    if metric is None and find_metric(entry.class_name) is not None:
        return [f"metric {entry.class_name!r} is not defined for a {task} model. "
                f"{did_you_mean(entry.class_name, metric_names(task), limit=60)}"]  # fmt: skip
    if metric is None:
        return [f"there is no metric {entry.class_name!r}. {did_you_mean(entry.class_name, metric_names(), limit=60)}"]
    variants = [m for m in (find_metric(entry.class_name, t) for t in metric.tasks) if m] if task else [metric]
    if task is None:
        variants = [m for t in ("binary", "regression", "multiclass") if (m := find_metric(entry.class_name, t))]
    allowed = {"name", *(option for m in variants for option in m.options)}
    problems = [
        f"metric {entry.class_name!r} has no option {option!r}. {did_you_mean(str(option), allowed)}"
        for option in entry.config
        if option not in allowed
    ]
    problems += [
        f"metric {entry.class_name!r} needs the option {option!r}"
        for option, default in metric.options.items()
        if default is None and option not in entry.config
    ]
    return problems + [p for option, value in entry.config.items() for p in _value_problems(entry, option, value)]


def _value_problems(entry: MetricConfig, option: str, value: Any) -> list[str]:
    where = f"metric {entry.class_name!r}, option {option!r}"
    if option in _CHOICES and value not in _CHOICES[option]:
        return [f"{where}: {value!r} is none of {', '.join(_CHOICES[option])}"]
    if option == "name" and not (isinstance(value, str) and value):
        return [f"{where}: a text is expected, not {value!r}"]
    if option == "k" and not (isinstance(value, int) and value > 0):
        return [f"{where}: a positive integer is expected, not {value!r}"]
    if option == "thresholds" and isinstance(value, (list, tuple)):
        if len(value) != 1:
            return [f"{where}: one threshold is expected; configure the metric once per threshold, each with a name"]
        value = value[0]
    numeric = {"thresholds", "specificity", "sensitivity", "recall", "precision", "false_positive_rate"}
    if option in numeric and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return [f"{where}: a number is expected, not {value!r}"]
    return []


def _rule_problems(rule: Rule, by_key: dict[str, MetricConfig], config: EvalConfig, task: str | None) -> list[str]:
    where = f"threshold on {rule.key!r}"
    if rule.key not in by_key:
        return [f"{where}: this metric is not computed. {did_you_mean(rule.key, by_key)}"]
    metric = find_metric(by_key[rule.key].class_name, task)
    problems = []
    value, change = rule.threshold.value_threshold, rule.threshold.change_threshold
    if value is None and change is None:
        problems.append(f"{where}: neither value_threshold nor change_threshold is given, so it would check nothing")
    if value is not None:
        problems += _bound_problems(where, value)
    if change is not None:
        problems += _change_problems(where, change, metric)
    if rule.slicing_specs is not None and not rule.slicing_specs:
        problems.append(
            f"{where}: per-slice thresholds need slicing_specs; an empty SlicingSpec() is the overall slice"
        )
    for spec in rule.slicing_specs or ():
        if not any(_could_give(configured, spec) for configured in config.slices):
            known = "; ".join(str(s) for s in config.slices)
            problems.append(f"{where}: slice {str(spec)!r} is not among the slicing_specs ({known})")
    return problems


def _bound_problems(where: str, value: GenericValueThreshold) -> list[str]:
    bounds = [b for b in (value.lower_bound, value.upper_bound) if b is not None]
    if not bounds:
        return [f"{where}: value_threshold has neither lower_bound nor upper_bound"]
    if any(math.isnan(b) for b in bounds):
        return [f"{where}: a bound is NaN"]
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        return [f"{where}: lower_bound {bounds[0]:g} is above upper_bound {bounds[1]:g}"]
    return []


def _change_problems(where: str, change: GenericChangeThreshold, metric: Metric | None) -> list[str]:
    problems = []
    bounds = [b for b in (change.absolute, change.relative) if b is not None]
    if not bounds:
        problems.append(f"{where}: change_threshold has neither absolute nor relative")
    if any(math.isnan(b) for b in bounds):
        problems.append(f"{where}: a bound is NaN")
    if change.direction is None:
        if metric is not None and metric.better is None:
            problems.append(f"{where}: the metric has no better direction of its own; give direction")
    elif change.direction not in DIRECTIONS:
        problems.append(f"{where}: direction {change.direction!r} is none of {', '.join(DIRECTIONS)}")
    return problems


def _could_give(configured: SlicingSpec, wanted: SlicingSpec) -> bool:
    """Whether a configured spec makes slices that the wanted spec matches."""
    if configured.columns != wanted.columns or configured.expression != wanted.expression:
        return False
    both = configured.feature_values.keys() & wanted.feature_values.keys()
    return all(configured.feature_values[k] == wanted.feature_values[k] for k in both)


def _slice_problems(spec: SlicingSpec, columns: Sequence[str] | None) -> list[str]:
    twice = set(spec.feature_keys) & set(spec.feature_values)
    problems = [f"slice {str(spec)!r}: {name!r} stands in feature_keys and feature_values" for name in sorted(twice)]
    try:
        read = spec_columns([spec])
    except ExprError as error:
        return [*problems, f"slice {str(spec)!r}: {error.message}"]
    if columns is not None:
        shown = [c for c in columns if not c.startswith("__")]
        problems += [
            f"slice {str(spec)!r}: the data has no column {name!r}. {did_you_mean(name, shown)}"
            for name in read
            if name not in columns
        ]
    return problems


def _option_problems(options: EvalOptions) -> list[str]:
    limits: tuple[tuple[str, float, float], ...] = (
        ("min_slice_size", 0, math.inf),
        ("noise_groups", 2, 255),
        ("exact_rank_rows", 0, 10_000_000),
        ("max_slices", 1, math.inf),
        ("seed", 0, 2**63 - 1),
    )
    problems = [
        f"options.{name} is {getattr(options, name)}, it must be from {low:g} to {high:g}"
        for name, low, high in limits
        if not low <= getattr(options, name) <= high
    ]
    if not 0.5 <= options.confidence < 1:
        problems.append(f"options.confidence is {options.confidence}, it must be from 0.5 to below 1")
    return problems
