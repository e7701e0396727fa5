"""Which exporter takes a model: a table of framework roots, walked over the names of the model's classes."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ModelError
from trueline._core.values import RawFeature
from trueline.models.contract import Fitted
from trueline.models.exporters.base import Exporter, ExporterFactory
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["EXPORTERS", "ExporterRecord", "export", "exporter_of", "is_model"]


@dataclass(frozen=True)
class ExporterRecord:
    """One framework's entry.

    Attributes:
        framework: its name in ``model.json``.
        bases: (top package, class): every model of the framework descends from one of these.
        factory: ``module:name`` of the exporter class.
        extra: the extra of trueline that installs what the export needs; "" where the core does.
    """

    framework: str
    bases: tuple[tuple[str, str], ...]
    factory: str
    extra: str


def _record(framework: str, factory: str, extra: str, *bases: tuple[str, str]) -> ExporterRecord:
    return ExporterRecord(framework, bases, "trueline.models.exporters." + factory, extra)


# The first record that fits is taken: a booster's scikit-learn face is the booster's, a Keras model on torch is Keras'.
EXPORTERS: tuple[ExporterRecord, ...] = (
    _record("xgboost", "xgboost:XgboostExporter", "xgboost", ("xgboost", "XGBModel"), ("xgboost", "Booster")),
    _record("lightgbm", "lightgbm:LightgbmExporter", "lightgbm", ("lightgbm", "LGBMModel"), ("lightgbm", "Booster")),
    _record("catboost", "catboost:CatboostExporter", "catboost", ("catboost", "CatBoost")),
    _record("keras", "keras:KerasExporter", "keras", ("keras", "Model")),
    _record("torch", "torch:TorchExporter", "torch", ("torch", "Module")),
    _record(
        "tensorflow",
        "tensorflow:TensorflowExporter",
        "tensorflow",
        ("tensorflow", "Module"),
        ("tensorflow", "Function"),
        ("tensorflow", "ConcreteFunction"),
        ("tensorflow", "AutoTrackable"),
    ),
    _record("jax", "jax:JaxExporter", "jax", ("trueline", "JaxModel"), ("flax", "Module")),
    _record(
        "statsmodels",
        "statsmodels:StatsmodelsExporter",
        "statsmodels",
        ("statsmodels", "Results"),
        ("statsmodels", "ResultsWrapper"),
    ),
    _record("sklearn", "sklearn:SklearnExporter", "sklearn", ("sklearn", "BaseEstimator")),
    _record("onnx", "onnx_file:OnnxFileExporter", "", ("onnx", "ModelProto"), ("trueline", "OnnxModel")),
    _record("python", "python_function:PythonExporter", "", ("trueline", "PythonModel"), ("builtins", "function")),
)


def _record_of(model: Any) -> ExporterRecord | None:
    ancestors = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(model).__mro__}
    return next((r for r in EXPORTERS if ancestors & set(r.bases)), None)


def is_model(value: Any) -> bool:
    """Whether some exporter takes this object."""
    return _record_of(value) is not None


def exporter_of(fitted: Fitted) -> Exporter:
    """The exporter for a model.

    Raises:
        ModelError: for an object of no known framework, or a framework whose extra is not installed.
    """
    model = fitted.model
    record = _record_of(model)
    if record is None:
        kind = f"the class {model.__qualname__}" if isinstance(model, type) else f"a {type(model).__qualname__}"
        raise ModelError(
            f"no exporter takes {kind}",
            hint=f"models of {', '.join(r.framework for r in EXPORTERS)} can be exported; return the fitted object.",
        )
    module_name, _, name = record.factory.partition(":")
    try:
        factory: ExporterFactory = getattr(importlib.import_module(module_name), name)
        return factory(fitted)
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "trueline":
            raise  # a defect of ours is no missing package
        raise ModelError(
            f"exporting a {record.framework} model needs a package that is not installed: {error}",
            hint=f"pip install 'trueline[{record.extra}]'" if record.extra else None,
        ) from error


def export(fitted: Fitted, inputs: Sequence[ModelInput], label: RawFeature) -> onnx.ModelProto:
    """The model alone as ONNX: inputs as `inputs`, one output ``probabilities`` ``[N, C]`` or ``prediction`` ``[N]``.

    Raises:
        ModelError: see `exporter_of` and the framework's exporter.
    """
    exporter = exporter_of(fitted)
    return exporter.to_onnx(exporter.inputs(inputs), label).onnx
