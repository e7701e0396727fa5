"""The pipeline: nodes gathered by following their channels, checked as a whole, in a stable order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from trueline._core import store
from trueline._core.errors import ConfigError, TruelineError
from trueline.pipeline.channel import Channel
from trueline.pipeline.graph_checks import graph_problems
from trueline.pipeline.node import Component, blocks_now
from trueline.pipeline.params import functions_in
from trueline.pipeline.subpipeline import PipelineInputs, PipelineOutputs, around, embed, outermost

__all__ = ["Pipeline"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Pipeline:
    """A checked graph of nodes.

    Args:
        name: names the pipeline in the metadata store; its cache and its resolvers see runs of this name only.
        components: nodes and sub-pipelines; those that they take something from need not be listed.
        root: where artifacts go, a folder or a URI; ``trueline-out/<name>`` by default.
        metadata: the metadata database's URL; SQLite in the root folder by default.
        cache: whether unchanged nodes may be taken from the cache.
        on_exit: nodes that run after all others, however those ended; `FinalStatus` tells them how.
        inputs, outputs: of a pipeline that is a part of another, see `trueline.pipeline.subpipeline`.

    Raises:
        ConfigError: when anything is wrong; `problems` holds everything, each with the user's file and line.
    """

    def __init__(
        self,
        name: str,
        components: Sequence[Component | Pipeline] = (),
        *,
        root: str | os.PathLike[str] | None = None,
        metadata: str | None = None,
        cache: bool = True,
        on_exit: Sequence[Component] = (),
        inputs: PipelineInputs | Mapping[str, Channel] | None = None,
        outputs: Mapping[str, Channel] | None = None,
    ) -> None:
        self.name = name
        self.cache = cache
        self.root = _absolute(os.fspath(root) if root is not None else f"trueline-out/{name}")
        problems: list[str] = []
        if not _NAME.fullmatch(name):
            problems.append(f"the pipeline's name {name!r} may hold letters, digits, '_', '-' and '.', up to 128")
        if metadata is None and not store.is_local(self.root):
            problems.append(f"the root {self.root} is remote: say with metadata=... where the database is")
        self.metadata = metadata or f"sqlite:///{self.root}/metadata.db"
        self.declared = tuple(components)
        self.on_exit = tuple(on_exit)
        self.blocks, self.embedded = blocks_now.get(), False
        self.owner: Pipeline | None = None
        self.inputs = inputs if isinstance(inputs, PipelineInputs) else PipelineInputs(inputs or {})
        self.outputs = PipelineOutputs(name, outputs or {})
        listed = (*components, *(channel.producer for channel in self.outputs.values()), *self.on_exit)
        nodes = _gather(self, listed, problems)
        problems += [*_node_problems(nodes), *graph_problems(nodes, self.on_exit)]
        self.nodes = _ordered(nodes, problems, set(map(id, self.on_exit)))
        if problems:
            raise ConfigError(
                f"pipeline {name!r} has {len(problems)} problem{'s' if len(problems) > 1 else ''}", problems=problems
            )

    def __repr__(self) -> str:
        return f"<Pipeline {self.name!r} of {len(self.nodes)} nodes>"


def _absolute(root: str) -> str:
    if not store.is_local(root):
        return root.rstrip("/")
    return str(Path(root.removeprefix("file://")).expanduser().absolute())


def _gather(pipeline: Pipeline, listed: Iterable[object], problems: list[str]) -> list[Component]:
    """The listed nodes and all that lead to them, in order of first sight; sub-pipelines as their nodes."""
    seen: dict[int, Component] = {}
    queue: list[Component] = []
    outside = pipeline.inputs.producers() | around(pipeline.blocks)
    for item in listed:
        if isinstance(item, Pipeline):
            queue.extend(_part(pipeline, item, problems))
        elif isinstance(item, Component):
            queue.append(item)
        else:
            problems.append(f"components holds {item!r}, which is no node")
    while queue:
        node = queue.pop(0)
        if id(node) in seen or id(node) in outside:
            continue
        seen[id(node)] = node
        queue.extend(node.predecessors())
        if node.owner is not None and node.owner is not pipeline:
            queue.extend(_part(pipeline, outermost(node.owner, pipeline), problems))
    if not seen and not problems:
        problems.append("there are no nodes")
    if pipeline.outputs or pipeline.inputs:
        for node in seen.values():
            node.owner = node.owner or pipeline
    return list(seen.values())


def _part(outer: Pipeline, inner: Pipeline, problems: list[str]) -> list[Component]:
    inner.owner = inner.owner or outer
    if inner.owner is not outer:
        problems.append(f"pipeline {inner.name!r} is a part of {inner.owner.name!r} already; build it anew")
        return []
    return embed(inner, problems)


def _node_problems(nodes: Sequence[Component]) -> list[str]:
    problems = [problem for node in nodes for problem in node.problems]
    by_id: dict[str, list[Component]] = {}
    for node in nodes:
        by_id.setdefault(node.node_id, []).append(node)
        if not _NAME.fullmatch(node.node_id):
            problems.append(
                f"{node.location}: the node id {node.node_id!r} may hold letters, digits, '_', '-' and '.', up to 128"
            )
        problems += _function_problems(node)
    for node_id, same in by_id.items():
        if len(same) > 1:
            same.sort(key=_place)
            places = " and ".join(node.location for node in same)
            problems.append(
                f"{same[-1].location}: {len(same)} nodes are called {node_id!r} ({places}); give node_id=..."
            )
    return problems


def _place(node: Component) -> tuple[str, int]:
    file, _, line = node.location.rpartition(":")
    return file, int(line) if line.isdigit() else 0


def _function_problems(node: Component) -> list[str]:
    problems = []
    try:
        wanted = (node.executor_function(), node.fingerprint_function(), node.outdated_function())
        for function in (*wanted, *functions_in(node.params).values()):
            if function is not None:
                function.source_file()
    except TruelineError as error:
        problems.append(f"{node.location}: {node.node_id}: {error}")
    return problems


def _ordered(nodes: Sequence[Component], problems: list[str], last: set[int]) -> tuple[Component, ...]:
    """Topological order; among nodes that are ready together, the order of their ids: stable for any listing.
    Nodes in `last` come after all others."""
    by_key = {id(node): node for node in nodes}
    ordinary = set(by_key) - last
    waiting = {
        id(node): {id(p) for p in node.predecessors() if id(p) in by_key} - last
        if id(node) in ordinary  # one that needs a node of the end is refused elsewhere
        else {id(p) for p in node.predecessors() if id(p) in by_key} | ordinary
        for node in nodes
    }
    order: list[Component] = []
    while waiting:
        ready = sorted((k for k, needs in waiting.items() if not needs), key=lambda k: by_key[k].node_id)
        if not ready:
            stuck = set(waiting) & ordinary or set(waiting)
            circle = _circle(by_key[next(key for key in waiting if key in stuck)], stuck)
            names = " -> ".join(node.node_id for node in circle)
            problems.append(f"{circle[0].location}: the nodes form a circle: {names}")
            ready = list({id(node) for node in circle})  # as if they were done: there may be further circles
        for key in ready:
            order.append(by_key[key])
            del waiting[key]
        for needs in waiting.values():
            needs.difference_update(ready)
    return tuple(order)


def _circle(start: Component, waiting: set[int]) -> list[Component]:
    """One circle, found by walking backwards among nodes that never became ready."""
    path, places = [start], {id(start): 0}
    while True:
        step = next(node for node in path[-1].predecessors() if id(node) in waiting)
        if id(step) in places:
            return list(reversed([*path[places[id(step)] :], step]))
        places[id(step)] = len(path)
        path.append(step)
