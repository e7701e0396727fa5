"""Metrics of class rows: the label's class against a vector of probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trueline.model_analysis.curves import CURVE_AREAS
from trueline.model_analysis.metrics.class_counts import CLASS_COUNT_METRICS
from trueline.model_analysis.metrics.plots import ClassConfusion
from trueline.model_analysis.metrics.record import CLASS_TASKS, HIGHER, LOWER, NO_WEIGHT, Metric, Options, mean, over
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.rows import EPSILON, Floats, Rows

__all__ = ["CLASS_METRICS", "MULTICLASS_MOMENTS"]


def _class_log_loss(rows: Rows, parameter: str) -> Floats:
    """Cross entropy of the label with the prediction divided by its sum (TFMA); of logits by their softmax.

    Label smoothing s takes (1 - s) of the label and gives s / C to every class (Szegedy et al. 2016). Probabilities are
    kept within EPSILON..1 - EPSILON, where TFMA's value would be infinite.
    """
    logits, smoothing = parameter.split(",")
    s = float(smoothing)
    if logits == "True":
        shifted = rows.prediction - rows.prediction.max(axis=1, keepdims=True)
        log = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    else:
        total = np.maximum(rows.prediction.sum(axis=1, keepdims=True), EPSILON)
        log = np.log(np.clip(rows.prediction / total, EPSILON, 1 - EPSILON))
    if s == 0 and rows.label_matrix is None:
        own: Floats = -np.take_along_axis(log, np.maximum(rows.classes, 0)[:, None], axis=1)[:, 0]
        return own
    target = rows.one_hot * (1 - s) + s / rows.prediction.shape[1]
    loss: Floats = -(target * log).sum(axis=1)
    return loss


def _divergence(rows: Rows) -> Floats:
    """Kullback-Leibler divergence of the label from the prediction, which is not divided by its sum (Keras)."""
    p = np.clip(rows.prediction, EPSILON, 1.0)
    y = rows.one_hot
    value: Floats = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / p), 0.0).sum(axis=1)
    return value


def _hinge(rows: Rows, _: str) -> Floats:
    """Keras: max(0, 1 + the greatest score of another class - the label's)."""
    other = ((1 - rows.one_hot) * rows.prediction).max(axis=1)
    own = (rows.one_hot * rows.prediction).sum(axis=1)
    loss: Floats = np.maximum(other - own + 1, 0.0)
    return loss


MULTICLASS_MOMENTS: Mapping[str, Moment] = {
    "class_log_loss": _class_log_loss,
    "class_kl": lambda r, _: _divergence(r),
    "class_hinge": _hinge,
    "class_brier": lambda r, _: np.square(r.prediction - r.one_hot).sum(axis=1),
    "class_gap": lambda r, power: np.abs(r.classes - r.predicted).astype(np.float64) ** int(power),
}


class _Entries(ClassConfusion):
    """The same counts as lists of actual class, predicted class and weight."""

    def finish(self) -> Any:
        if self.counts is None or not self.counts.any():
            return None
        found = []
        for threshold, matrix in zip(self.thresholds, self.counts, strict=True):
            none = matrix.shape[1] - 1
            entries = [
                {"actual_class_id": int(a), "predicted_class_id": int(p) if p < none else -1,
                 "num_weighted_examples": float(matrix[a, p])}
                for a, p in np.argwhere(matrix > 0)
            ]  # fmt: skip
            found.append({"threshold": threshold, "entries": entries})
        return found


def _entries(options: Options) -> _Entries:
    return _Entries(options, several=False, default=0.5)


_SCORE = frozenset({"label", "prediction", "score"})
_RIGHT = Metric("Accuracy", "accuracy", ("multiclass",), NO_WEIGHT, ("correct", "weight"), mean("correct"),
                better=HIGHER)  # fmt: skip
_LOSS = "class_log_loss@{from_logits},{label_smoothing}"
_CROSS = Metric("CategoricalCrossEntropy", "categorical_crossentropy", ("multiclass",), NO_WEIGHT, (_LOSS, "weight"),
                lambda s, o: over(s(_LOSS.format(**o)), s("weight")), better=LOWER, reads=_SCORE,
                options={"from_logits": False, "label_smoothing": 0.0})  # fmt: skip
_TOP = Metric("SparseTopKCategoricalAccuracy", "sparse_top_k_categorical_accuracy", ("multiclass",), NO_WEIGHT,
              ("in_top@{k}", "weight"), lambda s, o: over(s(f"in_top@{o['k']}"), s("weight")), better=HIGHER,
              options={"k": 5})  # fmt: skip
CLASS_METRICS = (
    _RIGHT,
    replace(_RIGHT, class_name="SparseCategoricalAccuracy", name="sparse_categorical_accuracy"),
    replace(_RIGHT, class_name="CategoricalAccuracy", name="categorical_accuracy"),
    _TOP,
    replace(_TOP, class_name="TopKCategoricalAccuracy", name="top_k_categorical_accuracy"),
    _CROSS,
    replace(_CROSS, class_name="CategoricalCrossentropy"),
    replace(_CROSS, class_name="SparseCategoricalCrossentropy", name="sparse_categorical_crossentropy"),
    replace(_CROSS, class_name="LogLoss", name="log_loss"),
    Metric("CategoricalHinge", "categorical_hinge", ("multiclass",), NO_WEIGHT, ("class_hinge", "weight"),
           mean("class_hinge"), better=LOWER),
    Metric("KLDivergence", "kl_divergence", ("multiclass",), NO_WEIGHT, ("class_kl", "weight"), mean("class_kl"),
           better=LOWER, reads=_SCORE),
    Metric("BrierScore", "brier_score", ("multiclass",), NO_WEIGHT, ("class_brier", "weight"), mean("class_brier"),
           better=LOWER, reads=_SCORE),
    Metric("MultiClassAUC", "multi_class_auc", CLASS_TASKS, "a class has no row, or all rows", curve=lambda c, o: (
           CURVE_AREAS[o["curve"], "interpolation"](c)), better=HIGHER, reads=_SCORE,
           options={"average": "macro", "curve": "ROC"}, class_mean=lambda o: o["average"] == "weighted"),
    Metric("MultiClassConfusionMatrixAtThresholds", "multi_class_confusion_matrix_at_thresholds", ("multiclass",),
           NO_WEIGHT, own=_entries, options={"thresholds": None, "num_thresholds": None}),
    *CLASS_COUNT_METRICS,
)  # fmt: skip
