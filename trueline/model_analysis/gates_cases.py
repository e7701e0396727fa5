"""One threshold on one key of one slice, and how what is found there becomes evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from trueline.model_analysis.gates_rules import GateRule, Target
from trueline.model_analysis.validation import GateCheck

__all__ = ["FAILED", "PASSED", "UNDEFINED_PASSED", "WITHIN_NOISE", "Case", "evidence", "undefined", "value_checks"]

PASSED, FAILED = "passed", "failed"
WITHIN_NOISE, UNDEFINED_PASSED = "within_noise", "undefined_passed"


@dataclass(frozen=True)
class Case:
    """A threshold, where it holds, and for which key.

    Attributes:
        rule: the threshold.
        target: the slice, or pair of slices.
        key: canonical text of the metric's key.
        threshold: place of the threshold in `ValidationResult.thresholds`.
    """

    rule: GateRule
    target: Target
    key: str
    threshold: int = 0

    @property
    def place(self) -> str:
        """The key on the slice, as sentences begin."""
        return f"{self.key} on {self.target.name}"


def evidence(case: Case, kind: str, outcome: str, sentence: str, **found: Any) -> GateCheck:
    """The record of one judgement; numbers that are not finite are left out."""
    slice_key, compared = case.target.texts
    mine, base = case.target.metrics.get(case.key), case.target.baseline.get(case.key)
    change = case.target.changes.get(case.key)
    fields = {
        "value": mine.value if mine else None,
        "baseline": base.value if base else None,
        "change": change.value if change else None,
        **found,
    }
    numbers: dict[str, Any] = {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields.items()
    }
    return GateCheck(
        metric=case.key,
        slice=case.target.name,
        slice_key=slice_key,
        compared_key=compared,
        kind=kind,
        outcome=outcome,
        sentence=sentence,
        threshold=case.threshold,
        rows=case.target.rows,
        weighted=False if case.key.endswith("unweighted]") else case.rule.weighted,
        **numbers,
    )


def undefined(case: Case, kind: str, why: str) -> GateCheck:
    """An undefined value: a failure, or let through where the threshold says so."""
    if case.rule.threshold.undefined == "pass":
        return evidence(case, kind, UNDEFINED_PASSED, f"{why}, which this threshold lets through.")
    return evidence(case, kind, FAILED, f"{why}.", reason="undefined")


def value_checks(case: Case) -> list[GateCheck]:
    """The bounds of the value, each judged: lower <= value <= upper. The value is defined."""
    threshold, estimate = case.rule.threshold.value_threshold, case.target.metrics[case.key]
    value = estimate.value
    if threshold is None or value is None:
        return []
    noise = {"low": estimate.low, "high": estimate.high, "standard_error": estimate.standard_error}
    start = f"{case.place} is {value:.6g}"
    found = []
    for kind, bound, sign, side in (
        ("value_lower", threshold.lower_bound, 1.0, "below the lower"),
        ("value_upper", threshold.upper_bound, -1.0, "above the upper"),
    ):
        if bound is None:
            continue
        numbers = {"compared": value, "bound": bound, **noise}
        if sign * value >= sign * bound:
            text = f"{start}, {'at least' if sign > 0 else 'at most'} {bound:.6g} as demanded."
            found.append(evidence(case, kind, PASSED, text, **numbers))
        else:
            by = abs(bound - value)
            text = f"{start}, {side} bound {bound:.6g} by {by:.3g}."
            found.append(evidence(case, kind, FAILED, text, reason=kind, by=by, **numbers))
    return found
