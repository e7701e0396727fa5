"""Readable forms of nodes: ``tips > 0.2 * fare``, and the path that leads from a raw column to an output."""

from __future__ import annotations

from collections import deque

from trueline._core.host import HOST_PREFIX
from trueline.transform.folds import is_fold
from trueline.transform.graph import ANALYZER_PREFIX, Graph
from trueline.transform.operations import OPERATIONS

__all__ = ["expression", "path_steps"]

_LONGEST = 72
_BINDING = {"**": 6, "*": 5, "/": 5, "//": 5, "%": 5, "+": 4, "-": 4, "&": 3, "^": 2, "|": 1}
"""How tightly an infix sign binds, as in Python; comparisons bind least (0)."""
_NOTES = ("implied", "name")
"""Attributes that say nothing about the value."""


def expression(graph: Graph, index: int, depth: int = 4) -> str:
    """The node as the user would write it; deep parts are written ``...``."""
    node = graph.nodes[index]
    if node.op == "input":
        name = str(node.attrs["name"])
        return f"host({name.removeprefix(HOST_PREFIX)})" if name.startswith(HOST_PREFIX) else name
    if node.op == "constant":
        text = repr(node.attrs["value"])
        return text if len(text) <= 24 else text[:20] + "..."
    if depth == 0:
        return "..."
    if node.op == "cast" and node.attrs.get("implied"):
        return expression(graph, node.inputs[0], depth)
    if _by_scope(graph, index):
        return f"{node.scope}({', '.join(expression(graph, i, depth - 1) for i in _arguments(graph, index))})"
    if (binding := _binding(graph, index)) is not None:
        left, right = (_operand(graph, i, binding, depth, side) for side, i in enumerate(node.inputs))
        return f"{left} {OPERATIONS[node.op].symbol} {right}"
    parts = [expression(graph, i, depth - 1) for i in node.inputs]
    parts += [f"{k}={v!r}" for k, v in node.attrs.items() if k not in _NOTES and v is not None]
    return f"{node.op.removeprefix(ANALYZER_PREFIX)}({', '.join(parts)})"


def _by_scope(graph: Graph, index: int) -> bool:
    """Whether the node is best written as the user function that made it, and not as its operation."""
    node = graph.nodes[index]
    return bool(node.scope) and node.scope != node.op and not node.is_analyzer


def _arguments(graph: Graph, index: int) -> list[int]:
    """What a user function was given: the first nodes behind its own that depend on rows."""
    scope, found, stack = graph.nodes[index].scope, dict[int, None](), [index]
    while stack:
        for i in graph.nodes[stack.pop()].inputs:
            node = graph.nodes[i]
            if node.scope == scope or (node.op == "cast" and node.attrs.get("implied")):
                stack.append(i)
            elif not node.type.constant and not (node.op == "input" and is_fold(str(node.attrs["name"]))):
                found[i] = None
    return list(found)


def _binding(graph: Graph, index: int) -> int | None:
    """How tightly the node's sign binds, or None if it is no infix."""
    record = OPERATIONS.get(graph.nodes[index].op)
    if record is None or not record.symbol or _by_scope(graph, index):
        return None
    return _BINDING.get(record.symbol, 0)


def _operand(graph: Graph, index: int, outer: int, depth: int, side: int) -> str:
    text, inner = expression(graph, index, depth - 1), _binding(graph, index)
    loose = inner is not None and text != "..." and (inner < outer or (inner == outer and (side == 1 or outer == 0)))
    return f"({text})" if loose else text


def _describe(graph: Graph, index: int) -> str:
    text = expression(graph, index)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return f"{text} ({graph.nodes[index].op})" if _binding(graph, index) is not None else text


def path_steps(graph: Graph, column: str, target: int) -> list[str]:
    """Readable steps of a shortest way from a column of the ONNX part to a node, the column itself left out.

    The nodes that one user function made are one step. Empty if there is no way, or the node is the column.
    """
    indices = _path(graph, column, target)[1:]
    steps = []
    for place, index in enumerate(indices):
        following = indices[place + 1] if place + 1 < len(indices) else None
        inside = following is not None and graph.nodes[following].scope == graph.nodes[index].scope != ""
        implied = graph.nodes[index].op == "cast" and graph.nodes[index].attrs.get("implied")
        if not inside and not (implied and following is not None):
            steps.append(_describe(graph, index))
    return steps


def _path(graph: Graph, column: str, target: int) -> list[int]:
    reached = graph.reachable([target])
    start = [i for i in reached if graph.nodes[i].op == "input" and graph.nodes[i].attrs["name"] == column]
    after: dict[int, int] = {}
    queue = deque([target])
    while queue:
        index = queue.popleft()
        for i in () if graph.nodes[index].is_analyzer else graph.nodes[index].inputs:
            if i not in after and i != target:
                after[i] = index
                queue.append(i)
    steps = start[:1]
    while steps and steps[-1] != target:
        steps.append(after[steps[-1]])
    return steps
