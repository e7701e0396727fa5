"""What an image file says of itself in its first bytes: format, width and height, without decoding a pixel."""

from __future__ import annotations

import struct
from collections.abc import Callable

__all__ = ["FORMATS", "image_header"]

Size = tuple[int, int] | None
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
# The frame headers of JPEG: C4 (Huffman), C8 (reserved) and CC (arithmetic) are of another kind.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})


def _png(data: bytes) -> Size:
    if len(data) < 24 or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return int(width), int(height)


def _gif(data: bytes) -> Size:
    if len(data) < 10:
        return None
    width, height = struct.unpack_from("<HH", data, 6)
    return int(width), int(height)


def _bmp(data: bytes) -> Size:
    """The height is negative where the rows go from top to bottom; the oldest header has 16 bits each."""
    if len(data) < 26:
        return None
    (header,) = struct.unpack_from("<I", data, 14)
    form = "<HH" if header == 12 else "<ii"
    width, height = struct.unpack_from(form, data, 18)
    return int(width), abs(int(height))


def _jpeg(data: bytes) -> Size:
    """Segments up to the frame's header; each has a mark and a length of its own."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        mark = data[at + 1]
        if mark == 0xFF or mark in _ALONE:
            at += 1 if mark == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if mark in (0xD9, 0xDA) or length < 2:
            return None
        if mark in _FRAMES:
            if at + 9 > len(data):
                return None
            height, width = struct.unpack_from(">HH", data, at + 5)
            return int(width), int(height)
        at += 2 + length
    return None


FORMATS: dict[str, tuple[tuple[bytes, ...], Callable[[bytes], Size]]] = {
    "bmp": ((b"BM",), _bmp),
    "gif": ((b"GIF87a", b"GIF89a"), _gif),
    "jpeg": ((_JPEG,), _jpeg),
    "png": ((_PNG,), _png),
}
"""Format -> the bytes that its files begin with, and what finds width and height."""


def image_header(data: bytes) -> tuple[str, int, int] | None:
    """Format (``bmp gif jpeg png``), width and height in pixels; None for anything else, or a header that is cut off.

    >>> image_header(b"GIF89a" + bytes([3, 0, 2, 0]))
    ('gif', 3, 2)
    """
    for name, (marks, measure) in FORMATS.items():
        if data.startswith(marks):
            size = measure(data)
            return (name, *size) if size is not None and min(size) > 0 else None
    return None
