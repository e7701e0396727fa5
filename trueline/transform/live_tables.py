"""Live tables: the newest complete version of a keyed table in a folder, exchanged while a process runs.

A source is a folder with subfolders ``1``, ``2``, ...; a version is complete when its ``MANIFEST.json`` is there. At
most once in `poll_seconds` a call makes a thread look for a newer version, and load and check it; until it is whole,
all calls go on with the old one. A version that cannot be read, or has other types, is told in the log and left out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trueline._core import store
from trueline._core.errors import ArtifactError, DataError, TruelineError
from trueline._core.manifest import MANIFEST_NAME, read_manifest, write_manifest
from trueline.transform.lookup_tables import KeyedTable, keyed_table, read_files, read_table

__all__ = ["LiveTable", "Loaded", "live_table", "live_versions", "load_newest", "write_lookup_version"]

_LOG = logging.getLogger("trueline.lookup")
_KIND = "LookupTable"


@dataclass(frozen=True)
class Loaded:
    """One version of a table.

    Attributes:
        version: its folder's number.
        table: what it holds.
    """

    version: int
    table: KeyedTable

    @cached_property
    def places(self) -> dict[Any, int]:
        """Each key's row."""
        return {key: i for i, key in enumerate(self.table.keys)}


def versions_of(source: str) -> list[int]:
    """The complete versions in a folder, newest first."""
    numbers = sorted((int(n) for n in store.listdir(source) if n.isascii() and n.isdecimal()), reverse=True)
    return [n for n in numbers if store.exists(store.join(source, str(n), MANIFEST_NAME))]


def load_version(
    source: str, version: int, key_column: str | None, key_dtype: str, value_columns: Sequence[str] | None = None
) -> Loaded:
    """Reads one version, its bytes checked against its manifest.

    Raises:
        ArtifactError: files that are gone or changed.
        DataError: a table that `keyed_table` refuses.
    """
    folder = store.join(source, str(version))
    manifest = read_manifest(folder, "sha256")
    files = [f.path for f in manifest.files if f.path.lower().endswith((".csv", ".parquet"))]
    if not files:
        raise DataError("the version holds no .csv or .parquet file", where=folder)
    arrow = read_files([store.join(folder, f) for f in files], key_column, key_dtype)
    return Loaded(version, keyed_table(arrow, key_dtype, key_column, value_columns, folder))


def load_newest(
    source: str, key_column: str | None, key_dtype: str, value_columns: Sequence[str] | None = None
) -> Loaded:
    """The newest complete version; see `load_version`.

    Raises:
        DataError: also when there is none.
    """
    complete = versions_of(source)
    if not complete:
        raise DataError(
            "there is no complete version of the table",
            where=source,
            hint="write one with trueline.transform.write_lookup_version(source, table).",
        )
    return load_version(source, complete[0], key_column, key_dtype, value_columns)


