"""Models: what a fitted model of any framework must be, its export to one ONNX file, and the gate that export passes.

Imports `trueline.transform` and what lies below it; onnx, pyarrow and a framework are loaded only on use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.models.build import build_model
    from trueline.models.bulk import predict_dataset
    from trueline.models.bulk_result import Predictions
    from trueline.models.contract import Fitted
    from trueline.models.exporters import export
    from trueline.models.inputs import ModelInput, input_arrays, model_inputs
    from trueline.models.merge import merge_model
    from trueline.models.model import Model
    from trueline.models.parity import ParityReport, Tolerance, check_parity

_HOMES = {
    "Fitted": "contract",
    "Model": "model",
    "ModelInput": "inputs",
    "ParityReport": "parity",
    "Predictions": "bulk_result",
    "Tolerance": "parity",
    "build_model": "build",
    "predict_dataset": "bulk",
    "check_parity": "parity",
    "export": "exporters",
    "input_arrays": "inputs",
    "merge_model": "merge",
    "model_inputs": "inputs",
}

__all__ = [
    "Fitted",
    "Model",
    "ModelInput",
    "ParityReport",
    "Predictions",
    "Tolerance",
    "build_model",
    "check_parity",
    "export",
    "input_arrays",
    "merge_model",
    "model_inputs",
    "predict_dataset",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
