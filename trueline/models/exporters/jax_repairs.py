"""Where jax2onnx writes a graph that ONNX Runtime cannot run, and what is put in its place; the gate proves it.

JAX pools over windows of all axes, ``[1, 2, 2, 1]`` for images ``[N, H, W, C]``. jax2onnx keeps such windows, on a
value with two axes of one before, which makes four pooled axes; ONNX Runtime pools over three at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = ["pool_over_images"]

_POOLS = ("MaxPool", "AveragePool")
_MOST_AXES = 3
_PER_AXIS = ("kernel_shape", "strides", "dilations", "pads")


def pool_over_images(model: onnx.ModelProto) -> None:
    """Pools whose first and last window is 1 become pools over the axes between them, in place."""
    from onnx import numpy_helper

    nodes: list[onnx.NodeProto] = []
    found = False
    for i, node in enumerate(model.graph.node):
        kernel = next((list(a.ints) for a in node.attribute if a.name == "kernel_shape"), [])
        if node.op_type in _POOLS and len(kernel) > _MOST_AXES and kernel[0] == kernel[-1] == 1:
            nodes += _inner_pool(node, len(kernel), f"pool{i}")
            found = True
        else:
            nodes.append(node)
    if not found:
        return
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, 1], np.int64), "pool:axes"))


def _inner_pool(node: onnx.NodeProto, axes: int, name: str) -> list[onnx.NodeProto]:
    """Squeeze, channels first, the pool, channels last, unsqueeze."""
    from onnx import helper

    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        attributes[attribute.name] = _inner(list(value), axes) if attribute.name in _PER_AXIS else value
    first = [0, axes - 1, *range(1, axes - 1)]
    last = [0, *range(2, axes), 1]
    squeezed, channels, pooled, back = (f"{name}:{step}" for step in ("squeezed", "first", "pooled", "last"))
    return [
        helper.make_node("Squeeze", [node.input[0], "pool:axes"], [squeezed]),
        helper.make_node("Transpose", [squeezed], [channels], perm=first),
        helper.make_node(node.op_type, [channels], [pooled], **attributes),
        helper.make_node("Transpose", [pooled], [back], perm=last),
        helper.make_node("Unsqueeze", [back, "pool:axes"], [node.output[0]]),
    ]


def _inner(values: list[int], axes: int) -> list[int]:
    """Without the first and the last axis; pads have a begin and an end of each."""
    return [v for start in range(0, len(values), axes) for v in values[start + 1 : start + axes - 1]]
