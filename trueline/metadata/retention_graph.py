"""What the garbage collection looks at, read in a few large queries: artifacts, edges, runs, verdicts, names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from trueline.metadata.own_tables import alias, pin, process, release, run, run_node
from trueline.metadata.records import ArtifactState, EventType
from trueline.metadata.tables import artifact, event, properties, type_
from trueline.metadata.words import EXTERNAL

__all__ = ["Graph", "Node", "Run", "load_graph", "roots_of_runs", "stamp"]

_GONE = (ArtifactState.DELETED, ArtifactState.ABANDONED)
_MADE = tuple(int(kind) for kind in (EventType.OUTPUT, EventType.DECLARED_OUTPUT))
_INPUTS = tuple(int(kind) for kind in EventType if kind.is_input)
_BLESSINGS = ("ModelBlessing", "InfraBlessing")


@dataclass(slots=True)
class Node:
    """An artifact that is not gone, with the run and node that made it."""

    id: int
    type: str
    uri: str
    state: ArtifactState
    created: int
    used: int = 0
    run_id: str | None = None
    node_id: str | None = None
    external: bool = False


@dataclass(frozen=True)
class Run:
    """A run, as far as retention asks: `sampled` where it took only some rows."""

    run_id: str
    pipeline: str
    status: str
    started: int
    sampled: bool


@dataclass
class Graph:
    """Everything, by ids.

    Attributes:
        artifacts: those that are there.
        maker: artifact -> the execution that made it; `made`, `taken`: execution -> its outputs and inputs.
        touched: run -> artifacts that its executions met.
        busy: pipeline -> a run that is going on and may take what the pipeline made: its own, or one whose resolvers
            look there.
        open_inputs: artifacts that go into executions which have not ended.
        verdicts: model -> (blessing, says yes), the newest; `infra` likewise.
        spans: Examples -> their span. `served`: destination -> the newest PushedModel there.
        aliases, pins, releases: artifact -> words for the reason why it is kept.
    """

    artifacts: dict[int, Node] = field(default_factory=dict)
    maker: dict[int, int] = field(default_factory=dict)
    made: dict[int, list[int]] = field(default_factory=dict)
    taken: dict[int, list[int]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    touched: dict[str, set[int]] = field(default_factory=dict)
    busy: dict[str, str] = field(default_factory=dict)
    open_inputs: set[int] = field(default_factory=set)
    verdicts: dict[int, tuple[int, bool]] = field(default_factory=dict)
    infra: dict[int, tuple[int, bool]] = field(default_factory=dict)
    spans: dict[int, int] = field(default_factory=dict)
    served: dict[str, int] = field(default_factory=dict)
    aliases: dict[int, str] = field(default_factory=dict)
    pins: dict[int, str | None] = field(default_factory=dict)
    releases: list[dict[str, Any]] = field(default_factory=list)

    def pipeline_of(self, node: Node) -> str | None:
        """The pipeline whose run made it; None where no run of this store did."""
        return self.runs[node.run_id].pipeline if node.run_id in self.runs else None


def stamp(connection: sa.Connection) -> tuple[Any, ...]:
    """Changes whenever something happened that a plan depends on."""
    looks = (
        sa.select(sa.func.max(event.c.id)),
        sa.select(sa.func.count(), sa.func.max(run.c.started)).select_from(run),
        sa.select(sa.func.count()).select_from(run).where(run.c.status == "RUNNING"),
        sa.select(sa.func.count(), sa.func.max(alias.c.set_at)).select_from(alias),
        sa.select(sa.func.count(), sa.func.max(pin.c.pinned_at)).select_from(pin),
        sa.select(sa.func.count(), sa.func.max(process.c.execution_id)).select_from(process),
    )
    stages = connection.execute(sa.select(release.c.id, release.c.stage, release.c.artifact_id).order_by(release.c.id))
    return (*(tuple(connection.execute(look).one()) for look in looks), tuple(map(tuple, stages)))


def load_graph(connection: sa.Connection) -> Graph:
    """Reads all of it."""
    graph = Graph()
    _read_artifacts(connection, graph)
    _read_runs(connection, graph)
    _read_busy(connection, graph)
    _read_events(connection, graph)
    _read_properties(connection, graph)
    graph.aliases = {
        row.artifact_id: f"alias {row.name} of {row.scope}" for row in connection.execute(sa.select(alias))
    }
    graph.pins = {row.artifact_id: row.reason for row in connection.execute(sa.select(pin))}
    columns = (release.c.model, release.c.version, release.c.artifact_id, release.c.stage, release.c.notes)
    found = connection.execute(sa.select(*columns).order_by(release.c.id)).mappings()
    graph.releases = [dict(row) for row in found]
    return graph


def _read_artifacts(connection: sa.Connection, graph: Graph) -> None:
    columns = (artifact.c.id, type_.c.name, artifact.c.uri, artifact.c.state, artifact.c.create_time_since_epoch)
    query = sa.select(*columns).join(type_, type_.c.id == artifact.c.type_id)
    there = artifact.c.state.is_(None) | artifact.c.state.not_in([int(state) for state in _GONE])
    for number, kind, uri, state, created in connection.execute(query.where(there)):
        graph.artifacts[number] = Node(number, kind, uri or "", ArtifactState(state or 0), created or 0)


def _read_runs(connection: sa.Connection, graph: Graph) -> None:
    for row in connection.execute(sa.select(run.c.run_id, run.c.pipeline, run.c.status, run.c.started, run.c.settings)):
        sampled = bool(json.loads(row.settings).get("sample")) if row.settings else False
        graph.runs[row.run_id] = Run(row.run_id, row.pipeline, row.status, row.started, sampled)


def _read_busy(connection: sa.Connection, graph: Graph) -> None:
    query = sa.select(run.c.run_id, run.c.pipeline, run.c.plan).where(run.c.status == "RUNNING")
    known = {found.pipeline for found in graph.runs.values()}
    for run_id, pipeline, plan in connection.execute(query):
        for name in {pipeline, *_read_by(plan, known)}:
            graph.busy.setdefault(name, run_id)


def _read_by(plan: str, known: set[str]) -> set[str]:
    """Pipelines that a plan's nodes name; a name that only the run itself will know could be any."""
    try:
        told = [(node.get("params") or {}).get("pipeline") for node in json.loads(plan)["nodes"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return known
    if any(name is not None and not isinstance(name, str) for name in told):
        return known
    return {name for name in told if isinstance(name, str)}


def _read_events(connection: sa.Connection, graph: Graph) -> None:
    places: dict[int, tuple[str, str]] = {
        row.execution_id: (row.run_id, row.node_id)
        for row in connection.execute(sa.select(run_node.c.execution_id, run_node.c.run_id, run_node.c.node_id))
        if row.execution_id is not None
    }
    for row in connection.execute(sa.select(process.c.execution_id, process.c.run_id, process.c.node_id)):
        places[row.execution_id] = (row.run_id, row.node_id)
    opened = set(connection.execute(sa.select(process.c.execution_id)).scalars())
    columns = (event.c.artifact_id, event.c.execution_id, event.c.type, event.c.milliseconds_since_epoch)
    for number, execution, kind, at in connection.execute(sa.select(*columns).order_by(event.c.id)):
        node = graph.artifacts.get(number)
        if node is None:
            continue
        node.used = max(node.used, at or 0)
        if kind in _MADE and number not in graph.maker:
            graph.maker[number] = execution
            graph.made.setdefault(execution, []).append(number)
            if execution in places:
                node.run_id, node.node_id = places[execution]
        if kind in _INPUTS:
            graph.taken.setdefault(execution, []).append(number)
            if execution in opened:
                graph.open_inputs.add(number)
        if execution in places:
            graph.touched.setdefault(places[execution][0], set()).add(number)


def _read_properties(connection: sa.Connection, graph: Graph) -> None:
    table = properties["Artifact"]
    values = (table.c.int_value, table.c.bool_value, table.c.string_value)
    names = (EXTERNAL, "span", "blessed", "current_model_id", "pushed_destination")
    found: dict[int, dict[str, Any]] = {}
    # Declared properties last: a custom one of the same name never hides them.
    order = table.c.is_custom_property.desc()
    named = sa.select(table.c.artifact_id, table.c.name, *values).where(table.c.name.in_(names)).order_by(order)
    for number, name, *columns in connection.execute(named):
        if number in graph.artifacts:
            found.setdefault(number, {})[name] = next((value for value in columns if value is not None), None)
    for number in sorted(found):
        node, known = graph.artifacts[number], found[number]
        node.external = known.get(EXTERNAL) in (1, True)
        if node.type == "Examples" and isinstance(known.get("span"), int):
            graph.spans[number] = known["span"]
        if node.type == "PushedModel" and known.get("pushed_destination"):
            graph.served[str(known["pushed_destination"])] = number
        if node.type in _BLESSINGS and isinstance(known.get("current_model_id"), int):
            told = graph.verdicts if node.type == "ModelBlessing" else graph.infra
            told[known["current_model_id"]] = (number, known.get("blessed") in (1, True))


def roots_of_runs(connection: sa.Connection, run_ids: Iterable[str]) -> dict[str, str]:
    """The root that each run's plan recorded."""
    found: dict[str, str] = {}
    wanted = sorted(set(run_ids))
    for start in range(0, len(wanted), 500):
        query = sa.select(run.c.run_id, run.c.plan).where(run.c.run_id.in_(wanted[start : start + 500]))
        for run_id, plan in connection.execute(query):
            try:
                root = json.loads(plan)["root"]
            except (ValueError, KeyError, TypeError):
                continue
            if isinstance(root, str) and root:
                found[run_id] = root
    return found
