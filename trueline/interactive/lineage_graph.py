"""From the metadata store to a lineage graph: breadth first over events, one question to the store a hop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueline.display.lineage import LineageGraph
    from trueline.metadata import Artifact, Event, Execution, MetadataStore

__all__ = ["Found", "around_artifact", "around_artifacts", "graph_json", "of_run", "view_of"]


@dataclass
class Found:
    """What was reached: artifacts and executions by id, the events between them, and whose each execution is.

    Attributes:
        artifacts, executions: by id.
        events: those that join two of them.
        owners: execution id -> (run id, node id), for executions of trueline's runs.
        focus: keys (``a13``) of what was asked about.
    """

    artifacts: dict[int, Artifact] = field(default_factory=dict)
    executions: dict[int, Execution] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    owners: dict[int, tuple[str, str]] = field(default_factory=dict)
    focus: frozenset[str] = frozenset()


def around_artifact(store: MetadataStore, artifact_id: int, *, up: bool, down: bool, hops: int) -> Found:
    """The same as `around_artifacts`, of one."""
    return around_artifacts(store, [artifact_id], up=up, down=down, hops=hops)


def around_artifacts(store: MetadataStore, ids: Iterable[int], *, up: bool, down: bool, hops: int) -> Found:
    """What artifacts were made of (`up`), and what was made of them (`down`), as far as so many hops.

    A hop is an event. Of the executions that put an artifact out, the first made it: later ones found it in the cache
    or resolved it, and are left out, as are executions that came from the cache where one looks downward.
    """
    wanted_ids = set(ids)
    artifacts, executions = set(wanted_ids), set[int]()
    events: dict[int, Event] = {}
    for wanted, upward in ((up, True), (down, False)):
        if wanted:
            _walk(store, set(wanted_ids), upward, hops, artifacts, executions, events)
    return _loaded(store, artifacts, executions, events.values(), *(f"a{i}" for i in sorted(wanted_ids)))


def of_run(store: MetadataStore, executions: Iterable[int], *, up: bool = False, down: bool = False) -> Found:
    """What the executions of a run read and put out; with `up` also what that was made of, with `down` what became
    of what they put out."""
    wanted = set(executions)
    events = {event.id or 0: event for event in store.events(execution_ids=sorted(wanted))}
    artifacts = {event.artifact_id for event in events.values()}
    made = {event.artifact_id for event in events.values() if event.type.is_output}
    reached = set(wanted)
    if up:
        _walk(store, artifacts - made, True, 100, artifacts, reached, events)
    if down:
        _walk(store, made, False, 100, artifacts, reached, events)
    return _loaded(store, artifacts, reached, events.values())


def _walk(
    store: MetadataStore,
    front: set[int],
    upward: bool,
    hops: int,
    artifacts: set[int],
    executions: set[int],
    events: dict[int, Event],
) -> None:
    """Goes one way from `front`, a set of artifacts, and adds what it meets."""
    seen = set(front)
    for hop in range(0, hops, 2):
        if not front:
            return
        met = _makers(store, front) if upward else _users(store, front, executions)
        new = {event.execution_id for event in met} - executions
        executions |= {event.execution_id for event in met}
        events.update((event.id or 0, event) for event in met)
        if hop + 1 >= hops:
            return
        beyond = [
            event
            for event in store.events(execution_ids=sorted(new))
            if (event.type.is_input if upward else event.type.is_output)
        ]
        events.update((event.id or 0, event) for event in beyond)
        front = {event.artifact_id for event in beyond} - seen
        seen |= front
        artifacts |= front


def _makers(store: MetadataStore, artifacts: set[int]) -> list[Event]:
    """The event by which each artifact came out first."""
    first: dict[int, Event] = {}
    for event in store.events(artifact_ids=sorted(artifacts)):
        if event.type.is_output:
            known = first.get(event.artifact_id)
            if known is None or event.execution_id < known.execution_id:
                first[event.artifact_id] = event
    return list(first.values())


def _users(store: MetadataStore, artifacts: set[int], executions: set[int]) -> list[Event]:
    """The events by which artifacts went into executions, but those that only came from the cache."""
    from trueline.metadata import ExecutionState

    events = [event for event in store.events(artifact_ids=sorted(artifacts)) if event.type.is_input]
    asked = {event.execution_id for event in events} - executions
    cached = {e.id for e in store.executions(ids=asked) if e.state is ExecutionState.CACHED}
    return [event for event in events if event.execution_id not in cached]


def _loaded(
    store: MetadataStore, artifacts: set[int], executions: set[int], events: Iterable[Event], *focus: str
) -> Found:
    from trueline.metadata import RunStore

    found = Found(
        {a.id: a for a in store.artifacts(ids=artifacts) if a.id is not None},
        {e.id: e for e in store.executions(ids=executions) if e.id is not None},
        focus=frozenset(focus),
    )
    found.events = sorted(
        (e for e in events if e.artifact_id in found.artifacts and e.execution_id in found.executions),
        key=lambda event: event.id or 0,
    )
    if store.database.adopted:
        runs = RunStore(store)
        for execution_id in found.executions:
            if (owner := runs.run_of_execution(execution_id)) is not None:
                found.owners[execution_id] = owner
    return found


def graph_json(found: Found) -> dict[str, Any]:
    """``nodes`` (key, kind, id, type, state, name, uri, run_id, node_id, properties, custom_properties) and ``edges``
    (from, to, path)."""
    return {
        "nodes": [
            *(_node_json("artifact", f"a{key}", item, found) for key, item in sorted(found.artifacts.items())),
            *(_node_json("execution", f"e{key}", item, found) for key, item in sorted(found.executions.items())),
        ],
        "edges": [{"from": source, "to": target, "path": list(event.path)} for source, target, event in _edges(found)],
    }


def _node_json(kind: str, key: str, item: Artifact | Execution, found: Found) -> dict[str, Any]:
    run_id, node_id = found.owners.get(item.id or 0, (None, None)) if kind == "execution" else (None, None)
    return {
        "key": key,
        "kind": kind,
        "id": item.id,
        "type": item.type,
        "state": item.state.name,
        "name": item.name,
        "uri": getattr(item, "uri", None),
        "run_id": run_id,
        "node_id": node_id,
        "properties": _plain(item.properties),
        "custom_properties": _plain(item.custom_properties),
        "focus": key in found.focus,
    }


def _plain(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties as JSON can tell them: what another program stored as protobuf bytes is only named."""
    simple = (str, int, float, bool, dict, list)
    return {k: v if isinstance(v, simple) else f"<{type(v).__name__}>" for k, v in properties.items()}


