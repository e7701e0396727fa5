"""LiteRT (TensorFlow Lite) of the numeric part, and an exact account of what the device must do before it.

LiteRT has no text and next to no float64. So the folder holds the network alone as ``model.tflite``, and
``transform.onnx`` with its feeds: the reference of the preprocessing, to run or to compare with.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core import store
from trueline._core.errors import ModelError
from trueline.models.model import Model
from trueline.models.outputs import LABEL
from trueline.models.tf_network import TfNetwork, check_equal, main_output, network_of, sample_rows

if TYPE_CHECKING:
    import onnx
    import pyarrow as pa

__all__ = ["save_litert"]

_TARGET = "LiteRT"
_NETWORK = "model/"
"""The prefix of the network's inputs in ``model.onnx``."""


def save_litert(model: Model | str, uri: str, *, sample: pa.Table | None = None) -> dict[str, Any]:
    """Writes ``model.tflite``, ``transform.onnx``, ``host_preprocessing.json`` and a README.

    Args:
        model: the artifact of a Keras or TensorFlow model, or its folder.
        uri: an empty or absent folder.
        sample: raw rows on which LiteRT, behind ``transform.onnx``, is compared with ``model.onnx``.

    Returns:
        The rows compared, the largest difference, and the bytes of ``model.tflite``.

    Raises:
        ModelError: a model of another framework, host steps, operations LiteRT does not have, or no sample.
        ParityError: LiteRT answers otherwise; nothing is written.
    """
    loaded = model if isinstance(model, Model) else Model.load(model)
    network = network_of(loaded, _TARGET)
    rows = sample_rows(sample, _TARGET)
    if loaded.runtime.steps:
        raise ModelError(
            "the model has Python steps before its graph, which a device does not have",
            problems=[str(s) for s in loaded.runtime.steps],
        )
    transform = _transform_part(loaded, network)
    content = _converted(network, main_output(loaded))
    arrays, sizes = _prepared(loaded, network, transform, rows)
    found = {main_output(loaded): _run(content, network, main_output(loaded), arrays)}
    if loaded.classes is not None:
        found[LABEL] = np.array(loaded.classes, object)[found[main_output(loaded)].argmax(1)]
    difference = check_equal(loaded, rows, found, _TARGET)
    account = _account(loaded, network, sizes)
    files = {
        "model.tflite": content,
        "transform.onnx": transform.SerializeToString(deterministic=True),
        "host_preprocessing.json": (json.dumps(account, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode(),
        "README.md": _readme(loaded, network, account).encode(),
    }
    for name, data in files.items():
        store.write_bytes(store.join(uri, name), data)
    return {"rows compared": rows.num_rows, "largest difference": difference, "bytes of model.tflite": len(content)}


def _transform_part(model: Model, network: TfNetwork) -> onnx.ModelProto:
    """The part of ``model.onnx`` before the network: raw features in, the network's inputs out."""
    import onnx
    from onnx import TensorProto, helper

    from trueline.models.graphs import drop_unused

    made = onnx.load_model_from_string(store.read_bytes(store.join(model.uri, "model.onnx")))
    graph = made.graph
    del graph.output[:]
    for spec in network.inputs:
        kind = TensorProto.INT64 if spec.dtype == "int64" else TensorProto.FLOAT
        graph.node.append(helper.make_node("Identity", [_NETWORK + spec.name], [f"network:{spec.name}"]))
        graph.output.append(helper.make_tensor_value_info(f"network:{spec.name}", kind, ["N", spec.width]))
    drop_unused(graph)
    return made


def _converted(network: TfNetwork, name: str) -> bytes:
    """The network and its head in LiteRT's built-in operators; frozen first, the converter would lose variables."""
    import tensorflow as tf

    from trueline.models.exporters.tf_graph import frozen_graph, graph_function

    count = len(network.inputs)
    frozen = graph_function(frozen_graph(lambda *tensors: network.main(tensors), network.inputs), count)

    specs = {f"in{i}": tf.TensorSpec([None, s.width], s.dtype, f"in{i}") for i, s in enumerate(network.inputs)}

    def serving_default(**tensors: Any) -> dict[str, Any]:
        return {name: frozen(*(tensors[f"in{i}"] for i in range(count)))}

    module = tf.Module(name="network")
    module.owned = frozen
    module.serving_default = tf.function(serving_default, autograph=False).get_concrete_function(**specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serving_default], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made: bytes = converter.convert()
    except Exception as error:
        lines = [line for line in str(error).splitlines() if "flex" in line.lower() or "error" in line.lower()]
        raise ModelError(
            "the network uses operations that LiteRT does not have",
            problems=lines[:3] or [type(error).__name__],
            hint="use --to onnx with ONNX Runtime Mobile.",
        ) from error
    return made


def _prepared(
    model: Model, network: TfNetwork, transform: onnx.ModelProto, rows: pa.Table
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, int]]:
    """The network's inputs for raw rows, as ``transform.onnx`` makes them; and columns by feature."""
    from trueline._core.runtime import make_session

    session = make_session(transform.SerializeToString())
    wanted = {i.name for i in session.get_inputs()}
    feeds = {k: v for k, v in model.runtime.graph.feeds.from_arrow(rows).items() if k in wanted}
    names = [f"network:{s.name}" for s in network.inputs]
    made = session.run(names, feeds)
    # LiteRT tells types by their number in C: ONNX Runtime's int64 is another one of the same size
    found = {s.name: np.ascontiguousarray(a).view(s.dtype) for s, a in zip(network.inputs, made, strict=True)}
    return found, _sizes(model, transform)


def _sizes(model: Model, transform: onnx.ModelProto) -> dict[str, int]:
    """Columns of every feature, read from the shapes that the assembly gives them."""
    from onnx import numpy_helper

    constants = {i.name: i for i in transform.graph.initializer}
    shapes = {
        n.output[0]: int(numpy_helper.to_array(constants[n.input[1]])[-1])
        for n in transform.graph.node
        if n.op_type == "Reshape" and n.input[1] in constants
    }
    found = {}
    for spec in model.info["inputs"]:
        for i, name in enumerate(spec["features"]):
            found[name] = shapes.get(f"input/{spec['name']}/{i}/flat", 1)
    return found


def _run(
    content: bytes, network: TfNetwork, name: str, arrays: Mapping[str, npt.NDArray[Any]]
) -> npt.NDArray[np.float32]:
    """The LiteRT interpreter's answers, row by row, as a device asks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ModelError("LiteRT's interpreter is not installed", hint="pip install ai-edge-litert") from error
    interpreter = Interpreter(model_content=content)  # the runner does not keep it alive
    runner = interpreter.get_signature_runner("serving_default")
    count = len(next(iter(arrays.values())))
    parts = [
        runner(**{f"in{i}": arrays[s.name][row : row + 1] for i, s in enumerate(network.inputs)})[name]
        for row in range(count)
    ]
    return np.concatenate(parts)


def _account(model: Model, network: TfNetwork, sizes: Mapping[str, int]) -> dict[str, Any]:
    """What the device must do before ``model.tflite``, by name."""
    features = {i["name"]: i["features"] for i in model.info["inputs"]}
    inputs = []
    for at, spec in enumerate(network.inputs):
        start, columns = 0, []
        for name in features[spec.name]:
            columns.append({"feature": name, "first_column": start, "columns": sizes[name]})
            start += sizes[name]
        inputs.append(
            {
                "tensor": f"in{at}",
                "name": spec.name,
                "dtype": spec.dtype,
                "shape": [None, spec.width],
                "features": columns,
                "reference": f"transform.onnx, output network:{spec.name}",
            }
        )
    return {
        "format": 1,
        "model": model.name,
        "signature": "serving_default",
        "inputs": inputs,
        "outputs": [{"name": main_output(model), "classes": model.classes}],
        "raw_features": model.info["signature"]["inputs"],
        "feeds": model.info["feeds"],
        "missing": "a float feature that is missing is NaN",
        "transform": model.info["transform"],
    }


def _readme(model: Model, network: TfNetwork, account: Mapping[str, Any]) -> str:
    lines = [
        f"# {model.name} for LiteRT",
        "",
        "`model.tflite` takes features that are transformed already, by its signature `serving_default`:",
        "",
    ]
    for spec in account["inputs"]:
        columns = [f"`{c['feature']}`" + f" ({c['columns']} columns)" * (c["columns"] > 1) for c in spec["features"]]
        lines += [f"- `{spec['tensor']}` {spec['dtype']} [N, {spec['shape'][1]}]: {', '.join(columns)}"]
    lines += [
        "",
        f"It gives `{main_output(model)}`." + (f" Classes in order: {model.classes}." if model.classes else ""),
        "",
        "The device makes these columns from the raw features. `transform.onnx` is the reference: it takes the tensors",
        "that `feeds` in `host_preprocessing.json` describes and gives `network:<name>`. Run it with ONNX Runtime",
        "Mobile, or write the same by hand and compare.",
        "",
    ]
    return "\n".join(lines)
