"""JSON schemas of what goes in and out of a model, from its signature: the parts of the OpenAPI document.

What fits them the server takes, but for what JSON Schema has no words for: that columns are of one length, and that a
tensor has as many values as its shape says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from trueline._core.feed_columns import LENGTH
from trueline._core.runtime import ModelRuntime
from trueline._core.values import PRESENT, RawFeature
from trueline.serving.oip_features import DATATYPE
from trueline.serving.options import ServerOptions
from trueline.serving.signatures import SERVING_DEFAULT

__all__ = [
    "Schema",
    "classify_request",
    "classify_response",
    "error_schema",
    "explain_request",
    "explain_response",
    "infer_request",
    "infer_response",
    "instance",
    "predict_request",
    "predict_response",
]

Schema = dict[str, Any]

_INT64: Schema = {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}
_BASE64_TEXT = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_BASE64: Schema = {
    "type": "object",
    "description": "bytes",
    "properties": {"b64": {"type": "string", "contentEncoding": "base64", "pattern": _BASE64_TEXT}},
    "required": ["b64"],
    "additionalProperties": False,
}
_VALUE: Mapping[str, Schema] = MappingProxyType(
    {
        "float64": {"type": "number"},
        "float32": {"type": "number"},
        "int64": _INT64,
        "bool": {"type": "boolean"},
        "utf8": {"type": "string"},
        "bytes": {"anyOf": [{"type": "string"}, _BASE64]},
        "timestamp": {
            "description": "microseconds since 1970-01-01 UTC, or ISO 8601 text",
            "anyOf": [_INT64, {"type": "string", "format": "date-time"}],
        },
    }
)
_OUTPUT: Mapping[str, Schema] = MappingProxyType(
    {
        "float64": {"type": ["number", "null"]},
        "float32": {"type": ["number", "null"]},
        "int64": {"type": "integer"},
        "bool": {"type": "boolean"},
        "utf8": {"type": ["string", "object"]},
        "bytes": {"type": ["string", "object"]},
        "timestamp": {"type": "integer"},
    }
)
_TENSOR_VALUES: Mapping[str, Schema] = MappingProxyType(
    {
        "BOOL": {"type": "boolean"},
        "INT64": _INT64,
        "FP32": {"type": "number", "minimum": -3.4e38, "maximum": 3.4e38},
        "FP64": {"type": "number"},
        "BYTES": {"type": "string"},
    }
)


def error_schema() -> Schema:
    """What every refused request is answered with."""
    return {
        "type": "object",
        "properties": {"error": {"type": "string", "description": "what was wrong, where, and how to mend it"}},
        "required": ["error"],
        "additionalProperties": False,
    }


def _cell(feature: RawFeature) -> Schema:
    """A feature's value in one row."""
    value = dict(_VALUE[feature.dtype])
    if feature.kind == "scalar":  # a list of one value is taken for the value
        alone = {"type": "array", "items": _maybe(feature, value), "minItems": 1, "maxItems": 1}
        described: Schema = {"anyOf": [value, alone]}
    else:
        described = {"type": "array", "items": value}
        if feature.kind == "fixed":
            described |= {"minItems": feature.size, "maxItems": feature.size}
    return described


def _maybe(feature: RawFeature, schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]} if feature.optional else schema


def instance(runtime: ModelRuntime) -> Schema:
    """One row as an object of named values."""
    made: Schema = {
        "type": "object",
        "properties": {f.name: _maybe(f, _cell(f)) for f in runtime.inputs},
        "additionalProperties": False,
    }
    required = [f.name for f in runtime.inputs if not f.optional]
    return made | ({"required": required} if required else {})


def predict_request(runtime: ModelRuntime, row: Schema, options: ServerOptions) -> Schema:
    """A body of ``:predict``: ``instances`` are rows, ``inputs`` are columns.

    Args:
        runtime: the model.
        row: a reference to the schema of `instance`.
        options: how many rows are taken.
    """
    several = {"type": "array", "minItems": 1, "maxItems": options.max_rows}
    columns: Schema = {
        "type": "object",
        "description": "all columns are of one length",
        "properties": {f.name: several | {"items": _maybe(f, _cell(f))} for f in runtime.inputs},
        "additionalProperties": False,
        "minProperties": 1,
    }
    required = [f.name for f in runtime.inputs if not f.optional]
    columns |= {"required": required} if required else {}
    rows: Schema = several | {"items": row}
    if len(runtime.inputs) == 1:
        alone = _maybe(runtime.inputs[0], _cell(runtime.inputs[0]))
        rows = {"anyOf": [rows, several | {"items": alone}]}
        columns = {"anyOf": [columns, several | {"items": alone}]}
    signature = {"type": "string", "enum": ["", SERVING_DEFAULT]}
    by_rows = {"instances": rows, "signature_name": signature, "on_error": {"enum": ["request", "row"]}}
    by_columns = {"inputs": columns, "signature_name": signature, "on_error": {"const": "request"}}
    return {
        "anyOf": [
            {
                "title": "rows",
                "type": "object",
                "properties": by_rows,
                "required": ["instances"],
                "not": {"required": ["inputs"]},
            },
            {
                "title": "columns",
                "type": "object",
                "properties": by_columns,
                "required": ["inputs"],
                "not": {"required": ["instances"]},
            },
        ]
    }


def _shaped(value: Schema, shape: Sequence[Any]) -> Schema:
    for size in reversed(shape):
        value = {"type": "array", "items": value} | ({} if size is None else {"minItems": size, "maxItems": size})
    return value


