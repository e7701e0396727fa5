"""TensorBoard's event files, written without TensorBoard: records of ``Event`` messages with masked CRC-32C.

The numbers of the fields are those of TensorFlow's ``event.proto`` and ``summary.proto``.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path

from trueline._core import store
from trueline.data.tf_example_write import varint
from trueline.data.tfrecord_write import frames

__all__ = ["TensorBoardFiles"]

_HELD = 1000
_SECONDS = 2.0
_VERSION = b"brain.Event:2"
_DOUBLE, _FLOAT = struct.Struct("<d").pack, struct.Struct("<f").pack


class TensorBoardFiles:
    """Appends scalars to a file of its own in a local folder, which is made with the first value.

    Values are held for two seconds or a thousand of them at most.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._file: Path | None = None
        self._held: list[bytes] = []
        self._written = 0.0

    def add(self, metric: str, value: float, step: int) -> None:
        """One scalar, with the time that it is now."""
        now = time.time()
        self._held.append(_event(now, step, metric.encode(), value))
        if len(self._held) >= _HELD or now - self._written > _SECONDS:
            self._flush(now)

    def close(self, failed: bool = False) -> None:
        """Writes what is held."""
        if self._held:
            self._flush(time.time())

    def _flush(self, now: float) -> None:
        if self._file is None:
            self._file = self._name()
            self._held.insert(0, _first(now))
        with self._file.open("ab") as handle:
            handle.write(frames(self._held))
        self._held, self._written = [], now

    def _name(self) -> Path:
        folder = store.local_path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("events.out.tfevents.*")))
        return folder / f"events.out.tfevents.{number:010d}.trueline"


def _part(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + varint(len(content)) + content


def _event(now: float, step: int, metric: bytes, value: float) -> bytes:
    """``Event{wall_time=1, step=2, summary=5{value=1{tag=1, simple_value=2}}}``."""
    scalar = _part(0x0A, metric) + b"\x15" + _single(value)
    return b"\x09" + _DOUBLE(now) + b"\x10" + varint(step) + _part(0x2A, _part(0x0A, scalar))


def _single(value: float) -> bytes:
    try:
        return _FLOAT(value)
    except OverflowError:  # beyond the greatest float32
        return _FLOAT(float("inf") if value > 0 else float("-inf"))


def _first(now: float) -> bytes:
    """``Event{wall_time=1, file_version=3}``: what every file begins with."""
    return b"\x09" + _DOUBLE(now) + _part(0x1A, _VERSION)
