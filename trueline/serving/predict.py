"""A predict request's body to arrays, by the rules of TensorFlow Serving's REST API where those can be kept.

Row form: ``{"instances": [{"fare": 3.5, "company": "Flash"}, ...]}``; column form: ``{"inputs": {"fare": [3.5]}}``.
Friendlier than TensorFlow Serving: an optional feature may be left out or null, in both forms. Stricter: an unknown
field is an error in the column form too, and text after the JSON object is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trueline._core.errors import FeedError
from trueline._core.runtime import ModelRuntime, OnnxGraph
from trueline._core.values import RawFeature
from trueline.serving.codec import decode, with_bytes
from trueline.serving.errors import Code, RequestError
from trueline.serving.options import ServerOptions
from trueline.serving.rest_reply import COLUMNS, ROWS, Parsed
from trueline.serving.rest_rows import rows_apart
from trueline.serving.signatures import SERVING_DEFAULT, check_signature

__all__ = ["check_cells", "check_rows", "json_object", "named_rows", "parse_predict", "refusal", "with_texts"]


def parse_predict(runtime: ModelRuntime, body: bytes, options: ServerOptions) -> Parsed:
    """The data of a request body.

    Raises:
        RequestError: 400, naming row, field, what was expected and what came.
        ModelError: a host step of the model failed.
    """
    request = json_object(decode(body))
    signature = request.get("signature_name", SERVING_DEFAULT)
    if signature != SERVING_DEFAULT:
        check_signature(runtime, signature_name(signature), "predict")
    graph = runtime.graph
    by_rows = "instances" in request
    data = _data(request, by_rows)
    try:
        if b'"b64"' in body:
            data = with_texts(graph.raw.features, with_bytes(data))
        elif graph.steps:  # bytes enter a graph only through a host step
            data = with_texts(graph.raw.features, data)
        if not by_rows:
            return _from_inputs(graph, data, options)
        rows = named_rows(graph, data, options)
        if "on_error" in request and request["on_error"] == "row":
            return rows_apart(graph, rows)
        return Parsed(graph.packed_from_rows(rows), len(rows), ROWS)
    except FeedError as error:
        raise refusal(error, data if by_rows else None) from None
    except RecursionError:
        raise _bad("the request is nested too deeply") from None


def json_object(request: Any) -> dict[str, Any]:
    """The request, if it is a JSON object.

    Raises:
        RequestError: 400, for anything else.
    """
    if not isinstance(request, dict):
        raise _bad(f"Request body must be a JSON object, got {_kind(request)}")
    return request


def signature_name(value: Any) -> str:
    """The value of ``signature_name``.

    Raises:
        RequestError: 400, for what is no text.
    """
    if not isinstance(value, str):
        raise _bad(f"not formatted correctly. 'signature_name' key must be a string value., got {_kind(value)}")
    return value


def _data(request: Mapping[str, Any], by_rows: bool) -> Any:
    if by_rows == ("inputs" in request):
        if by_rows:
            raise _bad(
                "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist",
                "'instances' are rows, 'inputs' are columns: send one of them.",
            )
        raise _bad("Missing 'inputs' or 'instances' key")
    if "on_error" in request:
        _check_on_error(request["on_error"], by_rows)
    return request["instances" if by_rows else "inputs"]


def _check_on_error(on_error: Any, by_rows: bool) -> None:
    if on_error == "request":
        return
    if on_error != "row":
        raise _bad(f"'on_error' is {on_error!r:.60}", 'it is "request" (the default) or "row".')
    if not by_rows:
        raise _bad("'on_error': 'row' is for rows", "send 'instances' instead of 'inputs'.")


def named_rows(graph: OnnxGraph, given: Any, options: ServerOptions) -> list[Any]:
    """The rows of ``instances``: objects, or bare values for a model of one feature.

    Raises:
        RequestError: 400, for no list, no rows, too many rows or values.
    """
    if not isinstance(given, list):
        raise _bad(f"Expecting 'instances' to be an list/array, got {_kind(given)}")
    instances: list[Any] = given
    check_rows(len(instances), options, "No values in 'instances' array: the request has no rows")
    features = graph.raw.features
    if len(features) == 1 and type(instances[0]) is not dict:
        name = features[0].name
        for i, value in enumerate(instances):
            if type(value) is dict:
                raise _bad(f"Expecting value/list but got object at item {i} of input list")
        instances = [{name: value} for value in instances]
    for feature in _ragged(features):
        values = (row.get(feature.name) for row in instances if isinstance(row, dict))
        check_cells(feature, len(instances), values, options)
    return instances


def _from_inputs(graph: OnnxGraph, inputs: Any, options: ServerOptions) -> Parsed:
    features = graph.raw.features
    if not isinstance(inputs, dict):
        if len(features) != 1:
            names = ", ".join(f.name for f in features)
            raise _bad(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required: "
                f"'inputs' must be an object with the columns {names}, got {_kind(inputs)}"
            )
        if inputs is None:
            raise _bad("'inputs' must be a value, a list or an object, got null")
        inputs = {features[0].name: inputs if isinstance(inputs, list) else [inputs]}
    columns: Mapping[str, Any] = inputs
    rows = max((len(v) for v in columns.values() if isinstance(v, list)), default=0)
    if columns and not all(isinstance(v, list) for v in columns.values()):
        wrong = [f"field {n!r}: expected a list, got {_kind(v)}" for n, v in columns.items() if not isinstance(v, list)]
        raise RequestError(
            Code.INVALID_ARGUMENT, "'inputs' holds a list of values for each column", problems=wrong[:20]
        )
    check_rows(rows, options)
    for feature in _ragged(features):
        check_cells(feature, rows, columns.get(feature.name, ()), options)
    return Parsed(graph.packed_from_columns(columns), rows, COLUMNS)


def _ragged(features: Iterable[RawFeature]) -> list[RawFeature]:
    return [f for f in features if f.kind == "ragged"]


def with_texts(features: Sequence[RawFeature], data: Any) -> Any:
    """The data with text for features of text and bytes for those of bytes: JSON's strings stand for both."""
    changes = {f.name: _CHANGES[f.dtype] for f in features if f.dtype in _CHANGES}
    if isinstance(data, dict):
        return {n: _each(v, changes[n]) if n in changes else v for n, v in data.items()}
    change = next(iter(changes.values()), None) if len(features) == 1 else None
    if not isinstance(data, list):
        return data if change is None else _each(data, change)
    out: list[Any] = []
    for row in data:
        if isinstance(row, dict):
            out.append({n: _each(v, changes[n]) if n in changes else v for n, v in row.items()})
        else:
            out.append(row if change is None else _each(row, change))
    return out


