"""What the exporters of boosters share: a booster read into trees and a link, its ONNX graph, and the exporter's frame.

`booster_model` gives the graph of any booster alone, for whoever has one at the end of a pipeline of their own.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline._core.values import RawFeature
from trueline.models.contract import PROBABILITIES, ClassValue, Fitted, Head, head_of
from trueline.models.exporters.base import Arrays, Exported
from trueline.models.exporters.tree_ensemble import RAW, Ensemble, ensemble_graph
from trueline.models.exporters.tree_ensemble_links import finished_model
from trueline.models.exporters.tree_ensemble_parts import in_two_parts, largest_sum
from trueline.models.inputs import DEFAULT_INPUT, ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["Boosted", "BoosterExporter", "Linear", "boosted_model", "booster_model", "is_booster"]

# The rounding of a sum of 16 to float32 changes a probability by half a millionth at most.
_LARGE_SUM = 16.0

BoosterOutput = Literal["probabilities", "prediction", "score"]


@dataclass(frozen=True)
class Linear:
    """A linear booster.

    Attributes:
        weights: ``[F, outputs]``; a missing feature adds nothing.
        base: ``[outputs]``.
    """

    weights: npt.NDArray[np.float64]
    base: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Boosted:
    """A booster as its library predicts with it.

    Attributes:
        body: trees, or weights.
        output: what the library's own prediction means.
        width: features that it was fitted on.
        link: a key of `tree_ensemble_links.LINKS`, from sums to output.
        slope: factor within a sigmoid.
        missing: a number that the library takes for a missing value beside NaN; None: there is none.
    """

    body: Ensemble | Linear
    output: BoosterOutput
    width: int
    link: str = "identity"
    slope: float = 1.0
    missing: float | None = None

    @property
    def outputs(self) -> int:
        """Columns of the sums: 1, or a column a class."""
        return len(self.body.base)


_READERS = (
    ("xgboost", "XGBModel", "xgboost:read_booster"),
    ("xgboost", "Booster", "xgboost:read_booster"),
    ("lightgbm", "LGBMModel", "lightgbm:read_booster"),
    ("lightgbm", "Booster", "lightgbm:read_booster"),
    ("catboost", "CatBoost", "catboost:read_booster"),
    ("sklearn", "BaseHistGradientBoosting", "sklearn_hist:read_booster"),
)


def _reader(model: Any) -> str | None:
    ancestors = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(model).__mro__}
    return next((reader for package, name, reader in _READERS if (package, name) in ancestors), None)


def is_booster(model: Any) -> bool:
    """Whether `booster_model` takes it: XGBoost, LightGBM, CatBoost, or scikit-learn's HistGradientBoosting."""
    return _reader(model) is not None


def booster_model(model: Any, *, input_name: str = DEFAULT_INPUT) -> onnx.ModelProto:
    """A fitted booster alone as ONNX, for the last step of a scikit-learn pipeline for instance.

    Args:
        model: what `is_booster` is true of.
        input_name: name of the graph's input, float32 ``[N, features it was fitted on]``; NaN is a missing value.

    Returns:
        A graph with opsets 20 and ai.onnx.ml 3 and one float32 output, named for its meaning: ``probabilities``
        ``[N, C]`` in the order of the booster's own classes, ``prediction`` ``[N]`` or ``score`` ``[N]``.

    Raises:
        ModelError: not fitted, or something that cannot be exported, by name.
    """
    reader = _reader(model)
    if reader is None:
        raise ModelError(f"{type(model).__name__} is no booster")
    module, _, name = reader.partition(":")
    read = getattr(importlib.import_module("trueline.models.exporters." + module), name)
    return boosted_model(read(model), input_name)


def boosted_model(boosted: Boosted, input_name: str, output: BoosterOutput | None = None) -> onnx.ModelProto:
    """The graph of a booster that was read; `output` names its output otherwise than the library means it.

    Raises:
        ModelError: the input has the output's name.
    """
    name, body = output or boosted.output, boosted.body
    if input_name == name:
        raise ModelError(
            f"the model's input is named {input_name!r}, as its output is", hint="name the input otherwise."
        )
    source, nodes, initializers = _missing_as_nan(input_name, boosted.missing)
    link = boosted.link
    if isinstance(body, Linear):
        made = _linear_graph(body, source)
    else:
        if link == "softmax" and not body.single and largest_sum(body) > _LARGE_SUM:
            body, link = in_two_parts(body), "softmax_of_parts"
        made = ensemble_graph(body, source)
    return finished_model(
        nodes + made[0],
        initializers + made[1],
        source=input_name,
        width=boosted.width,
        outputs=boosted.outputs,
        link=link,
        slope=boosted.slope,
        output=name,
    )


