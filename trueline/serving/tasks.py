"""What classify and regress say of a model's outputs, the same by REST and by gRPC.

A classifier gives each row its classes with their probabilities, in the model's order; a model of regression or ranking
gives each row one number. TensorFlow Serving's rules: classify needs classes or scores of shape [N, classes], regress
one value a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.runtime import ModelRuntime
from trueline.serving.errors import Code, RequestError

__all__ = ["class_label", "classes_and_scores", "probabilities_output", "regression_output", "regression_values"]

Outputs = Mapping[str, npt.NDArray[Any]]


def probabilities_output(runtime: ModelRuntime) -> str | None:
    """The name of a classifier's output that holds its probabilities; None for a model of another task."""
    return _output(runtime, ("binary", "multiclass"), ("class_probabilities",))


def regression_output(runtime: ModelRuntime) -> str | None:
    """The name of the output that holds a number for each row; None for a model of another task."""
    return _output(runtime, ("regression", "ranking"), ("prediction", "score"))


def _output(runtime: ModelRuntime, tasks: tuple[str, ...], meanings: tuple[str, ...]) -> str | None:
    if runtime.info.get("task") not in tasks:
        return None
    return next((str(output["name"]) for output in runtime.outputs if output["meaning"] in meanings), None)


def classes_and_scores(runtime: ModelRuntime, outputs: Outputs) -> tuple[list[str], npt.NDArray[np.float32]]:
    """The labels of a classifier's classes, and every row's score of each.

    Args:
        runtime: the model.
        outputs: its outputs for N rows.

    Returns:
        the labels as text, empty where the model does not know them, and scores of shape ``[N, classes]``.

    Raises:
        RequestError: INVALID_ARGUMENT, for a model of another task; INTERNAL, for outputs that contradict the model.
    """
    name = probabilities_output(runtime)
    if name is None:
        raise _other_task("classify", "a classifier", runtime)
    scores = outputs[name]
    classes = runtime.classes
    if scores.ndim != 2 or (classes and scores.shape[1] != len(classes)):
        raise _contradiction(f"{len(classes or ()) or 'the'} scores a row", scores)
    labels = [class_label(value) for value in classes] if classes else [""] * scores.shape[1]
    return labels, scores.astype(np.float32, copy=False)


def regression_values(runtime: ModelRuntime, outputs: Outputs) -> npt.NDArray[np.float32]:
    """The number that the model gives each row, of shape ``[N]``.

    Raises:
        RequestError: INVALID_ARGUMENT, for a model of another task; INTERNAL, for outputs that contradict the model.
    """
    name = regression_output(runtime)
    if name is None:
        raise _other_task("regress", "a model of regression or ranking", runtime)
    values = outputs[name]
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.reshape(-1)
    if values.ndim != 1:
        raise _contradiction("one value a row", values)
    return values.astype(np.float32, copy=False)


def class_label(value: Any) -> str:
    """A class as text: text as it is, the others as JSON writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _other_task(verb: str, needs: str, runtime: ModelRuntime) -> RequestError:
    return RequestError(
        Code.INVALID_ARGUMENT,
        f"{verb} needs {needs}, this model's task is {runtime.info.get('task')}",
        hint="use predict.",
    )


def _contradiction(expected: str, got: npt.NDArray[Any]) -> RequestError:
    return RequestError(Code.INTERNAL, f"expected {expected} from the model, got an array of shape {list(got.shape)}")
