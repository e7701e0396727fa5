"""Avro object container files taken apart into their blocks; each block's bytes unpacked and every mark checked."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from trueline._core import store
from trueline._core.errors import DataError

__all__ = ["CODECS", "AvroBlock", "AvroFile"]

_MAGIC = b"Obj\x01"
_SYNC = 16
_READ = 1 << 20
_MAX_HEADER = 16 << 20
_MAX_BLOCK = 1 << 30


class _CutError(Exception):
    """The file ends where more was promised."""


class _DamagedError(Exception):
    """Bytes that cannot be what they stand for."""


@dataclass(frozen=True)
class AvroBlock:
    """Records that were written together.

    Attributes:
        number: of the block, from 0.
        first: the number of its first record in the file, from 0.
        count: how many records it says to hold.
        data: their bytes, unpacked.
    """

    number: int
    first: int
    count: int
    data: bytes


class _Reader:
    """A file read forward; a promise of many bytes takes no more memory than there are bytes."""

    def __init__(self, handle: IO[bytes], most: int) -> None:
        self._handle, self._most = handle, most
        self.place = 0

    def bytes(self, size: int) -> bytes:
        if not 0 <= size <= self._most:
            raise _DamagedError(f"a part of {size} bytes")
        parts, left = [], size
        while left:
            part = self._handle.read(min(left, _READ))
            if not part:
                raise _CutError
            parts.append(part)
            left -= len(part)
        self.place += size
        return b"".join(parts)

    def long(self) -> int:
        value = shift = 0
        while True:
            byte = self.bytes(1)[0]
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7
            if shift > 63:
                raise _DamagedError("a number of more than ten bytes")

    def at_end(self) -> bool:
        """Whether no byte follows; else the handle stands where it was."""
        found = self._handle.read(1)
        if found:
            self._handle.seek(-1, 1)
        return not found


class AvroFile:
    """An Avro file, opened: its schema, then its blocks.

    Args:
        uri: the file.

    Raises:
        DataError: when it is no Avro file, or its codec is unknown.
        ArtifactError: when there is no such file.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        with store.open_uri(uri) as handle:
            self._header = self._read_header(handle)
        meta, self._sync, self._body = self._header
        self.codec = meta.get("avro.codec", b"null").decode("latin-1") or "null"
        if self.codec not in CODECS:
            raise DataError(f"the codec {self.codec!r} is unknown", where=uri, hint=f"known are {', '.join(CODECS)}.")
        try:
            self.schema: Any = json.loads(meta["avro.schema"])
        except (KeyError, ValueError, RecursionError) as error:
            raise DataError(f"the file's schema cannot be read: {error!r}", where=uri) from error

    def _read_header(self, handle: IO[bytes]) -> tuple[dict[str, bytes], bytes, int]:
        reader = _Reader(handle, _MAX_HEADER)
        try:
            if reader.bytes(4) != _MAGIC:
                raise _DamagedError("it does not begin with Avro's mark")
            meta: dict[str, bytes] = {}
            while count := reader.long():
                if count < 0:
                    reader.long()
                for _ in range(abs(count)):
                    key = reader.bytes(reader.long()).decode("latin-1")
                    meta[key] = reader.bytes(reader.long())
                    if reader.place > _MAX_HEADER:
                        raise _DamagedError(f"a header of more than {_MAX_HEADER} bytes")
            return meta, reader.bytes(_SYNC), reader.place
        except _CutError as error:
            raise DataError("the file ends within Avro's header", where=self.uri) from error
        except _DamagedError as error:
            raise DataError(f"the file is no Avro file: {error}", where=self.uri) from error

    def blocks(self) -> Iterator[AvroBlock]:
        """The blocks in order.

        Raises:
            DataError: naming block, record and byte, after all blocks before that place.
        """
        first = number = 0
        with store.open_uri(self.uri) as handle:
            handle.seek(self._body)
            reader = _Reader(handle, _MAX_BLOCK)
            reader.place = self._body
            while not reader.at_end():
                where = f"{self.uri} block {number + 1}, record {first + 1}, at byte {reader.place}"
                try:
                    count, packed = reader.long(), reader.bytes(reader.long())
                    if reader.bytes(_SYNC) != self._sync:
                        raise _DamagedError("the mark after the block is wrong")
                    data = CODECS[self.codec](packed)
                    if not 0 <= count <= len(data):
                        raise _DamagedError(f"{count} records in {len(data)} bytes")
                except _CutError as error:
                    raise DataError("the file ends within the block", where=where) from error
                except (_DamagedError, *_CODEC_ERRORS) as error:
                    raise DataError(f"the block is damaged: {error}", where=where) from error
                yield AvroBlock(number, first, count, data)
                first, number = first + count, number + 1


def _inflate(packed: bytes) -> bytes:
    return _whole(zlib.decompressobj(-15), packed)


def _bunzip(packed: bytes) -> bytes:
    import bz2

    return _whole(bz2.BZ2Decompressor(), packed)


def _unxz(packed: bytes) -> bytes:
    import lzma

    try:
        return _whole(lzma.LZMADecompressor(memlimit=1 << 30), packed)
    except lzma.LZMAError as error:
        raise _DamagedError(str(error)) from error


def _whole(unpacker: Any, packed: bytes) -> bytes:
    data: bytes = unpacker.decompress(packed, _MAX_BLOCK)
    if not unpacker.eof:  # bytes after the end are no damage: fastavro leaves three of zlib's checksum behind deflate
        raise _DamagedError("its packed bytes have no end, or are too many unpacked")
    return data


def _unsnappy(packed: bytes) -> bytes:
    """Snappy's own length goes first, the CRC-32 of the bytes comes after them."""
    import pyarrow as pa

    size = shift = 0
    for byte in packed[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    # A packed byte gives 64 at most: copies are of up to 64 bytes and take at least two.
    if len(packed) < 5 or size > min(_MAX_BLOCK, 64 * len(packed)):
        raise _DamagedError(f"a packed length of {size} bytes")
    data: bytes = pa.Codec("snappy").decompress(packed[:-4], decompressed_size=size, asbytes=True)
    if zlib.crc32(data) != int.from_bytes(packed[-4:], "big"):
        raise _DamagedError("its checksum is wrong")
    return data


def _unzstd(packed: bytes) -> bytes:
    import pyarrow as pa

    parts, size = [], 0
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        while part := stream.read(_READ):
            parts.append(part)
            size += len(part)
            if size > _MAX_BLOCK:
                raise _DamagedError("too many bytes unpacked")
    return b"".join(parts)


CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": _inflate,
    "bzip2": _bunzip,
    "xz": _unxz,
    "snappy": _unsnappy,
    "zstandard": _unzstd,
}
_CODEC_ERRORS = (zlib.error, OSError, ValueError, EOFError)
"""What the unpackers raise; Arrow's errors are among them."""
