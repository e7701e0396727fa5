"""The gates of fairness: failures name both groups, their sizes and intervals.

With a bound on the difference, P comparisons of a criterion, and confidence 1 - alpha:

* ``value`` refuses where the bare gap is beyond the bound.
* ``worse`` refuses where it is, and noise does not explain it: P times the least one-sided p-value of "this pair lies
  within the bound", adjusted over all such checks by the spec's multiplicity, is at most alpha. Where noise cannot be
  measured the bare gap decides.
* ``non_inferior`` passes only where every pair is shown to lie within the bound: |d| + t s at the one-sided level
  alpha. The model must pass every pair to pass, so no correction is made (Berger 1982). Where noise cannot be measured
  nothing is shown, and the gate is closed.

Bounds on ratios are the same on the logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trueline.model_analysis.fairness.gaps import Comparisons, Gap, difference_gap, ratio_gap
from trueline.model_analysis.fairness.groups import family_name
from trueline.model_analysis.fairness.measure import Measure
from trueline.model_analysis.fairness.rates import CRITERIA, RATES, rate_key
from trueline.model_analysis.fairness.records import LeftOut
from trueline.model_analysis.fairness.result import FairnessResult
from trueline.model_analysis.fairness.spec import Criterion
from trueline.model_analysis.multiplicity import adjusted_p_values
from trueline.model_analysis.rows import Floats
from trueline.model_analysis.validation import GateFailure

__all__ = ["judge_fairness", "judged"]


@dataclass(frozen=True)
class _Check:
    """One bound on one grouping.

    Attributes:
        criterion: the gate.
        columns, at: where.
        kind: ``fairness_difference``, ``fairness_ratio`` or ``fairness_increase``.
        bound: what is demanded.
        gap: what was found; an increase stands in its `value`.
        parts: the comparisons.
        left_out: groups that took no part.
        undefined: why nothing can be judged.
    """

    criterion: Criterion
    columns: tuple[str, ...]
    at: str
    kind: str
    bound: float
    gap: Gap
    parts: tuple[Comparisons, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def key(self) -> str:
        return rate_key(self.criterion.name, self.at)

    @property
    def is_ratio(self) -> bool:
        return self.kind == "fairness_ratio"

    @property
    def beyond(self) -> bool:
        """Whether the bare number is beyond the bound."""
        value = self.gap.value
        return value is not None and (value < self.bound if self.is_ratio else value > self.bound)

    def distances(self) -> list[tuple[Comparisons, Floats, Floats]]:
        """How far each pair lies beyond the bound, and its standard error."""
        if not self.is_ratio:
            return [(p, p.difference - self.bound, p.error) for p in self.parts if p.names]
        with np.errstate(divide="ignore", invalid="ignore"):
            limit = -math.log(self.bound) if self.bound > 0 else math.inf
            return [(p, -np.log(p.ratio) - limit, p.log_error) for p in self.parts if p.names]

    def p_value(self) -> float | None:
        """Of "every pair lies within the bound"; None where noise could not be measured."""
        count = sum(len(p.names) for p in self.parts)
        found = [p.tails(distance, error) for p, distance, error in self.distances()]
        known = [t for t in found if t is not None]
        return min(1.0, count * min(known)) if known and len(known) == len(found) else None

    def shown(self, confidence: float) -> bool:
        """Whether every pair is shown to lie within the bound."""
        parts = self.distances()
        if any(not np.isfinite(error).all() for _, _, error in parts):
            return False
        return all(bool((distance + p.reach(error, 1 - confidence) <= 0).all()) for p, distance, error in parts)


def judge_fairness(result: FairnessResult, criteria: Sequence[Criterion] | None = None) -> tuple[GateFailure, ...]:
    """Why the gates are closed; empty where all are open.

    Args:
        result: an evaluation.
        criteria: other gates than the spec's.

    Raises:
        ConfigError: criteria that do not fit the spec.
    """
    if criteria is None:
        return judged(Measure(result.sums, result.spec), result.spec.criteria)
    from dataclasses import replace

    spec = replace(result.spec, criteria=tuple(criteria))
    return judged(Measure(result.sums, spec), spec.criteria)


def judged(measure: Measure, criteria: Sequence[Criterion]) -> tuple[GateFailure, ...]:
    """The same of a measure."""
    checks = [check for criterion in criteria for check in _checks(measure, criterion)]
    alone = [_not_defined(measure, criterion) for criterion in criteria]
    p_values = {i: p for i, c in enumerate(checks) if c.criterion.test == "worse" and (p := c.p_value()) is not None}
    adjusted = dict(zip(p_values, adjusted_p_values(list(p_values.values()), measure.spec.multiplicity), strict=True))
    failures = [f for f in alone if f is not None]
    told: set[tuple[str, tuple[str, ...], str]] = set()
    for i, check in enumerate(checks):
        place = (check.criterion.name, check.columns, check.at)
        if place not in told:
            told.add(place)
            failures += _left_out(check)
        failures += _judge(measure, check, adjusted.get(i))
    return tuple(failures)


def _not_defined(measure: Measure, criterion: Criterion) -> GateFailure | None:
    """A criterion of another task judges nothing, so its gate is closed."""
    task = measure.sums.shape.task
    if task in CRITERIA[criterion.name].tasks:
        return None
    known = ", ".join(name for name, c in CRITERIA.items() if task in c.tasks)
    sentence = f"{criterion.name} is not defined for a {task} model, so nothing was judged; there is: {known}."
    return GateFailure(criterion.name, "Overall", "undefined", None, None, None, sentence)


def _checks(measure: Measure, criterion: Criterion) -> list[_Check]:
    record = CRITERIA[criterion.name]
    if measure.sums.shape.task not in record.tasks:
        return []
    wanted = tuple(sorted(criterion.groups))
    families = [f for f in measure.spec.families if not wanted or tuple(sorted(f)) == wanted]
    bounds = (
        ("fairness_difference", criterion.max_difference),
        ("fairness_ratio", criterion.min_ratio),
        ("fairness_increase", criterion.max_increase),
    )
    made = []
    level = criterion.confidence or measure.spec.confidence
    for columns in families:
        for at in _points(measure, criterion):
            side = measure.side(criterion.name, columns, at)
            parts = side.between if criterion.to == "groups" else side.reference
            for kind, bound in bounds:
                if bound is None:
                    continue
                gap = ratio_gap(parts, level) if kind == "fairness_ratio" else difference_gap(parts, level)
                if kind == "fairness_increase":
                    gap = _increase(measure, criterion, columns, at, gap)
                made.append(_Check(criterion, columns, at, kind, bound, gap, parts, side.left_out))
    return made


def _points(measure: Measure, criterion: Criterion) -> list[str]:
    record, shape = CRITERIA[criterion.name], measure.sums.shape
    if not record.decision:
        return ["own"]
    if shape.task == "multiclass":
        classes = criterion.class_ids or range(shape.count)
        own = ["own"] if criterion.name == "equal_accuracy" and not criterion.class_ids else []
        return own or [f"class_id={c}" for c in classes if c < shape.count]
    if criterion.at is None:
        return ["own"]
    return list(measure.points) if criterion.at == "all" else [f"{float(criterion.at):g}"]


def _increase(measure: Measure, criterion: Criterion, columns: tuple[str, ...], at: str, gap: Gap) -> Gap:
    """The difference minus the baseline's."""
    if len(measure.sums.shape.models) < 2:
        return Gap(None, undefined="there is no baseline to compare with")
    side = measure.side(criterion.name, columns, at, 1)
    base = difference_gap(side.between if criterion.to == "groups" else side.reference, measure.spec.confidence)
    if gap.value is None or base.value is None:
        return Gap(None, undefined=gap.undefined or f"the baseline's difference: {base.undefined}")
    return Gap(gap.value - base.value, rate=gap.rate, greater=gap.greater, lesser=gap.lesser)


