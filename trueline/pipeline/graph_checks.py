"""What can be wrong between nodes: loops, runtime parameters and nodes for the end, all problems at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Component
from trueline.pipeline.placeholders import FinalStatus, Placeholder, leaves
from trueline.pipeline.runtime_parameter import RuntimeParameter

__all__ = ["graph_problems"]

_DEFERRED_NAMES = {
    "secret": "a Secret, which only the node's own process may know",
    **dict.fromkeys(("input", "output", "exec_property"), "what only a container's command may use"),
}
DEFERRED = frozenset(_DEFERRED_NAMES)


def graph_problems(nodes: Sequence[Component], on_exit: Sequence[Component]) -> list[str]:
    """The problems, each with the user's file and line."""
    last, inside = {id(node) for node in on_exit}, {id(node) for node in nodes}
    found: list[str] = []
    for node in nodes:
        where = f"{node.location}: {node.node_id}"
        found += [f"{where} {problem}" for problem in _loop_problems(node)]
        found += [f"{where} {problem}" for problem in _exit_problems(node, last)]
        found += [f"{where} {problem}" for problem in (*_expression_problems(node), *_pass_problems(node, inside))]
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


def _expression_problems(node: Component) -> Iterator[str]:
    """What the launcher cannot compute, and constants that no compiled pipeline can hold."""
    decided = {"condition": list(node.conditions), "items": node.params.get("items") if node.SYSTEM == "loop" else None}
    for what, expression in decided.items():
        for operation in {p.op for p in leaves(expression, Placeholder)} & DEFERRED:
            yield f"has {what} that {'hold' if what == 'items' else 'holds'} {_DEFERRED_NAMES[operation]}"
    for placeholder in _placeholders(node):
        for constant in placeholder.args if placeholder.op not in ("artifacts", "item") else ():
            for value in _constants(constant):
                yield f"has a placeholder with {value!r}, which is no JSON value"


def _constants(value: object) -> Iterator[object]:
    """The parts of an operand that JSON cannot hold."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from (() if isinstance(key, str) else (key,))
            yield from _constants(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _constants(item)
    elif isinstance(value, float):
        yield from () if math.isfinite(value) else (value,)
    elif value is not None and not isinstance(value, bool | int | str | Placeholder):
        yield value


def _pass_problems(node: Component, inside: set[int]) -> Iterator[str]:
    for key in sorted(node.takes_one):
        for channel in node.inputs.get(key, ()):
            left = node.loops_left(channel) if id(channel.producer) in inside else []
            if left:
                names = ", ".join(repr(loop.node_id) for loop in left)
                yield (
                    f"takes one artifact as {key!r}, but {channel.producer.node_id}.{channel.key} has one of each pass "
                    f"of loop {names}; annotate it as Input[list[...]] or as a list, or put the node into the loop"
                )


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
