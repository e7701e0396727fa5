"""Checks a graph that was read from a file: every node against its operation's type rule."""

from __future__ import annotations

from typing import get_args

from trueline._core.errors import TransformError
from trueline._core.values import DType
from trueline.transform.analyzers import analyzer
from trueline.transform.folds import is_fold
from trueline.transform.graph import ANALYZER_PREFIX, Graph, Node, NodeKind, ValueType
from trueline.transform.operations import RuleError, operation

__all__ = ["check_graph", "node_type"]


def node_type(op: str, attrs: dict[str, object], types: list[ValueType]) -> ValueType:
    """The result type of an operation or analyzer.

    Raises:
        RuleError: the inputs do not fit.
        TransformError: there is no such operation.
    """
    if op.startswith(ANALYZER_PREFIX):
        return analyzer(op).typed(types, attrs)
    return operation(op).typed(types, attrs)


def check_graph(graph: Graph) -> None:
    """Raises `TransformError`, listing every node that contradicts its rule."""
    problems = [p for i, node in enumerate(graph.nodes) if (p := _problem(graph, i, node))]
    known = {f.name for f in graph.features} | {s.feature.name for s in graph.host_steps}
    problems += [
        f"node {i} reads the unknown column {n.attrs.get('name')!r}"
        for i, n in enumerate(graph.nodes)
        if n.op == "input" and n.attrs.get("name") not in known and not is_fold(str(n.attrs.get("name")))
    ]
    problems += [f"output {name!r} names node {i}" for name, i in graph.outputs if not 0 <= i < len(graph.nodes)]
    if problems:
        raise TransformError("graph.json contradicts itself", problems=problems, hint="run Transform again.")


def _problem(graph: Graph, index: int, node: Node) -> str | None:
    if any(not 0 <= i < index for i in node.inputs):
        return f"node {index} ({node.op}) reads a later node"
    if node.type.dtype not in get_args(DType) or node.type.kind not in get_args(NodeKind):
        return f"node {index} ({node.op}) has the unknown type {node.type}"
    if node.op in ("input", "constant"):
        missing = {"input": "name", "constant": "value"}[node.op]
        return None if missing in node.attrs else f"node {index} ({node.op}) has no {missing}"
    try:
        found = node_type(node.op, dict(node.attrs), [graph.nodes[i].type for i in node.inputs])
    except (RuleError, TransformError, KeyError, TypeError, ValueError, IndexError) as error:
        return f"node {index} ({node.op}): {error}"
    same = (found.dtype, found.kind, found.size, found.optional, found.constant) == (
        node.type.dtype,
        node.type.kind,
        node.type.size,
        node.type.optional,
        node.type.constant,
    )
    return None if same else f"node {index} ({node.op}) is {node.type}, its rule says {found}"
