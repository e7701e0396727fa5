"""Every scalar metric once more, by scikit-learn, scipy or a few lines of numpy; NaN where it has no value.

Nothing of the product is used here. Rows without weight are left out before a function is called: they do not count.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import sklearn.metrics as sk
from scipy.special import xlogy

Array = np.ndarray[Any, Any]
Oracle = Callable[[Array, Array, Array], float]
NAN = float("nan")


def ratio(a: float, b: float) -> float:
    return float(a) / float(b) if b else NAN


def counts(y: Array, p: Array, w: Array, t: float = 0.5) -> tuple[float, float, float, float]:
    found = sk.confusion_matrix(y, p > t, sample_weight=w, labels=[0, 1])
    tn, fp, fn, tp = (float(v) for v in found.ravel())
    return tp, tn, fp, fn


def of_counts(formula: Callable[[float, float, float, float], float], t: float = 0.5) -> Oracle:
    return lambda y, p, w: formula(*counts(y, p, w, t))


def average(of: Callable[[Array, Array], Array]) -> Oracle:
    return lambda y, p, w: float(np.average(of(y, p), weights=w))


def of_sklearn(function: Callable[..., Any], **options: Any) -> Oracle:
    return lambda y, p, w: float(function(y, p, sample_weight=w, **options))


def two(oracle: Oracle) -> Oracle:
    """Only where both classes are there."""
    return lambda y, p, w: oracle(y, p, w) if 0 < y.sum() < len(y) else NAN


def _tjur(y: Array, p: Array, w: Array) -> tuple[float, float]:
    one, none = y == 1, y == 0
    return float(np.average(p[one], weights=w[one])), float(np.average(p[none], weights=w[none]))


def _calibration_bins(y: Array, p: Array, w: Array) -> tuple[Array, Array]:
    """scikit-learn's edges; bins are open below."""
    place = np.clip(np.ceil(p * 15) - 1, 0, 14).astype(int)
    gaps, weights = np.zeros(15), np.zeros(15)
    for b in range(15):
        own = place == b
        if own.any():
            weights[b] = w[own].sum()
            gaps[b] = abs(np.average(y[own], weights=w[own]) - np.average(p[own], weights=w[own]))
    return gaps, weights


def _points(y: Array, p: Array, w: Array) -> Array:
    """tp, fp above each possible threshold, from above all scores to below all of them ``[T + 1, 2]``."""
    levels, place = np.unique(-p, return_inverse=True)
    made = np.zeros((len(levels) + 1, 2))
    np.add.at(made, (place + 1, np.where(y == 1, 0, 1)), w)
    return np.cumsum(made, axis=0)


def _operating(wanted: str, limit: str, bound: float) -> Oracle:
    def value(y: Array, p: Array, w: Array) -> float:
        tp, fp = _points(y, p, w).T
        with np.errstate(invalid="ignore"):
            rates = {"recall": tp / tp[-1], "specificity": 1 - fp / fp[-1], "precision": tp / (tp + fp)}
        usable = (rates[limit] >= bound) & ~np.isnan(rates[wanted])
        return float(rates[wanted][usable].max()) if usable.any() else NAN

    return two(value)


def _pr_area(y: Array, p: Array, w: Array) -> float:
    """Davis and Goadrich: the integral of (tp + s x) / (tp + fp + x) by its antiderivative, segment by segment."""
    points, area = _points(y, p, w), 0.0
    for (tp, fp), (tp2, fp2) in pairwise(points):
        dx, dtp = tp2 + fp2 - tp - fp, tp2 - tp
        if dx <= 0:
            continue
        s = dtp / dx
        rest = tp - s * (tp + fp)
        log = np.log((tp2 + fp2) / (tp + fp)) if tp + fp > 0 else 0.0
        area += s * (dtp + (rest * log if tp + fp > 0 else 0.0))
    return float(area / points[-1, 0])


def _threshold_at_recall(y: Array, p: Array, w: Array) -> float:
    if not (y == 1).any():
        return NAN
    grid = np.array([-1e-7, *[i / 9999 for i in range(1, 9999)], 1 + 1e-7])
    order = np.argsort(p[y == 1], kind="stable")
    held, scores = w[y == 1][order], p[y == 1][order]
    below = np.concatenate([[0.0], np.cumsum(held)])
    reached = 1 - below[np.searchsorted(scores, grid, side="right")] / below[-1]
    return float(grid[reached >= 0.7 - 1e-12].max())