def predict_response(runtime: ModelRuntime) -> Schema:
    """An answer of ``:predict``."""
    outputs = {o["name"]: (dict(_OUTPUT[o["dtype"]]), list(o.get("shape", [None]))) for o in runtime.outputs}
    cells = {name: _shaped(value, shape[1:]) for name, (value, shape) in outputs.items()}
    columns = {name: _shaped(value, shape) for name, (value, shape) in outputs.items()}
    row: Schema = {"type": "object", "properties": cells, "required": list(cells)}
    whole: Schema = {"type": "object", "properties": columns, "required": list(columns)}
    if len(outputs) == 1:
        row, whole = next(iter(cells.values())), next(iter(columns.values()))
    problem = {
        "type": "object",
        "properties": {"row": {"type": "integer"}, "error": {"type": "string"}},
        "required": ["row", "error"],
    }
    rows = {"type": "array", "items": {"anyOf": [row, {"type": "null"}]}}
    return {
        "anyOf": [
            {
                "title": "rows",
                "type": "object",
                "properties": {"predictions": rows, "errors": {"type": "array", "items": problem}},
                "required": ["predictions"],
            },
            {"title": "columns", "type": "object", "properties": {"outputs": whole}, "required": ["outputs"]},
        ]
    }


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


def classify_request(runtime: ModelRuntime, signature: str, options: ServerOptions) -> Schema:
    """A body of ``:classify`` and ``:regress``: examples, and what all of them have in common.

    A required feature is in each example or in the context; an empty list is a missing value.
    """
    text = {"anyOf": [{"type": "string"}, _BASE64]}
    number, flag, whole = {"type": ["number", "boolean"]}, {"type": "boolean"}, {"anyOf": [_INT64, {"type": "boolean"}]}
    kinds: dict[str, Schema] = {  # an int64_list of a tf.Example stands for booleans and numbers too
        "float64": number,
        "float32": number,
        "int64": whole,
        "bool": {"anyOf": [flag, {"enum": [0, 1]}]},
        "utf8": {"type": "string"},
        "bytes": text,
        "timestamp": {"anyOf": [_INT64, flag, {"type": "string", "format": "date-time"}]},
    }
    cells: dict[str, Schema] = {}
    for feature in runtime.inputs:
        value = kinds[feature.dtype]
        size = {"scalar": 1, "fixed": feature.size, "ragged": None}[feature.kind]
        least = 0 if feature.optional else size or 0
        many: Schema = {"type": "array", "items": value, "minItems": least}
        many |= {} if size is None else {"maxItems": size}
        cells[feature.name] = _maybe(feature, {"anyOf": [value, many]} if feature.kind == "scalar" else many)
    example: Schema = {"type": "object", "properties": cells, "additionalProperties": False}
    return {
        "type": "object",
        "properties": {
            "signature_name": {"type": "string", "enum": ["", SERVING_DEFAULT, signature]},
            "context": example | {"description": "features that every example has; none is in both"},
            "examples": {"type": "array", "items": example, "minItems": 1, "maxItems": options.max_rows},
        },
        "required": ["examples"],
    }


def classify_response(verb: str) -> Schema:
    """An answer of ``:classify`` (class and score, for each row) or ``:regress`` (a number for each row)."""
    score: Schema = {"type": ["number", "null"]}
    either: Schema = {"type": ["string", "number", "null"]}
    pair: Schema = {"type": "array", "items": either, "minItems": 2, "maxItems": 2, "description": "class, score"}
    item = {"type": "array", "items": pair} if verb == "classify" else score
    return {"type": "object", "properties": {"results": {"type": "array", "items": item}}, "required": ["results"]}


def explain_request(runtime: ModelRuntime, row: Schema, options: ServerOptions) -> Schema:
    """A body of ``:explain``; how many rows an explanation may ask the model in all is beyond JSON Schema."""
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": options.max_rows}
    classes: Schema = {"enum": [None, *(runtime.classes or [])]}
    links = ["identity", "log_odds"] if runtime.classes else ["identity"]
    required = ["instances"] + ["background"] * any(not f.optional for f in runtime.inputs)
    return {
        "type": "object",
        "properties": {
            "instances": rows,
            "background": rows | {"description": "rows whose values stand for unknown; all missing where left out"},
            "method": {"enum": ["ablation", "exact", "sampling"]},
            "output_class": classes,
            "link": {"enum": links},
            "permutations": {"type": "integer", "minimum": 1, "maximum": options.explain_max_rows},
            "seed": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        },
        "required": required,
        "additionalProperties": False,
    }


def explain_response() -> Schema:
    """An answer of ``:explain``: values ``[N, K, F]``, scores ``[N, K]``, base ``[K]``."""
    number: Schema = {"type": ["number", "null"]}
    texts: Schema = {"type": "array", "items": {"type": "string"}}
    properties: dict[str, Schema] = {
        "method": {"type": "string"},
        "features": texts,
        "outputs": texts,
        "values": _shaped(number, [None, None, None]),
        "scores": _shaped(number, [None, None]),
        "base": _shaped(number, [None]),
        "errors": {"anyOf": [_shaped(number, [None, None, None]), {"type": "null"}]},
        "evaluations": {"type": "integer"},
    }
    explanation = {"type": "object", "properties": properties, "required": ["method", "features", "values", "base"]}
    return {"type": "object", "properties": {"explanation": explanation}, "required": ["explanation"]}
