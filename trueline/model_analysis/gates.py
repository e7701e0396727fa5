"""The gates: what a configuration demands of the measured values, judged fail-closed.

* A value threshold holds where lower <= value <= upper, on slices and on the differences between slices.
* A change threshold holds the candidate against the baseline, with sampling noise and for all checks of the evaluation
  together, see `gates_change`.
* A missing slice, pair or metric, an undefined value, or no threshold at all closes the gate.
* Without a baseline thresholds on changes, and on metrics that are differences by nature, are not applied, and the
  result says so (`rubber_stamp`, `notes`). The metrics of changes must be defined all the same, or the first model
  would pass with nothing measured and be the baseline of all that follow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trueline.model_analysis.config import EvalConfig, MetricThreshold
from trueline.model_analysis.gates_cases import (
    FAILED,
    PASSED,
    UNDEFINED_PASSED,
    WITHIN_NOISE,
    Case,
    evidence,
    undefined,
    value_checks,
)
from trueline.model_analysis.gates_change import Shared, change_checks, worsening
from trueline.model_analysis.gates_keys import KeyFinder
from trueline.model_analysis.gates_missing import missing_slices, slicing_details_of
from trueline.model_analysis.gates_rules import GateRule, Target, gate_rules, targets_of
from trueline.model_analysis.measured import Measured
from trueline.model_analysis.multiplicity import adjusted_p_values
from trueline.model_analysis.slices import slice_name
from trueline.model_analysis.validation import GateCheck, GateFailure, SlicingDetail, ValidationResult

__all__ = ["validate_metrics"]

_ALONE = "There was no other model to compare with, so this one"
"""How the note on thresholds that were not applied begins."""


def validate_metrics(
    measured: Measured,
    config: EvalConfig,
    *,
    has_baseline: bool,
    model: str | None = None,
    task: str | None = None,
    classes: int = 0,
    outputs: Sequence[str] = ("",),
) -> ValidationResult:
    """Judges what was measured.

    Args:
        measured: the values by slice.
        config: a checked configuration.
        has_baseline: whether a baseline was measured; without one change thresholds are not applied.
        model: the candidate's name: metrics specs for other models alone do not gate it. None takes all specs.
        task: the models' task; with it thresholds hold for exactly the keys that the configuration plans.
        classes: number of classes, 0 where there are none.
        outputs: names of the models' outputs.
    """
    rules = gate_rules(config, model)
    if not rules:
        sentence = "No metric has a threshold, so nothing was checked and nothing is blessed."
        failure = GateFailure("", "", "no_thresholds", None, None, None, sentence)
        return ValidationResult(False, (failure,), missing_thresholds=True, model=_model_name(config, model))
    applied = [rule for rule in rules if has_baseline or rule.applies_without_baseline]
    finder = KeyFinder(config, task, classes, outputs)
    pairs = _Pairs.of(rules, targets_of(measured), finder, has_baseline)
    judged = tuple(dict.fromkeys(pairs.judged(config, has_baseline)))
    failures = [*missing_slices(applied, measured, config), *_failures(judged)]
    if not measured.slices and not failures:
        sentence = "The evaluation data gave no slice at all, so nothing was checked."
        failures.append(GateFailure("", "", "missing_slice", None, None, None, sentence))
    left_out = [rule for rule in rules if not has_baseline and _needs_baseline(rule)]
    unique = tuple(dict.fromkeys(failures))
    return ValidationResult(
        ok=not unique,
        failures=unique,
        rubber_stamp=bool(left_out),
        missing_slices=_places(unique, "missing_slice"),
        within_noise=_sentences(judged, WITHIN_NOISE),
        too_small=tuple(slice_name(key) for key, _ in measured.too_small),
        checks=pairs.count,
        missing_cross_slices=_places(unique, "missing_cross_slice"),
        undefined_passed=_sentences(judged, UNDEFINED_PASSED),
        notes=_notes(left_out, not unique, any(rule.threshold.value_threshold is not None for rule in applied)),
        judged=judged,
        thresholds=pairs.thresholds,
        details=_details(applied, pairs.cases),
        model=_model_name(config, model),
    )


@dataclass(frozen=True)
class _Pairs:
    """All rules on all slices.

    Attributes:
        cases: one for each key that is there.
        absent: (case with the missing key), which closes the gate.
        thresholds: every distinct threshold once.
        count: how many (threshold, slice) pairs there are.
    """

    cases: list[Case] = field(default_factory=list)
    absent: list[Case] = field(default_factory=list)
    thresholds: tuple[MetricThreshold, ...] = ()
    count: int = 0

    @classmethod
    def of(cls, rules: Sequence[GateRule], targets: Sequence[Target], finder: KeyFinder, has_baseline: bool) -> _Pairs:
        """Crosses rules and slices; the rules in their order, the slices in theirs."""
        cases: list[Case] = []
        absent: list[Case] = []
        thresholds: list[MetricThreshold] = []
        count = 0
        for rule in rules:
            if rule.native and not has_baseline:
                continue
            kept = _writable(rule.threshold)
            if kept not in thresholds:
                thresholds.append(kept)
            place, known = thresholds.index(kept), {}
            for target in targets:
                if not rule.applies(target):
                    continue
                count += 1
                texts = tuple(target.metrics)
                if texts not in known:
                    known[texts] = finder.split(rule, texts)
                found, missing = known[texts]
                cases += [Case(rule, target, key, place) for key in found]
                absent += [Case(rule, target, key, place) for key in missing]
        return cls(cases, absent, tuple(thresholds), count)

    def judged(self, config: EvalConfig, has_baseline: bool) -> Iterator[GateCheck]:
        """Every bound of every case with its evidence."""
        shared = _shared(self.cases, config) if has_baseline else None
        for case in self.cases:
            yield from _judge(case, shared)
        for case in self.absent:
            sentence = f"{case.key} was not computed on {case.target.name}."
            for kind in _kinds(case.rule):
                yield evidence(case, kind, FAILED, sentence, reason="missing_metric")


def _writable(threshold: MetricThreshold) -> MetricThreshold:
    """The threshold as the verdict keeps it: JSON has no infinite bounds."""
    value, change = threshold.value_threshold, threshold.change_threshold
    return replace(
        threshold,
        value_threshold=value and replace(value, **_finite(value, "lower_bound", "upper_bound")),
        change_threshold=change and replace(change, **_finite(change, "absolute", "relative")),
    )


def _finite(record: object, *names: str) -> dict[str, Any]:
    bounds = {name: getattr(record, name) for name in names}
    return {name: bound if bound is not None and math.isfinite(bound) else None for name, bound in bounds.items()}


def _shared(cases: Sequence[Case], config: EvalConfig) -> Shared:
    """The p-values of all checks that noise can excuse, each hypothesis once, adjusted together."""
    family = dict(found for case in cases if (found := worsening(case)) is not None)
    adjusted = adjusted_p_values(list(family.values()), config.options.multiplicity)
    pairs = zip(family.items(), adjusted, strict=True)
    return Shared(
        config.options.confidence, config.options.multiplicity, {place: (p, after) for (place, p), after in pairs}
    )


def _judge(case: Case, shared: Shared | None) -> list[GateCheck]:
    """The checks of one case; `shared` is None without a baseline."""
    estimate = case.target.metrics[case.key]
    if estimate.value is None or not math.isfinite(estimate.value):
        if estimate.undefined is None and estimate.value is None:
            text = f"{case.place} is no single number, so no threshold can hold for it."
            return [evidence(case, kind, FAILED, text, reason="undefined") for kind in _kinds(case.rule)]
        why = estimate.undefined or f"the value is {estimate.value}"
        return [undefined(case, kind, f"{case.place} is undefined: {why}") for kind in _kinds(case.rule)]
    checks = value_checks(case)
    if case.rule.threshold.change_threshold is None:
        return checks
    if shared is not None:
        return checks + change_checks(case, shared)
    text = f"{case.place} is {estimate.value:.6g}; there was no other model to judge its change against."
    return [*checks, evidence(case, "defined", PASSED, text, compared=estimate.value)]


def _kinds(rule: GateRule) -> list[str]:
    """The bounds of a rule."""
    value, change = rule.threshold.value_threshold, rule.threshold.change_threshold
    bounds = {
        "value_lower": value.lower_bound if value else None,
        "value_upper": value.upper_bound if value else None,
        "change_absolute": change.absolute if change else None,
        "change_relative": change.relative if change else None,
    }
    return [kind for kind, bound in bounds.items() if bound is not None] or ["defined"]


def _failures(judged: Sequence[GateCheck]) -> list[GateFailure]:
    return [
        GateFailure(c.metric, c.slice, c.reason or c.kind, c.compared, c.bound, c.by, c.sentence)
        for c in judged
        if c.outcome == FAILED
    ]


def _needs_baseline(rule: GateRule) -> bool:
    return rule.native or rule.threshold.change_threshold is not None


def _notes(left_out: Sequence[GateRule], ok: bool, valued: bool) -> tuple[str, ...]:
    """That a first model is judged by value thresholds alone, or, where there are none, by having values at all."""
    if not left_out:
        return ()
    names = ", ".join(dict.fromkeys(rule.name for rule in left_out))
    alone = "on value thresholds alone" if valued else "with no threshold on a value at all"
    verdict = f"passes {alone}" if ok else f"was judged {alone}"
    many = "1 threshold on a change was" if len(left_out) == 1 else f"{len(left_out)} thresholds on changes were"
    return (f"{_ALONE} {verdict}: {many} not applied ({names}).",)


def _places(failures: Sequence[GateFailure], kind: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f.slice for f in failures if f.kind == kind and f.slice))


def _sentences(judged: Sequence[GateCheck], outcome: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check.sentence for check in judged if check.outcome == outcome))


def _details(rules: Sequence[GateRule], cases: Sequence[Case]) -> tuple[SlicingDetail, ...]:
    return slicing_details_of(rules, [(case.rule, case.target) for case in cases])


def _model_name(config: EvalConfig, model: str | None) -> str:
    """The name that TFMA's keys give to the candidate: none where there is one model alone."""
    if len(config.model_specs) < 2:
        return ""
    return model if model is not None else next((m.name for m in config.model_specs if not m.is_baseline), "")
