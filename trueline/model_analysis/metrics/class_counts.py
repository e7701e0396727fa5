"""Averages over classes of precision, recall and kin, and agreement of labels with predicted classes.

All are functions of three weights per class, kept by noise group in one histogram: rows that are of the class and
predicted so, rows that are predicted so, rows that are of it. Names and averages follow scikit-learn: ``macro`` is over
the classes that occur in labels or predictions, ``weighted`` by the weight of the class's labels, 0/0 of a class is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from trueline.model_analysis.metrics.confusion import CONFUSION_OPTIONS
from trueline.model_analysis.metrics.record import (
    HIGHER,
    LOWER,
    NO_WEIGHT,
    Finish,
    Metric,
    Options,
    Sums,
    Table,
    over,
)
from trueline.model_analysis.rows import Floats, Ints, Rows

__all__ = ["AVERAGED", "CLASS_COUNT_METRICS", "CLASS_COUNT_TABLES", "Ratio", "averaged"]

Ratio: TypeAlias = Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]
"""Weights of rows that are of the class and predicted so, predicted so, and of it, to numerator and denominator."""
AVERAGED: tuple[tuple[str, str, Ratio], ...] = (
    ("Precision", "precision", lambda tp, predicted, actual: (tp, predicted)),
    ("Recall", "recall", lambda tp, predicted, actual: (tp, actual)),
    ("F1Score", "f1_score", lambda tp, predicted, actual: (2 * tp, predicted + actual)),
    ("Jaccard", "jaccard", lambda tp, predicted, actual: (tp, predicted + actual - tp)),
)


def _fill(rows: Rows, _: str) -> tuple[Ints, Ints, Floats]:
    """Up to three cells a row: of its class and of the predicted one; a row of no class has no label."""
    classes = rows.prediction.shape[1]
    at = np.arange(len(rows), dtype=np.int64)
    labelled = rows.classes >= 0
    hit = at[labelled & (rows.predicted == rows.classes)]
    place = np.concatenate([hit, at, at[labelled]])
    cells = np.concatenate([rows.classes[hit], classes + rows.predicted, 2 * classes + rows.classes[labelled]])
    order = np.argsort(place, kind="stable")
    return place[order], cells[order], np.ones(len(place))


CLASS_COUNT_TABLES: Mapping[str, Table] = {"class_counts": Table(lambda _, classes: 3 * classes, _fill, grouped=True)}


def three(sums: Sums, name: str, options: Options) -> tuple[Floats, Floats, Floats]:
    """The three weights of each class, classes first ``[C, ...]``."""
    counts = np.moveaxis(sums(name), -2, 0)
    c = int(options["classes"])
    return counts[:c], counts[c : 2 * c], counts[2 * c :]


def averaged(ratio: Ratio, average: str, tp: Floats, predicted: Floats, actual: Floats, occurring: bool) -> Floats:
    """The mean over classes ``[C, ...]``; NaN where nothing was weighed."""
    if average == "micro":
        return over(*ratio(tp.sum(axis=0), predicted.sum(axis=0), actual.sum(axis=0)))
    each = np.nan_to_num(over(*ratio(tp, predicted, actual)))
    if average == "weighted":
        return over((each * actual).sum(axis=0), actual.sum(axis=0))
    seen = (predicted + actual) > 0 if occurring else np.broadcast_to(((predicted + actual) > 0).any(axis=0), tp.shape)
    return over(np.where(seen, each, 0.0).sum(axis=0), seen.sum(axis=0).astype(np.float64))


def _mean(ratio: Ratio) -> Finish:
    def finish(s: Sums, o: Options) -> Floats:
        return averaged(ratio, o["average"] or "macro", *three(s, "class_counts", o), occurring=True)

    return finish


def _kappa(s: Sums, o: Options) -> Floats:
    """Cohen 1960 and 1968: 1 - observed over expected disagreement; `weighting` None, linear or quadratic.

    Rows of no class agree with no prediction, and have no distance from one.
    """
    tp, predicted, actual = three(s, "class_counts", o)
    total = predicted.sum(axis=0)
    if o["weighting"] is None:
        wrong = total - tp.sum(axis=0)
        expected = total - over((predicted * actual).sum(axis=0), total)
        return 1 - over(wrong, expected)
    power = 1 if o["weighting"] == "linear" else 2
    number = np.arange(len(tp), dtype=np.float64)
    cost = np.abs(number[:, None] - number[None]) ** power
    expected = over(np.einsum("i...,ij,j...->...", actual, cost, predicted), total)
    expected = np.where(np.isclose(actual.sum(axis=0), total, rtol=1e-9), expected, np.nan)
    return 1 - over(s(f"class_gap@{power}"), expected)


def _matthews(s: Sums, o: Options) -> Floats:
    """Gorodkin 2004, as scikit-learn: (c s - sum p t) / sqrt((s^2 - sum p^2)(s^2 - sum t^2))."""
    tp, predicted, actual = three(s, "class_counts", o)
    total = predicted.sum(axis=0)
    none = total - actual.sum(axis=0)  # rows of no class: a class of their own, never predicted
    top = tp.sum(axis=0) * total - (predicted * actual).sum(axis=0)
    spread = (total**2 - (predicted**2).sum(axis=0)) * (total**2 - (actual**2).sum(axis=0) - none**2)
    return over(top, np.sqrt(np.maximum(spread, 0.0)))


def _balanced(s: Sums, o: Options) -> Floats:
    tp, _, actual = three(s, "class_counts", o)
    seen = actual > 0
    return over(np.nan_to_num(over(tp, actual)).sum(axis=0), seen.sum(axis=0).astype(np.float64))


_MULTI = ("multiclass",)
_TABLE = ("class_counts",)
CLASS_COUNT_METRICS = (
    *(Metric(cls, name, _MULTI, "no row has a weight", finish=_mean(ratio), tables=_TABLE, better=HIGHER,
             options={"average": None, **CONFUSION_OPTIONS}) for cls, name, ratio in AVERAGED),
    Metric("CohenKappa", "cohen_kappa", _MULTI,
           "labels and predictions are of one class, or a distance is asked for of a row of no class",
           ("class_gap@1", "class_gap@2"), _kappa, tables=_TABLE, better=HIGHER, options={"weighting": None}),
    Metric("MultiClassMatthewsCorrelationCoefficient", "multi_class_matthews_correlation_coefficient", _MULTI,
           "labels or predictions are of one class", finish=_matthews, tables=_TABLE, better=HIGHER),
    Metric("MultiClassBalancedAccuracy", "multi_class_balanced_accuracy", _MULTI, NO_WEIGHT, finish=_balanced,
           tables=_TABLE, better=HIGHER),
    Metric("MultiClassError", "multi_class_error", _MULTI, NO_WEIGHT, ("correct", "weight"),
           lambda s, o: 1 - over(s("correct"), s("weight")), better=LOWER),
)  # fmt: skip
