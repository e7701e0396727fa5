"""Which versions lie in a base directory: children named by an integer whose manifest is there and whose files fit it.

A version that is still being copied is not one yet, whatever order its files arrive in: without ``MANIFEST.json``, or
with a file missing or shorter than the manifest says, it is left for the next look.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline._core.manifest import MANIFEST_NAME, read_manifest

__all__ = ["Candidate", "number_of", "scan_base"]

_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Candidate:
    """A complete version: its number, folder or URL, and a signature that changes when its files do."""

    number: int
    uri: str
    signature: str


def number_of(name: str) -> int | None:
    """The version that a child of a base is: digits alone, leading zeros too; None for any other name."""
    return int(name) if name.isascii() and name.isdigit() and len(name) < 100 and int(name) <= _LARGEST else None


def scan_base(base: str) -> dict[int, Candidate]:
    """The complete versions below `base`, by number; of ``7`` and ``007`` the first in order of names counts.

    Raises:
        ArtifactError: the base directory does not exist.
        OSError: it cannot be read.
    """
    if not (os.path.isdir(store.local_path(base)) if store.is_local(base) else store.exists(base)):
        raise ArtifactError("the base directory does not exist", where=base)
    found: dict[int, Candidate] = {}
    for name in store.listdir(base):
        number = number_of(name)
        if number is None or number in found:
            continue
        uri = store.join(base, name)
        signature = _complete(uri)
        if signature is not None:
            found[number] = Candidate(number, uri, signature)
    return found


def _complete(uri: str) -> str | None:
    try:
        manifest = read_manifest(uri, "size")
    except (ArtifactError, OSError, UnicodeDecodeError):
        return None
    parts = [manifest.fingerprint]
    if store.is_local(uri):
        root = store.local_path(uri)
        try:
            parts += [
                str(os.stat(root / name).st_mtime_ns) for name in [*(f.path for f in manifest.files), MANIFEST_NAME]
            ]
        except OSError:
            return None
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
