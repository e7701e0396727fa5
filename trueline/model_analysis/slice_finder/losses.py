"""What a row costs: losses of labels and predictions, each a record of the tasks that it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, did_you_mean

__all__ = ["LOSSES", "Loss", "find_loss"]

Floats = npt.NDArray[np.float64]
_EDGE = 1e-7  # as in Keras: a certain and wrong prediction costs about 16, not infinity


@dataclass(frozen=True)
class Loss:
    """One loss.

    Attributes:
        name: how it is asked for.
        title: how it is written in sentences.
        tasks: task -> function of labels ``[N]`` and predictions (``[N]``, multi-class ``[N, C]``) to the loss ``[N]``.
    """

    name: str
    title: str
    tasks: dict[str, Callable[[Floats, Floats], Floats]]


def _binary_log_loss(label: Floats, prediction: Floats) -> Floats:
    p = np.clip(prediction, _EDGE, 1 - _EDGE)
    return -(label * np.log(p) + (1 - label) * np.log(1 - p))


def _multiclass_log_loss(label: Floats, prediction: Floats) -> Floats:
    own = prediction[np.arange(len(label)), label.astype(np.int64)]
    return -np.log(np.clip(own, _EDGE, 1.0))


def _binary_error(label: Floats, prediction: Floats) -> Floats:
    wrong: Floats = ((prediction > 0.5) != (label > 0.5)).astype(np.float64)
    return wrong


def _multiclass_error(label: Floats, prediction: Floats) -> Floats:
    wrong: Floats = (prediction.argmax(axis=1) != label.astype(np.int64)).astype(np.float64)
    return wrong


def _squared(label: Floats, prediction: Floats) -> Floats:
    return np.square(prediction - label)


def _absolute(label: Floats, prediction: Floats) -> Floats:
    return np.abs(prediction - label)


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("log_loss", "log loss", {"binary": _binary_log_loss, "multiclass": _multiclass_log_loss}),
        Loss("zero_one", "error rate", {"binary": _binary_error, "multiclass": _multiclass_error}),
        Loss("squared_error", "squared error", {"regression": _squared, "binary": _squared}),
        Loss("absolute_error", "absolute error", {"regression": _absolute, "binary": _absolute}),
    )
}
"""All losses by name."""

_AUTO = {"binary": "log_loss", "multiclass": "log_loss", "regression": "squared_error"}


def find_loss(name: str, task: str) -> Loss:
    """The loss of that name, ``"auto"`` for the task's usual one.

    Raises:
        ConfigError: no such loss, or none of this task.
    """
    wanted = _AUTO.get(task, name) if name == "auto" else name
    fitting = [loss.name for loss in LOSSES.values() if task in loss.tasks]
    if wanted not in LOSSES:
        known = f"{did_you_mean(name, LOSSES)} There is: auto, {', '.join(LOSSES)}."
        raise ConfigError(
            f"no loss {name!r}" if name != "auto" else f"task {task!r} has no loss of one row", hint=known
        )
    if task not in LOSSES[wanted].tasks:
        raise ConfigError(f"{wanted!r} is no loss of task {task!r}", hint=f"there is: {', '.join(fitting) or 'none'}.")
    return LOSSES[wanted]
