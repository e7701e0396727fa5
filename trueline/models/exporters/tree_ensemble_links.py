"""From a booster's raw sums to its output: the link functions as ONNX, and the finished graph of a booster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.models.exporters.tree_ensemble import RAW

if TYPE_CHECKING:
    import onnx

__all__ = ["LINKS", "finished_model"]

_OPSET = 20
_ML_OPSET = 3
_LINKED = "booster:linked"


class _Graph:
    """Nodes and constants under way."""

    def __init__(self, nodes: list[onnx.NodeProto], initializers: list[Any]) -> None:
        self.nodes = list(nodes)
        self.initializers = list(initializers)

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output


def _identity(graph: _Graph, raw: str, _: float) -> str:
    return raw


def _sigmoid(graph: _Graph, raw: str, scale: float) -> str:
    if scale != 1.0:
        raw = graph.node("Mul", [raw, graph.constant("booster:slope", scale)], "booster:sloped")
    return graph.node("Sigmoid", [raw], _LINKED)


def _softmax(graph: _Graph, raw: str, _: float) -> str:
    return graph.node("Softmax", [raw], _LINKED, axis=1)


def _softmax_of_parts(graph: _Graph, raw: str, _: float) -> str:
    from onnx import TensorProto

    double = graph.node("Cast", [raw], "booster:parts", to=TensorProto.DOUBLE)
    parts = ["booster:large", "booster:small"]
    graph.nodes.append(_split(double, parts))
    summed = graph.node("Add", parts, "booster:summed")
    exact = graph.node("Softmax", [summed], "booster:shares", axis=1)
    return graph.node("Cast", [exact], _LINKED, to=TensorProto.FLOAT)


def _split(source: str, parts: list[str]) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node("Split", [source], parts, axis=1, num_outputs=len(parts))


def _exp(graph: _Graph, raw: str, _: float) -> str:
    return graph.node("Exp", [raw], _LINKED)


def _signed_square(graph: _Graph, raw: str, _: float) -> str:
    return graph.node("Mul", [raw, graph.node("Abs", [raw], "booster:size")], _LINKED)


def _log1p_exp(graph: _Graph, raw: str, _: float) -> str:
    return graph.node("Softplus", [raw], _LINKED)


LINKS: dict[str, Callable[[_Graph, str, float], str]] = {
    "identity": _identity,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "softmax_of_parts": _softmax_of_parts,
    "exp": _exp,
    "signed_square": _signed_square,
    "log1p_exp": _log1p_exp,
}
"""Link by name: adds its nodes and returns the name of what comes out; the last argument is the sigmoid's slope."""


def finished_model(
    nodes: list[onnx.NodeProto],
    initializers: list[Any],
    *,
    source: str,
    width: int,
    outputs: int,
    link: str,
    slope: float,
    output: str,
) -> onnx.ModelProto:
    """The booster's graph with its link, one float32 input and one float32 output.

    Args:
        nodes: from `source` to `RAW` ``[N, outputs]``.
        initializers: of these nodes.
        source: name of the input ``[N, width]``.
        width: its columns.
        outputs: columns of the output before it is made probabilities: 1, or a column a class.
        link: a key of `LINKS`.
        slope: factor within a sigmoid.
        output: ``probabilities`` ``[N, C]`` (a single raw column is the second class's), ``prediction`` or ``score``
            ``[N]``.
    """
    from onnx import TensorProto, helper

    graph = _Graph(nodes, initializers)
    columns = _output(graph, LINKS[link](graph, RAW, slope), outputs, output)
    shape: list[str | int | None] = ["N", columns] if columns else ["N"]
    made = helper.make_graph(
        graph.nodes,
        "trueline",
        [helper.make_tensor_value_info(source, TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        graph.initializers,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10, producer_name="trueline")


def _output(graph: _Graph, linked: str, outputs: int, output: str) -> int:
    """Adds the output; returns its columns, 0 for ``[N]``."""
    if output != "probabilities":
        graph.node("Reshape", [linked, graph.constant("booster:flat", [-1], np.int64)], output)
        return 0
    if outputs == 1:
        rest = graph.node("Sub", [graph.constant("booster:one", 1.0), linked], "booster:rest")
        graph.node("Concat", [rest, linked], output, axis=1)
        return 2
    graph.node("Identity", [linked], output)
    return outputs
