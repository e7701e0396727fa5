"""What a trained model must say of itself: its inputs, what its output means, and the classes in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trueline._core.errors import ModelError
from trueline._core.values import RawFeature

__all__ = [
    "EMBEDDING",
    "NO_LABEL",
    "OUTPUT_NAMES",
    "PREDICTION",
    "PROBABILITIES",
    "SCORE",
    "ClassValue",
    "Fitted",
    "Head",
    "Output",
    "Task",
    "Tolerance",
    "head_of",
    "python_classes",
]

Task = Literal["binary", "multiclass", "regression", "ranking", "embedding"]
Output = Literal["logits", "probabilities", "prediction", "score", "embedding"]
ClassValue = bool | int | str

_OUTPUTS = ("logits", "probabilities", "prediction", "score", "embedding")
PROBABILITIES = "probabilities"
PREDICTION = "prediction"
SCORE = "score"
EMBEDDING = "embedding"
OUTPUT_NAMES: dict[Task, str] = {
    "binary": PROBABILITIES,
    "multiclass": PROBABILITIES,
    "regression": PREDICTION,
    "ranking": SCORE,
    "embedding": EMBEDDING,
}
"""The name of a model's main output, by task."""
NO_LABEL = RawFeature("no label", "float32")
"""What an exporter is given in place of the label of a model that has none: only an embedding does."""
_CLASS_TYPES = {"bool": bool, "int64": int, "utf8": str, "float32": int, "float64": int}


@dataclass(frozen=True)
class Fitted:
    """A trained model and what cannot be read off it.

    Attributes:
        model: the framework's own object; an ONNX graph (`OnnxModel`); a function (`PythonModel`, or the top-level
            function itself).
        inputs: input name -> features in order, for a model with several inputs; None: one input of all features.
            An input whose features are all int64 stays int64 (embedding ids), any other is float32.
        output: what the model returns: ``logits`` (softmax, or sigmoid for one column, is put into the graph),
            ``probabilities``, ``prediction`` (a number), ``score`` (a number by which rows are ranked) or ``embedding``
            (a vector). scikit-learn models and boosters say it themselves.
        classes: the label's values in the order of the model's outputs. scikit-learn models say it themselves; for
            a bool label ``[False, True]`` is understood.
    """

    model: Any
    inputs: Mapping[str, Sequence[str]] | None = None
    output: Output | None = None
    classes: Sequence[ClassValue] | None = None

    def __post_init__(self) -> None:
        if self.model is None:
            raise ModelError("the fitted model is None", hint="return the model that was trained.")
        if self.output is not None and self.output not in _OUTPUTS:
            raise ModelError(f"output={self.output!r} has no meaning", hint=f"write one of {', '.join(_OUTPUTS)}.")
        for name, features in (self.inputs or {}).items():
            if isinstance(features, str) or not features:
                raise ModelError(f"input {name!r} has the features {features!r}", hint="give a list of feature names.")


@dataclass(frozen=True)
class Head:
    """What the outputs of an exported model mean.

    Attributes:
        task: binary, multiclass, regression, ranking or embedding.
        classes: the label's values in the order of the probabilities; empty unless a classifier.
        label_dtype: ``bool``, ``int64`` or ``utf8`` for a classifier, else ``float32``.
        size: columns of an embedding, else 0.
    """

    task: Task
    classes: tuple[ClassValue, ...] = ()
    label_dtype: Literal["bool", "int64", "utf8", "float32"] = "float32"
    size: int = 0

    @property
    def is_classifier(self) -> bool:
        """Whether the model gives probabilities and a label."""
        return self.task in ("binary", "multiclass")

    @property
    def output(self) -> str:
        """The name of the main output: ``probabilities``, ``prediction``, ``score`` or ``embedding``."""
        return OUTPUT_NAMES[self.task]

    @property
    def columns(self) -> int:
        """Columns of the main output: its shape is ``[N, columns]``, or ``[N]`` where this is 0."""
        return len(self.classes) or self.size


@dataclass(frozen=True)
class Tolerance:
    """How far the exported model may be from the framework's own.

    Attributes:
        absolute: of a probability or prediction.
        relative: of the framework's value, added to `absolute`.
        class_changes: share of rows that may change class; at least one row may.
    """

    absolute: float = 1e-5
    relative: float = 1e-5
    class_changes: float = 1e-4


def python_classes(values: Sequence[Any] | np.ndarray[Any, Any], label: RawFeature) -> tuple[ClassValue, ...]:
    """The classes as the label's own Python type.

    Raises:
        ModelError: when they are not of the label's type, are not distinct, or are fewer than two.
    """
    expected = _CLASS_TYPES.get(label.dtype)
    if expected is None:
        raise ModelError(
            f"label {label.name!r} is {label.dtype}: no type for a classifier", hint="use bool, int64 or text."
        )
    found = tuple(_as_class(v) for v in (values.tolist() if isinstance(values, np.ndarray) else values))
    if any(type(v) is not expected for v in found):
        raise ModelError(
            f"the model's classes {list(found)[:5]!r} are not of the type of label {label.name!r}, {label.dtype}",
            hint="fit on y as fn_args gives it, or say Fitted(model, classes=[...]) with the label's own values.",
        )
    if len(set(found)) != len(found) or len(found) < 2:
        raise ModelError(f"the classes {list(found)[:10]!r} are not two or more distinct values")
    return found


def _as_class(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def head_of(label: RawFeature, output: Output, width: int, classes: Sequence[Any] | None) -> Head:
    """The head of a model whose output has `width` columns and the stated meaning.

    Args:
        label: the label as the transform gives it.
        output: what the model's output means.
        width: columns of the output; 1 for an output of shape ``[N]``.
        classes: the declared classes, or None.

    Raises:
        ModelError: when label, output and classes contradict each other.
    """
    if output == "embedding":
        return Head("embedding", size=width)
    if label is NO_LABEL:
        raise ModelError(
            f"the model's output is {output} and there is no label",
            hint="name the label; only an embedding has none: Fitted(model, output='embedding').",
        )
    if output in ("prediction", "score"):
        return _number(label, width, "regression" if output == "prediction" else "ranking")
    count = 2 if width == 1 else width
    if classes is None and label.dtype == "bool":
        classes = [False, True]
    elif classes is None and label.dtype in ("int64", "float32", "float64"):
        classes = list(range(count))
    elif classes is None:
        raise ModelError(
            f"the classes of label {label.name!r} ({label.dtype}) are not known",
            hint="say Fitted(model, classes=[...]) in the order of the model's outputs.",
        )
    found = python_classes(classes, label)
    if len(found) != count:
        raise ModelError(
            f"the model gives {width} output columns, which is {count} classes, and there are {len(found)}: {found!r}"
        )
    dtype: Literal["bool", "int64", "utf8"] = {bool: "bool", int: "int64", str: "utf8"}[type(found[0])]  # type: ignore[assignment]
    return Head("binary" if count == 2 else "multiclass", found, dtype)


def _number(label: RawFeature, width: int, task: Literal["regression", "ranking"]) -> Head:
    if label.dtype in ("utf8", "bytes") or (label.dtype == "bool" and task == "regression"):
        raise ModelError(
            f"the model predicts a number and label {label.name!r} is {label.dtype}",
            hint="train a classifier, or make the label a number in preprocessing_fn.",
        )
    if width != 1:
        raise ModelError(f"the model predicts {width} numbers a row; one is supported")
    return Head(task)
