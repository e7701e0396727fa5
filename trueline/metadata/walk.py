"""Walking over events, a whole level at a time: few queries per hop, however many nodes a level has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum

import sqlalchemy as sa

from trueline.metadata.node_rows import chunks
from trueline.metadata.records import EventType, TypeKind
from trueline.metadata.tables import event

__all__ = ["Edge", "LineageDirection", "Walk", "edges_of", "walk"]

_PORTION = 2000


class LineageDirection(IntEnum):
    """Which way events are followed: to what a node came from, to what came of it, or both."""

    UPSTREAM = 1
    DOWNSTREAM = 2
    BIDIRECTIONAL = 3


@dataclass(frozen=True)
class Edge:
    """An event without its path and time."""

    id: int
    artifact_id: int
    execution_id: int
    type: EventType


@dataclass
class Walk:
    """What was reached: ids of nodes, and the events between them by id."""

    artifacts: set[int] = field(default_factory=set)
    executions: set[int] = field(default_factory=set)
    edges: dict[int, Edge] = field(default_factory=dict)


Stop = Callable[[TypeKind, set[int]], tuple[set[int], set[int]]]
"""Of nodes of a kind that are new: those that end the walk and belong to it, and those that end it outside."""

_IN = [int(kind) for kind in EventType if kind.is_input]
_OUT = [int(kind) for kind in EventType if kind.is_output]


def edges_of(connection: sa.Connection, kind: TypeKind, ids: Iterable[int], direction: LineageDirection) -> list[Edge]:
    """Events that lead away from artifacts or executions in a direction, by id."""
    column = event.c.artifact_id if kind is TypeKind.ARTIFACT else event.c.execution_id
    # Upstream of an artifact is what put it out, upstream of an execution is what it took in.
    types = _OUT if (kind is TypeKind.ARTIFACT) == (direction is LineageDirection.UPSTREAM) else _IN
    query = sa.select(event.c.id, event.c.artifact_id, event.c.execution_id, event.c.type)
    if direction is not LineageDirection.BIDIRECTIONAL:
        query = query.where(event.c.type.in_(types))
    found = [
        Edge(row[0], row[1], row[2], EventType(row[3]))
        for part in chunks(sorted(ids), _PORTION)
        for row in connection.execute(query.where(column.in_(part)))
    ]
    return sorted(found, key=lambda edge: edge.id)


def walk(
    connection: sa.Connection,
    artifacts: Iterable[int],
    executions: Iterable[int],
    *,
    direction: LineageDirection,
    hops: int,
    stop: Stop | None = None,
) -> Walk:
    """Follows events from the given nodes; one hop is one event.

    Args:
        connection: of a reading transaction: the answer is of one moment.
        artifacts: ids to start from.
        executions: ids to start from.
        direction: which events are followed.
        hops: at most so many events away.
        stop: where the walk ends before.
    """
    reached, outside = Walk(), {TypeKind.ARTIFACT: set[int](), TypeKind.EXECUTION: set[int]()}
    seen = {TypeKind.ARTIFACT: reached.artifacts, TypeKind.EXECUTION: reached.executions}

    def enter(kind: TypeKind, ids: Iterable[int]) -> set[int]:
        """Takes new nodes in; those to go on from."""
        new = set(ids) - seen[kind] - outside[kind]
        ends, beyond = stop(kind, new) if stop is not None and new else (set[int](), set[int]())
        outside[kind] |= beyond
        seen[kind].update(new - beyond)
        return new - beyond - ends

    front = {TypeKind.ARTIFACT: enter(TypeKind.ARTIFACT, artifacts)}
    front[TypeKind.EXECUTION] = enter(TypeKind.EXECUTION, executions)
    for _ in range(hops):
        if not any(front.values()):
            break
        by_artifact = edges_of(connection, TypeKind.ARTIFACT, front[TypeKind.ARTIFACT], direction)
        by_execution = edges_of(connection, TypeKind.EXECUTION, front[TypeKind.EXECUTION], direction)
        reached.edges.update((edge.id, edge) for edge in (*by_artifact, *by_execution))
        front = {
            TypeKind.ARTIFACT: enter(TypeKind.ARTIFACT, {edge.artifact_id for edge in by_execution}),
            TypeKind.EXECUTION: enter(TypeKind.EXECUTION, {edge.execution_id for edge in by_artifact}),
        }
    reached.edges = {
        key: edge
        for key, edge in reached.edges.items()
        if edge.artifact_id in reached.artifacts and edge.execution_id in reached.executions
    }
    return reached
