"""The metadata store: ML Metadata's data model as plain methods.

store = MetadataStore("sqlite:///metadata.db")
store.put_type(TypeSpec("Examples", TypeKind.ARTIFACT, {"span": PropertyType.INT}))
(artifact_id,) = store.put_artifacts([Artifact("Examples", uri="/data/1", state=ArtifactState.LIVE)])
store.artifacts(type="Examples", newest_first=True, limit=1)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import sqlalchemy as sa

from trueline.metadata import tables as t
from trueline.metadata.client_reads import ReadClient
from trueline.metadata.client_types import TypeClient
from trueline.metadata.client_writes import WriteClient
from trueline.metadata.database import Database
from trueline.metadata.edges import read_events
from trueline.metadata.list_options import filter_conditions, filtering
from trueline.metadata.node_rows import ARTIFACTS, CONTEXTS, EXECUTIONS, NodeKind, chunks, read_nodes
from trueline.metadata.records import (
    Artifact,
    ArtifactState,
    Context,
    Event,
    Execution,
    ExecutionState,
    TypeKind,
    TypeSpec,
)
from trueline.metadata.subgraph import LineageClient
from trueline.metadata.types import ensure_type, find_type, list_types

__all__ = ["MetadataStore"]

N = TypeVar("N", Artifact, Execution, Context)


class MetadataStore(TypeClient, WriteClient, ReadClient, LineageClient):
    """One metadata database.

    The methods come in two hands: trueline's own here (`artifacts(type=..., where=...)`), and those of ML Metadata's
    client by their names (`get_artifacts`, `put_lineage_subgraph`, ...), on records instead of protocol buffers.

    Args:
        location: a path (SQLite) or an SQLAlchemy URL.
        create: make the tables if the database is empty or absent.
        adopt: add trueline's own tables to a database that another program made.
        readonly: never write. A database of ML Metadata's that was not adopted is always opened so.
        upgrade: bring ML Metadata's tables of an older schema version to the newest; keep a copy first.

    Raises:
        MetadataError: no database, not a metadata database, or one of another schema version.
    """

    def __init__(
        self,
        location: str,
        *,
        create: bool = True,
        adopt: bool = False,
        readonly: bool = False,
        upgrade: bool = False,
    ) -> None:
        self.database = Database(str(location), create=create, adopt=adopt, readonly=readonly, upgrade=upgrade)

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
        where: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Artifact]:
        """Artifacts that meet every condition given, by id; unknown ids are left out.

        `where` is a filter in Python's syntax, such as ``properties['span'] >= 3 and state == LIVE``; see
        `trueline.metadata.filters_python`.
        """
        table, wanted = t.artifact, _common(t.artifact, type, name)
        if uri is not None:
            wanted.append(table.c.uri == uri)
        if state is not None:
            wanted.append(table.c.state == int(state))
        return self._chosen(ARTIFACTS, wanted, ids, where, newest_first, limit, context)

    def executions(
        self,
        *,
        ids: Iterable[int] | None = None,
        type: str | None = None,
        name: str | None = None,
        state: ExecutionState | None = None,
        context: int | None = None,
        where: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Execution]:
        """Executions that meet every condition given, by id; unknown ids are left out."""
        table, wanted = t.execution, _common(t.execution, type, name)
        if state is not None:
            wanted.append(table.c.last_known_state == int(state))
        return self._chosen(EXECUTIONS, wanted, ids, where, newest_first, limit, context)

    def contexts(
        self,
        *,
        ids: Iterable[int] | None = None,
        type: str | None = None,
        name: str | None = None,
        artifact: int | None = None,
        execution: int | None = None,
        where: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Context]:
        """Contexts that meet every condition given, by id; `artifact` and `execution` are ids of members."""
        table, wanted = t.context, _common(t.context, type, name)
        for member, links, column in (
            (artifact, t.attribution, "artifact_id"),
            (execution, t.association, "execution_id"),
        ):
            if member is not None:
                wanted.append(table.c.id.in_(sa.select(links.c.context_id).where(links.c[column] == member)))
        return self._chosen(CONTEXTS, wanted, ids, where, newest_first, limit)

    def _chosen(
        self,
        kind: NodeKind[N],
        wanted: list[sa.ColumnElement[bool]],
        ids: Iterable[int] | None,
        where: str | None,
        newest_first: bool,
        limit: int | None,
        context: int | None = None,
    ) -> list[N]:
        with self.database.read() as connection, filtering(where):
            conditions = wanted + filter_conditions(connection, kind, where=where)
            if ids is None:
                return read_nodes(
                    connection, kind, *conditions, newest_first=newest_first, limit=limit, context=context
                )
            key = kind.table.c.id
            parts = [read_nodes(connection, kind, *conditions, key.in_(part), context=context) for part in chunks(ids)]
        found = sorted((n for part in parts for n in part), key=lambda n: n.id or 0, reverse=newest_first)
        return found if limit is None else found[:limit]

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
    wanted: list[sa.ColumnElement[bool]] = []
    if type is not None:
        # Not by the join with Type: databases would begin there, and sort all nodes of the type.
        wanted.append(table.c.type_id.in_(sa.select(t.type_.c.id).where(t.type_.c.name == type)))
    if name is not None:
        wanted.append(table.c.name == name)
    return wanted


def _covers(stored: TypeSpec, wanted: TypeSpec) -> bool:
    same = all(stored.properties.get(name) is kind for name, kind in wanted.properties.items())
    return same and wanted.base in (None, stored.base)
