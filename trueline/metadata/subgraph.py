"""The lineage around chosen nodes as a graph: `get_lineage_subgraph` with ML Metadata's rules.

One hop is one event. Ending nodes stop the walk; they are left out unless asked for. Where the two differ: any number
of nodes can start, any number of hops can be asked for, and a name in the field mask that does not exist is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from trueline._core.errors import MetadataError, did_you_mean
from trueline.metadata import tables as t
from trueline.metadata.client_types import types_by_id
from trueline.metadata.database import Database
from trueline.metadata.edges import read_events
from trueline.metadata.links import Association, Attribution
from trueline.metadata.list_options import ListOptions, node_ids
from trueline.metadata.node_rows import ARTIFACTS, CONTEXTS, EXECUTIONS, NodeKind, chunks, read_nodes
from trueline.metadata.records import Artifact, Context, Event, Execution, TypeKind, TypeSpec
from trueline.metadata.walk import LineageDirection, Walk, walk

__all__ = ["EndingNodes", "LineageClient", "LineageGraph", "LineageSubgraphQueryOptions", "StartingNodes"]

N = TypeVar("N", Artifact, Execution, Context)
_HOPS = 100


@dataclass(frozen=True)
class StartingNodes:
    """Nodes of one kind, by ids or by a filter in one of the two languages; with several, all must hold."""

    ids: tuple[int, ...] | None = None
    filter_query: str | None = None
    where: str | None = None


@dataclass(frozen=True)
class EndingNodes(StartingNodes):
    """Nodes of one kind at which the walk ends.

    Attributes:
        include_ending_nodes: whether they belong to the graph, with the events that lead to them.
    """

    include_ending_nodes: bool = False


@dataclass(frozen=True)
class LineageSubgraphQueryOptions:
    """Where a walk over the lineage starts, how far it goes, and which way.

    Attributes:
        starting_artifacts: artifacts to start from.
        starting_executions: executions to start from; one of the two is needed.
        max_num_hops: at most so many events away; None is 100, and 0 the starting nodes alone.
        direction: which events are followed.
        ending_artifacts: artifacts that end the walk.
        ending_executions: executions that end it.
    """

    starting_artifacts: StartingNodes | None = None
    starting_executions: StartingNodes | None = None
    max_num_hops: int | None = None
    direction: LineageDirection = LineageDirection.BIDIRECTIONAL
    ending_artifacts: EndingNodes | None = None
    ending_executions: EndingNodes | None = None


@dataclass(frozen=True)
class LineageGraph:
    """A part of the lineage; each list is by id, and empty where the field mask leaves it out."""

    artifacts: tuple[Artifact, ...] = ()
    executions: tuple[Execution, ...] = ()
    contexts: tuple[Context, ...] = ()
    events: tuple[Event, ...] = ()
    attributions: tuple[Attribution, ...] = ()
    associations: tuple[Association, ...] = ()
    artifact_types: tuple[TypeSpec, ...] = ()
    execution_types: tuple[TypeSpec, ...] = ()
    context_types: tuple[TypeSpec, ...] = ()


class LineageClient:
    """Lineage as a graph."""

    database: Database

    def get_lineage_subgraph(
        self, query_options: LineageSubgraphQueryOptions, field_mask_paths: Sequence[str] = ()
    ) -> LineageGraph:
        """The nodes and events around chosen nodes, with their contexts and types.

        Args:
            query_options: where to start, how far and which way to go.
            field_mask_paths: fields of the graph that are wanted; all of them if empty.

        Raises:
            MetadataError: INVALID_ARGUMENT: no start, an empty filter, a negative number of hops, an unknown field;
                NOT_FOUND: no node to start from.
        """
        wanted = _wanted(field_mask_paths)
        _check(query_options)
        with self.database.read() as connection:
            reached = _reached(connection, query_options)
            return _Filler(connection, reached, wanted).graph()


def _wanted(paths: Sequence[str]) -> set[str]:
    known = list(LineageGraph.__dataclass_fields__)
    for path in paths:
        if path not in known:
            hint = did_you_mean(path, known)
            raise MetadataError(f"a lineage graph has no field {path!r}", hint=hint, code="INVALID_ARGUMENT")
    return set(paths or known)


def _check(options: LineageSubgraphQueryOptions) -> None:
    problems = []
    starts, ends = ("starting_artifacts", "starting_executions"), ("ending_artifacts", "ending_executions")
    given = {name: getattr(options, name) for name in (*starts, *ends) if getattr(options, name) is not None}
    if not any(name in given for name in starts):
        problems.append("there is no start: give starting_artifacts or starting_executions")
    problems += [
        f"{name} chooses nothing: give ids, filter_query or where"
        for name, nodes in given.items()
        if nodes.ids is None and not (nodes.filter_query or nodes.where)
    ]
    if options.max_num_hops is not None and options.max_num_hops < 0:
        problems.append(f"max_num_hops is {options.max_num_hops}, at least 0 is needed")
    if problems:
        raise MetadataError("this lineage cannot be asked for", problems=problems, code="INVALID_ARGUMENT")


def _reached(connection: sa.Connection, options: LineageSubgraphQueryOptions) -> Walk:
    ending = {TypeKind.ARTIFACT: options.ending_artifacts, TypeKind.EXECUTION: options.ending_executions}
    kinds: dict[TypeKind, NodeKind[Any]] = {TypeKind.ARTIFACT: ARTIFACTS, TypeKind.EXECUTION: EXECUTIONS}

    def stop(kind: TypeKind, new: set[int]) -> tuple[set[int], set[int]]:
        nodes = ending[kind]
        found = set[int]() if nodes is None else _chosen(connection, kinds[kind], nodes, new)
        return (found, set()) if nodes is not None and nodes.include_ending_nodes else (set(), found)

    artifacts = _chosen(connection, ARTIFACTS, options.starting_artifacts)
    executions = _chosen(connection, EXECUTIONS, options.starting_executions)
    if not artifacts and not executions:
        raise MetadataError("there is no node to start from", code="NOT_FOUND")
    return walk(
        connection,
        artifacts,
        executions,
        direction=options.direction,
        hops=_HOPS if options.max_num_hops is None else options.max_num_hops,
        stop=stop if any(ending.values()) else None,
    )


def _chosen(
    connection: sa.Connection, kind: NodeKind[Any], nodes: StartingNodes | None, among: Iterable[int] | None = None
) -> set[int]:
    """Ids that exist and are chosen, of all nodes or among the given ones."""
    if nodes is None:
        return set()
    if nodes.ids is not None:
        among = set(nodes.ids) if among is None else set(nodes.ids) & set(among)
    options = ListOptions(filter_query=nodes.filter_query, where=nodes.where)
    if among is None:
        return set(node_ids(connection, kind, [], options))
    parts = chunks(sorted(among))
    return {key for part in parts for key in node_ids(connection, kind, [kind.table.c.id.in_(part)], options)}


@dataclass
class _Filler:
    """Reads what the reached ids stand for, as far as it is wanted."""

    connection: sa.Connection
    reached: Walk
    wanted: set[str]

    def graph(self) -> LineageGraph:
        artifacts = self.nodes("artifact", ARTIFACTS, self.reached.artifacts)
        executions = self.nodes("execution", EXECUTIONS, self.reached.executions)
        attributions, associations = self.links()
        context_ids = {a.context_id for a in attributions} | {a.context_id for a in associations}
        contexts = self.nodes("context", CONTEXTS, context_ids)
        fields: dict[str, Sequence[Any]] = {
            "artifacts": artifacts,
            "executions": executions,
            "contexts": contexts,
            "events": self.events() if "events" in self.wanted else (),
            "attributions": attributions,
            "associations": associations,
            "artifact_types": self.types(TypeKind.ARTIFACT, "artifact_types", artifacts),
            "execution_types": self.types(TypeKind.EXECUTION, "execution_types", executions),
            "context_types": self.types(TypeKind.CONTEXT, "context_types", contexts),
        }
        return LineageGraph(**{name: tuple(values) for name, values in fields.items() if name in self.wanted})

    def nodes(self, word: str, kind: NodeKind[N], ids: set[int]) -> list[N]:
        if not self.wanted & {f"{word}s", f"{word}_types"}:
            return []
        key = kind.table.c.id
        return [n for part in chunks(sorted(ids)) for n in read_nodes(self.connection, kind, key.in_(part))]

    def types(self, kind: TypeKind, field: str, nodes: Sequence[Any]) -> list[TypeSpec]:
        return types_by_id(self.connection, kind, {node.type_id for node in nodes}) if field in self.wanted else []

    def links(self) -> tuple[list[Attribution], list[Association]]:
        if not self.wanted & {"attributions", "associations", "contexts", "context_types"}:
            return [], []
        attributions = self.pairs(t.attribution, "artifact_id", self.reached.artifacts)
        associations = self.pairs(t.association, "execution_id", self.reached.executions)
        return [Attribution(*pair) for pair in attributions], [Association(*pair) for pair in associations]

    def pairs(self, links: sa.Table, column: str, ids: set[int]) -> list[tuple[int, int]]:
        query = sa.select(links.c.context_id, links.c[column])
        parts = chunks(sorted(ids))
        rows = (row for part in parts for row in self.connection.execute(query.where(links.c[column].in_(part))))
        return sorted((row[0], row[1]) for row in rows)

    def events(self) -> list[Event]:
        found = read_events(self.connection, execution_ids=sorted(self.reached.executions))
        return [event for event in found if event.id in self.reached.edges]
