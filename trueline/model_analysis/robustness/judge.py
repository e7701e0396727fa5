"""The gate on losses: one failure for each slice, naming the perturbation that is worst there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trueline.model_analysis.gates_change import NO_NOISE
from trueline.model_analysis.robustness.result import SliceLoss
from trueline.model_analysis.robustness.spec import Perturbation, RobustnessSpec
from trueline.model_analysis.validation import GateFailure

__all__ = ["judge", "level"]


@dataclass(frozen=True)
class _Broken:
    """A bound that a loss is beyond; `by` in units of the metric or as a share, whatever the bound is of."""

    loss: SliceLoss
    value: float | None
    bound: float | None
    by: float
    kind: str


def level(spec: RobustnessSpec, confidence: float, checks: int) -> float:
    """The two-sided level of each interval: ``worse`` shares the error among all checks (Bonferroni), one-sided."""
    if spec.test == "value":
        return confidence
    error = (1 - confidence) / (max(checks, 1) if spec.test == "worse" else 1)
    return 1 - 2 * min(error, 0.5 - 1e-9)


def judge(
    spec: RobustnessSpec, perturbations: Sequence[Perturbation], losses: Sequence[SliceLoss], metric: str
) -> tuple[tuple[GateFailure, ...], bool]:
    """Failures, in the order of slices, and whether anything was gated.

    Args:
        spec: the bounds.
        perturbations: as they were run, with bounds of their own.
        losses: what was measured.
        metric: the metric's key.
    """
    bounds = {p.label: _bounds(spec, p) for p in perturbations}
    gated = any(bound is not None for pair in bounds.values() for bound in pair)
    broken: dict[str, list[_Broken]] = {}
    for loss in losses:
        found = _judge(spec, loss, *bounds[loss.perturbation])
        if found is not None:
            broken.setdefault(loss.slice, []).append(found)
    order = dict.fromkeys(loss.slice for loss in losses)
    return tuple(_failure(broken[name], metric, spec.test) for name in order if name in broken), gated


def _bounds(spec: RobustnessSpec, p: Perturbation) -> tuple[float | None, float | None]:
    own = p.max_loss is not None or p.max_relative_loss is not None
    return (p.max_loss, p.max_relative_loss) if own else (spec.max_loss, spec.max_relative_loss)


def _judge(spec: RobustnessSpec, loss: SliceLoss, absolute: float | None, relative: float | None) -> _Broken | None:
    if absolute is None and relative is None:
        return None
    if loss.loss is None or (relative is not None and loss.relative is None):
        bound = absolute if absolute is not None else relative
        return _Broken(loss, None, bound, float("inf"), "undefined") if spec.undefined == "fail" else None
    decisive = {"value": loss.loss, "worse": loss.low, "non_inferior": loss.high}[spec.test]
    if decisive is None and spec.test == "non_inferior":  # nothing can be shown
        bound = absolute if absolute is not None else relative
        return _Broken(loss, loss.loss, bound, float("inf"), "no_noise")
    if decisive is None:  # no noise can excuse a loss: the bare one decides
        decisive = loss.loss
    if absolute is not None and decisive > absolute:
        return _Broken(loss, loss.loss, absolute, decisive - absolute, "robustness_absolute")
    if relative is not None and loss.clean is not None and decisive > relative * abs(loss.clean):
        return _Broken(loss, loss.relative, relative, decisive / abs(loss.clean) - relative, "robustness_relative")
    return None


def _failure(broken: list[_Broken], metric: str, test: str) -> GateFailure:
    """The worst perturbation of a slice, and how many others are beyond their bounds."""
    worst = max(broken, key=lambda b: b.by)
    loss, more = worst.loss, len(broken) - 1
    also = (
        f" ({more} more perturbation{'s' if more > 1 else ''} beyond {'their' if more > 1 else 'its'} bound)"
        if more
        else ""
    )
    place = f"{metric} on {loss.slice} under {loss.perturbation}"
    if worst.kind == "undefined":
        why = loss.undefined or "the clean value is 0, so there is no relative loss"
        sentence = f"{place} has no loss that could be judged: {why}; an undefined loss does not pass{also}."
        return GateFailure(metric, loss.slice, "undefined", None, worst.bound, None, sentence)
    if worst.kind == "no_noise":
        sentence = (
            f"{place} has a loss of {loss.loss:.4g}, and {NO_NOISE}: it is not shown to be within the bound{also}."
        )
        return GateFailure(metric, loss.slice, "undefined", worst.value, worst.bound, None, sentence)
    noise = f" ({NO_NOISE})" if test != "value" else ""
    if loss.low is not None and loss.high is not None:
        noise = f" (interval {loss.low:.4g} to {loss.high:.4g})"
    if worst.kind == "robustness_relative":
        allowed = f"{worst.bound:.4g} of the clean value is allowed"
    else:
        allowed = f"{worst.bound:.6g} is allowed"
    sentence = (
        f"{place} goes from {loss.clean:.6g} to {loss.perturbed:.6g}, a loss of {loss.loss:.4g}{noise}; {allowed}{also}"
        ": train on rows disturbed so, or raise the bound."
    )
    return GateFailure(metric, loss.slice, worst.kind, worst.value, worst.bound, worst.by, sentence)
