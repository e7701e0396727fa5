"""Puts what analyzers found into a graph: they become constants, and what depends on constants alone is folded.

Folding runs in the numpy oracle once, before any lowering, so that every path computes with the same constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trueline._core.errors import TransformError
from trueline._core.values import RawFeature
from trueline.transform.emitter import numpy_constant
from trueline.transform.folds import is_fold
from trueline.transform.graph import Graph, Node, ValueType
from trueline.transform.operations import operation
from trueline.transform.operations.base import Value
from trueline.transform.oracle import apply_node

__all__ = ["bind", "constant_node"]


def constant_node(value: Any, value_type: ValueType) -> Node:
    """A constant: a scalar, a vector or a table."""
    kind = value_type.kind
    literal = value if kind == "scalar" else None
    size = value_type.size if kind in ("fixed", "table") else None
    return Node("constant", (), {"value": value}, ValueType(value_type.dtype, kind, size, False, True, literal))


def bind(graph: Graph, results: Mapping[int, Any], *, partial: bool = False, training: bool = False) -> Graph:
    """The graph without the analyzers that `results` has values for.

    Args:
        graph: a traced graph.
        results: value by node index of the analyzer: a number, or a list for tables.
        partial: leave analyzers without a result as they are (earlier phases); otherwise that is an error.
        training: the graph for the rows that are trained on: it takes out-of-fold values, and the hidden columns of
            folds are among its features.

    Raises:
        TransformError: when an analyzer has no result.
    """
    nodes: list[Node] = []
    places: list[int] = []
    for index, node in enumerate(graph.nodes):
        if node.is_analyzer and index not in results and not partial:
            raise TransformError(
                f"analyzer {node.op!r} has no value yet", where=node.where or None, hint="run analyze first."
            )
        if node.op == "by_fold":
            places.append(places[node.inputs[1 if training else 0]])
            continue
        made = _bound(nodes, places, node, results.get(index) if node.is_analyzer else None)
        if isinstance(made, int):
            places.append(made)
        else:
            places.append(len(nodes))
            nodes.append(made)
    outputs = tuple((name, places[i]) for name, i in graph.outputs)
    return Graph(tuple(nodes), outputs, graph.features + _folds(graph, training), graph.host_steps)


def _folds(graph: Graph, training: bool) -> tuple[RawFeature, ...]:
    """The hidden columns of folds that a training graph may read."""
    if not training:
        return ()
    known = {f.name for f in graph.features}
    names = sorted({str(n.attrs["name"]) for n in graph.nodes if n.op == "input"})
    return tuple(RawFeature(n, "int64", optional=False) for n in names if is_fold(n) and n not in known)


def _bound(nodes: list[Node], places: list[int], node: Node, result: Any) -> Node | int:
    """The node's new form, or the index of a node that it equals."""
    if result is not None:
        return replace(constant_node(result, node.type), scope=node.scope, where=node.where)
    inputs = tuple(places[i] for i in node.inputs)
    moved = replace(node, inputs=inputs)
    if node.is_analyzer or node.op in ("input", "constant"):
        return moved
    types = [nodes[i].type for i in inputs]
    if all(nodes[i].op == "constant" for i in inputs) and inputs:
        return _folded(moved, [nodes[i] for i in inputs])
    same = _same_as(nodes, moved)
    if same is not None:
        return same
    return replace(moved, type=operation(node.op).typed(types, node.attrs))


def _same_as(nodes: list[Node], node: Node) -> int | None:
    """The index of an input that the node always equals: a branch chosen for good, or x + 0.

    ONNX Runtime drops the addition of a constant 0 too, which matters for -0.0 + 0.0.
    """
    inputs = node.inputs
    constants = [nodes[i].attrs["value"] if nodes[i].op == "constant" else None for i in inputs]
    candidate: int | None = None
    if node.op == "where" and isinstance(constants[0], bool):
        candidate = inputs[1] if constants[0] else inputs[2]
    elif node.op in ("add", "subtract") and constants[1] == 0:
        candidate = inputs[0]
    elif node.op == "add" and constants[0] == 0:
        candidate = inputs[1]
    if candidate is None or nodes[candidate].type.constant or nodes[candidate].type.kind != node.type.kind:
        return None
    return candidate


def _folded(node: Node, inputs: list[Node]) -> Node:
    values = [Value(numpy_constant(n.attrs["value"], n.type.dtype)) for n in inputs]
    value = apply_node(node, values, [n.type for n in inputs])
    if value.present is not None and not np.all(value.present):
        raise TransformError(
            f"the constant {node.op} of {', '.join(str(n.attrs['value']) for n in inputs)} has no value",
            where=node.where or None,
            hint="integer division by 0 and a float without an integer are missing; guard them with tlt.where.",
        )
    return replace(constant_node(value.data.tolist(), node.type), scope=node.scope, where=node.where)
