"""The last file of every artifact: what it holds, byte for byte.

An artifact is complete when its ``MANIFEST.json`` is there; readers and the server refuse one without it. The
manifest's fingerprint covers paths, sizes and contents and no times, so equal contents have equal fingerprints.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from trueline._core import store
from trueline._core.errors import ArtifactError

__all__ = ["MANIFEST_NAME", "FileEntry", "Manifest", "file_sha256", "read_manifest", "write_manifest"]

MANIFEST_NAME = "MANIFEST.json"
_FORMAT = 1


@dataclass(frozen=True)
class FileEntry:
    """One file: its path below the artifact, its size in bytes and the sha256 of its contents."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What an artifact holds.

    Attributes:
        kind: the artifact's type, such as ``Examples``.
        format_version: the integer version of that type's format on disk.
        files: all files but the manifest, sorted by path.
    """

    kind: str
    format_version: int
    files: tuple[FileEntry, ...]

    @property
    def fingerprint(self) -> str:
        """sha256 over kind, version and files: what the cache compares."""
        text = json.dumps([self.kind, self.format_version, [asdict(f) for f in self.files]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(f.size for f in self.files)


def file_sha256(uri: str) -> str:
    """The sha256 of a file's contents, read in pieces."""
    digest = hashlib.sha256()
    with store.open_uri(uri) as handle:
        while piece := handle.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def write_manifest(uri: str, kind: str, format_version: int = 1) -> Manifest:
    """Reads every file below `uri` and writes the manifest over them: from now on the artifact is complete."""
    entries = []
    for path in store.walk(uri):
        if path == MANIFEST_NAME:
            continue
        file_uri = store.join(uri, path)
        entries.append(FileEntry(path, store.size(file_uri), file_sha256(file_uri)))
    manifest = Manifest(kind, format_version, tuple(entries))
    content = {
        "format": _FORMAT,
        "kind": kind,
        "format_version": format_version,
        "fingerprint": manifest.fingerprint,
        "files": [asdict(f) for f in entries],
    }
    store.write_text(store.join(uri, MANIFEST_NAME), json.dumps(content, indent=1, sort_keys=True) + "\n")
    return manifest


def _parse(uri: str, text: str) -> Manifest:
    try:
        data: dict[str, Any] = json.loads(text)
        if data["format"] != _FORMAT:
            raise ArtifactError(f"the manifest has format {data['format']}, this version reads {_FORMAT}", where=uri)
        files = tuple(FileEntry(str(f["path"]), int(f["size"]), str(f["sha256"])) for f in data["files"])
        manifest = Manifest(str(data["kind"]), int(data["format_version"]), files)
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{MANIFEST_NAME} does not parse: {error}", where=uri) from error
    if any(f.path.startswith("/") or ".." in f.path.split("/") for f in files):
        raise ArtifactError(f"{MANIFEST_NAME} names a path outside the artifact", where=uri)
    if data.get("fingerprint") != manifest.fingerprint:
        raise ArtifactError(f"{MANIFEST_NAME} was changed by hand: its fingerprint does not fit", where=uri)
    return manifest


def read_manifest(uri: str, verify: Literal["none", "size", "sha256"] = "size") -> Manifest:
    """The manifest of an artifact, with its files checked.

    Args:
        uri: the artifact's folder.
        verify: ``size``: every file is there and has its size; ``sha256``: its contents too.

    Raises:
        ArtifactError: no manifest, one that does not parse, or files that are gone or changed (all are listed).
    """
    manifest_uri = store.join(uri, MANIFEST_NAME)
    if not store.exists(manifest_uri):
        raise ArtifactError(
            f"no {MANIFEST_NAME}: the artifact is missing or was never finished",
            where=uri,
            hint="run its component again.",
        )
    manifest = _parse(uri, store.read_text(manifest_uri))
    problems = []
    for entry in manifest.files if verify != "none" else ():
        file_uri = store.join(uri, entry.path)
        if not store.exists(file_uri):
            problems.append(f"{entry.path} is gone")
        elif (found := store.size(file_uri)) != entry.size:
            problems.append(f"{entry.path} has {found} bytes, {entry.size} were written")
        elif verify == "sha256" and file_sha256(file_uri) != entry.sha256:
            problems.append(f"{entry.path} has other contents than were written")
    if problems:
        raise ArtifactError("the artifact is not whole", where=uri, problems=problems, hint="run its component again.")
    return manifest
