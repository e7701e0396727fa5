"""Does a feature hold images? A guess from the first bytes of its values, and the size of images by their headers.

Bytes that begin as a BMP, GIF, JPEG or PNG file do count as an image. A feature holds images when at least 100 values
were looked at and 80 % of them are. Source of the rule: TensorFlow Data Validation. Sizes are read from the header
alone, never decoded: upstream decodes the image with TensorFlow.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError
from trueline.data_validation.custom import Generator
from trueline.data_validation.generators.base import features_spec
from trueline.data_validation.generators.guesses import MATCH_RATIO, VALUES_THRESHOLD, looked_at, say_domain
from trueline.data_validation.generators.leaves import Leaf

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["ImageGuess", "image_size", "image_stats"]

_MAGIC = {"bmp": b"BM", "gif": b"GIF8", "jpeg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n"}
_UNKNOWN = "UNKNOWN"
_PREFIX = max(map(len, _MAGIC.values()))


class ImageGuess:
    """How many values of one feature begin as which kind of image; their greatest width and height if asked."""

    def __init__(
        self,
        match_ratio: float = MATCH_RATIO,
        values_threshold: int = VALUES_THRESHOLD,
        sample_rate: float = 1.0,
        enable_size_stats: bool = False,
    ) -> None:
        self._match_ratio, self._values_threshold, self._sample_rate = match_ratio, values_threshold, sample_rate
        self._sizes = enable_size_stats
        self._formats: dict[str, int] = {}
        self._width = self._height = 0
        self._invalid = False

    def update(self, leaf: Leaf) -> None:
        """Takes in the values of a block."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if leaf.kind != "text":
            self._invalid = True
            return
        values, _ = looked_at(leaf, self._sample_rate)
        large = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
        values = pc.cast(values, pa.large_binary() if large else pa.binary())
        counts = {kind: int(pc.sum(pc.starts_with(values, magic)).as_py() or 0) for kind, magic in _MAGIC.items()}
        counts[_UNKNOWN] = len(values) - sum(counts.values())
        self._count(counts)
        if self._sizes:
            self._measure(values)

    def _count(self, formats: dict[str, int]) -> None:
        for kind, count in formats.items():
            if count:
                self._formats[kind] = self._formats.get(kind, 0) + count

    def _measure(self, values: pa.Array) -> None:
        for value in values:
            data = value.as_buffer()
            size = image_size(memoryview(data)) if data is not None else None
            if size is not None:
                self._width, self._height = max(self._width, size[0]), max(self._height, size[1])

    def merge(self, other: ImageGuess) -> None:
        """Takes in other blocks."""
        self._count(other._formats)
        self._width, self._height = max(self._width, other._width), max(self._height, other._height)
        self._invalid |= other._invalid

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state: a JSON header and no arrays."""
        formats = dict(sorted(self._formats.items()))
        return {"formats": formats, "size": [self._width, self._height], "invalid": self._invalid}, {}

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        self._formats = {str(kind): int(count) for kind, count in header["formats"].items()}
        self._width, self._height = (int(n) for n in header["size"])
        self._invalid = bool(header["invalid"])

    def fill(self, message: statistics_pb2.FeatureNameStatistics) -> None:
        """Writes the guess, if there is one."""
        considered = sum(self._formats.values())
        known = considered - self._formats.get(_UNKNOWN, 0)
        if self._invalid or considered < self._values_threshold or known / considered < self._match_ratio:
            return
        say_domain(message, "image_domain {}")
        histogram = message.custom_stats.add(name="image_format_histogram").rank_histogram
        for kind, count in sorted(self._formats.items()):
            histogram.buckets.add(label=kind, sample_count=float(count))
        if self._width and self._height:
            message.custom_stats.add(name="image_max_width", num=float(self._width))
            message.custom_stats.add(name="image_max_height", num=float(self._height))


def image_stats(
    columns: Sequence[str], *, enable_size_stats: bool = True, match_ratio: float = MATCH_RATIO
) -> Generator:
    """The guess for some columns of bytes, as an entry of ``StatsOptions.generators``.

    Args:
        columns: the columns.
        enable_size_stats: whether to measure images: custom statistics ``image_max_width`` and ``image_max_height``,
            in pixels.
        match_ratio: the least share of images.
    """
    options = {"enable_size_stats": enable_size_stats, "match_ratio": match_ratio}
    plan = features_spec("images:ImageGuess", [(name,) for name in columns], options)
    if plan is None:
        raise ConfigError("image_stats needs a column")
    return Generator(plan[0].name, plan[0].params, plan[1])


def image_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """Width and height in pixels that an image file's header states; None where it cannot be read."""
    kind = _format_of(bytes(data[:_PREFIX]))
    try:
        if kind == "png":
            return _pair(">II", data, 16) if bytes(data[12:16]) == b"IHDR" else None
        if kind == "gif":
            return _pair("<HH", data, 6)
        if kind == "bmp":
            return _bmp_size(data)
        return _jpeg_size(data) if kind == "jpeg" else None
    except (struct.error, IndexError):
        return None


def _format_of(prefix: bytes) -> str:
    return next((kind for kind, magic in _MAGIC.items() if prefix.startswith(magic)), _UNKNOWN)


def _pair(layout: str, data: bytes | memoryview, offset: int) -> tuple[int, int]:
    first, second = struct.unpack_from(layout, data, offset)
    return int(first), int(second)


def _bmp_size(data: bytes | memoryview) -> tuple[int, int]:
    """A header of 12 bytes has 16-bit sizes; a negative height says that rows run downward."""
    if struct.unpack_from("<I", data, 14)[0] == 12:
        return _pair("<HH", data, 18)
    width, height = _pair("<ii", data, 18)
    return abs(width), abs(height)


def _jpeg_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """Walks the segments up to the frame header, SOF0 to SOF15 without DHT, JPG and DAC."""
    position = 2
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # segments without a length
            position += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = _pair(">HH", data, position + 5)
            return width, height
        elif marker in (0xD9, 0xDA):  # the image begins or ends without a frame header
            return None
        else:
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return None
