"""Tensors of the Open Inference Protocol v2: datatypes, JSON data and the little-endian binary form.

The table of datatypes is the protocol's (open-inference-protocol, ``inference_rest.md``, "Tensor Data Types"); the
binary form is that of the binary tensor data extension: row-major, little-endian, BOOL one byte, BYTES each value after
its length as uint32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import did_you_mean
from trueline.serving.errors import Code, RequestError

__all__ = [
    "DATATYPES",
    "Tensor",
    "bad",
    "datatype_of",
    "raw_of",
    "tensor_from_list",
    "tensor_from_raw",
    "tensor_from_typed",
]

DATATYPES: dict[str, npt.DTypeLike] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
"""By datatype the array that holds its values; those of BYTES are Python's bytes or text."""

_NAMES = {np.dtype(kind): name for name, kind in DATATYPES.items()}
_JSON_TYPES: dict[str, tuple[frozenset[type], str]] = {
    "b": (frozenset({bool}), "true or false"),
    "u": (frozenset({int}), "whole numbers"),
    "i": (frozenset({int}), "whole numbers"),
    "f": (frozenset({int, float}), "numbers"),
    "O": (frozenset({str, bytes}), "strings"),
}
_AS_THEY_ARE = frozenset({"BOOL", "INT64", "FP64", "BYTES"})
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named tensor.

    Attributes:
        name: its name.
        datatype: a key of `DATATYPES`.
        shape: its dimensions.
        values: all values in row-major order, one dimension, as many as the shape says; out of JSON a list, where
            Python's types hold them as they are.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: npt.NDArray[Any] | list[Any]

    def array(self) -> npt.NDArray[Any]:
        """The values in the datatype's array.

        Raises:
            RequestError: INVALID_ARGUMENT, for a value beyond the datatype's range.
        """
        if isinstance(self.values, list):
            return _array(self.name, self.datatype, np.dtype(DATATYPES[self.datatype]), self.values)
        return self.values


def bad(message: str, hint: str | None = None, problems: Sequence[str] = ()) -> RequestError:
    """A request that is wrong: 400 by REST, INVALID_ARGUMENT by gRPC."""
    return RequestError(Code.INVALID_ARGUMENT, message, hint=hint, problems=problems)


def datatype_of(array: npt.NDArray[Any]) -> str:
    """The datatype that holds an array's values.

    Raises:
        RequestError: INTERNAL, for an array that the protocol has no datatype for.
    """
    name = _NAMES.get(array.dtype)
    if name is None:
        raise RequestError(Code.INTERNAL, f"the protocol has no datatype for values of type {array.dtype}")
    return name


def _checked(name: str, datatype: str, shape: Sequence[int]) -> tuple[np.dtype[Any], int]:
    """The array type and the number of values."""
    if datatype not in DATATYPES:
        raise bad(f"tensor {name!r}: there is no datatype {datatype!r}", did_you_mean(datatype, DATATYPES))
    if not all(type(size) is int and size >= 0 for size in shape):
        raise bad(f"tensor {name!r}: 'shape' must be a list of whole numbers from 0, got {list(shape)!r:.100}")
    return np.dtype(DATATYPES[datatype]), math.prod(shape)


def tensor_from_list(name: str, datatype: str, shape: Sequence[int], data: list[Any]) -> Tensor:
    """A tensor out of JSON, whose data is flat or nested as the shape says.

    Raises:
        RequestError: INVALID_ARGUMENT, for an unknown datatype, another number of values, a value of another type or
            beyond its range.
    """
    kind, count = _checked(name, datatype, shape)
    flat = _flat(name, shape, data)
    if len(flat) != count:
        raise bad(f"tensor {name!r}: shape {list(shape)} is {count} values, 'data' has {len(flat)}")
    accepted, expected = _JSON_TYPES[kind.kind]
    if not set(map(type, flat)) <= accepted:
        place, value = next((i, v) for i, v in enumerate(flat) if type(v) not in accepted)
        raise bad(
            f"tensor {name!r}: value {place} does not fit {datatype}: expected {expected}, got {_shown(value)}",
            "nulls cannot be sent: leave the tensor out, or say which rows are there "
            f"with a BOOL tensor {name + ':present'!r}."
            if value is None
            else None,
        )
    return Tensor(
        name, datatype, tuple(shape), flat if datatype in _AS_THEY_ARE else _array(name, datatype, kind, flat)
    )


