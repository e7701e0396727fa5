"""Reading log files: their last lines, and what is written while one looks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

__all__ = ["LogReader", "last_lines"]

_BLOCK = 64 * 1024


def last_lines(path: str, count: int | None) -> list[str]:
    """The last lines of a file, or all for None; what is no UTF-8 is shown as replacement characters.

    Only the end of the file is read.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        if count is None:
            return _lines(file.read())
        position, data = file.seek(0, os.SEEK_END), b""
        while position > 0 and data.count(b"\n") <= count:
            step = min(_BLOCK, position)
            position -= step
            file.seek(position)
            data = file.read(step) + data
    return _lines(data)[-count:] if count else []


def _lines(data: bytes) -> list[str]:
    return [line.rstrip("\r") for line in data.decode("utf-8", "replace").split("\n")][: None if _open(data) else -1]


def _open(data: bytes) -> bool:
    """Whether the last line has no end yet."""
    return not data.endswith(b"\n") if data else False


@dataclass
class LogReader:
    """What a file gets while it is written; a file that is not there yet is empty.

    Attributes:
        path: the file.
        at: how many bytes were read.
    """

    path: str
    at: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def new_lines(self, *, to_end: bool = False) -> list[str]:
        """Whole lines since the last call; with `to_end` also a last one without an end.

        A file that was cut short or replaced by a shorter one is read from its beginning.
        """
        try:
            with open(self.path, "rb") as file:
                if file.seek(0, os.SEEK_END) < self.at:
                    self.at, self._rest = 0, b""
                file.seek(self.at)
                data = file.read()
        except OSError:
            data = b""
        self.at += len(data)
        whole, newline, rest = (self._rest + data).rpartition(b"\n")
        self._rest = rest
        if to_end and rest:
            whole, newline, self._rest = whole + newline + rest, b"\n", b""
        return _lines(whole + newline) if newline else []