class LiveTable:
    """The version in use of one source.

    Args:
        source: the folder of versions.
        key_column: the column of keys; None: the first one.
        key_dtype: ``utf8`` or ``int64``.
    """

    def __init__(self, source: str, key_column: str | None, key_dtype: str) -> None:
        self.source = source
        self._read = (key_column, key_dtype)
        self._required: dict[str, tuple[str, int | None]] = {}
        self._first = threading.Lock()
        self._looking = threading.Lock()
        self._loaded: Loaded | None = None
        self._next_look = 0.0
        self._refused: set[int] = set()

    @property
    def version(self) -> int | None:
        """The version in use; None before the first call."""
        return None if self._loaded is None else self._loaded.version

    def current(self, poll_seconds: float, required: tuple[str, tuple[str, int | None]] | None = None) -> Loaded:
        """The version in use, loaded if it is the first call.

        Args:
            poll_seconds: when the folder is to be looked at again.
            required: a value column's name, dtype and width, which every version must have from now on.

        Raises:
            TruelineError: when there is no version that can be read, or the one in use lacks what is required.
        """
        if required is not None and required[0] not in self._required:
            self._required[required[0]] = required[1]
            if self._loaded is not None:
                self._check(self._loaded)
        if self._loaded is None:
            self._load_first(poll_seconds)
        elif time.monotonic() >= self._next_look and self._looking.acquire(blocking=False):
            self._next_look = time.monotonic() + poll_seconds
            try:
                threading.Thread(target=self._look, name="trueline-lookup", daemon=True).start()
            except RuntimeError:  # no more threads: the next call looks again
                self._looking.release()
        loaded = self._loaded
        if loaded is None:
            raise DataError("there is no version of the table that can be read", where=self.source)
        return loaded

    def _load_first(self, poll_seconds: float) -> None:
        with self._first:
            if self._loaded is None:
                loaded = load_newest(self.source, *self._read)
                self._check(loaded)
                self._take(loaded)
                self._next_look = time.monotonic() + poll_seconds

    def _take(self, loaded: Loaded) -> None:
        loaded.places  # noqa: B018 - made now, so that no row waits for it
        _LOG.info("%s: version %d is in use, %d keys", self.source, loaded.version, len(loaded.table.keys))
        self._loaded = loaded

    def _check(self, loaded: Loaded) -> None:
        for name, shape in self._required.items():
            column = loaded.table.columns.get(name)
            if column is None or column.shape != shape:
                found = "missing" if column is None else f"{column.dtype} of width {column.width}"
                raise DataError(
                    f"version {loaded.version}: column {name!r} is {found}, the model was made with "
                    f"{shape[0]} of width {shape[1]}",
                    where=self.source,
                    hint="write a version with the columns and types of the one that the model was made with.",
                )

    def _look(self) -> None:
        """Takes the newest version that is whole and fits, if it is newer than the one in use."""
        try:
            for version in versions_of(self.source):
                if self._loaded is not None and version <= self._loaded.version:
                    return
                if version not in self._refused and self._try(version):
                    return
        except Exception as error:  # the store is away for a while: the version in use stays
            _LOG.warning("%s: cannot be looked at: %s", self.source, error)
        finally:
            self._looking.release()

    def _try(self, version: int) -> bool:
        try:
            loaded = load_version(self.source, version, *self._read)
            self._check(loaded)
        except TruelineError as error:
            if not isinstance(error, ArtifactError):  # files that are not all there yet may come
                self._refused.add(version)
            _LOG.error("%s: version %d is left out: %s", self.source, version, error)
            return False
        self._take(loaded)
        return True


_TABLES: dict[tuple[str, str | None, str], LiveTable] = {}
_TABLES_LOCK = threading.Lock()


def live_table(source: str, key_column: str | None, key_dtype: str) -> LiveTable:
    """The process's one table of that source."""
    with _TABLES_LOCK:
        return _TABLES.setdefault((source, key_column, key_dtype), LiveTable(source, key_column, key_dtype))


def live_versions() -> dict[str, int]:
    """The version in use of every live table of this process, by source."""
    with _TABLES_LOCK:
        tables = list(_TABLES.values())
    return {t.source: t.version for t in tables if t.version is not None}


def write_lookup_version(source: str, table: Any) -> int:
    """Writes a table as the next version of a live table; readers see it when it is complete.

    Args:
        source: the folder of versions; made if it is not there.
        table: an Arrow table, a pandas or polars frame, or the path of a ``.csv`` or ``.parquet`` file.

    Returns:
        The version's number.
    """
    import io

    import pyarrow.parquet as pq

    arrow = read_table(table, None, "utf8")
    taken = [int(n) for n in store.listdir(source) if n.isascii() and n.isdecimal()]
    version = max(taken, default=0) + 1
    folder = store.join(source, str(version))
    buffer = io.BytesIO()
    pq.write_table(arrow, buffer)
    store.write_bytes(store.join(folder, "table.parquet"), buffer.getvalue())
    write_manifest(folder, _KIND)
    return version