def _each(value: Any, change: Any) -> Any:
    return [_each(v, change) for v in value] if isinstance(value, list) else change(value)


def _as_text(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value  # refused by the feed, with row and field
    return value


def _as_bytes(value: Any) -> Any:
    return value.encode("utf-8") if isinstance(value, str) else value


_CHANGES = {"utf8": _as_text, "timestamp": _as_text, "bytes": _as_bytes}


def check_rows(rows: int, options: ServerOptions, none: str = "the request has no rows") -> None:
    """Refuses a request without rows or with too many."""
    if rows == 0:
        raise _bad(none, "send at least one row in 'instances' or one value in each column.")
    if rows > options.max_rows:
        raise _bad(f"the request has {rows} rows, this server takes {options.max_rows}", "send smaller requests.")


def check_cells(feature: RawFeature, rows: int, values: Iterable[Any], options: ServerOptions) -> None:
    """Refuses lists that would be padded to more than a server can hold."""
    width = max((len(v) for v in values if isinstance(v, list)), default=0)
    if rows * width > options.max_cells:
        raise _bad(
            f"field {feature.name!r} is a list of up to {width} values in {rows} rows, "
            f"padded to {rows * width} values, this server takes {options.max_cells}",
            "send rows with very long lists in requests of their own.",
        )


def refusal(error: FeedError, rows: Any = None) -> RequestError:
    """What does not fit the signature as a 400, under TensorFlow Serving's heading where it has one.

    Args:
        error: every problem by row and field.
        rows: the request's ``instances``, None for another form.
    """
    heading = error.message
    if isinstance(rows, list):
        stray = next((i for i, row in enumerate(rows) if not isinstance(row, dict)), None)
        if stray == 0:
            heading = "instances is a plain list, but expecting list of objects as multiple input tensors required"
        elif stray is not None:
            heading = f"Expecting object but got {_kind(rows[stray])} at item {stray} of input list"
    if any(problem.endswith("values are needed") for problem in error.problems):
        heading = f"Encountered list at unexpected size: {heading}"
    return RequestError(Code.INVALID_ARGUMENT, heading, hint=error.hint, problems=error.problems)


def _bad(message: str, hint: str | None = None) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, message, hint=hint)


_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")
