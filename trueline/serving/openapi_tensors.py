"""JSON schemas of the Open Inference Protocol's requests and responses for one model: parts of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from trueline._core.feed_columns import LENGTH
from trueline._core.runtime import ModelRuntime
from trueline._core.values import PRESENT, RawFeature
from trueline.serving.oip_features import DATATYPE
from trueline.serving.openapi_schemas import INT64, Schema
from trueline.serving.options import ServerOptions

__all__ = ["infer_request", "infer_response"]

_TENSOR_VALUES: Mapping[str, Schema] = MappingProxyType(
    {
        "BOOL": {"type": "boolean"},
        "INT64": INT64,
        "FP32": {"type": "number", "minimum": -3.4e38, "maximum": 3.4e38},
        "FP64": {"type": "number"},
        "BYTES": {"type": "string"},
    }
)


def _tensor(name: str, datatype: str, shape: Sequence[Schema]) -> Schema:
    value = _TENSOR_VALUES[datatype]
    nested: Schema = {"type": "array", "items": {"type": "array", "items": value}}
    data = {"type": "array", "items": value}
    size = {"type": "integer", "minimum": 0, "description": "bytes of binary data behind the JSON, instead of data"}
    return {
        "type": "object",
        "properties": {
            "name": {"const": name},
            "datatype": {"const": datatype},
            "shape": {"type": "array", "prefixItems": list(shape), "minItems": len(shape), "maxItems": len(shape)},
            "parameters": {"type": "object", "properties": {"binary_data_size": size}},
            "data": {"anyOf": [data, nested]} if len(shape) > 1 else data,
        },
        "required": ["name", "shape", "datatype"],
        "title": f"{name} as {datatype}",
    }


def _tensors(feature: RawFeature, options: ServerOptions) -> list[Schema]:
    """The tensors that a feature comes as: in the datatype of the model's metadata; others that fit are taken too."""
    rows: Schema = {"type": "integer", "minimum": 1, "maximum": options.max_rows}
    shape = {
        "scalar": [rows],
        "fixed": [rows, {"const": feature.size}],
        "ragged": [rows, {"type": "integer", "minimum": 0}],
    }
    made = [_tensor(feature.name, DATATYPE[feature.dtype], shape[feature.kind])]
    if feature.optional:
        made.append(_tensor(feature.name + PRESENT, "BOOL", [rows]))
    if feature.kind == "ragged":
        made.append(_tensor(feature.name + LENGTH, "INT64", [rows]))
    return made


def infer_request(runtime: ModelRuntime, options: ServerOptions) -> Schema:
    """A body of ``/infer``."""
    counted: Schema = {
        "type": ["integer", "null"],
        "minimum": 1,
        "description": "how many classes, the likeliest first",
    }
    outputs = []
    for output in runtime.outputs:
        classes = counted if len(output.get("shape", [None])) == 2 else {"type": "null"}
        flags = {"binary_data": {"type": ["boolean", "null"]}, "classification": classes}
        parameters = {"type": "object", "properties": flags}
        named = {"name": {"const": output["name"]}, "parameters": parameters}
        outputs.append({"type": "object", "properties": named, "required": ["name"]})
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object", "properties": {"binary_data_output": {"type": "boolean"}}},
            "inputs": {
                "type": "array",
                "minItems": 1,
                "description": "one tensor for each feature, their first dimension the rows",
                "items": {"anyOf": [tensor for f in runtime.inputs for tensor in _tensors(f, options)]},
            },
            "outputs": {"type": "array", "items": {"anyOf": outputs}, "uniqueItems": True},
        },
        "required": ["inputs"],
    }


def infer_response(runtime: ModelRuntime) -> Schema:
    """An answer of ``/infer``."""
    size = {"type": "integer", "description": "bytes of binary data behind the JSON"}
    tensor: Schema = {
        "type": "object",
        "properties": {
            "name": {"enum": [o["name"] for o in runtime.outputs]},
            "datatype": {"enum": sorted({DATATYPE[o["dtype"]] for o in runtime.outputs} | {"BYTES"})},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "parameters": {"type": "object", "properties": {"binary_data_size": size}},
            "data": {"type": "array", "items": {"type": ["number", "boolean", "string", "null"]}},
        },
        "required": ["name", "datatype", "shape"],
    }
    return {
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": tensor},
        },
        "required": ["model_name", "model_version", "outputs"],
    }
