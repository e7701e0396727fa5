"""One vectorised 64-bit hash of canonical Arrow values: for splits, sampling, sketches and bootstrap weights.

Version 1. The hash of a value depends on the value and the seed alone, never on the batch, the machine or the width
of its type: an integral float hashes as the integer (7.0 as 7), -0.0 as 0, every NaN alike, text and bytes by their
bytes. With ``fmix`` the finaliser of MurmurHash3 (public domain, A. Appleby) and all arithmetic modulo 2**64::

    start(tag)   = fmix(seed ^ tag)
    number, bool, timestamp:  fmix(start + word * P1)                 word: the value's 64 bits
    text, bytes:  h = start + len * P2; for each 8-byte little-endian word (the last padded with zeros):
                  h = rotl(h ^ word * P1, 31) * P3;  then fmix(h)
    list:         h = start + len * P2; for each element hash e: h = rotl(h ^ e, 31) * P3;  then fmix(h)
    null:         start(NULL)
    row:          fmix(seed + sum over non-null columns of fmix(hash(column) ^ hash(name)))

So a row's hash does not change with the order of columns, nor when a column is added that the row has no value for.
Test vectors: ``tests/contracts/hash_vectors.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["HASH_NAME", "hash_array", "hash_rows", "hash_strings"]

HASH_NAME = "trueline-hash-1"
U64 = npt.NDArray[np.uint64]

P1 = 0x9E3779B185EBCA87
P2 = 0xC2B2AE3D27D4EB4F
P3 = 0x165667B19E3779F9
TAGS = {
    "null": 0x6E756C6C00000001,
    "bool": 0x626F6F6C00000002,
    "number_int": 0x6E756D0000000003,
    "number_float": 0x6E756D0000000004,
    "text": 0x7465787400000005,
    "timestamp": 0x74696D6500000006,
    "list": 0x6C69737400000007,
    "struct": 0x7374727500000008,
}
_MASK = (1 << 64) - 1
_FEW = 16
"""So few values that a step for all of them at a time costs more than their steps one by one."""
_HELD = 1 << 18


def _fmix_int(h: int) -> int:
    h ^= h >> 33
    h = h * 0xFF51AFD7ED558CCD & _MASK
    h ^= h >> 33
    h = h * 0xC4CEB9FE1A85EC53 & _MASK
    return h ^ (h >> 33)


def _fmix(h: U64) -> U64:
    h = h ^ (h >> np.uint64(33))
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> np.uint64(33)
    return h


def _start(tag: str, seed: int) -> np.uint64:
    return np.uint64(_fmix_int((seed & _MASK) ^ TAGS[tag]))


def _rotl31(h: U64) -> U64:
    return (h << np.uint64(31)) | (h >> np.uint64(33))


def _words(words: U64, tag: str, seed: int) -> U64:
    return _fmix(words * np.uint64(P1) + _start(tag, seed))


def _hash_floats(values: npt.NDArray[np.float64], seed: int) -> U64:
    integral = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2.0**63)
    as_int = np.where(integral, values, 0.0).astype(np.int64)
    canonical = np.where(np.isnan(values), np.nan, values)
    bits = np.ascontiguousarray(canonical, dtype=np.float64).view(np.uint64)
    as_float = _words(np.where(np.isnan(values), np.uint64(0x7FF8000000000000), bits), "number_float", seed)
    out: U64 = np.where(integral, _words(as_int.view(np.uint64), "number_int", seed), as_float)
    return out


def _hash_bytes(array: pa.Array, seed: int) -> U64:
    """Variable-length bytes, one 8-byte step over all rows that are long enough at a time."""
    import pyarrow as pa

    large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offsets_buffer, data_buffer = array.buffers()
    offset_type = np.dtype(np.int64 if large else np.int32)
    offsets = np.frombuffer(
        offsets_buffer, offset_type, count=len(array) + 1, offset=array.offset * offset_type.itemsize
    )
    starts = offsets[:-1].astype(np.int64)
    lengths = np.diff(offsets).astype(np.int64)
    low = int(offsets[0])
    data = np.zeros(int(offsets[-1]) - low + 8, np.uint8)
    if data_buffer is not None:
        data[:-8] = np.frombuffer(data_buffer, np.uint8, count=len(data) - 8, offset=low)
    starts -= low
    unaligned: U64 = np.ndarray((len(data) - 7,), np.dtype("<u8"), buffer=data, strides=(1,))
    h: U64 = lengths.astype(np.uint64) * np.uint64(P2) + _start("text", seed)
    active = np.flatnonzero(lengths > 0)
    position = 0
    while len(active):
        if len(active) <= _FEW:
            for row in active:
                begin, end = int(starts[row]), int(starts[row] + lengths[row])
                h[row] = _hash_on(int(h[row]), data[begin + position : end])
            break
        words = unaligned[starts[active] + position]
        left = lengths[active] - position
        short = left < 8
        if short.any():
            mask = (np.uint64(1) << (left[short].astype(np.uint64) * np.uint64(8))) - np.uint64(1)
            words[short] &= mask
        h[active] = _rotl31(h[active] ^ (words * np.uint64(P1))) * np.uint64(P3)
        position += 8
        active = active[left > 8]
    return _fmix(h)


def _hash_on(h: int, rest: npt.NDArray[np.uint8]) -> int:
    """The rest of one value's steps: a few long values are faster one by one."""
    for begin in range(0, len(rest), _HELD):
        piece = rest[begin : begin + _HELD]
        padded = np.concatenate([piece, np.zeros(-len(piece) % 8, np.uint8)])
        for word in (padded.view("<u8") * np.uint64(P1)).tolist():
            h ^= word
            h = (h << 31 & _MASK | h >> 33) * P3 & _MASK
    return h


