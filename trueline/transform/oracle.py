"""The numpy interpreter of a bound graph: the independent oracle of the ONNX lowering, and the folder of constants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline._core.feeds import LENGTH, Feeds
from trueline._core.values import PRESENT
from trueline.transform.emitter import numpy_constant
from trueline.transform.graph import Graph, Node, ValueType
from trueline.transform.operations import operation
from trueline.transform.operations.base import Array, Value, both_present

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["apply_node", "evaluate", "feed_values"]


def apply_node(node: Node, values: list[Value], types: list[ValueType]) -> Value:
    """One node's value from its inputs' values.

    Args:
        node: an operation; inputs, constants and analyzers are the caller's.
        values: its inputs' values.
        types: its inputs' types.
    """
    record = operation(node.op)
    payload, zipped = list(values), None
    if record.elementwise and node.type.kind in ("fixed", "ragged"):
        payload = [_column(v, t) for v, t in zip(values, types, strict=True)]
        payload, zipped = _zipped(payload)
    with np.errstate(all="ignore"):
        made = record.numpy(payload, node.attrs)
        masks = [_vector(v, t) for v, t in zip(values, types, strict=True)]
        present = both_present([record.presence.numpy(masks, node.attrs), zipped])
    if isinstance(made, tuple):
        return Value(made[0], present, made[1])
    lists = [v.lengths for v in values if v.lengths is not None] if node.type.kind == "ragged" else []
    return Value(made, present, lists[0] if lists else None)


def _column(value: Value, value_type: ValueType) -> Value:
    """A scalar column ``[N]`` beside vectors ``[N, size]`` or lists ``[N, K]`` becomes ``[N, 1]``."""
    if value_type.kind != "scalar" or value_type.constant:
        return value
    return Value(value.data[:, None], value.present)


def _vector(value: Value, value_type: ValueType) -> Value:
    """A vector of constants as ``[1, size]``, which no column of that many rows can be taken for."""
    if value_type.kind != "fixed" or not value_type.constant:
        return value
    return Value(value.data.reshape(1, -1), value.present)


def _zipped(values: list[Value]) -> tuple[list[Value], npt.NDArray[np.bool_] | None]:
    """Lists cut to one width, and the rows in which they are of one length (None: all)."""
    lists = [v for v in values if v.lengths is not None]
    if len(lists) < 2:
        return values, None
    first = lists[0].lengths
    same = both_present([np.asarray(v.lengths == first) for v in lists[1:]])
    width = min(v.data.shape[1] for v in lists)
    cut = [v if v.lengths is None else Value(v.data[:, :width], v.present, v.lengths) for v in values]
    return cut, same


def feed_values(graph: Graph, batch: pa.RecordBatch | pa.Table, names: Iterable[str]) -> dict[str, Value]:
    """The columns of the ONNX part that the batch holds, host columns included, as values."""
    wanted = set(names)
    features = [f for f in (*graph.features, *(s.feature for s in graph.host_steps)) if f.name in wanted]
    arrays = Feeds(features).from_arrow(batch)
    return {f.name: Value(arrays[f.name], arrays.get(f.name + PRESENT), arrays.get(f.name + LENGTH)) for f in features}


def evaluate(graph: Graph, columns: Mapping[str, Value], roots: Iterable[int]) -> dict[int, Value]:
    """The roots' values in every row.

    Args:
        graph: a bound graph: analyzers have been replaced by their constants.
        columns: the ONNX part's columns by name.
        roots: node indices.
    """
    roots = list(roots)
    found: dict[int, Value] = {}
    for index in sorted(graph.reachable(roots)):
        node = graph.nodes[index]
        if node.op == "input":
            found[index] = columns[node.attrs["name"]]
        elif node.op == "constant":
            found[index] = Value(_constant(node))
        else:
            types = [graph.nodes[i].type for i in node.inputs]
            found[index] = apply_node(node, [found[i] for i in node.inputs], types)
    return {index: found[index] for index in roots}


def _constant(node: Node) -> Array:
    return numpy_constant(node.attrs["value"], node.type.dtype)
