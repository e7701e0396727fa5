"""The metadata store: ML Metadata's data model as plain methods.

store = MetadataStore("sqlite:///metadata.db")
store.put_type(TypeSpec("Examples", TypeKind.ARTIFACT, {"span": PropertyType.INT}))
(artifact_id,) = store.put_artifacts([Artifact("Examples", uri="/data/1", state=ArtifactState.LIVE)])
store.artifacts(type="Examples", newest_first=True, limit=1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import sqlalchemy as sa

from trueline.metadata import tables as t
from trueline.metadata.database import Database
from trueline.metadata.edges import insert_events, link_contexts, put_parent, read_events
from trueline.metadata.node_rows import ARTIFACTS, CONTEXTS, EXECUTIONS, chunks, put_node, read_nodes
from trueline.metadata.records import (
    Artifact,
    ArtifactState,
    Context,
    Event,
    EventType,
    Execution,
    ExecutionState,
    TypeKind,
    TypeSpec,
)
from trueline.metadata.types import ensure_type, find_type, list_types

__all__ = ["MetadataStore"]

T = TypeVar("T")
ArtifactEvent = tuple[Artifact | int, EventType, tuple[str | int, ...]]


class MetadataStore:
    """One metadata database.

    Args:
        location: a path (SQLite) or an SQLAlchemy URL.
        create: make the tables if the database is empty or absent.
        adopt: add trueline's own tables to a database that another program made.
        readonly: never write. A database of ML Metadata's that was not adopted is always opened so.

    Raises:
        MetadataError: no database, not a metadata database, or one of another schema version.
    """

    def __init__(self, location: str, *, create: bool = True, adopt: bool = False, readonly: bool = False) -> None:
        self.database = Database(str(location), create=create, adopt=adopt, readonly=readonly)

    @property
    def readonly(self) -> bool:
        """Whether writing is refused."""
        return self.database.readonly

    @property
    def url(self) -> str:
        """The database as an SQLAlchemy URL, password included: never for logs or artifacts."""
        return self.database.url

    def close(self) -> None:
        """Gives the connections back."""
        self.database.close()

    # -- types ------------------------------------------------------------------------------------------------------

    def put_type(self, spec: TypeSpec) -> int:
        """Creates the type or adds the properties that it lacks; returns its id.

        Raises:
            MetadataError: a property or the base type would change.
        """
        with self.database.read() as connection:
            stored = find_type(connection, spec.kind, spec.name, spec.version)
        if stored is not None and _covers(stored, spec):
            assert stored.id is not None
            return stored.id
        made = self.database.write(lambda connection: ensure_type(connection, spec))
        assert made.id is not None
        return made.id

    def type(self, kind: TypeKind, name: str, version: str | None = None) -> TypeSpec | None:
        """The type of that identity, or None."""
        with self.database.read() as connection:
            return find_type(connection, kind, name, version)

    def types(self, kind: TypeKind) -> list[TypeSpec]:
        """All types of a kind, without ML Metadata's base types."""
        with self.database.read() as connection:
            return list_types(connection, kind)

    # -- writing ----------------------------------------------------------------------------------------------------

    def put_artifacts(self, artifacts: Sequence[Artifact]) -> list[int]:
        """Inserts (no id) or replaces (id) artifacts in one transaction; their ids in order.

        Raises:
            MetadataError: see `trueline.metadata.node_rows.put_node`; then nothing is stored.
        """
        return self.database.write(lambda c: [put_node(c, ARTIFACTS, artifact) for artifact in artifacts])

    def put_executions(self, executions: Sequence[Execution]) -> list[int]:
        """The same for executions."""
        return self.database.write(lambda c: [put_node(c, EXECUTIONS, execution) for execution in executions])

    def put_contexts(self, contexts: Sequence[Context]) -> list[int]:
        """The same for contexts; one that exists by type and name is used as it is."""
        return self.database.write(lambda c: [_context_id(c, context) for context in contexts])

    def put_execution(
        self,
        execution: Execution,
        artifacts: Iterable[ArtifactEvent] = (),
        contexts: Iterable[Context] = (),
        also: Callable[[sa.Connection, int, list[int]], None] | None = None,
    ) -> tuple[int, list[int], list[int]]:
        """An execution with the artifacts it met and the contexts of all of them, in one transaction.

        Args:
            execution: inserted, or replaced if it has an id.
            artifacts: (artifact or the id of a stored one, event type, path).
            contexts: found by type and name, or made; execution and artifacts are linked to all of them.
            also: further writes of the same transaction: (connection, execution id, artifact ids).

        Returns:
            Ids of the execution, the artifacts and the contexts.

        Raises:
            MetadataError: then nothing at all is stored.
        """
        listed, grouped = list(artifacts), list(contexts)

        def work(connection: sa.Connection) -> tuple[int, list[int], list[int]]:
            artifact_ids = [a if isinstance(a, int) else put_node(connection, ARTIFACTS, a) for a, _, _ in listed]
            execution_id = put_node(connection, EXECUTIONS, execution)
            events = [
                Event(artifact_id, execution_id, kind, path)
                for artifact_id, (_, kind, path) in zip(artifact_ids, listed, strict=True)
            ]
            insert_events(connection, events)
            context_ids = [_context_id(connection, context) for context in grouped]
            link_contexts(connection, context_ids, artifact_ids, [execution_id])
            if also is not None:
                also(connection, execution_id, artifact_ids)
            return execution_id, artifact_ids, context_ids

        return self.database.write(work)

    def put_events(self, events: Sequence[Event]) -> None:
        """New events.

        Raises:
            MetadataError: an event of that artifact, execution and type exists: events never change.
        """
        self.database.write(lambda connection: insert_events(connection, events))

    def put_attributions_and_associations(
        self, context_id: int, artifact_ids: Sequence[int] = (), execution_ids: Sequence[int] = ()
    ) -> None:
        """Puts artifacts and executions into a context; those that are in it already stay."""
        self.database.write(lambda c: link_contexts(c, [context_id], artifact_ids, execution_ids))

    def put_parent_context(self, child_id: int, parent_id: int) -> None:
        """Makes one context the parent of another; again is no error.

        Raises:
            MetadataError: it would close a circle.
        """
        self.database.write(lambda connection: put_parent(connection, child_id, parent_id))

    # -- reading ----------------------------------------------------------------------------------------------------

    def artifacts(
        self,
        *,
        ids: Iterable[int] | None = None,
        type: str | None = None,
        name: str | None = None,
        uri: str | None = None,
        state: ArtifactState | None = None,
        context: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Artifact]:
        """Artifacts that meet every condition given, by id; unknown ids are left out."""
        table, where = t.artifact, _common(t.artifact, type, name)
        if uri is not None:
            where.append(table.c.uri == uri)
        if state is not None:
            where.append(table.c.state == int(state))
        if context is not None:
            inside = sa.select(t.attribution.c.artifact_id).where(t.attribution.c.context_id == context)
            where.append(table.c.id.in_(inside))
        with self.database.read() as connection:
            if ids is None:
                return read_nodes(connection, ARTIFACTS, *where, newest_first=newest_first, limit=limit)
            parts = [read_nodes(connection, ARTIFACTS, *where, table.c.id.in_(part)) for part in chunks(ids)]
        return _joined(parts, newest_first, limit)

    def executions(
        self,
        *,
        ids: Iterable[int] | None = None,
        type: str | None = None,
        name: str | None = None,
        state: ExecutionState | None = None,
        context: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Execution]:
        """Executions that meet every condition given, by id; unknown ids are left out."""
        table, where = t.execution, _common(t.execution, type, name)
        if state is not None:
            where.append(table.c.last_known_state == int(state))
        if context is not None:
            inside = sa.select(t.association.c.execution_id).where(t.association.c.context_id == context)
            where.append(table.c.id.in_(inside))
        with self.database.read() as connection:
            if ids is None:
                return read_nodes(connection, EXECUTIONS, *where, newest_first=newest_first, limit=limit)
            parts = [read_nodes(connection, EXECUTIONS, *where, table.c.id.in_(part)) for part in chunks(ids)]
        return _joined(parts, newest_first, limit)

    def contexts(
        self,
        *,
        ids: Iterable[int] | None = None,
        type: str | None = None,
        name: str | None = None,
        artifact: int | None = None,
        execution: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Context]:
        """Contexts that meet every condition given, by id; `artifact` and `execution` are ids of members."""
        table, where = t.context, _common(t.context, type, name)
        for member, links, column in (
            (artifact, t.attribution, "artifact_id"),
            (execution, t.association, "execution_id"),
        ):
            if member is not None:
                where.append(table.c.id.in_(sa.select(links.c.context_id).where(links.c[column] == member)))
        if ids is not None:
            where.append(table.c.id.in_(list(ids)))
        with self.database.read() as connection:
            return read_nodes(connection, CONTEXTS, *where, newest_first=newest_first, limit=limit)

    def parents(self, context_id: int) -> list[Context]:
        """Parent contexts."""
        return self._relatives(t.parent_context.c.parent_context_id, t.parent_context.c.context_id == context_id)

    def children(self, context_id: int) -> list[Context]:
        """Child contexts."""
        return self._relatives(t.parent_context.c.context_id, t.parent_context.c.parent_context_id == context_id)

    def _relatives(self, wanted: sa.ColumnElement[int], condition: sa.ColumnElement[bool]) -> list[Context]:
        with self.database.read() as connection:
            return read_nodes(connection, CONTEXTS, t.context.c.id.in_(sa.select(wanted).where(condition)))

    def events(
        self, *, artifact_ids: Iterable[int] | None = None, execution_ids: Iterable[int] | None = None
    ) -> list[Event]:
        """Events of the given artifacts or executions (one of the two), by id."""
        with self.database.read() as connection:
            return read_events(connection, artifact_ids=artifact_ids, execution_ids=execution_ids)


def _common(table: sa.Table, type: str | None, name: str | None) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if type is not None:
        where.append(t.type_.c.name == type)
    if name is not None:
        where.append(table.c.name == name)
    return where


def _joined(parts: list[list[T]], newest_first: bool, limit: int | None) -> list[T]:
    found = sorted((n for part in parts for n in part), key=lambda n: n.id, reverse=newest_first)  # type: ignore[attr-defined]
    return found[:limit] if limit is not None else found


def _covers(stored: TypeSpec, wanted: TypeSpec) -> bool:
    same = all(stored.properties.get(name) is kind for name, kind in wanted.properties.items())
    return same and wanted.base in (None, stored.base)


def _context_id(connection: sa.Connection, context: Context) -> int:
    """The id of a context that is found by type and name, or made."""
    if context.id is None:
        found = read_nodes(connection, CONTEXTS, t.type_.c.name == context.type, t.context.c.name == context.name)
        if found:
            assert found[0].id is not None
            return found[0].id
    return put_node(connection, CONTEXTS, context)
