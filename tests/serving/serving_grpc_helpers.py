"""A gRPC server in this process with a channel to it, and messages for it from the private pool."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
from onnx import TensorProto, helper
from serving_helpers import running, until, write_model

from trueline._core.manifest import write_manifest
from trueline._core.values import RawFeature
from trueline.serving import ServingApp
from trueline.serving.grpc_descriptors import message
from trueline.serving.grpc_server import GrpcServer
from trueline.serving.grpc_tensors import tensor_proto

PREDICTION = "tensorflow.serving.PredictionService"
MODELS = "tensorflow.serving.ModelService"


def tf(name: str) -> Any:
    """An empty message of TensorFlow Serving."""
    return message(f"tensorflow.serving.{name}")()


RESPONSES = {
    "Predict": "PredictResponse",
    "Classify": "ClassificationResponse",
    "Regress": "RegressionResponse",
    "MultiInference": "MultiInferenceResponse",
    "GetModelMetadata": "GetModelMetadataResponse",
    "GetModelStatus": "GetModelStatusResponse",
    "HandleReloadConfigRequest": "ReloadConfigResponse",
}


@dataclass(frozen=True)
class Refused:
    """How a call failed."""

    code: grpc.StatusCode
    details: str
    trailing: Mapping[str, str]


@dataclass
class Grpc:
    """A server, a channel to it, and its REST side."""

    app: ServingApp
    http: httpx.AsyncClient
    server: GrpcServer
    channel: Any
    port: int

    async def raw(self, method: str, body: bytes, service: str = PREDICTION, **options: Any) -> bytes | Refused:
        """The answer's bytes, or how the call failed."""
        try:
            answer: bytes = await self.channel.unary_unary(f"/{service}/{method}")(body, **options)
        except grpc.aio.AioRpcError as error:
            trailing = {name: str(value) for name, value in error.trailing_metadata() or ()}
            return Refused(error.code(), error.details() or "", trailing)
        return answer

    async def call(self, method: str, request: Any, service: str = PREDICTION, **options: Any) -> Any:
        """The response, or how the call failed."""
        answer = await self.raw(method, request.SerializeToString(), service, **options)
        if isinstance(answer, Refused):
            return answer
        return message(f"tensorflow.serving.{RESPONSES[method]}").FromString(answer)

    async def predict(self, inputs: Mapping[str, Any], model: str = "taxi", **spec: Any) -> Any:
        """Predict with arrays or ready tensors."""
        return await self.call("Predict", predict_request(inputs, model, **spec))


@contextlib.asynccontextmanager
async def grpc_running(models: dict[str, Path], *, wait: bool = True, **settings: Any) -> AsyncIterator[Grpc]:
    """An app in this process that answers by gRPC."""
    async with running(models, wait, **settings) as (app, client):
        if wait:
            wanted = {name: min(len(list(base.iterdir())), app.options.num_versions) for name, base in models.items()}
            await until(lambda: all(len(app.manager.table[n].versions) == count for n, count in wanted.items()))
        server = GrpcServer(app, app.options)
        port = await server.start("127.0.0.1", 0)
        assert port is not None
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Grpc(app, client, server, channel, port)
        finally:
            await server.stop(0)


def fill_spec(spec: Any, name: str, version: int | None = None, label: str | None = None, signature: str = "") -> None:
    """A ModelSpec."""
    spec.name = name
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label
    spec.signature_name = signature


def predict_request(
    inputs: Mapping[str, Any], model: str = "taxi", output_filter: Sequence[str] = (), **spec: Any
) -> Any:
    """A PredictRequest of arrays, lists or TensorProtos by name."""
    request = tf("PredictRequest")
    fill_spec(request.model_spec, model, **spec)
    request.output_filter.extend(output_filter)
    for name, value in inputs.items():
        if not hasattr(value, "tensor_shape"):
            value = tensor_proto(array(value))
        request.inputs[name].CopyFrom(value)
    return request


def array(value: Any) -> np.ndarray[Any, Any]:
    """An array of a list; text as objects."""
    made = np.asarray(value)
    return made.astype(object) if made.dtype.kind in "US" else made


def outputs_of(response: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The outputs by name, read by rules written down here anew: field by type, shape by its sizes."""
    fields = {1: ("float_val", np.float32), 2: ("double_val", np.float64), 9: ("int64_val", np.int64)}
    fields |= {10: ("bool_val", np.bool_), 7: ("string_val", object)}
    found = {}
    for name, tensor in response.outputs.items():
        field, dtype = fields[tensor.dtype]
        shape = [dim.size for dim in tensor.tensor_shape.dim]
        found[name] = np.array(list(getattr(tensor, field)), dtype).reshape(shape)
    return found


def example(**features: Any) -> Any:
    """A tf.Example; bytes and text to bytes_list, floats to float_list, the others to int64_list."""
    made = message("tensorflow.Example")()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = made.features.feature[name]
        if all(isinstance(v, str | bytes) for v in values):
            feature.bytes_list.value.extend(v.encode() if isinstance(v, str) else v for v in values)
        elif all(isinstance(v, float) for v in values):
            feature.float_list.value.extend(values)
        else:
            feature.int64_list.value.extend(int(v) for v in values)
    return made


def task_request(kind: str, examples: Sequence[Any], model: str = "taxi", **spec: Any) -> Any:
    """A ClassificationRequest or RegressionRequest."""
    request = tf(kind)
    fill_spec(request.model_spec, model, **spec)
    request.input.example_list.examples.extend(examples)
    return request


def regression_model(folder: Path) -> Path:
    """A model of regression: prediction = fare, required, as float32."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Cast", ["fare"], ["prediction"], to=TensorProto.FLOAT)],
        "regression",
        [info("fare", TensorProto.DOUBLE, ["N"])],
        [info("prediction", TensorProto.FLOAT, ["N"])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    output = {"name": "prediction", "dtype": "float32", "shape": [None], "meaning": "prediction"}
    write_model(folder, made, (RawFeature("fare", "float64", optional=False),), [output], manifest=False)
    return _with_task(folder, "regression")


def _with_task(folder: Path, task: str) -> Path:
    path = folder / "model.json"
    info = json.loads(path.read_text()) | {"task": task, "classes": None}
    path.write_text(json.dumps(info))
    write_manifest(str(folder), "Model", 1)
    return folder


class Asker:
    """A server on a loop of its own that tests talk to one call at a time."""

    def __init__(self, models: dict[str, Path], **settings: Any) -> None:
        self._runner = asyncio.Runner()
        self._context = grpc_running(models, poll_seconds=1000, **settings)
        self.grpc = self._runner.run(self._context.__aenter__())

    def run(self, work: Any) -> Any:
        """Runs a coroutine on the server's loop, at most 20 seconds."""
        return self._runner.run(asyncio.wait_for(work, 20))

    def close(self) -> None:
        self._runner.run(self._context.__aexit__(None, None, None))
        self._runner.close()
