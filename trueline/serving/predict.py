"""A predict request's body to arrays, by the rules of TensorFlow Serving's REST API where those can be kept.

Row form: ``{"instances": [{"fare": 3.5, "company": "Flash"}, ...]}``; column form: ``{"inputs": {"fare": [3.5]}}``.
Friendlier than TensorFlow Serving: an optional feature may be left out or null, in both forms. Stricter: an unknown
field is an error in the column form too, and text after the JSON object is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import FeedError
from trueline._core.runtime import OnnxGraph
from trueline._core.values import RawFeature
from trueline.serving.codec import decode
from trueline.serving.errors import Code, RequestError
from trueline.serving.options import ServerOptions
from trueline.serving.payloads import SIGNATURE
from trueline.serving.service import Given

__all__ = ["Parsed", "parse_predict"]


@dataclass(frozen=True, slots=True)
class Parsed(Given):
    """Validated data of one request.

    Attributes:
        row_form: whether the request came as ``instances`` and is answered with ``predictions``.
    """

    row_form: bool


def parse_predict(graph: OnnxGraph, body: bytes, options: ServerOptions) -> Parsed:
    """The data of a request body.

    Raises:
        RequestError: 400, naming row, field, what was expected and what came.
        ModelError: a host step of the model failed.
    """
    request = _object(decode(body))
    try:
        if "instances" in request:
            return _from_instances(graph, request["instances"], options)
        return _from_inputs(graph, request["inputs"], options)
    except FeedError as error:
        raise RequestError(Code.INVALID_ARGUMENT, error.message, hint=error.hint, problems=error.problems) from None
    except RecursionError:
        raise _bad("the request is nested too deeply") from None


def _object(request: Any) -> dict[str, Any]:
    if not isinstance(request, dict):
        raise _bad(f"Request body must be a JSON object, got {_kind(request)}")
    signature = request.get("signature_name", SIGNATURE)
    if not isinstance(signature, str):
        raise _bad(f"'signature_name' must be a string value, got {_kind(signature)}")
    if signature not in ("", SIGNATURE):
        raise _bad(f'Serving signature key "{signature}" not found.', f"there is only {SIGNATURE!r}; leave it out.")
    if "instances" in request and "inputs" in request:
        raise _bad("Not supporting both 'inputs' and 'instances'")
    if "instances" not in request and "inputs" not in request:
        raise _bad("Missing 'inputs' or 'instances' key")
    return request


def _from_instances(graph: OnnxGraph, instances: Any, options: ServerOptions) -> Parsed:
    if not isinstance(instances, list):
        raise _bad(f"Expected a list of rows in 'instances', got {_kind(instances)}")
    _check_rows(len(instances), options)
    features = graph.raw.features
    if len(features) == 1 and not any(isinstance(row, dict) for row in instances):
        instances = [{features[0].name: value} for value in instances]
    for feature in _ragged(features):
        values = (row.get(feature.name) for row in instances if isinstance(row, dict))
        _check_cells(feature, len(instances), values, options)
    return Parsed(graph.packed_from_rows(instances), len(instances), True)


def _from_inputs(graph: OnnxGraph, inputs: Any, options: ServerOptions) -> Parsed:
    features = graph.raw.features
    if not isinstance(inputs, dict):
        if len(features) != 1:
            names = ", ".join(f.name for f in features)
            raise _bad(f"'inputs' must be an object with the columns {names}, got {_kind(inputs)}")
        inputs = {features[0].name: inputs}
    columns: Mapping[str, Any] = inputs
    rows = max((len(v) for v in columns.values() if isinstance(v, list)), default=0)
    if columns and not all(isinstance(v, list) for v in columns.values()):
        wrong = [f"field {n!r}: expected a list, got {_kind(v)}" for n, v in columns.items() if not isinstance(v, list)]
        raise RequestError(
            Code.INVALID_ARGUMENT, "'inputs' holds a list of values for each column", problems=wrong[:20]
        )
    _check_rows(rows, options)
    for feature in _ragged(features):
        _check_cells(feature, rows, columns.get(feature.name, ()), options)
    return Parsed(graph.packed_from_columns(columns), rows, False)


def _ragged(features: Iterable[RawFeature]) -> list[RawFeature]:
    return [f for f in features if f.kind == "ragged"]


def _check_rows(rows: int, options: ServerOptions) -> None:
    if rows == 0:
        raise _bad("the request has no rows", "send at least one row in 'instances' or one value in each column.")
    if rows > options.max_rows:
        raise _bad(f"the request has {rows} rows, this server takes {options.max_rows}", "send smaller requests.")


def _check_cells(feature: RawFeature, rows: int, values: Iterable[Any], options: ServerOptions) -> None:
    width = max((len(v) for v in values if isinstance(v, list)), default=0)
    if rows * width > options.max_cells:
        raise _bad(
            f"field {feature.name!r} is a list of up to {width} values in {rows} rows, "
            f"padded to {rows * width} values, this server takes {options.max_cells}",
            "send rows with very long lists in requests of their own.",
        )


def _bad(message: str, hint: str | None = None) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, message, hint=hint)


_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")
