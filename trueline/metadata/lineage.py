"""Lineage: what an artifact was made of, and what was made of it, by hops over events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from trueline._core.errors import MetadataError
from trueline.metadata.records import Artifact, Execution
from trueline.metadata.store import MetadataStore

__all__ = ["LineageNode", "downstream", "lineage_tree", "upstream"]

Direction = Literal["upstream", "downstream"]


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
    artifacts, executions, front = set(start), set[int](), set(start)
    for hop in range(hops):
        if not front:
            break
        if hop % 2 == 0:
            leaving = _executions_of(store, front, direction) - executions
            executions |= leaving
        else:
            leaving = _artifacts_of(store, front, direction) - artifacts
            artifacts |= leaving
        front = leaving
    return store.artifacts(ids=artifacts - start)


def _executions_of(store: MetadataStore, artifact_ids: Iterable[int], direction: Direction) -> set[int]:
    events = store.events(artifact_ids=artifact_ids)
    up = direction == "upstream"
    return {e.execution_id for e in events if (e.type.is_output if up else e.type.is_input)}


def _artifacts_of(store: MetadataStore, execution_ids: Iterable[int], direction: Direction) -> set[int]:
    events = store.events(execution_ids=execution_ids)
    up = direction == "upstream"
    return {e.artifact_id for e in events if (e.type.is_input if up else e.type.is_output)}


def lineage_tree(
    store: MetadataStore, artifact_id: int, direction: Direction = "upstream", hops: int = 100
) -> LineageNode:
    """The lineage of one artifact as a tree of artifacts and executions.

    Upstream shows, of the executions that put an artifact out, the first: the one that made it; those that only
    found it in the cache made nothing.

    Raises:
        MetadataError: when there is no such artifact.
    """
    found = store.artifacts(ids=[artifact_id])
    if not found:
        raise MetadataError(f"there is no artifact with id {artifact_id}")
    return _branch(store, found[0], direction, hops, set())


def _branch(
    store: MetadataStore, item: Artifact | Execution, direction: Direction, hops: int, seen: set[tuple[str, int]]
) -> LineageNode:
    assert item.id is not None
    key = (type(item).__name__, item.id)
    if key in seen:
        return LineageNode(item, repeated=True)
    seen.add(key)
    if hops <= 0:
        return LineageNode(item)
    neighbours: list[Artifact] | list[Execution]
    if isinstance(item, Artifact):
        ids = sorted(_executions_of(store, [item.id], direction))
        neighbours = store.executions(ids=ids[:1] if direction == "upstream" else ids)
    else:
        neighbours = store.artifacts(ids=_artifacts_of(store, [item.id], direction))
    return LineageNode(item, tuple(_branch(store, n, direction, hops - 1, seen) for n in neighbours))
