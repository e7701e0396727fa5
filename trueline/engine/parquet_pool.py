"""Open Parquet files, kept in a small pool.

A handle belongs to one thread at a time, since pyarrow does not promise that two may read through one, and a file that
has been replaced is opened anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from trueline._core import store
from trueline._core.errors import ArtifactError, first_line

__all__ = ["POOL", "ParquetPool"]

_KEPT_OPEN = 16
_Key = tuple[str, tuple[str, ...], tuple[int, int]]


class ParquetPool:
    """Idle Parquet files, the least recently used closed first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, tuple[_Key, Any]] = OrderedDict()

    def _take(self, key: _Key) -> Any | None:
        with self._lock:
            for number, (idle_key, handle) in self._idle.items():
                if idle_key == key:
                    del self._idle[number]
                    return handle
        return None

    def _keep(self, key: _Key, handle: Any) -> None:
        with self._lock:
            self._idle[id(handle)] = (key, handle)
            dropped = [self._idle.popitem(last=False)[1][1] for _ in range(len(self._idle) - self._size)]
        for old in dropped:
            old.close(force=True)

    @contextmanager
    def lease(self, uri: str, dictionaries: tuple[str, ...]) -> Iterator[Any]:
        """An open file of one's own; it goes back into the pool unless reading it failed."""
        key = (uri, dictionaries, _identity(uri))
        handle = self._take(key) or _open(uri, dictionaries)
        try:
            yield handle
        except BaseException:
            with suppress(OSError):
                handle.close(force=True)
            raise
        self._keep(key, handle)


def _identity(uri: str) -> tuple[int, int]:
    """Size and time (or what else its store tells of a file), so that a replaced one is noticed."""
    if not store.is_local(uri):
        return _remote_identity(uri)
    try:
        found = store.local_path(uri).stat()
    except OSError as error:
        raise ArtifactError(f"the file cannot be opened: {error.strerror}", where=uri) from error
    return (found.st_size, found.st_mtime_ns)


def _remote_identity(uri: str) -> tuple[int, int]:
    import zlib

    import fsspec

    filesystem, path = fsspec.core.url_to_fs(uri)
    try:
        found = filesystem.info(path)
    except FileNotFoundError as error:
        raise ArtifactError(f"{uri} does not exist") from error
    tags = [str(found.get(name)) for name in ("ETag", "etag", "LastModified", "mtime", "created", "updated")]
    return (int(found.get("size") or 0), zlib.crc32("|".join(tags).encode()))


def _open(uri: str, dictionaries: tuple[str, ...]) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = str(store.local_path(uri)) if store.is_local(uri) else store.open_uri(uri)
    try:
        return pq.ParquetFile(source, read_dictionary=list(dictionaries))
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"this is no readable Parquet file: {first_line(error)}", where=uri) from error


POOL = ParquetPool(_KEPT_OPEN)
"""The pool of this process."""
