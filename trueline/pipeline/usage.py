"""What a node used: wall seconds, CPU seconds, peak memory, and, where asked for, energy and CO2.

    with measuring() as used:
        work()
    used.result()  # {"wall_seconds": 1.2, "cpu_seconds": 2.3, "cpu_scope": "own", ...}

What a number covers is said beside it. In a process of its own all of it is the node's (``own``): CPU seconds of the
process since it began, of its threads and of the children that it waited for; the peak of its memory. In a thread of
the runner's process the CPU seconds are those of the whole process if no other node was measured beside it
(``process``), else those of the node's thread alone (``thread``: what its helpers did is missing); the peak of memory
is that of the whole process while the node ran (``process``).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trueline._core.errors import ConfigError
from trueline.pipeline.energy import Energy, Meter

__all__ = ["Measure", "measuring", "process_usage"]

_OWN_MAIN = "trueline.pipeline.node_process"
_SAMPLE_SECONDS = 0.05
_lock = threading.Lock()
_running: set[Measure] = set()


class Measure:
    """One measurement, from `start` to `stop`; `result` may be asked for at any time between and after."""

    def __init__(self, energy: Energy | None = None, unknown: str | None = None) -> None:
        self._own = _is_own_process()
        self._energy, self._unknown = energy, unknown
        self._meter = Meter() if energy is not None else None
        self._overlapped = False
        self._stopped = threading.Event()
        self._sampled = 0
        self._result: dict[str, Any] | None = None

    def start(self) -> None:
        """Begins; in the thread that does the work."""
        with _lock:
            for other in _running:
                other._overlapped = self._overlapped = True
            _running.add(self)
        self._wall, self._thread = time.monotonic(), time.thread_time()
        self._cpu = 0.0 if self._own else _process_cpu()
        self._high = _peak()
        if not self._own:
            threading.Thread(target=self._watch, name="trueline-memory", daemon=True).start()

    def stop(self) -> None:
        """Ends; in the same thread. A second call changes nothing."""
        if self._result is None:
            self._sampled = max(self._sampled, _resident())
            self._result = self._now()
            self._stopped.set()
            with _lock:
                _running.discard(self)

    def result(self) -> dict[str, Any]:
        """``wall_seconds``, ``cpu_seconds`` and ``cpu_scope``, ``peak_memory_bytes`` and ``memory_scope``; of energy
        what `trueline.pipeline.energy` says. A number that this system does not tell is left out."""
        return self._now() if self._result is None else dict(self._result)

    def _now(self) -> dict[str, Any]:
        seconds = time.monotonic() - self._wall
        scope = "own" if self._own else "thread" if self._overlapped else "process"
        cpu = time.thread_time() - self._thread if scope == "thread" else _process_cpu() - self._cpu
        found: dict[str, Any] = {
            "wall_seconds": round(seconds, 6),
            "cpu_seconds": round(max(cpu, 0.0), 6),
            "cpu_scope": scope,
        }
        peak = self._peak_memory()
        if peak:
            found.update(peak_memory_bytes=peak, memory_scope="own" if self._own else "process")
        if self._energy is not None and self._meter is not None:
            found.update(self._energy.spent(cpu, self._meter.joules()))
        elif self._unknown is not None:
            found["energy_unknown"] = self._unknown
        return found

    def _peak_memory(self) -> int:
        """The system's own mark where the node has raised it, else the highest that was seen."""
        high = _peak()
        if self._own:
            return max(high, _largest_child())
        return high if high > self._high else self._sampled or high

    def _watch(self) -> None:
        while True:
            self._sampled = max(self._sampled, _resident())
            if self._stopped.wait(_SAMPLE_SECONDS):
                return


@contextmanager
def measuring(energy: Energy | None = None) -> Iterator[Measure]:
    """Measures what the block uses; the block's errors pass through, and `result` tells what was used until then.

    Args:
        energy: how energy is estimated; None: as the environment says, see `Energy.from_environment`. Settings that
            mean nothing fail no work: ``energy_unknown`` tells of them.
    """
    unknown = None
    if energy is None:
        try:
            energy = Energy.from_environment()
        except ConfigError as error:
            unknown = "; ".join(error.problems) or error.message
    measure = Measure(energy, unknown)
    measure.start()
    try:
        yield measure
    finally:
        measure.stop()


def process_usage(pid: int) -> dict[str, Any] | None:
    """CPU seconds and peak memory so far of another process, such as one that may be killed before it can tell; None
    where it is gone or the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        ticks = sum(int(fields[index]) for index in (11, 12, 13, 14))  # utime, stime, cutime, cstime; see proc(5)
    except (OSError, ValueError, IndexError):
        return None
    found: dict[str, Any] = {"cpu_seconds": ticks / os.sysconf("SC_CLK_TCK"), "cpu_scope": "own"}
    peak = _kilobytes(status, "VmHWM")
    return {**found, "peak_memory_bytes": peak, "memory_scope": "own"} if peak else found


def _is_own_process() -> bool:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return getattr(spec, "name", None) == _OWN_MAIN


def _process_cpu() -> float:
    """User and system seconds of this process and of the children that it waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _kilobytes(status: str, name: str) -> int:
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _peak() -> int:
    """The highest resident memory of this process so far, in bytes; 0 where the system does not say.

    Linux's ``VmHWM`` and not ``ru_maxrss``: that begins with what the parent held when it started this process.
    """
    try:
        return _kilobytes(Path("/proc/self/status").read_text(encoding="ascii", errors="replace"), "VmHWM")
    except OSError:
        return _max_rss("RUSAGE_SELF")


def _largest_child() -> int:
    return _max_rss("RUSAGE_CHILDREN")


def _max_rss(who: str) -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    found = resource.getrusage(getattr(resource, who)).ru_maxrss
    return int(found if sys.platform == "darwin" else found * 1024)


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
