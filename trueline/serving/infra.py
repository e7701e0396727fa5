"""Does a model load and answer in the real server? The server is started as a process and asked, then stopped.

The model is put into a base directory of its own as version 1: as a link where the system has links, else as a copy.
Removing that directory removes the link and never what it points to.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trueline._core import store
from trueline._core.errors import ArtifactError, TruelineError
from trueline._core.manifest import read_manifest
from trueline.serving.client import Client, Prediction

__all__ = ["InfraReport", "validate_in_server"]

_NAME = "infra-validation-model"
_POLL = 0.05
_LOG_LINES = 5
_STOP_SECONDS = 10.0
_BATCH_ROWS = 1000


@dataclass(frozen=True)
class InfraReport:
    """What a trial in the real server found.

    Attributes:
        ok: whether the model loaded and every row was answered as it should be.
        message: one sentence: what was done, or what went wrong and where.
        rows: rows that were answered.
        load_seconds: wall time from the start of the process until the model answered; None when it never did.
        latency_ms: wall time of the median one-row request in milliseconds, or None.
        log: the server's last lines.
    """

    ok: bool
    message: str
    rows: int = 0
    load_seconds: float | None = None
    latency_ms: float | None = None
    log: tuple[str, ...] = ()


class _FailedError(Exception):
    """The trial failed; the text says why."""


def validate_in_server(
    model_dir: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    expected: Mapping[str, Sequence[Any]] | None = None,
    tolerance: float = 1e-5,
    timeout: float = 60.0,
    allow_host: Sequence[str] = (),
) -> InfraReport:
    """Starts the server on a free loopback port with one model, asks it, and stops it.

    Args:
        model_dir: a Model artifact, complete with its manifest.
        rows: raw rows to ask for; none only checks that the model loads.
        expected: output name to one value a row, as the model gave them in this process; or None.
        tolerance: how far a number may be from the expected one: ``tolerance * max(1, |expected|)``.
        timeout: seconds for the whole trial.
        allow_host: modules whose host steps may run in the server.

    Returns:
        a report; a model that fails is reported and raises nothing.
    """
    with tempfile.TemporaryDirectory(prefix="trueline-infra-") as folder:
        base = Path(folder) / "base"
        base.mkdir()
        log = Path(folder) / "server.log"
        process: subprocess.Popen[bytes] | None = None
        deadline = time.monotonic() + timeout
        started = time.monotonic()
        load_seconds: float | None = None
        try:
            _place_model(model_dir, base / "1")
            _check_whole(str(base / "1"))
            process = _start(base, log, allow_host)
            url = _wait(process, log, deadline, timeout)
            load_seconds = time.monotonic() - started
            latency = _ask(url, rows, expected, tolerance, deadline)
            _stop(process, log)
        except (_FailedError, TruelineError, OSError) as error:
            return InfraReport(False, _sentence(error), load_seconds=load_seconds, log=_tail(log))
        finally:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        message = f"The model loaded in {load_seconds:.1f} s and answered {len(rows)} rows."
        return InfraReport(True, message, len(rows), load_seconds, latency, _tail(log))


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith((".", "!", "?")) else text + "."


def _place_model(model_dir: str, target: Path) -> None:
    if store.is_local(model_dir):
        source = store.local_path(model_dir).resolve()
        if not source.is_dir():
            raise _FailedError(f"There is no model at {model_dir}")
        try:
            target.symlink_to(source, target_is_directory=True)
            return
        except OSError:
            pass  # a system without links: copy
    store.copy_tree(model_dir, str(target))


def _check_whole(model_dir: str) -> None:
    """The server would wait for the rest of an unfinished model; here that is an answer."""
    try:
        read_manifest(model_dir, "size")
    except ArtifactError as error:
        raise _FailedError(f"The model is not whole: {error}") from error


def _start(base: Path, log: Path, allow_host: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "trueline.serving", "--model", f"{_NAME}={base}", "--port", "0", "--fail-fast"]
    for module in allow_host:
        command += ["--allow-host", module]
    # What this process can import the trial server can too: host steps may stand beside the user's pipeline file.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with log.open("wb") as handle:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=handle, stderr=subprocess.STDOUT, env=environment
        )


def _events(log: Path) -> list[dict[str, Any]]:
    events = []
    for line in log.read_text(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            events.append(event)
    return events


def _tail(log: Path) -> tuple[str, ...]:
    return tuple(log.read_text(errors="replace").splitlines()[-_LOG_LINES:]) if log.exists() else ()


def _wait(process: subprocess.Popen[bytes], log: Path, deadline: float, timeout: float) -> str:
    while True:
        status = process.poll()
        events = {e["event"]: e for e in _events(log)}
        if "load_failed" in events:
            raise _FailedError(f"The model does not load in the server: {events['load_failed']['error']}")
        if "ready" in events:
            return f"http://{events['ready']['host']}:{events['ready']['port']}"
        if status is not None:
            raise _FailedError(f"The server ended with status {status} before the model was loaded{_last(log)}")
        if time.monotonic() > deadline:
            raise _FailedError(f"The model was not loaded within {timeout:g} s{_last(log)}")
        time.sleep(_POLL)


def _last(log: Path) -> str:
    lines = _tail(log)
    return "; its last lines: " + " | ".join(lines) if lines else "; it wrote nothing"


def _ask(
    url: str,
    rows: Sequence[Mapping[str, Any]],
    expected: Mapping[str, Sequence[Any]] | None,
    tolerance: float,
    deadline: float,
) -> float | None:
    times = []
    with Client(url, _NAME, timeout=max(0.1, deadline - time.monotonic())) as client:
        for start in range(0, len(rows), _BATCH_ROWS):
            part = rows[start : start + _BATCH_ROWS]
            answer = client.predict(rows=part)
            _check_answer(answer, start, len(part), expected, tolerance)
        for row in rows[:5]:
            begun = time.perf_counter()
            client.predict(rows=[row])
            times.append((time.perf_counter() - begun) * 1e3)
    return sorted(times)[len(times) // 2] if times else None


def _check_answer(
    answer: Prediction, start: int, count: int, expected: Mapping[str, Sequence[Any]] | None, tolerance: float
) -> None:
    for name, values in answer.outputs.items():
        if len(values) != count:
            raise _FailedError(f"The server answered {len(values)} values of {name!r} for {count} rows")
        for i, value in enumerate(values):
            if not _finite(value):
                raise _FailedError(f"Row {start + i}: output {name!r} is {value}, which is not finite")
    for name, wanted in (expected or {}).items():
        if name not in answer.outputs:
            raise _FailedError(f"The server gives no output {name!r}; it gives {', '.join(answer.outputs)}")
        part = wanted[start : start + count]
        if len(part) != count:
            raise _FailedError(f"There are {len(wanted)} expected values of {name!r}, fewer than rows")
        for i, (got, want) in enumerate(zip(answer.outputs[name], part, strict=True)):
            if not _equal(got, want, tolerance):
                raise _FailedError(
                    f"Row {start + i}: output {name!r} is {got} in the server and {want} in this process"
                )


def _finite(value: Any) -> bool:
    if isinstance(value, list):
        return all(_finite(v) for v in value)
    return not isinstance(value, float) or math.isfinite(value)


def _equal(got: Any, want: Any, tolerance: float) -> bool:
    want = want.tolist() if isinstance(want, (np.ndarray, np.generic)) else want
    if isinstance(want, (list, tuple)):
        return isinstance(got, list) and len(got) == len(want) and all(map(_equal, got, want, [tolerance] * len(want)))
    if isinstance(want, float) and isinstance(got, (int, float)) and not isinstance(got, bool):
        return abs(got - want) <= tolerance * max(1.0, abs(want))
    return type(got) is type(want) and bool(got == want)


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    process.send_signal(signal.SIGTERM) if os.name != "nt" else process.terminate()
    try:
        status = process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise _FailedError(f"The server did not stop within {_STOP_SECONDS:g} s{_last(log)}") from None
    if status != 0 and os.name != "nt":
        raise _FailedError(f"The server ended with status {status}{_last(log)}")
