"""JSON in and out: orjson first, the standard library where NaN or Infinity is met.

TensorFlow Serving takes and gives the bare tokens NaN, Infinity and -Infinity, which are no JSON: orjson refuses
them on the way in and writes null on the way out. Numbers of type float32 are written with the fewest digits that
give the same float32 back, as TensorFlow Serving does.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from trueline.serving.errors import Code, RequestError

__all__ = ["columns_of", "decode", "dump", "dump_outputs", "dump_rows", "rows_of", "with_bytes"]

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_TOKENS = (b"NaN", b"Infinity")
_BYTES_SUFFIX = "_bytes"
_FEW_ROWS = 8


def decode(body: bytes) -> Any:
    """The value that a request body holds.

    Raises:
        RequestError: 400, for a body that is no JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body:
            raise RequestError(Code.INVALID_ARGUMENT, "JSON Parse error: The document is empty") from None
        if not any(token in body for token in _TOKENS):
            raise _no_json(error) from None
    return _decode_lenient(body)


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


def with_bytes(value: Any) -> Any:
    """The same value with bytes for each ``{"b64": "<base64>"}``, an object of that one key.

    Raises:
        RequestError: 400, for text that is no base64.
        RecursionError: for a value that is nested too deeply.
    """
    if isinstance(value, list):
        return [with_bytes(v) for v in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"b64"} and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise RequestError(
                Code.INVALID_ARGUMENT, f"Unable to base64 decode: a value of the form {{'b64': ...}}: {error}"
            ) from None
    return {k: with_bytes(v) for k, v in value.items()}


def dump(value: Any) -> bytes:
    """JSON of a value without NaN."""
    return orjson.dumps(value, option=_OPTIONS)


def dump_outputs(key: str, value: Any, **more: Any) -> bytes:
    """``{key: value}`` as JSON, where `value` may hold arrays; NaN and Infinity are written as bare tokens.

    Args:
        key: the first key.
        value: what stands under it.
        more: further keys.
    """
    whole = {key: value, **more}
    text = orjson.dumps(whole, option=_OPTIONS)
    if b"null" not in text:  # what orjson writes for a number that is not finite
        return text
    return json.dumps(whole, default=_plain, separators=(",", ":"), ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if value.dtype == np.float32:
        shortest = np.array([float(str(v)) for v in value.ravel()], np.float64)
        return shortest.reshape(value.shape).tolist()
    return value.tolist()


def columns_of(outputs: dict[str, npt.NDArray[Any]]) -> Any:
    """The columnar form: one output alone, several as an object."""
    columns = {name: _column(name, array) for name, array in outputs.items()}
    return next(iter(columns.values())) if len(columns) == 1 else columns


def _column(name: str, array: npt.NDArray[Any]) -> Any:
    return _texts(name, array) if array.dtype == object else np.ascontiguousarray(array)


def rows_of(outputs: dict[str, npt.NDArray[Any]]) -> list[Any]:
    """The row form: a list of values for one output, of objects for several."""
    names = list(outputs)
    if len(names) > 1 and all(len(array) == 1 for array in outputs.values()):
        return [{name: _first(name, array) for name, array in outputs.items()}]
    columns = [_row_values(name, array) for name, array in outputs.items()]
    if len(columns) == 1:
        return list(columns[0])
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def dump_rows(outputs: dict[str, npt.NDArray[Any]]) -> bytes:
    """The body ``{"predictions": [...]}``: that of `dump_outputs` and `rows_of`.

    Several outputs of numbers are written output by output and put together as text: an object for each row costs
    more than the numbers.
    """
    rows = len(next(iter(outputs.values())))
    if len(outputs) < 2 or rows < _FEW_ROWS or not all(_is_plain(array, rows) for array in outputs.values()):
        return dump_outputs("predictions", rows_of(outputs))
    texts = [dump(np.ascontiguousarray(array)) for array in outputs.values()]
    if any(b"null" in text for text in texts):
        return dump_outputs("predictions", rows_of(outputs))
    names = [dump(name).replace(b"%", b"%%") for name in outputs]
    lists = [array.ndim == 2 for array in outputs.values()]
    fields = [b"%b:[%%b]" % name if many else b"%b:%%b" % name for name, many in zip(names, lists, strict=True)]
    row = b"{%b}" % b",".join(fields)
    columns = [
        text[2:-2].split(b"],[") if many else text[1:-1].split(b",") for text, many in zip(texts, lists, strict=True)
    ]
    return b'{"predictions":[%b]}' % b",".join(map(row.__mod__, zip(*columns, strict=True)))


def _is_plain(array: npt.NDArray[Any], rows: int) -> bool:
    if array.dtype.kind not in "fiub" or array.dtype == np.float16 or len(array) != rows:
        return False
    return array.ndim == 1 or (array.ndim == 2 and array.size > 0)


def _first(name: str, array: npt.NDArray[Any]) -> Any:
    if array.dtype == np.float32 or (array.ndim > 1 and array.dtype != object):
        return array[0]
    return array.tolist()[0] if array.dtype != object else _texts(name, array)[0]


def _row_values(name: str, array: npt.NDArray[Any]) -> list[Any]:
    if array.dtype == np.float32 or (array.ndim > 1 and array.dtype != object):
        return list(np.ascontiguousarray(array))
    values: list[Any] = array.tolist() if array.dtype != object else _texts(name, array)
    return values


def _texts(name: str, array: npt.NDArray[Any]) -> list[Any]:
    """Text as it is; under a name that ends in ``_bytes``, and where it is no UTF-8, as ``{"b64": ...}``."""
    values: list[Any] = array.tolist()
    if name.endswith(_BYTES_SUFFIX):
        return [_each(v, _as_base64) for v in values]
    if any(isinstance(v, bytes) for v in array.flat):
        return [_each(v, _as_text) for v in values]
    return values


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    return [_each(v, change) for v in value] if isinstance(value, list) else change(value)


def _as_base64(value: str | bytes | None) -> Any:
    if value is None:
        return None
    data = value.encode("utf-8") if isinstance(value, str) else value
    return {"b64": base64.b64encode(data).decode("ascii")}


def _as_text(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return _as_base64(value)
