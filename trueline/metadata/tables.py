"""ML Metadata's tables, schema version 10, as its own library creates them: same names, types, keys and indices."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

__all__ = [
    "MLMD_VERSION",
    "artifact",
    "association",
    "attribution",
    "context",
    "env",
    "event",
    "event_path",
    "execution",
    "metadata",
    "nodes",
    "parent_context",
    "parent_type",
    "properties",
    "type_",
    "type_property",
]

MLMD_VERSION = 10
metadata = sa.MetaData()


class _Verbatim(UserDefinedType[Any]):
    """A column type written into SQLite's DDL exactly so."""

    cache_ok = True

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def get_col_spec(self, **_: Any) -> str:
        return self.spec


def _int() -> sa.types.TypeEngine[Any]:
    return sa.BigInteger().with_variant(_Verbatim("INT"), "sqlite")


def _flag() -> sa.types.TypeEngine[Any]:
    return sa.SmallInteger().with_variant(_Verbatim("TINYINT(1)"), "sqlite")


def _id() -> sa.Column[int]:
    # ML Metadata declares no NOT NULL on SQLite keys; an autoincrement key is never null anyway.
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True, nullable=True)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, _int(), nullable=False)


def _name(nullable: bool = True) -> sa.Column[str]:
    return sa.Column("name", sa.String(255), nullable=nullable)


def _times() -> list[sa.Column[int]]:
    return [
        sa.Column(name, _int(), nullable=False, server_default=sa.text("0"))
        for name in ("create_time_since_epoch", "last_update_time_since_epoch")
    ]


def _table(name: str, *items: Any) -> sa.Table:
    return sa.Table(name, metadata, *items, sqlite_autoincrement=any(getattr(i, "name", "") == "id" for i in items))


env = _table("MLMDEnv", sa.Column("schema_version", sa.Integer, primary_key=True, autoincrement=False, nullable=True))

type_ = _table(
    "Type",
    _id(),
    _name(nullable=False),
    sa.Column("version", sa.String(255)),
    sa.Column("type_kind", _flag(), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("input_type", sa.Text),
    sa.Column("output_type", sa.Text),
    sa.Column("external_id", sa.String(255), unique=True),
    sa.Index("idx_type_name", "name"),
    sa.Index("idx_type_external_id", "external_id"),
)
parent_type = _table(
    "ParentType", _key("type_id"), _key("parent_type_id"), sa.PrimaryKeyConstraint("type_id", "parent_type_id")
)
type_property = _table(
    "TypeProperty",
    _key("type_id"),
    _name(nullable=False),
    sa.Column("data_type", _int()),
    sa.PrimaryKeyConstraint("type_id", "name"),
)


def _node_table(name: str, *own: sa.Column[Any], name_required: bool = False) -> sa.Table:
    low = name.lower()
    indices = [
        sa.Index(f"idx_{low}_{column}", column)
        for column in ("create_time_since_epoch", "last_update_time_since_epoch", "external_id")
    ]
    if name == "Artifact":
        indices.append(sa.Index("idx_artifact_uri", "uri", mysql_length=255))
    return _table(
        name,
        _id(),
        _key("type_id"),
        *own,
        _name(nullable=not name_required),
        sa.Column("external_id", sa.String(255), unique=True),
        *_times(),
        sa.UniqueConstraint("type_id", "name"),
        *indices,
    )


artifact = _node_table("Artifact", sa.Column("uri", sa.Text), sa.Column("state", _int()))
execution = _node_table("Execution", sa.Column("last_known_state", _int()))
context = _node_table("Context", name_required=True)


def _property_table(node: str) -> sa.Table:
    low = node.lower()
    table = _table(
        f"{node}Property",
        _key(f"{low}_id"),
        _name(nullable=False),
        sa.Column("is_custom_property", _flag(), nullable=False),
        sa.Column("int_value", _int()),
        sa.Column("double_value", sa.Double),
        sa.Column("string_value", sa.Text),
        sa.Column("byte_value", sa.LargeBinary),
        sa.Column("proto_value", sa.LargeBinary),
        sa.Column("bool_value", sa.Boolean),
        sa.PrimaryKeyConstraint(f"{low}_id", "name", "is_custom_property"),
    )
    for kind in ("int", "double", "string"):
        value = table.c[f"{kind}_value"]
        sa.Index(
            f"idx_{low}_property_{kind}",
            table.c.name,
            table.c.is_custom_property,
            value,
            sqlite_where=value.is_not(None),
            mysql_length={"string_value": 255} if kind == "string" else None,
        )
    return table


properties = {name: _property_table(name) for name in ("Artifact", "Execution", "Context")}
nodes = {"Artifact": artifact, "Execution": execution, "Context": context}

event = _table(
    "Event",
    _id(),
    _key("artifact_id"),
    _key("execution_id"),
    sa.Column("type", _int(), nullable=False),
    sa.Column("milliseconds_since_epoch", _int()),
    sa.UniqueConstraint("artifact_id", "execution_id", "type"),
    sa.Index("idx_event_execution_id", "execution_id"),
)
event_path = _table(
    "EventPath",
    _key("event_id"),
    sa.Column("is_index_step", _flag(), nullable=False),
    sa.Column("step_index", _int()),
    sa.Column("step_key", sa.Text),
    sa.Index("idx_eventpath_event_id", "event_id"),
)
association = _table(
    "Association",
    _id(),
    _key("context_id"),
    _key("execution_id"),
    sa.UniqueConstraint("context_id", "execution_id"),
)
attribution = _table(
    "Attribution",
    _id(),
    _key("context_id"),
    _key("artifact_id"),
    sa.UniqueConstraint("context_id", "artifact_id"),
)
parent_context = _table(
    "ParentContext",
    _key("context_id"),
    _key("parent_context_id"),
    sa.PrimaryKeyConstraint("context_id", "parent_context_id"),
    sa.Index("idx_parentcontext_parent_context_id", "parent_context_id"),
)
