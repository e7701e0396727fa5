"""Readable forms of nodes: ``tips > 0.2 * fare``, and the path that leads from a raw column to an output."""

from __future__ import annotations

from collections import deque

from trueline._core.host import HOST_PREFIX
from trueline.transform.graph import ANALYZER_PREFIX, Graph
from trueline.transform.operations import OPERATIONS

__all__ = ["describe", "expression", "path_between"]

_LONGEST = 60


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
    parts = [expression(graph, i, depth - 1) for i in node.inputs]
    record = OPERATIONS.get(node.op)
    if record is not None and record.symbol and len(parts) == 2:
        nested = [
            f"({p})" if _is_infix(graph, i) and not node.scope else p for p, i in zip(parts, node.inputs, strict=True)
        ]
        if record.symbol in _LOOSE:
            nested = [
                p if not _is_infix(graph, i) or _tighter(graph, i) else f"({p})"
                for p, i in zip(parts, node.inputs, strict=True)
            ]
        return f"{nested[0]} {record.symbol} {nested[1]}"
    attrs = [f"{k}={v!r}" for k, v in node.attrs.items() if k not in ("implied",) and not isinstance(v, list)]
    return f"{node.op.removeprefix(ANALYZER_PREFIX)}({', '.join(parts + attrs)})"


_LOOSE = ("<", "<=", ">", ">=", "==", "!=")


def _is_infix(graph: Graph, index: int) -> bool:
    record = OPERATIONS.get(graph.nodes[index].op)
    return record is not None and bool(record.symbol)


def _tighter(graph: Graph, index: int) -> bool:
    """Whether an infix node binds tighter than a comparison."""
    record = OPERATIONS.get(graph.nodes[index].op)
    return record is not None and record.symbol in ("+", "-", "*", "/", "//", "%", "**")


def describe(graph: Graph, index: int) -> str:
    """One step of a path: ``scale_to_z_score(...)`` for a user function, else the expression and its operation."""
    node = graph.nodes[index]
    if node.op == "input":
        return str(node.attrs["name"]).removeprefix(HOST_PREFIX)
    text = expression(graph, index)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return f"{text} ({node.op})"


def path_between(graph: Graph, column: str, target: int) -> list[int]:
    """Node indices of a shortest way from a column of the ONNX part to a node, both included; empty if there is none."""
    start = [
        i for i in graph.reachable([target]) if graph.nodes[i].op == "input" and graph.nodes[i].attrs["name"] == column
    ]
    if not start:
        return []
    before: dict[int, int] = {}
    queue = deque([target])
    while queue:
        index = queue.popleft()
        if index == start[0]:
            break
        for i in graph.nodes[index].inputs if not graph.nodes[index].is_analyzer else ():
            if i not in before and i != target:
                before[i] = index
                queue.append(i)
    steps = [start[0]]
    while steps[-1] != target:
        steps.append(before[steps[-1]])
    return steps
