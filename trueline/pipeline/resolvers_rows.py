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

__all__ = ["MADE", "PutOut", "Scope", "context_ids", "executions_in", "made_events", "put_out", "read_artifacts"]

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


def context_ids(connection: sa.Connection, kind: str, name: str) -> tuple[int, ...]:
    """Ids of the contexts of that type and name: one, or none."""
    query = (
        sa.select(t.context.c.id)
        .join(t.type_, t.type_.c.id == t.context.c.type_id)
        .where(t.type_.c.name == kind, t.type_.c.type_kind == int(TypeKind.CONTEXT), t.context.c.name == name)
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
    Each question asks one table by one of its keys: a join would leave it to the database's guess where to begin.
    """
    with database.read() as connection:
        types = type_ids(connection, kind)
        if not types or not scope.contexts:
            return
        query = sa.select(t.artifact.c.id).where(t.artifact.c.type_id.in_(types)).limit(_FEW + 1)
        few = list(connection.execute(query).scalars())
        if len(few) <= _FEW:
            events = made_events(connection, scope, t.event.c.artifact_id, few)
            found = _put_out(connection, types, events)
    if len(few) <= _FEW:
        yield found
        return
    before, size = None, _FIRST_PAGE
    while True:
        with database.read() as connection:
            walked = _walked(connection, scope, before, size)
            if not walked:
                return
            fresh = [execution for execution in walked if execution not in scope.without]
            events = made_events(connection, scope, t.event.c.execution_id, fresh, inside=True)
            found = _put_out(connection, types, events)
        before, size = walked[-1], _PAGE
        if found:
            yield found


def _walked(connection: sa.Connection, scope: Scope, before: int | None, size: int) -> list[int]:
    links = t.association.c
    query = sa.select(links.execution_id).where(links.context_id.in_(scope.contexts))
    if before is not None:
        query = query.where(links.execution_id < before)
    return list(connection.execute(query.order_by(links.execution_id.desc()).limit(size)).scalars())


def made_events(
    connection: sa.Connection, scope: Scope, column: sa.Column[int], ids: Iterable[int], *, inside: bool = False
) -> list[tuple[int, int, int]]:
    """(event id, artifact id, execution id) of what executions of the scope put out.

    Args:
        connection: the database.
        scope: which executions and which output.
        column: the column of events that `ids` are of.
        ids: artifacts or executions.
        inside: whether the executions are known to be in the scope.
    """
    found: list[tuple[int, int, int]] = []
    for part in chunks(ids):
        query = sa.select(t.event.c.id, t.event.c.artifact_id, t.event.c.execution_id, t.event.c.type)
        rows = connection.execute(query.where(column.in_(part))).all()
        found += [(row[0], row[1], row[2]) for row in rows if row[3] in MADE]
    if not inside:
        here = _of_scope(connection, scope, {row[2] for row in found})
        found = [row for row in found if row[2] in here]
    if scope.output_key is not None:
        named = _events_under(connection, [row[0] for row in found], scope.output_key)
        found = [row for row in found if row[0] in named]
    return found


def _of_scope(connection: sa.Connection, scope: Scope, executions: Iterable[int]) -> set[int]:
    found: set[int] = set()
    links = t.association.c
    for part in chunks(executions):
        query = sa.select(links.execution_id).where(links.context_id.in_(scope.contexts), links.execution_id.in_(part))
        found.update(connection.execute(query).scalars())
    return found - scope.without


def _put_out(connection: sa.Connection, types: Sequence[int], events: Sequence[tuple[int, int, int]]) -> list[PutOut]:
    wanted, live = set(types), set[int]()
    for part in chunks({row[1] for row in events}):
        query = sa.select(t.artifact.c.id, t.artifact.c.type_id, t.artifact.c.state).where(t.artifact.c.id.in_(part))
        rows = connection.execute(query).all()
        live.update(row[0] for row in rows if row[1] in wanted and row[2] == int(ArtifactState.LIVE))
    ordered = sorted((row for row in events if row[1] in live), key=lambda row: (row[2], row[0]), reverse=True)
    return [PutOut(artifact_id, execution_id) for _, artifact_id, execution_id in ordered]


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
