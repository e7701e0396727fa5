"""Weights of a graph as numpy arrays, wherever the exporter put them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.models.graphs import drop_unused

if TYPE_CHECKING:
    import onnx

__all__ = ["attribute", "fold_weights", "operators", "tensors"]

Array = npt.NDArray[Any]


def tensors(graph: onnx.GraphProto) -> dict[str, Array]:
    """The initializers by name."""
    from onnx import numpy_helper

    return {i.name: numpy_helper.to_array(i) for i in graph.initializer}


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """One attribute of a node as a Python value."""
    from onnx import helper

    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def operators(graph: onnx.GraphProto) -> list[str]:
    """The distinct operators of a graph, sorted."""
    return sorted({node.op_type for node in graph.node})


def _constant(node: onnx.NodeProto, _: list[Array]) -> Array:
    from onnx import numpy_helper

    return np.asarray(numpy_helper.to_array(attribute(node, "value")))


def _cast(node: onnx.NodeProto, inputs: list[Array]) -> Array:
    from onnx import helper

    return inputs[0].astype(helper.tensor_dtype_to_np_dtype(attribute(node, "to")))


def _transpose(node: onnx.NodeProto, inputs: list[Array]) -> Array:
    return np.ascontiguousarray(np.transpose(inputs[0], attribute(node, "perm")))


_FOLDS: dict[str, Callable[[onnx.NodeProto, list[Array]], Array]] = {
    "Constant": _constant,
    "Identity": lambda _, inputs: inputs[0],
    "Cast": _cast,
    "Transpose": _transpose,
}


def fold_weights(graph: onnx.GraphProto) -> None:
    """Turns Identity, Cast, Transpose and Constant of weights into plain initializers, in place.

    Exporters write weights through such nodes; ONNX Runtime folds them when it loads a graph, quantizers look for
    initializers.
    """
    from onnx import numpy_helper

    known = tensors(graph)
    outputs = {o.name for o in graph.output}
    kept = []
    for node in graph.node:
        plain = node.domain == "" and node.op_type in _FOLDS and all(n in known for n in node.input)
        if plain and node.op_type == "Constant":
            plain = attribute(node, "value") is not None
        if not plain or node.output[0] in outputs:
            kept.append(node)
            continue
        value = _FOLDS[node.op_type](node, [known[n] for n in node.input])
        known[node.output[0]] = value
        graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    drop_unused(graph)
