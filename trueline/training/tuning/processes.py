"""Trials in processes of their own: whatever kills one, kills that trial alone.

A trial's process is started anew (never forked), told its task by a JSON file, and talks in lines of JSON: it sends
each value of the objective and is answered whether to go on, and at last sends how it ended. It knows nothing of the
database.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueline._core.errors import EngineError
from trueline.training.tuning.trial import Report, TrialEnd

__all__ = ["ProcessRunner", "threads_for"]

_HOME = Path(__file__).resolve().parents[3]
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
_TAIL_BYTES = 2000
_GRACE_SECONDS = 5.0


def threads_for(parallel: int) -> int:
    """Threads of one trial's mathematics when so many trials share the machine."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells
        cores = os.cpu_count() or 1
    return max(1, cores // parallel)


@dataclass
class ProcessRunner:
    """Runs each trial in a spawned process.

    Args:
        entry: ``package.module:function``; called in the trial's process with the job and `Report`, gives `TrialEnd`.
        job: makes the JSON job of a trial from its number, its hyperparameters and its folder.
        folder: a local folder; each trial has one in it, with its task and its log.
        parallel: how many run at once: their threads share the machine. Variables that the user set stay.
        timeout: seconds after which a trial is ended and counts as failed.
        python_path: where the user's modules are found; this process's ``sys.path`` by default.
    """

    entry: str
    job: Callable[[int, Mapping[str, Any], Path], Mapping[str, Any]]
    folder: Path
    parallel: int = 1
    timeout: float | None = None
    python_path: tuple[str, ...] = field(default_factory=lambda: tuple(sys.path))

    def __post_init__(self) -> None:
        self.in_process = False
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, number: int, hyperparameters: Mapping[str, Any], report: Report) -> TrialEnd:
        """Runs one trial."""
        folder = self.folder / f"trial-{number:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        job = self.job(number, hyperparameters, folder)
        task = folder / "task.json"
        task.write_text(json.dumps({"entry": self.entry, "job": job, "sys_path": self.python_path}), encoding="utf-8")
        log = folder / "log.txt"
        with log.open("wb") as errors:
            child = self._start(number, task, errors)
            late = threading.Event()
            timer = threading.Timer(self.timeout, self._expire, (child, late)) if self.timeout else None
            if timer is not None:
                timer.daemon = True
                timer.start()
            try:
                end = _converse(child, report)
            except BaseException:
                child.kill()
                raise
            finally:
                if timer is not None:
                    timer.cancel()
                code = _ended(child)
                with self._lock:
                    self._running.pop(number, None)
        if end is not None:
            return end
        if late.is_set():
            return TrialEnd("FAILED", error=f"it took longer than {self.timeout:g} seconds")
        return TrialEnd("FAILED", error=_death(code, log))

    def _start(self, number: int, task: Path, errors: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "trueline.training.tuning.trial_process", str(task)]
        path = os.pathsep.join(filter(None, [str(_HOME), os.environ.get("PYTHONPATH", "")]))
        threads = {name: str(threads_for(self.parallel)) for name in _THREAD_VARIABLES}
        # One order of sets for all trials: the same seed gives the same training.
        environment = {"PYTHONHASHSEED": "0", **threads, **os.environ, "PYTHONPATH": path}
        environment.pop("TRUELINE_STORE_URL", None)
        with self._lock:
            if self._stopped:
                raise EngineError("the search is over: no further trial is started")
            # A session of its own: an interrupt at the terminal is not a failure of the trial.
            child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
            self._running[number] = child
        return child

    @staticmethod
    def _expire(child: subprocess.Popen[bytes], late: threading.Event) -> None:
        late.set()
        child.kill()

    def stop(self) -> None:
        """Ends all trials that run."""
        with self._lock:
            self._stopped = True
            for child in self._running.values():
                child.kill()


def _converse(child: subprocess.Popen[bytes], report: Report) -> TrialEnd | None:
    """Answers the trial's values until it says how it ended; None if it ends without."""
    assert child.stdout is not None
    assert child.stdin is not None
    for line in child.stdout:
        try:
            said = json.loads(line)
        except ValueError:
            return None  # half a line of a process that was killed
        if "end" in said:
            return TrialEnd.from_json(said["end"])
        stop = report(float(said["value"]), said["step"])
        try:
            child.stdin.write(b"stop\n" if stop else b"go\n")
            child.stdin.flush()
        except BrokenPipeError:
            return None
    return None


def _ended(child: subprocess.Popen[bytes]) -> int:
    """The exit status; a process that does not end by itself is ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE_SECONDS)
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    try:
        return child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _death(code: int, log: Path) -> str:
    """How a process ended that left no word, with the end of its log."""
    if code < 0:
        try:
            name = f" ({signal.Signals(-code).name})"
        except ValueError:
            name = ""
        said = f"killed by signal {-code}{name}{'; was the memory used up?' if code == -9 else ''}"
    else:
        said = f"its process ended with status {code} and left no result"
    tail = log.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
    return "\n".join([said, *tail.splitlines()[-3:]])
