"""The paired change of one case: its interval and its p-value, in the unit of the bound.

An absolute bound is in the metric's unit. A relative one is in units of the baseline's absolute value, with Fieller's
interval.
"""

from __future__ import annotations

from dataclasses import dataclass

from trueline.model_analysis.gates_cases import Case
from trueline.model_analysis.measured import Change, Estimate
from trueline.model_analysis.noise import ratio_interval, upper_tail

__all__ = ["Bound", "change_interval", "change_of", "degrees_of_freedom", "errors_of", "p_of_inferiority"]


@dataclass(frozen=True)
class Bound:
    """One bound of a change, in the bound's unit.

    Attributes:
        kind: ``change_absolute`` or ``change_relative``.
        bound: what is demanded.
        sign: 1 where higher is better, -1 where lower is.
        value: the change.
        scale: 1, or the size of the baseline's value.
    """

    kind: str
    bound: float
    sign: float
    value: float
    scale: float


def change_of(case: Case) -> tuple[Change | None, Estimate | None]:
    """The change and the baseline's value; for a difference by nature the value itself and 0."""
    if not case.rule.native:
        return case.target.changes.get(case.key), case.target.baseline.get(case.key)
    mine = case.target.metrics[case.key]
    return Change(mine.value, mine.standard_error), Estimate(0.0)


def degrees_of_freedom(case: Case) -> int:
    """Of the noise: one less than groups that hold rows, at least 1."""
    return max(case.target.groups - 1, 1)


def errors_of(case: Case, one: Bound) -> tuple[float | None, ...]:
    """The standard errors that the interval needs: of the change, for a relative bound of both models' values too."""
    change, before = change_of(case)
    error = change.standard_error if change is not None else None
    if one.kind == "change_absolute":
        return (error,)
    return error, case.target.metrics[case.key].standard_error, before.standard_error if before is not None else None


def change_interval(case: Case, one: Bound, reach: float) -> tuple[float | None, float | None]:
    """The change plus and minus so many standard errors, in the bound's unit; None where it has no end."""
    errors = [error for error in errors_of(case, one) if error is not None]
    if len(errors) < len(errors_of(case, one)):
        return None, None
    if one.kind == "change_absolute":
        return one.value - reach * errors[0], one.value + reach * errors[0]
    error, mine, base = errors
    # A negative baseline is turned, and the change stays as it is: its ratio to a positive base is what bounds are of.
    found = ratio_interval(one.value * one.scale, one.scale, _turned(case, mine, base, error), reach)
    return found if found is not None else (None, None)


def _turned(case: Case, mine: float, base: float, error: float) -> tuple[float, float, float]:
    """Standard errors of (abs(base) + change), abs(base) and change.

    For a negative baseline b the change is measured from -b, so that the covariance turns its sign; the variance that
    stands for the candidate is then ``V_b + V_d - 2 cov(d, b)``, which is ``2 V_b + 2 V_d - V_c``.
    """
    before = case.target.baseline[case.key].value
    if before is None or before >= 0:
        return mine, base, error
    return max(2 * base**2 + 2 * error**2 - mine**2, 0.0) ** 0.5, base, error


def p_of_inferiority(case: Case, one: Bound) -> float | None:
    """The one-sided p-value of "it is worse than the margin"; None where noise is unknown."""
    errors = [error for error in errors_of(case, one) if error is not None]
    if len(errors) < len(errors_of(case, one)):
        return None
    variance = errors[0] ** 2
    if one.kind == "change_relative":
        turned, base, error = _turned(case, errors[1], errors[2], errors[0])
        covariance = (turned**2 - base**2 - error**2) / 2
        variance = max(variance - 2 * one.bound * covariance + one.bound**2 * base**2, 0.0)
    gap = one.sign * (one.value - one.bound) * one.scale
    if variance == 0:
        return 0.0 if gap >= 0 else 1.0
    return upper_tail(gap / variance**0.5, degrees_of_freedom(case))
