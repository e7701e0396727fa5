"""What an Arrow IPC body declares of itself, read before any of it is unpacked: rows, and bytes after decompression.

A buffer of a compressed batch begins with its size when unpacked, so a few bytes can ask for gigabytes. The metadata
is FlatBuffers (``Message.fbs``, ``File.fbs`` of Apache Arrow); the few fields needed are read here with bounds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["IpcSize", "file_sizes", "message_size"]

_DICTIONARY, _RECORDS = 2, 3
_MAGIC = b"ARROW1"
_CONTINUATION = 0xFFFFFFFF
_BUFFER, _BLOCK = 16, 24
_UNPACKED_AS_IT_IS = -1


@dataclass(frozen=True)
class IpcSize:
    """What one message declares.

    Attributes:
        rows: rows of a record batch, 0 for other messages.
        unpacked: bytes of its buffers when unpacked.
        kind: 2 for a dictionary, 3 for a batch of rows.
    """

    rows: int
    unpacked: int
    kind: int


class _Table:
    """One FlatBuffers table; reading outside the buffer is a struct.error or a ValueError."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: memoryview, at: int) -> None:
        self._data = data
        self._at = at

    def _number(self, form: str, at: int) -> int:
        if at < 0:
            raise ValueError("an offset before the buffer's begin")
        return int(struct.unpack_from(form, self._data, at)[0])

    def _field(self, index: int) -> int | None:
        vtable = self._at - self._number("<i", self._at)
        place = 4 + 2 * index
        if place >= self._number("<H", vtable):
            return None
        offset = self._number("<H", vtable + place)
        return self._at + offset if offset else None

    def number(self, index: int, form: str) -> int:
        """A scalar field; 0 where it is not there."""
        at = self._field(index)
        return 0 if at is None else self._number(form, at)

    def table(self, index: int) -> _Table | None:
        """A field that is a table."""
        at = self._field(index)
        return None if at is None else _Table(self._data, at + self._number("<I", at))

    def structs(self, index: int, size: int, form: str) -> Iterator[tuple[int, ...]]:
        """The elements of a vector of structs."""
        at = self._field(index)
        if at is None:
            return
        start = at + self._number("<I", at)
        count = self._number("<I", start)
        if start + 4 + count * size > len(self._data):
            raise ValueError("a vector is longer than its buffer")
        for i in range(count):
            yield struct.unpack_from(form, self._data, start + 4 + i * size)


def _root(data: memoryview) -> _Table:
    return _Table(data, int(struct.unpack_from("<I", data)[0]))


def message_size(metadata: memoryview, body: memoryview) -> IpcSize:
    """What a message declares.

    Args:
        metadata: its FlatBuffers part.
        body: its buffers.

    Raises:
        ValueError, struct.error: metadata that does not hold together.
    """
    message = _root(metadata)
    kind = message.number(1, "<B")
    if message.number(3, "<q") != len(body):
        raise ValueError(f"a message of {message.number(3, '<q')} bytes in a place of {len(body)}")
    header = message.table(2)
    batch = header if kind == _RECORDS else header.table(1) if kind == _DICTIONARY and header else None
    if batch is None:
        return IpcSize(0, 0, kind)
    rows = batch.number(0, "<q")
    if rows < 0:
        raise ValueError(f"a batch of {rows} rows")
    unpacked = len(body)
    if batch.table(3) is not None:
        unpacked = sum(_unpacked(body, *place) for place in batch.structs(2, _BUFFER, "<qq"))
    return IpcSize(rows if kind == _RECORDS else 0, unpacked, kind)


def _unpacked(body: memoryview, offset: int, length: int) -> int:
    if length < 8:
        return 0
    if offset < 0:
        raise ValueError("a buffer before its body's begin")
    (size,) = struct.unpack_from("<q", body, offset)
    if size == _UNPACKED_AS_IT_IS:
        return length - 8
    if size < 0:
        raise ValueError(f"a buffer of {size} bytes")
    return int(size)


def file_sizes(data: memoryview) -> Iterator[IpcSize]:
    """What each batch and dictionary of an Arrow file declares, found by the footer as a reader finds them.

    Raises:
        ValueError, struct.error: a file that does not hold together.
    """
    end = len(data) - len(_MAGIC) - 4
    if end < 0 or bytes(data[: len(_MAGIC)]) != _MAGIC or bytes(data[end + 4 :]) != _MAGIC:
        raise ValueError("it does not begin and end with ARROW1")
    (length,) = struct.unpack_from("<i", data, end)
    if not 0 < length <= end:
        raise ValueError(f"a footer of {length} bytes")
    footer = _root(data[end - length : end])
    for index, kind in ((2, _DICTIONARY), (3, _RECORDS)):
        for offset, metadata_length, body_length in footer.structs(index, _BLOCK, "<qixxxxq"):
            size = _block_size(data, offset, metadata_length, body_length)
            if size.kind != kind:
                raise ValueError(f"a message of kind {size.kind} in the place of kind {kind}")
            yield size


def _block_size(data: memoryview, offset: int, metadata_length: int, body_length: int) -> IpcSize:
    if min(offset, metadata_length, body_length) < 0 or offset + metadata_length + body_length > len(data):
        raise ValueError("a batch outside the file")
    (word,) = struct.unpack_from("<I", data, offset)
    prefix = 8 if word == _CONTINUATION else 4
    body = offset + metadata_length
    return message_size(data[offset + prefix : body], data[body : body + body_length])
