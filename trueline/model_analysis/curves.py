"""Areas under ROC and precision-recall curves, and operating points on them, from cumulated counts.

Every function takes a `Curve` of R variants of the same data at once: the whole slice, or the slice without one group
of rows. Undefined values are NaN. Sources: ROC area by trapezoids is the Mann-Whitney statistic with ties as one half
(Hanley and McNeil 1982); precision-recall interpolation is Davis and Goadrich 2006 as in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trueline.model_analysis.rows import Floats

__all__ = [
    "CURVE_AREAS", "GRID_EPSILON", "Curve", "average_precision", "best_where", "even_thresholds", "extreme_curves",
    "threshold_at_recall",
]  # fmt: skip

GRID_EPSILON = 1e-7
"""How far the ends of TFMA's grid of thresholds lie outside 0..1."""


@dataclass(frozen=True)
class Curve:
    """True and false positives (weighted) when the threshold falls from above all scores to below them.

    Attributes:
        tp: float64 ``[R, T + 1]``, from 0 to all positives that a threshold reaches.
        fp: float64 ``[R, T + 1]``, from 0 to all negatives that a threshold reaches.
        scores: the T scores, ascending; the last point holds them all, the first none.
        unreached: weights ``[2, R]`` of positives and negatives of score minus infinity, which no threshold reaches:
            what does not stand among the top k.
    """

    tp: Floats
    fp: Floats
    scores: Floats
    unreached: Floats

    @staticmethod
    def of(positives: Floats, negatives: Floats, scores: Floats, unreached: Floats | None = None) -> Curve:
        """The curve of weights ``[R, T]`` at distinct scores ``[T]``, scores ascending."""
        tp, fp = (
            np.concatenate([np.zeros((len(w), 1)), np.cumsum(w[:, ::-1], axis=1)], axis=1)
            for w in (positives, negatives)
        )
        return Curve(tp, fp, scores, np.zeros((2, len(tp))) if unreached is None else unreached)

    def at(self, thresholds: Sequence[float]) -> Curve:
        """The points at these thresholds alone: a score is above one where it is greater."""
        falling = np.sort(np.asarray(thresholds, dtype=np.float64))[::-1]
        places = len(self.scores) - np.searchsorted(self.scores, falling, side="right")
        missed = np.stack([self.positives - self.tp[:, places[-1]], self.negatives - self.fp[:, places[-1]]])
        return Curve(self.tp[:, places], self.fp[:, places], falling, missed)

    @property
    def positives(self) -> Floats:
        """Weight of all positives, ``[R]``."""
        all_of: Floats = self.tp[:, -1] + self.unreached[0]
        return all_of

    @property
    def negatives(self) -> Floats:
        """Weight of all negatives, ``[R]``."""
        all_of: Floats = self.fp[:, -1] + self.unreached[1]
        return all_of

    @property
    def precision(self) -> Floats:
        """``[R, T + 1]``, NaN where nothing is predicted positive."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> Floats:
        """``[R, T + 1]``, NaN without positives."""
        return _ratio(self.tp, self.positives[:, None])

    @property
    def specificity(self) -> Floats:
        """``[R, T + 1]``, NaN without negatives."""
        return _ratio(self.negatives[:, None] - self.fp, self.negatives[:, None])

    def two_classes(self, value: Floats) -> Floats:
        """The value, or NaN where one of the classes is absent."""
        return np.where((self.positives > 0) & (self.negatives > 0), value, np.nan)


def _ratio(a: Floats, b: Floats) -> Floats:
    """a / b, NaN where b is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(b > 0, a / b, np.nan)


def _roc(curve: Curve, heights: Callable[[Floats, Floats], Floats]) -> Floats:
    area = (np.diff(curve.fp, axis=1) * heights(curve.tp[:, 1:], curve.tp[:, :-1])).sum(axis=1)
    return curve.two_classes(_ratio(area, curve.positives * curve.negatives))


def _pr_steps(curve: Curve, heights: Callable[[Floats, Floats], Floats]) -> Floats:
    precision = curve.precision
    height = heights(precision[:, 1:], precision[:, :-1])
    area = np.nansum(height * np.diff(curve.tp, axis=1), axis=1)
    return curve.two_classes(_ratio(area, curve.positives))


