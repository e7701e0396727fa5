"""Artifacts, executions and contexts share their shape: one description of each, one way to write and read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from trueline._core.errors import MetadataError, did_you_mean
from trueline.metadata.inserts import insert_one, insert_rows
from trueline.metadata.records import (
    Artifact,
    ArtifactState,
    Context,
    Execution,
    ExecutionState,
    PropertyValue,
    TypeKind,
    TypeSpec,
)
from trueline.metadata.rows import PROPERTY_COLUMNS, check_properties, property_columns, property_value
from trueline.metadata.tables import artifact, association, attribution, context, execution, properties, type_
from trueline.metadata.types import find_type, list_types, load_type

__all__ = [
    "ARTIFACTS",
    "CONTEXTS",
    "EXECUTIONS",
    "NodeKind",
    "chunks",
    "find_contexts",
    "now_ms",
    "put_node",
    "read_nodes",
]

N = TypeVar("N", Artifact, Execution, Context)


@dataclass(frozen=True)
class NodeKind(Generic[N]):
    """How one of the three kinds of node lies in its tables."""

    word: str
    kind: TypeKind
    table: sa.Table
    properties: sa.Table
    id_column: str
    own_columns: Callable[[N], dict[str, Any]]
    make: Callable[[Mapping[str, Any], dict[str, Any]], N]


ARTIFACTS: NodeKind[Artifact] = NodeKind(
    "artifact",
    TypeKind.ARTIFACT,
    artifact,
    properties["Artifact"],
    "artifact_id",
    lambda node: {"uri": node.uri, "state": int(node.state)},
    lambda row, rest: Artifact(uri=row["uri"], state=ArtifactState(row["state"] or 0), **rest),
)
EXECUTIONS: NodeKind[Execution] = NodeKind(
    "execution",
    TypeKind.EXECUTION,
    execution,
    properties["Execution"],
    "execution_id",
    lambda node: {"last_known_state": int(node.state)},
    lambda row, rest: Execution(state=ExecutionState(row["last_known_state"] or 0), **rest),
)
CONTEXTS: NodeKind[Context] = NodeKind(
    "context",
    TypeKind.CONTEXT,
    context,
    properties["Context"],
    "context_id",
    lambda node: {},
    lambda row, rest: Context(**rest),
)


_LINKS = {"artifact": attribution, "execution": association}
_AT_ONCE = 500
_COMMON = ("type_id", "name", "external_id", "create_time_since_epoch", "last_update_time_since_epoch")


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def put_node(connection: sa.Connection, kind: NodeKind[N], node: N) -> int:
    """Inserts a node without an id, replaces one with an id; returns the id.

    A replacement that changes nothing leaves the time of update alone. As in ML Metadata, an update deletes
    properties that are left out.

    Raises:
        MetadataError: unknown type or id, properties that do not fit, a name or external id that is taken, or a
            changed name or type (neither can ever change).
    """
    what = f"{kind.word} {node.name or node.id or node.type!r}"
    spec = _spec_of(connection, kind, node)
    try:
        declared = check_properties(spec, node.properties, node.custom_properties, what)
    except MetadataError:
        _forget_types(connection)  # another process may have added the property since
        spec = _spec_of(connection, kind, node)
        declared = check_properties(spec, node.properties, node.custom_properties, what)
    try:
        if node.id is None:
            return _insert(connection, kind, node, spec, declared)
        return _update(connection, kind, node, spec, declared)
    except IntegrityError as error:
        raise MetadataError(
            f"{what} cannot be stored: its name or external id is taken",
            hint=f"names are unique within type {spec.name!r}, external ids everywhere.",
            code="ALREADY_EXISTS",
        ) from error


def _spec_of(connection: sa.Connection, kind: NodeKind[N], node: N) -> TypeSpec:
    """The node's type. Those that were looked up before are remembered: types never change but for new properties."""
    remembered: dict[tuple[TypeKind, int | str], TypeSpec] = connection.get_execution_options().get(
        "trueline_types", {}
    )
    key = (kind.kind, node.type_id or node.type)
    found = remembered.get(key)
    if found is None:
        found = load_type(connection, node.type_id) if node.type_id else find_type(connection, kind.kind, node.type)
    if found is None or found.id is None:
        known = [spec.name for spec in list_types(connection, kind.kind)]
        hint = did_you_mean(node.type, known)
        raise MetadataError(f"there is no {kind.word} type {node.type!r}", hint=hint, code="NOT_FOUND")
    remembered[key] = found
    return found


def _forget_types(connection: sa.Connection) -> None:
    connection.get_execution_options().get("trueline_types", {}).clear()


_NAMED = sa.select(context.c.id, context.c.type_id, context.c.name).where(
    context.c.type_id.in_(sa.bindparam("types", expanding=True)),
    context.c.name.in_(sa.bindparam("names", expanding=True)),
)


def find_contexts(connection: sa.Connection, contexts: Iterable[Context]) -> dict[tuple[str, str], int]:
    """Ids of stored contexts by type and name, in one query."""
    wanted = {(_spec_of(connection, CONTEXTS, one).id, one.name): (one.type, one.name) for one in contexts}
    sought = {"types": [type_id for type_id, _ in wanted], "names": [name for _, name in wanted]}
    rows = connection.execute(_NAMED, sought) if wanted else ()
    return {wanted[row[1], row[2]]: int(row[0]) for row in rows if (row[1], row[2]) in wanted}


