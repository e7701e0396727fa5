"""An access log: one JSON line for each request, without bodies, query strings or anything that a caller showed.

Lines collect in memory and are written twice a second from a thread, so no request waits for a disk. There is a bound;
what is lost beyond it is counted in the log itself. The file is opened anew for each write: it may be rotated away.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trueline._core.errors import ConfigError
from trueline.serving.asgi import Answer, Request
from trueline.serving.errors import Code, RequestError
from trueline.serving.service import Answered, Call

__all__ = ["AccessLog", "writer_to"]

_FLUSH_SECONDS = 0.5
_MAX_LINES = 20_000
_MAX_PATH = 512
_MAX_NOTED = 10_000
Write = Callable[[Sequence[str]], None]


class AccessLog:
    """A door, a watcher and an observer of one app.

    Args:
        write: takes lines; called in a thread.
        sample: the share of requests that were answered well which is logged; what failed is logged in any case.
        notes: what else is told of a request, such as who asked; called when it was answered.
    """

    def __init__(self, write: Write, sample: float = 1.0, notes: Callable[[], Mapping[str, Any]] = dict) -> None:
        if not 0 <= sample <= 1:
            raise ConfigError(f"access_log_sample: expected 0 to 1, got {sample!r}")
        self._write = write
        self._sample = sample
        self._notes = notes
        self._lines: list[str] = []
        self._lost = 0
        self._scheduled = False
        self._noted: dict[str, dict[str, Any]] = {}
        self._started: dict[int, float] = {}

    def door(self, request: Request) -> None:
        """Notes when a request began."""
        self._started[id(request)] = time.perf_counter()

    def watcher(self, request: Request, answer: Answer | None) -> None:
        """Logs a request over HTTP with its answer, or without where the client went away."""
        now = time.perf_counter()
        seconds = now - self._started.pop(id(request), now)
        noted = self._noted.pop(request.head.request_id.decode("ascii"), {})
        status = answer.status if answer is not None else 499
        if status < 400 and random.random() >= self._sample:  # noqa: S311
            return
        client = request.scope.get("client")
        self._add(
            {
                "entrypoint": "REST",
                "request_id": request.head.request_id.decode("ascii"),
                "method": request.method,
                "path": request.path[:_MAX_PATH].decode("utf-8", "replace"),
                "status": status,
                **noted,
                "bytes_in": request.head.length,
                "bytes_out": len(answer.body) if answer is not None else 0,
                "client": client[0] if client else None,
            },
            seconds,
        )

    def answered(self, call: Call, answered: Answered, seconds: float) -> None:
        """A request that a version answered."""
        noted = {"model": answered.name, "version": answered.number, "rows": answered.given.rows}
        if call.entrypoint == "REST":
            self._note(call.request_id, noted)
        elif random.random() < self._sample:  # noqa: S311
            self._add(self._call(call, Code.OK, noted), seconds)

    def failed(self, call: Call, name: str, number: int, error: RequestError, seconds: float) -> None:
        """A request that a version could not answer."""
        noted = {"model": name, "version": number}
        if call.entrypoint == "REST":
            self._note(call.request_id, noted)
        else:
            self._add(self._call(call, error.code, noted), seconds)

    def flush(self) -> None:
        """Writes what has come together, now; for the end."""
        lines = self._taken()
        if lines:
            self._write(lines)

    def _note(self, request_id: str, noted: dict[str, Any]) -> None:
        if len(self._noted) < _MAX_NOTED:  # a request that never came to its watcher leaves its note behind
            self._noted[request_id] = noted

    def _call(self, call: Call, code: Code, noted: Mapping[str, Any]) -> dict[str, Any]:
        head = {"entrypoint": call.entrypoint, "request_id": call.request_id, "method": call.api, "status": str(code)}
        return {**head, **noted}

    def _add(self, line: dict[str, Any], seconds: float) -> None:
        if len(self._lines) >= _MAX_LINES:
            self._lost += 1
            return
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        known = {k: v for k, v in {**line, **self._notes()}.items() if v is not None}
        self._lines.append(json.dumps({"time": stamp, **known, "milliseconds": round(seconds * 1000, 3)}))
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush_aside)

    def _flush_aside(self) -> None:
        self._scheduled = False
        lines = self._taken()
        if lines:
            asyncio.get_running_loop().run_in_executor(None, self._write, lines)

    def _taken(self) -> list[str]:
        lines, self._lines = self._lines, []
        if self._lost:
            lines.append(json.dumps({"lost": self._lost}))
            self._lost = 0
        return lines


def writer_to(path: str) -> Write:
    """Writes lines to the end of a file, or to standard error for ``-``.

    Raises:
        ConfigError: a file that cannot be written.
    """
    if path == "-":

        def to_stderr(lines: Sequence[str]) -> None:
            print("\n".join(lines), file=sys.stderr, flush=True)

        return to_stderr

    def to_file(lines: Sequence[str]) -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    try:
        with open(path, "a", encoding="utf-8"):
            return to_file
    except OSError as error:
        raise ConfigError(f"the access log cannot be written: {error.strerror}", where=path) from None
