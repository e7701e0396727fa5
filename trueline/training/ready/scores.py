"""What a network is watched by: loss, accuracy, area under the curve, error; in numpy, with weights.

The evaluation proper is `trueline.model_analysis`; these numbers steer early stopping and the log.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.training.ready.task import ReadyTask

__all__ = ["auc", "scores"]

Floats = npt.NDArray[np.float64]
_SMALL = 1e-12


def auc(y: npt.NDArray[Any], score: Floats, w: Floats) -> float:
    """Weighted area under the ROC curve with ties counted by half; NaN where one class is missing."""
    _, place = np.unique(score, return_inverse=True)
    positive = np.bincount(place, w * (y == 1))
    negative = np.bincount(place, w * (y != 1))
    total = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / total) if total > 0 else float("nan")


def scores(task: ReadyTask, y: npt.NDArray[Any], output: Floats, w: npt.NDArray[Any] | None) -> dict[str, float]:
    """Metrics of predictions, the loss first.

    Args:
        task: what was learnt.
        y: class numbers or values ``[N]``.
        output: probabilities ``[N, C]``, or predictions ``[N]``.
        w: weights ``[N]``, or None.
    """
    weight = np.ones(len(y)) if w is None else np.asarray(w, np.float64)
    total = max(float(weight.sum()), _SMALL)
    if not task.classes:
        error = output.reshape(-1) - y.astype(np.float64)
        mean = float((weight * error**2).sum() / total)
        return {"loss": mean, "rmse": mean**0.5, "mae": float((weight * np.abs(error)).sum() / total)}
    p = np.clip(output[np.arange(len(y)), y], _SMALL, 1.0)
    found = {
        "loss": float(-(weight * np.log(p)).sum() / total),
        "accuracy": float((weight * (output.argmax(axis=1) == y)).sum() / total),
    }
    return found | ({"auc": auc(y, output[:, 1], weight)} if len(task.classes) == 2 else {})
