"""The table of metrics: for each its TFMA name, the sums or the curve it needs, and how to finish.

`finish` works on arrays of any shape (slices, models, leave-one-group-out variants at once) and gives NaN where the
metric is undefined; the record says why that happens. Formulas: TFMA's and Keras' definitions, checked against
scikit-learn in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from trueline.model_analysis.curves import CURVE_AREAS, Curve, average_precision, best_where
from trueline.model_analysis.moments import Floats

__all__ = ["METRICS", "TASKS", "Metric", "find_metric", "metric_names"]

TASKS = ("binary", "regression", "multiclass", "ranking")
Sums: TypeAlias = Callable[[str], Floats]
Options: TypeAlias = Mapping[str, Any]
Finish: TypeAlias = Callable[[Sums, Options], Floats]
HIGHER, LOWER = "HIGHER_IS_BETTER", "LOWER_IS_BETTER"
_SCALAR = ("binary", "regression", "ranking")  # one number a row: a score is compared with a numeric label
_ONE_CLASS = "the slice holds only one of the two classes"
_NO_WEIGHT = "the weights add up to 0"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        class_name: TFMA's or Keras' class name.
        name: the default key in results.
        tasks: the tasks it is defined for.
        moments: sums it needs; ``{t}`` stands for the threshold, ``{k}`` for top_k, ``{c}`` for each class.
        finish: sums and options to values.
        curve: for rank metrics instead of `finish`: curve and options to values.
        undefined: why its value may be undefined.
        better: the direction in which it improves, None where there is none.
        reads: ``label``, ``prediction``, ``score`` (a prediction within 0..1, a label within 0..1).
        options: its options with their defaults; None means the option must be given.
    """

    class_name: str
    name: str
    tasks: tuple[str, ...]
    undefined: str
    moments: tuple[str, ...] = ()
    finish: Finish | None = None
    curve: Callable[[Curve, Options], Floats] | None = None
    better: str | None = None
    reads: frozenset[str] = frozenset({"label", "prediction"})
    options: Options = field(default_factory=dict)


