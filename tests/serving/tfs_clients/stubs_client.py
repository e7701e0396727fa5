"""Talks to a server with TensorFlow Serving's official stubs and prints what it heard, as JSON.

python stubs_client.py ADDRESS VERSION REGRESSION_MODEL NEW_MODEL_BASE
"""

from __future__ import annotations

import json
import sys
from typing import Any

import grpc
from google.protobuf import wrappers_pb2
from tensorflow.core.example import example_pb2, feature_pb2
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

ADDRESS, VERSION, NUMBERS, NEW = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
CHANNEL = grpc.insecure_channel(ADDRESS)
PREDICTION = prediction_service_pb2_grpc.PredictionServiceStub(CHANNEL)
MODELS = model_service_pb2_grpc.ModelServiceStub(CHANNEL)
SPEC = model_pb2.ModelSpec(name="taxi", version=wrappers_pb2.Int64Value(value=VERSION))


def tensor(kind: int, size: int, **values: Any) -> tensor_pb2.TensorProto:
    made = tensor_pb2.TensorProto(dtype=kind, **values)
    made.tensor_shape.dim.add(size=size)
    return made


def predict() -> Any:
    request = predict_pb2.PredictRequest(model_spec=SPEC)
    request.inputs["fare"].CopyFrom(tensor(types_pb2.DT_FLOAT, 2, float_val=[3.5, -20.0]))
    request.inputs["company"].CopyFrom(tensor(types_pb2.DT_STRING, 2, string_val=[b"Flash", b"Other"]))
    answer = PREDICTION.Predict(request, timeout=10)
    return {
        "model": [answer.model_spec.name, answer.model_spec.version.value, answer.model_spec.signature_name],
        "probabilities": list(answer.outputs["probabilities"].float_val),
        "label": list(answer.outputs["label"].bool_val),
    }


def examples() -> list[example_pb2.Example]:
    made = []
    for fare, company in ((3.5, b"Flash"), (-20.0, b"Other")):
        features = {
            "fare": feature_pb2.Feature(float_list=feature_pb2.FloatList(value=[fare])),
            "company": feature_pb2.Feature(bytes_list=feature_pb2.BytesList(value=[company])),
        }
        made.append(example_pb2.Example(features=feature_pb2.Features(feature=features)))
    return made


def classes(result: Any) -> Any:
    return [[[c.label, c.score] for c in row.classes] for row in result.classifications]


def classify() -> Any:
    request = classification_pb2.ClassificationRequest(model_spec=SPEC)
    request.input.example_list.examples.extend(examples())
    return classes(PREDICTION.Classify(request, timeout=10).result)


def regress() -> Any:
    request = regression_pb2.RegressionRequest(model_spec=model_pb2.ModelSpec(name=NUMBERS))
    for example in examples():
        del example.features.feature["company"]
        request.input.example_list.examples.append(example)
    return [r.value for r in PREDICTION.Regress(request, timeout=10).result.regressions]


def multi_inference() -> Any:
    request = inference_pb2.MultiInferenceRequest()
    request.input.example_list.examples.extend(examples())
    for signature in ("", "classification"):
        spec = model_pb2.ModelSpec(name="taxi", signature_name=signature)
        request.tasks.add(model_spec=spec, method_name="tensorflow/serving/classify")
    return [classes(r.classification_result) for r in PREDICTION.MultiInference(request, timeout=10).results]


def metadata() -> Any:
    request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=SPEC, metadata_field=["signature_def"])
    answer = PREDICTION.GetModelMetadata(request, timeout=10)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    inputs = signatures.signature_def["serving_default"].inputs
    return {name: types_pb2.DataType.Name(info.dtype) for name, info in inputs.items()}


def status() -> Any:
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=model_pb2.ModelSpec(name="taxi"))
    versions = MODELS.GetModelStatus(request, timeout=10).model_version_status
    name = get_model_status_pb2.ModelVersionStatus.State.Name
    return [[v.version, name(v.state), v.status.error_message] for v in versions]


def refusals() -> Any:
    told = {}
    for name, request in (
        ("unknown model", predict_pb2.PredictRequest(model_spec=model_pb2.ModelSpec(name="nobody"))),
        ("unknown label", predict_pb2.PredictRequest(model_spec=model_pb2.ModelSpec(name="taxi", version_label="x"))),
        (
            "unknown signature",
            predict_pb2.PredictRequest(model_spec=model_pb2.ModelSpec(name="taxi", signature_name="x")),
        ),
        ("no model", predict_pb2.PredictRequest()),
    ):
        try:
            PREDICTION.Predict(request, timeout=10)
        except grpc.RpcError as error:
            told[name] = error.code().name
    return told


def reload() -> Any:
    request = model_management_pb2.ReloadConfigRequest()
    for name, base in (item.split("=") for item in NEW.split(",")):
        request.config.model_config_list.config.add(name=name, base_path=base, model_platform="tensorflow")
    answer = MODELS.HandleReloadConfigRequest(request, timeout=30)
    return [answer.status.error_code, answer.status.error_message]


CALLS = (predict, classify, regress, multi_inference, metadata, status, refusals, reload)
print(json.dumps({call.__name__: call() for call in CALLS}))
