"""Intervals by a formula of the metric's own, beside those of resampling.

* proportions: Wilson's score interval (Wilson 1927; Brown, Cai and DasGupta 2001), good at 0 and 1 and on few rows
* means: Student's t with the variance of a weighted mean (Cochran 1977, section 6.3)
* area under the ROC curve: DeLong's variance from the ranks of the scores (DeLong 1988; Sun and Xu 2014), on the logit
  scale; at 1 and 0 the score interval of Newcombe 2006 (method 5)
* squared correlation: Fisher's z, which assumes that both are normal

Weights count by Kish's effective size: n rows with weights w stand for (sum w)^2 / sum w^2 rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from trueline.model_analysis.metrics.ranges import ANY, RANGES, Range, interval_within
from trueline.model_analysis.noise import t_quantile
from trueline.model_analysis.rows import Floats, Rows

if TYPE_CHECKING:
    from trueline.model_analysis.curves import Curve
    from trueline.model_analysis.metrics.record import Metric, Options, Sums
    from trueline.model_analysis.moments import Moment

__all__ = [
    "CLOSED_FORM_MOMENTS",
    "DELONG",
    "ClosedForm",
    "Interval",
    "closed_form_of",
    "delong_spread",
    "t_quantiles",
    "with_intervals",
]

Interval: TypeAlias = tuple[Floats, Floats]
"""Low and high; NaN where the formula does not hold."""
DELONG = ("delong_positive", "delong_negative")


@dataclass(frozen=True)
class ClosedForm:
    """A formula for an interval.

    Attributes:
        method: how it is called in results.
        interval: values ``[S, M]``, sums (of the whole slices, ``[S, M]``), options, confidence to the interval.
        moments: sums it needs, templates as in `Metric.moments`.
        rescue: whether it also stands in where resampling sees no noise, and its sums are kept for that.
        curve: whether it reads `delong_spread` of the scores under the names of `DELONG`.
    """

    method: str
    interval: Callable[[Floats, Sums, Options, float], Interval]
    moments: tuple[str, ...]
    rescue: bool = False
    curve: bool = False


def _own_weight(power: int) -> Moment:
    """Another moment (the parameter) to a power, times the row's weight; the sum is weighted once more."""

    def moment(rows: Rows, name: str) -> Floats:
        from trueline.model_analysis.metrics.table import find_moment

        base, _, parameter = name.partition("@")
        values: Floats = find_moment(base)(rows, parameter) ** power * rows.weight
        return values

    return moment


CLOSED_FORM_MOMENTS: Mapping[str, Moment] = {
    "own_weight": lambda rows, _: rows.weight,
    "own_weight_of": _own_weight(1),
    "own_weight_of_square": _own_weight(2),
}


def t_quantiles(confidence: float, dof: Floats) -> Floats:
    """How many standard errors a two-sided interval reaches, for any number of degrees of freedom above 0.

    Above 30 by the expansion of Fisher and Cornish (Abramowitz and Stegun 26.7.5), good to 1e-6; below exactly.
    """
    probability = (1 + confidence) / 2
    z = NormalDist().inv_cdf(probability)
    with np.errstate(all="ignore"):
        far = (
            z + (z**3 + z) / (4 * dof) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * dof**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * dof**3)
        )  # fmt: skip
    near = np.array([t_quantile(probability, d) for d in range(1, 31)])
    whole = np.clip(np.nan_to_num(np.floor(dof)), 1, 30).astype(np.int64)
    return np.where(dof >= 30, far, np.where(dof >= 1, near[whole - 1], np.nan))


def _effective(weight: Floats, sums: Sums) -> Floats:
    """The rows that a weight stands for, by Kish's design effect of the slice."""
    with np.errstate(all="ignore"):
        rows: Floats = weight * sums("weight") / sums("own_weight")
        return rows


def _wilson(values: Floats, rows: Floats, confidence: float) -> Interval:
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    with np.errstate(all="ignore"):
        middle = (values + z * z / (2 * rows)) / (1 + z * z / rows)
        half = z / (1 + z * z / rows) * np.sqrt(values * (1 - values) / rows + z * z / (4 * rows * rows))
        low = np.where(values <= 0, 0.0, np.maximum(middle - half, 0.0))
        high = np.where(values >= 1, 1.0, np.minimum(middle + half, 1.0))
    known = (rows > 0) & (values >= 0) & (values <= 1)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def _proportion(denominator: Callable[[Sums, Options], Floats]) -> ClosedForm:
    def interval(values: Floats, sums: Sums, options: Options, confidence: float) -> Interval:
        return _wilson(values, _effective(denominator(sums, options), sums), confidence)

    return ClosedForm("WILSON", interval, ("own_weight", "weight"), rescue=True)


