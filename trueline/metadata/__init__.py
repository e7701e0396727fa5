"""The metadata room: artifacts, executions, contexts and lineage in ML Metadata's own table schema, plus our run state.

It may import `trueline._core` alone; SQLAlchemy is loaded when a store is opened, not when the room is imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueline.metadata.lineage import LineageNode, downstream, lineage_tree, upstream
    from trueline.metadata.records import (
        Artifact,
        ArtifactState,
        Context,
        Event,
        EventType,
        Execution,
        ExecutionState,
        PropertyType,
        TypeKind,
        TypeSpec,
    )
    from trueline.metadata.runs import NodeRecord, RunRecord, RunStore
    from trueline.metadata.store import MetadataStore

_HOME = {
    "Artifact": "records",
    "ArtifactState": "records",
    "Context": "records",
    "Event": "records",
    "EventType": "records",
    "Execution": "records",
    "ExecutionState": "records",
    "LineageNode": "lineage",
    "MetadataStore": "store",
    "NodeRecord": "runs",
    "PropertyType": "records",
    "RunRecord": "runs",
    "RunStore": "runs",
    "TypeKind": "records",
    "TypeSpec": "records",
    "downstream": "lineage",
    "lineage_tree": "lineage",
    "upstream": "lineage",
}

__all__ = [
    "Artifact",
    "ArtifactState",
    "Context",
    "Event",
    "EventType",
    "Execution",
    "ExecutionState",
    "LineageNode",
    "MetadataStore",
    "NodeRecord",
    "PropertyType",
    "RunRecord",
    "RunStore",
    "TypeKind",
    "TypeSpec",
    "downstream",
    "lineage_tree",
    "upstream",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"trueline.metadata.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
