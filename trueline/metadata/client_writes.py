"""The store's writing methods: nodes, events and links, with the names of ML Metadata's client.

Where the two differ: a changed name is an error here, which ML Metadata passes over in silence; contexts that exist by
type and name are used as they are unless told otherwise; paths of a field mask are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata import tables as t
from trueline.metadata.client_masks import check_unchanged, put_masked, put_touched
from trueline.metadata.database import Database
from trueline.metadata.edges import insert_events, link_contexts, put_parent
from trueline.metadata.links import ParentContext
from trueline.metadata.node_rows import ARTIFACTS, CONTEXTS, EXECUTIONS, NodeKind, find_contexts, put_node, read_nodes
from trueline.metadata.records import Artifact, Context, Event, EventType, Execution

__all__ = ["ArtifactEvent", "EventEdge", "WriteClient"]

N = TypeVar("N", Artifact, Execution, Context)
ArtifactEvent = tuple[Artifact | int, EventType | None, tuple[str | int, ...]]
EventEdge = tuple[int | None, int | None, Event]


class WriteClient:
    """Everything that writes nodes and links; each method is one transaction."""

    database: Database

    def put_artifacts(
        self,
        artifacts: Sequence[Artifact],
        *,
        field_mask_paths: Sequence[str] = (),
        abort_if_latest_updated_time_changed: bool = False,
    ) -> list[int]:
        """Inserts (no id) or replaces (id) artifacts; their ids in order.

        Args:
            artifacts: what is stored.
            field_mask_paths: of those that exist, only these fields are updated; see `client_masks.put_masked`.
            abort_if_latest_updated_time_changed: those that exist must be as they were read: their `updated` is that
                of the store.

        Raises:
            MetadataError: FAILED_PRECONDITION where another writer was faster; else see
                `trueline.metadata.node_rows.put_node`. Then nothing is stored.
        """

        def work(connection: sa.Connection) -> list[int]:
            if abort_if_latest_updated_time_changed:
                for artifact in artifacts:
                    check_unchanged(connection, ARTIFACTS, artifact)
            return _put_all(connection, ARTIFACTS, artifacts, field_mask_paths)

        return self.database.write(work)

    def put_executions(self, executions: Sequence[Execution], *, field_mask_paths: Sequence[str] = ()) -> list[int]:
        """The same for executions."""
        return self.database.write(lambda c: _put_all(c, EXECUTIONS, executions, field_mask_paths))

    def put_contexts(self, contexts: Sequence[Context], *, field_mask_paths: Sequence[str] = ()) -> list[int]:
        """The same for contexts; one that exists by type and name is used as it is."""
        return self.database.write(lambda c: [_context_id(c, context, mask=field_mask_paths) for context in contexts])

    def put_execution(
        self,
        execution: Execution,
        artifacts: Iterable[ArtifactEvent] = (),
        contexts: Iterable[Context] = (),
        also: Callable[[sa.Connection, int, list[int]], None] | None = None,
        *,
        reuse_context_if_already_exist: bool = True,
        reuse_artifact_if_already_exist_by_external_id: bool = False,
        force_reuse_context: bool = False,
        force_update_time: bool = False,
    ) -> tuple[int, list[int], list[int]]:
        """An execution with the artifacts it met and the contexts of all of them, in one transaction.

        Args:
            execution: inserted, or replaced if it has an id.
            artifacts: (artifact or the id of a stored one, event type or None for no event, path).
            contexts: found by type and name, or made; execution and artifacts are linked to all of them.
            also: further writes of the same transaction: (connection, execution id, artifact ids).
            reuse_context_if_already_exist: off, a context without id must be new.
            reuse_artifact_if_already_exist_by_external_id: an artifact whose external id is stored updates that one.
            force_reuse_context: contexts with an id are linked and not updated.
            force_update_time: the execution's time of update moves, even if nothing changed.

        Returns:
            Ids of the execution, the artifacts and the contexts.

        Raises:
            MetadataError: then nothing at all is stored.
        """
        listed, grouped = list(artifacts), list(contexts)
        by_external_id = reuse_artifact_if_already_exist_by_external_id

        def work(connection: sa.Connection) -> tuple[int, list[int], list[int]]:
            artifact_ids = [
                a if isinstance(a, int) else _artifact_id(connection, a, by_external_id) for a, _, _ in listed
            ]
            put = put_touched if force_update_time else put_node
            execution_id = put(connection, EXECUTIONS, execution)
            events = [
                Event(artifact_id, execution_id, kind, path)
                for artifact_id, (_, kind, path) in zip(artifact_ids, listed, strict=True)
                if kind is not None
            ]
            given = [key for key, (a, _, _) in zip(artifact_ids, listed, strict=True) if not isinstance(a, int)]
            new = execution.id is None
            insert_events(connection, events, artifacts=given, execution=execution_id, new=new)
            context_ids = _context_ids(connection, grouped, reuse_context_if_already_exist, force_reuse_context)
            link_contexts(connection, context_ids, artifact_ids, [execution_id], new=[execution_id] if new else ())
            if also is not None:
                also(connection, execution_id, artifact_ids)
            return execution_id, artifact_ids, context_ids

        return self.database.write(work)

    def put_lineage_subgraph(
        self,
        executions: Sequence[Execution],
        artifacts: Sequence[Artifact],
        contexts: Sequence[Context],
        event_edges: Sequence[EventEdge],
        *,
        reuse_context_if_already_exist: bool = True,
        reuse_artifact_if_already_exist_by_external_id: bool = False,
    ) -> tuple[list[int], list[int], list[int]]:
        """Executions, artifacts, contexts and events in one transaction; every context holds all the nodes.

        Args:
            executions: inserted, or replaced if they have ids.
            artifacts: the same.
            contexts: as in `put_execution`.
            event_edges: (index into `executions`, index into `artifacts`, event). An index of None takes the id that
                the event has; with an index the event's id is 0 or the same.
            reuse_context_if_already_exist: see `put_execution`.
            reuse_artifact_if_already_exist_by_external_id: see `put_execution`.

        Returns:
            Ids of the executions, the artifacts and the contexts, in order.

        Raises:
            MetadataError: OUT_OF_RANGE: an index beyond its list; INVALID_ARGUMENT: an end is missing or contradicts
                the event; else as `put_execution`. Then nothing at all is stored.
        """

        def work(connection: sa.Connection) -> tuple[list[int], list[int], list[int]]:
            by_external_id = reuse_artifact_if_already_exist_by_external_id
            artifact_ids = [_artifact_id(connection, artifact, by_external_id) for artifact in artifacts]
            execution_ids = [put_node(connection, EXECUTIONS, execution) for execution in executions]
            events = []
            for execution_index, artifact_index, event in event_edges:
                artifact_id = _end("artifact", artifact_index, artifact_ids, event.artifact_id)
                execution_id = _end("execution", execution_index, execution_ids, event.execution_id)
                events.append(replace(event, artifact_id=artifact_id, execution_id=execution_id))
            insert_events(connection, events)
            context_ids = [_context_id(connection, c, reuse=reuse_context_if_already_exist) for c in contexts]
            link_contexts(connection, context_ids, artifact_ids, execution_ids)
            return execution_ids, artifact_ids, context_ids

        return self.database.write(work)

    def put_events(self, events: Sequence[Event]) -> None:
        """New events.

        Raises:
            MetadataError: ALREADY_EXISTS: an event of that artifact, execution and type is there, and events never
                change; INVALID_ARGUMENT: an end is not there.
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

    def put_parent_contexts(self, parent_contexts: Sequence[ParentContext]) -> None:
        """Makes contexts parents of others.

        Raises:
            MetadataError: ALREADY_EXISTS: a pair is there; INVALID_ARGUMENT: a circle, or a context that is not there.
                Then nothing is stored.
        """

        def work(connection: sa.Connection) -> None:
            links = t.parent_context.c
            for pair in parent_contexts:
                same = (links.context_id == pair.child_id, links.parent_context_id == pair.parent_id)
                if connection.execute(sa.select(links.context_id).where(*same)).first() is not None:
                    problem = f"context {pair.parent_id} is a parent of context {pair.child_id} already"
                    raise MetadataError(problem, code="ALREADY_EXISTS")
                put_parent(connection, pair.child_id, pair.parent_id)

        self.database.write(work)


