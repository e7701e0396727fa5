"""Classify and Regress by REST: ``{"context": {...}, "examples": [{...}]}`` to rows, and their answers.

Each example is a tf.Example in JSON: a feature is a value or a list of values of one kind. Whole numbers and booleans
are int64_list, other numbers float_list (kept in full, where a tf.Example has float32), text and ``{"b64": ...}``
bytes_list. What the context holds is in every example.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueline._core.errors import FeedError
from trueline._core.runtime import ModelRuntime
from trueline._core.values import RawFeature
from trueline.serving.codec import decode, dump_outputs, with_bytes
from trueline.serving.errors import Code, RequestError
from trueline.serving.example_values import feature_value
from trueline.serving.options import ServerOptions
from trueline.serving.predict import check_cells, check_rows, json_object, refusal, signature_name
from trueline.serving.rest_reply import Parsed, Reply
from trueline.serving.service import Answered
from trueline.serving.signatures import SERVING_DEFAULT, check_signature
from trueline.serving.tasks import classes_and_scores, regression_values

__all__ = ["parse_examples"]

Row = dict[str, Any]
_KINDS: dict[type, str] = {
    bool: "int64_list",
    int: "int64_list",
    float: "float_list",
    str: "bytes_list",
    bytes: "bytes_list",
}
_KIND_NAMES = {"int64_list": "int64", "float_list": "float", "bytes_list": "bytes"}
_JSON = {dict: "Object", list: "Array", type(None): "Null", str: "String", bool: "Bool"}
_INT64 = range(-(2**63), 2**63)
_SHOWN = 20


def parse_examples(runtime: ModelRuntime, body: bytes, verb: str, options: ServerOptions) -> Parsed:
    """The data of a request body.

    Args:
        runtime: the model.
        body: JSON.
        verb: ``classify`` or ``regress``.
        options: how many rows and values are taken.

    Raises:
        RequestError: 400, naming example and feature, what was expected and what came.
        ModelError: a host step of the model failed.
    """
    request = json_object(decode(body))
    check_signature(runtime, signature_name(request.get("signature_name", SERVING_DEFAULT)), verb)
    features = runtime.graph.raw.by_name
    try:
        if b'"b64"' in body:
            request = {k: with_bytes(v) for k, v in request.items()}
        rows = _rows(features, request, verb, options)
        for feature in features.values():
            if feature.kind == "ragged":
                check_cells(feature, len(rows), (row.get(feature.name) for row in rows), options)
        return Parsed(runtime.graph.packed_from_rows(rows), len(rows), _REPLIES[verb])
    except FeedError as error:
        raise refusal(error) from None
    except RecursionError:
        raise _bad("the request is nested too deeply") from None


def _rows(
    features: Mapping[str, RawFeature], request: Mapping[str, Any], verb: str, options: ServerOptions
) -> list[Row]:
    shared = _row(features, request["context"], "context") if "context" in request else {}
    if "examples" not in request:
        raise _bad(f"When method is {verb}, key 'examples' is expected and was not found")
    examples = request["examples"]
    if not isinstance(examples, list):
        raise _bad(f"Expecting 'examples' value to be an list/array, got JSON {_json(examples)}")
    check_rows(len(examples), options, "'examples' value is an empty array: the request has no rows")
    rows, problems = [], []
    for i, example in enumerate(examples):
        try:
            rows.append(_row(features, example, f"row {i}", shared))
        except RequestError as error:
            problems.append(error)
            if len(problems) == _SHOWN:
                break
    if problems:
        first, *others = problems
        raise RequestError(first.code, first.message, hint=first.hint, problems=[e.message for e in others])
    return rows


def _row(features: Mapping[str, RawFeature], example: Any, where: str, shared: Row | None = None) -> Row:
    """One example's values by feature; an unknown name stays, for the feed to refuse with all others."""
    if not isinstance(example, dict):
        raise _bad(f"{where}: Example must be JSON object but got JSON {_json(example)}")
    row: Row = dict(shared or {})
    for name, content in example.items():
        if name in row:
            raise _bad(f"{where}, field {name!r}: it is in the context and in the example")
        if content is None:  # friendlier than TensorFlow Serving: a value that is missing
            row[name] = None
            continue
        values = content if isinstance(content, list) else [content]
        kind = _kind(name, values, where)
        feature = features.get(name)
        try:
            row[name] = None if feature is None else feature_value(feature, *_listed(feature, kind, values))
        except ValueError as error:
            raise _bad(f"{where}, field {name!r}: {error}") from None
    return row


def _kind(name: str, values: list[Any], where: str) -> str | None:
    """The list of a tf.Example that these values make; None for no values."""
    kind: str | None = None
    for value in values:
        of_value = _KINDS.get(type(value))
        if of_value is None:
            raise _bad(f"{where}: Feature: {name} has element with unexpected JSON type: {_json(value)}")
        if kind is not None and of_value != kind:
            raise _bad(f"{where}: Unexpected element type in feature: {name} expecting type: {_KIND_NAMES[kind]}")
        if type(value) is int and value not in _INT64:
            raise _bad(f"{where}: Feature: {name} has uint64_t element. Only int64_t is supported.")
        kind = of_value
    return kind


def _listed(feature: RawFeature, kind: str | None, values: list[Any]) -> tuple[str, list[Any]]:
    if kind is None:  # an empty list is of no kind: of the one that fits
        return ("bytes_list" if feature.dtype in ("utf8", "bytes") else "int64_list"), []
    if kind == "bytes_list":
        return kind, [v.encode("utf-8") if isinstance(v, str) else v for v in values]
    return kind, [int(v) if type(v) is bool else v for v in values]


def _classified(answered: Answered) -> bytes:
    classes, scores = classes_and_scores(answered.live.runtime, answered.outputs)
    return dump_outputs("results", [list(map(list, zip(classes, row, strict=True))) for row in scores])


def _regressed(answered: Answered) -> bytes:
    return dump_outputs("results", regression_values(answered.live.runtime, answered.outputs))


_REPLIES = {"classify": Reply(_classified), "regress": Reply(_regressed)}


def _json(value: Any) -> str:
    return _JSON.get(type(value), "Number")


def _bad(message: str) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, message)
