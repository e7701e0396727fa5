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
    from trueline.models.calibration import Calibration, fit_calibration
    from trueline.models.contract import Fitted
    from trueline.models.decision import Decision
    from trueline.models.explain import Explanation, register_explainer
    from trueline.models.exporters import export
    from trueline.models.exporters.onnx_file import OnnxModel
    from trueline.models.exporters.python_function import PythonModel
    from trueline.models.inputs import ModelInput, input_arrays, model_inputs
    from trueline.models.jax_model import JaxModel
    from trueline.models.merge import merge_model
    from trueline.models.model import Model
    from trueline.models.parity import ParityReport, Tolerance, check_parity

_HOMES = {
    "Calibration": "calibration",
    "Decision": "decision",
    "Explanation": "explain",
    "Fitted": "contract",
    "JaxModel": "jax_model",
    "Model": "model",
    "ModelInput": "inputs",
    "OnnxModel": "exporters.onnx_file",
    "ParityReport": "parity",
    "Predictions": "bulk_result",
    "PythonModel": "exporters.python_function",
    "Tolerance": "parity",
    "build_model": "build",
    "check_parity": "parity",
    "export": "exporters",
    "fit_calibration": "calibration",
    "input_arrays": "inputs",
    "merge_model": "merge",
    "model_inputs": "inputs",
    "predict_dataset": "bulk",
    "register_explainer": "explain",
}

__all__ = [
    "Calibration",
    "Decision",
    "Explanation",
    "Fitted",
    "JaxModel",
    "Model",
    "ModelInput",
    "OnnxModel",
    "ParityReport",
    "Predictions",
    "PythonModel",
    "Tolerance",
    "build_model",
    "check_parity",
    "export",
    "fit_calibration",
    "input_arrays",
    "merge_model",
    "model_inputs",
    "predict_dataset",
    "register_explainer",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
