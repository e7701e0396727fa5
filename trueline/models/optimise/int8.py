"""Matrix products and embeddings in 8-bit integers.

Weights have one scale a column, embeddings one scale a row, all symmetric: ``scale = max|w| / 127``. Activations are
measured at run time, *row by row*. The dynamic quantization that ONNX Runtime's own tool writes takes one scale for
the whole batch: there, the prediction for a row depends on the rows that happen to be asked for with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.models.graphs import drop_unused
from trueline.models.optimise.weights import attribute, tensors

if TYPE_CHECKING:
    import onnx

__all__ = ["dynamic_int8", "embeddings_int8", "matrix_weight"]

_STEPS = 127.0
_MIDDLE = 128  # uint8 by uint8: on x86 signed by signed is slow, and unsigned by signed saturates without VNNI
_TINY = np.float32(1e-30)
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Product:
    """``x @ weight + bias``: a MatMul, or a Gemm with plain options.

    Attributes:
        x: the tensor that varies.
        weight: float32 ``[K, M]``.
        bias: the tensor that is added, if any.
    """

    x: str
    weight: Floats
    bias: str | None


def matrix_weight(node: onnx.NodeProto, known: dict[str, npt.NDArray[Any]]) -> Product | None:
    """The product that a node computes, when its weight is a known float32 matrix."""
    if node.domain != "" or node.op_type not in ("MatMul", "Gemm"):
        return None
    weight = known.get(node.input[1])
    if weight is None or weight.ndim != 2 or weight.dtype != np.float32 or node.input[0] in known:
        return None
    if node.op_type == "MatMul":
        return Product(node.input[0], weight, None)
    plain = not attribute(node, "transA", 0) and attribute(node, "alpha", 1.0) == attribute(node, "beta", 1.0) == 1.0
    if not plain:
        return None
    bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
    return Product(node.input[0], weight.T if attribute(node, "transB", 0) else weight, bias)


def _scaled(weight: Floats, axis: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """The weight as int8, and float32 scales that have one value for each index not summed over by `axis`."""
    scale = np.maximum(np.abs(weight).max(axis=axis, keepdims=True) / np.float32(_STEPS), _TINY).astype(np.float32)
    return np.clip(np.rint(weight / scale), -_STEPS, _STEPS).astype(np.int8), scale


def dynamic_int8(part: onnx.ModelProto) -> Counter[str]:
    """Rewrites products and embeddings of a model's part, in place.

    Returns:
        How many nodes of each operator were rewritten.
    """
    from onnx import numpy_helper

    graph, changed = part.graph, Counter[str]()
    known = tensors(graph)
    nodes: list[onnx.NodeProto] = []
    shared = {"axes": np.array([-1], np.int64), "step": np.float32(1 / _STEPS), "tiny": _TINY, "zero": np.float32(0)}
    shared |= {"middle": np.float32(_MIDDLE), "offset": np.uint8(_MIDDLE)}
    for node in graph.node:
        product = matrix_weight(node, known)
        if product is None:
            nodes.append(node)
            continue
        name = node.output[0]
        weight, scale = _scaled(product.weight, 0)
        lifted = (weight.astype(np.int16) + _MIDDLE).astype(np.uint8)
        for key, value in {f"{name}:weight": lifted, f"{name}:scale": scale.reshape(-1)}.items():
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), key))
        nodes += _row_by_row(product, name)
        changed[node.op_type] += 1
    if changed:
        graph.initializer.extend(numpy_helper.from_array(np.asarray(v), f"model/int8/{k}") for k, v in shared.items())
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused(graph)
    return changed + embeddings_int8(part)


def _row_by_row(product: Product, name: str) -> list[onnx.NodeProto]:
    """``x @ weight + bias`` with each row of x on a scale of its own.

    ReduceMax passes over NaN, and integers have none: a row with NaN gets it back by its scale.
    """
    from onnx import TensorProto, helper

    def tensor(key: str) -> str:
        return f"{name}:{key}"

    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Abs", [product.x], "abs", {}),
        ("ReduceMax", [tensor("abs"), "model/int8/axes"], "largest", {"keepdims": 1}),
        ("Mul", [tensor("largest"), "model/int8/step"], "range", {}),
        ("Max", [tensor("range"), "model/int8/tiny"], "above_zero", {}),
        ("Mul", [tensor("abs"), "model/int8/zero"], "zeros", {}),
        ("ReduceSum", [tensor("zeros"), "model/int8/axes"], "nothing", {"keepdims": 1}),
        ("Add", [tensor("above_zero"), tensor("nothing")], "row_scale", {}),
        ("Div", [product.x, tensor("row_scale")], "steps", {}),
        ("Round", [tensor("steps")], "rounded", {}),
        ("Add", [tensor("rounded"), "model/int8/middle"], "lifted", {}),
        ("Cast", [tensor("lifted")], "uint8", {"to": TensorProto.UINT8}),
        ("MatMulInteger", [tensor("uint8"), tensor("weight"), "model/int8/offset", "model/int8/offset"], "sum", {}),
        ("Cast", [tensor("sum")], "float", {"to": TensorProto.FLOAT}),
        ("Mul", [tensor("float"), tensor("row_scale")], "by_row", {}),
    ]
    made = [helper.make_node(op, inputs, [tensor(out)], **more) for op, inputs, out, more in steps]
    last = tensor("product") if product.bias else name
    made.append(helper.make_node("Mul", [tensor("by_row"), tensor("scale")], [last]))
    if product.bias:
        made.append(helper.make_node("Add", [last, product.bias], [name]))
    return made


def embeddings_int8(part: onnx.ModelProto) -> Counter[str]:
    """Rewrites Gather from float32 tables ``[V, D]``: int8 rows, each times its own scale; in place."""
    from onnx import TensorProto, helper, numpy_helper

    graph, changed = part.graph, Counter[str]()
    known = tensors(graph)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        table = known.get(node.input[0]) if node.op_type == "Gather" and node.domain == "" else None
        if table is None or table.ndim != 2 or table.dtype != np.float32 or attribute(node, "axis", 0) != 0:
            nodes.append(node)
            continue
        name, ids = node.output[0], node.input[1]
        rows, scale = _scaled(table, 1)
        graph.initializer.append(numpy_helper.from_array(rows, f"{name}:rows"))
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}:scales"))
        nodes += [
            helper.make_node("Gather", [f"{name}:rows", ids], [f"{name}:int8"], axis=0),
            helper.make_node("Cast", [f"{name}:int8"], [f"{name}:float"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [f"{name}:scales", ids], [f"{name}:scale"], axis=0),
            helper.make_node("Mul", [f"{name}:float", f"{name}:scale"], [name]),
        ]
        changed["Gather"] += 1
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused(graph)
    return changed
