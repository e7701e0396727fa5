"""The pipeline room: how nodes are declared, wired, compiled, launched, cached and published.

It may import `trueline._core`, the engine's seam and `trueline.metadata`; the standard components and the runners
stand above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.pipeline.artifacts import ArtifactType
    from trueline.pipeline.channel import Channel
    from trueline.pipeline.compile import CompiledPipeline, compile_pipeline
    from trueline.pipeline.context import ArtifactHandle, ExecutionContext
    from trueline.pipeline.function import Input, Output, component
    from trueline.pipeline.node import Component, In, Out
    from trueline.pipeline.openlineage import OpenLineageListener
    from trueline.pipeline.pipeline import Pipeline
    from trueline.pipeline.system import Importer, Resolver
    from trueline.pipeline.user_function import UserFunction

__all__ = [
    "ArtifactHandle",
    "ArtifactType",
    "Channel",
    "CompiledPipeline",
    "Component",
    "ExecutionContext",
    "Importer",
    "In",
    "Input",
    "OpenLineageListener",
    "Out",
    "Output",
    "Pipeline",
    "Resolver",
    "UserFunction",
    "compile_pipeline",
    "component",
]

_HOME = {
    "ArtifactHandle": "context",
    "ArtifactType": "artifacts",
    "Channel": "channel",
    "CompiledPipeline": "compile",
    "Component": "node",
    "ExecutionContext": "context",
    "Importer": "system",
    "In": "node",
    "Input": "function",
    "Out": "node",
    "OpenLineageListener": "openlineage",
    "Output": "function",
    "Pipeline": "pipeline",
    "Resolver": "system",
    "UserFunction": "user_function",
    "compile_pipeline": "compile",
    "component": "function",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
