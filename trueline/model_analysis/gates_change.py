"""Changes against the baseline, judged with their sampling noise.

Three tests, with the paired change d = candidate - baseline and its standard error s over G noise groups; t stands for
Student's quantile at the check's confidence with G - 1 degrees of freedom, and "worse" for the metric's direction.

* ``worse`` refuses where d is beyond the bound in the worse direction *and* noise does not explain a worsening: the
  one-sided p-value of "it did not get worse", adjusted for all such checks of the evaluation (see `multiplicity`), is
  at most 1 - confidence. The candidate has the benefit of the doubt, so the correction protects good candidates: noise
  alone closes the gate of a whole evaluation with probability 1 - confidence at most. The price is power: the more
  checks, the larger a worsening has to be to be seen. A demanded improvement (a bound on the better side of 0) must be
  seen in the value itself: noise excuses nothing.
* ``non_inferior`` passes only where the one-sided interval of d, from d - t s upwards where higher is better, lies on
  the right side of the bound. The candidate has to show that it is not worse than the margin. Here the error to fear is
  a bad candidate that passes, and it must pass *every* check to do so: that is an intersection-union test (Berger 1982,
  "Multiparameter hypothesis testing and acceptance sampling"), whose overall level is that of each single check, so no
  correction is made or needed.
* ``value`` compares the bare d with the bound, as TFMA does.

A relative bound r is on d / abs(baseline), so that a negative baseline does not turn the sign (in TFMA it does). Its
interval is Fieller's, which counts the baseline's own noise, see `noise.ratio_interval`.

A metric that is a difference by nature (a flip rate, a prediction difference) is itself the change; its absolute bound
is on its value, as in TFMA. No value of it means "unchanged" for certain, so ``worse`` compares as ``value`` does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from trueline.model_analysis.gates_cases import FAILED, PASSED, WITHIN_NOISE, Case, evidence, undefined
from trueline.model_analysis.gates_interval import (
    Bound,
    change_interval,
    change_of,
    degrees_of_freedom,
    errors_of,
    p_of_inferiority,
)
from trueline.model_analysis.metrics import HIGHER
from trueline.model_analysis.noise import t_quantile, worsening_p_value
from trueline.model_analysis.validation import GateCheck

__all__ = ["Hypothesis", "Shared", "change_checks", "direction_of", "worsening"]

Hypothesis: TypeAlias = tuple[str, str, str | None, str]
"""Key, slice, the other slice of a pair, direction: checks of equal ones are one test."""
NO_NOISE = "its sampling noise could not be measured"


@dataclass(frozen=True)
class Shared:
    """What the checks of one evaluation share.

    Attributes:
        confidence: `EvalOptions.confidence`, of checks without their own.
        multiplicity: the rule.
        p_values: by hypothesis, the p-value of "it did not get worse", and the adjusted one.
    """

    confidence: float
    multiplicity: str
    p_values: Mapping[Hypothesis, tuple[float, float]]


def direction_of(case: Case) -> str | None:
    """In which direction it improves; differences between slices have no direction of their own."""
    threshold = case.rule.threshold.change_threshold
    if threshold is None:
        return None
    own = case.rule.metric.better if case.rule.metric is not None and case.target.compared_key is None else None
    return threshold.direction or own


def worsening(case: Case) -> tuple[Hypothesis, float] | None:
    """The one-sided p-value of "it did not get worse", of a check that noise can excuse; None for all others."""
    threshold, direction = case.rule.threshold.change_threshold, direction_of(case)
    change = case.target.changes.get(case.key)
    if threshold is None or threshold.test != "worse" or case.rule.native or direction is None:
        return None
    if change is None or change.value is None:
        return None
    sign = 1.0 if direction == HIGHER else -1.0
    if not any(bound is not None and sign * bound <= 0 for bound in (threshold.absolute, threshold.relative)):
        return None
    p = worsening_p_value(sign * change.value, change.standard_error, degrees_of_freedom(case))
    return None if p is None else (_hypothesis(case, direction), p)


def _hypothesis(case: Case, direction: str) -> Hypothesis:
    return (case.key, *case.target.texts, direction)


def change_checks(case: Case, shared: Shared) -> list[GateCheck]:
    """The bounds of the change, each judged; the candidate's value is defined."""
    threshold, direction = case.rule.threshold.change_threshold, direction_of(case)
    if threshold is None:
        return []
    bounds = {"change_absolute": threshold.absolute, "change_relative": threshold.relative}
    kinds = [kind for kind, bound in bounds.items() if bound is not None]
    if direction is None:
        text = f"{case.place}: it is not said whether higher or lower is better."
        return [evidence(case, kind, FAILED, text, reason="no_direction") for kind in kinds]
    change, before = change_of(case)
    if change is None or before is None:
        text = f"{case.key} was not computed for the baseline on {case.target.name}."
        return [evidence(case, kind, FAILED, text, reason="missing_metric") for kind in kinds]
    if change.value is None or before.value is None or not math.isfinite(change.value + before.value):
        why = f"{case.key} of the baseline on {case.target.name} is undefined: "
        return [undefined(case, kind, why + (before.undefined or "no change can be computed")) for kind in kinds]
    sign = 1.0 if direction == HIGHER else -1.0
    return [
        _judge(case, kind, bound, sign, change.value, before.value, shared)
        for kind, bound in bounds.items()
        if bound is not None
    ]


