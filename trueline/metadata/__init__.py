"""The metadata room: artifacts, executions, contexts and lineage in ML Metadata's own table schema, plus our run state.

It may import `trueline._core` alone; SQLAlchemy is loaded when a store is opened, not when the room is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.metadata.alias_rows import Alias, aliases
    from trueline.metadata.artifact_pins import Pin, pin, pins, unpin
    from trueline.metadata.deletion import GcResult, collect
    from trueline.metadata.lineage import LineageNode, downstream, lineage_tree, upstream
    from trueline.metadata.links import Association, Attribution, ParentContext
    from trueline.metadata.list_options import ListOptions, OrderByField
    from trueline.metadata.model_releases import Release, release, release_pushed, releases
    from trueline.metadata.promotion import Promotion, promote, rollback
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
    from trueline.metadata.registry import ModelEntry, registered_models
    from trueline.metadata.release_notes import notes_json, notes_markdown
    from trueline.metadata.retention import GcPlan, plan_gc
    from trueline.metadata.retention_rules import GcPolicy
    from trueline.metadata.run_records import NodeRecord, RunRecord
    from trueline.metadata.runs import RunStore
    from trueline.metadata.spans import models_from_span, spans_of
    from trueline.metadata.store import MetadataStore
    from trueline.metadata.subgraph import EndingNodes, LineageGraph, LineageSubgraphQueryOptions, StartingNodes
    from trueline.metadata.walk import LineageDirection

_HOME = {
    "Alias": "alias_rows",
    "Artifact": "records",
    "ArtifactState": "records",
    "Association": "links",
    "Attribution": "links",
    "Context": "records",
    "EndingNodes": "subgraph",
    "Event": "records",
    "EventType": "records",
    "Execution": "records",
    "ExecutionState": "records",
    "GcPlan": "retention",
    "GcPolicy": "retention_rules",
    "GcResult": "deletion",
    "LineageDirection": "walk",
    "LineageGraph": "subgraph",
    "LineageNode": "lineage",
    "LineageSubgraphQueryOptions": "subgraph",
    "ListOptions": "list_options",
    "MetadataStore": "store",
    "ModelEntry": "registry",
    "NodeRecord": "run_records",
    "OrderByField": "list_options",
    "ParentContext": "links",
    "Pin": "artifact_pins",
    "Promotion": "promotion",
    "PropertyType": "records",
    "Release": "model_releases",
    "RunRecord": "run_records",
    "RunStore": "runs",
    "StartingNodes": "subgraph",
    "TypeKind": "records",
    "TypeSpec": "records",
    "aliases": "alias_rows",
    "collect": "deletion",
    "downstream": "lineage",
    "lineage_tree": "lineage",
    "models_from_span": "spans",
    "notes_json": "release_notes",
    "notes_markdown": "release_notes",
    "pin": "artifact_pins",
    "pins": "artifact_pins",
    "plan_gc": "retention",
    "promote": "promotion",
    "registered_models": "registry",
    "release": "model_releases",
    "release_pushed": "model_releases",
    "releases": "model_releases",
    "rollback": "promotion",
    "spans_of": "spans",
    "unpin": "artifact_pins",
    "upstream": "lineage",
}

__all__ = [
    "Alias",
    "Artifact",
    "ArtifactState",
    "Association",
    "Attribution",
    "Context",
    "EndingNodes",
    "Event",
    "EventType",
    "Execution",
    "ExecutionState",
    "GcPlan",
    "GcPolicy",
    "GcResult",
    "LineageDirection",
    "LineageGraph",
    "LineageNode",
    "LineageSubgraphQueryOptions",
    "ListOptions",
    "MetadataStore",
    "ModelEntry",
    "NodeRecord",
    "OrderByField",
    "ParentContext",
    "Pin",
    "Promotion",
    "PropertyType",
    "Release",
    "RunRecord",
    "RunStore",
    "StartingNodes",
    "TypeKind",
    "TypeSpec",
    "aliases",
    "collect",
    "downstream",
    "lineage_tree",
    "models_from_span",
    "notes_json",
    "notes_markdown",
    "pin",
    "pins",
    "plan_gc",
    "promote",
    "registered_models",
    "release",
    "release_pushed",
    "releases",
    "rollback",
    "spans_of",
    "unpin",
    "upstream",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
