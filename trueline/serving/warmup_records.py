"""TFRecord, read without TensorFlow: a length, its checksum, that many bytes, their checksum; little-endian.

The checksums are CRC-32C, rotated and shifted as TensorFlow's ``io/record_writer.h`` does. The reader is for small
files, some requests recorded for warm-up: it goes byte by byte.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator

from trueline._core import store
from trueline._core.errors import ModelError

__all__ = ["read_records", "record_bytes"]

_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")
_MOST_BYTES = 64 * 1024 * 1024


def read_records(uri: str) -> Iterator[bytes]:
    """The records of a file of at most 64 MiB.

    Raises:
        ModelError: the file is too large, cut off or damaged; with the offset.
    """
    if store.size(uri) > _MOST_BYTES:
        raise ModelError(f"expected at most {_MOST_BYTES} bytes of recorded requests", where=uri)
    data = store.read_bytes(uri)
    at = 0
    while at < len(data):
        if at + _HEAD.size > len(data):
            raise ModelError(f"the record at byte {at} is cut off", where=uri)
        length, check = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        if _checksum(data[at : at + 8]) != check:
            raise ModelError(f"the record at byte {at} is damaged: its length has another checksum", where=uri)
        if start + length + _TAIL.size > len(data):
            raise ModelError(f"the record at byte {at} is cut off", where=uri)
        record = data[start : start + length]
        if (_checksum(record),) != _TAIL.unpack_from(data, start + length):
            raise ModelError(f"the record at byte {at} is damaged: its bytes have another checksum", where=uri)
        yield record
        at = start + length + _TAIL.size


def record_bytes(record: bytes) -> bytes:
    """One record as it stands in a file."""
    length = struct.pack("<Q", len(record))
    return length + _TAIL.pack(_checksum(length)) + record + _TAIL.pack(_checksum(record))


@functools.cache
def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return tuple(found)


def _checksum(data: bytes) -> int:
    """CRC-32C, masked."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
