"""The files of an input, in one fixed order, and the fingerprint of their contents."""

from __future__ import annotations

import fnmatch
import hashlib
import json

from trueline._core import store
from trueline._core.errors import DataError, did_you_mean
from trueline._core.manifest import file_sha256

__all__ = ["input_fingerprint", "input_uri", "list_inputs"]


def list_inputs(input_base: str, pattern: str = "*") -> list[str]:
    """Names of the input's files relative to `input_base`, sorted; ``""`` alone when it is a file itself.

    Args:
        input_base: a file, or a folder whose files (not those of folders below it) are taken.
        pattern: which of the folder's files, as in a shell. Names that begin with ``.`` or ``_`` are never taken.

    Raises:
        DataError: when there is no such input, or no file matches.
    """
    if not store.exists(input_base):
        raise DataError("the input does not exist", where=input_base, hint=_nearest(input_base))
    names = store.listdir(input_base)
    if not names and not _is_folder(input_base):
        return [""]
    visible = [n for n in names if not n.startswith((".", "_")) and not _is_folder(store.join(input_base, n))]
    found = sorted(n for n in visible if fnmatch.fnmatchcase(n, pattern))
    if not found:
        there = f"there is: {', '.join(visible[:12])}." if visible else "the folder holds no files."
        raise DataError(f"no file matches {pattern!r}", where=input_base, hint=there)
    return found


def _nearest(input_base: str) -> str | None:
    """Where a local path was looked for, and what lies there instead."""
    if not store.is_local(input_base):
        return None
    path = store.local_path(input_base).absolute()
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either."
    names = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith((".", "_"))]
    return f"it was looked for in {path.parent}. {did_you_mean(path.name, names)}"


def _is_folder(uri: str) -> bool:
    if store.is_local(uri):
        return store.local_path(uri).is_dir()
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(uri)
    return bool(filesystem.isdir(path))


def input_uri(input_base: str, name: str) -> str:
    """The URI of a listed file."""
    return store.join(input_base, name) if name else input_base


def input_fingerprint(input_base: str, pattern: str = "*") -> str:
    """The sha256 over name, size and sha256 of every file of the input: equal contents, equal fingerprint.

    Raises:
        DataError: as in `list_inputs`.
    """
    entries = []
    for name in list_inputs(input_base, pattern):
        uri = input_uri(input_base, name)
        entries.append([name or input_base.rstrip("/").rsplit("/", 1)[-1], store.size(uri), file_sha256(uri)])
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()