ERRORS: dict[str, Oracle] = {
    "ExampleCount": lambda y, p, w: float(w.sum()),
    "WeightedExampleCount": lambda y, p, w: float(w.sum()),
    "MeanLabel": average(lambda y, p: y),
    "MeanPrediction": average(lambda y, p: p),
    "Calibration": lambda y, p, w: ratio((w * p).sum(), (w * y).sum()),
    "MeanAbsoluteError": of_sklearn(sk.mean_absolute_error),
    "MeanSquaredError": of_sklearn(sk.mean_squared_error),
    "RootMeanSquaredError": of_sklearn(sk.root_mean_squared_error),
    "MeanAbsolutePercentageError": lambda y, p, w: (
        100 * float(np.average((abs(y - p) / abs(np.where(y == 0, 1, y)))[y != 0], weights=w[y != 0]))
        if (y != 0).any() else NAN
    ),
    "MeanSquaredLogarithmicError": lambda y, p, w: (
        float(np.average((np.log1p(y) - np.log1p(p)) ** 2, weights=w)) if min(y.min(), p.min()) > -1 else NAN
    ),
    "SquaredPearsonCorrelation": lambda y, p, w: (
        float((c := np.cov(y, p, aweights=w))[0, 1] ** 2 / (c[0, 0] * c[1, 1]))
        if len(set(y.tolist())) > 1 and len(set(p.tolist())) > 1 else NAN
    ),
    "R2Score": lambda y, p, w: of_sklearn(sk.r2_score)(y, p, w) if len(set(y.tolist())) > 1 else NAN,
    "ExplainedVariance": lambda y, p, w: (
        of_sklearn(sk.explained_variance_score)(y, p, w) if len(set(y.tolist())) > 1 else NAN
    ),
    "MeanError": average(lambda y, p: y - p),
    "MaxError": lambda y, p, w: float(sk.max_error(y, p)),
    "MedianAbsoluteError": of_sklearn(sk.median_absolute_error),
    "PinballLoss": of_sklearn(sk.mean_pinball_loss, alpha=0.5),
    "Huber": average(lambda y, p: np.where(abs(y - p) <= 1, (y - p) ** 2 / 2, abs(y - p) - 0.5)),
    "LogCoshError": average(lambda y, p: abs(y - p) + np.log1p(np.exp(-2 * abs(y - p))) - np.log(2)),
    "Poisson": lambda y, p, w: average(lambda y, p: p - xlogy(y, p))(y, p, w) if p.min() > 0 else NAN,
    "TweedieDeviance": lambda y, p, w: (
        of_sklearn(sk.mean_tweedie_deviance, power=1.5)(y, p, w) if p.min() > 0 and y.min() >= 0 else NAN
    ),
    "PoissonDeviance": lambda y, p, w: (
        of_sklearn(sk.mean_poisson_deviance)(y, p, w) if p.min() > 0 and y.min() >= 0 else NAN
    ),
    "GammaDeviance": lambda y, p, w: (
        of_sklearn(sk.mean_gamma_deviance)(y, p, w) if p.min() > 0 and y.min() > 0 else NAN
    ),
}  # fmt: skip
"""Of a number against a number."""
_CONFUSION: dict[str, Callable[[float, float, float, float], float]] = {
    "TruePositives TP": lambda tp, tn, fp, fn: tp,
    "TrueNegatives TN": lambda tp, tn, fp, fn: tn,
    "FalsePositives FP": lambda tp, tn, fp, fn: fp,
    "FalseNegatives FN": lambda tp, tn, fp, fn: fn,
    "BinaryAccuracy Accuracy": lambda tp, tn, fp, fn: ratio(tp + tn, tp + tn + fp + fn),
    "Precision PPV": lambda tp, tn, fp, fn: ratio(tp, tp + fp),
    "Recall TPR": lambda tp, tn, fp, fn: ratio(tp, tp + fn),
    "Specificity TNR": lambda tp, tn, fp, fn: ratio(tn, tn + fp),
    "FallOut FPR": lambda tp, tn, fp, fn: ratio(fp, fp + tn),
    "MissRate FNR": lambda tp, tn, fp, fn: ratio(fn, fn + tp),
    "NegativePredictiveValue NPV": lambda tp, tn, fp, fn: ratio(tn, tn + fn),
    "FalseDiscoveryRate": lambda tp, tn, fp, fn: ratio(fp, fp + tp),
    "FalseOmissionRate": lambda tp, tn, fp, fn: ratio(fn, fn + tn),
    "Prevalence": lambda tp, tn, fp, fn: ratio(tp + fn, tp + tn + fp + fn),
    "PredictedPositiveRate": lambda tp, tn, fp, fn: ratio(tp + fp, tp + tn + fp + fn),
    "ThreatScore": lambda tp, tn, fp, fn: ratio(tp, tp + fn + fp),
    "F1Score": lambda tp, tn, fp, fn: ratio(tp, tp + (fp + fn) / 2),
    "FowlkesMallowsIndex": lambda tp, tn, fp, fn: (ratio(tp, tp + fp) * ratio(tp, tp + fn)) ** 0.5,
    "Informedness": lambda tp, tn, fp, fn: ratio(tp, tp + fn) - ratio(fp, fp + tn),
    "Markedness": lambda tp, tn, fp, fn: ratio(tp, tp + fp) - ratio(fn, fn + tn),
    "PositiveLikelihoodRatio": lambda tp, tn, fp, fn: ratio(ratio(tp, tp + fn), ratio(fp, fp + tn)),
    "NegativeLikelihoodRatio": lambda tp, tn, fp, fn: ratio(ratio(fn, tp + fn), ratio(tn, fp + tn)),
    "DiagnosticOddsRatio": lambda tp, tn, fp, fn: ratio(tp * tn, fp * fn) if tn else NAN,
    "PrevalenceThreshold": lambda tp, tn, fp, fn: ratio(
        (ratio(tp, tp + fn) * ratio(fp, fp + tn)) ** 0.5 - ratio(fp, fp + tn),
        ratio(tp, tp + fn) - ratio(fp, fp + tn),
    ),
}
BINARY: dict[str, Oracle] = {
    **ERRORS,
    **{name: of_counts(formula) for names, formula in _CONFUSION.items() for name in names.split()},
    "MaxRecall": of_counts(_CONFUSION["Recall TPR"], 1e-12),
    "BalancedAccuracy": two(lambda y, p, w: float(sk.balanced_accuracy_score(y, p > 0.5, sample_weight=w))),
    "MatthewsCorrelationCoefficient": lambda y, p, w: (
        float(sk.matthews_corrcoef(y, p > 0.5, sample_weight=w)) if len({*y}) == 2 and len({*(p > 0.5)}) == 2 else NAN
    ),
    "CoefficientOfDiscrimination": two(lambda y, p, w: _tjur(y, p, w)[0] - _tjur(y, p, w)[1]),
    "RelativeCoefficientOfDiscrimination": two(lambda y, p, w: ratio(*_tjur(y, p, w))),
    "LogLoss": of_sklearn(sk.log_loss, labels=[0, 1]),
    "BinaryCrossEntropy": of_sklearn(sk.log_loss, labels=[0, 1]),
    "BinaryCrossentropy": of_sklearn(sk.log_loss, labels=[0, 1]),
    "BrierScore": average(lambda y, p: (y - p) ** 2),
    "Hinge": average(lambda y, p: np.maximum(0, 1 - np.where(y == 1, 1, -1) * p)),
    "SquaredHinge": average(lambda y, p: np.maximum(0, 1 - np.where(y == 1, 1, -1) * p) ** 2),
    "ExpectedCalibrationError": lambda y, p, w: float(np.average(*_calibration_bins(y, p, w)[:1],
                                                                 weights=_calibration_bins(y, p, w)[1])),
    "MaximumCalibrationError": lambda y, p, w: float(_calibration_bins(y, p, w)[0].max()),
    "AUC": two(of_sklearn(sk.roc_auc_score)),
    "AUCPrecisionRecall": two(_pr_area),
    "AveragePrecision": two(of_sklearn(sk.average_precision_score)),
    "SensitivityAtSpecificity": _operating("recall", "specificity", 0.7),
    "SpecificityAtSensitivity": _operating("specificity", "recall", 0.7),
    "PrecisionAtRecall": _operating("precision", "recall", 0.7),
    "RecallAtPrecision": _operating("recall", "precision", 0.7),
    "RecallAtFalsePositiveRate": _operating("recall", "specificity", 1 - 0.7),
    "ThresholdAtRecall": _threshold_at_recall,
}  # fmt: skip
"""Of a score against a label of 0 or 1; operating points at 0.7, decisions at 0.5."""