def _cells(*names: str) -> Callable[[Sums, Options], Floats]:
    """The weight of some cells of the confusion matrix."""

    def weight(sums: Sums, options: Options) -> Floats:
        t = _threshold(options)
        whole: Floats = np.sum([sums(f"{name}@{t}") for name in names], axis=0)
        return whole

    return weight


def _threshold(options: Options) -> float | str | None:
    value = options.get("thresholds")
    return value if value is None or value == "own" else float(value)


def _mean(numerator: str, ends: Range, root: bool = False) -> ClosedForm:
    """Of a metric that is the weighted mean of a moment, or the root of it."""

    def interval(values: Floats, sums: Sums, options: Options, confidence: float) -> Interval:
        name = numerator.format(**options)
        middle = values**2 if root else values
        with np.errstate(all="ignore"):
            weight, squares = sums("weight"), sums("own_weight")
            rows = weight**2 / squares
            around = sums(f"own_weight_of_square@{name}") - 2 * middle * sums(f"own_weight_of@{name}")
            spread = np.maximum(around + middle**2 * squares, 0.0)
            error = np.sqrt(spread / weight**2 * rows / (rows - 1))
            error = np.where(rows > 1, error, np.nan)
            low, high = interval_within(middle, error, t_quantiles(confidence, rows - 1), ends)
            if root:
                return np.sqrt(low), np.sqrt(high)
        return low, high

    needed = (f"own_weight_of@{numerator}", f"own_weight_of_square@{numerator}")
    return ClosedForm("T_OF_MEAN", interval, (*needed, "own_weight", "weight"))


def delong_spread(curve: Curve) -> tuple[Floats, Floats]:
    """The variances of the shares of negatives below each positive, and of positives above each negative, ``[R]``.

    Ties count one half. They are DeLong's S10 and S01 but for the factors n / (n - 1).
    """
    tp = np.concatenate([curve.tp, curve.positives[:, None]], axis=1)
    fp = np.concatenate([curve.fp, curve.negatives[:, None]], axis=1)
    gained, lost = np.diff(tp, axis=1), np.diff(fp, axis=1)
    with np.errstate(all="ignore"):
        below = 1 - (fp[:, 1:] + fp[:, :-1]) / (2 * curve.negatives[:, None])
        above = (tp[:, 1:] + tp[:, :-1]) / (2 * curve.positives[:, None])
        return _variance(below, gained), _variance(above, lost)


def _variance(values: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=1)
    middle = (values * weights).sum(axis=1) / total
    spread: Floats = (np.square(values - middle[:, None]) * weights).sum(axis=1) / total
    return spread


def _area(values: Floats, sums: Sums, options: Options, confidence: float) -> Interval:
    plain = options["curve"] == "ROC" and options["summation_method"] == "interpolation"
    if not plain or options["thresholds"] is not None or options["num_thresholds"] is not None:
        unknown = np.full_like(values, np.nan)
        return unknown, unknown
    positives, negatives = (_effective(sums(name), sums) for name in ("label", "negative"))
    with np.errstate(all="ignore"):
        variance = sums(DELONG[0]) / (positives - 1) + sums(DELONG[1]) / (negatives - 1)
        error = np.where((positives > 1) & (negatives > 1), np.sqrt(variance), np.nan)
    z = np.asarray(NormalDist().inv_cdf((1 + confidence) / 2))
    low, high = interval_within(values, error, z, (0.0, 1.0))
    lowest, highest = _newcombe(values, positives, negatives, float(z))
    none = ~(error > 0) | np.isnan(low)
    return np.where(none, lowest, low), np.where(none, highest, high)