def _over(a: Floats, b: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(b != 0, a / b, np.nan)


def _mean(moment: str, weight: str = "weight") -> Finish:
    return lambda s, o: _over(s(moment), s(weight))


@dataclass(frozen=True)
class _Confusion:
    """Weighted counts at one threshold."""

    tp: Floats
    tn: Floats
    fp: Floats
    fn: Floats

    @property
    def tpr(self) -> Floats:
        return _over(self.tp, self.tp + self.fn)

    @property
    def tnr(self) -> Floats:
        return _over(self.tn, self.tn + self.fp)

    @property
    def ppv(self) -> Floats:
        return _over(self.tp, self.tp + self.fp)

    @property
    def npv(self) -> Floats:
        return _over(self.tn, self.tn + self.fn)

    @property
    def total(self) -> Floats:
        return self.tp + self.tn + self.fp + self.fn


def _matthews(c: _Confusion) -> Floats:
    scale = np.sqrt((c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn))
    return _over(c.tp * c.tn - c.fp * c.fn, scale)


def _prevalence_threshold(c: _Confusion) -> Floats:
    return _over(np.sqrt(c.tpr * (1 - c.tnr)) + c.tnr - 1, c.tpr + c.tnr - 1)


_CONFUSION_ROWS: tuple[tuple[str, str, Callable[[_Confusion], Floats], str | None, str], ...] = (
    ("TruePositives TP", "true_positives tp", lambda c: c.tp, HIGHER, ""),
    ("TrueNegatives TN", "true_negatives tn", lambda c: c.tn, HIGHER, ""),
    ("FalsePositives FP", "false_positives fp", lambda c: c.fp, LOWER, ""),
    ("FalseNegatives FN", "false_negatives fn", lambda c: c.fn, LOWER, ""),
    ("BinaryAccuracy Accuracy", "binary_accuracy accuracy", lambda c: _over(c.tp + c.tn, c.total), HIGHER, _NO_WEIGHT),
    ("Precision PPV", "precision ppv", lambda c: c.ppv, HIGHER, "no row is predicted positive"),
    ("Recall TPR", "recall tpr", lambda c: c.tpr, HIGHER, "no row is positive"),
    ("Specificity TNR", "specificity tnr", lambda c: c.tnr, HIGHER, "no row is negative"),
    ("FallOut FPR", "fall_out fpr", lambda c: _over(c.fp, c.fp + c.tn), LOWER, "no row is negative"),
    ("MissRate FNR", "miss_rate fnr", lambda c: _over(c.fn, c.fn + c.tp), LOWER, "no row is positive"),
    ("NegativePredictiveValue NPV", "negative_predictive_value npv", lambda c: c.npv, HIGHER,
     "no row is predicted negative"),
    ("FalseDiscoveryRate", "false_discovery_rate", lambda c: _over(c.fp, c.fp + c.tp), LOWER,
     "no row is predicted positive"),
    ("FalseOmissionRate", "false_omission_rate", lambda c: _over(c.fn, c.fn + c.tn), LOWER,
     "no row is predicted negative"),
    ("Prevalence", "prevalence", lambda c: _over(c.tp + c.fn, c.total), None, _NO_WEIGHT),
    ("PrevalenceThreshold", "prevalence_threshold", _prevalence_threshold, None,
     "the slice holds one class, or the model does not separate the two"),
    ("ThreatScore", "threat_score", lambda c: _over(c.tp, c.tp + c.fn + c.fp), HIGHER,
     "no row is positive or predicted positive"),
    ("BalancedAccuracy", "balanced_accuracy", lambda c: (c.tpr + c.tnr) / 2, HIGHER, _ONE_CLASS),
    ("F1Score", "f1_score", lambda c: _over(2 * c.tp, 2 * c.tp + c.fp + c.fn), HIGHER,
     "no row is positive or predicted positive"),
    ("MatthewsCorrelationCoefficient", "matthews_correlation_coefficient", _matthews, HIGHER,
     "one class is absent from the labels or the predictions"),
    ("FowlkesMallowsIndex", "fowlkes_mallows_index", lambda c: np.sqrt(c.ppv * c.tpr), HIGHER,
     "no row is positive, or none is predicted positive"),
    ("Informedness", "informedness", lambda c: c.tpr + c.tnr - 1, HIGHER, _ONE_CLASS),
    ("Markedness", "markedness", lambda c: c.ppv + c.npv - 1, HIGHER, "all rows are predicted one class"),
    ("PositiveLikelihoodRatio", "positive_likelihood_ratio", lambda c: _over(c.tpr, _over(c.fp, c.fp + c.tn)), HIGHER,
     "there are no false positives, or one class is absent"),
    ("NegativeLikelihoodRatio", "negative_likelihood_ratio", lambda c: _over(_over(c.fn, c.fn + c.tp), c.tnr), LOWER,
     "there are no true negatives, or one class is absent"),
    ("DiagnosticOddsRatio", "diagnostic_odds_ratio", lambda c: _over(_over(c.tp, c.fn), _over(c.fp, c.tn)), HIGHER,
     "one of the four counts is 0"),
    ("PredictedPositiveRate", "predicted_positive_rate", lambda c: _over(c.tp + c.fp, c.total), None, _NO_WEIGHT),
)  # fmt: skip


def _confusion_metrics() -> list[Metric]:
    def finish(formula: Callable[[_Confusion], Floats]) -> Finish:
        def run(s: Sums, o: Options) -> Floats:
            t = _threshold(o)
            return formula(_Confusion(s(f"tp@{t}"), s(f"tn@{t}"), s(f"fp@{t}"), s(f"fn@{t}")))

        return run

    needed = ("tp@{t}", "tn@{t}", "fp@{t}", "fn@{t}")
    reads = frozenset({"label", "prediction", "score"})
    return [
        Metric(cls, name, ("binary",), why, needed, finish(formula), None, better, reads, {"thresholds": 0.5})
        for classes, names, formula, better, why in _CONFUSION_ROWS
        for cls, name in zip(classes.split(), names.split(), strict=True)
    ]


def _max_recall() -> Metric:
    """Recall when nearly every score counts as positive, at TFMA's threshold."""
    recall = next(m for m in _confusion_metrics() if m.class_name == "Recall")
    return replace(recall, class_name="MaxRecall", name="max_recall", options={"thresholds": 1e-12})


def _threshold(options: Options) -> float:
    value = options["thresholds"]
    return float(value[0] if isinstance(value, (list, tuple)) else value)


def _pearson(s: Sums, _: Options) -> Floats:
    w, y, p = s("weight"), s("label"), s("prediction")
    covariance = s("product") - _over(y * p, w)
    variances = (s("label_square") - _over(y * y, w), s("prediction_square") - _over(p * p, w))
    scale = s("label_square") * s("prediction_square")
    tiny = 1e-24 * np.maximum(scale, 1e-300)  # a constant column leaves only rounding
    product = variances[0] * variances[1]
    return np.where(product > tiny, _over(covariance**2, product), np.nan)


def _tjur(s: Sums) -> tuple[Floats, Floats]:
    return _over(s("product"), s("label")), _over(s("negative_product"), s("negative"))


_COUNT = frozenset[str]()
_MEAN_METRICS = (
    Metric("ExampleCount", "example_count", TASKS, "", ("weight",), lambda s, o: s("weight"), reads=_COUNT),
    Metric("WeightedExampleCount", "weighted_example_count", TASKS, "", ("weight",), lambda s, o: s("weight"),
           reads=_COUNT),
    Metric("MeanLabel", "mean_label", _SCALAR, _NO_WEIGHT, ("label", "weight"), _mean("label"),
           reads=frozenset({"label"})),
    Metric("MeanPrediction", "mean_prediction", _SCALAR, _NO_WEIGHT, ("prediction", "weight"), _mean("prediction"),
           reads=frozenset({"prediction"})),
    Metric("Calibration", "calibration", _SCALAR, "the labels add up to 0", ("prediction", "label"),
           _mean("prediction", "label")),
    Metric("MeanAbsoluteError", "mean_absolute_error", _SCALAR, _NO_WEIGHT, ("abs_error", "weight"),
           _mean("abs_error"), better=LOWER),
    Metric("MeanSquaredError", "mean_squared_error", _SCALAR, _NO_WEIGHT, ("square_error", "weight"),
           _mean("square_error"), better=LOWER),
    Metric("RootMeanSquaredError", "root_mean_squared_error", _SCALAR, _NO_WEIGHT, ("square_error", "weight"),
           lambda s, o: np.sqrt(_over(s("square_error"), s("weight"))), better=LOWER),
    Metric("MeanAbsolutePercentageError", "mean_absolute_percentage_error", _SCALAR, "all labels are 0",
           ("percentage_error", "label_not_zero"),
           lambda s, o: 100 * _over(s("percentage_error"), s("label_not_zero")), better=LOWER),
    Metric("MeanSquaredLogarithmicError", "mean_squared_logarithmic_error", _SCALAR,
           "a label or prediction is -1 or below, or the weights add up to 0",
           ("log_error", "weight"), _mean("log_error"), better=LOWER),
    Metric("SquaredPearsonCorrelation", "squared_pearson_correlation", _SCALAR, "labels or predictions are constant",
           ("weight", "label", "prediction", "label_square", "prediction_square", "product"), _pearson, better=HIGHER),
    Metric("CoefficientOfDiscrimination", "coefficient_of_discrimination", ("binary",), _ONE_CLASS,
           ("product", "label", "negative_product", "negative"), lambda s, o: _tjur(s)[0] - _tjur(s)[1], better=HIGHER),
    Metric("RelativeCoefficientOfDiscrimination", "relative_coefficient_of_discrimination", ("binary",), _ONE_CLASS,
           ("product", "label", "negative_product", "negative"), lambda s, o: _over(*_tjur(s)), better=HIGHER),
)  # fmt: skip
_BINARY_LOSS = Metric("BinaryCrossEntropy", "binary_crossentropy", ("binary",), _NO_WEIGHT, ("log_loss", "weight"),
                      _mean("log_loss"), better=LOWER, reads=frozenset({"label", "prediction", "score"}))  # fmt: skip
_LOSS_METRICS = (
    _BINARY_LOSS,
    replace(_BINARY_LOSS, class_name="BinaryCrossentropy"),
    replace(_BINARY_LOSS, class_name="LogLoss", name="log_loss"),
)
_AREA = {"summation_method": "interpolation"}


def _rank(cls: str, name: str, curve: Callable[[Curve, Options], Floats], options: Options, why: str) -> Metric:
    reads = frozenset({"label", "prediction", "score"})
    return Metric(cls, name, ("binary",), why, (), None, curve, HIGHER, reads, options)


_INFEASIBLE = _ONE_CLASS + ", or no threshold meets the condition"
_RANK_METRICS = (
    _rank("AUC", "auc", lambda c, o: CURVE_AREAS[o["curve"], o["summation_method"]](c), {"curve": "ROC", **_AREA},
          _ONE_CLASS),
    _rank("AUCPrecisionRecall", "auc_precision_recall", lambda c, o: CURVE_AREAS["PR", o["summation_method"]](c),
          _AREA, _ONE_CLASS),
    _rank("AveragePrecision", "average_precision", lambda c, o: average_precision(c), {}, _ONE_CLASS),
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


def _averaged(numerator: Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]) -> Finish:
    """Macro, micro or support-weighted mean over classes of a ratio of (tp, fp, fn); 0/0 of a class counts 0."""

    def run(s: Sums, o: Options) -> Floats:
        tp, fp, fn = (
            np.stack([s(f"{m}#{c}") for c in range(o["classes"])]) for m in ("class_tp", "class_fp", "class_fn")
        )
        if o["average"] == "micro":
            return _over(*numerator(tp.sum(axis=0), fp.sum(axis=0), fn.sum(axis=0)))
        each = np.nan_to_num(_over(*numerator(tp, fp, fn)))
        if o["average"] == "weighted":
            return _over((each * (tp + fn)).sum(axis=0), (tp + fn).sum(axis=0))
        seen = (tp + fp + fn) > 0
        return _over(np.where(seen, each, 0.0).sum(axis=0), seen.sum(axis=0).astype(np.float64))

    return run


_PER_CLASS = ("class_tp#{c}", "class_fp#{c}", "class_fn#{c}")
_AVERAGE = {"average": "macro"}
_RIGHT = Metric("Accuracy", "accuracy", ("multiclass",), _NO_WEIGHT, ("correct", "weight"), _mean("correct"),
                better=HIGHER)  # fmt: skip
_CROSS = Metric("CategoricalCrossEntropy", "categorical_crossentropy", ("multiclass",), _NO_WEIGHT,
                ("log_loss", "weight"), _mean("log_loss"), better=LOWER,
                reads=frozenset({"label", "prediction", "score"}))  # fmt: skip
_CLASS_METRICS = (
    _RIGHT,
    replace(_RIGHT, class_name="SparseCategoricalAccuracy", name="sparse_categorical_accuracy"),
    replace(_RIGHT, class_name="CategoricalAccuracy", name="categorical_accuracy"),
    Metric("SparseTopKCategoricalAccuracy", "sparse_top_k_categorical_accuracy", ("multiclass",), _NO_WEIGHT,
           ("in_top#{k}", "weight"), lambda s, o: _over(s(f"in_top#{o['k']}"), s("weight")), better=HIGHER,
           options={"k": 5}),
    _CROSS,
    replace(_CROSS, class_name="CategoricalCrossentropy"),
    replace(_CROSS, class_name="SparseCategoricalCrossentropy", name="sparse_categorical_crossentropy"),
    replace(_CROSS, class_name="LogLoss", name="log_loss"),
    Metric("Precision", "precision", ("multiclass",), "no row has a weight", _PER_CLASS,
           _averaged(lambda tp, fp, fn: (tp, tp + fp)), better=HIGHER, options=_AVERAGE),
    Metric("Recall", "recall", ("multiclass",), "no row has a weight", _PER_CLASS,
           _averaged(lambda tp, fp, fn: (tp, tp + fn)), better=HIGHER, options=_AVERAGE),
    Metric("F1Score", "f1_score", ("multiclass",), "no row has a weight", _PER_CLASS,
           _averaged(lambda tp, fp, fn: (2 * tp, 2 * tp + fp + fn)), better=HIGHER, options=_AVERAGE),
)  # fmt: skip

METRICS: dict[tuple[str, str], Metric] = {
    (metric.class_name, task): metric
    for metric in (
        *_confusion_metrics(),
        _max_recall(),
        *_MEAN_METRICS,
        *_LOSS_METRICS,
        *_RANK_METRICS,
        *_CLASS_METRICS,
    )
    for task in metric.tasks
}


def metric_names(task: str | None = None) -> tuple[str, ...]:
    """Class names of all metrics, or of those of one task."""
    return tuple(sorted({cls for cls, of in METRICS if task is None or of == task}))


def find_metric(class_name: str, task: str | None = None) -> Metric | None:
    """The metric of this class for a task (any task where None is given), or None."""
    for of in TASKS if task is None else (task,):
        if (class_name, of) in METRICS:
            return METRICS[class_name, of]
    return None
