"""An inference request's body to a model's data, and its outputs to an inference response: JSON and binary tensors.

The body is JSON alone, or JSON of which the header ``inference-header-content-length`` gives the length and behind it
the binary data of those inputs that have the parameter ``binary_data_size``, in their order; answers likewise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.serving.codec import decode, dump
from trueline.serving.oip_features import packed_from_tensors
from trueline.serving.oip_outputs import Wanted, check_wanted, chosen_outputs
from trueline.serving.oip_tensors import Tensor, bad, datatype_of, raw_of, tensor_from_list, tensor_from_raw
from trueline.serving.options import ServerOptions
from trueline.serving.service import Answered, Given
from trueline.serving.versions import Live

__all__ = ["Inference", "encode_inference", "parse_inference"]


@dataclass(frozen=True, slots=True)
class Inference(Given):
    """Validated data of one inference request.

    Attributes:
        id: the client's id of the request, or None.
        wanted: the outputs that are asked for; none for all.
        binary: whether outputs come in the binary form where they do not say otherwise.
    """

    id: str | None
    wanted: tuple[Wanted, ...]
    binary: bool


def parse_inference(live: Live, body: bytes, json_bytes: int, options: ServerOptions) -> Inference:
    """The data of a request body whose first `json_bytes` bytes are JSON.

    Raises:
        RequestError: 400, naming the tensor, what was expected and what came.
        ModelError: a host step of the model failed.
    """
    try:
        request = _object(decode(body[:json_bytes]), "the request body")
        name = _member(request, "id", str, "a string")
        parameters = _parameters(request, "the request")
        wanted = _wanted(request)
        check_wanted(live, wanted)
        inputs = _list(request, "inputs")
        tensors = _tensors(inputs or [], memoryview(body)[json_bytes:])
    except RecursionError:
        raise bad("the request is nested too deeply") from None
    packed, rows = packed_from_tensors(live.runtime.graph, tensors, options)
    return Inference(packed, rows, name, wanted, _flag(parameters, "binary_data_output") or False)


_WORDS = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


def _kind(value: Any) -> str:
    return _WORDS.get(type(value), "a number")


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad(f"{what} must be a JSON object, got {_kind(value)}")
    return value


def _member(value: Mapping[str, Any], key: str, kind: type, expected: str) -> Any:
    """A member that may be left out or null, as KServe's client writes it."""
    found = value.get(key)
    if found is not None and type(found) is not kind:
        raise bad(f"{key!r} must be {expected}, got {_kind(found)}")
    return found


def _list(value: Mapping[str, Any], key: str) -> list[Any] | None:
    found: list[Any] | None = _member(value, key, list, "a list")
    return found


def _parameters(value: Mapping[str, Any], what: str) -> dict[str, Any]:
    found: dict[str, Any] = _member(value, "parameters", dict, f"an object (in {what})") or {}
    return found


def _flag(parameters: Mapping[str, Any], key: str) -> bool | None:
    found: bool | None = _member(parameters, key, bool, "true or false")
    return found


def _named(value: Any, what: str) -> tuple[dict[str, Any], str]:
    found = _object(value, what)
    if not isinstance(found.get("name"), str):
        raise bad(f"{what} must have a 'name', got {_kind(found.get('name'))}")
    return found, found["name"]


def _wanted(request: Mapping[str, Any]) -> tuple[Wanted, ...]:
    wanted = []
    for i, given in enumerate(_list(request, "outputs") or ()):
        output, name = _named(given, f"output {i}")
        parameters = _parameters(output, f"output {name!r}")
        classes = _member(parameters, "classification", int, "a whole number")
        if classes is not None and classes < 1:
            raise bad(f"output {name!r}: 'classification' must be 1 or more, got {classes}")
        wanted.append(Wanted(name, _flag(parameters, "binary_data"), classes or 0))
    return tuple(wanted)


def _tensors(inputs: list[Any], rest: memoryview) -> list[Tensor]:
    tensors = []
    place = 0
    for i, given in enumerate(inputs):
        tensor, name = _named(given, f"input {i}")
        shape, datatype, data = tensor.get("shape"), tensor.get("datatype"), _list(tensor, "data")
        if not isinstance(shape, list) or not isinstance(datatype, str):
            raise bad(f"input {name!r} must have a 'shape' (a list) and a 'datatype' (a string)")
        size = _member(_parameters(tensor, f"input {name!r}"), "binary_data_size", int, "a whole number")
        if (size is None) == (data is None):
            raise bad(f"input {name!r} must have either 'data' or the parameter 'binary_data_size'")
        if data is not None:
            tensors.append(tensor_from_list(name, datatype, shape, data))
            continue
        if not 0 <= size <= len(rest) - place:
            raise bad(
                f"input {name!r}: 'binary_data_size' is {size}, {len(rest) - place} bytes of binary data are left"
            )
        tensors.append(tensor_from_raw(name, datatype, shape, rest[place : place + size]))
        place += size
    if place != len(rest):
        raise bad(f"the body has {len(rest) - place} bytes of binary data that belong to no input")
    return tensors


def encode_inference(answered: Answered) -> tuple[bytes, int | None]:
    """The response's body, and how many bytes of it are JSON, or None where all are.

    Raises:
        RequestError: 400, for infinite values that are asked for as JSON.
    """
    given = answered.given
    assert isinstance(given, Inference)
    described, binaries = [], []
    for wanted, array in chosen_outputs(answered.live.runtime, answered.outputs, given.wanted):
        tensor: dict[str, Any] = {"name": wanted.name, "datatype": datatype_of(array), "shape": list(array.shape)}
        if given.binary if wanted.binary is None else wanted.binary:
            binaries.append(raw_of(array))
            tensor["parameters"] = {"binary_data_size": len(binaries[-1])}
        else:
            tensor["data"] = _json_values(wanted.name, array)
        described.append(tensor)
    response: dict[str, Any] = {"model_name": answered.name, "model_version": str(answered.number)}
    if given.id is not None:
        response["id"] = given.id
    text = dump(response | {"outputs": described})
    return (text + b"".join(binaries), len(text)) if binaries else (text, None)


def _json_values(name: str, array: npt.NDArray[Any]) -> Any:
    """The flat values as JSON can say them; orjson writes NaN as null."""
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise bad(f"output {name!r} holds infinite values, which JSON cannot say", "ask for it with binary_data.")
    if array.dtype != object:
        return np.ascontiguousarray(array).ravel()
    try:
        return [value.decode("utf-8") if isinstance(value, bytes) else value for value in array.ravel().tolist()]
    except UnicodeDecodeError:
        raise bad(f"output {name!r} holds bytes that are no text", "ask for it with binary_data.") from None