def _pr_interpolated(curve: Curve) -> Floats:
    """Davis-Goadrich: between two points true positives grow linearly with predicted positives."""
    total = curve.tp + curve.fp
    low_tp, low, high = curve.tp[:, :-1], total[:, :-1], total[:, 1:]
    gained = np.diff(curve.tp, axis=1)
    slope = np.nan_to_num(_ratio(gained, high - low))
    intercept = low_tp - slope * low
    both = (low > 0) & (high > 0)
    logs = np.log(np.where(both, high, 1.0) / np.where(both, low, 1.0))
    area = (slope * (gained + intercept * logs)).sum(axis=1)
    return curve.two_classes(_ratio(area, curve.positives))


CURVE_AREAS: dict[tuple[str, str], Callable[[Curve], Floats]] = {
    ("ROC", "interpolation"): lambda c: _roc(c, lambda a, b: (a + b) / 2),
    ("ROC", "minoring"): lambda c: _roc(c, np.minimum),
    ("ROC", "majoring"): lambda c: _roc(c, np.maximum),
    ("PR", "interpolation"): _pr_interpolated,
    ("PR", "minoring"): lambda c: _pr_steps(c, np.minimum),
    ("PR", "majoring"): lambda c: _pr_steps(c, np.maximum),
}


def average_precision(curve: Curve) -> Floats:
    """Sum of precision times gain in recall at each distinct score (scikit-learn's ``average_precision_score``)."""
    return _pr_steps(curve, lambda here, _: here)


def best_where(curve: Curve, wanted: Floats, limit: Floats, bound: float) -> Floats:
    """The largest `wanted` over the points whose `limit` is at least `bound`; NaN where there is none."""
    feasible = np.where(np.isnan(limit), False, limit >= bound) & ~np.isnan(wanted)
    best = np.where(feasible, wanted, -np.inf).max(axis=1)
    return curve.two_classes(np.where(np.isfinite(best), best, np.nan))


def threshold_at_recall(curve: Curve, recall: float, thresholds: int) -> Floats:
    """The greatest of so many evenly spaced thresholds of 0..1 that scores of at least this recall are above.

    The grid is TFMA's: the first threshold lies a little below 0, the last a little above 1.
    """
    enough = np.where(np.isnan(curve.recall), False, curve.recall >= recall - 1e-12)[:, 1:]
    lowest = curve.scores[::-1][np.argmax(enough, axis=1)] if len(curve.scores) else np.zeros(len(curve.tp))
    place = np.ceil(lowest * (thresholds - 1) - 1e-9) - 1
    grid = np.where(place < 0, -GRID_EPSILON, place / (thresholds - 1))
    grid = np.where(lowest > 1, 1 + GRID_EPSILON, grid)
    return np.where(enough.any(axis=1) & (curve.positives > 0), grid, np.nan)


def even_thresholds(count: int) -> list[float]:
    """TFMA's grid: `count` evenly spaced thresholds of 0..1, the two ends a little outside."""
    inner = [i / (count - 1) for i in range(1, count - 1)]
    return [-GRID_EPSILON, *inner, 1 + GRID_EPSILON]


def extreme_curves(positives: Floats, negatives: Floats, scores: Floats, unreached: Floats) -> Curve:
    """The worst and the best curve that scores binned into these buckets ``[B]`` can have (R = 2).

    Within a bucket the order of scores is lost. In the worst case all negatives of it stand above all positives, in the
    best case the reverse. Every area and operating point here grows when a positive moves up, so the exact value lies
    between the two; for the ROC area the distance is half of the pairs that share a bucket.
    """
    none = np.zeros_like(positives)
    lower_first = np.stack([positives, none], axis=1).ravel(), np.stack([none, negatives], axis=1).ravel()
    upper_first = np.stack([none, positives], axis=1).ravel(), np.stack([negatives, none], axis=1).ravel()
    sides = np.stack([lower_first[0], upper_first[0]]), np.stack([lower_first[1], upper_first[1]])
    return Curve.of(sides[0], sides[1], np.repeat(scores, 2), np.repeat(unreached, 2, axis=1))
