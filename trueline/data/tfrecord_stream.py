"""The bytes of a record file, unpacked chunk by chunk: everything before a damaged place comes out before the error."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

from trueline._core import store
from trueline._core.errors import DataError
from trueline.data.tfrecord_crc import crc32c, masked_one

__all__ = ["detect_compression", "unpacked_chunks"]

_READ = 1 << 20
_UNPACK = 4 << 20
"""The most bytes that are unpacked at a time: a small file that unpacks to a huge one is never held whole."""
_WINDOW = {"gzip": 31, "zlib": 15}
_HEADER = 12


def detect_compression(head: bytes) -> str | None:
    """``gzip``, ``zlib`` or None, by the first bytes of a TFRecord file.

    A plain file begins with a length and its checksum. A length can look like the mark of a packed file, a length
    whose checksum is right can not, so that is asked first. File names are not looked at.
    """
    if len(head) >= _HEADER:
        (crc,) = struct.unpack_from("<I", head, 8)
        if masked_one(crc32c(head[:8])) == crc:
            return None
    if head[:3] == b"\x1f\x8b\x08":
        return "gzip"
    if len(head) >= 2 and head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and (head[0] << 8 | head[1]) % 31 == 0:
        return "zlib"
    return None


def unpacked_chunks(uri: str) -> Iterator[bytes]:
    """The file's bytes, unpacked, in chunks of at most 4 MiB.

    Raises:
        DataError: when a packed file is damaged or cut off, after all bytes before that place.
        ArtifactError: when there is no such file.
    """
    with store.open_uri(uri) as handle:
        first = handle.read(_READ)
        compression = detect_compression(first)
        if compression is None:
            while first:
                yield first
                first = handle.read(_READ)
            return
        yield from _unpacked(handle, first, compression, uri)


def _unpacked(handle: IO[bytes], piece: bytes, compression: str, uri: str) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_WINDOW[compression])
    taken = 0
    while piece:
        taken += len(piece)
        while piece:
            if unpacker.eof:
                if not piece.strip(b"\0"):
                    break  # zeros after the end are padding of the medium
                unpacker = zlib.decompressobj(_WINDOW[compression])
            saved = unpacker.copy()
            try:
                out = unpacker.decompress(piece, _UNPACK)
            except zlib.error as error:
                yield from _until_damage(saved, piece)
                where = f"{uri} before byte {taken} of the packed file"
                raise DataError(f"the {compression} stream is damaged: {error}", where=where) from error
            if out:
                yield out
            piece = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        piece = handle.read(_READ)
    while not unpacker.eof:
        out = unpacker.decompress(unpacker.unconsumed_tail, _UNPACK)
        if not out:
            raise DataError(f"the {compression} stream is cut off", where=f"{uri} after byte {taken}")
        yield out


def _until_damage(unpacker: Any, piece: bytes) -> Iterator[bytes]:
    """What a piece unpacks to before its damaged byte. The state was copied before the piece went in."""
    held = bytearray()
    with suppress(zlib.error):
        for position in range(len(piece)):
            held += unpacker.decompress(piece[position : position + 1])
            if len(held) >= _UNPACK:
                yield bytes(held)
                held.clear()
    if held:
        yield bytes(held)
