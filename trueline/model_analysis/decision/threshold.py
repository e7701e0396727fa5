"""The threshold of least expected cost: every distinct score is tried, on sums and without a loop over rows.

Of thresholds of equal cost the one nearest to the Bayes threshold of calibrated probabilities is taken,
``(c_fp - c_tn) / ((c_fp - c_tn) + (c_fn - c_tp))`` (Elkan 2001, "The foundations of cost-sensitive learning").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trueline._core.errors import GateError
from trueline.model_analysis.decision.cost import Constraint, Cost
from trueline.model_analysis.decision.rates import RATES, Counts
from trueline.model_analysis.noise import t_quantile

__all__ = ["Best", "best_threshold", "jackknife_error"]

Floats = npt.NDArray[np.float64]
_CURVE_POINTS = 64


@dataclass(frozen=True)
class Best:
    """The chosen threshold.

    Attributes:
        threshold: a float32 number between two distinct scores; the second class is said from it on.
        costs: expected cost a row: of all rows, then without each noise group, ``[1 + G]``.
        low, high: the least and the greatest threshold of which noise cannot tell that it costs more than the chosen
            one (the hull of the thresholds that a paired test at the level does not refuse).
        rates: recall, precision and kin at the threshold; None where undefined.
        error_bound: how far the least cost of all thresholds can be below the chosen one's; 0 where all were tried.
        curve: thresholds and their costs, thinned out.
    """

    threshold: float
    costs: Floats
    low: float
    high: float
    rates: dict[str, float | None]
    error_bound: float
    curve: tuple[tuple[float, float], ...]


def best_threshold(
    scores: npt.NDArray[np.float32],
    positive: Floats,
    negative: Floats,
    cost: Cost,
    constraints: Sequence[Constraint] = (),
    *,
    confidence: float = 0.95,
    exact: bool = True,
) -> Best:
    """Searches all thresholds.

    Args:
        scores: distinct, ascending, ``[T]``; of a histogram the lower edges of the buckets.
        positive: weight of the second class's rows by score and noise group, ``[T, G]``.
        negative: the same of the first class.
        cost: what outcomes cost.
        constraints: what the threshold must keep.
        confidence: of `low` and `high`.
        exact: every row stands at its own score; otherwise scores are edges and `error_bound` says what is lost.

    Raises:
        GateError: no threshold keeps all constraints; it says how near each can be come by itself.
    """
    tp, fp = _from_above(positive), _from_above(negative)
    counts = Counts(tp, fp, tp[:1] - tp, fp[:1] - fp)
    whole = Counts(*(c.sum(axis=1) for c in (counts.tp, counts.fp, counts.fn, counts.tn)))
    costs = _cost(whole, cost)
    values = _between(scores)
    allowed = np.isfinite(values)
    kept = allowed & _keeps(whole, constraints)
    if not kept.any():
        raise GateError("no threshold keeps all constraints", problems=_nearest(whole, constraints, allowed))
    best = _choose(costs, values, kept, cost)
    low, high, by_group = _interval(counts, costs, cost, kept, best, confidence)
    return Best(
        float(values[best]),
        np.concatenate([costs[best : best + 1], by_group]),
        float(values[low]),
        float(values[high]),
        {name: _or_none(rate(whole)[best]) for name, rate in RATES.items()},
        0.0 if exact else _lost(negative.sum(axis=1), whole, cost, costs, best),
        _curve(values, costs, allowed),
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _from_above(sums: Floats) -> Floats:
    """Sums over all scores from each one on, and of none: ``[T + 1, G]``."""
    above = np.cumsum(sums[::-1], axis=0)[::-1]
    return np.concatenate([above, np.zeros((1, sums.shape[1]))])


def _cost(c: Counts, cost: Cost) -> Floats:
    summed = cost.false_positive * c.fp + cost.false_negative * c.fn
    summed = summed + cost.true_positive * c.tp + cost.true_negative * c.tn
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(summed / c.total, np.float64)


def _between(scores: npt.NDArray[np.float32]) -> Floats:
    """A threshold for each cut, half way to the score below; NaN where no probability lies above the last score."""
    below = np.concatenate([np.zeros(1, np.float32), scores])
    above = np.concatenate([scores, np.ones(1, np.float32)])
    middle = ((below.astype(np.float64) + above) / 2).astype(np.float32)
    cuts = np.where(middle > below, middle, above).astype(np.float64)
    cuts[0] = middle[0]  # all rows are at or above it
    if len(scores) and scores[-1] >= 1:
        cuts[-1] = np.nan
    return cuts


def _keeps(whole: Counts, constraints: Sequence[Constraint]) -> npt.NDArray[np.bool_]:
    kept = np.ones(len(whole.tp), bool)
    for c in constraints:
        rate = RATES[c.metric](whole)  # NaN keeps no bound
        kept &= np.isfinite(rate)
        if c.at_least is not None:
            kept &= rate >= c.at_least
        if c.at_most is not None:
            kept &= rate <= c.at_most
    return kept


def _nearest(whole: Counts, constraints: Sequence[Constraint], allowed: npt.NDArray[np.bool_]) -> list[str]:
    """What each constraint's rate reaches where the others hold."""
    said = []
    for i, c in enumerate(constraints):
        others = allowed & _keeps(whole, [o for j, o in enumerate(constraints) if j != i])
        rate = RATES[c.metric](whole)
        reached = rate[others & np.isfinite(rate)]
        if not len(reached):
            said.append(f"{c}: with the others kept it is defined at no threshold")
            continue
        said.append(f"{c}: with the others kept it reaches from {reached.min():.6g} to {reached.max():.6g}")
    return said


