"""Worker processes of the local engine: started fresh (never forked from this one's state), replaced when they die."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from trueline._core.errors import EngineError
from trueline.engine.worker import error_from_json, read_message, write_message

__all__ = ["WorkerDied", "WorkerPool"]


class WorkerDied(Exception):  # noqa: N818 - it is an event that the engine handles, no error that users see
    """A worker process ended before it answered."""


class _Worker:
    def __init__(self) -> None:
        if not sys.executable:
            raise EngineError("there is no Python executable to start workers with", hint="use processes=False.")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trueline.engine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
        )
        self.ask({"path": list(sys.path)}, b"")

    def ask(self, header: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise WorkerDied("no pipes")
        try:
            write_message(stdin, header, body)
            return read_message(stdout)
        except (EOFError, OSError, ValueError) as error:
            raise WorkerDied(f"worker process {self._process.pid} ended with code {self.stop()}") from error

    def stop(self, *, kill: bool = False) -> int | None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError, ValueError):
                    pipe.close()
        if kill:
            self._process.kill()
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _environment() -> dict[str, str]:
    """This process's environment, with the folder that trueline lies in first on the module path."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    rest = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": root if not rest else root + os.pathsep + rest}


class WorkerPool:
    """Up to `size` workers, started when first needed; one serves one thread at a time."""

    def __init__(self, size: int) -> None:
        self._free = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()

    def ask(self, header: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """One request, answered by any worker.

        Raises:
            WorkerDied: when the worker ended before it answered; it is not used again.
            TruelineError: what went wrong in the worker.
        """
        with self._free:
            worker = self._take()
            try:
                answer, state = worker.ask(header, body)
            except BaseException:
                with self._lock:
                    self._busy.discard(worker)
                worker.stop(kill=True)
                raise
            with self._lock:
                self._busy.discard(worker)
                self._idle.append(worker)
        if not answer.get("ok"):
            raise error_from_json(answer["error"])
        return answer, state

    def _take(self) -> _Worker:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        worker = worker or _Worker()
        with self._lock:
            self._busy.add(worker)
        return worker

    def close(self) -> None:
        """Ends all workers, busy ones too."""
        with self._lock:
            idle, self._idle = self._idle, []
            busy, self._busy = list(self._busy), set()
        for worker in idle:
            worker.stop()
        for worker in busy:
            worker.stop(kill=True)
