"""What a Keras model's output means, read from its last layer and its loss where they leave no doubt."""

from __future__ import annotations

from typing import Any

from trueline._core.values import RawFeature
from trueline.models.contract import Output

__all__ = ["keras_output"]

_NUMBERS = ("float32", "float64")


def keras_output(model: Any, label: RawFeature, classes: bool, width: int) -> Output | None:
    """The output's meaning; None where it must be declared.

    Args:
        model: a Keras model.
        label: what it predicts.
        classes: whether `Fitted` declares classes.
        width: columns of its output.

    A softmax over two columns or more gives probabilities; a sigmoid in one column gives one too where the label is
    no number with a fraction. A loss with ``from_logits`` says logits. A linear output of several columns for a label
    of classes is logits, one of one column for a label that is a number is a prediction.
    """
    number = label.dtype in _NUMBERS and not classes
    if getattr(getattr(model, "loss", None), "from_logits", False) and not number:
        return "logits"
    activation = _last_activation(model)
    if activation == "softmax" and width > 1:
        return "probabilities"
    if activation == "sigmoid" and width == 1 and not number:
        return "probabilities"
    if width == 1 and number and activation is not None:
        return "prediction"
    return "logits" if activation == "linear" and width > 1 and not number else None


def _last_activation(model: Any) -> str | None:
    """The name of the activation of the layer that gives the output; None where there is no such layer."""
    outputs: list[Any] = list(getattr(model, "outputs", None) or [])
    layer = outputs[0]._keras_history.operation if len(outputs) == 1 else None
    kind = type(layer).__name__
    if kind == "Softmax":
        return "softmax" if getattr(layer, "axis", None) in (-1, 1) else None
    activation = getattr(layer, "activation", None)
    if activation is None or not type(layer).__module__.startswith("keras."):
        return None
    return getattr(activation, "__name__", None)