def _insert(
    connection: sa.Connection, kind: NodeKind[N], node: N, spec: TypeSpec, declared: Mapping[str, PropertyValue]
) -> int:
    now = now_ms()
    own: dict[str, Any] = kind.own_columns(node)
    row: tuple[Any, ...] = (spec.id, node.name, node.external_id, now, now, *own.values())
    node_id = insert_one(connection, kind.table, (*_COMMON, *own), row)
    _write_properties(connection, kind, node_id, declared, node.custom_properties)
    return node_id


def _update(
    connection: sa.Connection, kind: NodeKind[N], node: N, spec: TypeSpec, declared: Mapping[str, PropertyValue]
) -> int:
    assert node.id is not None
    stored = next(iter(read_nodes(connection, kind, kind.table.c.id == node.id)), None)
    if stored is None:
        raise MetadataError(f"there is no {kind.word} with id {node.id}", code="INVALID_ARGUMENT")
    if stored.type_id != spec.id:
        problem = f"{kind.word} {node.id} has type {stored.type!r}; it cannot become {spec.name!r}"
        raise MetadataError(problem, code="INVALID_ARGUMENT")
    if node.name is not None and node.name != stored.name:
        problem = f"{kind.word} {node.id} is called {stored.name!r}; names never change"
        raise MetadataError(problem, code="INVALID_ARGUMENT")
    own = {**kind.own_columns(node), "external_id": node.external_id}
    changed = own != {**kind.own_columns(stored), "external_id": stored.external_id}
    new_properties = dict(declared) != dict(stored.properties) or dict(node.custom_properties) != dict(
        stored.custom_properties
    )
    if not changed and not new_properties:
        return node.id
    # A clock that stands still or runs back must not hide that something changed.
    own["last_update_time_since_epoch"] = max(now_ms(), stored.updated + 1)
    connection.execute(kind.table.update().where(kind.table.c.id == node.id).values(**own))
    if new_properties:
        connection.execute(kind.properties.delete().where(kind.properties.c[kind.id_column] == node.id))
        _write_properties(connection, kind, node.id, declared, node.custom_properties)
    return node.id


def _write_properties(
    connection: sa.Connection,
    kind: NodeKind[N],
    node_id: int,
    declared: Mapping[str, PropertyValue],
    custom: Mapping[str, PropertyValue],
) -> None:
    rows: list[tuple[Any, ...]] = []
    for flag, values in ((False, declared), (True, custom)):
        for name, value in values.items():
            columns: dict[str, Any] = property_columns(value)
            rows.append((node_id, name, flag, *columns.values()))
    insert_rows(connection, kind.properties, (kind.id_column, "name", "is_custom_property", *PROPERTY_COLUMNS), rows)


def read_nodes(
    connection: sa.Connection,
    kind: NodeKind[N],
    *conditions: sa.ColumnElement[bool],
    newest_first: bool = False,
    limit: int | None = None,
    context: int | None = None,
) -> list[N]:
    """Nodes that meet all conditions, by id; with `context` (of artifacts and executions) those inside it alone."""
    query = sa.select(kind.table, type_.c.name.label("type_name")).join(type_, type_.c.id == kind.table.c.type_id)
    key = kind.table.c.id
    if context is not None:
        # Along the link's own key the newest come first, without a look at all the others.
        link = _LINKS[kind.word]
        key = link.c[kind.id_column]
        query = query.join(link, key == kind.table.c.id).where(link.c.context_id == context)
    order = key.desc() if newest_first else key
    if limit is not None:
        # Ids first, which lie in the keys themselves: sorting whole rows of a large type takes three times as long.
        chosen = query.with_only_columns(kind.table.c.id).where(*conditions).order_by(order).limit(limit)
        ids = list(connection.execute(chosen).scalars())
        if len(ids) <= _AT_ONCE:
            query, conditions, limit = query.where(kind.table.c.id.in_(ids)), (), None
    rows = connection.execute(query.where(*conditions).order_by(order).limit(limit)).mappings().all()
    values = _properties_of(connection, kind, [row["id"] for row in rows])
    made = []
    for row in rows:
        declared, custom = values.get(row["id"], ({}, {}))
        rest = {
            "type": row["type_name"],
            "name": row["name"],
            "properties": declared,
            "custom_properties": custom,
            "external_id": row["external_id"],
            "id": row["id"],
            "type_id": row["type_id"],
            "created": row["create_time_since_epoch"],
            "updated": row["last_update_time_since_epoch"],
        }
        made.append(kind.make(dict(row), rest))
    return made


def _properties_of(
    connection: sa.Connection, kind: NodeKind[Any], ids: Sequence[int]
) -> dict[int, tuple[dict[str, PropertyValue], dict[str, PropertyValue]]]:
    found: dict[int, tuple[dict[str, PropertyValue], dict[str, PropertyValue]]] = {}
    key = kind.properties.c[kind.id_column]
    for part in chunks(ids):
        query = sa.select(kind.properties).where(key.in_(part)).order_by(key, kind.properties.c.name)
        for row in connection.execute(query).mappings():
            pair = found.setdefault(row[kind.id_column], ({}, {}))
            value = property_value(dict(row))
            if value is not None:
                pair[1 if row["is_custom_property"] else 0][row["name"]] = value
    return found


def chunks(ids: Iterable[int], size: int = 500) -> Iterable[list[int]]:
    """Ids in portions that fit a statement's limit on bound values."""
    listed = list(ids)
    return (listed[i : i + size] for i in range(0, len(listed), size))
