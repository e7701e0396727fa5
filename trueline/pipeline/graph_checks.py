"""What can be wrong between nodes: loops, runtime parameters and nodes for the end, all problems at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Component
from trueline.pipeline.placeholders import FinalStatus, Placeholder, RuntimeParameter, leaves

__all__ = ["graph_problems"]


def graph_problems(nodes: Sequence[Component], on_exit: Sequence[Component]) -> list[str]:
    """The problems, each with the user's file and line."""
    last = {id(node) for node in on_exit}
    found: list[str] = []
    for node in nodes:
        where = f"{node.location}: {node.node_id}"
        found += [f"{where} {problem}" for problem in _loop_problems(node)]
        found += [f"{where} {problem}" for problem in _exit_problems(node, last)]
    return found + _parameter_problems(nodes)


def _loop_problems(node: Component) -> Iterator[str]:
    around = {id(loop) for loop in node.loops}
    used = [loop for p in _placeholders(node) if p.op == "item" for loop in p.args]
    used += [channel.item_of for channel in _channels(node) if channel.item_of is not None]
    for loop in used:
        if id(loop) not in around and loop is not node:
            yield f"uses the item of loop {loop.node_id!r} outside of it"
    for key, channels in node.inputs.items():
        if len(channels) > 1 and any(channel.item_of is not None for channel in channels):
            yield f"input {key!r} mixes a loop's item with other channels; give it alone"


def _exit_problems(node: Component, last: set[int]) -> Iterator[str]:
    if id(node) in last:
        if node.loops or node.conditions:
            yield "is an on_exit node and stands in a Cond or ForEach; it runs once, at the end"
        return
    if any(p.op == "status" for p in _placeholders(node)):
        yield f"uses {FinalStatus.__name__}, which only on_exit nodes have"
    for before in node.predecessors():
        if id(before) in last:
            yield f"needs {before.node_id!r}, which is an on_exit node and runs after all others"


def _parameter_problems(nodes: Sequence[Component]) -> list[str]:
    seen: dict[str, tuple[dict[str, object], Component]] = {}
    problems = []
    for node in nodes:
        for parameter in _placeholders(node):
            if isinstance(parameter, RuntimeParameter):
                record, first = seen.setdefault(parameter.name, (parameter.record(), node))
                if record != parameter.record():
                    problems.append(
                        f"{node.location}: {node.node_id} uses the runtime parameter {parameter.name!r} with another "
                        f"type, default or description than {first.node_id} does"
                    )
    return problems


def _placeholders(node: Component) -> list[Placeholder]:
    return list(leaves([node.params, dict(node.settings.environment), list(node.conditions)], Placeholder))


def _channels(node: Component) -> list[Channel]:
    return [*(channel for channels in node.inputs.values() for channel in channels), *node.referred()]