def _average_of(function: Callable[..., Any], kind: str | None) -> Oracle:
    return lambda y, p, w: float(function(y, p.argmax(1), average=kind, sample_weight=w, zero_division=0))


def _one_hot(y: Array, p: Array) -> Array:
    return np.eye(p.shape[1])[y.astype(int)]


def _class_auc(y: Array, p: Array, w: Array) -> float:
    if len({*y}) < p.shape[1]:
        return NAN
    return float(np.mean([sk.roc_auc_score(y == c, p[:, c], sample_weight=w) for c in range(p.shape[1])]))


def _confidence(y: Array, p: Array, w: Array) -> tuple[Array, Array, Array]:
    return (p.argmax(1) == y).astype(float), p.max(1), w


def _normal(p: Array) -> Array:
    return np.clip(p / p.sum(1, keepdims=True), 2.0**-52, 1 - 2.0**-52)


def _top(k: int) -> Oracle:
    def value(y: Array, p: Array, w: Array) -> float:
        own = p[np.arange(len(y)), y.astype(int)]
        return float(np.average((p > own[:, None]).sum(1) < k, weights=w))

    return value


_LOSS: Oracle = average(lambda y, p: -np.log(_normal(p)[np.arange(len(y)), y.astype(int)]))
_RIGHT: Oracle = lambda y, p, w: float(sk.accuracy_score(y, p.argmax(1), sample_weight=w))  # noqa: E731
CLASSES: dict[str, Oracle] = {
    "ExampleCount": ERRORS["ExampleCount"],
    "WeightedExampleCount": ERRORS["ExampleCount"],
    **dict.fromkeys(("Accuracy", "SparseCategoricalAccuracy", "CategoricalAccuracy"), _RIGHT),
    "MultiClassError": lambda y, p, w: 1 - _RIGHT(y, p, w),
    **dict.fromkeys(("SparseTopKCategoricalAccuracy", "TopKCategoricalAccuracy"), _top(5)),
    **dict.fromkeys(("CategoricalCrossEntropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy",
                     "LogLoss"), _LOSS),
    "CategoricalHinge": average(lambda y, p: np.maximum(
        0, 1 + np.where(_one_hot(y, p) == 1, 0, p).max(1) - p[np.arange(len(y)), y.astype(int)])),
    "KLDivergence": average(lambda y, p: -np.log(np.clip(p[np.arange(len(y)), y.astype(int)], 2.0**-52, 1))),
    "BrierScore": average(lambda y, p: ((p - _one_hot(y, p)) ** 2).sum(1)),
    "MultiClassAUC": _class_auc,
    **{f"{name}_{kind}": _average_of(function, kind) for kind in ("macro", "micro", "weighted")
       for name, function in (("Precision", sk.precision_score), ("Recall", sk.recall_score),
                              ("F1Score", sk.f1_score), ("Jaccard", sk.jaccard_score))},
    "CohenKappa": lambda y, p, w: float(sk.cohen_kappa_score(y, p.argmax(1), sample_weight=w)),
    "CohenKappa_linear": lambda y, p, w: float(sk.cohen_kappa_score(
        y, p.argmax(1), sample_weight=w, weights="linear", labels=np.arange(p.shape[1]))),
    "CohenKappa_quadratic": lambda y, p, w: float(sk.cohen_kappa_score(
        y, p.argmax(1), sample_weight=w, weights="quadratic", labels=np.arange(p.shape[1]))),
    "MultiClassMatthewsCorrelationCoefficient": lambda y, p, w: (
        float(sk.matthews_corrcoef(y, p.argmax(1), sample_weight=w)) if min(len({*y}), len({*p.argmax(1)})) > 1
        else NAN),
    "MultiClassBalancedAccuracy": lambda y, p, w: float(sk.balanced_accuracy_score(y, p.argmax(1), sample_weight=w)),
    "ExpectedCalibrationError": lambda y, p, w: BINARY["ExpectedCalibrationError"](*_confidence(y, p, w)),
    "MaximumCalibrationError": lambda y, p, w: BINARY["MaximumCalibrationError"](*_confidence(y, p, w)),
}  # fmt: skip
"""Of probabilities of classes against a class number."""


def difference_oracles(base: Array, mine: Array, w: Array) -> dict[str, float]:
    """Of two models' scores of the same rows."""
    a, b = base > 0.5, mine > 0.5

    def share(hit: Array) -> float:
        return float(np.average(hit, weights=w))

    return {
        "SymmetricFlipRate": share(a != b),
        "NegToNegFlipRate": share(~a & ~b),
        "NegToPosFlipRate": share(~a & b),
        "PosToNegFlipRate": share(a & ~b),
        "PosToPosFlipRate": share(a & b),
        "SymmetricPredictionDifference": share(
            np.where(abs(base) + abs(mine) > 0, 2 * abs(base - mine) / np.maximum(abs(base + mine), 1e-300), 0)
        ),
    }


def value_of(oracle: Oracle, y: Array, p: Array, w: Array) -> float:
    """The oracle on the rows that count."""
    kept = w > 0
    if not kept.any():
        return 0.0 if oracle is ERRORS["ExampleCount"] or oracle is ERRORS["WeightedExampleCount"] else NAN
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return oracle(y[kept], p[kept], w[kept])
