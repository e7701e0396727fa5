"""Whether an artifact's files are whole, without reading again what was read and is as it was.

The first time all contents are compared with the manifest, however many there are. What was found whole is remembered
beside the logs: size, time of change, time of the inode's change, number and device of each file. A file for which all
of them are the same is not read again: the system sets the inode's time at every write, and no program can set it
back. Files that changed in the last two seconds are not remembered, for within a clock's tick two writes look alike.
Files elsewhere (``s3://``) are read up to 256 MB an artifact; beyond that their sizes are compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from trueline._core import store
from trueline._core.manifest import read_manifest
from trueline.metadata.records import Artifact
from trueline.pipeline.handles import is_external, verified_fingerprint

__all__ = ["check_whole"]

_SETTLED_SECONDS = 2.0
_MOST = 1_000


def check_whole(artifact: Artifact, memory: Path) -> None:
    """Compares an artifact's files with what was published.

    Args:
        artifact: a stored artifact.
        memory: the local folder for what is remembered.

    Raises:
        ArtifactError: not LIVE, no manifest, files gone or changed, or another artifact stands in its place.
    """
    uri = artifact.uri or ""
    if is_external(artifact) or not store.is_local(uri) or os.name == "nt":  # Windows keeps no time of inodes
        verified_fingerprint(artifact, thorough=True)
        return
    fingerprint = verified_fingerprint(artifact)
    folder = store.local_path(uri)
    note = memory / f"{hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:32]}.json"
    before = _stamps(folder)
    if before is not None and _noted(note) == {"fingerprint": fingerprint, "files": before}:
        return
    read_manifest(uri, verify="sha256")
    if before is not None and before == _stamps(folder) and _settled(before):
        with contextlib.suppress(OSError):  # what is not remembered is read again
            _note(note, {"fingerprint": fingerprint, "files": before})


def _stamps(folder: Path) -> dict[str, list[int]] | None:
    """By path size, times in nanoseconds, number and device of every file; None where one cannot be looked at."""
    found: dict[str, list[int]] = {}
    try:
        for path in store.walk(str(folder)):
            stat = (folder / path).stat()
            found[path] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]
    except OSError:
        return None
    return found


def _settled(stamps: dict[str, list[int]]) -> bool:
    newest = max((max(stamp[1], stamp[2]) for stamp in stamps.values()), default=0)
    return newest / 1e9 < time.time() - _SETTLED_SECONDS


def _noted(note: Path) -> Any:
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _note(note: Path, content: dict[str, Any]) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    store.write_text(str(note), json.dumps(content))
    notes = list(note.parent.iterdir())
    if len(notes) > _MOST:
        for old in sorted(notes, key=lambda path: path.stat().st_mtime)[: _MOST // 5]:
            old.unlink(missing_ok=True)
