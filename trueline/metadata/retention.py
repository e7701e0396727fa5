"""Which artifacts may go: everything that no rule keeps (see `trueline.metadata.retention_rules`).

Never to be deleted: imported files, files outside the root of their run or behind links, and files that an artifact
which is kept has too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from trueline._core.errors import MetadataError, did_you_mean
from trueline.metadata.places import Occupied, bytes_of, place_problem, real_place
from trueline.metadata.records import ArtifactState
from trueline.metadata.retention_graph import Graph, Node, load_graph, roots_of_runs, stamp
from trueline.metadata.retention_rules import GcPolicy, Why, last_run_ids, reasons, verdicts
from trueline.metadata.store import MetadataStore

__all__ = ["Doomed", "GcPlan", "GcPolicy", "Kept", "plan_gc", "plan_in"]


@dataclass(frozen=True)
class Doomed:
    """An artifact that goes. `bytes` is None where nobody asked; `marked`: an earlier collection began with it."""

    artifact_id: int
    type: str
    uri: str
    pipeline: str
    run_id: str
    node_id: str
    root: str
    bytes: int | None = None
    marked: bool = False


@dataclass(frozen=True)
class Kept:
    """An artifact that stays, and why."""

    artifact_id: int
    type: str
    uri: str
    pipeline: str | None
    rule: str
    why: str


@dataclass(frozen=True)
class GcPlan:
    """What would go and what stays, and the state of the store that this was read from."""

    policy: GcPolicy
    doomed: tuple[Doomed, ...]
    kept: tuple[Kept, ...]
    kept_runs: frozenset[str] = frozenset()
    stamp: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def total_bytes(self) -> int:
        """Bytes of all that goes."""
        return sum(item.bytes or 0 for item in self.doomed)

    @property
    def kept_by_rule(self) -> dict[str, int]:
        """How many artifacts each rule keeps."""
        return dict(Counter(item.rule for item in self.kept).most_common())


def plan_gc(store: MetadataStore, policy: GcPolicy | None = None, *, sizes: bool = True) -> GcPlan:
    """What a garbage collection would delete; nothing is changed.

    Args:
        store: the metadata store, with trueline's own tables.
        policy: what to keep.
        sizes: count the bytes too, which reads every manifest.

    Raises:
        MetadataError: no such pipeline, or a database that no run of trueline wrote to.
    """
    _check_adopted(store)
    with store.database.read() as connection:
        plan = plan_in(connection, policy or GcPolicy())
    if not sizes:
        return plan
    return replace(plan, doomed=tuple(replace(item, bytes=bytes_of(item.uri)) for item in plan.doomed))


def _check_adopted(store: MetadataStore) -> None:
    if not store.database.adopted:
        raise MetadataError(
            "this metadata database holds no runs of trueline",
            where=store.database.place,
            hint="what another program made is not trueline's to delete.",
        )


def plan_in(connection: sa.Connection, policy: GcPolicy) -> GcPlan:
    """`plan_gc` inside a transaction of the caller, without sizes."""
    seen = stamp(connection)
    graph = load_graph(connection)
    _check_pipelines(graph, policy)
    kept_runs = frozenset(last_run_ids(graph, policy))
    why = reasons(graph, policy, kept_runs)
    ours = [n for n in graph.artifacts.values() if not n.external and n.run_id in graph.runs]
    candidates = [n for n in ours if n.id not in why and n.state is ArtifactState.LIVE]
    unfinished = [n for n in ours if n.state is ArtifactState.MARKED_FOR_DELETION and _in_scope(graph, n, policy)]
    roots = roots_of_runs(connection, (n.run_id for n in (*candidates, *unfinished) if n.run_id))
    for node in candidates:
        if problem := place_problem(node.uri, roots.get(node.run_id or "")):
            why[node.id] = ("place", problem)
    _keep_shared(graph, why, candidates)
    why.update({number: ("verdict", text) for number, text in verdicts(graph, why) if number not in why})
    _keep_shared(graph, why, candidates)
    doomed = [_doomed(graph, n, roots) for n in candidates if n.id not in why]
    doomed += [_doomed(graph, n, roots) for n in unfinished]
    kept = [
        Kept(n.id, n.type, n.uri, graph.pipeline_of(n), *why[n.id])
        for n in graph.artifacts.values()
        if n.id in why and n.state is ArtifactState.LIVE and _in_scope(graph, n, policy)
    ]
    return GcPlan(policy, tuple(sorted(doomed, key=_number)), tuple(sorted(kept, key=_number)), kept_runs, seen)


def _number(item: Doomed | Kept) -> int:
    return item.artifact_id


def _doomed(graph: Graph, node: Node, roots: dict[str, str]) -> Doomed:
    return Doomed(
        node.id,
        node.type,
        node.uri,
        graph.pipeline_of(node) or "",
        node.run_id or "",
        node.node_id or "",
        roots.get(node.run_id or "", ""),
        marked=node.state is ArtifactState.MARKED_FOR_DELETION,
    )


def _in_scope(graph: Graph, node: Node, policy: GcPolicy) -> bool:
    pipeline = graph.pipeline_of(node)
    return policy.pipelines is None or pipeline in policy.pipelines


def _check_pipelines(graph: Graph, policy: GcPolicy) -> None:
    known = {run.pipeline for run in graph.runs.values()}
    for name in policy.pipelines or ():
        if name not in known:
            raise MetadataError(f"there is no run of a pipeline {name!r}", hint=did_you_mean(name, known))


def _keep_shared(graph: Graph, why: Why, candidates: list[Node]) -> None:
    """Files that an artifact which stays has too must stay. Imported ones may reach them over links."""
    occupied = Occupied((real_place(n.uri) if n.external else n.uri, n.id) for n in _staying(graph, why))
    bases: dict[str, str] = {}
    changed = True
    while changed:
        changed = False
        for node in candidates:
            if node.id in why:
                continue
            parent = node.uri.rpartition("/")[0]
            if parent not in bases:
                bases[parent] = real_place(parent)
            real = bases[parent] + node.uri[len(parent) :]
            other = occupied.by(node.uri) or occupied.by(real)
            if other is not None:
                why[node.id] = ("shared", f"artifact {other} has the same files")
                occupied.add(node.uri, node.id)
                changed = True


def _staying(graph: Graph, why: Why) -> Iterator[Node]:
    for node in graph.artifacts.values():
        stays = (
            node.id in why if node.state is ArtifactState.LIVE else node.state is not ArtifactState.MARKED_FOR_DELETION
        )
        if stays and node.uri:
            yield node
