"""Lineage: what an artifact was made of, and what was made of it; a whole level of events per query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata.node_rows import ARTIFACTS, EXECUTIONS, chunks, read_nodes
from trueline.metadata.records import Artifact, Execution, TypeKind
from trueline.metadata.store import MetadataStore
from trueline.metadata.walk import LineageDirection, edges_of, walk

__all__ = ["LineageNode", "downstream", "lineage_tree", "upstream"]

Direction = Literal["upstream", "downstream"]
Key = tuple[TypeKind, int]
_WAY = {"upstream": LineageDirection.UPSTREAM, "downstream": LineageDirection.DOWNSTREAM}


@dataclass(frozen=True)
class LineageNode:
    """A tree of artifacts and executions in turn; `repeated` marks one whose branches were drawn before."""

    item: Artifact | Execution
    branches: tuple[LineageNode, ...] = ()
    repeated: bool = False


def upstream(store: MetadataStore, artifact_ids: Iterable[int], hops: int = 100) -> list[Artifact]:
    """Artifacts that the given ones were made of, directly or over others; without the given ones.

    One hop is one event, so two hops lead over one execution to its input artifacts.
    """
    return _walk(store, artifact_ids, hops, "upstream")


def downstream(store: MetadataStore, artifact_ids: Iterable[int], hops: int = 100) -> list[Artifact]:
    """Artifacts that were made of the given ones, directly or over others; without the given ones."""
    return _walk(store, artifact_ids, hops, "downstream")


def _walk(store: MetadataStore, artifact_ids: Iterable[int], hops: int, direction: Direction) -> list[Artifact]:
    start = set(artifact_ids)
    with store.database.read() as connection:
        reached = walk(connection, start, (), direction=_WAY[direction], hops=hops)
        wanted = sorted(reached.artifacts - start)
        parts = [read_nodes(connection, ARTIFACTS, ARTIFACTS.table.c.id.in_(part)) for part in chunks(wanted)]
    return [artifact for part in parts for artifact in part]


def lineage_tree(
    store: MetadataStore, artifact_id: int, direction: Direction = "upstream", hops: int = 100
) -> LineageNode:
    """The lineage of one artifact as a tree of artifacts and executions.

    Upstream shows, of the executions that put an artifact out, the first: the one that made it; those that only
    found it in the cache made nothing.

    Raises:
        MetadataError: NOT_FOUND: there is no such artifact.
    """
    root = (TypeKind.ARTIFACT, artifact_id)
    with store.database.read() as connection:
        below = _levels(connection, root, direction, hops)
        items = _items(connection, {root, *(key for keys in below.values() for key in keys)})
    if root not in items:
        raise MetadataError(f"there is no artifact with id {artifact_id}", code="NOT_FOUND")
    return _tree(root, below, items, hops)


def _levels(connection: sa.Connection, root: Key, direction: Direction, hops: int) -> dict[Key, list[Key]]:
    """What lies right below each node within the hops, level by level."""
    below: dict[Key, list[Key]] = {}
    kind, front = root[0], {root[1]}
    seen = {TypeKind.ARTIFACT: set[int](), TypeKind.EXECUTION: set[int]()}
    for _ in range(hops):
        front -= seen[kind]
        if not front:
            break
        seen[kind] |= front
        other = TypeKind.EXECUTION if kind is TypeKind.ARTIFACT else TypeKind.ARTIFACT
        found: dict[int, set[int]] = {node: set() for node in front}
        for edge in edges_of(connection, kind, front, _WAY[direction]):
            ends = (edge.artifact_id, edge.execution_id)
            here, there = ends if kind is TypeKind.ARTIFACT else ends[::-1]
            found[here].add(there)
        only_first = kind is TypeKind.ARTIFACT and direction == "upstream"
        chosen = {node: sorted(ids)[: 1 if only_first else None] for node, ids in found.items()}
        below.update(((kind, node), [(other, key) for key in ids]) for node, ids in chosen.items())
        kind, front = other, {key for ids in chosen.values() for key in ids}
    return below


def _items(connection: sa.Connection, keys: Iterable[Key]) -> dict[Key, Artifact | Execution]:
    ids: dict[TypeKind, list[int]] = {TypeKind.ARTIFACT: [], TypeKind.EXECUTION: []}
    for kind, key in keys:
        ids[kind].append(key)
    items: dict[Key, Artifact | Execution] = {}
    for part in chunks(sorted(ids[TypeKind.ARTIFACT])):
        for artifact in read_nodes(connection, ARTIFACTS, ARTIFACTS.table.c.id.in_(part)):
            items[TypeKind.ARTIFACT, artifact.id or 0] = artifact
    for part in chunks(sorted(ids[TypeKind.EXECUTION])):
        for execution in read_nodes(connection, EXECUTIONS, EXECUTIONS.table.c.id.in_(part)):
            items[TypeKind.EXECUTION, execution.id or 0] = execution
    return items


def _tree(root: Key, below: dict[Key, list[Key]], items: dict[Key, Artifact | Execution], hops: int) -> LineageNode:
    """Draws each node's branches once, where it comes first from the top; no recursion, as it may be deep."""
    drawn: set[Key] = set()
    finished: list[list[LineageNode]] = [[]]  # the branches of the nodes that are being drawn
    todo: list[tuple[Key, int] | Key] = [(root, hops)]
    while todo:
        step = todo.pop()
        if isinstance(step[0], TypeKind):
            branches = tuple(finished.pop())
            finished[-1].append(LineageNode(items[step], branches))
            continue
        key, left = step
        if key in drawn:
            finished[-1].append(LineageNode(items[key], repeated=True))
            continue
        drawn.add(key)
        finished.append([])
        todo.append(key)
        if left > 0:
            todo.extend((child, left - 1) for child in reversed(below.get(key, ())) if child in items)
    return finished[0][0]
