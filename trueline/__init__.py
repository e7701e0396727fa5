"""trueline: a production line for machine-learning models, for every framework.

The data is measured, the features are made, the model is judged and the server predicts with one and the same
definition of every step. This is the flat public face; names resolve on first use, so that ``import trueline`` loads
neither Arrow, ONNX, SQLAlchemy nor any framework. The libraries are useful alone: ``trueline.data_validation``,
``trueline.transform``, ``trueline.models``, ``trueline.model_analysis``, ``trueline.serving``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    EngineError,
    ExprError,
    FeedError,
    GateError,
    MetadataError,
    ModelError,
    ParityError,
    SchemaError,
    ServingError,
    TransformError,
    TruelineError,
)
from trueline._core.lazy import lazy_names
from trueline._core.version import __version__ as __version__

if TYPE_CHECKING:
    from trueline._core.values import RawFeature
    from trueline.data import Examples
    from trueline.engine import Accumulator, AccumulatorSpec, Dataset, LocalEngine
    from trueline.interactive import InteractiveContext
    from trueline.metadata import MetadataStore
    from trueline.models import Fitted, Model
    from trueline.pipeline import Component, Cond, ForEach, Pipeline, RuntimeParameter, Secret, component
    from trueline.runners.local import LocalRunner
    from trueline.training import FnArgs


_HOMES = {
    "Accumulator": "trueline.engine",
    "AccumulatorSpec": "trueline.engine",
    "Component": "trueline.pipeline",
    "Cond": "trueline.pipeline",
    "Dataset": "trueline.engine",
    "Examples": "trueline.data",
    "Fitted": "trueline.models",
    "FnArgs": "trueline.training",
    "ForEach": "trueline.pipeline",
    "InteractiveContext": "trueline.interactive",
    "LocalEngine": "trueline.engine",
    "LocalRunner": "trueline.runners.local",
    "MetadataStore": "trueline.metadata",
    "Model": "trueline.models",
    "Pipeline": "trueline.pipeline",
    "RawFeature": "trueline._core.values",
    "RuntimeParameter": "trueline.pipeline",
    "Secret": "trueline.pipeline",
    "component": "trueline.pipeline",
}

__all__ = [
    "Accumulator",
    "AccumulatorSpec",
    "ArtifactError",
    "Component",
    "Cond",
    "ConfigError",
    "DataError",
    "Dataset",
    "EngineError",
    "Examples",
    "ExprError",
    "FeedError",
    "Fitted",
    "FnArgs",
    "ForEach",
    "GateError",
    "InteractiveContext",
    "LocalEngine",
    "LocalRunner",
    "MetadataError",
    "MetadataStore",
    "Model",
    "ModelError",
    "ParityError",
    "Pipeline",
    "RawFeature",
    "RuntimeParameter",
    "SchemaError",
    "Secret",
    "ServingError",
    "TransformError",
    "TruelineError",
    "component",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
