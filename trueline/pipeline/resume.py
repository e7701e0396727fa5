"""The folder in which an execution keeps what a later attempt at the very same work goes on from.

It belongs to one execution at a time: a run beside it that does the same work gets a folder of its own and begins
anew, for two writers in one folder would mix their logs, and the first to end would take the other's files away. Who
holds it is told by a lock that the system gives back when its process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["KEPT_SECONDS", "drop_old", "resume_folder"]

KEPT_SECONDS = 7 * 24 * 3600.0
"""How long the folder of other code, parameters or inputs is kept after its last change; then the next success of its
node removes it."""
_LOCK = ".lock"


@contextlib.contextmanager
def resume_folder(home: Path, key: str, private: Path) -> Iterator[Path]:
    """The folder of this work, held while the block runs; nothing is made in it.

    Args:
        home: the node's folder, with one folder for each key.
        key: of code, parameters and inputs.
        private: what to give where another execution holds the folder.
    """
    try:
        held = _hold(home / (key + _LOCK))
    except OSError:  # a folder that cannot be written to: the execution says so itself
        held = None
    if held is None:
        yield private
        return
    try:
        yield home / key
    finally:
        _release(held, home / (key + _LOCK))


def drop_old(home: Path, now: float | None = None) -> list[str]:
    """Removes folders of a node that nobody holds and that nothing has changed in for `KEPT_SECONDS`; their keys."""
    dropped = []
    present = time.time() if now is None else now
    for key in sorted({path.name.removesuffix(_LOCK) for path in home.iterdir()}) if home.is_dir() else ():
        folder, lock = home / key, home / (key + _LOCK)
        if folder.exists() and present - _last_change(folder) < KEPT_SECONDS:
            continue
        held = _hold(lock)
        if held is None:
            continue
        try:
            shutil.rmtree(folder, ignore_errors=True)
            dropped.append(key)
        finally:
            _release(held, lock)
    return dropped


def _last_change(folder: Path) -> float:
    times = [folder.stat().st_mtime]
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            times.append(path.lstat().st_mtime)
    return max(times)


def _hold(lock: Path) -> int | None:
    """The lock's open file; None where another holds it. Where there are no such locks, all hold it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        return os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    while True:
        number = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.exists() and os.fstat(number).st_ino == lock.stat().st_ino:
                return number
        except BlockingIOError:
            os.close(number)
            return None
        except FileNotFoundError:  # its last holder removed it between the two looks
            pass
        except OSError:  # a file system without locks
            return number
        os.close(number)


def _release(number: int, lock: Path) -> None:
    """Gives the lock back; its file goes first, while nobody else can hold it."""
    with contextlib.suppress(OSError):
        lock.unlink()
    os.close(number)
