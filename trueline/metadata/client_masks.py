"""Updates of a node's single fields, and updates that must not run over another writer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa

from trueline._core.errors import MetadataError, did_you_mean
from trueline.metadata.node_rows import NodeKind, now_ms, put_node, read_nodes
from trueline.metadata.records import Artifact, Context, Execution, TypeKind

__all__ = ["check_unchanged", "put_masked", "put_touched"]

N = TypeVar("N", Artifact, Execution, Context)
_FIELDS: dict[TypeKind, dict[str, str]] = {
    TypeKind.ARTIFACT: {"uri": "uri", "state": "state"},
    TypeKind.EXECUTION: {"last_known_state": "state", "state": "state"},
    TypeKind.CONTEXT: {},
}
_COMMON = {"name": "name", "external_id": "external_id"}
_MAPS = ("properties", "custom_properties")


def put_masked(connection: sa.Connection, kind: NodeKind[N], node: N, paths: Sequence[str]) -> int:
    """Stores a node; of one that has an id only the fields that the paths name.

    Paths are `uri`, `state` (`last_known_state` of an execution), `external_id`, `properties`, `custom_properties`,
    `properties.p` and `custom_properties.p`. A property that is named but not given is deleted. A new node is stored
    whole.

    Raises:
        MetadataError: INVALID_ARGUMENT: an unknown path, type or id; else as `put_node`.
    """
    known: dict[str, str] = {**_COMMON, **_FIELDS[kind.kind]}
    for path in paths:
        if path not in known and path not in _MAPS and path.partition(".")[0] not in _MAPS:
            hint = did_you_mean(path, [*known, *_MAPS, "properties.p", "custom_properties.p"])
            raise MetadataError(f"{kind.word}s have no field {path!r}", hint=hint, code="INVALID_ARGUMENT")
    if node.id is None or not paths:
        return put_node(connection, kind, node)
    stored = _stored(connection, kind, node.id)
    if node.type and node.type != stored.type:
        problem = f"{kind.word} {node.id} has type {stored.type!r}; it cannot become {node.type!r}"
        raise MetadataError(problem, code="INVALID_ARGUMENT")
    changes: dict[str, Any] = {known[path]: getattr(node, known[path]) for path in paths if path in known}
    for field in _MAPS:
        changes[field] = _merged(field, getattr(stored, field), getattr(node, field), paths)
    return put_node(connection, kind, replace(stored, **changes))


def _merged(field: str, stored: Mapping[str, Any], given: Mapping[str, Any], paths: Sequence[str]) -> Mapping[str, Any]:
    if field in paths:
        return given
    named = {path.partition(".")[2] for path in paths if path.startswith(f"{field}.")}
    kept = {name: value for name, value in stored.items() if name not in named}
    return {**kept, **{name: value for name, value in given.items() if name in named}}


def _stored(connection: sa.Connection, kind: NodeKind[N], node_id: int) -> N:
    """The stored node, held against other writers until the transaction ends."""
    held = sa.select(kind.table.c.id).where(kind.table.c.id == node_id).with_for_update()
    if connection.execute(held).first() is None:
        raise MetadataError(f"there is no {kind.word} with id {node_id}", code="INVALID_ARGUMENT")
    return read_nodes(connection, kind, kind.table.c.id == node_id)[0]


def check_unchanged(connection: sa.Connection, kind: NodeKind[N], node: N) -> None:
    """Refuses to update a node that was updated since it was read.

    Raises:
        MetadataError: FAILED_PRECONDITION.
    """
    if node.id is None:
        return
    stored = _stored(connection, kind, node.id)
    if stored.updated != node.updated:
        raise MetadataError(
            f"{kind.word} {node.id} was updated by another writer since it was read",
            hint="read it again and repeat the change.",
            code="FAILED_PRECONDITION",
        )


def put_touched(connection: sa.Connection, kind: NodeKind[N], node: N) -> int:
    """Stores a node and moves its time of update, even if nothing changed."""
    before = _stored(connection, kind, node.id).updated if node.id is not None else 0
    node_id = put_node(connection, kind, node)
    column = kind.table.c.last_update_time_since_epoch
    stale = (kind.table.c.id == node_id, column <= before)
    connection.execute(kind.table.update().where(*stale).values({column.name: max(now_ms(), before + 1)}))
    return node_id
