"""Metrics of the four counts of a confusion matrix at one threshold: TFMA's formulas and names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trueline.model_analysis.metrics.record import (
    HIGHER,
    LOWER,
    NO_WEIGHT,
    ONE_CLASS,
    REQUIRED,
    Finish,
    Metric,
    Options,
    Sums,
    over,
)
from trueline.model_analysis.rows import Floats

__all__ = ["CONFUSION_METRICS", "CONFUSION_OPTIONS", "Confusion", "threshold_of"]


CONFUSION_OPTIONS: Options = {
    "thresholds": None, "num_thresholds": None, "class_id": None, "k": None, "top_k": None,
}  # fmt: skip
"""No threshold means the model's own (0.5 where it has none), or every one of the top k."""


@dataclass(frozen=True)
class Confusion:
    """Weighted counts at one threshold."""

    tp: Floats
    tn: Floats
    fp: Floats
    fn: Floats

    @property
    def tpr(self) -> Floats:
        """Recall."""
        return over(self.tp, self.tp + self.fn)

    @property
    def tnr(self) -> Floats:
        """Specificity."""
        return over(self.tn, self.tn + self.fp)

    @property
    def ppv(self) -> Floats:
        """Precision."""
        return over(self.tp, self.tp + self.fp)

    @property
    def npv(self) -> Floats:
        """Negative predictive value."""
        return over(self.tn, self.tn + self.fn)

    @property
    def total(self) -> Floats:
        """All weight."""
        return self.tp + self.tn + self.fp + self.fn


def _matthews(c: Confusion) -> Floats:
    scale = np.sqrt((c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn))
    return over(c.tp * c.tn - c.fp * c.fn, scale)


def _prevalence_threshold(c: Confusion) -> Floats:
    return over(np.sqrt(c.tpr * (1 - c.tnr)) + c.tnr - 1, c.tpr + c.tnr - 1)


_CONFUSION_ROWS: tuple[tuple[str, str, Callable[[Confusion], Floats], str | None, str], ...] = (
    ("TruePositives TP", "true_positives tp", lambda c: c.tp, HIGHER, ""),
    ("TrueNegatives TN", "true_negatives tn", lambda c: c.tn, HIGHER, ""),
    ("FalsePositives FP", "false_positives fp", lambda c: c.fp, LOWER, ""),
    ("FalseNegatives FN", "false_negatives fn", lambda c: c.fn, LOWER, ""),
    ("BinaryAccuracy Accuracy", "binary_accuracy accuracy", lambda c: over(c.tp + c.tn, c.total), HIGHER, NO_WEIGHT),
    ("Precision PPV", "precision ppv", lambda c: c.ppv, HIGHER, "no row is predicted positive"),
    ("Recall TPR", "recall tpr", lambda c: c.tpr, HIGHER, "no row is positive"),
    ("Specificity TNR", "specificity tnr", lambda c: c.tnr, HIGHER, "no row is negative"),
    ("FallOut FPR", "fall_out fpr", lambda c: over(c.fp, c.fp + c.tn), LOWER, "no row is negative"),
    ("MissRate FNR", "miss_rate fnr", lambda c: over(c.fn, c.fn + c.tp), LOWER, "no row is positive"),
    ("NegativePredictiveValue NPV", "negative_predictive_value npv", lambda c: c.npv, HIGHER,
     "no row is predicted negative"),
    ("FalseDiscoveryRate", "false_discovery_rate", lambda c: over(c.fp, c.fp + c.tp), LOWER,
     "no row is predicted positive"),
    ("FalseOmissionRate", "false_omission_rate", lambda c: over(c.fn, c.fn + c.tn), LOWER,
     "no row is predicted negative"),
    ("Prevalence", "prevalence", lambda c: over(c.tp + c.fn, c.total), None, NO_WEIGHT),
    ("PrevalenceThreshold", "prevalence_threshold", _prevalence_threshold, None,
     "the slice holds one class, or the model does not separate the two"),
    ("ThreatScore", "threat_score", lambda c: over(c.tp, c.tp + c.fn + c.fp), HIGHER,
     "no row is positive or predicted positive"),
    ("BalancedAccuracy", "balanced_accuracy", lambda c: (c.tpr + c.tnr) / 2, HIGHER, ONE_CLASS),
    ("F1Score", "f1_score", lambda c: over(2 * c.tp, 2 * c.tp + c.fp + c.fn), HIGHER,
     "no row is positive or predicted positive"),
    ("MatthewsCorrelationCoefficient", "matthews_correlation_coefficient", _matthews, HIGHER,
     "one class is absent from the labels or the predictions"),
    ("FowlkesMallowsIndex", "fowlkes_mallows_index", lambda c: np.sqrt(c.ppv * c.tpr), HIGHER,
     "no row is positive, or none is predicted positive"),
    ("Informedness", "informedness", lambda c: c.tpr + c.tnr - 1, HIGHER, ONE_CLASS),
    ("Markedness", "markedness", lambda c: c.ppv + c.npv - 1, HIGHER, "all rows are predicted one class"),
    ("PositiveLikelihoodRatio", "positive_likelihood_ratio", lambda c: over(c.tpr, over(c.fp, c.fp + c.tn)), HIGHER,
     "there are no false positives, or one class is absent"),
    ("NegativeLikelihoodRatio", "negative_likelihood_ratio", lambda c: over(over(c.fn, c.fn + c.tp), c.tnr), LOWER,
     "there are no true negatives, or one class is absent"),
    ("DiagnosticOddsRatio", "diagnostic_odds_ratio", lambda c: over(over(c.tp, c.fn), over(c.fp, c.tn)), HIGHER,
     "one of the four counts is 0"),
    ("PredictedPositiveRate", "predicted_positive_rate", lambda c: over(c.tp + c.fp, c.total), None, NO_WEIGHT),
)  # fmt: skip


