"""A bound graph in TensorFlow: every node's value from the raw features' values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trueline._core.errors import TransformError
from trueline.transform.graph import Graph, Node
from trueline.transform.operations import operation
from trueline.transform.tensorflow.base import (
    Lowering,
    Table,
    TfValue,
    all_present,
    column,
    constant,
    inside,
    sealed,
    tf_dtype,
)
from trueline.transform.tensorflow.table import PRESENCE, TENSORFLOW

__all__ = ["check_lowerings", "evaluate", "finished"]


def check_lowerings(graph: Graph, roots: Iterable[int]) -> None:
    """Refuses what TensorFlow cannot compute.

    Raises:
        TransformError: naming all host steps and operations without a lowering that the roots need.
    """
    reached = sorted(graph.reachable(roots))
    steps = graph.steps_for(str(graph.nodes[i].attrs["name"]) for i in reached if graph.nodes[i].op == "input")
    problems = [f"{s.output}: {s.function} is a host step, Python code that no TensorFlow graph can run" for s in steps]
    for i in reached:
        node = graph.nodes[i]
        if node.op not in ("input", "constant") and node.op not in TENSORFLOW:
            where = f" ({node.where})" if node.where else ""
            problems.append(f"{node.scope or node.op}{where}: operation {node.op!r} has no TensorFlow lowering")
    if problems:
        raise TransformError(
            "the transform cannot run in TensorFlow",
            problems=problems,
            hint="choose outputs=[...] that do without, compute these columns before the transform, or use to_onnx.",
        )


def evaluate(
    graph: Graph,
    columns: Mapping[str, TfValue],
    roots: Iterable[int],
    lowerings: Mapping[str, Lowering],
) -> dict[int, TfValue]:
    """The roots' values in every row, payloads in float64, int64, bool and string.

    Args:
        graph: a bound graph that passed `check_lowerings`.
        columns: the raw features by name.
        roots: node indices.
        lowerings: by operation.
    """
    roots = list(roots)
    found: dict[int, TfValue] = {}
    for index in sorted(graph.reachable(roots)):
        node = graph.nodes[index]
        if node.op == "input":
            found[index] = replace(columns[node.attrs["name"]], type=node.type)
        elif node.op == "constant":
            found[index] = _constant(node)
        else:
            found[index] = _apply(node, [found[i] for i in node.inputs], lowerings)
    return {index: found[index] for index in roots}


def _constant(node: Node) -> TfValue:
    value = node.attrs["value"]
    dtype = node.type.dtype
    data = Table(value, dtype) if node.type.kind == "table" else constant(value, tf_dtype(dtype))
    return TfValue(data, None, None, replace(node.type, literal=value))


def _apply(node: Node, values: Sequence[TfValue], lowerings: Mapping[str, Lowering]) -> TfValue:
    payload, zipped = list(values), None
    if operation(node.op).elementwise and node.type.kind in ("fixed", "ragged"):
        payload, zipped = _zipped([_beside(v) for v in values])
    made = lowerings[node.op](payload, node.attrs)
    rule = PRESENCE.get(node.op)
    present = rule(values, node.attrs) if rule is not None else all_present([v.present for v in values])
    present = all_present([present, zipped])
    if isinstance(made, tuple):
        return TfValue(sealed(made[0]), present, made[1], node.type)
    lists = [v.lengths for v in values if v.lengths is not None] if node.type.kind == "ragged" else []
    return TfValue(sealed(made), present, lists[0] if lists else None, node.type)


def _beside(value: TfValue) -> TfValue:
    """A scalar column beside vectors or lists: ``[N, 1]``."""
    plain = value.type.kind != "scalar" or value.type.constant
    return value if plain else replace(value, data=column(value.data))


def _zipped(values: list[TfValue]) -> tuple[list[TfValue], Any | None]:
    """Lists cut to one width, and the rows in which they are of one length (None: all)."""
    import tensorflow as tf

    lists = [v for v in values if v.lengths is not None]
    if len(lists) < 2:
        return values, None
    first = lists[0].lengths
    same = all_present([tf.equal(v.lengths, first) for v in lists[1:] if v.lengths is not first])
    width = tf.reduce_min(tf.stack([tf.shape(v.data)[1] for v in lists]))
    return [v if v.lengths is None else replace(v, data=v.data[:, :width]) for v in values], same


def finished(value: TfValue) -> TfValue:
    """A value as the transform's outputs are: what is not there blanked, doubles as float32."""
    import tensorflow as tf

    data, lengths, mask = value.data, value.lengths, value.present
    if lengths is not None:
        if value.present is not None:
            lengths = tf.where(value.present, lengths, tf.zeros_like(lengths))
        mask = inside(data, lengths)
    elif mask is not None and value.type.kind == "fixed":
        mask = column(mask)
    if mask is not None:
        if data.dtype.is_floating:
            data = sealed(data + constant(0.0, data))
        data = tf.where(mask, data, tf.zeros([], data.dtype))
    if data.dtype == tf.float64:
        data = tf.cast(data, tf.float32)
    if value.type.kind == "fixed":
        data.set_shape([None, value.type.size])  # layers that follow need to know it
    present = value.present
    if present is None and value.type.optional:
        present = tf.fill(tf.shape(data)[:1], True)
    return TfValue(data, present, lengths, value.type)
