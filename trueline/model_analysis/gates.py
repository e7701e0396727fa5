"""The gates: what a configuration demands of the measured values, judged fail-closed.

* A value threshold holds where lower <= value <= upper.
* A change threshold refuses a candidate that is worse than the baseline by more than the margin *and* beyond sampling
  noise: the paired change is more than t standard errors from 0, with t from Student's distribution at
  `EvalOptions.confidence`, one-sided, divided among all change checks of the evaluation (Bonferroni), so that noise
  alone closes the gate of a whole evaluation with probability 1 - confidence at most. Where the noise could not be
  measured there is no such excuse. A demanded improvement (a bound on the better side of 0) must be seen in the value:
  noise excuses nothing.
* A missing slice or metric, an undefined value, or no threshold at all closes the gate.
* Without a baseline change thresholds are not applied, and the result says so (`rubber_stamp`); their metrics must be
  defined all the same, or the first model would pass with nothing measured and be the baseline of all that follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trueline.model_analysis.config import EvalConfig, GenericChangeThreshold, GenericValueThreshold
from trueline.model_analysis.measured import Measured, SliceMetrics
from trueline.model_analysis.metrics import HIGHER, find_metric
from trueline.model_analysis.noise import t_quantile
from trueline.model_analysis.rules import Rule, metric_key, rules_of
from trueline.model_analysis.slices import OVERALL, slice_name, spec_matches
from trueline.model_analysis.validation import GateFailure, ValidationResult

__all__ = ["validate_metrics"]


@dataclass(frozen=True)
class _Check:
    """One rule on one slice."""

    rule: Rule
    slice: SliceMetrics


@dataclass(frozen=True)
class _Judged:
    failures: tuple[GateFailure, ...] = ()
    within_noise: tuple[str, ...] = ()


def validate_metrics(measured: Measured, config: EvalConfig, *, has_baseline: bool) -> ValidationResult:
    """Judges what was measured.

    Args:
        measured: the values by slice.
        config: a checked configuration.
        has_baseline: whether a baseline was measured; without one change thresholds are not applied.
    """
    rules = rules_of(config)
    if not rules:
        sentence = "No metric has a threshold, so nothing was checked and nothing is blessed."
        failure = GateFailure("", "", "no_thresholds", None, None, None, sentence)
        return ValidationResult(False, (failure,), missing_thresholds=True)
    applied = [rule for rule in rules if has_baseline or rule.threshold.value_threshold is not None]
    checks = [_Check(rule, s) for rule in rules for s in measured.slices if _applies(rule, s)]
    changes = [c for c in checks if c.rule.threshold.change_threshold is not None] if has_baseline else []
    failures, missing = _missing_slices(applied, measured, config)
    noise: list[str] = []
    directions = {metric_key(m): m.class_name for spec in config.metrics_specs for m in spec.metrics}
    for check in checks:
        metric = find_metric(directions.get(check.rule.key, ""))
        level = _Level(config.options.confidence, len(changes))
        judged = _judge(check, metric.better if metric else None, has_baseline, level)
        failures += judged.failures
        noise += judged.within_noise
    if not measured.slices and not failures:
        sentence = "The evaluation data gave no slice at all, so nothing was checked."
        failures.append(GateFailure("", "", "missing_slice", None, None, None, sentence))
    stamped = not has_baseline and any(rule.threshold.change_threshold is not None for rule in rules)
    unique = tuple(dict.fromkeys(failures))
    return ValidationResult(
        ok=not unique,
        failures=unique,
        rubber_stamp=stamped,
        missing_slices=tuple(missing),
        within_noise=tuple(dict.fromkeys(noise)),
        too_small=tuple(slice_name(key) for key, _ in measured.too_small),
        checks=len(checks),
    )


@dataclass(frozen=True)
class _Level:
    """The noise level, shared among the change checks of the evaluation."""

    confidence: float
    checks: int

    def errors(self, groups: int) -> float:
        """How many standard errors count as noise."""
        return t_quantile(1 - (1 - self.confidence) / max(self.checks, 1), max(groups - 1, 1))


def _applies(rule: Rule, found: SliceMetrics) -> bool:
    return rule.slicing_specs is None or any(spec_matches(spec, found.key) for spec in rule.slicing_specs)


def _missing_slices(
    rules: Sequence[Rule], measured: Measured, config: EvalConfig
) -> tuple[list[GateFailure], list[str]]:
    """Slices that a rule asks for and that the data does not have, or not at the minimum size.

    A rule for every slice asks each configured spec for at least one slice. Slices of open feature keys may all be too
    small; one that is named outright (by values or an expression), or that a rule names, may not.
    """
    failures, missing = [], []
    for rule in rules:
        for spec in config.slices if rule.slicing_specs is None else rule.slicing_specs:
            if any(spec_matches(spec, s.key) for s in measured.slices):
                continue
            small = [rows for key, rows in measured.too_small if spec_matches(spec, key)]
            if small and spec.feature_keys and rule.slicing_specs is None:
                continue
            why = (
                f"has only {max(small)} labelled rows, fewer than the minimum of {config.options.min_slice_size}"
                if small
                else "does not occur in the evaluation data"
            )
            sentence = f"{rule.key} is gated on slice {spec}, which {why}."
            failures.append(GateFailure(rule.key, str(spec), "missing_slice", None, None, None, sentence))
            missing.append(str(spec))
    return failures, list(dict.fromkeys(missing))


def _judge(check: _Check, better: str | None, has_baseline: bool, level: _Level) -> _Judged:
    key, found, threshold = check.rule.key, check.slice, check.rule.threshold
    estimate = found.metrics.get(key)
    if estimate is None:
        return _fail(check, "missing_metric", f"{key} was not computed on {found.name}.")
    if estimate.value is None:
        return _fail(check, "undefined", f"{key} on {found.name} is undefined: {estimate.undefined}.")
    judged = _Judged()
    if threshold.value_threshold is not None:
        judged = _judge_value(check, threshold.value_threshold, estimate.value)
    if threshold.change_threshold is not None and has_baseline:
        changed = _judge_change(check, threshold.change_threshold, better, level)
        judged = _Judged(judged.failures + changed.failures, changed.within_noise)
    return judged


def _judge_value(check: _Check, threshold: GenericValueThreshold, value: float) -> _Judged:
    low, high = threshold.lower_bound, threshold.upper_bound
    start = f"{check.rule.key} on {check.slice.name} is {value:.6g}"
    if low is not None and not value >= low:
        text = f"{start}, below the lower bound {low:.6g} by {low - value:.3g}."
        return _fail(check, "value_lower", text, value, low, low - value)
    if high is not None and not value <= high:
        text = f"{start}, above the upper bound {high:.6g} by {value - high:.3g}."
        return _fail(check, "value_upper", text, value, high, value - high)
    return _Judged()


def _judge_change(check: _Check, threshold: GenericChangeThreshold, better: str | None, level: _Level) -> _Judged:
    key, found = check.rule.key, check.slice
    direction = threshold.direction or better
    change, before = found.changes.get(key), found.baseline.get(key)
    if change is None or before is None:
        return _fail(check, "missing_metric", f"{key} was not computed for the baseline on {found.name}.")
    if direction is None:
        return _fail(check, "no_direction", f"{key} on {found.name}: it is not said whether higher or lower is better.")
    if change.value is None or before.value is None:
        text = f"{key} of the baseline on {found.name} is undefined: {before.undefined or 'no change can be computed'}."
        return _fail(check, "undefined", text)
    failures: list[GateFailure] = []
    noise: list[str] = []
    sign = 1.0 if direction == HIGHER else -1.0
    for kind, bound in (("absolute", threshold.absolute), ("relative", threshold.relative)):
        if bound is None:
            continue
        if kind == "relative" and before.value == 0:
            text = f"{key} on {found.name} has no relative change: the baseline's value is 0."
            failures += _fail(check, "undefined", text).failures
            continue
        scale = 1.0 if kind == "absolute" else abs(before.value)  # a negative baseline must not turn the sign
        judged = _judge_bound(check, f"change_{kind}", change.value / scale, bound, sign, level)
        failures += judged.failures
        noise += judged.within_noise
    return _Judged(tuple(failures), tuple(noise))


def _judge_bound(check: _Check, kind: str, value: float, bound: float, sign: float, level: _Level) -> _Judged:
    """One bound of the absolute or relative change; `sign` is 1 where higher is better, -1 where lower is."""
    if sign * value >= sign * bound:
        return _Judged()
    key, found = check.rule.key, check.slice
    change, old, new = found.changes[key], found.baseline[key].value, found.metrics[key].value
    by, need = abs(bound - value), "at least" if sign > 0 else "at most"
    unit = " of the baseline" if kind == "change_relative" else ""
    text = (
        f"{key} on {found.name} went from {old:.6g} (baseline) to {new:.6g}, a change of {value:+.4g}{unit} where "
        f"{need} {bound:+.4g}{unit} is demanded: off by {by:.3g}"
    )
    change_value, error = change.value or 0.0, change.standard_error
    if sign * bound > 0:
        return _fail(check, kind, text + "; a demanded improvement has to be seen.", value, bound, by)
    if error is None:
        return _fail(check, kind, text + "; its sampling noise could not be measured.", value, bound, by)
    limit = level.errors(found.groups)
    if abs(change_value) <= limit * error:
        share = f"{abs(change_value) / error:.2g} standard errors, {limit:.3g} are noise at {level.checks} checks"
        return _Judged((), (f"{text}, but within sampling noise ({share}).",))
    many = f"{abs(change_value) / error:.3g} standard errors" if error > 0 else "without any noise"
    return _fail(check, kind, f"{text}, beyond sampling noise ({many}, {limit:.3g} allowed).", value, bound, by)


def _fail(
    check: _Check,
    kind: str,
    sentence: str,
    value: float | None = None,
    bound: float | None = None,
    by: float | None = None,
) -> _Judged:
    name = slice_name(OVERALL) if check.slice.key == OVERALL else check.slice.name
    return _Judged((GateFailure(check.rule.key, name, kind, value, bound, by, sentence),))
