"""TensorProto to arrays and back, by TensorFlow's rules and no further than its own size allows.

Values come as raw bytes (``tensor_content``) or in the field of their type, where fewer values than the shape needs
mean that the last one is repeated. Stricter than TensorFlow: no value at all for a shape that needs some is an error
and not zeros, too many values are an error, and a value that its type cannot hold is one too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.serving.grpc_descriptors import Message, enum_numbers, message

__all__ = ["TensorError", "array_of", "dtype_name", "fill_tensor", "tensor_proto"]

Array = npt.NDArray[Any]

_FIELDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "DT_FLOAT": ("float_val", "<f4"),
        "DT_DOUBLE": ("double_val", "<f8"),
        "DT_HALF": ("half_val", "<f2"),
        "DT_BFLOAT16": ("half_val", "<u2"),
        "DT_INT8": ("int_val", "<i1"),
        "DT_INT16": ("int_val", "<i2"),
        "DT_INT32": ("int_val", "<i4"),
        "DT_INT64": ("int64_val", "<i8"),
        "DT_UINT8": ("int_val", "<u1"),
        "DT_UINT16": ("int_val", "<u2"),
        "DT_UINT32": ("uint32_val", "<u4"),
        "DT_UINT64": ("uint64_val", "<u8"),
        "DT_BOOL": ("bool_val", "|b1"),
        "DT_STRING": ("string_val", "|O"),
    }
)
"""By type the field that holds its values, and numpy's name for their bytes in ``tensor_content``."""
_BIT_PATTERNS = ("DT_HALF", "DT_BFLOAT16")
"""Types of two bytes whose values stand in ``half_val`` as the integers that those bytes make."""


_MOST_DIMENSIONS = 8


class TensorError(ValueError):
    """A TensorProto that is no tensor; the message does not name it."""


def dtype_name(number: int) -> str:
    """The name of a DataType; its number where it has none here."""
    return _names().get(number, f"data type {number}")


@cache
def _names() -> Mapping[int, str]:
    return {number: name for name, number in enum_numbers("tensorflow.DataType").items()}


def array_of(tensor: Message, limit: int) -> Array:
    """The array that a TensorProto holds; strings as an object array of bytes, bfloat16 as float32.

    Args:
        tensor: the message.
        limit: how many values it may have.

    Raises:
        TensorError: a type that is not served, a shape that is not known or too large, values that do not fit it.
    """
    name = dtype_name(tensor.dtype)
    if name not in _FIELDS:
        raise TensorError(f"{name} is not served")
    shape, count = _shape(tensor, limit)
    field, code = _FIELDS[name]
    content: bytes = tensor.tensor_content
    if content:
        if name == "DT_STRING":
            flat = _objects(_strings(content, count))
        else:
            flat = _from_bytes(content, np.dtype(code), count)
    else:
        flat = _padded(_from_field(getattr(tensor, field), name, np.dtype(code), count), count)
    if name == "DT_BFLOAT16":
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return flat if len(shape) == 1 else flat.reshape(shape)


def _shape(tensor: Message, limit: int) -> tuple[list[int], int]:
    if tensor.tensor_shape.unknown_rank:
        raise TensorError("its shape is not known")
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    count = math.prod(shape)
    if len(shape) > _MOST_DIMENSIONS:
        raise TensorError(f"its shape has {len(shape)} dimensions")
    if min(shape, default=0) < 0:
        raise TensorError(f"its shape {shape} has a negative size")
    if count > limit or max(shape, default=0) > limit:
        raise TensorError(f"its shape {shape} has {count} values, this server takes {limit}")
    return shape, count


def _from_bytes(content: bytes, dtype: np.dtype[Any], count: int) -> Array:
    if len(content) != count * dtype.itemsize:
        raise TensorError(f"tensor_content has {len(content)} bytes, its shape needs {count * dtype.itemsize}")
    if dtype.kind == "b":
        flags = np.frombuffer(content, np.uint8)
        if flags.size and flags.max() > 1:
            raise TensorError("tensor_content has a byte that is no bool")
        return flags.astype(bool)
    return np.frombuffer(content, dtype)


