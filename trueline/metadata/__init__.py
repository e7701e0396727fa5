"""The metadata room: artifacts, executions, contexts and lineage in ML Metadata's own table schema, plus our run state.

It may import `trueline._core` alone; SQLAlchemy is loaded when a store is opened, not when the room is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _HOME)
