"""A Python function as a model: served in this product's own processes, behind the transform, where it is allowed.

It is for what no graph can hold: a rule of the business, a library that is called, a model of a framework without an
exporter. Such a model is not portable: the graph in its artifact ends at the function's inputs, browsers and other
targets refuse it, and a server runs it only if its operator allow-lists the function's module.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline._core.host import installed_version, load_function
from trueline._core.python_model import PythonPart, PythonStep
from trueline._core.values import RawFeature
from trueline.models.contract import ClassValue, Fitted, Head, Output, head_of
from trueline.models.exporters.base import Arrays, Exported
from trueline.models.graphs import OPSET
from trueline.models.inputs import ModelInput, model_inputs

if TYPE_CHECKING:
    import onnx

__all__ = ["PythonExporter", "PythonModel"]

_ROWS = 3


@dataclass(frozen=True)
class PythonModel:
    """A function that predicts.

    Attributes:
        function: ``"package.module:name"``, or a top-level function of an importable module. It takes the input arrays
            ``[N, width]`` (float32; int64 for inputs of ids alone) in the order of `inputs` and `params` by name, and
            returns an array with one row for each row; the same rows give the same result, alone or among others.
        output: what it returns: ``logits``, ``probabilities``, ``prediction``, ``score`` or ``embedding``.
        classes: the label's values in the order of the columns, for a classifier.
        inputs: input name -> features; one array of all features by default.
        params: JSON keyword arguments.
    """

    function: str | Callable[..., Any]
    output: Output | None = None
    classes: Sequence[ClassValue] | None = None
    inputs: Mapping[str, Sequence[str]] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


class PythonExporter:
    """One function."""

    framework = "python"

    def __init__(self, fitted: Fitted) -> None:
        given = fitted.model
        self.model = given if isinstance(given, PythonModel) else PythonModel(given)
        self.name = _checked(self.model)
        self.classes = fitted.classes if fitted.classes is not None else self.model.classes
        meaning = fitted.output or self.model.output
        if meaning is None:
            raise ModelError(
                f"what {self.name} returns is not known",
                hint="say Fitted(function, output='prediction'), or 'probabilities', 'logits', 'score', 'embedding'.",
            )
        self.meaning: Output = meaning
        self._inputs: tuple[ModelInput, ...] = ()
        self._home = installed_version(self.name.partition(":")[0])

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs as they are, or as the `PythonModel` names them."""
        named = self.model.inputs
        self._inputs = tuple(inputs) if named is None else model_inputs(inputs[0].features, named)
        return self._inputs

    def _step(self, head: Head) -> PythonStep:
        return PythonStep(
            self.name,
            tuple(i.name for i in self._inputs),
            self.meaning,
            head.output,
            head.columns,
            head.classes,
            head.label_dtype,
            dict(self.model.params),
            *self._home,
        )

    def _raw(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        function = load_function(f"the Python model {self.name}", self.name)
        rows = len(next(iter(arrays.values())))
        try:
            given = [np.array(arrays[i.name]) for i in self._inputs]
            raw = np.asarray(function(*given, **self.model.params), np.float64)
        except Exception as error:
            raise ModelError(f"the Python model {self.name} raised {type(error).__name__}: {error}") from error
        if raw.ndim not in (1, 2) or len(raw) != rows:
            raise ModelError(
                f"the Python model {self.name} gives an array of shape {list(raw.shape)} for {rows} rows",
                hint="return one number, or one list of numbers, for each row.",
            )
        return raw

    def head(self, label: RawFeature) -> Head:
        """From the declared meaning and the width of what it returns for rows of zeros."""
        raw = self._raw({i.name: np.zeros((_ROWS, i.width), i.dtype) for i in self._inputs})
        return head_of(label, self.meaning, 1 if raw.ndim == 1 else raw.shape[1], self.classes)

    def to_onnx(self, inputs: Sequence[ModelInput], label: RawFeature) -> Exported:
        """A graph that hands its inputs on, and the function behind it."""
        self._inputs = tuple(inputs)
        head = self.head(label)
        return Exported(_identity(inputs), head, self._step(head))

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """What the function gives, asked twice.

        Raises:
            ModelError: it gives other values the second time.
        """
        first = self._raw(arrays)
        if not np.array_equal(first, self._raw(arrays), equal_nan=True):
            raise ModelError(
                f"the Python model {self.name} gives other results for the same rows the second time",
                hint="a model must be deterministic: no random numbers, no state that a call changes.",
            )
        width = 1 if first.ndim == 1 else first.shape[1]
        head = self._head_of_width(width)
        return PythonPart(self._step(head)).scores(arrays)

    def _head_of_width(self, width: int) -> Head:
        """The shape of the output alone: what the label is does not matter here."""
        if self.meaning == "embedding":
            return Head("embedding", size=width)
        if self.meaning in ("prediction", "score"):
            return Head("regression")
        return Head("multiclass", tuple(range(max(width, 2))), "int64")

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """None: code never lies in a model."""
        return {}, f"not portable: the model is the function {self.name} of an installed module"

    def versions(self) -> dict[str, str]:
        """The distribution that holds the function."""
        package, version = self._home
        return {package: version} if package else {}


def _checked(model: PythonModel) -> str:
    """The function's name, by which another process can import it.

    Raises:
        ModelError: it cannot be imported by that name, or its parameters are no JSON.
    """
    function = model.function
    name = function if isinstance(function, str) else f"{function.__module__}:{function.__qualname__}"
    module = name.partition(":")[0]
    found = None if module == "__main__" or "<" in name else load_function("the model", name)
    if found is None or (callable(function) and found is not function):
        raise ModelError(
            f"{name!r} is not importable elsewhere by that name",
            hint="write the function at the top level of a module of an installed package; no lambda, no notebook.",
        )
    try:
        json.dumps(dict(model.params), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelError(f"the parameters of {name} are no JSON: {error}") from error
    return name


def _identity(inputs: Sequence[ModelInput]) -> onnx.ModelProto:
    from onnx import TensorProto, helper

    kinds = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT}
    made = [helper.make_tensor_value_info(i.name, kinds[i.dtype], ["N", i.width]) for i in inputs]
    outputs = [helper.make_tensor_value_info(f"{i.name}:same", kinds[i.dtype], ["N", i.width]) for i in inputs]
    nodes = [helper.make_node("Identity", [i.name], [f"{i.name}:same"]) for i in inputs]
    graph = helper.make_graph(nodes, "inputs", made, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
