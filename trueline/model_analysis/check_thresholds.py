"""Problems of thresholds: metrics that nobody computes, slices that nobody makes, bounds that cannot hold."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trueline._core.errors import did_you_mean
from trueline.model_analysis.check_slices import could_cross, could_give
from trueline.model_analysis.config import DIRECTIONS, EvalConfig, GenericChangeThreshold, GenericValueThreshold
from trueline.model_analysis.gates_missing import cross_name
from trueline.model_analysis.gates_rules import GateRule
from trueline.model_analysis.keys import MetricKey

__all__ = ["threshold_problems"]

TESTS = ("worse", "non_inferior", "value")
UNDEFINED = ("fail", "pass")


def threshold_problems(rule: GateRule, names: Sequence[str], config: EvalConfig) -> list[str]:
    """The problems of one threshold.

    Args:
        rule: the threshold and where it holds.
        names: names of the metrics that are computed.
        config: the configuration it stands in.
    """
    where = f"threshold on {rule.name!r}"
    name = MetricKey.parse(rule.name).name
    if not {rule.name, name, name.rpartition("@")[0]} & set(names):  # name@0.5 is one of several thresholds
        return [f"{where}: this metric is not computed. {did_you_mean(rule.name, names)}"]
    problems = []
    value, change = rule.threshold.value_threshold, rule.threshold.change_threshold
    if value is None and change is None:
        problems.append(f"{where}: neither value_threshold nor change_threshold is given, so it would check nothing")
    if value is not None:
        problems += _bound_problems(where, value)
    if change is not None:
        problems += _change_problems(where, change, rule)
    if rule.threshold.undefined not in UNDEFINED:
        problems.append(f"{where}: undefined is {rule.threshold.undefined!r}, it is one of {', '.join(UNDEFINED)}")
    if rule.metric is not None and rule.metric.data is not None:
        problems.append(f"{where}: the metric gives a table and no number, so nothing can be compared")
    return problems + _slice_problems(where, rule, config) + _cross_problems(where, rule, config)


def _bound_problems(where: str, value: GenericValueThreshold) -> list[str]:
    bounds = [b for b in (value.lower_bound, value.upper_bound) if b is not None]
    if not bounds:
        return [f"{where}: value_threshold has neither lower_bound nor upper_bound"]
    if any(math.isnan(b) for b in bounds):
        return [f"{where}: a bound is NaN"]
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        return [f"{where}: lower_bound {bounds[0]:g} is above upper_bound {bounds[1]:g}"]
    return []


def _change_problems(where: str, change: GenericChangeThreshold, rule: GateRule) -> list[str]:
    problems = []
    bounds = [b for b in (change.absolute, change.relative) if b is not None]
    if not bounds:
        problems.append(f"{where}: change_threshold has neither absolute nor relative")
    if any(math.isnan(b) for b in bounds):
        problems.append(f"{where}: a bound is NaN")
    if change.direction is None:
        if rule.cross_specs is not None:
            problems.append(f"{where}: a difference between slices has no better direction of its own; give direction")
        elif rule.metric is not None and rule.metric.better is None:
            problems.append(f"{where}: the metric has no better direction of its own; give direction")
    elif change.direction not in DIRECTIONS:
        problems.append(f"{where}: direction {change.direction!r} is none of {', '.join(DIRECTIONS)}")
    if change.test not in TESTS:
        problems.append(f"{where}: test {change.test!r} is none of {', '.join(TESTS)}")
    level = change.confidence
    if level is not None and (isinstance(level, bool) or not 0.5 <= level < 1):
        problems.append(f"{where}: confidence is {level!r}, it must be from 0.5 to below 1")
    return problems


def _slice_problems(where: str, rule: GateRule, config: EvalConfig) -> list[str]:
    if rule.slicing_specs is None:
        return []
    if not rule.slicing_specs:
        return [f"{where}: per-slice thresholds need slicing_specs; an empty SlicingSpec() is the overall slice"]
    known = "; ".join(str(s) for s in config.slices)
    return [
        f"{where}: slice {str(spec)!r} is not among the slicing_specs ({known})"
        for spec in rule.slicing_specs
        if not any(could_give(configured, spec) for configured in config.slices)
    ]


def _cross_problems(where: str, rule: GateRule, config: EvalConfig) -> list[str]:
    if rule.cross_specs is None:
        return []
    if not rule.cross_specs:
        return [f"{where}: cross-slice thresholds need cross_slicing_specs of their own"]
    if not config.cross_slicing_specs:
        return [f"{where}: cross-slice thresholds need cross_slicing_specs in the evaluation config"]
    known = "; ".join(cross_name(c) for c in config.cross_slicing_specs)
    return [
        f"{where}: {cross_name(cross)!r} is not among the cross_slicing_specs ({known})"
        for cross in rule.cross_specs
        if not any(could_cross(configured, cross) for configured in config.cross_slicing_specs)
    ]
