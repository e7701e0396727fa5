"""PyTorch to ONNX through torch.export, with a free batch dimension; softmax or sigmoid are put into the graph."""

from __future__ import annotations

import contextlib
import copy
import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline._core.values import RawFeature
from trueline.models.contract import Fitted, Head, Output, head_of
from trueline.models.exporters.base import PREDICTION, PROBABILITIES, Arrays, Exported
from trueline.models.exporters.heads import append_head, probabilities_of
from trueline.models.graphs import keep_output
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import torch

__all__ = ["TorchExporter"]

_OPSET = 20
_EXAMPLE_ROWS = 3
_RAW = "raw"


class TorchExporter:
    """One module; a copy on the CPU in evaluation mode is used, the user's own is left as it is."""

    framework = "torch"

    def __init__(self, fitted: Fitted) -> None:
        self.fitted = fitted
        self.module: torch.nn.Module = copy.deepcopy(fitted.model).cpu().eval()
        self._inputs: tuple[ModelInput, ...] = ()

    @property
    def _name(self) -> str:
        return type(self.module).__name__

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs in the order of ``forward``'s arguments, by name where there are several.

        Raises:
            ModelError: when the names are not those of ``forward``.
        """
        made = tuple(inputs)
        parameters = inspect.signature(self.module.forward).parameters.values()
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(made) > 1 and not any(p.kind == p.VAR_POSITIONAL for p in parameters):
            by_name = {i.name: i for i in made}
            needed = [p.name for p in positional if p.name in by_name or p.default is p.empty]
            if set(needed) != set(by_name):
                raise ModelError(
                    f"{self._name}.forward takes {', '.join(needed)}; the inputs are {', '.join(by_name)}",
                    hint="name the inputs of Fitted as forward's arguments.",
                )
            made = tuple(by_name[n] for n in needed)
        self._inputs = made
        return made

    def _forward(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The module's raw output, ``[N]`` or ``[N, K]``, float64."""
        import torch

        names = [i.name for i in self._inputs] or list(arrays)
        try:
            with torch.no_grad():
                out = self.module(*(torch.from_numpy(np.ascontiguousarray(arrays[n])) for n in names))
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            shapes = ", ".join(f"{n} {arrays[n].dtype}{list(arrays[n].shape)}" for n in names)
            raise ModelError(f"{self._name}.forward fails on {shapes}: {error}") from error
        if not isinstance(out, torch.Tensor) or out.ndim not in (1, 2):
            raise ModelError(f"{self._name}.forward must return one tensor of shape [N] or [N, K]")
        return np.asarray(out.double().numpy())

    def _examples(self) -> dict[str, npt.NDArray[Any]]:
        return {i.name: np.zeros((_EXAMPLE_ROWS, i.width), i.dtype) for i in self._inputs}

    def _output(self, label: RawFeature) -> Output:
        if self.fitted.output is not None:
            return self.fitted.output
        if label.dtype in ("float32", "float64") and self.fitted.classes is None:
            return "prediction"
        raise ModelError(
            f"what {self._name} returns is not known",
            hint='say Fitted(model, output="logits"), "probabilities" or "prediction".',
        )

    def head(self, label: RawFeature) -> Head:
        """From the declared meaning, the width of the output, and the declared classes or the label's type."""
        raw = self._forward(self._examples())
        width = 1 if raw.ndim == 1 else raw.shape[1]
        return head_of(label, self._output(label), width, self.fitted.classes)

    def to_onnx(self, inputs: Sequence[ModelInput], label: RawFeature) -> Exported:
        """Export at opset 20 with the batch dimension free, then the head."""
        import torch

        self.inputs(inputs)
        head, meaning = self.head(label), self._output(label)
        arguments = tuple(torch.from_numpy(a) for a in self._examples().values())
        batch = torch.export.Dim("N")
        try:
            with _quiet():
                program = torch.onnx.export(
                    self.module,
                    arguments,
                    dynamo=True,
                    opset_version=_OPSET,
                    dynamic_shapes=self._dynamic(batch),
                    input_names=[i.name for i in self._inputs],
                    output_names=[_RAW],
                    verbose=False,
                )
                if program is None:
                    raise ModelError("the exporter gave no program")
                model = program.model_proto
        except Exception as error:
            raise ModelError(
                f"{self._name} cannot be exported: {type(error).__name__}: {str(error).splitlines()[0]}",
                hint="forward must be free of data-dependent Python control flow; torch.onnx.export tells more.",
            ) from error
        model = append_head(model, _RAW, meaning, len(head.classes))
        name = PROBABILITIES if head.is_classifier else PREDICTION
        return Exported(keep_output(model, model.graph.output[0].name, name, columns=len(head.classes)), head)

    def _dynamic(self, batch: Any) -> tuple[Any, ...]:
        """Shapes by argument; a module with ``*args`` has them as one nested tuple."""
        shapes = tuple({0: batch} for _ in self._inputs)
        kinds = [p.kind for p in inspect.signature(self.module.forward).parameters.values()]
        return (shapes,) if kinds == [inspect.Parameter.VAR_POSITIONAL] else shapes

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The module's own output, with softmax or sigmoid computed in numpy at double precision for logits."""
        raw = self._forward(arrays)
        meaning = self.fitted.output or "prediction"
        return raw.reshape(len(raw)) if meaning == "prediction" else probabilities_of(raw, meaning)

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The weights as safetensors, where that package is installed."""
        try:
            from safetensors.torch import save
        except ImportError:
            return {}, "safetensors is not installed; the weights are in the ONNX graph"
        state = {k: v.detach().clone().contiguous() for k, v in self.module.state_dict().items()}
        return {"model.safetensors": save(state)}, "the module's state_dict"

    def versions(self) -> dict[str, str]:
        """torch."""
        import torch

        return {"torch": str(torch.__version__)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings on its own internals and on packages it would know more with."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
