"""PyTorch modules, Lightning's among them: a copy is exported with a free batch dimension, its weights kept beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline.models.contract import Fitted
from trueline.models.exporters.base import Arrays
from trueline.models.exporters.network import NetworkExporter, by_argument, one_output
from trueline.models.exporters.torch_copy import cpu_copy, float_width
from trueline.models.exporters.torch_graph import module_graph
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx
    import torch

__all__ = ["TorchExporter"]


class TorchExporter(NetworkExporter):
    """One module; a copy on the CPU in evaluation mode is used, the user's own is left as it is.

    float16 and bfloat16 weights are widened to float32, which keeps every weight. A float64 module is compared as it
    is with a graph of float32: the gate measures what that loses.
    """

    framework = "torch"

    def __init__(self, fitted: Fitted) -> None:
        super().__init__(fitted)
        self.module: torch.nn.Module = cpu_copy(fitted.model)
        self._weights = _state(self.module)
        self._bits = float_width(self.module)
        if self._bits < 32:
            self.module.float()

    @property
    def described(self) -> str:
        """``Net.forward``."""
        return f"{type(self.module).__name__}.forward"

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs in the order of ``forward``'s arguments, by name where there are several.

        Raises:
            ModelError: when the names are not those of ``forward``.
        """
        self._inputs = by_argument(inputs, self.module.forward, self.described)
        return self._inputs

    def raw(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The module's output; a float64 module gets float64 inputs."""
        import torch

        names = [i.name for i in self._inputs] or list(arrays)
        tensors = [torch.from_numpy(np.ascontiguousarray(arrays[n])) for n in names]
        if self._bits == 64:
            tensors = [t.double() if t.is_floating_point() else t for t in tensors]
        try:
            with torch.no_grad():
                out = self.module(*tensors)
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            shapes = ", ".join(f"{n} {arrays[n].dtype}{list(arrays[n].shape)}" for n in names)
            raise ModelError(f"{self.described} fails on {shapes}: {error}") from error
        return one_output(out.double().numpy() if isinstance(out, torch.Tensor) else out, self.described)

    def graph(self) -> onnx.ModelProto:
        """By torch.export, or by a checked trace; a float64 module as float32."""
        import copy

        module = copy.deepcopy(self.module).float() if self._bits == 64 else self.module
        return module_graph(module, self.examples())

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The weights as safetensors, where that package is installed."""
        try:
            from safetensors.torch import save
        except ImportError:
            return {}, "safetensors is not installed; the weights are in the ONNX graph"
        return {"model.safetensors": save(self._weights)}, "the module's state_dict"

    def versions(self) -> dict[str, str]:
        """torch."""
        import torch

        return {"torch": str(torch.__version__)}


def _state(module: torch.nn.Module) -> dict[str, Any]:
    """The tensors of the state in the module's own types; a tied weight stands under each of its names."""
    import torch

    found = {k: v for k, v in module.state_dict().items() if isinstance(v, torch.Tensor)}
    return {k: v.detach().clone().contiguous() for k, v in found.items()}
