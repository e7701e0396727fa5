"""Predictions that are sets of classes: how many of the predicted ones are right, how many of the right ones are found.

TFMA's SetMatch: each predicted class is a positive prediction with its score, right where it stands among the labels; a
label that is not predicted is missed. `top_k` takes the first k classes of the prediction as they are listed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from trueline._core.errors import DataError
from trueline.model_analysis.metrics.record import HIGHER, Metric, Options, Sums, over
from trueline.model_analysis.moments import Moment
from trueline.model_analysis.rows import Floats, Rows

__all__ = ["SET_METRICS", "SET_MOMENTS"]


def _moment(rows: Rows, parameter: str) -> Floats:
    """Parameter: ``what|threshold|top_k|class key|score key|key of classes with weights|key of their weights``."""
    what, rest = parameter.split("|", 1)
    key = f"sets|{rest}"
    if key not in rows.memo:
        rows.memo[key] = _counts(rows, *rest.split("|"))
    found: Floats = rows.memo[key][("tp", "fp", "fn").index(what)]
    return found


def _counts(
    rows: Rows, threshold: str, top_k: str, class_key: str, score_key: str, weighted_key: str, weight_key: str
) -> Floats:
    """Weights of right, wrong and missed classes of each row ``[3, n]``."""
    labels, predictions = (_sets(rows, side) for side in ("label", "prediction"))
    least = float(threshold)
    most = None if top_k == "None" else int(top_k)
    weights = _class_weights(rows, labels, weighted_key, weight_key)
    found = np.zeros((3, len(rows)))
    for i in np.flatnonzero(rows.weight > 0).tolist():
        if labels[i] is None or predictions[i] is None:
            continue
        classes, scores = _predicted(predictions[i], class_key, score_key)
        if classes is None:
            found[:, i] = np.nan
            continue
        above = {c for c, score in zip(classes[:most], scores[:most], strict=True) if score > least}
        wanted = {c for c in labels[i] if c is not None}
        by_class = weights[i]
        for place, of in enumerate((above & wanted, above - wanted, wanted - above)):
            found[place, i] = sum(by_class.get(c, 1.0) for c in sorted(of, key=str))
    return found


def _sets(rows: Rows, side: str) -> list[Any]:
    """The column as Python values.

    Raises:
        DataError: it holds neither lists of classes nor, for predictions, records of them.
    """
    import pyarrow as pa

    kind = rows.objects[side].type
    fits = pa.types.is_null(kind) or (pa.types.is_struct(kind) and side == "prediction")
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        fits = not pa.types.is_nested(kind.value_type)
    if not fits:
        raise DataError(f"the {side} column of type {kind} holds no sets of classes")
    values: list[Any] = rows.objects[side].to_pylist()
    return values


def _predicted(given: Any, class_key: str, score_key: str) -> tuple[list[Any] | None, list[float]]:
    """Classes and scores: of a record with the two keys, or of a list of classes alone; None where they do not fit."""
    if not isinstance(given, dict):
        return list(given), [np.inf] * len(given)
    classes, scores = given.get(class_key), given.get(score_key)
    if classes is None:
        raise DataError(f"predictions have no field {class_key!r}", hint=f"their fields are {', '.join(given)}.")
    if scores is None:
        return classes, [np.inf] * len(classes)
    fits = len(scores) == len(classes) and all(s is not None and np.isfinite(s) for s in scores)
    return (classes, scores) if fits else (None, [])


def _class_weights(rows: Rows, labels: list[Any], weighted_key: str, weight_key: str) -> list[dict[Any, float]]:
    """Class -> weight of each row; a class without one weighs 1."""
    if not weight_key:
        return [{}] * len(labels)
    weights = _column(rows, weight_key)
    classes = _column(rows, weighted_key) if weighted_key else labels
    return [
        {} if c is None or w is None else {k: float(v) for k, v in zip(c, w, strict=False) if v is not None}
        for c, w in zip(classes, weights, strict=True)
    ]


def _column(rows: Rows, name: str) -> list[Any]:
    assert rows.batch is not None
    column = rows.batch.column(name)
    values: list[Any] = (column if rows.row is None else column.take(rows.row)).to_pylist()
    return values


_SHAPE = "{t}|{top_k}|{prediction_class_key}|{prediction_score_key}|{class_key}|{weight_key}"
_NAMES = {what: f"set_match@{what}|{_SHAPE}" for what in ("tp", "fp", "fn")}


def _set_match(cls: str, name: str, other: str, why: str) -> Metric:
    def finish(s: Sums, o: Options) -> Floats:
        tp, rest = (s(_NAMES[what].format(t=float(o["thresholds"]), **o)) for what in ("tp", other))
        return over(tp, tp + rest)

    options = {"thresholds": -math.inf, "top_k": None, "prediction_class_key": "classes",
               "prediction_score_key": "scores", "class_key": "", "weight_key": ""}  # fmt: skip
    return Metric(cls, name, ("objects",), f"{why}, or scores are missing", tuple(_NAMES.values()), finish,
                  better=HIGHER, options=options, columns=("class_key", "weight_key"))  # fmt: skip


SET_MOMENTS: Mapping[str, Moment] = {"set_match": _moment}
SET_METRICS = (
    _set_match("SetMatchPrecision", "set_match_precision", "fp", "no class is predicted"),
    _set_match("SetMatchRecall", "set_match_recall", "fn", "no row has a label"),
)
