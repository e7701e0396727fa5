"""What tests of several processes ask of a server: who its workers are, and whether versions go backwards."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from serving_helpers import Process

from trueline.serving import Client, Prediction, Retries


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def worker_pids(server: Process) -> dict[int, int]:
    """By place the process that was started last."""
    return {e["worker"]: e["pid"] for e in server.events() if e["event"] == "worker_started"}


def wait_for(condition: Callable[[], Any], seconds: float = 40.0) -> Any:
    """Waits until something is true, and gives it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)
    return found


def told(server: Process, event: str, **facts: Any) -> list[dict[str, Any]]:
    """The events of one name with these facts."""
    return [e for e in server.events() if e["event"] == event and facts.items() <= e.items()]


class PlainClient:
    """httpx as it is: a request whose connection is cut has failed."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=20.0)

    def predict(self, rows: Any) -> Prediction:
        """One prediction."""
        answer = self._http.post("/v1/models/taxi:predict", json={"instances": rows}).raise_for_status()
        return Prediction({}, int(answer.headers["x-model-version"]), "")

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()


class Load:
    """Threads that ask without pause. Notes failures, and answers by an older version than was seen before asking.

    Args:
        url: the server.
        threads: how many ask.
        retries: how a client asks again.
        fresh: whether each request has a connection of its own.
        plain: ask with httpx, which never asks again.
    """

    def __init__(
        self, url: str, threads: int = 8, retries: Retries | None = None, *, fresh: bool = False, plain: bool = False
    ) -> None:
        self.failures: list[str] = []
        self.backwards: list[tuple[int, int]] = []
        self.answers = 0
        self.newest = 0
        self.seen: set[int] = set()
        self._url, self._fresh, self._plain = url, fresh, plain
        self._retries = retries if retries is not None else Retries()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _client(self) -> Client | PlainClient:
        if self._plain:
            return PlainClient(self._url)
        return Client(self._url, "taxi", retries=self._retries, timeout=20.0)

    def _ask(self) -> None:
        client = self._client()
        while not self._stop.is_set():
            before = self.newest
            try:
                version = client.predict(rows=[{}]).version
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                time.sleep(0.01)
                continue
            with self._lock:
                self.answers += 1
                self.seen.add(version)
                if version < before:
                    self.backwards.append((before, version))
                self.newest = max(self.newest, version)
            if self._fresh:
                client.close()
                client = self._client()
        client.close()


def kill(pid: int) -> None:
    """kill -9 of one process that a test's own server started."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)
