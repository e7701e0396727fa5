"""Areas under ROC and precision-recall curves, and operating points on them, from cumulated counts.

Every function takes a `Curve` of R variants of the same data at once: the whole slice, or the slice without one group
of rows. Undefined values are NaN. Sources: ROC area by trapezoids is the Mann-Whitney statistic with ties as one half
(Hanley and McNeil 1982); precision-recall interpolation is Davis and Goadrich 2006 as in Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trueline.model_analysis.rows import Floats

__all__ = ["CURVE_AREAS", "Curve", "average_precision", "best_where", "extreme_curves"]


@dataclass(frozen=True)
class Curve:
    """True and false positives (weighted) when the threshold falls from above all scores to below them.

    Attributes:
        tp: float64 ``[R, T + 1]``, from 0 to all positives.
        fp: float64 ``[R, T + 1]``, from 0 to all negatives.
    """

    tp: Floats
    fp: Floats

    @staticmethod
    def of(positives: Floats, negatives: Floats) -> Curve:
        """The curve of weights ``[R, T]`` at distinct scores, scores ascending."""
        tp, fp = (
            np.concatenate([np.zeros((len(w), 1)), np.cumsum(w[:, ::-1], axis=1)], axis=1)
            for w in (positives, negatives)
        )
        return Curve(tp, fp)

    @property
    def positives(self) -> Floats:
        """Weight of all positives, ``[R]``."""
        return self.tp[:, -1]

    @property
    def negatives(self) -> Floats:
        """Weight of all negatives, ``[R]``."""
        return self.fp[:, -1]

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


def extreme_curves(positives: Floats, negatives: Floats) -> Curve:
    """The worst and the best curve that scores binned into these buckets ``[B]`` can have (R = 2).

    Within a bucket the order of scores is lost. In the worst case all negatives of it stand above all positives, in the
    best case the reverse. Every area and operating point here grows when a positive moves up, so the exact value lies
    between the two; for the ROC area the distance is half of the pairs that share a bucket.
    """
    none = np.zeros_like(positives)
    lower_first = np.stack([positives, none], axis=1).ravel(), np.stack([none, negatives], axis=1).ravel()
    upper_first = np.stack([none, positives], axis=1).ravel(), np.stack([negatives, none], axis=1).ravel()
    return Curve.of(np.stack([lower_first[0], upper_first[0]]), np.stack([lower_first[1], upper_first[1]]))
