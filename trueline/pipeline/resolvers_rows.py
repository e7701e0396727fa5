"""How resolvers read the metadata tables: the newest first, in pages, so that a long history costs nothing.

An artifact counts for the executions that put it out, made anew or taken from the cache; where it was only looked up
(a resolver's output) it does not. "Last" is the newest of these executions: data that went back to what they were have
an old artifact, put out last by a new execution.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from trueline.metadata import tables as t
from trueline.metadata.database import Database
from trueline.metadata.node_rows import ARTIFACTS, chunks, read_nodes
from trueline.metadata.records import Artifact, ArtifactState, EventType, TypeKind

__all__ = ["PutOut", "Scope", "context_ids", "executions_in", "put_out", "read_artifacts", "type_ids"]

MADE = (int(EventType.OUTPUT), int(EventType.DECLARED_OUTPUT))
_FEW = 2000
_FIRST_PAGE = 50
_PAGE = 500


@dataclass(frozen=True)
class PutOut:
    """One execution put one artifact out."""

    artifact_id: int
    execution_id: int


@dataclass(frozen=True)
class Scope:
    """Which executions count: those in any of `contexts` (a pipeline, or its nodes), but for `without`."""

    contexts: tuple[int, ...]
    without: frozenset[int] = frozenset()
    output_key: str | None = None


def context_ids(connection: sa.Connection, kind: str, name: str, *, passes: bool = False) -> tuple[int, ...]:
    """Ids of the contexts of that type and name; with `passes` also those of a loop's passes, ``name[0]`` and on."""
    named = t.context.c.name == name
    if passes:
        named = named | t.context.c.name.startswith(f"{name}[", autoescape=True)
    query = (
        sa.select(t.context.c.id)
        .join(t.type_, t.type_.c.id == t.context.c.type_id)
        .where(t.type_.c.name == kind, t.type_.c.type_kind == int(TypeKind.CONTEXT), named)
    )
    return tuple(connection.execute(query.order_by(t.context.c.id)).scalars())


def executions_in(connection: sa.Connection, contexts: Sequence[int]) -> frozenset[int]:
    """The executions in some contexts."""
    query = sa.select(t.association.c.execution_id).where(t.association.c.context_id.in_(contexts))
    return frozenset(connection.execute(query).scalars()) if contexts else frozenset()


def type_ids(connection: sa.Connection, name: str) -> list[int]:
    """Ids of an artifact type, one for each of its versions."""
    query = sa.select(t.type_.c.id).where(t.type_.c.name == name, t.type_.c.type_kind == int(TypeKind.ARTIFACT))
    return list(connection.execute(query).scalars())


def put_out(database: Database, kind: str, scope: Scope) -> Iterator[list[PutOut]]:
    """LIVE artifacts of a type as executions put them out, the newest execution first, in pages.

    Where there are few artifacts of the type they are read at once; else executions are walked from the newest on.
    """
    with database.read() as connection:
        types = type_ids(connection, kind)
        if not types or not scope.contexts:
            return
        few = _is_few(connection, types)
        found = _page(connection, types, scope, t.association.c.context_id.in_(scope.contexts)) if few else []
    if few:
        yield found
        return
    before, size = None, _FIRST_PAGE
    while True:
        with database.read() as connection:
            walked = _walked(connection, scope, before, size)
            if not walked:
                return
            found = _page(connection, types, scope, t.event.c.execution_id.in_(walked), joined=False)
        before, size = walked[-1], _PAGE
        if found:
            yield found


def _walked(connection: sa.Connection, scope: Scope, before: int | None, size: int) -> list[int]:
    links = t.association.c
    query = sa.select(links.execution_id).where(links.context_id.in_(scope.contexts))
    if len(scope.contexts) > 1:
        query = query.distinct()
    if before is not None:
        query = query.where(links.execution_id < before)
    return list(connection.execute(query.order_by(links.execution_id.desc()).limit(size)).scalars())


def _is_few(connection: sa.Connection, types: Sequence[int]) -> bool:
    query = sa.select(t.artifact.c.id).where(t.artifact.c.type_id.in_(types)).limit(_FEW + 1)
    return len(connection.execute(query).all()) <= _FEW


def _page(
    connection: sa.Connection, types: Sequence[int], scope: Scope, where: sa.ColumnElement[bool], *, joined: bool = True
) -> list[PutOut]:
    source = t.event.join(t.artifact, t.artifact.c.id == t.event.c.artifact_id)
    if joined:
        source = source.join(t.association, t.association.c.execution_id == t.event.c.execution_id)
    query = (
        sa.select(t.event.c.id, t.event.c.artifact_id, t.event.c.execution_id)
        .distinct()
        .select_from(source)
        .where(
            where,
            t.event.c.type.in_(MADE),
            t.artifact.c.type_id.in_(types),
            t.artifact.c.state == int(ArtifactState.LIVE),
        )
        .order_by(t.event.c.execution_id.desc(), t.event.c.id.desc())
    )
    rows = [row for row in connection.execute(query) if row[2] not in scope.without]
    if scope.output_key is not None:
        named = _events_under(connection, [row[0] for row in rows], scope.output_key)
        rows = [row for row in rows if row[0] in named]
    return [PutOut(row[1], row[2]) for row in rows]


def _events_under(connection: sa.Connection, event_ids: Iterable[int], key: str) -> set[int]:
    found: set[int] = set()
    for part in chunks(event_ids):
        query = sa.select(t.event_path.c.event_id).where(
            t.event_path.c.event_id.in_(part), t.event_path.c.step_key == key
        )
        found.update(connection.execute(query).scalars())
    return found


def read_artifacts(connection: sa.Connection, ids: Iterable[int]) -> dict[int, Artifact]:
    """Artifacts by id, with their properties."""
    found: dict[int, Artifact] = {}
    for part in chunks(dict.fromkeys(ids)):
        for artifact in read_nodes(connection, ARTIFACTS, t.artifact.c.id.in_(part)):
            if artifact.id is not None:
                found[artifact.id] = artifact
    return found
