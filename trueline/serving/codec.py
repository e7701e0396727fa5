"""JSON in and out: orjson first, the standard library where NaN or Infinity is met.

TensorFlow Serving takes and gives the bare tokens NaN, Infinity and -Infinity, which are no JSON: orjson refuses
them on the way in and writes null on the way out. Numbers of type float32 are written with the fewest digits that
give the same float32 back, as TensorFlow Serving does.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from trueline.serving.errors import Code, RequestError

__all__ = ["columns_of", "decode", "dump", "dump_outputs", "rows_of"]

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_TOKENS = (b"NaN", b"Infinity")


def decode(body: bytes) -> Any:
    """The value that a request body holds.

    ``{"b64": "..."}`` stands for bytes, as in TensorFlow Serving; bytes that are UTF-8 text are given as text.

    Raises:
        RequestError: 400, for a body that is no JSON.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not any(token in body for token in _TOKENS):
            raise _no_json(error) from None
        value = _decode_lenient(body)
    try:
        return _with_bytes(value) if b'"b64"' in body else value
    except RecursionError as error:
        raise _no_json(error) from None


def _no_json(error: Exception) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, f"JSON Parse error: {error}", hint="send one JSON object in UTF-8.")


def _decode_lenient(body: bytes) -> Any:
    try:
        value = json.loads(body.decode("utf-8"))
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise _no_json(error) from None
    return value


def _with_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_bytes(v) for v in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"b64"} and isinstance(value["b64"], str):
        try:
            data = base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise RequestError(
                Code.INVALID_ARGUMENT, f"a value of the form {{'b64': ...}} is not base64: {error}"
            ) from None
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data
    return {k: _with_bytes(v) for k, v in value.items()}


def dump(value: Any) -> bytes:
    """JSON of a value without NaN."""
    return orjson.dumps(value, option=_OPTIONS)


def dump_outputs(key: str, value: Any) -> bytes:
    """``{key: value}`` as JSON, where `value` may hold arrays; NaN and Infinity are written as bare tokens."""
    text = orjson.dumps({key: value}, option=_OPTIONS)
    if b"null" not in text:  # what orjson writes for a number that is not finite
        return text
    return json.dumps({key: value}, default=_plain, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if value.dtype == np.float32:
        shortest = np.array([float(str(v)) for v in value.ravel()], np.float64)
        return shortest.reshape(value.shape).tolist()
    return value.tolist()


def _simple(array: npt.NDArray[Any]) -> Any:
    return array.tolist() if array.dtype == object else np.ascontiguousarray(array)


def columns_of(outputs: dict[str, npt.NDArray[Any]]) -> Any:
    """The columnar form: one output alone, several as an object."""
    columns = {name: _simple(array) for name, array in outputs.items()}
    return next(iter(columns.values())) if len(columns) == 1 else columns


def rows_of(outputs: dict[str, npt.NDArray[Any]]) -> list[Any]:
    """The row form: a list of values for one output, of objects for several."""
    names = list(outputs)
    if len(names) > 1 and all(len(array) == 1 for array in outputs.values()):
        return [{name: _first(array) for name, array in outputs.items()}]
    columns = [_row_values(array) for array in outputs.values()]
    if len(columns) == 1:
        return list(columns[0])
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _first(array: npt.NDArray[Any]) -> Any:
    if array.dtype == np.float32 or (array.ndim > 1 and array.dtype != object):
        return array[0]
    return array.tolist()[0]


def _row_values(array: npt.NDArray[Any]) -> list[Any]:
    if array.dtype == np.float32 or (array.ndim > 1 and array.dtype != object):
        return list(np.ascontiguousarray(array))
    values: list[Any] = array.tolist()
    return values
