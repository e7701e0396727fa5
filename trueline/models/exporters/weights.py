"""Named arrays as safetensors: a header in JSON and the raw bytes, nothing that could be run. Needs numpy alone.

The format: eight bytes with the length of the header (little endian), the header, the data. The header has for every
name ``dtype``, ``shape`` and ``data_offsets``, counted from the end of the header.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError

__all__ = ["load_tensors", "save_tensors"]

_TYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
_NAMES = {short: name for name, short in _TYPES.items()}
_HEADER_LIMIT = 100_000_000


def save_tensors(tensors: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The arrays as one file, sorted by name; the same arrays give the same bytes.

    Raises:
        ModelError: an array of no number type.
    """
    header: dict[str, Any] = {}
    parts: list[bytes] = []
    at = 0
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        kind = _TYPES.get(array.dtype.name)
        if kind is None:
            raise ModelError(f"weight {name!r} is {array.dtype}, which safetensors cannot hold")
        little = array if array.dtype.byteorder in "|<=" else array.astype(array.dtype.newbyteorder("<"))
        data = np.ascontiguousarray(little).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def load_tensors(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a safetensors file; bfloat16 comes as float32.

    Raises:
        ModelError: a header that is not valid, or data that are not all there.
    """
    try:
        (length,) = struct.unpack_from("<Q", content)
        if length > min(_HEADER_LIMIT, len(content) - 8):
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(content[8 : 8 + length])
        data = memoryview(content)[8 + length :]
        return {n: _tensor(entry, data) for n, entry in header.items() if n != "__metadata__"}
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the weights are no valid safetensors file: {error}") from error


def _tensor(entry: Mapping[str, Any], data: memoryview) -> npt.NDArray[Any]:
    name, shape = _NAMES[entry["dtype"]], tuple(int(n) for n in entry["shape"])
    start, stop = (int(n) for n in entry["data_offsets"])
    if min(shape, default=0) < 0 or not 0 <= start <= stop <= len(data):
        raise ValueError(f"an entry {entry}")
    if name == "bfloat16":
        halves = np.frombuffer(data[start:stop], "<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(shape)
    return np.frombuffer(data[start:stop], np.dtype(name).newbyteorder("<")).astype(name).reshape(shape)
