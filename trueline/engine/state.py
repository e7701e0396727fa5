"""The bytes of an accumulator's state: a JSON header and named arrays, with a version, never pickle.

Layout (format 1, little-endian): ``b"TLST"``, uint32 format, uint32 CRC-32 of all that follows it, uint64 length of
the JSON text, the JSON text, then the arrays one after the other, each on a multiple of 8 after the JSON text. A numpy
array stands as its raw C-order bytes, an Arrow array as an IPC stream of one batch with one column. Equal
content gives equal bytes: keys are sorted, and what lies under Arrow nulls or outside a slice is not written.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import EngineError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["STATE_FORMAT", "pack_state", "unpack_state"]

STATE_FORMAT = 1
_MAGIC = b"TLST"
_PREFIX = struct.Struct("<4sIIQ")
_CHECKED_FROM = 12  # the CRC covers the length of the JSON text and all after it
_ALIGN = 8
_DTYPES = frozenset(
    np.dtype(name).str
    for name in ("bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "M8[us]", "m8[us]")
)


def pack_state(
    kind: str, version: int, header: Any, arrays: Mapping[str, np.ndarray[Any, Any] | pa.Array] | None = None
) -> bytes:
    """The bytes of one state.

    Args:
        kind: which accumulator's state this is, e.g. ``"quantiles"``; `unpack_state` checks it.
        version: the version of this kind's layout, from 1 on.
        header: any JSON value; NaN and infinities belong into `arrays`.
        arrays: numpy arrays of booleans, integers and floats of any shape, or Arrow arrays (chunked ones included).

    Raises:
        EngineError: for a header that is no JSON value, or an array of another type.
    """
    described: list[dict[str, Any]] = []
    parts: list[bytes | memoryview] = []
    for name in sorted(arrays or {}):
        array = (arrays or {})[name]
        entry: dict[str, Any]
        body: bytes | memoryview
        entry, body = _numpy_bytes(name, array) if isinstance(array, np.ndarray) else _arrow_bytes(name, array)
        described.append({"name": name, "size": len(body), **entry})
        parts += [body, b"\0" * (-len(body) % _ALIGN)]
    try:
        text = json.dumps(
            {"kind": kind, "version": int(version), "header": header, "arrays": described},
            sort_keys=True,
            allow_nan=False,
            separators=(",", ":"),
        ).encode()
    except (TypeError, ValueError) as error:
        raise EngineError(
            f"the header of state {kind!r} is no JSON value: {error}", hint="put numbers into arrays, NaN included."
        ) from error
    checked = [struct.pack("<Q", len(text)), text, *parts]
    crc = 0
    for part in checked:
        crc = zlib.crc32(part, crc)
    return b"".join([struct.pack("<4sII", _MAGIC, STATE_FORMAT, crc), *checked])


def unpack_state(
    data: bytes, kind: str, max_version: int
) -> tuple[int, Any, dict[str, np.ndarray[Any, Any] | pa.Array]]:
    """What `pack_state` was given: version, header and arrays; numpy arrays are copies that may be changed.

    Args:
        data: the bytes; they may come from outside, everything in them is checked.
        kind: the kind that the caller reads.
        max_version: the newest version that the caller can read.

    Raises:
        EngineError: for damaged bytes, another kind, or a version above `max_version`.
    """
    described, start = _described(data, kind)
    version = described["version"]
    if not 1 <= version <= max_version:
        raise EngineError(
            f"state {kind!r} has version {version}, this release reads 1 to {max_version}",
            hint="a newer trueline wrote it: update this one.",
        )
    arrays: dict[str, np.ndarray[Any, Any] | pa.Array] = {}
    for entry in described["arrays"]:
        try:
            name, size = str(entry["name"]), int(entry["size"])
            if size < 0 or start + size > len(data):
                raise ValueError(f"its {size} bytes do not fit")
            body = memoryview(data)[start : start + size]
            arrays[name] = _numpy_array(entry, body) if entry["type"] == "numpy" else _arrow_array(body)
        except (KeyError, TypeError, ValueError, OSError, OverflowError) as error:
            raise EngineError(f"state {kind!r} has a damaged array: {error}") from error
        start += size + (-size % _ALIGN)
    return version, described["header"], arrays


def _described(data: bytes, kind: str) -> tuple[dict[str, Any], int]:
    """The checked JSON text, and where the arrays begin."""
    if len(data) < _PREFIX.size or data[:4] != _MAGIC:
        raise EngineError(f"these {len(data)} bytes are no accumulator state", where=f"state {kind!r}")
    _, state_format, crc, length = _PREFIX.unpack_from(data)
    if state_format != STATE_FORMAT:
        raise EngineError(f"state {kind!r} has format {state_format}, this release reads format {STATE_FORMAT}")
    if length > len(data) - _PREFIX.size or zlib.crc32(memoryview(data)[_CHECKED_FROM:]) != crc:
        raise EngineError(f"state {kind!r} is damaged: its checksum does not fit its {len(data)} bytes")
    end = _PREFIX.size + length
    try:
        described = json.loads(data[_PREFIX.size : end])
    except (ValueError, RecursionError) as error:
        raise EngineError(f"state {kind!r} is damaged: {error}") from error
    if (
        not isinstance(described, dict)
        or set(described) != {"kind", "version", "header", "arrays"}
        or not isinstance(described["version"], int)
        or not isinstance(described["arrays"], list)
    ):
        raise EngineError(f"state {kind!r} is damaged: its description has another form")
    if described["kind"] != kind:
        raise EngineError(f"a state of kind {described['kind']!r} was given where {kind!r} is read")
    return described, end


def _numpy_bytes(name: str, array: np.ndarray[Any, Any]) -> tuple[dict[str, Any], memoryview]:
    dtype = array.dtype.newbyteorder("<")
    if dtype.str not in _DTYPES:
        raise EngineError(
            f"array {name!r} of a state has dtype {array.dtype}",
            hint="booleans, integers, floats and microsecond times can be kept; give strings as a pyarrow array.",
        )
    flat = np.ascontiguousarray(array, dtype=dtype).reshape(-1).view(np.uint8)
    return {"type": "numpy", "dtype": dtype.str, "shape": list(array.shape)}, flat.data


def _numpy_array(entry: Mapping[str, Any], body: memoryview) -> np.ndarray[Any, Any]:
    dtype, shape = entry["dtype"], entry["shape"]
    if dtype not in _DTYPES or not isinstance(shape, list) or any(not isinstance(n, int) or n < 0 for n in shape):
        raise ValueError(f"dtype {dtype!r} and shape {shape!r}")
    if math.prod(shape) * np.dtype(dtype).itemsize != len(body):
        raise ValueError(f"{len(body)} bytes for dtype {dtype!r} and shape {shape!r}")
    return np.frombuffer(body, dtype=dtype).reshape(shape).copy()


def _arrow_bytes(name: str, array: Any) -> tuple[dict[str, Any], bytes]:
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # combining zero chunks of a dictionary type leaves a chunked array
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], type=array.type)
    if not isinstance(array, pa.Array):
        raise EngineError(f"{name!r} of a state is a {type(array).__name__}, neither a numpy nor an Arrow array")
    if array.null_count:  # what lies under a null is whatever was computed there: take writes it anew
        array = array.take(pa.array(np.arange(len(array))))
    sink = pa.BufferOutputStream()
    batch = pa.RecordBatch.from_arrays([array], names=["values"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return {"type": "arrow"}, sink.getvalue().to_pybytes()


def _arrow_array(body: memoryview) -> pa.Array:
    import pyarrow as pa

    with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
        batches = list(reader)
    if len(batches) != 1 or batches[0].num_columns != 1:
        raise ValueError(f"{len(batches)} batches where one is expected")
    column = batches[0].column(0)
    column.validate(full=True)
    return column
