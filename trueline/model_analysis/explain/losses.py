"""What a row's prediction costs, and the labels that say so: the losses of permutation importance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.explain.target import Floats

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime

__all__ = ["DEFAULT", "LOSSES", "PREDICTION", "Loss", "labels_of", "loss_of", "predictions_of"]

_EPSILON = float(np.finfo(np.float64).eps)
PREDICTION = "prediction"
_NUMBERS = ("regression", "ranking")


@dataclass(frozen=True)
class Loss:
    """A cost of each row.

    Attributes:
        tasks: the tasks that have it.
        of: labels ``[N]`` (numbers, or places among the classes) and predictions (``[N]`` numbers or ``[N, C]``
            probabilities) -> ``[N]``; the third argument is the prediction on the row as it is.
        labelled: whether it needs a label.
    """

    tasks: tuple[str, ...]
    of: Callable[[Floats, Floats, Floats], Floats]
    labelled: bool = True


def _own(y: Floats, p: Floats) -> Floats:
    return np.take_along_axis(p, y.astype(np.int64)[:, None], axis=1)[:, 0]


def _log_loss(y: Floats, p: Floats, _: Floats) -> Floats:
    loss: Floats = -np.log(np.clip(_own(y, p) / np.maximum(p.sum(axis=1), _EPSILON), _EPSILON, 1 - _EPSILON))
    return loss


def _brier(y: Floats, p: Floats, _: Floats) -> Floats:
    hot = np.zeros_like(p)
    np.put_along_axis(hot, y.astype(np.int64)[:, None], 1.0, axis=1)
    total: Floats = np.square(p - hot).sum(axis=1)
    return total / 2 if p.shape[1] == 2 else total


def _moved(_: Floats, p: Floats, base: Floats) -> Floats:
    gaps = np.abs(p - base)
    return gaps if gaps.ndim == 1 else gaps.sum(axis=1) / 2


_CLASSES = ("binary", "multiclass")
LOSSES: dict[str, Loss] = {
    "log_loss": Loss(_CLASSES, _log_loss),
    "brier": Loss(_CLASSES, _brier),
    "error_rate": Loss(_CLASSES, lambda y, p, _: (p.argmax(axis=1) != y).astype(np.float64)),
    "squared_error": Loss(_NUMBERS, lambda y, p, _: np.square(y - p)),
    "absolute_error": Loss(_NUMBERS, lambda y, p, _: np.abs(y - p)),
    PREDICTION: Loss((*_CLASSES, *_NUMBERS), _moved, labelled=False),
}
"""``log_loss`` and ``brier`` as scikit-learn has them; ``prediction`` is by how much the prediction itself moves (for
classes the total variation distance, half the sum of the changes): it needs no label."""
DEFAULT = {"binary": "log_loss", "multiclass": "log_loss", "regression": "squared_error", "ranking": PREDICTION}
"""What ``metric="loss"`` means. The order is all that a ranking says, so its default asks what moves the score."""


def loss_of(name: str, task: str) -> Loss:
    """The loss of this name.

    Raises:
        ConfigError: there is none, or the task does not have it.
    """
    found = LOSSES.get(name)
    if found is None or task not in found.tasks:
        known = [n for n, loss in LOSSES.items() if task in loss.tasks]
        raise ConfigError(f"{name!r} is no loss of a {task} model", hint=did_you_mean(name, known))
    return found


def predictions_of(runtime: ModelRuntime, outputs: dict[str, npt.NDArray[Any]]) -> Floats:
    """Numbers ``[N]`` of a regression or ranking, probabilities ``[N, C]`` of classes."""
    task = str(runtime.info["task"])
    if task in _NUMBERS:
        number: Floats = outputs["prediction" if task == "regression" else "score"].astype(np.float64).reshape(-1)
        return number
    return outputs["probabilities"].astype(np.float64)


def labels_of(runtime: ModelRuntime, batch: pa.RecordBatch) -> tuple[Floats, Floats]:
    """Labels ``[N]`` (numbers, or places among the classes) and weights ``[N]``, both NaN where a row has no label.

    A label that is none of the classes, and a weight that is missing, negative or not finite, count as no label.
    """
    names = runtime.info["targets"]["outputs"] if runtime.info.get("targets") else None
    found = runtime.targets.predict_arrow(batch)
    assert names is not None  # `targets` has said so before
    given, classes = found[names["label"]].reshape(-1), runtime.classes
    if classes is None:
        labels = given.astype(np.float64)
    else:
        labels = np.full(len(given), np.nan)
        for place, value in enumerate(classes):
            labels[np.asarray(given == value, bool)] = place
    weights = np.ones(len(labels))
    if "weight" in names:
        weights = found[names["weight"]].astype(np.float64).reshape(-1)
    there = found[names["present"]].astype(bool).reshape(-1)
    good = there & np.isfinite(labels) & np.isfinite(weights) & (weights >= 0)
    return np.where(good, labels, np.nan), np.where(good, weights, np.nan)
