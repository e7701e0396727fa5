"""An open file of a remote store whose library's errors, whatever they are, come as ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Self

__all__ = ["RemoteFile"]


class RemoteFile:
    """A file object that passes everything on to another one.

    Args:
        handle: the store's own open file.
        told: gives a context in which errors of other libraries become ours.
    """

    def __init__(self, handle: Any, told: Callable[[], AbstractContextManager[None]]) -> None:
        self._handle, self._told = handle, told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)

    def read(self, size: int = -1) -> bytes:
        """Some bytes, or the rest."""
        with self._told():
            data: bytes = self._handle.read(size)
            return data

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer; how many bytes it took."""
        with self._told():
            return int(self._handle.readinto(buffer) or 0)

    def write(self, data: Any) -> int:
        """Takes bytes in."""
        with self._told():
            return int(self._handle.write(data) or 0)

    def flush(self) -> None:
        """Sends what is held."""
        with self._told():
            self._handle.flush()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Another place."""
        with self._told():
            return int(self._handle.seek(offset, whence))

    def close(self) -> None:
        """Ends; what was written is there then."""
        with self._told():
            self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
