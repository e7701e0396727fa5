"""Metrics of class rows: the label's class against a vector of probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from trueline.model_analysis.metrics.record import HIGHER, LOWER, NO_WEIGHT, Finish, Metric, Options, Sums, mean, over
from trueline.model_analysis.rows import Floats

__all__ = ["CLASS_METRICS"]


def _averaged(numerator: Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]) -> Finish:
    """Macro, micro or support-weighted mean over classes of a ratio of (tp, fp, fn); 0/0 of a class counts 0."""

    def run(s: Sums, o: Options) -> Floats:
        tp, fp, fn = (
            np.stack([s(f"{m}@{c}") for c in range(o["classes"])]) for m in ("class_tp", "class_fp", "class_fn")
        )
        if o["average"] == "micro":
            return over(*numerator(tp.sum(axis=0), fp.sum(axis=0), fn.sum(axis=0)))
        each = np.nan_to_num(over(*numerator(tp, fp, fn)))
        if o["average"] == "weighted":
            return over((each * (tp + fn)).sum(axis=0), (tp + fn).sum(axis=0))
        seen = (tp + fp + fn) > 0
        return over(np.where(seen, each, 0.0).sum(axis=0), seen.sum(axis=0).astype(np.float64))

    return run


_PER_CLASS = ("class_tp@{c}", "class_fp@{c}", "class_fn@{c}")
_AVERAGE = {"average": "macro"}
_RIGHT = Metric("Accuracy", "accuracy", ("multiclass",), NO_WEIGHT, ("correct", "weight"), mean("correct"),
                better=HIGHER)  # fmt: skip
_CROSS = Metric("CategoricalCrossEntropy", "categorical_crossentropy", ("multiclass",), NO_WEIGHT,
                ("class_log_loss", "weight"), mean("class_log_loss"), better=LOWER,
                reads=frozenset({"label", "prediction", "score"}))  # fmt: skip
CLASS_METRICS = (
    _RIGHT,
    replace(_RIGHT, class_name="SparseCategoricalAccuracy", name="sparse_categorical_accuracy"),
    replace(_RIGHT, class_name="CategoricalAccuracy", name="categorical_accuracy"),
    Metric("SparseTopKCategoricalAccuracy", "sparse_top_k_categorical_accuracy", ("multiclass",), NO_WEIGHT,
           ("in_top@{k}", "weight"), lambda s, o: over(s(f"in_top@{o['k']}"), s("weight")), better=HIGHER,
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
