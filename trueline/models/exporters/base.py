"""The seam between trueline and a framework: what every exporter file provides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from trueline._core.python_model import PythonStep
from trueline._core.values import RawFeature
from trueline.models.contract import PREDICTION, PROBABILITIES, Fitted, Head
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["PREDICTION", "PROBABILITIES", "Arrays", "Exported", "Exporter"]

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Exported:
    """A model in ONNX, alone.

    Attributes:
        onnx: inputs named and typed as its `ModelInput` are, ``[N, width]``; one float32 output named ``head.output``:
            ``probabilities`` ``[N, C]``, ``prediction`` ``[N]``, ``score`` ``[N]`` or ``embedding`` ``[N, D]``.
        head: what that output means.
        python: the function that predicts, where no graph can: the graph's outputs are then its inputs.
    """

    onnx: onnx.ModelProto
    head: Head
    python: PythonStep | None = None


class Exporter(Protocol):
    """One framework."""

    framework: str

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs as this framework takes them; raises ModelError when their number or width does not fit."""
        ...

    def head(self, label: RawFeature) -> Head:
        """What the model's output means for this label; raises ModelError when they contradict each other.

        The label of a model without one is `trueline.models.contract.NO_LABEL`.
        """
        ...

    def to_onnx(self, inputs: Sequence[ModelInput], label: RawFeature) -> Exported:
        """The model as ONNX; raises ModelError naming what cannot be exported."""
        ...

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The framework's own main output, shaped as `Exported.onnx` gives it: what parity is measured against."""
        ...

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """Files for ``native/`` in the framework's own safe format, and a note on them or on why there are none."""
        ...

    def versions(self) -> dict[str, str]:
        """Versions of the framework and the converter."""
        ...


class ExporterFactory(Protocol):
    """Makes an exporter for a model; a class that implements `Exporter`."""

    def __call__(self, fitted: Fitted) -> Exporter:
        """The exporter; raises ModelError for a model that is not fitted or of a kind that cannot be exported."""
        ...
