"""An executor in a process of its own, seen from the launcher: started, heard, and ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from trueline._core.errors import ConfigError
from trueline.pipeline.evaluate import ExecutorScope, evaluate
from trueline.pipeline.node_errors import describe_death
from trueline.pipeline.node_task import STORE_VARIABLE, NodeTask, Outcome, Report

__all__ = ["run_in_process"]

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 2.0
_HOME = Path(__file__).resolve().parents[2]


def run_in_process(
    task: NodeTask, report: Report | None, stop: Callable[[], str | None], store_url: str = ""
) -> Outcome:
    """Runs the executor in a spawned process: whatever kills it, kills this node alone.

    The database's address may hold a password, and the node's environment secrets: they go through the environment,
    never into a file.

    Args:
        task: the execution.
        report: told of what the executor finds.
        stop: asked again and again; a sentence means that the process is to be ended, and why.
        store_url: the metadata database.
    """
    folder = Path(task.tmp_dir).parent / f".{Path(task.tmp_dir).name}-exchange"
    folder.mkdir(parents=True, exist_ok=True)
    task_file, outcome_file, reports = folder / "task.json", folder / "outcome.json", folder / "found.jsonl"
    task_file.write_text(task.to_json(), encoding="utf-8")
    Path(task.log).parent.mkdir(parents=True, exist_ok=True)
    module = "trueline.pipeline.node_process"
    command = [sys.executable, "-P", "-m", module, str(task_file), str(outcome_file), str(reports)]
    path = os.pathsep.join(filter(None, [str(_HOME), os.environ.get("PYTHONPATH", "")]))
    scope = ExecutorScope({}, {}, task.params)
    try:
        own = {name: str(value) for name, value in evaluate(dict(task.environment), scope, deferred=True).items()}
    except ConfigError as error:
        return Outcome(error=str(error), trace=str(error), retryable=False)
    environment = {**os.environ, **own, "TRUELINE_NODE": task.node_id, "PYTHONPATH": path, STORE_VARIABLE: store_url}
    with Path(task.log).open("ab") as log:
        # The pipe to the child's input stays open while we live: its end tells the child that we are gone.
        # A session of its own: Ctrl-C reaches the launcher alone, and what the node starts ends with the node.
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            code, stopped = _wait(child, reports, report, stop)
        finally:
            _signal(child, "SIGKILL")
            child.wait()
            if child.stdin is not None:
                child.stdin.close()
    if stopped is not None:
        return Outcome(error=stopped, trace=f"{stopped}; see the log file {task.log}")
    try:
        return Outcome(**json.loads(outcome_file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Outcome(error=describe_death(code), trace=f"see the log file {task.log}")


def _wait(
    child: subprocess.Popen[bytes], reports: Path, report: Report | None, stop: Callable[[], str | None]
) -> tuple[int, str | None]:
    seen, stopped = 0, None
    while True:
        try:
            code = child.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
            stopped = stop()
            if stopped is not None:
                code = _end(child)
        if report is not None and reports.exists():
            lines = reports.read_text(encoding="utf-8").splitlines(keepends=True)
            whole = [line for line in lines if line.endswith("\n")]
            if len(whole) > seen:
                report(json.loads(whole[-1]))
                seen = len(whole)
        if code is not None:
            return code, stopped


def _end(child: subprocess.Popen[bytes]) -> int:
    """Ends the process and all that it started: asked first, killed when they do not listen."""
    _signal(child, "SIGTERM")
    try:
        return child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal(child, "SIGKILL")
        return child.wait()


def _signal(child: subprocess.Popen[bytes], name: Literal["SIGTERM", "SIGKILL"]) -> None:
    """To the process and to those in its group, which may outlive it."""
    if os.name == "nt":
        child.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.Signals[name])