def _judge(case: Case, kind: str, bound: float, sign: float, change: float, before: float, shared: Shared) -> GateCheck:
    scale = 1.0 if kind == "change_absolute" else abs(before)
    if case.rule.native and kind == "change_relative":
        text = f"{case.place} has no relative change: it is a difference by nature. Give an absolute bound."
        return evidence(case, kind, FAILED, text, reason="undefined")
    if scale == 0:
        return undefined(case, kind, f"{case.place} has no relative change: the baseline's value is 0")
    one = Bound(kind, bound, sign, change / scale, scale)
    threshold = case.rule.threshold.change_threshold
    test = threshold.test if threshold is not None else "worse"
    if test == "non_inferior":
        return _non_inferior(case, one, shared)
    return _worse(case, one, shared, bare=test == "value" or case.rule.native)


def _text(case: Case, one: Bound) -> str:
    """What was found and demanded, without a verdict."""
    unit = " of the baseline" if one.kind == "change_relative" else ""
    demand = f"{_side(one)} {one.bound:+.4g}{unit} is demanded"
    mine, base = case.target.metrics[case.key], case.target.baseline.get(case.key)
    if case.rule.native or base is None:
        return f"{case.place} is {mine.value:.6g} where {demand}"
    return (
        f"{case.place} went from {base.value:.6g} (baseline) to {mine.value:.6g}, a change of {one.value:+.4g}{unit} "
        f"where {demand}"
    )


def _side(one: Bound) -> str:
    return "at least" if one.sign > 0 else "at most"


def _record(case: Case, one: Bound, outcome: str, sentence: str, shared: Shared, **more: object) -> GateCheck:
    threshold, (change, _) = case.rule.threshold.change_threshold, change_of(case)
    error = change.standard_error if change is not None else None
    numbers: dict[str, object] = {
        "compared": one.value,
        "bound": one.bound,
        "standard_error": error,
        "confidence": _confidence(case, shared),
        "test": threshold.test if threshold is not None else None,
        "direction": direction_of(case),
        "reason": one.kind if outcome == FAILED else None,
        **more,
    }
    if "low" not in more:
        low, high = change_interval(
            case, one, t_quantile((1 + _confidence(case, shared)) / 2, degrees_of_freedom(case))
        )
        numbers |= {"low": low, "high": high}
    return evidence(case, one.kind, outcome, sentence, **numbers)


def _confidence(case: Case, shared: Shared) -> float:
    threshold = case.rule.threshold.change_threshold
    own = threshold.confidence if threshold is not None else None
    return shared.confidence if own is None else own


def _worse(case: Case, one: Bound, shared: Shared, *, bare: bool) -> GateCheck:
    text = _text(case, one)
    place = _hypothesis(case, direction_of(case) or "")
    p, adjusted = (None, None) if bare else shared.p_values.get(place, (None, None))
    numbers = {"p_value": p, "p_adjusted": adjusted}
    if one.sign * one.value >= one.sign * one.bound:
        return _record(case, one, PASSED, f"{text}.", shared, **numbers)
    by = abs(one.bound - one.value)
    text += f": off by {by:.3g}"
    if bare:
        return _record(case, one, FAILED, f"{text}.", shared, by=by)
    if one.sign * one.bound > 0:
        return _record(case, one, FAILED, f"{text}; a demanded improvement has to be seen.", shared, by=by)
    if p is None or adjusted is None:
        return _record(case, one, FAILED, f"{text}; {NO_NOISE}.", shared, by=by)
    change = case.target.changes[case.key]
    error, allowed = change.standard_error or 0.0, 1 - _confidence(case, shared)
    many = f"{abs((change.value or 0.0) / error):.3g} standard errors" if error > 0 else "without any noise"
    said = f"({many}, {_shared_level(p, adjusted, shared)})"
    if adjusted > allowed:
        sentence = f"{text}, but within sampling noise {said}."
        return _record(case, one, WITHIN_NOISE, sentence, shared, **numbers)
    return _record(case, one, FAILED, f"{text}, beyond sampling noise {said}.", shared, by=by, **numbers)


def _shared_level(p: float, adjusted: float, shared: Shared) -> str:
    """How the p-value was adjusted and for how many checks."""
    many = len(shared.p_values)
    if shared.multiplicity == "none" or many == 1:
        return f"p = {p:.2g} in {many} check{'s' if many > 1 else ''}"
    rule = shared.multiplicity.replace("_", "-").title()
    return f"p = {p:.2g}; {adjusted:.2g} after {rule} over the {many} checks that share the level"


def _non_inferior(case: Case, one: Bound, shared: Shared) -> GateCheck:
    confidence, dof = _confidence(case, shared), degrees_of_freedom(case)
    low, high = change_interval(case, one, t_quantile(confidence, dof))
    limit = low if one.sign > 0 else high
    text = _text(case, one)
    if limit is None:
        why = "the baseline's value cannot be told from 0, so the ratio has no bounds"
        if None in errors_of(case, one):
            why = NO_NOISE
        return _record(case, one, FAILED, f"{text}; {why}.", shared, low=None, high=None)
    p = p_of_inferiority(case, one)
    ends = {"low": low, "high": None} if one.sign > 0 else {"low": None, "high": high}
    numbers = {**ends, "compared": limit, "p_value": p}
    only = f"; with {confidence * 100:.6g} % confidence it is {_side(one)} {limit:+.4g}"
    if one.sign * limit >= one.sign * one.bound:
        return _record(case, one, PASSED, f"{text}{only}.", shared, **numbers)
    by = abs(one.bound - limit)
    sentence = f"{text}{only}, so this is not shown: off by {by:.3g}."
    return _record(case, one, FAILED, sentence, shared, by=by, **numbers)