def _missing_as_nan(source: str, missing: float | None) -> tuple[str, list[onnx.NodeProto], list[Any]]:
    """Nodes that put NaN where the number stands that means missing."""
    from onnx import helper, numpy_helper

    if missing is None:
        return source, [], []
    constants = [
        numpy_helper.from_array(np.array(missing, np.float32), "booster:missing"),
        numpy_helper.from_array(np.array(np.nan, np.float32), "booster:nan"),
    ]
    nodes = [
        helper.make_node("Equal", [source, "booster:missing"], ["booster:is_missing"]),
        helper.make_node("Where", ["booster:is_missing", "booster:nan", source], ["booster:with_nan"]),
    ]
    return "booster:with_nan", nodes, constants


def _linear_graph(linear: Linear, source: str) -> tuple[list[onnx.NodeProto], list[Any]]:
    """Weights in double precision; missing values add nothing."""
    from onnx import TensorProto, helper, numpy_helper

    constants = [
        numpy_helper.from_array(np.zeros((), np.float32), "booster:zero"),
        numpy_helper.from_array(linear.weights, "booster:weights"),
        numpy_helper.from_array(linear.base, "booster:base"),
    ]
    nodes = [
        helper.make_node("IsNaN", [source], ["booster:gap"]),
        helper.make_node("Where", ["booster:gap", "booster:zero", source], ["booster:filled"]),
        helper.make_node("Cast", ["booster:filled"], ["booster:double"], to=TensorProto.DOUBLE),
        helper.make_node("MatMul", ["booster:double", "booster:weights"], ["booster:product"]),
        helper.make_node("Add", ["booster:product", "booster:base"], ["booster:sum"]),
        helper.make_node("Cast", ["booster:sum"], [RAW], to=TensorProto.FLOAT),
    ]
    return nodes, constants


class BoosterExporter(ABC):
    """The exporter of one booster library; what differs is how a model is read and asked."""

    framework: str

    def __init__(self, fitted: Fitted) -> None:
        self.fitted = fitted
        self.model = fitted.model
        self.boosted = self._read()

    @abstractmethod
    def _read(self) -> Boosted:
        """The model's trees; raises ModelError when it is not fitted or cannot be exported."""

    @abstractmethod
    def _classes(self) -> Sequence[Any] | None:
        """The classes as the model knows them; None where it knows only their number."""

    @abstractmethod
    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The library's own probabilities ``[N, C]``, prediction or score ``[N]``, float64."""

    @abstractmethod
    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The library's own format, which holds no code."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """The library's version."""

    @property
    def _name(self) -> str:
        return type(self.model).__name__

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """One float32 input, as wide as the model was fitted.

        Raises:
            ModelError: several inputs, or another width.
        """
        if len(inputs) != 1:
            raise ModelError(f"{self._name} has one input and was given {len(inputs)}")
        one = ModelInput(inputs[0].name, inputs[0].features)
        if one.width != self.boosted.width:
            raise ModelError(
                f"{self._name} was fitted on {self.boosted.width} columns and its features are {one.width} columns "
                "wide",
                problems=one.column_names,
                hint="fit on x as fn_args gives it, or name the features used: Fitted(model, inputs={'x': [...]}).",
            )
        return (one,)

    def _output(self) -> BoosterOutput:
        """What the output means: the objective says it, and a number may be declared a score or a prediction."""
        said, own = self.fitted.output, self.boosted.output
        if said is None or said == own:
            return own
        if own == PROBABILITIES or said not in ("prediction", "score"):
            raise ModelError(
                f"{self._name} gives {own} and Fitted says output={said!r}", hint="leave output out: the model says it."
            )
        return said

    def head(self, label: RawFeature) -> Head:
        """From the objective and the classes.

        Raises:
            ModelError: when label, objective and classes contradict each other.
        """
        output = self._output()
        if output != PROBABILITIES:
            if self.fitted.classes is not None:
                raise ModelError(
                    f"{self._name} gives a {output} and Fitted names classes",
                    hint="leave classes out, or train with an objective for classes.",
                )
            return head_of(label, output, 1, None)
        own, declared = self._classes(), self.fitted.classes
        if own is not None and declared is not None:
            _check_order(self._name, list(own), list(declared))
        return head_of(label, PROBABILITIES, max(self.boosted.outputs, 2), declared if declared is not None else own)

    def to_onnx(self, inputs: Sequence[ModelInput], label: RawFeature) -> Exported:
        """The trees as one ONNX node, and the link."""
        (one,) = self.inputs(inputs)
        head = self.head(label)
        return Exported(boosted_model(self.boosted, one.name, self._output()), head)


def _check_order(name: str, own: list[ClassValue], declared: list[ClassValue]) -> None:
    """Declared classes may rename the model's codes, and may not put its own values into another order."""
    if len(own) != len(declared):
        raise ModelError(f"{len(declared)} classes are declared and {name} knows {len(own)}: {own[:10]!r}")
    if set(map(repr, own)) == set(map(repr, declared)) and list(map(repr, own)) != list(map(repr, declared)):
        raise ModelError(
            f"{name} knows the classes {own[:10]!r} and Fitted names them in another order, {declared[:10]!r}",
            hint="leave classes out: the model knows them; to rename codes, use values that are no codes.",
        )
