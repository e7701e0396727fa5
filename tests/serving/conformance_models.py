"""The models that the conformance cases are asked of; their answers can be worked out by hand.

``half``: x / 2 + 2. ``pair``: the sum of a vector of two. ``words``: the text as it is, and as bytes. ``kinds``: every
scalar as it is. ``taxi``: sigmoid(0.1 * fare + (company == "Flash") + bias), bias 0 in version 1 and 2 in version 2.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from serving_helpers import taxi_graph, write_model

from trueline._core.feeds import Feeds
from trueline._core.manifest import write_manifest
from trueline._core.values import RawFeature
from trueline.serving.config import Latest, ModelConfig, ServerConfig

__all__ = ["conformance_config", "write_models"]

_TYPES = {
    "tensor(double)": TensorProto.DOUBLE,
    "tensor(int64)": TensorProto.INT64,
    "tensor(bool)": TensorProto.BOOL,
    "tensor(string)": TensorProto.STRING,
}
_DTYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "utf8": TensorProto.STRING,
}
_GIVEN = {"float64": "float32", "timestamp": "int64"}
KINDS = (
    RawFeature("number", "float64"),
    RawFeature("whole", "int64"),
    RawFeature("flag", "bool"),
    RawFeature("text", "utf8"),
    RawFeature("moment", "timestamp"),
)


def _output(name: str, dtype: str, meaning: str = "") -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": [None], "meaning": meaning}


def _write(
    folder: Path,
    features: Sequence[RawFeature],
    nodes: Sequence[onnx.NodeProto],
    outputs: Sequence[dict[str, Any]],
    constants: dict[str, Any] | None = None,
    task: str = "binary",
) -> None:
    info = helper.make_tensor_value_info
    inputs = [info(name, _TYPES[kind], shape) for name, kind, shape in Feeds(features).onnx_inputs()]
    made = [info(o["name"], _DTYPES[o["dtype"]], ["N"]) for o in outputs]
    values = [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, folder.parent.name, inputs, made, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    write_model(folder, model, features, outputs, manifest=False)
    described = folder / "model.json"
    described.write_text(json.dumps(json.loads(described.read_text()) | {"task": task, "classes": None}))
    write_manifest(str(folder), "Model", 1)


def write_models(root: Path) -> None:
    """Writes every model below `root`, each in a base directory of its own."""
    node = helper.make_node
    _write(
        root / "half" / "1",
        [RawFeature("x", "float64", optional=False)],
        [
            node("Mul", ["x", "half"], ["scaled"]),
            node("Add", ["scaled", "two"], ["sum"]),
            node("Cast", ["sum"], ["prediction"], to=TensorProto.FLOAT),
        ],
        [_output("prediction", "float32", "prediction")],
        {"half": np.array(0.5), "two": np.array(2.0)},
        task="regression",
    )
    _write(
        root / "pair" / "1",
        [RawFeature("v", "float64", "fixed", 2, optional=False)],
        [
            node("ReduceSum", ["v", "axis"], ["total"], keepdims=0),
            node("Cast", ["total"], ["sum"], to=TensorProto.FLOAT),
        ],
        [_output("sum", "float32")],
        {"axis": np.array([1], np.int64)},
    )
    _write(
        root / "words" / "1",
        [RawFeature("word", "utf8", optional=False)],
        [node("Identity", ["word"], ["text"]), node("Identity", ["word"], ["text_bytes"])],
        [_output("text", "utf8"), _output("text_bytes", "utf8")],
    )
    _write(
        root / "kinds" / "1",
        KINDS,
        [node("Cast", ["number"], ["number_out"], to=TensorProto.FLOAT)]
        + [node("Identity", [f.name], [f"{f.name}_out"]) for f in KINDS[1:]],
        [_output(f"{f.name}_out", _GIVEN.get(f.dtype, f.dtype)) for f in KINDS],
    )
    for number, bias in ((1, 0.0), (2, 2.0)):
        write_model(root / "taxi" / str(number), taxi_graph(bias))


def conformance_config(root: Path) -> ServerConfig:
    """The server's models: two versions of ``taxi``, the older one labelled ``stable``."""
    single = [ModelConfig(name, str(root / name)) for name in ("pair", "words", "kinds")]
    half = ModelConfig("half", str(root / "half"), labels={"Version_Label": 1})
    taxi = ModelConfig("taxi", str(root / "taxi"), policy=Latest(2), labels={"stable": 1})
    return ServerConfig((*single, half, taxi))
