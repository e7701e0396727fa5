"""TFRecord files written without TensorFlow; equal records give equal bytes, packed or not."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from trueline._core import store
from trueline._core.errors import ConfigError
from trueline.data.tfrecord_crc import crc32c_spans, crc32c_words, masked

__all__ = ["frames", "write_tfrecord"]

_HELD = 4 << 20
_WINDOW = {"gzip": 31, "zlib": 15}
_LEVEL = 6


def write_tfrecord(uri: str, records: Iterable[bytes], compression: str | None = None) -> int:
    """Writes records as a TFRecord file; a file of that name is replaced when all is written.

    Args:
        uri: the file.
        records: the records' bytes.
        compression: ``gzip``, ``zlib`` or None.

    Returns:
        how many records were written.

    Raises:
        ConfigError: a compression that does not exist.
    """
    if compression not in (None, *_WINDOW):
        raise ConfigError(f"compression is {compression!r}", hint=f"give {', '.join(_WINDOW)} or None.")
    count = 0
    with store.writing(uri) as handle:
        packer = None if compression is None else zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW[compression])
        for frames, number in _framed(records):
            handle.write(frames if packer is None else packer.compress(frames))
            count += number
        if packer is not None:
            handle.write(packer.flush())
    return count


def _framed(records: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Frames of about 4 MiB, and how many records they hold."""
    held: list[bytes] = []
    size = 0
    for record in records:
        held.append(record)
        size += len(record) + 16
        if size >= _HELD:
            yield frames(held), len(held)
            held, size = [], 0
    if held:
        yield frames(held), len(held)


def frames(records: list[bytes]) -> bytes:
    """The records' bytes in a TFRecord file: each with its length and both checksums."""
    lengths = np.array([len(r) for r in records], np.int64)
    ends = np.cumsum(lengths)
    data = np.frombuffer(b"".join(records), np.uint8)
    data_crcs = masked(crc32c_spans(data, ends - lengths, lengths)).tolist()
    length_crcs = masked(crc32c_words(lengths.astype(np.uint64))).tolist()
    header, footer = struct.Struct("<QI").pack, struct.Struct("<I").pack
    parts: list[bytes] = []
    for record, length_crc, data_crc in zip(records, length_crcs, data_crcs, strict=True):
        parts += (header(len(record), length_crc), record, footer(data_crc))
    return b"".join(parts)
