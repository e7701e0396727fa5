"""Metrics of the order of scores: areas under curves and operating points on them."""

from __future__ import annotations

from collections.abc import Callable

from trueline.model_analysis.curves import CURVE_AREAS, Curve, average_precision, best_where
from trueline.model_analysis.metrics.record import HIGHER, ONE_CLASS, Metric, Options
from trueline.model_analysis.rows import Floats

__all__ = ["RANK_METRICS"]

_AREA = {"summation_method": "interpolation"}


def _rank(cls: str, name: str, curve: Callable[[Curve, Options], Floats], options: Options, why: str) -> Metric:
    reads = frozenset({"label", "prediction", "score"})
    return Metric(cls, name, ("binary",), why, (), None, curve, HIGHER, reads, options)


_INFEASIBLE = ONE_CLASS + ", or no threshold meets the condition"
RANK_METRICS = (
    _rank("AUC", "auc", lambda c, o: CURVE_AREAS[o["curve"], o["summation_method"]](c), {"curve": "ROC", **_AREA},
          ONE_CLASS),
    _rank("AUCPrecisionRecall", "auc_precision_recall", lambda c, o: CURVE_AREAS["PR", o["summation_method"]](c),
          _AREA, ONE_CLASS),
    _rank("AveragePrecision", "average_precision", lambda c, o: average_precision(c), {}, ONE_CLASS),
    _rank("SensitivityAtSpecificity", "sensitivity_at_specificity",
          lambda c, o: best_where(c, c.recall, c.specificity, o["specificity"]), {"specificity": None}, _INFEASIBLE),
    _rank("SpecificityAtSensitivity", "specificity_at_sensitivity",
          lambda c, o: best_where(c, c.specificity, c.recall, o["sensitivity"]), {"sensitivity": None}, _INFEASIBLE),
    _rank("PrecisionAtRecall", "precision_at_recall",
          lambda c, o: best_where(c, c.precision, c.recall, o["recall"]), {"recall": None}, _INFEASIBLE),
    _rank("RecallAtPrecision", "recall_at_precision",
          lambda c, o: best_where(c, c.recall, c.precision, o["precision"]), {"precision": None}, _INFEASIBLE),
    _rank("RecallAtFalsePositiveRate", "recall_at_false_positive_rate",
          lambda c, o: best_where(c, c.recall, c.specificity, 1 - o["false_positive_rate"]),
          {"false_positive_rate": None}, _INFEASIBLE),
)  # fmt: skip
