"""TFRecord files read and written without TensorFlow: plain, gzip or zlib, both checksums of every record checked.

A record is its length (uint64), the masked CRC-32C of the length, the bytes, and their masked CRC-32C; numbers are
little-endian. A wrong checksum of the bytes leaves the following records readable, a wrong one of the length does not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import DataError
from trueline.data.tfrecord_crc import crc32c, crc32c_spans, crc32c_words, masked, masked_one
from trueline.data.tfrecord_stream import unpacked_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_RECORD_BYTES", "RecordBlock", "read_tfrecord", "record_blocks"]

MAX_RECORD_BYTES = 1 << 30
"""A longer record is taken for damage: protobuf's own limit is 2 GiB, a tf.Example is some kilobytes."""
_BLOCK = 4 << 20
_HEADER = 12
_FRAME = 16
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class RecordBlock:
    """Records that were read together.

    Attributes:
        data: uint8, the unpacked bytes.
        starts: int64 ``[n]``, where each record's bytes begin in `data`.
        lengths: int64 ``[n]``.
        intact: bool ``[n]``, whether the checksum of the bytes is right.
        first: the number of the first record in its file, from 0.
        offset: the place of ``data[0]`` in the unpacked file.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    intact: NDArray[np.bool_]
    first: int
    offset: int

    def record(self, index: int) -> bytes:
        """The bytes of one record."""
        start = int(self.starts[index])
        return self.data[start : start + int(self.lengths[index])].tobytes()

    def place(self, index: int) -> int:
        """Where the frame of a record begins in the unpacked file."""
        return self.offset + int(self.starts[index]) - _HEADER


def read_tfrecord(uri: str) -> Iterator[bytes]:
    """The records of a TFRecord file, packed by gzip, zlib or not at all (found out from its first bytes).

    Raises:
        DataError: naming file, record (from 1) and byte, after all records before the damaged place.
        ArtifactError: when there is no such file.
    """
    for block in record_blocks(uri):
        for index in range(block.starts.size):
            if not block.intact[index]:
                raise DataError(
                    "the checksum of the record's bytes is wrong",
                    where=_where(uri, block.first + index, block.place(index)),
                )
            yield block.record(index)


def record_blocks(uri: str) -> Iterator[RecordBlock]:
    """The records in blocks of about 4 MiB, with the checksum of each record's bytes looked at.

    Raises:
        DataError: when the rest cannot be read (a wrong length, a cut file), after all records before that place.
    """
    held, offset, first = bytearray(), 0, 0
    for chunk in _chunks_then_error(uri):
        if isinstance(chunk, DataError):
            block, _, failure = _walk(held, offset, first, uri)
            if block is not None:
                yield block
            raise failure or chunk
        held += chunk
        if len(held) < _needed(held, offset, first, uri):
            continue
        block, used, failure = _walk(held, offset, first, uri)
        if block is not None:
            yield block
            first += block.starts.size
        if failure is not None:
            raise failure
        held, offset = held[used:], offset + used
    block, used, failure = _walk(held, offset, first, uri)
    if block is not None:
        yield block
        first += block.starts.size
    if failure is not None:
        raise failure
    if used < len(held):
        raise DataError("the file ends within the record", where=_where(uri, first, offset + used))


def _chunks_then_error(uri: str) -> Iterator[bytes | DataError]:
    try:
        yield from unpacked_chunks(uri)
    except DataError as error:
        yield error


def _where(uri: str, record: int, place: int) -> str:
    return f"{uri} record {record + 1} at byte {place}"


def _needed(held: bytearray, offset: int, first: int, uri: str) -> int:
    """How many bytes to hold before walking: a block, or one whole record when it is longer and its length is right."""
    if len(held) < _HEADER:
        return _BLOCK
    failure = _bad_header(held, 0, offset, first, uri)
    return 0 if failure else max(_BLOCK, _LENGTH.unpack_from(held, 0)[0] + _FRAME)


def _bad_header(held: bytearray, at: int, offset: int, record: int, uri: str) -> DataError | None:
    (length,) = _LENGTH.unpack_from(held, at)
    (crc,) = _CRC.unpack_from(held, at + 8)
    where = _where(uri, record, offset + at)
    if masked_one(crc32c(bytes(held[at : at + 8]))) != crc:
        return DataError(
            f"the checksum of the record's length ({length}) is wrong",
            where=where,
            hint="the file is damaged here, or it is no TFRecord file; what follows cannot be told apart.",
        )
    if length > MAX_RECORD_BYTES:
        return DataError(f"a record of {length} bytes, at most {MAX_RECORD_BYTES} are possible", where=where)
    return None


def _walk(held: bytearray, offset: int, first: int, uri: str) -> tuple[RecordBlock | None, int, DataError | None]:
    """The whole records at the front, how many bytes they take, and what is wrong with the record after them."""
    starts, lengths, at, size = [], [], 0, len(held)
    unpack = _LENGTH.unpack_from
    while at + _HEADER <= size:
        length = unpack(held, at)[0]
        if length > size - at - _FRAME:
            break
        starts.append(at + _HEADER)
        lengths.append(length)
        at += length + _FRAME
    data = np.frombuffer(bytes(held), np.uint8)
    begin, long = np.array(starts, np.int64), np.array(lengths, np.int64)
    wrong = np.flatnonzero(masked(crc32c_words(long.astype(np.uint64))) != _u32(data, begin - 4))
    count = int(wrong[0]) if wrong.size else len(starts)
    used = starts[count] - _HEADER if wrong.size else at
    failure = _bad_header(held, used, offset, first + count, uri) if used + _HEADER <= size else None
    if count == 0:
        return None, used, failure
    begin, long = begin[:count], long[:count]
    intact = masked(crc32c_spans(data, begin, long)) == _u32(data, begin + long)
    return RecordBlock(data, begin, long, intact, first, offset), used, failure


def _u32(data: NDArray[np.uint8], at: NDArray[np.int64]) -> Any:
    """The little-endian uint32 at each place."""
    return data[at[:, None] + np.arange(4)].view("<u4")[:, 0]
