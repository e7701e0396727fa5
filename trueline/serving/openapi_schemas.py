"""JSON schemas of what goes in and out of a model, from its signature: the parts of the OpenAPI document.

What fits them the server takes, but for what JSON Schema has no words for: that columns are of one length, and that a
tensor has as many values as its shape says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from trueline._core.runtime import ModelRuntime
from trueline._core.values import RawFeature
from trueline.serving.options import ServerOptions
from trueline.serving.signatures import SERVING_DEFAULT

__all__ = [
    "INT64",
    "Schema",
    "classify_request",
    "classify_response",
    "error_schema",
    "explain_request",
    "explain_response",
    "instance",
    "predict_request",
    "predict_response",
]

Schema = dict[str, Any]

INT64: Schema = {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}
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
        "int64": INT64,
        "bool": {"type": "boolean"},
        "utf8": {"type": "string"},
        "bytes": {"anyOf": [{"type": "string"}, _BASE64]},
        "timestamp": {
            "description": "microseconds since 1970-01-01 UTC, or ISO 8601 text",
            "anyOf": [INT64, {"type": "string", "format": "date-time"}],
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
    rows: Schema = _several(row, options)
    if len(runtime.inputs) == 1:
        only = runtime.inputs[0]
        rows = {"anyOf": [rows, _several(_maybe(only, _cell(only)), options)]}
    signature = {"type": "string", "enum": ["", SERVING_DEFAULT]}
    by_rows = {"instances": rows, "signature_name": signature, "on_error": {"enum": ["request", "row"]}}
    by_columns = {"inputs": _columns(runtime, options), "signature_name": signature, "on_error": {"const": "request"}}
    forms = (("rows", by_rows, "instances", "inputs"), ("columns", by_columns, "inputs", "instances"))
    return {
        "anyOf": [
            {"title": title, "type": "object", "properties": has, "required": [key], "not": {"required": [other]}}
            for title, has, key, other in forms
        ]
    }


def _several(schema: Schema, options: ServerOptions) -> Schema:
    return {"type": "array", "items": schema, "minItems": 1, "maxItems": options.max_rows}


def _columns(runtime: ModelRuntime, options: ServerOptions) -> Schema:
    required = [f.name for f in runtime.inputs if not f.optional]
    columns: Schema = {
        "type": "object",
        "description": "all columns are of one length",
        "properties": {f.name: _several(_maybe(f, _cell(f)), options) for f in runtime.inputs},
        "additionalProperties": False,
        "minProperties": 1,
    }
    columns |= {"required": required} if required else {}
    if len(runtime.inputs) > 1:
        return columns
    only = runtime.inputs[0]
    forms = [columns, _several(_maybe(only, _cell(only)), options)]
    return {"anyOf": [*forms, _VALUE[only.dtype]] if only.kind == "scalar" else forms}


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


def classify_request(runtime: ModelRuntime, signature: str, options: ServerOptions) -> Schema:
    """A body of ``:classify`` and ``:regress``: examples, and what all of them have in common.

    A required feature is in each example or in the context; an empty list is a missing value.
    """
    text = {"anyOf": [{"type": "string"}, _BASE64]}
    number, flag, whole = {"type": ["number", "boolean"]}, {"type": "boolean"}, {"anyOf": [INT64, {"type": "boolean"}]}
    kinds: dict[str, Schema] = {  # an int64_list of a tf.Example stands for booleans and numbers too
        "float64": number,
        "float32": number,
        "int64": whole,
        "bool": {"anyOf": [flag, {"enum": [0, 1]}]},
        "utf8": {"type": "string"},
        "bytes": text,
        "timestamp": {"anyOf": [INT64, flag, {"type": "string", "format": "date-time"}]},
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
