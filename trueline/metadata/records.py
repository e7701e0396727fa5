"""What the store holds, as frozen dataclasses; numbers of the enumerations are ML Metadata's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

__all__ = [
    "BUILTIN_TYPES",
    "Artifact",
    "ArtifactState",
    "Context",
    "Event",
    "EventType",
    "Execution",
    "ExecutionState",
    "PropertyType",
    "PropertyValue",
    "ProtoValue",
    "TypeKind",
    "TypeSpec",
]


class TypeKind(IntEnum):
    """Which table a type belongs to."""

    EXECUTION = 0
    ARTIFACT = 1
    CONTEXT = 2


class PropertyType(IntEnum):
    """The declared type of a property."""

    UNKNOWN = 0
    INT = 1
    DOUBLE = 2
    STRING = 3
    STRUCT = 4
    PROTO = 5
    BOOLEAN = 6


class ArtifactState(IntEnum):
    """Only LIVE artifacts are complete."""

    UNKNOWN = 0
    PENDING = 1
    LIVE = 2
    MARKED_FOR_DELETION = 3
    DELETED = 4
    ABANDONED = 5
    REFERENCE = 6


class ExecutionState(IntEnum):
    """COMPLETE and CACHED are successes."""

    UNKNOWN = 0
    NEW = 1
    RUNNING = 2
    COMPLETE = 3
    FAILED = 4
    CACHED = 5
    CANCELED = 6


class EventType(IntEnum):
    """How an execution met an artifact."""

    UNKNOWN = 0
    DECLARED_OUTPUT = 1
    DECLARED_INPUT = 2
    INPUT = 3
    OUTPUT = 4
    INTERNAL_INPUT = 5
    INTERNAL_OUTPUT = 6
    PENDING_OUTPUT = 7

    @property
    def is_output(self) -> bool:
        """Whether the artifact came out of the execution."""
        return self in _OUTPUTS

    @property
    def is_input(self) -> bool:
        """Whether the artifact went into the execution."""
        return self in (EventType.DECLARED_INPUT, EventType.INPUT, EventType.INTERNAL_INPUT)


_OUTPUTS = (EventType.DECLARED_OUTPUT, EventType.OUTPUT, EventType.INTERNAL_OUTPUT, EventType.PENDING_OUTPUT)


@dataclass(frozen=True)
class ProtoValue:
    """A serialized ``google.protobuf.Any``, as another program stored it."""

    data: bytes


PropertyValue = int | float | str | bool | dict[str, Any] | ProtoValue
"""A dict is stored as a protobuf Struct: its numbers come back as floats."""

BUILTIN_TYPES: tuple[tuple[str, TypeKind], ...] = (
    ("mlmd.Dataset", TypeKind.ARTIFACT),
    ("mlmd.Model", TypeKind.ARTIFACT),
    ("mlmd.Metrics", TypeKind.ARTIFACT),
    ("mlmd.Statistics", TypeKind.ARTIFACT),
    ("mlmd.Train", TypeKind.EXECUTION),
    ("mlmd.Transform", TypeKind.EXECUTION),
    ("mlmd.Process", TypeKind.EXECUTION),
    ("mlmd.Evaluate", TypeKind.EXECUTION),
    ("mlmd.Deploy", TypeKind.EXECUTION),
)
"""Types that ML Metadata itself creates, with ids 1 to 9 in this order."""


@dataclass(frozen=True)
class TypeSpec:
    """A type of artifact, execution or context; (name, version, kind) identify it."""

    name: str
    kind: TypeKind
    properties: Mapping[str, PropertyType] = field(default_factory=dict)
    base: str | None = None
    version: str | None = None
    description: str | None = None
    id: int | None = None


@dataclass(frozen=True)
class Artifact:
    """A node of the lineage graph that holds data. Times are milliseconds since the epoch, set by the store."""

    type: str
    uri: str | None = None
    state: ArtifactState = ArtifactState.UNKNOWN
    name: str | None = None
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    custom_properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    external_id: str | None = None
    id: int | None = None
    type_id: int | None = None
    created: int = 0
    updated: int = 0


@dataclass(frozen=True)
class Execution:
    """A node of the lineage graph that did something."""

    type: str
    state: ExecutionState = ExecutionState.UNKNOWN
    name: str | None = None
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    custom_properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    external_id: str | None = None
    id: int | None = None
    type_id: int | None = None
    created: int = 0
    updated: int = 0


@dataclass(frozen=True)
class Context:
    """A group of artifacts and executions: a pipeline, a run, a node. Its name is unique within its type."""

    type: str
    name: str
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    custom_properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    external_id: str | None = None
    id: int | None = None
    type_id: int | None = None
    created: int = 0
    updated: int = 0


@dataclass(frozen=True)
class Event:
    """An edge of the lineage graph; one per (artifact, execution, type).

    `path` are steps: text is a key, a number an index, as in ``("examples", 0)``.
    """

    artifact_id: int
    execution_id: int
    type: EventType
    path: tuple[str | int, ...] = ()
    time: int = 0
    id: int | None = None
