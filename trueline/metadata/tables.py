"""ML Metadata's tables, schema version 10, as its own library creates them: same names, types, keys and indices.

Table names are written without quotes, as its library does: PostgreSQL stores them in lower case. Three things differ,
which its client does not notice: integers of properties have 64 bits everywhere (its MySQL and PostgreSQL columns have
32), PostgreSQL's index of texts holds their first 255 letters (its own refuses long texts), and ``EventPath`` has a
column more on PostgreSQL and MySQL that keeps the order of a path's steps. On MySQL names are compared byte by byte,
so that two names that differ in their case are two, as on the other databases.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import UserDefinedType

__all__ = [
    "MLMD_VERSION",
    "MYSQL",
    "PATH_ORDER",
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
MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
"""Options of every table on MySQL."""
PATH_ORDER = "trueline_order"
"""The column of EventPath that numbers steps, on PostgreSQL and MySQL; SQLite has its rowid."""
metadata = sa.MetaData()


class _Verbatim(UserDefinedType[Any]):
    """A column type written into DDL exactly so."""

    cache_ok = True

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def get_col_spec(self, **_: Any) -> str:
        return self.spec


def _int() -> sa.types.TypeEngine[Any]:
    # The values that are bound have 64 bits: to ask for an id that no column can hold finds nothing, and is no error.
    return sa.BigInteger().with_variant(_Verbatim("INT"), "sqlite", "postgresql", "mysql")


def _long() -> sa.types.TypeEngine[Any]:
    return sa.BigInteger().with_variant(_Verbatim("INT"), "sqlite")


def _flag() -> sa.types.TypeEngine[Any]:
    return sa.Boolean().with_variant(_Verbatim("TINYINT(1)"), "sqlite", "mysql")


def _kind() -> sa.types.TypeEngine[Any]:
    return sa.SmallInteger().with_variant(_Verbatim("TINYINT(1)"), "sqlite", "mysql")


def _id() -> sa.Column[int]:
    # ML Metadata declares no NOT NULL on SQLite keys; an autoincrement key is never null anyway.
    kind = sa.BigInteger().with_variant(_Verbatim("INT"), "postgresql").with_variant(sa.Integer(), "sqlite", "mysql")
    return sa.Column("id", kind, primary_key=True, autoincrement=True, nullable=True)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, _int(), nullable=False)


def _name(nullable: bool = True) -> sa.Column[str]:
    return sa.Column("name", sa.String(255), nullable=nullable)


def _times() -> list[sa.Column[int]]:
    return [
        sa.Column(name, _long(), nullable=False, server_default=sa.text("0"))
        for name in ("create_time_since_epoch", "last_update_time_since_epoch")
    ]


def _table(name: str, *items: Any) -> sa.Table:
    numbered = any(getattr(item, "name", "") == "id" for item in items)
    return sa.Table(name, metadata, *items, sqlite_autoincrement=numbered, quote=False, **MYSQL)


env = _table("MLMDEnv", sa.Column("schema_version", sa.Integer, primary_key=True, autoincrement=False, nullable=True))

type_ = _table(
    "Type",
    _id(),
    _name(nullable=False),
    sa.Column("version", sa.String(255)),
    sa.Column("type_kind", _kind(), nullable=False),
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


def _value_index(table: sa.Table, name: str, kind: str) -> None:
    value = table.c[f"{kind}_value"]
    columns = (table.c.name, table.c.is_custom_property)
    if kind != "string":
        sa.Index(name, *columns, value, sqlite_where=value.is_not(None))
        return
    # A key of PostgreSQL's index has at most 2,704 bytes, one of MySQL's 3,072: long texts are kept by their beginning.
    beginning = sa.func.left(value, sa.literal_column("255"))
    sa.Index(name, *columns, beginning, _table=table).ddl_if(dialect="postgresql")
    sa.Index(name, *columns, value, sqlite_where=value.is_not(None)).ddl_if(dialect="sqlite")
    sa.Index(name, *columns, value, mysql_length={"string_value": 255}).ddl_if(dialect="mysql")


def _property_table(node: str) -> sa.Table:
    low = node.lower()
    table = _table(
        f"{node}Property",
        _key(f"{low}_id"),
        _name(nullable=False),
        sa.Column("is_custom_property", _flag(), nullable=False),
        sa.Column("int_value", _long()),
        sa.Column("double_value", sa.Double),
        sa.Column("string_value", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")),
        sa.Column("byte_value", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql")),
        sa.Column("proto_value", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql")),
        sa.Column("bool_value", sa.Boolean),
        sa.PrimaryKeyConstraint(f"{low}_id", "name", "is_custom_property"),
    )
    for kind in ("int", "double", "string"):
        _value_index(table, f"idx_{low}_property_{kind}", kind)
    return table


properties = {name: _property_table(name) for name in ("Artifact", "Execution", "Context")}
nodes = {"Artifact": artifact, "Execution": execution, "Context": context}

event = _table(
    "Event",
    _id(),
    _key("artifact_id"),
    _key("execution_id"),
    sa.Column("type", _int(), nullable=False),
    sa.Column("milliseconds_since_epoch", _long()),
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
