"""What a filter can speak of: attributes of the three kinds of node, of their neighbours, and properties."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum

import sqlalchemy as sa

from trueline.metadata import tables as t
from trueline.metadata.records import ArtifactState, EventType, ExecutionState, TypeKind

__all__ = ["ALIAS", "NEIGHBOURS", "PYTHON_NAMES", "VALUE_COLUMNS", "Attribute", "Neighbour", "ValueType", "attributes"]


class ValueType(Enum):
    """The types of values, by ZetaSQL's names."""

    INT = "INT64"
    DOUBLE = "DOUBLE"
    STRING = "STRING"
    BOOL = "BOOL"
    NULL = "NULL"
    ANY = "a property of unknown type"


@dataclass(frozen=True)
class Attribute:
    """A column that a filter may name; `states` are the words that an enumeration is compared with."""

    column: str
    value: ValueType
    states: type[IntEnum] | None = None


@dataclass(frozen=True)
class Neighbour:
    """How nodes are joined with a kind of neighbour: over `link`, whose column `mine` holds the node's id.

    `table` and `other` are the neighbour's own table and the link's column with its id; an event is the link itself.
    """

    link: sa.Table
    mine: str
    attributes: dict[str, Attribute] = field(repr=False)
    table: sa.Table | None = None
    other: str = ""


_COMMON = {
    "id": Attribute("id", ValueType.INT),
    "type_id": Attribute("type_id", ValueType.INT),
    "type": Attribute("type", ValueType.STRING),
    "name": Attribute("name", ValueType.STRING),
    "external_id": Attribute("external_id", ValueType.STRING),
    "create_time_since_epoch": Attribute("create_time_since_epoch", ValueType.INT),
    "last_update_time_since_epoch": Attribute("last_update_time_since_epoch", ValueType.INT),
}
_OWN: dict[TypeKind, dict[str, Attribute]] = {
    TypeKind.ARTIFACT: {
        "uri": Attribute("uri", ValueType.STRING),
        "state": Attribute("state", ValueType.INT, ArtifactState),
    },
    TypeKind.EXECUTION: {"last_known_state": Attribute("last_known_state", ValueType.INT, ExecutionState)},
    TypeKind.CONTEXT: {},
}
PYTHON_NAMES = {
    "created": "create_time_since_epoch",
    "updated": "last_update_time_since_epoch",
    "state": "last_known_state",
}
"""Fields of the records by the names of the columns; `state` is an execution's alone."""

VALUE_COLUMNS = {
    "int_value": ValueType.INT,
    "double_value": ValueType.DOUBLE,
    "string_value": ValueType.STRING,
    "bool_value": ValueType.BOOL,
}


def attributes(kind: TypeKind) -> dict[str, Attribute]:
    """The attributes of a kind of node by their names in ML Metadata's filters."""
    return {**_COMMON, **_OWN[kind]}


def _event(other: str) -> dict[str, Attribute]:
    return {
        "type": Attribute("type", ValueType.INT, EventType),
        "milliseconds_since_epoch": Attribute("milliseconds_since_epoch", ValueType.INT),
        other: Attribute(other, ValueType.INT),
    }


_ARTIFACT, _EXECUTION, _CONTEXT = (
    attributes(kind) for kind in (TypeKind.ARTIFACT, TypeKind.EXECUTION, TypeKind.CONTEXT)
)
NEIGHBOURS: dict[TypeKind, dict[str, Neighbour]] = {
    TypeKind.ARTIFACT: {
        "contexts": Neighbour(t.attribution, "artifact_id", _CONTEXT, t.context, "context_id"),
        "events": Neighbour(t.event, "artifact_id", _event("execution_id")),
    },
    TypeKind.EXECUTION: {
        "contexts": Neighbour(t.association, "execution_id", _CONTEXT, t.context, "context_id"),
        "events": Neighbour(t.event, "execution_id", _event("artifact_id")),
    },
    TypeKind.CONTEXT: {
        "parent_contexts": Neighbour(t.parent_context, "context_id", _CONTEXT, t.context, "parent_context_id"),
        "child_contexts": Neighbour(t.parent_context, "parent_context_id", _CONTEXT, t.context, "context_id"),
        "artifacts": Neighbour(t.attribution, "context_id", _ARTIFACT, t.artifact, "artifact_id"),
        "executions": Neighbour(t.association, "context_id", _EXECUTION, t.execution, "execution_id"),
    },
}
ALIAS = r"(parent_contexts|child_contexts|contexts|artifacts|executions|events)_\w+"