def _newcombe(values: Floats, positives: Floats, negatives: Floats, z: float) -> tuple[Floats, Floats]:
    """The areas whose Hanley-McNeil variance (each size taken as their mean) puts `values` `z` errors away."""
    size = (positives + negatives) / 2

    def away(area: Floats) -> Floats:
        factor = 1 + (size - 1) * ((1 - area) / (2 - area) + area / (1 + area))
        return np.sqrt(area * (1 - area) * factor / (positives * negatives)) * z

    found = []
    with np.errstate(all="ignore"):
        for end in (0.0, 1.0):
            inner, outer = values.astype(np.float64), np.full_like(values, end)
            for _ in range(60):
                middle = (inner + outer) / 2
                inside = np.abs(values - middle) <= away(middle)
                inner, outer = np.where(inside, middle, inner), np.where(inside, outer, middle)
            known = (positives > 0) & (negatives > 0) & ~np.isnan(values)
            found.append(np.where(known, np.where(values == end, end, inner), np.nan))
    return found[0], found[1]


def _correlation(values: Floats, sums: Sums, options: Options, confidence: float) -> Interval:
    rows = _effective(sums("weight"), sums)
    with np.errstate(all="ignore"):
        r = np.sqrt(values)
        step = NormalDist().inv_cdf((1 + confidence) / 2) / np.sqrt(np.where(rows > 3, rows - 3, np.nan))
        low, high = np.tanh(np.arctanh(r) - step), np.tanh(np.arctanh(r) + step)
    # An interval of r that holds 0 holds squares from 0 to that of its farther end.
    return np.maximum(low, 0.0) ** 2, high**2


_ALL = ("tp", "tn", "fp", "fn")
_CONFUSION: Mapping[str, tuple[str, ...]] = {
    "BinaryAccuracy Accuracy Prevalence PredictedPositiveRate": _ALL,
    "Precision PPV FalseDiscoveryRate": ("tp", "fp"),
    "Recall TPR MissRate FNR MaxRecall": ("tp", "fn"),
    "Specificity TNR FallOut FPR": ("tn", "fp"),
    "NegativePredictiveValue NPV FalseOmissionRate": ("tn", "fn"),
}
_PROPORTIONS: Mapping[str, ClosedForm] = {
    name: _proportion(_cells(*cells)) for names, cells in _CONFUSION.items() for name in names.split()
}
_SHARES = """
    Accuracy SparseCategoricalAccuracy CategoricalAccuracy SparseTopKCategoricalAccuracy TopKCategoricalAccuracy
    MultiClassError SubsetAccuracy ExactMatch"""
"""Proportions of all rows."""
_MEANS = """
    MeanAbsoluteError MeanSquaredError RootMeanSquaredError MeanSquaredLogarithmicError BinaryCrossEntropy
    BinaryCrossentropy LogLoss CategoricalCrossEntropy CategoricalCrossentropy SparseCategoricalCrossentropy
    BrierScore Hinge SquaredHinge CategoricalHinge PinballLoss Huber LogCoshError TweedieDeviance PoissonDeviance
    GammaDeviance MeanError MeanLabel MeanPrediction"""
"""Metrics whose first moment is a loss and whose second is the weight."""
_AUC = ClosedForm("DELONG", _area, ("own_weight", "weight", "label", "negative"), rescue=True, curve=True)
_FISHER = ClosedForm("FISHER_Z", _correlation, ("own_weight", "weight"))


def closed_form_of(metric: Metric, task: str, ends: Range) -> ClosedForm | None:
    """The formula for a metric's interval on rows of a task, or None."""
    name = metric.class_name
    if name == "AUC" and metric.curve is not None:
        return _AUC
    if name == "SquaredPearsonCorrelation":
        return _FISHER
    if task == "binary" and name in _PROPORTIONS:
        return _PROPORTIONS[name]
    if name in _SHARES.split() or (name == "MeanLabel" and task == "binary"):
        return _proportion(lambda sums, _: sums("weight"))
    if name in _MEANS.split() and len(metric.moments) == 2:
        return _mean(metric.moments[0], ends, root=name == "RootMeanSquaredError")
    return None


def with_intervals(metric: Metric, task: str) -> Metric:
    """The record with its range and its formula on rows of a task."""
    ends = RANGES.get(metric.class_name, ANY)
    parts = tuple(with_intervals(part, task) for part in metric.parts)
    return replace(metric, range=ends, closed_form=closed_form_of(metric, task, ends), parts=parts)