def _strings(content: bytes, count: int) -> list[bytes]:
    """TensorFlow's bytes of a tensor of strings: the length of each as a varint, then all of them."""
    lengths, place = [], 0
    for _ in range(count):
        value = shift = 0
        while True:
            if place >= len(content) or shift > 28:
                raise TensorError("tensor_content ends within its lengths")
            byte = content[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(value)
    if place + sum(lengths) != len(content):
        raise TensorError(f"tensor_content has {len(content)} bytes, its lengths say {place + sum(lengths)}")
    texts = []
    for length in lengths:
        texts.append(content[place : place + length])
        place += length
    return texts


def _objects(values: list[bytes]) -> Array:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _from_field(values: Any, name: str, dtype: np.dtype[Any], count: int) -> Array:
    if len(values) > count:
        raise TensorError(f"it has {len(values)} values, its shape needs {count}")
    if dtype.kind == "O":
        return _objects(list(values))
    if name in _BIT_PATTERNS:
        return _in_range(np.array(values, np.int32), np.dtype("<u2"), name).view(dtype)
    if dtype.kind in "iu" and dtype.itemsize < 4:
        return _in_range(np.array(values, np.int32), dtype, name)
    return np.array(values, dtype)  # not asarray: protobuf's memory must not be held


def _in_range(values: Array, dtype: np.dtype[Any], name: str) -> Array:
    info = np.iinfo(dtype)
    if values.size and not (info.min <= values.min() and values.max() <= info.max):
        raise TensorError(f"it has values beyond {name}")
    return values.astype(dtype)


def _padded(values: Array, count: int) -> Array:
    if len(values) == count:
        return values
    if not len(values):
        raise TensorError(f"it has no values, its shape needs {count}")
    return np.concatenate([values, np.repeat(values[-1:], count - len(values))])


_RAW: Mapping[str, tuple[str, bytes, str]] = MappingProxyType(
    {
        "f": ("DT_FLOAT", b"\x2a", "<f4"),
        "d": ("DT_DOUBLE", b"\x32", "<f8"),
        "?": ("DT_BOOL", b"\x5a", "|b1"),
    }
)
"""By numpy's letter for a type: TensorFlow's type, the tag of the packed field of its values, and the bytes' type.

Packed values of these types are their bytes one after the other, so that an array's memory is the field."""


def fill_tensor(tensor: Message, array: Array) -> None:
    """Writes an array into an empty TensorProto, its values into the field of their type.

    Raises:
        TensorError: an array that is none of float32, float64, bool, whole numbers, text and bytes.
    """
    numbers = enum_numbers("tensorflow.DataType")
    raw = _RAW.get(array.dtype.char)
    if raw is not None:
        content = np.ascontiguousarray(array, raw[2]).tobytes()
        if content:
            tensor.MergeFromString(raw[1] + _varint(len(content)) + content)
        tensor.dtype = numbers[raw[0]]
    elif array.dtype.kind in "iu":
        tensor.dtype = numbers["DT_INT64"]
        tensor.int64_val.extend(array.ravel().tolist())
    elif array.dtype.kind in "OUS":
        tensor.dtype = numbers["DT_STRING"]
        tensor.string_val.extend(map(_bytes, array.ravel().tolist()))
    else:
        raise TensorError(f"numpy's {array.dtype} has no place in an answer")
    dims = tensor.tensor_shape.dim
    for size in array.shape:
        dims.add().size = size


def tensor_proto(array: Array) -> Message:
    """A TensorProto of an array, as `fill_tensor` writes it."""
    tensor = message("tensorflow.TensorProto")()
    fill_tensor(tensor, array)
    return tensor


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise TensorError(f"{type(value).__name__} is neither text nor bytes")