def _choose(costs: Floats, values: Floats, kept: npt.NDArray[np.bool_], cost: Cost) -> int:
    least = costs[kept].min()
    scale = max(abs(v) for v in (cost.false_positive, cost.false_negative, cost.true_positive, cost.true_negative))
    equal = np.flatnonzero(kept & (costs <= least + 1e-12 * scale))
    wrong, missed = cost.false_positive - cost.true_negative, cost.false_negative - cost.true_positive
    return int(equal[np.argmin(np.abs(values[equal] - wrong / (wrong + missed)))])


def _interval(
    counts: Counts, costs: Floats, cost: Cost, kept: npt.NDArray[np.bool_], best: int, confidence: float
) -> tuple[int, int, Floats]:
    """First and last cut whose extra cost is within noise, and the best's cost without each group."""
    rest = Counts(*(c.sum(axis=1, keepdims=True) - c for c in (counts.tp, counts.fp, counts.fn, counts.tn)))
    without = _cost(rest, cost)
    occupied = int((counts.total[0] > 0).sum())
    if occupied < 2:
        return best, best, without[best]
    error = jackknife_error(without - without[best])
    within = kept & (costs - costs[best] <= t_quantile((1 + confidence) / 2, occupied - 1) * error)
    within[best] = True
    equal = np.flatnonzero(within)
    return int(equal[0]), int(equal[-1]), without[best]


def jackknife_error(without: Floats) -> Floats:
    """Delete-a-group jackknife standard error over the last axis: ``sqrt((G - 1) / G * sum((t_g - mean)^2))``."""
    groups = without.shape[-1]
    gaps = without - without.mean(axis=-1, keepdims=True)
    return np.asarray(np.sqrt((groups - 1) / groups * np.square(gaps).sum(axis=-1)), np.float64)


def _lost(negative: Floats, whole: Counts, cost: Cost, costs: Floats, best: int) -> float:
    """A cut inside a bucket could at best spare all of the bucket's negatives and miss none of its positives."""
    gain = negative * (cost.false_positive - cost.true_negative) / whole.total[0]
    return max(float(costs[best] - (costs[:-1] - gain).min()), 0.0)


def _curve(values: Floats, costs: Floats, allowed: npt.NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    at = np.flatnonzero(allowed)
    if len(at) > _CURVE_POINTS:  # evenly over the thresholds, so that the picture's axis is filled
        wanted = np.linspace(values[at[0]], values[at[-1]], _CURVE_POINTS)
        at = np.unique(at[np.searchsorted(values[at], wanted).clip(0, len(at) - 1)])
    return tuple((float(values[i]), float(costs[i])) for i in at)
