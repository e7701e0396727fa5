"""The components room: the standard nodes of a line. Each parses its parameters, calls a library, writes an artifact.

It may import every library and `trueline.pipeline`; no mathematics lives here, and only runners and the command line
stand above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.components.bulk_inferrer import BulkInferrer
    from trueline.components.decision_chooser import DecisionChooser
    from trueline.components.distribution_validator import DistributionValidator
    from trueline.components.evaluator import Evaluator
    from trueline.components.example_diff import ExampleDiff
    from trueline.components.example_gen import (
        AvroExampleGen,
        CsvExampleGen,
        ImportExampleGen,
        JsonlExampleGen,
        ParquetExampleGen,
    )
    from trueline.components.example_gen_more import CustomExampleGen, ImageExampleGen, SqlExampleGen
    from trueline.components.example_validator import ExampleValidator
    from trueline.components.filter import Filter
    from trueline.components.infra_validator import InfraValidator
    from trueline.components.model_card_generator import ModelCardGenerator
    from trueline.components.model_optimiser import ModelOptimiser
    from trueline.components.model_selector import ModelSelector
    from trueline.components.push_kserve import KServe
    from trueline.components.push_mlflow import MlflowRegistry
    from trueline.components.push_sagemaker import SageMakerEndpoint
    from trueline.components.push_vertex import VertexEndpoint
    from trueline.components.pusher import Pusher
    from trueline.components.schema_gen import ImportSchemaGen, SchemaGen
    from trueline.components.statistics_gen import StatisticsGen
    from trueline.components.trainer import Trainer
    from trueline.components.transform import Transform
    from trueline.components.tuner import Tuner
    from trueline.pipeline import Importer, Resolver, component

_HOME = {
    "AvroExampleGen": "trueline.components.example_gen",
    "BulkInferrer": "trueline.components.bulk_inferrer",
    "CsvExampleGen": "trueline.components.example_gen",
    "CustomExampleGen": "trueline.components.example_gen_more",
    "DecisionChooser": "trueline.components.decision_chooser",
    "DistributionValidator": "trueline.components.distribution_validator",
    "Evaluator": "trueline.components.evaluator",
    "ExampleDiff": "trueline.components.example_diff",
    "ExampleValidator": "trueline.components.example_validator",
    "Filter": "trueline.components.filter",
    "ImageExampleGen": "trueline.components.example_gen_more",
    "ImportExampleGen": "trueline.components.example_gen",
    "ImportSchemaGen": "trueline.components.schema_gen",
    "Importer": "trueline.pipeline",
    "InfraValidator": "trueline.components.infra_validator",
    "JsonlExampleGen": "trueline.components.example_gen",
    "ModelCardGenerator": "trueline.components.model_card_generator",
    "ModelOptimiser": "trueline.components.model_optimiser",
    "ModelSelector": "trueline.components.model_selector",
    "ParquetExampleGen": "trueline.components.example_gen",
    "KServe": "trueline.components.push_kserve",
    "VertexEndpoint": "trueline.components.push_vertex",
    "SageMakerEndpoint": "trueline.components.push_sagemaker",
    "MlflowRegistry": "trueline.components.push_mlflow",
    "Pusher": "trueline.components.pusher",
    "Resolver": "trueline.pipeline",
    "SchemaGen": "trueline.components.schema_gen",
    "SqlExampleGen": "trueline.components.example_gen_more",
    "StatisticsGen": "trueline.components.statistics_gen",
    "Trainer": "trueline.components.trainer",
    "Transform": "trueline.components.transform",
    "Tuner": "trueline.components.tuner",
    "component": "trueline.pipeline",
}

__all__ = [
    "AvroExampleGen",
    "BulkInferrer",
    "CsvExampleGen",
    "CustomExampleGen",
    "DecisionChooser",
    "DistributionValidator",
    "Evaluator",
    "ExampleDiff",
    "ExampleValidator",
    "Filter",
    "ImageExampleGen",
    "ImportExampleGen",
    "ImportSchemaGen",
    "Importer",
    "InfraValidator",
    "JsonlExampleGen",
    "KServe",
    "MlflowRegistry",
    "ModelCardGenerator",
    "ModelOptimiser",
    "ModelSelector",
    "ParquetExampleGen",
    "Pusher",
    "Resolver",
    "SageMakerEndpoint",
    "SchemaGen",
    "SqlExampleGen",
    "StatisticsGen",
    "Trainer",
    "Transform",
    "Tuner",
    "VertexEndpoint",
    "component",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
