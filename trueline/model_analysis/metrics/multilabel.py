"""Metrics of rows that may be of several classes at once: labels and scores of every class, ``[n, C]``.

A class is predicted where its score is above the threshold. Names, averages and the treatment of 0/0 (it counts 0)
follow scikit-learn; ``samples`` is the mean over rows of each row's own value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trueline.model_analysis.metrics.class_counts import AVERAGED, Ratio, averaged, three
from trueline.model_analysis.metrics.confusion import CONFUSION_OPTIONS, threshold_of
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
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.rows import Bools, Floats, Ints, Rows

__all__ = ["MULTILABEL_METRICS", "MULTILABEL_MOMENTS", "MULTILABEL_TABLES"]


def _found(rows: Rows, t: str) -> Bools:
    found: Bools = rows.prediction > (rows.threshold if t == "own" else float(t))
    return found


def _held(rows: Rows) -> Bools:
    held: Bools = rows.one_hot > 0.5
    return held


def _fill(rows: Rows, t: str) -> tuple[Ints, Ints, Floats]:
    """A cell for each class that a row holds and is predicted, is predicted, holds."""
    held, found = _held(rows), _found(rows, t)
    place, cells = np.nonzero(np.concatenate([held & found, found, held], axis=1))
    return place.astype(np.int64), cells.astype(np.int64), np.ones(len(place))


def _sample(ratio: Ratio) -> Moment:
    """Each row's own value."""

    def moment(rows: Rows, t: str) -> Floats:
        held, found = _held(rows), _found(rows, t)
        counts = ((held & found).sum(axis=1), found.sum(axis=1), held.sum(axis=1))
        tp, predicted, actual = (c.astype(np.float64) for c in counts)
        return np.nan_to_num(over(*ratio(tp, predicted, actual)))

    return moment


MULTILABEL_TABLES: Mapping[str, Table] = {"label_counts": Table(lambda _, classes: 3 * classes, _fill, grouped=True)}
MULTILABEL_MOMENTS: Mapping[str, Moment] = {
    **{f"sample_{name}": _sample(ratio) for _, name, ratio in AVERAGED},
    "subset": lambda r, t: (_found(r, t) == _held(r)).all(axis=1).astype(np.float64),
    "hamming": lambda r, t: (_found(r, t) != _held(r)).mean(axis=1),
}


def _mean(name: str, ratio: Ratio) -> Finish:
    def finish(s: Sums, o: Options) -> Floats:
        t, average = threshold_of(o), o["average"] or "macro"
        if average == "samples":
            return over(s(f"sample_{name}@{t}"), s("weight"))
        return averaged(ratio, average, *three(s, f"label_counts@{t}", o), occurring=False)

    return finish


def _share(moment: str) -> Finish:
    return lambda s, o: over(s(f"{moment}@{threshold_of(o)}"), s("weight"))


def _matrices(s: Sums, o: Options) -> Any:
    """For each class the four counts, as scikit-learn's ``multilabel_confusion_matrix``."""
    total = float(s("weight"))
    if not total > 0:
        return None
    found = []
    for t in o["thresholds"]:
        tp, predicted, actual = s(f"label_counts@{t}").reshape(3, -1)
        entries = [
            {"class_id": c, "true_positives": float(tp[c]), "false_positives": float(predicted[c] - tp[c]),
             "false_negatives": float(actual[c] - tp[c]),
             "true_negatives": float(total - predicted[c] - actual[c] + tp[c])}
            for c in range(len(tp))
        ]  # fmt: skip
        found.append({"threshold": t, "classes": entries})
    return found


_MULTI = ("multilabel",)
_OPTIONS: Options = {"thresholds": None}
MULTILABEL_METRICS = (
    *(Metric(cls, name, _MULTI, NO_WEIGHT, (f"sample_{name}@{{t}}", "weight"), _mean(name, ratio), better=HIGHER,
             options={"average": None, **CONFUSION_OPTIONS}, tables=("label_counts@{t}",))
      for cls, name, ratio in AVERAGED),
    Metric("SubsetAccuracy", "subset_accuracy", _MULTI, NO_WEIGHT, ("subset@{t}", "weight"), _share("subset"),
           better=HIGHER, options=_OPTIONS),
    Metric("HammingLoss", "hamming_loss", _MULTI, NO_WEIGHT, ("hamming@{t}", "weight"), _share("hamming"),
           better=LOWER, options=_OPTIONS),
    Metric("MultiLabelConfusionMatrix", "multi_label_confusion_matrix", _MULTI, NO_WEIGHT, ("weight",),
           tables=("label_counts@{t}",), data=_matrices, options={"thresholds": 0.5}),
)  # fmt: skip
