"""A Keras 3 model as ONNX by the converter of the back end that Keras runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["CONVERTERS", "Packed"]

Packed = Callable[[Sequence[Any]], Any]
"""From tensors in the order of the inputs to what the model is called with."""


def _tensorflow(model: Any, packed: Packed, inputs: Sequence[ModelInput], described: str) -> onnx.ModelProto:
    from trueline.models.exporters.tf_graph import function_graph

    return function_graph(lambda *tensors: model(packed(tensors), training=False), inputs, described)


def _jax(model: Any, packed: Packed, inputs: Sequence[ModelInput], described: str) -> onnx.ModelProto:
    from trueline.models.exporters.jax_graph import jax_function_graph

    trained = [v.value for v in model.trainable_variables]
    fixed = [v.value for v in model.non_trainable_variables]

    def call(*arrays: Any) -> Any:
        return model.stateless_call(trained, fixed, packed(arrays), training=False)[0]

    return jax_function_graph(call, inputs, described)


def _torch(model: Any, packed: Packed, inputs: Sequence[ModelInput], described: str) -> onnx.ModelProto:
    import torch

    from trueline.models.exporters.torch_graph import module_graph

    class Network(torch.nn.Module):
        """The model with its inputs by position."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            return self.model(packed(tensors), training=False)

    examples = {i.name: np.zeros((3, i.width), i.dtype) for i in inputs}
    return module_graph(Network(), examples)


CONVERTERS: dict[str, Callable[[Any, Packed, Sequence[ModelInput], str], onnx.ModelProto]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
    "torch": _torch,
}
"""By Keras' name of the back end."""
