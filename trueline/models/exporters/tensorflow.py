"""TensorFlow: modules, functions and loaded SavedModels over numeric tensors, through tf2onnx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, reason_of
from trueline.models.contract import Fitted
from trueline.models.exporters.base import Arrays
from trueline.models.exporters.network import NetworkExporter, one_output
from trueline.models.exporters.tf_callable import callable_of
from trueline.models.exporters.tf_graph import frozen_graph, function_graph
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["TensorflowExporter"]


class TensorflowExporter(NetworkExporter):
    """One function of tensors: the object's signature ``serving_default``, or its call."""

    framework = "tensorflow"

    def __init__(self, fitted: Fitted) -> None:
        super().__init__(fitted)
        self._callable = callable_of(fitted.model, fitted.output)

    @property
    def described(self) -> str:
        """``Net.__call__``."""
        return self._callable.described

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs in the order of the function's arguments, by name where there are several.

        Raises:
            ModelError: names, widths or types that the function does not take.
        """
        self._inputs = self._callable.ordered(inputs)
        return self._inputs

    def _call(self, *tensors: Any) -> Any:
        return self._callable.call(tensors)

    def raw(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The function's output."""
        import tensorflow as tf

        names = [i.name for i in self._inputs] or list(arrays)
        try:
            out = self._call(*(tf.constant(arrays[n]) for n in names))
        except ModelError:
            raise
        except Exception as error:
            shapes = ", ".join(f"{n} {arrays[n].dtype}{list(arrays[n].shape)}" for n in names)
            raise ModelError(f"{self.described} fails on {shapes}: {reason_of(error)}") from error
        return one_output(out.numpy() if hasattr(out, "numpy") else out, self.described)

    def graph(self) -> onnx.ModelProto:
        """By tf2onnx."""
        return function_graph(self._call, self._inputs, self.described)

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The graph with its variables as constants, for a SavedModel or LiteRT made later."""
        graph = frozen_graph(self._call, self._inputs)
        return {"graph.pb": graph, "network.json": self.facts()}, "a frozen TensorFlow graph, in0, in1, ... to out"

    def versions(self) -> dict[str, str]:
        """tensorflow and tf2onnx."""
        from importlib.metadata import version

        import tensorflow as tf

        return {"tensorflow": str(tf.__version__), "tf2onnx": version("tf2onnx")}
