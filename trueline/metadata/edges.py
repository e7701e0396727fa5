"""Events and context links, inside a transaction of the caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from trueline._core.errors import MetadataError
from trueline.metadata import tables as t
from trueline.metadata.node_rows import chunks, now_ms
from trueline.metadata.records import Event, EventType

__all__ = ["insert_events", "link_contexts", "put_parent", "read_events"]


def insert_events(connection: sa.Connection, events: Sequence[Event]) -> None:
    """Writes events. An artifact under two keys of one execution gets one event with both paths, one after the
    other, because ML Metadata allows one event per artifact, execution and type.

    Raises:
        MetadataError: such an event exists already, or an end of it does not.
    """
    merged: dict[tuple[int, int, EventType], tuple[tuple[str | int, ...], int]] = {}
    for event in events:
        key = (event.artifact_id, event.execution_id, event.type)
        path, time = merged.get(key, ((), event.time))
        merged[key] = ((*path, *event.path), time)
    _check_ends(connection, t.artifact, {key[0] for key in merged})
    _check_ends(connection, t.execution, {key[1] for key in merged})
    for (artifact_id, execution_id, kind), (path, time) in merged.items():
        try:
            result = connection.execute(
                t.event.insert().values(
                    artifact_id=artifact_id,
                    execution_id=execution_id,
                    type=int(kind),
                    milliseconds_since_epoch=time or now_ms(),
                )
            )
        except IntegrityError as error:
            raise MetadataError(
                f"artifact {artifact_id} and execution {execution_id} have an event {kind.name} already",
                hint="events never change.",
                code="ALREADY_EXISTS",
            ) from error
        assert result.inserted_primary_key is not None
        rows = [
            {
                "event_id": result.inserted_primary_key[0],
                "is_index_step": int(isinstance(step, int)),
                "step_index": step if isinstance(step, int) else None,
                "step_key": None if isinstance(step, int) else step,
            }
            for step in path
        ]
        if rows:
            connection.execute(t.event_path.insert(), rows)


def _check_ends(connection: sa.Connection, table: sa.Table, ids: set[int]) -> None:
    found: set[int] = set()
    for part in chunks(ids):
        found.update(connection.execute(sa.select(table.c.id).where(table.c.id.in_(part))).scalars())
    missing = sorted(ids - found)
    if missing:
        listed = ", ".join(map(str, missing))
        raise MetadataError(f"there is no {table.name.lower()} with id {listed}", code="INVALID_ARGUMENT")


def read_events(
    connection: sa.Connection,
    *,
    artifact_ids: Iterable[int] | None = None,
    execution_ids: Iterable[int] | None = None,
) -> list[Event]:
    """Events of the given artifacts or executions, by id."""
    if (artifact_ids is None) == (execution_ids is None):
        problem = "events are asked for by artifact ids or by execution ids, exactly one of the two"
        raise MetadataError(problem, code="INVALID_ARGUMENT")
    column = t.event.c.artifact_id if artifact_ids is not None else t.event.c.execution_id
    found: list[Event] = []
    for part in chunks(artifact_ids if artifact_ids is not None else execution_ids or ()):
        rows = connection.execute(sa.select(t.event).where(column.in_(part))).mappings().all()
        paths = _paths(connection, [row["id"] for row in rows])
        found += [
            Event(
                row["artifact_id"],
                row["execution_id"],
                EventType(row["type"]),
                tuple(paths.get(row["id"], ())),
                row["milliseconds_since_epoch"] or 0,
                row["id"],
            )
            for row in rows
        ]
    return sorted(found, key=lambda event: event.id or 0)


def _paths(connection: sa.Connection, event_ids: Sequence[int]) -> dict[int, list[str | int]]:
    paths: dict[int, list[str | int]] = {}
    order = _path_order(connection)
    for part in chunks(event_ids):
        query = sa.select(t.event_path).where(t.event_path.c.event_id.in_(part)).order_by(order)
        for row in connection.execute(query).mappings():
            step = row["step_index"] if row["is_index_step"] else row["step_key"]
            paths.setdefault(row["event_id"], []).append(step)
    return paths


def _path_order(connection: sa.Connection) -> sa.ColumnElement[object]:
    """The steps' order is the order of insertion: ML Metadata keeps no number for it, so we do where rows have none."""
    if connection.dialect.name == "sqlite":
        return sa.literal_column("rowid")
    if connection.get_execution_options().get("trueline_path_order", True):
        return sa.literal_column(t.PATH_ORDER)
    # Another program's database, only read: the place of the row is the best there is.
    return sa.literal_column("ctid") if connection.dialect.name == "postgresql" else t.event_path.c.event_id


def link_contexts(
    connection: sa.Connection, context_ids: Sequence[int], artifact_ids: Sequence[int], execution_ids: Sequence[int]
) -> None:
    """Puts artifacts and executions into contexts; links that exist stay as they are."""
    for table, column, members in (
        (t.attribution, "artifact_id", artifact_ids),
        (t.association, "execution_id", execution_ids),
    ):
        for context_id in context_ids:
            for member in dict.fromkeys(members):
                same = (table.c.context_id == context_id, table.c[column] == member)
                if connection.execute(sa.select(table.c.id).where(*same)).first() is None:
                    connection.execute(table.insert().values({"context_id": context_id, column: member}))


def put_parent(connection: sa.Connection, child_id: int, parent_id: int) -> None:
    """Makes one context the parent of another.

    Raises:
        MetadataError: a context is missing, or would become its own ancestor.
    """
    _check_ends(connection, t.context, {child_id, parent_id})
    links = t.parent_context
    seen, queue = {parent_id}, [parent_id]
    while queue:
        step = queue.pop()
        query = sa.select(links.c.parent_context_id).where(links.c.context_id == step)
        new = set(connection.execute(query).scalars()) - seen
        seen |= new
        queue.extend(new)
    if child_id in seen:
        problem = f"context {parent_id} lies below context {child_id} already: the two cannot change places"
        raise MetadataError(problem, code="INVALID_ARGUMENT")
    same = (links.c.context_id == child_id, links.c.parent_context_id == parent_id)
    if connection.execute(sa.select(links.c.context_id).where(*same)).first() is None:
        connection.execute(links.insert().values(context_id=child_id, parent_context_id=parent_id))
