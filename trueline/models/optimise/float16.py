"""The model's part in half precision: weights and arithmetic in float16, its inputs and output in float32 as before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from trueline._core.errors import ModelError
from trueline.models.graphs import opsets

if TYPE_CHECKING:
    import onnx

__all__ = ["float16"]

_LARGEST = float(np.finfo(np.float16).max)


def float16(part: onnx.ModelProto) -> Counter[str]:
    """Rewrites a model's part in place. What works on whole numbers and booleans alone stays as it is.

    Returns:
        How many nodes of each operator now compute in float16.

    Raises:
        ModelError: operators on float32 that have no form in float16, or weights beyond its range; all are named.
    """
    from onnx import TensorProto, helper

    graph = part.graph
    singles = _floats(part)
    problems = [f"{op} has no form in float16" for op in _without_half(part, singles)]
    problems += _too_large(graph)
    if problems:
        raise ModelError("the model cannot be computed in float16", problems=problems)
    changed = Counter(node.op_type for node in graph.node if _touches(node, singles))
    for tensor in graph.initializer:
        _halve(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _halve(attribute.t)
            if attribute.name == "to" and node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
    half, floats = "model/half/", {i.name for i in graph.input if i.type.tensor_type.elem_type == TensorProto.FLOAT}
    output = graph.output[0].name
    for node in graph.node:
        node.input[:] = [half + n if n in floats else n for n in node.input]
        node.output[:] = [half + n if n == output else n for n in node.output]
    for i, name in enumerate(sorted(floats)):
        graph.node.insert(i, helper.make_node("Cast", [name], [half + name], to=TensorProto.FLOAT16))
    graph.node.append(helper.make_node("Cast", [half + output], [output], to=TensorProto.FLOAT))
    del graph.value_info[:]
    return changed


def _halve(tensor: onnx.TensorProto) -> None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))


def _too_large(graph: onnx.GraphProto) -> list[str]:
    from onnx import TensorProto, numpy_helper

    problems = []
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = np.abs(numpy_helper.to_array(tensor))
            if values.size and float(values[np.isfinite(values)].max(initial=0.0)) > _LARGEST:
                problems.append(f"weight {tensor.name!r} reaches {float(values.max()):g}, float16 ends at {_LARGEST:g}")
    return problems


def _without_half(part: onnx.ModelProto, floats: Collection[str]) -> list[str]:
    """Operators that must take or give float16 and cannot, or that hold graphs of their own."""
    from onnx import defs

    versions = opsets(part)
    found = set()
    for node in part.graph.node:
        if any(a.HasField("g") or a.graphs for a in node.attribute):
            found.add(node.op_type)
        elif _touches(node, floats):
            try:
                schema = defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
            except Exception:  # onnx raises its own C++ type for operators it does not know
                found.add(node.op_type)
                continue
            sides = ((node.input, schema.inputs), (node.output, schema.outputs))
            # a variadic parameter, always the last, stands for all that follow
            slots = [
                formal[min(i, len(formal) - 1)] for names, formal in sides for i, n in enumerate(names) if n in floats
            ]
            if any("tensor(float16)" not in slot.types for slot in slots):
                found.add(node.op_type)
    return sorted(found)


def _touches(node: onnx.NodeProto, floats: Collection[str]) -> bool:
    return any(name in floats for name in (*node.input, *node.output))


def _floats(part: onnx.ModelProto) -> set[str]:
    """The tensors that are float32 now; also those whose type cannot be told, which may be."""
    from onnx import TensorProto, shape_inference

    graph = shape_inference.infer_shapes(part).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.output, *graph.value_info)}
    types |= {t.name: t.data_type for t in graph.initializer}
    names = {name for node in graph.node for name in (*node.input, *node.output) if name}
    return {n for n in names if types.get(n, TensorProto.UNDEFINED) in (TensorProto.FLOAT, TensorProto.UNDEFINED)}
