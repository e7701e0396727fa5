"""A model with every kind of feature that says what came in, tensors for it, and bodies with binary data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from serving_helpers import write_model

from trueline._core.feeds import Feeds
from trueline._core.values import RawFeature

FEATURES = (
    RawFeature("f", "float64"),
    RawFeature("i", "int64", optional=False),
    RawFeature("b", "bool"),
    RawFeature("s", "utf8"),
    RawFeature("t", "timestamp"),
    RawFeature("v", "float64", "fixed", 2),
    RawFeature("r", "utf8", "ragged"),
    RawFeature("n", "int64", "ragged"),
)
_TYPES = {
    "tensor(double)": TensorProto.DOUBLE,
    "tensor(int64)": TensorProto.INT64,
    "tensor(bool)": TensorProto.BOOL,
    "tensor(string)": TensorProto.STRING,
}
_DTYPES = {
    TensorProto.FLOAT: "float32",
    TensorProto.INT64: "int64",
    TensorProto.BOOL: "bool",
    TensorProto.STRING: "utf8",
}
_MADE = {TensorProto.DOUBLE: TensorProto.FLOAT}


def echo_model(folder: Path, *, lists: bool = True) -> Path:
    """A model whose outputs are its graph's inputs: ``out_<name>``, ``:`` as ``_``, doubles as floats.

    A signature cannot describe lists that go out; without `lists` only their lengths do.
    """
    inputs, outputs, nodes, described = [], [], [], []
    for name, kind, shape in Feeds(FEATURES).onnx_inputs():
        if not lists and name in ("r", "n"):
            inputs.append(helper.make_tensor_value_info(name, _TYPES[kind], shape))
            continue
        output = "out_" + name.replace(":", "_")
        inputs.append(helper.make_tensor_value_info(name, _TYPES[kind], shape))
        made = _MADE.get(_TYPES[kind], _TYPES[kind])
        outputs.append(helper.make_tensor_value_info(output, made, shape))
        same = helper.make_node("Identity", [name], [output])
        nodes.append(same if made == _TYPES[kind] else helper.make_node("Cast", [name], [output], to=made))
        sizes = [None, *(size for size in shape if isinstance(size, int))]  # a list's length is not told
        described.append({"name": output, "dtype": _DTYPES[made], "shape": sizes, "meaning": ""})
    graph = helper.make_graph(nodes, "echo", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return write_model(folder, model, FEATURES, described)


def one_feature_model(folder: Path) -> Path:
    """The prediction is the one feature."""
    names = [("x", TensorProto.DOUBLE), ("x:present", TensorProto.BOOL)]
    inputs = [helper.make_tensor_value_info(name, kind, ["N"]) for name, kind in names]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])
    graph = helper.make_graph([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)], "one", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    described = [{"name": "y", "dtype": "float32", "shape": [None], "meaning": "prediction"}]
    return write_model(folder, model, [RawFeature("x", "float64")], described)


def tensor(name: str, datatype: str, shape: Sequence[int], data: Any) -> dict[str, Any]:
    """A tensor as JSON has it."""
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": data}


def raw_bytes(values: Sequence[bytes]) -> bytes:
    """BYTES in the binary form, written independently of the server."""
    return b"".join(len(v).to_bytes(4, "little") + v for v in values)


def binary_body(
    tensors: Sequence[tuple[str, str, Sequence[int], bytes]], **members: Any
) -> tuple[bytes, dict[str, str]]:
    """A body with binary data and its headers."""
    inputs = [
        {"name": n, "datatype": d, "shape": list(s), "parameters": {"binary_data_size": len(raw)}}
        for n, d, s, raw in tensors
    ]
    head = json.dumps({"inputs": inputs, **members}).encode()
    return head + b"".join(raw for *_, raw in tensors), {"Inference-Header-Content-Length": str(len(head))}


def outputs_of(answer: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The outputs of a JSON answer as arrays of their shapes."""
    return {o["name"]: np.array(o["data"], object).reshape(o["shape"]) for o in answer["outputs"]}


def sizes(images: list[bytes | None], tags: list[list[str] | None]) -> list[int | None]:
    """A host step: 100 for each byte and 1 for each tag; missing where there is no image."""
    return [None if i is None else 100 * len(i) + len(t or ()) for i, t in zip(images, tags, strict=True)]


def sizes_model(folder: Path) -> Path:
    """A model over bytes and a list by way of `sizes`."""
    names = [("host:size", TensorProto.INT64), ("host:size:present", TensorProto.BOOL)]
    inputs = [helper.make_tensor_value_info(name, kind, ["N"]) for name, kind in names]
    outputs = [helper.make_tensor_value_info(out, kind, ["N"]) for out, (_, kind) in zip("ap", names, strict=True)]
    nodes = [helper.make_node("Identity", [name], [out]) for out, (name, _) in zip("ap", names, strict=True)]
    graph = helper.make_graph(nodes, "sizes", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    function = "serving_oip_helpers:sizes"
    step = {"output": "size", "inputs": ["image", "tags"], "function": function, "dtype": "int64"}
    raw = [RawFeature("image", "bytes"), RawFeature("tags", "utf8", "ragged")]
    described = [{"name": n, "dtype": d, "shape": [None], "meaning": ""} for n, d in (("a", "int64"), ("p", "bool"))]
    return write_model(folder, model, raw, described, steps=[step], feeds=[RawFeature("host:size", "int64")])