def _edges(found: Found) -> list[tuple[str, str, Event]]:
    listed = []
    for event in found.events:
        artifact, execution = f"a{event.artifact_id}", f"e{event.execution_id}"
        if event.type.is_output:
            listed.append((execution, artifact, event))
        elif event.type.is_input:
            listed.append((artifact, execution, event))
    return listed


def view_of(found: Found, title: str, note: str = "") -> LineageGraph:
    """The graph as `trueline.display.lineage` draws it, in the order in which things were made."""
    from trueline.display.lineage import LineageEdge, LineageGraph, LineageItem

    several = len({run for run, _ in found.owners.values()}) > 1
    items: list[tuple[int, int, LineageItem]] = []
    for key, execution in found.executions.items():
        run_id, node_id = found.owners.get(key, ("", ""))
        kind = execution.type.rpartition(".")[2]
        detail = f"execution {key}" + (f", {run_id[-6:]}" if several and run_id else "")
        facts = {"Component": kind, "Run": run_id, "Properties": _told(execution)}
        label = node_id or execution.name or kind
        items.append(
            (execution.created, 1, LineageItem(f"e{key}", "execution", label, detail, execution.state.name, facts))
        )
    for key, artifact in found.artifacts.items():
        facts = {"Name": artifact.name or "", "URI": artifact.uri or "", "Properties": _told(artifact)}
        focus = f"a{key}" in found.focus
        item = LineageItem(f"a{key}", "artifact", artifact.type, f"artifact {key}", artifact.state.name, facts, focus)
        items.append((artifact.created, 0, item))
    ordered = [item for _, _, item in sorted(items, key=lambda entry: (*entry[:2], entry[2].key))]
    edges = [LineageEdge(a, b, ".".join(map(str, event.path))) for a, b, event in _edges(found)]
    return LineageGraph(title, ordered, edges, note)


def _told(item: Artifact | Execution) -> str:
    """Properties on one line, without those that stand for the program's own bookkeeping."""
    both = {**_plain(item.properties), **_plain(item.custom_properties)}
    both = {name: value for name, value in both.items() if not name.startswith("__") and name != "trueline_version"}
    texts = (f"{k} = {v if isinstance(v, str) else json.dumps(v, sort_keys=True)}" for k, v in both.items())
    return ", ".join(text if len(text) <= 80 else f"{text[:79]}…" for text in texts)
