"""Keras 3 on any of its back ends: each model is converted by the back end's own converter, with inputs by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, first_line
from trueline._core.values import RawFeature
from trueline.models.contract import Fitted, Output
from trueline.models.exporters.base import Arrays
from trueline.models.exporters.keras_graph import CONVERTERS
from trueline.models.exporters.keras_meaning import keras_output
from trueline.models.exporters.keras_native import keras_files
from trueline.models.exporters.network import NetworkExporter, by_argument, one_output
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["KerasExporter", "packer"]

_CHUNK = 4096
_TEXT_LAYERS = ("StringLookup", "TextVectorization", "Hashing", "HashedCrossing")
_NOT_INPUTS = ("training", "mask")


class KerasExporter(NetworkExporter):
    """One model; it is called with ``training=False``."""

    framework = "keras"

    def __init__(self, fitted: Fitted) -> None:
        super().__init__(fitted)
        self.model = fitted.model
        name = type(self.model).__name__
        if not self.model.built:
            raise ModelError(f"the {name} has no weights yet", hint="fit it, or call it once on a batch.")
        text = [f"{la.name} ({type(la).__name__})" for la in _layers(self.model) if type(la).__name__ in _TEXT_LAYERS]
        if text:
            raise ModelError(
                f"the {name} has layers of text, which do not travel",
                problems=text,
                hint="do it in preprocessing_fn: compute_and_apply_vocabulary, hash_strings, bag_of_words.",
            )

    @property
    def described(self) -> str:
        """``Sequential.call``."""
        return f"{type(self.model).__name__}.call"

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs in the order of the model's, by name where there are several, floats where it takes floats.

        Raises:
            ModelError: names, widths or types that the model does not take.
        """
        tensors = _declared(self.model)
        if tensors is None:
            self._inputs = _of_subclass(self.model, inputs, self.described)
            return self._inputs
        names = [t.name for t in tensors]
        by_name = {names[0]: inputs[0]} if len(inputs) == len(tensors) == 1 else {i.name: i for i in inputs}
        if set(by_name) != set(names):
            raise ModelError(
                f"the {type(self.model).__name__} has the inputs {', '.join(names)}; those given are "
                f"{', '.join(by_name)}",
                hint="name the inputs of Fitted as the Input layers are named.",
            )
        self._inputs = tuple(_fitting(by_name[t.name], t) for t in tensors)
        return self._inputs

    def raw(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The model's output, in evaluation mode, in pieces of a few thousand rows."""
        from keras import ops

        names = [i.name for i in self._inputs] or list(arrays)
        pack, rows, parts = packer(self.model, [i.name for i in self._inputs]), len(arrays[names[0]]), []
        try:
            for start in range(0, max(rows, 1), _CHUNK):
                tensors = [ops.convert_to_tensor(_ids32(arrays[n][start : start + _CHUNK])) for n in names]
                parts.append(_numpy(self.model(pack(tensors), training=False)))
        except ModelError:
            raise
        except Exception as error:
            shapes = ", ".join(f"{n} {arrays[n].dtype}{list(arrays[n].shape)}" for n in names)
            raise ModelError(f"{self.described} fails on {shapes}: {first_line(error)}") from error
        return one_output(np.concatenate(parts) if isinstance(parts[0], np.ndarray) else parts[0], self.described)

    def meaning(self, label: RawFeature) -> Output:
        """As declared, or as the last layer and the loss say.

        Raises:
            ModelError: when that is not sure.
        """
        if self.fitted.output is None:
            raw = self.raw(self.examples())
            found = keras_output(
                self.model, label, self.fitted.classes is not None, 1 if raw.ndim == 1 else raw.shape[1]
            )
            if found is not None:
                return found
        return super().meaning(label)

    def graph(self) -> onnx.ModelProto:
        """By the converter of the back end."""
        import keras

        convert = CONVERTERS.get(keras.backend.backend())
        if convert is None:
            raise ModelError(
                f"Keras runs on {keras.backend.backend()}, which has no way to ONNX",
                hint=f"set KERAS_BACKEND to one of {', '.join(CONVERTERS)}.",
            )
        return convert(self.model, packer(self.model, [i.name for i in self._inputs]), self._inputs, self.described)

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The configuration and the weights apart; where they do not make the model again, a TensorFlow graph."""
        files, note = keras_files(self.model, packer(self.model, [i.name for i in self._inputs]), self._inputs)
        return files | ({"network.json": self.facts()} if files else {}), note

    def versions(self) -> dict[str, str]:
        """keras, its back end and the converter."""
        from importlib.metadata import version

        import keras

        name = keras.backend.backend()
        packages = {"tensorflow": ("tensorflow-cpu", "tensorflow"), "jax": ("jax",), "torch": ("torch",)}.get(name, ())
        return {"keras": str(keras.__version__), "backend": f"{name} {_version(packages)}"} | {
            p: version(p) for p in {"tensorflow": ("tf2onnx",), "jax": ("jax2onnx",)}.get(name, ())
        }


def packer(model: Any, names: Sequence[str]) -> Any:
    """From tensors in the order of the inputs' names to what the model is called with."""
    from keras import tree

    if len(names) == 1 and (_declared(model) is None or not hasattr(model, "_inputs_struct")):
        return lambda tensors: tensors[0]
    if _declared(model) is not None:
        return lambda tensors: tree.pack_sequence_as(model.input, list(tensors))
    return lambda tensors: dict(zip(names, tensors, strict=True))


def _declared(model: Any) -> list[Any] | None:
    """The input tensors of a Sequential or Functional model in their order; None for a subclass."""
    tensors = getattr(model, "inputs", None)
    return None if tensors is None else list(tensors)


def _of_subclass(model: Any, inputs: Sequence[ModelInput], described: str) -> tuple[ModelInput, ...]:
    """Several inputs of a subclass come as one dict by name."""
    import inspect

    arguments = [n for n in inspect.signature(model.call).parameters if n not in _NOT_INPUTS]
    if len(arguments) > 1:
        raise ModelError(
            f"{described} takes {', '.join(arguments)}",
            hint="take several inputs as one dict by name: call(self, inputs).",
        )
    return by_argument(inputs[:1], model.call, described) + tuple(inputs[1:])


def _fitting(made: ModelInput, tensor: Any) -> ModelInput:
    """The input as the Input layer takes it."""
    shape, dtype = list(tensor.shape), str(tensor.dtype)
    if len(shape) != 2 or shape[1] not in (None, made.width):
        raise ModelError(
            f"input {tensor.name!r} takes rows of shape {shape[1:]}; its features make {made.width} columns",
            hint=f"begin with Input(({made.width},)), and a Reshape layer behind it where more axes are needed.",
        )
    if "int" not in dtype:
        return replace(made, dtype="float32")
    if any(f.dtype != "int64" for f in made.features):
        raise ModelError(
            f"input {tensor.name!r} takes {dtype}; its features are not all int64",
            hint="say Fitted(model, inputs={...}) so that ids are an input of their own.",
        )
    return replace(made, dtype="int64")


def _layers(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False, recursive=True))


def _ids32(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Ids as JAX has them; other back ends take int64."""
    import keras

    return array.astype(np.int32) if array.dtype == np.int64 and keras.backend.backend() == "jax" else array


def _numpy(out: Any) -> Any:
    from keras import ops

    return out if isinstance(out, (dict, list, tuple)) else ops.convert_to_numpy(out)


def _version(packages: Sequence[str]) -> str:
    from importlib.metadata import PackageNotFoundError, version

    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""
