"""The check of a batch: what cannot be used is set to 0, weighs 0, and is counted by its reason."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueline.model_analysis.plan import EvalPlan
from trueline.model_analysis.rows import Bools, Floats
from trueline.model_analysis.views import Checked, OutputData

__all__ = ["COUNTERS", "MODEL_COUNTERS", "check_output"]

COUNTERS = ("missing_label", "bad_weight", "bad_label", "label_outside")
MODEL_COUNTERS = ("bad_prediction", "prediction_outside")
TOLERANCE = 1e-6
"""Float32 probabilities may lie so far outside 0..1."""


def check_output(plan: EvalPlan, data: OutputData, n: int) -> Checked:
    """One output's rows of a batch of `n`, checked for the plan's task.

    Raises:
        ValueError: arrays that are not of `n` rows.
    """
    labelled = np.ones(n, dtype=bool) if data.present is None else np.asarray(data.present, dtype=bool).reshape(n)
    if "label" in data.objects:
        labelled = labelled & _there(data.objects["label"])
    weight = np.ones(n) if data.weights is None else np.asarray(data.weights, dtype=np.float64).reshape(n)
    bad_weight = labelled & ~(np.isfinite(weight) & (weight >= 0))
    weight = np.where(labelled & ~bad_weight, weight, 0.0)
    label, matrix, bad_label, outside = _labels(plan, data, n, labelled)
    flags = [~labelled, bad_weight, bad_label, outside]
    predictions: dict[str, Floats] = {}
    for model in plan.models:
        bad, beyond, predictions[model] = _predictions(plan, data, model, n, labelled)
        flags += [bad, beyond]
    return Checked(label, matrix, weight, predictions, labelled, np.stack(flags), data.objects)


def _labels(plan: EvalPlan, data: OutputData, n: int, labelled: Bools) -> tuple[Floats, Floats | None, Bools, Bools]:
    none = np.zeros(n, dtype=bool)
    if plan.task == "objects":
        return np.zeros(n), None, none, none
    given = np.asarray(data.labels, dtype=np.float64)
    if given.ndim == 2:
        bad = labelled & ~np.isfinite(given).all(axis=1)
        given = np.where((labelled & ~bad)[:, None], given, 0.0)
        outside = labelled & ((given < -TOLERANCE) | (given > 1 + TOLERANCE)).any(axis=1)
        number = np.where(given.any(axis=1), given.argmax(axis=1), -1).astype(np.float64)
        return number, given, bad, outside
    label = given.reshape(n)
    bad = labelled & ~np.isfinite(label)
    if plan.task in ("multiclass", "multilabel"):
        bad |= labelled & ((label < 0) | (label >= plan.classes))
    label = np.where(labelled & ~bad, label, 0.0)
    outside = (label < -TOLERANCE) | (label > 1 + TOLERANCE) if plan.task == "binary" else none
    return label, None, bad, outside


def _predictions(plan: EvalPlan, data: OutputData, model: str, n: int, labelled: Bools) -> tuple[Bools, Bools, Floats]:
    """Which rows are not finite, which lie outside 0..1, and the values with a 0 in place of what is not finite."""
    if plan.task == "objects":
        none = np.zeros(n, dtype=bool)
        column = data.objects.get(f"prediction:{model}")
        return none if column is None else labelled & ~_there(column), none, np.zeros(n)
    values = np.asarray(data.predictions[model], dtype=np.float64)
    values = values.reshape(n, plan.classes) if plan.task in ("multiclass", "multilabel") else values.reshape(n)
    finite = np.isfinite(values)
    kept = np.where(finite, values, 0.0)
    beyond = (kept < -TOLERANCE) | (kept > 1 + TOLERANCE)
    per_row = tuple(range(1, values.ndim))
    bad: Bools = labelled & ~np.asarray(finite.all(axis=per_row), dtype=bool)
    outside: Bools = labelled & np.asarray(beyond.any(axis=per_row), dtype=bool)
    return bad, outside, kept


def _there(column: Any) -> Bools:
    """Which values of an Arrow column are no nulls."""
    found: Bools = column.is_valid().to_numpy(zero_copy_only=False)
    return found
