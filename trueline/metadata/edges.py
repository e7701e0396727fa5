"""Events and context links, inside a transaction of the caller."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata import tables as t
from trueline.metadata.inserts import insert_one, insert_rows
from trueline.metadata.node_rows import chunks, now_ms
from trueline.metadata.records import Event, EventType

__all__ = ["insert_events", "link_contexts", "put_parent", "read_events"]


def insert_events(
    connection: sa.Connection,
    events: Sequence[Event],
    *,
    artifacts: Collection[int] = (),
    execution: int | None = None,
    new: bool = False,
) -> None:
    """Writes events. An artifact under two keys of one execution gets one event with both paths, one after the
    other, because ML Metadata allows one event per artifact, execution and type.

    Args:
        connection: inside a transaction.
        events: what is written.
        artifacts: ids that are known to exist.
        execution: an execution that is known to exist.
        new: whether that execution was made in this transaction, so that it cannot have events yet.

    Raises:
        MetadataError: such an event exists already, or an end of it does not.
    """
    merged: dict[tuple[int, int, EventType], tuple[tuple[str | int, ...], int]] = {}
    for event in events:
        key = (event.artifact_id, event.execution_id, event.type)
        path, time = merged.get(key, ((), event.time))
        merged[key] = ((*path, *event.path), time)
    if not merged:
        return
    _check_ends(connection, t.artifact, {key[0] for key in merged}.difference(artifacts))
    _check_ends(connection, t.execution, {key[1] for key in merged} - {execution})
    if not new:
        _check_new(connection, list(merged))
    now = now_ms()
    steps: list[tuple[int, bool, int | None, str | None]] = []
    for (artifact_id, execution_id, kind), (path, time) in merged.items():
        number = insert_one(connection, t.event, _EVENT, (artifact_id, execution_id, int(kind), time or now))
        for step in path:
            index, word = (step, None) if isinstance(step, int) else (None, step)
            steps.append((number, index is not None, index, word))
    insert_rows(connection, t.event_path, _STEP, steps)


_EVENT = ("artifact_id", "execution_id", "type", "milliseconds_since_epoch")
_STEP = ("event_id", "is_index_step", "step_index", "step_key")


def _check_new(connection: sa.Connection, keys: Sequence[tuple[int, int, EventType]]) -> None:
    wanted = {(one, other, int(kind)) for one, other, kind in keys}
    executions = {other for _, other, _ in keys}
    for part in chunks({one for one, _, _ in keys}):
        columns = (t.event.c.artifact_id, t.event.c.execution_id, t.event.c.type)
        query = sa.select(*columns).where(t.event.c.artifact_id.in_(part))
        if len(executions) == 1:
            query = query.where(t.event.c.execution_id == next(iter(executions)))
        for row in connection.execute(query):
            if tuple(row) in wanted:
                raise MetadataError(
                    f"artifact {row[0]} and execution {row[1]} have an event {EventType(row[2]).name} already",
                    hint="events never change.",
                    code="ALREADY_EXISTS",
                )


_ENDS = {
    table.name: sa.select(table.c.id).where(table.c.id.in_(sa.bindparam("ids", expanding=True)))
    for table in (t.artifact, t.execution, t.context)
}


def _check_ends(connection: sa.Connection, table: sa.Table, ids: set[int]) -> None:
    found: set[int] = set()
    for part in chunks(ids):
        found.update(connection.execute(_ENDS[table.name], {"ids": part}).scalars())
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


_MEMBERS = ((t.attribution, "artifact_id"), (t.association, "execution_id"))
_LINKS = {
    column: sa.select(table.c.context_id, table.c[column]).where(
        table.c.context_id.in_(sa.bindparam("contexts", expanding=True)),
        table.c[column].in_(sa.bindparam("members", expanding=True)),
    )
    for table, column in _MEMBERS
}


def link_contexts(
    connection: sa.Connection,
    context_ids: Sequence[int],
    artifact_ids: Sequence[int],
    execution_ids: Sequence[int],
    *,
    new: Collection[int] = (),
) -> None:
    """Puts artifacts and executions into contexts; links that exist stay as they are.

    Args:
        connection: inside a transaction.
        context_ids, artifact_ids, execution_ids: each context gets all of the others.
        new: executions that were made in this transaction, which cannot have links yet.
    """
    for (table, column), members in zip(_MEMBERS, (artifact_ids, execution_ids), strict=True):
        pairs = dict.fromkeys((context_id, member) for context_id in context_ids for member in members)
        known = new if column == "execution_id" else ()
        old = [member for member in dict.fromkeys(members) if member not in known]
        for part in chunks(old if pairs else ()):
            for row in connection.execute(_LINKS[column], {"contexts": list(context_ids), "members": part}):
                pairs.pop((row[0], row[1]), None)
        insert_rows(connection, table, ("context_id", column), list(pairs))


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
