"""Between Arrow and numpy by way of buffers.

pyarrow's own `to_numpy` and `array` import pandas where it is installed, which costs every process a quarter of a
second and memory; and they copy where a view is enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["from_numpy", "is_valid", "take", "to_numpy"]


def to_numpy(array: pa.Array) -> npt.NDArray[Any]:
    """Integers and floats as they lie in the buffer (read-only), points in time as their int64, booleans as uint8.

    Floats that are null become NaN; other arrays must hold no null.
    """
    import pyarrow as pa

    if pa.types.is_boolean(array.type):
        return _bits(array.buffers()[1], array.offset, len(array))
    dtype = np.dtype(array.type.to_pandas_dtype()) if not pa.types.is_temporal(array.type) else np.dtype(np.int64)
    data = array.buffers()[1]
    if data is None or len(array) == 0:
        return np.zeros(len(array), dtype)
    found = np.frombuffer(data, dtype, count=len(array), offset=array.offset * dtype.itemsize)
    if not array.null_count:
        return found
    if dtype.kind != "f":
        raise TypeError(f"{array.null_count} nulls cannot stand in an array of {dtype}")
    return np.where(is_valid(array), found, dtype.type(np.nan))


def is_valid(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Which entries are not null."""
    import pyarrow.compute as pc

    if not array.null_count:
        return np.ones(len(array), np.bool_)
    valid = pc.is_valid(array)
    return _bits(valid.buffers()[1], valid.offset, len(valid)).view(np.bool_)


def _bits(data: Any, offset: int, length: int) -> npt.NDArray[np.uint8]:
    first = offset // 8
    used = np.frombuffer(data, np.uint8, count=(offset + length + 7) // 8 - first, offset=first)
    start = offset - 8 * first
    return np.unpackbits(used, count=start + length, bitorder="little")[start:]


def take(values: pa.Array, places: npt.NDArray[np.int64]) -> pa.Array:
    """The values at these places."""
    return values.take(from_numpy(places))


def from_numpy(array: npt.NDArray[Any]) -> pa.Array:
    """Integers or floats as an Arrow array over the same memory."""
    import pyarrow as pa

    array = np.ascontiguousarray(array)
    return pa.Array.from_buffers(pa.from_numpy_dtype(array.dtype), len(array), [None, pa.py_buffer(array)])
