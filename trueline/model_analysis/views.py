"""Views: how a batch's labels, predictions and weights become the rows that a metric is measured on.

A multi-class output gives class rows; a view may make binary rows of them: one class against the rest, the k-th
greatest prediction, the k greatest, or every class of every row (micro average). Rules: TFMA's
``to_label_prediction_example_weight``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.keys import SubKey
from trueline.model_analysis.rows import Bools, Floats, Ints, Rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BatchData", "Checked", "OutputData", "View", "view_rows"]


@dataclass(frozen=True)
class OutputData:
    """One output's labels, predictions and weights of a batch of N rows, as they came.

    Attributes:
        labels: ``[N]``: 0..1 for binary, numbers for regression, class numbers for multi-class; ``[N, C]`` where labels
            are given one-hot or are several classes at once.
        predictions: by model: ``[N]``, or ``[N, C]``; NaN where there is none.
        weights: ``[N]``, or None for 1.
        present: ``[N]`` which labels are there; None means all.
        objects: Arrow columns ``label`` and ``prediction:<model>``, for rows that are objects.
    """

    labels: npt.ArrayLike
    predictions: Mapping[str, npt.ArrayLike]
    weights: npt.ArrayLike | None = None
    present: npt.ArrayLike | None = None
    objects: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchData:
    """A batch with its outputs; where there is one output, its name is empty."""

    batch: pa.RecordBatch
    outputs: Mapping[str, OutputData]


@dataclass(frozen=True)
class Checked:
    """An output's rows after the check: what cannot be used is 0, weighs 0 and is counted in `flags` ``[F, N]``."""

    label: Floats
    label_matrix: Floats | None
    weight: Floats
    predictions: Mapping[str, Floats]
    labelled: Bools
    flags: Bools
    objects: Mapping[str, Any]


@dataclass(frozen=True)
class View:
    """What a metric sees.

    Attributes:
        output: the output's name.
        weighted: whether rows have their example weight; else each counts 1.
        sub_key: the binary problem.
        flatten: every class of every row is a row of its own.
        class_weights: (class number, weight): each flattened row's weight is multiplied by that of its class, 0 for
            classes that are not among them. Empty: no such weights.
        query: the column whose equal values are one query: the view's rows are queries, see `queries.py`.
    """

    output: str = ""
    weighted: bool = True
    sub_key: SubKey = field(default_factory=SubKey)
    flatten: bool = False
    class_weights: tuple[tuple[int, float], ...] = ()
    query: str = ""


def view_rows(
    view: View, checked: Checked, model: str, baseline: str | None, batch: pa.RecordBatch, threshold: float = 0.5
) -> Rows:
    """The rows of one model; `threshold` is its own, for binary rows that are not made of classes."""
    weight = checked.weight if view.weighted else (checked.weight > 0).astype(np.float64)
    other = checked.predictions.get(baseline) if baseline is not None and baseline != model else None
    objects = {"label": checked.objects.get("label"), "prediction": checked.objects.get(f"prediction:{model}")}
    if baseline is not None:
        objects["baseline"] = checked.objects.get(f"prediction:{baseline}")
    rows = Rows(
        checked.label,
        checked.predictions[model],
        weight,
        other,
        None,
        checked.label_matrix,
        batch,
        {name: column for name, column in objects.items() if column is not None},
        threshold=threshold,
    )
    if rows.prediction.ndim == 1 or not (view.sub_key or view.flatten):
        return rows
    return _binary_rows(view, rows)


def _binary_rows(view: View, rows: Rows) -> Rows:
    sub, n = view.sub_key, len(rows)
    if sub.class_id is None and sub.k is None:
        return _flat_rows(view, rows)
    if sub.class_id is not None:
        column: Any = np.full(n, sub.class_id)
    else:
        assert sub.k is not None
        column = _greatest(rows.prediction, sub.k)[:, sub.k - 1]
    place = (np.arange(n), column)
    label = rows.label_matrix[place] if rows.label_matrix is not None else (rows.classes == column).astype(np.float64)
    prediction = rows.prediction[place]
    if sub.class_id is not None and sub.top_k is not None:
        among = (_greatest(rows.prediction, sub.top_k) == sub.class_id).any(axis=1)
        prediction = np.where(among, prediction, -np.inf)
    other = rows.baseline[place] if rows.baseline is not None else None
    return Rows(label, prediction, rows.weight, other, batch=rows.batch, cut=sub.top_k is not None)


def _flat_rows(view: View, rows: Rows) -> Rows:
    """Every class of every row; with top_k the k greatest alone (micro average), or the others at minus infinity."""
    n, classes = rows.prediction.shape
    k = view.sub_key.top_k
    columns: Ints = np.broadcast_to(np.arange(classes), (n, classes))
    prediction, cut = rows.prediction, False
    if k is not None:
        best = _greatest(prediction, k)
        if view.flatten:
            columns = best
        else:
            kept, cut = np.full_like(prediction, -np.inf), True
            np.put_along_axis(kept, best, np.take_along_axis(prediction, best, 1), 1)
            prediction = kept
    parents = np.repeat(np.arange(n), columns.shape[1])
    weight = rows.weight[parents]
    if view.class_weights:
        by_class = np.zeros(classes)
        for number, value in view.class_weights:
            by_class[number] = value
        weight = weight * by_class[columns.ravel()]
    flat = [np.take_along_axis(a, columns, 1).ravel() for a in (rows.one_hot, prediction)]
    other = np.take_along_axis(rows.baseline, columns, 1).ravel() if rows.baseline is not None else None
    return Rows(flat[0], flat[1], weight, other, parents, batch=rows.batch, cut=cut)


def _greatest(prediction: Floats, k: int) -> Ints:
    """The classes of the k greatest predictions, greatest first, of equal ones the lower number first, ``[n, k]``."""
    order: Ints = np.argsort(-prediction, axis=1, kind="stable")[:, :k]
    return order