def _hash_list(array: pa.Array, seed: int) -> U64:
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = np.asarray(pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False), np.int64)
    elements = hash_array(pc.list_flatten(array) if len(array) else pa.array([], array.type.value_type), seed)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if len(lengths) else lengths
    h: U64 = lengths.astype(np.uint64) * np.uint64(P2) + _start("list", seed)
    active, position = np.flatnonzero(lengths > 0), 0
    while len(active):
        h[active] = _rotl31(h[active] ^ elements[starts[active] + position]) * np.uint64(P3)
        position += 1
        active = active[lengths[active] > position]
    return _fmix(h)


def _hash_struct(array: pa.Array, seed: int) -> U64:
    import pyarrow.compute as pc

    names = [field.name for field in array.type]
    columns = [pc.struct_field(array, [i]) for i in range(len(names))]
    return _fmix(_combine(names, columns, len(array), seed) + _start("struct", seed))


def _hash_valid(array: pa.Array, seed: int) -> U64:
    """Hashes by type; the values under nulls are hashed too and overwritten by the caller."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    kind = array.type
    if t.is_null(kind):
        return np.zeros(len(array), np.uint64)
    if t.is_boolean(kind):
        return _words(pc.fill_null(array, False).cast(pa.uint64()).to_numpy(zero_copy_only=False), "bool", seed)
    if t.is_uint64(kind):
        values = pc.fill_null(array, 0).to_numpy(zero_copy_only=False)
        big = _hash_floats(values.astype(np.float64), seed)
        return np.where(values >> np.uint64(63), big, _words(values, "number_int", seed))
    if t.is_integer(kind):
        ints = pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        return _words(ints.view(np.uint64), "number_int", seed)
    if t.is_floating(kind) or t.is_decimal(kind):
        floats = pc.fill_null(array.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        return _hash_floats(floats, seed)
    if t.is_timestamp(kind) or t.is_date(kind):
        micros = pc.fill_null(array.cast(pa.timestamp("us"), safe=False).cast(pa.int64()), 0)
        return _words(micros.to_numpy(zero_copy_only=False).view(np.uint64), "timestamp", seed)
    if t.is_string(kind) or t.is_binary(kind) or t.is_large_string(kind) or t.is_large_binary(kind):
        return _hash_bytes(array, seed) if len(array) else np.zeros(0, np.uint64)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return _hash_list(array.cast(pa.list_(kind.value_type)), seed)
    if t.is_struct(kind):
        return _hash_struct(array, seed)
    raise DataError(f"Arrow type {kind} has no hash", hint="widen the column first (trueline._core.values.widen).")


def hash_array(array: pa.Array | pa.ChunkedArray, seed: int = 0) -> U64:
    """The hash of each value: uint64 of shape ``[len(array)]``.

    Raises:
        DataError: for a type outside the value contract.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.ChunkedArray):
        parts = [hash_array(chunk, seed) for chunk in array.chunks]
        return np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    with np.errstate(over="ignore", invalid="ignore"):
        if pa.types.is_dictionary(array.type):
            values = hash_array(array.dictionary, seed)
            indices = pc.fill_null(array.indices, 0).to_numpy(zero_copy_only=False)
            out = values[indices] if len(values) else np.zeros(len(array), np.uint64)
        else:
            out = _hash_valid(array, seed)
        if array.null_count:
            out = np.where(pc.is_null(array).to_numpy(zero_copy_only=False), _start("null", seed), out)
    return out


def hash_strings(values: Sequence[str], seed: int = 0) -> U64:
    """The hash of each text: uint64 of shape ``[len(values)]``."""
    import pyarrow as pa

    return hash_array(pa.array(values, pa.large_string()), seed)


def _combine(names: Sequence[str], columns: Sequence[Any], rows: int, seed: int) -> U64:
    import pyarrow.compute as pc

    total = np.zeros(rows, np.uint64)
    with np.errstate(over="ignore"):
        for name, column in zip(names, columns, strict=True):
            part = _fmix(hash_array(column, seed) ^ hash_strings([name], seed))
            if column.null_count:
                part[pc.is_null(column).to_numpy(zero_copy_only=False)] = 0
            total += part
    return total


def hash_rows(batch: pa.RecordBatch | pa.Table, columns: Sequence[str] | None = None, seed: int = 0) -> U64:
    """The hash of each row over the named columns (all but hidden ones by default): uint64 ``[num_rows]``.

    Raises:
        DataError: when a named column does not exist.
    """
    names = [n for n in batch.schema.names if not n.startswith("__")] if columns is None else list(columns)
    missing = sorted(set(names) - set(batch.schema.names))
    if missing:
        raise DataError(f"columns to hash do not exist: {', '.join(missing)}", hint=f"there is: {batch.schema.names}")
    with np.errstate(over="ignore"):
        return _fmix(_combine(names, [batch.column(n) for n in names], batch.num_rows, seed) + np.uint64(seed & _MASK))