def _confusion_metrics() -> list[Metric]:
    def finish(formula: Callable[[Confusion], Floats]) -> Finish:
        def run(s: Sums, o: Options) -> Floats:
            t = threshold_of(o)
            return formula(Confusion(s(f"tp@{t}"), s(f"tn@{t}"), s(f"fp@{t}"), s(f"fn@{t}")))

        return run

    needed = ("tp@{t}", "tn@{t}", "fp@{t}", "fn@{t}")
    reads = frozenset({"label", "prediction", "score"})
    return [
        Metric(cls, name, ("binary",), why, needed, finish(formula), None, better, reads, CONFUSION_OPTIONS)
        for classes, names, formula, better, why in _CONFUSION_ROWS
        for cls, name in zip(classes.split(), names.split(), strict=True)
    ]


def _max_recall() -> Metric:
    """Recall when nearly every score counts as positive, at TFMA's threshold."""
    recall = next(m for m in _confusion_metrics() if m.class_name == "Recall")
    return replace(
        recall, class_name="MaxRecall", name="max_recall", options={**CONFUSION_OPTIONS, "thresholds": 1e-12}
    )


def threshold_of(options: Options) -> float | str:
    """The threshold of one key: a number, or ``own`` for the model's own."""
    value = options["thresholds"]
    return value if value == "own" else float(value)


def _matrices(s: Sums, options: Options) -> list[dict[str, float | None]] | None:
    """TFMA's fields; what has a zero denominator is None here, where TFMA has precision 1 or 0."""
    found = []
    for t in options["thresholds"]:
        c = Confusion(s(f"tp@{t}"), s(f"tn@{t}"), s(f"fp@{t}"), s(f"fn@{t}"))
        if not c.total > 0:
            return None
        said = {
            "threshold": t if t == "own" or np.isfinite(t) else str(t),
            "true_positives": c.tp, "true_negatives": c.tn, "false_positives": c.fp,
            "false_negatives": c.fn, "precision": c.ppv, "recall": c.tpr, "false_positive_rate": 1 - c.tnr,
            "f1": over(2 * c.tp, 2 * c.tp + c.fp + c.fn), "accuracy": over(c.tp + c.tn, c.total),
            "false_omission_rate": 1 - c.npv,
        }  # fmt: skip
        found.append({name: _listed(value) for name, value in said.items()})
    return found


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return float(value) if np.isfinite(value) else None


_AT_THRESHOLDS = Metric(
    "ConfusionMatrixAtThresholds", "confusion_matrix_at_thresholds", ("binary",), NO_WEIGHT,
    ("tp@{t}", "tn@{t}", "fp@{t}", "fn@{t}"), reads=frozenset({"label", "prediction", "score"}),
    options={**CONFUSION_OPTIONS, "thresholds": REQUIRED}, data=_matrices,
)  # fmt: skip
CONFUSION_METRICS = (*_confusion_metrics(), _max_recall(), _AT_THRESHOLDS)
