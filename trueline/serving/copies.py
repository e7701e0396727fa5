"""Local copies of versions that lie in another store: made before the load, removed after the unload.

Each server process has a folder of its own, with a lock in it that ends with the process; a server that starts removes
the folders of those that were killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline._core.manifest import MANIFEST_NAME, read_manifest
from trueline.serving.scan import Candidate

__all__ = ["Copies"]

_PREFIX = "trueline-models-"
_LOCK = "lock"


class Copies:
    """A folder of copies, made when the first is needed.

    Args:
        parent: where the folder is made; None: the temporary folder.
    """

    def __init__(self, parent: str | None) -> None:
        self._parent = Path(parent or tempfile.gettempdir())
        self._folder: Path | None = None
        self._handle: IO[bytes] | None = None
        self._making = threading.Lock()
        self._count = 0

    def fetch(self, candidate: Candidate) -> str:
        """A folder with the files of a version that its manifest names, and nothing else.

        Their contents are checked by who loads them.

        Raises:
            ArtifactError: the store cannot be read, or a file is gone.
            OSError: no room.
        """
        target = self._target()
        try:
            manifest = read_manifest(candidate.uri, "none")
            for name in [*(entry.path for entry in manifest.files), MANIFEST_NAME]:
                path = target / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with store.open_uri(store.join(candidate.uri, name)) as reader, path.open("wb") as writer:
                    shutil.copyfileobj(reader, writer, 1 << 20)
        except BaseException as error:
            self.drop(str(target))
            if isinstance(error, OSError):
                raise ArtifactError(f"the version cannot be copied here: {error}", where=candidate.uri) from error
            raise
        return str(target)

    def drop(self, copy: str) -> None:
        """Removes a copy; what the system holds on to goes with the folder."""
        shutil.rmtree(copy, ignore_errors=True)

    def close(self) -> None:
        """Removes the folder."""
        with self._making:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            if self._handle is not None:
                self._handle.close()
            self._folder = self._handle = None

    def _target(self) -> Path:
        with self._making:
            if self._folder is None:
                self._parent.mkdir(parents=True, exist_ok=True)
                _remove_orphans(self._parent)
                self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
                unlocked = self._folder / f".{_LOCK}"
                self._handle = unlocked.open("wb")
                _locked(self._handle)
                unlocked.rename(self._folder / _LOCK)  # nobody sees it without its lock
            self._count += 1
            target = self._folder / str(self._count)
        target.mkdir()
        return target


def _locked(handle: IO[bytes]) -> bool:
    """Whether this process could take the lock; never on systems without one."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_orphans(parent: Path) -> None:
    for lock in _locks(parent):
        with contextlib.suppress(OSError), lock.open("r+b") as handle:
            if _locked(handle) and os.fstat(handle.fileno()).st_uid == os.getuid():
                shutil.rmtree(lock.parent, ignore_errors=True)


def _locks(parent: Path) -> Iterator[Path]:
    return iter(sorted(parent.glob(f"{_PREFIX}*/{_LOCK}")))