def _flat(name: str, shape: Sequence[int], data: list[Any]) -> list[Any]:
    if not any(type(value) is list for value in data):
        return data
    level: list[Any] = [data]
    for axis, size in enumerate(shape):
        for part in level:
            if type(part) is not list or len(part) != size:
                got = f"{len(part)} values" if type(part) is list else _shown(part)
                raise bad(f"tensor {name!r}: shape {list(shape)} expects {size} values in axis {axis}, got {got}")
        level = list(chain.from_iterable(level))
    return level


def _array(name: str, datatype: str, kind: np.dtype[Any], flat: list[Any]) -> npt.NDArray[Any]:
    if datatype == "BYTES":
        values = np.empty(len(flat), object)
        values[:] = flat
        return values
    try:
        if kind.kind != "f":
            return np.array(flat, kind)
        wide = np.array(flat, np.float64)
    except OverflowError:
        raise bad(f"tensor {name!r}: a value is beyond the range of {datatype}") from None
    with np.errstate(over="ignore"):
        narrow = wide.astype(kind)
    if not np.array_equal(np.isinf(wide), np.isinf(narrow)):
        raise bad(f"tensor {name!r}: a value is beyond the range of {datatype}")
    return narrow


def _shown(value: Any) -> str:
    words = {dict: "an object", list: "a list", type(None): "null", bool: "a boolean"}
    return words.get(type(value), f"{value!r:.60}")


def tensor_from_raw(name: str, datatype: str, shape: Sequence[int], raw: bytes | memoryview) -> Tensor:
    """A tensor out of the binary form.

    Raises:
        RequestError: INVALID_ARGUMENT, for an unknown datatype or another number of bytes.
    """
    kind, count = _checked(name, datatype, shape)
    if datatype == "BYTES":
        return Tensor(name, datatype, tuple(shape), _texts(name, count, bytes(raw)))
    if len(raw) != count * kind.itemsize:
        raise bad(
            f"tensor {name!r}: {count} values of {datatype} are {count * kind.itemsize} bytes, "
            f"its binary data has {len(raw)}"
        )
    values = np.frombuffer(raw, np.uint8) != 0 if datatype == "BOOL" else np.frombuffer(raw, kind)
    return Tensor(name, datatype, tuple(shape), values)


def tensor_from_typed(name: str, datatype: str, shape: Sequence[int], values: Sequence[Any]) -> Tensor:
    """A tensor out of values whose type protobuf has checked, flat.

    Raises:
        RequestError: INVALID_ARGUMENT, for an unknown datatype, another number of values, or one beyond its range.
    """
    kind, count = _checked(name, datatype, shape)
    if len(values) != count:
        raise bad(f"tensor {name!r}: shape {list(shape)} is {count} values, its contents have {len(values)}")
    if datatype == "BYTES" or kind.kind in "ui":
        return Tensor(name, datatype, tuple(shape), _array(name, datatype, kind, list(values)))
    return Tensor(name, datatype, tuple(shape), np.array(values, kind))


def _texts(name: str, count: int, raw: bytes) -> npt.NDArray[Any]:
    found: list[bytes] = []
    place, size = 0, len(raw)
    while place < size:
        start = place + _LENGTH_BYTES
        place = start + int.from_bytes(raw[place:start], "little")
        if place > size or start > size:
            raise bad(f"tensor {name!r}: the binary data ends inside value {len(found)}")
        found.append(raw[start:place])
    if len(found) != count:
        raise bad(f"tensor {name!r}: its shape is {count} values, its binary data has {len(found)}")
    values = np.empty(count, object)
    values[:] = found
    return values


def raw_of(array: npt.NDArray[Any]) -> bytes:
    """The binary form of an array's values; text as UTF-8."""
    if array.dtype != object:
        return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    parts: list[bytes] = []
    for value in array.ravel():
        data = value if isinstance(value, bytes) else str(value).encode()
        parts += [len(data).to_bytes(_LENGTH_BYTES, "little"), data]
    return b"".join(parts)
