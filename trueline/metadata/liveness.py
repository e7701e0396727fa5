"""Whether the process behind a run is still there."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueline.metadata.node_rows import now_ms

__all__ = ["HEARTBEAT_TIMEOUT", "hold", "is_alive", "let_go", "started_at", "this_host"]

HEARTBEAT_TIMEOUT = 60_000
"""Milliseconds without a heartbeat after which a run of another machine counts as dead."""
_held: set[str] = set()


def hold(run_id: str) -> None:
    """This process carries the run out."""
    _held.add(run_id)


def let_go(run_id: str) -> None:
    """This process no longer carries the run out, though it may live on: a notebook whose database went away."""
    _held.discard(run_id)


def is_alive(row: Mapping[Any, Any]) -> bool:
    """Whether the process that wrote this row of ``trueline_run`` lives and carries the run out: on this machine by
    its number and start, elsewhere by its heartbeat."""
    if row["host"] != this_host():
        return bool(now_ms() - row["heartbeat"] < HEARTBEAT_TIMEOUT)
    if row["pid"] == os.getpid() and row["run_id"] not in _held:
        return False
    started = started_at(row["pid"])
    return started == row["pid_started"] if started or row["pid_started"] else _exists(row["pid"])


def this_host() -> str:
    """This machine and, within it, the process namespace: process numbers mean nothing outside it."""
    try:
        return f"{socket.gethostname()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def started_at(pid: int) -> str:
    """When a process of this machine began, as the kernel says it; "" if it is gone, or where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        return "" if fields[0] == "Z" else f"{boot}:{fields[19]}"
    except (OSError, IndexError):
        return ""