def _left_out(check: _Check) -> list[GateFailure]:
    """Groups that could not be judged close the gate, unless the criterion says otherwise."""
    found = []
    for left in check.left_out:
        policy = check.criterion.small if left.small else check.criterion.undefined
        if policy == "pass":
            continue
        way = "small" if left.small else "undefined"
        sentence = (
            f"{check.key} on {family_name(check.columns)} cannot be judged for {left.group}: {left.reason}. "
            f"Give it more rows, or say {way}='pass' to judge the other groups."
        )
        kind = "too_small" if left.small else "undefined"
        found.append(GateFailure(check.key, left.group, kind, None, check.bound, None, sentence))
    return found


def _judge(measure: Measure, check: _Check, adjusted: float | None) -> list[GateFailure]:
    if check.gap.value is None:
        if check.criterion.undefined == "pass":
            return []
        text = f"{check.key} on {family_name(check.columns)} is undefined: {check.gap.undefined}; that does not pass."
        return [GateFailure(check.key, family_name(check.columns), "undefined", None, check.bound, None, text)]
    level = check.criterion.confidence or measure.spec.confidence
    test = "value" if check.kind == "fairness_increase" else check.criterion.test
    if test == "non_inferior":
        if check.shown(level):
            return []
        why = "" if check.beyond else f"; with {level:.4g} confidence it is not shown to be within the bound"
        return [_failure(measure, check, why)]
    if not check.beyond:
        return []
    if test == "worse" and adjusted is not None:
        if adjusted > 1 - level:
            return []
        return [_failure(measure, check, f"; it is beyond noise (p = {adjusted:.2g})")]
    return [_failure(measure, check, "")]


def _failure(measure: Measure, check: _Check, why: str) -> GateFailure:
    gap, value = check.gap, check.gap.value or 0.0
    words = {"fairness_difference": "a difference", "fairness_ratio": "a ratio", "fairness_increase": "an increase"}
    side, asked = ("at least", "demanded") if check.is_ratio else ("at most", "allowed")
    noise = "" if gap.low is None or gap.high is None else f" (interval {gap.low:.4g} to {gap.high:.4g})"
    by = abs(value - check.bound) if check.beyond else None
    what = f"{words[check.kind]} of {value:.4g}{noise}"
    if check.kind == "fairness_increase":
        what = f"a difference greater by {value:.4g} than the baseline's"
    sentence = (
        f"{check.key} on {family_name(check.columns)}: {gap.rate} is {_group(measure, check, gap.greater)} and "
        f"{_group(measure, check, gap.lesser)}, {what} where {side} {check.bound:.4g} is {asked}{why}."
    )
    return GateFailure(check.key, family_name(check.columns), check.kind, value, check.bound, by, sentence)


def _group(measure: Measure, check: _Check, name: str) -> str:
    """``0.31 for sex=M (2,000 rows, 0.29 to 0.33)``."""
    place = next(i for i, g in enumerate(measure.groups) if g.name == name)
    rate = check.gap.rate
    found = measure.estimate(rate_key(rate, check.at), RATES[rate], place, 0)
    noise = "" if found.low is None or found.high is None else f", {found.low:.4g} to {found.high:.4g}"
    return f"{found.value:.4g} for {name} ({int(measure.rows[place]):,} rows{noise})"
