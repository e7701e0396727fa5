"""The pipeline room: how nodes are declared, wired, compiled, launched, cached and published.

It may import `trueline._core`, the engine's seam and `trueline.metadata`; the standard components and the runners
stand above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.pipeline.approval_node import Approval
    from trueline.pipeline.artifacts import ArtifactType
    from trueline.pipeline.channel import Channel
    from trueline.pipeline.compile import CompiledPipeline, compile_pipeline
    from trueline.pipeline.container import create_container_component
    from trueline.pipeline.context import ArtifactHandle, ExecutionContext
    from trueline.pipeline.control import Cond, ForEach
    from trueline.pipeline.function import component
    from trueline.pipeline.function_shape import Input, Output
    from trueline.pipeline.node import Component, In, Out
    from trueline.pipeline.openlineage import OpenLineageListener
    from trueline.pipeline.pipeline import Pipeline
    from trueline.pipeline.placeholders import (
        FinalStatus,
        Placeholder,
        RunInfo,
        Secret,
        environment_variable,
        exec_property,
        input,
        join,
        logical_and,
        logical_not,
        logical_or,
        make_dict,
        make_list,
        output,
    )
    from trueline.pipeline.runtime_parameter import RuntimeParameter
    from trueline.pipeline.settings import NodeSettings, Resources
    from trueline.pipeline.subpipeline import PipelineInputs
    from trueline.pipeline.system import Importer, Resolver
    from trueline.pipeline.user_function import UserFunction

__all__ = [
    "Approval",
    "ArtifactHandle",
    "ArtifactType",
    "Channel",
    "CompiledPipeline",
    "Component",
    "Cond",
    "ExecutionContext",
    "FinalStatus",
    "ForEach",
    "Importer",
    "In",
    "Input",
    "NodeSettings",
    "OpenLineageListener",
    "Out",
    "Output",
    "Pipeline",
    "PipelineInputs",
    "Placeholder",
    "Resolver",
    "Resources",
    "RunInfo",
    "RuntimeParameter",
    "Secret",
    "UserFunction",
    "compile_pipeline",
    "component",
    "create_container_component",
    "environment_variable",
    "exec_property",
    "input",
    "join",
    "logical_and",
    "logical_not",
    "logical_or",
    "make_dict",
    "make_list",
    "output",
]

_HOME = {
    "Approval": "approval_node",
    "ArtifactHandle": "context",
    "ArtifactType": "artifacts",
    "Channel": "channel",
    "CompiledPipeline": "compile",
    "Component": "node",
    "Cond": "control",
    "ExecutionContext": "context",
    "FinalStatus": "placeholders",
    "ForEach": "control",
    "Importer": "system",
    "In": "node",
    "Input": "function_shape",
    "NodeSettings": "settings",
    "OpenLineageListener": "openlineage",
    "Out": "node",
    "Output": "function_shape",
    "Pipeline": "pipeline",
    "PipelineInputs": "subpipeline",
    "Placeholder": "placeholders",
    "Resolver": "system",
    "Resources": "settings",
    "RunInfo": "placeholders",
    "RuntimeParameter": "runtime_parameter",
    "Secret": "placeholders",
    "UserFunction": "user_function",
    "compile_pipeline": "compile",
    "component": "function",
    "create_container_component": "container",
    "environment_variable": "placeholders",
    "exec_property": "placeholders",
    "input": "placeholders",
    "join": "placeholders",
    "logical_and": "placeholders",
    "logical_not": "placeholders",
    "logical_or": "placeholders",
    "make_dict": "placeholders",
    "make_list": "placeholders",
    "output": "placeholders",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
