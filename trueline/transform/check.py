"""Checks a graph that was read from a file: every node against its operation's type rule."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import get_args

from trueline._core.errors import TransformError
from trueline._core.values import DType, Kind, RawFeature
from trueline.transform.analyzers import analyzer
from trueline.transform.folds import is_fold
from trueline.transform.graph import ANALYZER_PREFIX, Graph, Node, NodeKind, ValueType
from trueline.transform.operations import RuleError, operation
from trueline.transform.operations.base import MOST_PLACES

__all__ = ["check_graph", "holds", "node_type", "with_sizes"]


_REFUSED = (RuleError, TransformError, LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""What a rule says to inputs and parameters that do not fit it."""


def node_type(op: str, attrs: dict[str, object], types: list[ValueType]) -> ValueType:
    """The result type of an operation or analyzer.

    Raises:
        RuleError: the inputs do not fit.
        TransformError: there is no such operation.
    """
    if op.startswith(ANALYZER_PREFIX):
        return analyzer(op).typed(types, attrs)
    return operation(op).typed(types, attrs)


def with_sizes(graph: Graph) -> Graph:
    """The graph with the sizes of its analyzers' tables, which format 1 did not write."""
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.is_analyzer and node.type.kind == "table" and all(0 <= i < len(nodes) for i in node.inputs):
            with contextlib.suppress(*_REFUSED):  # `check_graph` tells what is wrong
                found = node_type(node.op, dict(node.attrs), [nodes[i].type for i in node.inputs])
                node = replace(node, type=replace(node.type, size=found.size))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def check_graph(graph: Graph) -> None:
    """Raises `TransformError`, listing every node that contradicts its rule."""
    problems = [p for i, node in enumerate(graph.nodes) if (p := _problem(graph, i, node))]
    known = {f.name for f in graph.features} | {s.feature.name for s in graph.host_steps}
    problems += [f"{f.name!r} is no feature: {f}" for f in _features(graph) if not _is_feature(f)]
    problems += [
        f"node {i} reads the unknown column {n.attrs.get('name')!r}"
        for i, n in enumerate(graph.nodes)
        if n.op == "input" and str(n.attrs.get("name")) not in known and not is_fold(str(n.attrs.get("name")))
    ]
    made = {f.name for f in graph.features}
    for step in graph.host_steps:
        problems += [f"host step {step.output!r} reads the unknown column {i!r}" for i in step.inputs if i not in made]
        made.add(step.output)
    problems += [f"output {name!r} names node {i}" for name, i in graph.outputs if not 0 <= i < len(graph.nodes)]
    if problems:
        raise TransformError("graph.json contradicts itself", problems=problems, hint="run Transform again.")


def _features(graph: Graph) -> list[RawFeature]:
    return [*graph.features, *(s.feature for s in graph.host_steps)]


def _is_feature(feature: RawFeature) -> bool:
    size = feature.size
    fits = type(size) is int and 0 <= size <= MOST_PLACES if feature.kind == "fixed" else size is None
    return (
        isinstance(feature.dtype, str) and feature.dtype in get_args(DType) and feature.kind in get_args(Kind) and fits
    )


def _problem(graph: Graph, index: int, node: Node) -> str | None:
    if any(not 0 <= i < index for i in node.inputs):
        return f"node {index} ({node.op}) reads a later node"
    if node.type.dtype not in get_args(DType) or node.type.kind not in get_args(NodeKind):
        return f"node {index} ({node.op}) has the unknown type {node.type}"
    if node.op == "input":
        return (
            None if isinstance(node.attrs.get("name"), str) and not node.inputs else f"node {index} (input) has no name"
        )
    if node.op == "constant":
        return _constant_problem(index, node)
    try:
        found = node_type(node.op, dict(node.attrs), [graph.nodes[i].type for i in node.inputs])
    except _REFUSED as error:
        return f"node {index} ({node.op}): {error}"
    same = (found.dtype, found.kind, found.size, found.optional, found.constant) == (
        node.type.dtype,
        node.type.kind,
        node.type.size,
        node.type.optional,
        node.type.constant,
    )
    return None if same else f"node {index} ({node.op}) is {node.type}, its rule says {found}"


def _constant_problem(index: int, node: Node) -> str | None:
    value, kind = node.attrs.get("value"), node.type.kind
    if value is None or node.inputs or isinstance(value, list) == (kind == "scalar") or not holds(value, node.type):
        return f"node {index} (constant) is {str(value)[:60]}, no {node.type}"
    if kind == "fixed" and len(value) != node.type.size:
        return f"node {index} (constant) has {len(value)} values and the type {node.type}"
    return None


def holds(value: object, value_type: ValueType) -> bool:
    """Whether a literal, or every value in a (nested) list, is of the type's dtype; all rows of a list as long."""
    if isinstance(value, list):
        widths = {len(v) if isinstance(v, list) else None for v in value}
        return len(widths) <= 1 and all(holds(v, value_type) for v in value)
    wanted = {"int64": (int,), "timestamp": (int,), "utf8": (str,), "bool": (bool,)}.get(value_type.dtype, (float, int))
    return type(value) in wanted and (type(value) is not int or -(2**63) <= value < 2**63)
