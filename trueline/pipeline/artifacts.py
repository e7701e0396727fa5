"""Artifact types: what flows between nodes, with the properties that ML Metadata keeps of it.

A type is a class with a name, declared properties and (optionally) one of ML Metadata's base types. The standard
names and properties are TFX's. A user's own type is a subclass of `ArtifactType` with a `TYPE_NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from trueline._core.errors import ConfigError

__all__ = [
    "VALUE_FILE",
    "ArtifactType",
    "Boolean",
    "ExampleAnomalies",
    "ExampleStatistics",
    "Examples",
    "ExamplesDiff",
    "Float",
    "HyperParameters",
    "InferenceResult",
    "InfraBlessing",
    "Integer",
    "JsonValue",
    "Model",
    "ModelBlessing",
    "ModelCard",
    "ModelEvaluation",
    "ModelRun",
    "PropertyKind",
    "PushedModel",
    "Schema",
    "String",
    "TransformCache",
    "TransformGraph",
    "TunerResults",
    "ValueArtifact",
    "artifact_type",
    "value_type_of",
]

PropertyKind = Literal["int", "float", "str", "bool", "json"]
"""How a declared property is kept: ``json`` is JSON text in a string property, as TFX keeps ``split_names``."""

VALUE_FILE = "value"
"""A value artifact is a folder with this file of JSON text."""

_TYPES: dict[str, type[ArtifactType]] = {}


class ArtifactType:
    """Base of all artifact types; never instantiated, it stands for what a folder holds.

    Attributes:
        TYPE_NAME: the name in the metadata store.
        PROPERTIES: declared properties; others that an executor sets become custom properties.
        BASE_TYPE: ML Metadata's base type, such as ``mlmd.Dataset``, or None.
        FORMAT: the integer version of the files' layout, written into the manifest.
    """

    TYPE_NAME: ClassVar[str] = ""
    PROPERTIES: ClassVar[Mapping[str, PropertyKind]] = {}
    BASE_TYPE: ClassVar[str | None] = None
    FORMAT: ClassVar[int] = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "TYPE_NAME" not in cls.__dict__:
            cls.TYPE_NAME = cls.__name__
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]{0,254}", cls.TYPE_NAME):
            raise ConfigError(
                f"{cls.TYPE_NAME!r} is no name for an artifact type",
                where=f"class {cls.__qualname__}",
                hint="letters, digits, _ and . are allowed, up to 255 characters.",
            )
        _TYPES[cls.TYPE_NAME] = cls


class ValueArtifact(ArtifactType):
    """Base of the artifacts that hold one Python value."""

    PYTHON_TYPES: ClassVar[tuple[type, ...]] = ()


class Examples(ArtifactType):
    """Rows: Parquet shards in ``Split-<name>/``."""

    PROPERTIES: ClassVar[Mapping[str, PropertyKind]] = {"span": "int", "version": "int", "split_names": "json"}
    BASE_TYPE = "mlmd.Dataset"


class Schema(ArtifactType):
    """``schema.pbtxt``."""


class ExampleStatistics(ArtifactType):
    """``Split-<name>/FeatureStats.pb``."""

    PROPERTIES: ClassVar[Mapping[str, PropertyKind]] = {"span": "int", "split_names": "json"}
    BASE_TYPE = "mlmd.Statistics"


class ExampleAnomalies(ArtifactType):
    """``Split-<name>/SchemaDiff.pb``."""

    PROPERTIES: ClassVar[Mapping[str, PropertyKind]] = {"span": "int", "split_names": "json"}


class ExamplesDiff(ArtifactType):
    """``SplitPair-<test>_<base>/skew.json`` and ``sample_pairs.jsonl``."""

    PROPERTIES: ClassVar[Mapping[str, PropertyKind]] = {"split_names": "json"}


class TransformGraph(ArtifactType):
    """``graph.json``, ``transform.onnx``, ``transformed_schema.pbtxt``, ``vocabularies/``."""


class TransformCache(ArtifactType):
    """Analyzers' accumulator states of single datasets: ``<dataset>/<phase>.state``."""


class Model(ArtifactType):
    """``model.onnx`` from raw features to predictions, ``model.json``, ``targets.onnx``, ``host.json``, ``native/``."""

    BASE_TYPE = "mlmd.Model"


class ModelRun(ArtifactType):
    """What a training run left beside the model: logs, curves, checkpoints."""


class ModelEvaluation(ArtifactType):
    """Metrics and plots, ``eval_config.json``, ``validation.json``."""


class ModelBlessing(ArtifactType):
    """``BLESSED`` or ``NOT_BLESSED``; the verdict is in the custom properties ``blessed`` and ``current_model_id``."""


class InfraBlessing(ArtifactType):
    """``INFRA_BLESSED`` or ``INFRA_NOT_BLESSED``; the verdict is in the custom property ``blessed``."""


class PushedModel(ArtifactType):
    """Where a model was pushed to, and as which version."""

    BASE_TYPE = "mlmd.Model"


class HyperParameters(ArtifactType):
    """``best_hyperparameters.txt``: JSON of the chosen values."""


class TunerResults(ArtifactType):
    """``tuner_results.json``: every trial."""


class InferenceResult(ArtifactType):
    """Predictions for rows."""


class ModelCard(ArtifactType):
    """``model_card.html`` and its data."""


class String(ValueArtifact):
    """A ``str``."""

    PYTHON_TYPES = (str,)


class Integer(ValueArtifact):
    """An ``int``."""

    PYTHON_TYPES = (int,)


class Float(ValueArtifact):
    """A ``float``; NaN and the infinities are kept."""

    PYTHON_TYPES = (float,)


class Boolean(ValueArtifact):
    """A ``bool``."""

    PYTHON_TYPES = (bool,)


class JsonValue(ValueArtifact):
    """A ``dict`` or ``list`` of JSON values."""

    PYTHON_TYPES = (dict, list)


def artifact_type(name: str) -> type[ArtifactType]:
    """The class of that name; a name without a class (another program's type) gets one made for it."""
    found = _TYPES.get(name)
    return found if found is not None else type(name, (ArtifactType,), {"TYPE_NAME": name})


def value_type_of(python_type: object) -> type[ValueArtifact] | None:
    """The value artifact that holds a Python type, or None when there is none."""
    for candidate in (String, Integer, Float, Boolean, JsonValue):
        if python_type in candidate.PYTHON_TYPES:
            return candidate
    return None
