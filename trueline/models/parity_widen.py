"""A graph of float32 as one of float64: the second opinion on what a float32 graph computes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from trueline.models.graphs import ML_DOMAIN, all_nodes

if TYPE_CHECKING:
    import onnx

__all__ = ["widened"]

_TARGETS = ("to", "dtype")
_SECOND_OUTPUT = ("LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier")
"""Classifiers of ai.onnx.ml: a label first, then scores."""


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that takes, keeps and gives float64 wherever the graph has float32; values have the same names.

    Operators of ai.onnx.ml give float32 by their definition; their scores are cast behind them.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in _tensors(copy):
        _widen(tensor)
    for node in all_nodes(copy.graph):
        for attribute in node.attribute:
            if attribute.name in _TARGETS and attribute.i == onnx.TensorProto.FLOAT and attribute.type == attribute.INT:
                attribute.i = onnx.TensorProto.DOUBLE
    for value in copy.graph.input:
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    for value in copy.graph.output:
        value.ClearField("type")
    del copy.graph.value_info[:]
    _cast_scores(copy.graph)
    return copy


def _tensors(model: onnx.ModelProto) -> Iterable[onnx.TensorProto]:
    yield from model.graph.initializer
    for node in all_nodes(model.graph):
        if node.domain == ML_DOMAIN:
            continue  # their attributes have types of their own
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from graph.initializer


def _widen(tensor: onnx.TensorProto) -> None:
    import numpy as np
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def _cast_scores(graph: onnx.GraphProto) -> None:
    from onnx import TensorProto, helper

    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        graph.node.append(node)
        at = 1 if node.op_type in _SECOND_OUTPUT else 0
        if node.domain == ML_DOMAIN and len(node.output) > at and "Categor" not in node.op_type:
            last, name = graph.node[-1], node.output[at]
            last.output[at] = f"{name}:narrow"
            graph.node.append(helper.make_node("Cast", [f"{name}:narrow"], [name], to=TensorProto.DOUBLE))
