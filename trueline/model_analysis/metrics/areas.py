"""Metrics of the order of scores: areas under curves and operating points on them."""

from __future__ import annotations

from collections.abc import Callable

from trueline.model_analysis.curves import (
    CURVE_AREAS,
    GRID_EPSILON,
    Curve,
    average_precision,
    best_where,
    even_thresholds,
    threshold_at_recall,
)
from trueline.model_analysis.metrics.record import HIGHER, ONE_CLASS, REQUIRED, Metric, Options
from trueline.model_analysis.rows import Floats

__all__ = ["RANK_METRICS"]

_SUB: Options = {"class_id": None, "k": None, "top_k": None}
_GRID: Options = {"thresholds": None, "num_thresholds": None, **_SUB}
"""TFMA approximates by a histogram of 10,000 buckets unless told otherwise; without these options every score of the
data is a threshold, and the value is exact (up to EvalOptions.exact_rank_rows)."""


def _sampled(curve: Curve, options: Options) -> Curve:
    """The curve at the thresholds that the options name, or as it is."""
    if options["thresholds"] is not None:
        given = [float(t) for t in options["thresholds"]]
        return curve.at([-GRID_EPSILON, *given, 1 + GRID_EPSILON])
    count = options["num_thresholds"]
    return curve if count is None else curve.at(even_thresholds(int(count)))


def _rank(cls: str, name: str, value: Callable[[Curve, Options], Floats], options: Options, why: str) -> Metric:
    def curve(whole: Curve, given: Options) -> Floats:
        return value(_sampled(whole, given), given)

    reads = frozenset({"label", "prediction", "score"})
    return Metric(cls, name, ("binary",), why, (), None, curve, HIGHER, reads, {**_GRID, **options})


def _at(cls: str, name: str, wanted: str, limit: str, option: str) -> Metric:
    """The best of one rate where another is at least the option; a rate of false positives is at most that."""

    def value(c: Curve, o: Options) -> Floats:
        bound = 1 - o[option] if option == "false_positive_rate" else o[option]
        return best_where(c, getattr(c, wanted), getattr(c, limit), bound)

    return _rank(cls, name, value, {option: REQUIRED}, _INFEASIBLE)


def _threshold_at_recall() -> Metric:
    """The value is a threshold: predictions above it have the recall."""
    return Metric("ThresholdAtRecall", "threshold_at_recall", ("binary",),
                  "no row is positive, or no threshold has the recall",
                  curve=lambda c, o: threshold_at_recall(c, o["recall"], int(o["num_thresholds"])),
                  reads=frozenset({"label", "prediction", "score"}),
                  options={**_SUB, "recall": REQUIRED, "num_thresholds": 10_000})  # fmt: skip


_AREA = {"summation_method": "interpolation"}
_INFEASIBLE = ONE_CLASS + ", or no threshold meets the condition"
RANK_METRICS = (
    _rank("AUC", "auc", lambda c, o: CURVE_AREAS[o["curve"], o["summation_method"]](c), {"curve": "ROC", **_AREA},
          ONE_CLASS),
    _rank("AUCPrecisionRecall", "auc_precision_recall", lambda c, o: CURVE_AREAS["PR", o["summation_method"]](c),
          _AREA, ONE_CLASS),
    _rank("AveragePrecision", "average_precision", lambda c, o: average_precision(c), {}, ONE_CLASS),
    _at("SensitivityAtSpecificity", "sensitivity_at_specificity", "recall", "specificity", "specificity"),
    _at("SpecificityAtSensitivity", "specificity_at_sensitivity", "specificity", "recall", "sensitivity"),
    _at("PrecisionAtRecall", "precision_at_recall", "precision", "recall", "recall"),
    _at("RecallAtPrecision", "recall_at_precision", "recall", "precision", "precision"),
    _at("RecallAtFalsePositiveRate", "recall_at_false_positive_rate", "recall", "specificity", "false_positive_rate"),
    _threshold_at_recall(),
)  # fmt: skip