def _put_all(connection: sa.Connection, kind: NodeKind[N], nodes: Sequence[N], mask: Sequence[str]) -> list[int]:
    if not mask:
        return [put_node(connection, kind, node) for node in nodes]
    return [put_masked(connection, kind, node, mask) for node in nodes]


def _artifact_id(connection: sa.Connection, artifact: Artifact, by_external_id: bool) -> int:
    if by_external_id and artifact.external_id:
        found = connection.execute(sa.select(t.artifact.c.id).where(t.artifact.c.external_id == artifact.external_id))
        artifact = replace(artifact, id=found.scalar() or artifact.id)
    return put_node(connection, ARTIFACTS, artifact)


def _context_ids(connection: sa.Connection, contexts: Sequence[Context], reuse: bool, force: bool) -> list[int]:
    """Ids of contexts that are found, all at once, or made; `force` takes those that have an id as they are."""
    unknown = [context for context in contexts if context.id is None and reuse]
    found = find_contexts(connection, unknown) if unknown else {}
    ids = []
    for context in contexts:
        key = (context.type, context.name)
        if context.id is not None and force:
            ids.append(context.id)
        elif context.id is None and key in found:
            ids.append(found[key])
        else:
            ids.append(_context_id(connection, context, reuse=reuse))
    return ids


def _context_id(connection: sa.Connection, context: Context, *, reuse: bool = True, mask: Sequence[str] = ()) -> int:
    """The id of a context that is found by type and name, or made."""
    if context.id is None and reuse:
        found = read_nodes(connection, CONTEXTS, t.type_.c.name == context.type, t.context.c.name == context.name)
        if found:
            assert found[0].id is not None
            return found[0].id
    return put_masked(connection, CONTEXTS, context, mask)


def _end(word: str, index: int | None, ids: Sequence[int], given: int) -> int:
    """The id of one end of an event."""
    if index is None:
        if not given:
            raise MetadataError(f"an event has neither an index nor an id of its {word}", code="INVALID_ARGUMENT")
        return given
    if not 0 <= index < len(ids):
        raise MetadataError(f"an event has the {word} index {index}, there are {len(ids)}", code="OUT_OF_RANGE")
    if given not in (0, ids[index]):
        problem = f"an event names {word} {given}, but its index {index} is {word} {ids[index]}"
        raise MetadataError(problem, code="INVALID_ARGUMENT")
    return ids[index]
