"""Step three of a launch: the executor runs, in a thread of this process or in a process of its own."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from trueline._core.errors import ConfigError, TruelineError
from trueline._core.extras import missing_extra_hint
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.debugging import open_debugger
from trueline.pipeline.evaluate import ExecutorScope, evaluate
from trueline.pipeline.params import decode_params
from trueline.pipeline.secrets import Veil, veiled, veiled_output
from trueline.pipeline.source_hash import users_line
from trueline.pipeline.usage import Measure, measuring
from trueline.pipeline.user_function import UserFunction

__all__ = ["STORE_VARIABLE", "NodeTask", "Outcome", "describe_error", "run_here", "run_in_process"]

Report = Callable[[dict[str, Any]], None]
STORE_VARIABLE = "TRUELINE_STORE_URL"
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 2.0
_HOME = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class NodeTask:
    """One execution as data: what another process needs to carry it out."""

    node_id: str
    pipeline: str
    run_id: str
    execution_id: int
    executor: Mapping[str, Any]
    params: Mapping[str, Any]
    inputs: Mapping[str, list[dict[str, Any]]]
    outputs: Mapping[str, dict[str, Any]]
    tmp_dir: str
    log: str
    resume_dir: str = ""
    sys_path: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    sample: int | None = None

    def to_json(self) -> str:
        """JSON; `from_json` is its inverse."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> NodeTask:
        """The task that `to_json` described."""
        data = json.loads(text)
        return cls(**{**data, "sys_path": tuple(data["sys_path"])})


@dataclass(frozen=True)
class Outcome:
    """How an execution ended: `error` is None, or one sentence with `trace` beside it. An error of the configuration is
    not `retryable`: another attempt would end the same."""

    found: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gate: str | None = None
    error: str | None = None
    trace: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    retryable: bool = True


def describe_error(error: BaseException, where: str) -> str:
    """The message of a failure, at the user's own line where one is to blame; a full disk is named as such."""
    cause: BaseException | None = error
    seen: set[int] = set()  # a chain of contexts can come back to where it began
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and _is_full_disk(cause):
            return f"the disk is full ({where}): free some space and run again; nothing half-written was kept"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, TruelineError):
        return str(error)
    line, hint = users_line(error), missing_extra_hint(error)
    text = (f"{line}: " if line else "") + f"{type(error).__name__}: {error}"
    return "\n".join([text, *getattr(error, "__notes__", ()), *([f"Hint: {hint}"] if hint else ())])


def _is_full_disk(error: OSError) -> bool:
    """By number, or by text where a library or another process passed the error on without its number."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return error.errno in full or (error.errno is None and any(os.strerror(number) in str(error) for number in full))


def run_here(
    task: NodeTask,
    report: Report | None = None,
    stream: IO[str] | None = None,
    store_url: str = "",
    *,
    debug: bool = False,
) -> Outcome:
    """Runs the executor in this thread; never raises for what the executor raises.

    Args:
        task: the execution.
        report: told of what the executor finds.
        stream: where the log goes; the task's file by default.
        store_url: the metadata database.
        debug: after a failure the debugger opens at the line that raised.
    """
    with _logger(task, stream) as log:
        inputs = {key: [ArtifactHandle.from_json(h) for h in handles] for key, handles in task.inputs.items()}
        outputs = {key: ArtifactHandle.from_json(handle) for key, handle in task.outputs.items()}
        scope = ExecutorScope(inputs, outputs, task.params)
        log.addFilter(Veil(scope.secrets))
        log.info("node %s, execution %s begins", task.node_id, task.execution_id)
        found: dict[str, Any] = {}
        with measuring() as used, _own_output(task, scope) if stream is not None else contextlib.nullcontext():
            try:
                context = ExecutionContext(
                    inputs=inputs,
                    outputs=outputs,
                    params=decode_params(evaluate(dict(task.params), scope, deferred=True)),
                    node_id=task.node_id,
                    pipeline_name=task.pipeline,
                    run_id=task.run_id,
                    execution_id=task.execution_id,
                    tmp_dir=task.tmp_dir,
                    resume_dir=task.resume_dir,
                    store_url=store_url,
                    sample=task.sample,
                    log=log,
                    on_report=None if report is None else lambda told: report(veiled(told, scope.secrets)),
                    found=found,
                )
                UserFunction.from_json(task.executor).load()(context)
                found = veiled(_json_only(context.found), scope.secrets)
                properties = {key: veiled(_json_only(h.properties), scope.secrets) for key, h in outputs.items()}
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                return _failure(task, error, found, used, scope.secrets, log, debug=debug)
        log.info("ended%s", f", the gate is closed: {context.gate}" if context.gate else "")
        return Outcome(found, properties, veiled(context.gate, scope.secrets), usage=used.result())


def _failure(
    task: NodeTask,
    error: BaseException,
    found: Mapping[str, Any],
    used: Measure,
    secrets: set[str],
    log: logging.Logger,
    *,
    debug: bool,
) -> Outcome:
    trace = veiled("".join(traceback.format_exception(error)), secrets)
    log.error("failed\n%s", trace)
    if debug:
        open_debugger(error)
    sentence = veiled(describe_error(error, task.tmp_dir), secrets)
    return Outcome(
        veiled(_json_or_empty(found), secrets),
        error=sentence,
        trace=trace,
        usage=used.result(),
        retryable=not isinstance(error, ConfigError),
    )


def _json_only(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON holds them; numbers of numpy become Python's."""
    decoded: dict[str, Any] = json.loads(json.dumps(dict(values), default=_plain))
    return decoded


def _json_or_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return _json_only(values)
    except (TypeError, ValueError):
        return {}


def _plain(value: Any) -> Any:
    for method in ("item", "tolist"):
        if callable(getattr(value, method, None)):
            try:
                return getattr(value, method)()
            except ValueError:
                continue
    raise TypeError(f"{value!r} ({type(value).__name__}) is no JSON value: it can be no property and no finding")


class _QuietFile(logging.FileHandler):
    """A log that cannot be written (a full disk) is no second failure beside the one that it would tell of."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        pass


class _QuietStream(logging.StreamHandler[IO[str]]):
    """As `_QuietFile`, for a stream."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass


@contextmanager
def _logger(task: NodeTask, stream: IO[str] | None) -> Any:
    log = logging.getLogger(f"trueline.node.{task.run_id}.{task.node_id}.{task.execution_id}")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler: logging.Handler
    if stream is not None:
        handler = _QuietStream(stream)
    else:
        Path(task.log).parent.mkdir(parents=True, exist_ok=True)
        handler = _QuietFile(task.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        yield log
    finally:
        log.removeHandler(handler)
        handler.close()
        logging.Logger.manager.loggerDict.pop(log.name, None)


def _own_output(task: NodeTask, scope: ExecutorScope) -> contextlib.AbstractContextManager[None]:
    """In a process of the node's own, what it prints goes to its log: without its secrets, those of its environment
    included."""
    with contextlib.suppress(ConfigError):
        evaluate(dict(task.environment), scope, deferred=True)
    return veiled_output(scope.secrets)


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
        return Outcome(error=_death(code), trace=f"see the log file {task.log}")


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


def _death(code: int) -> str:
    if code >= 0:
        return f"the node's process ended with status {code} and left no result"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    hint = "; was the memory used up?" if -code == 9 else ""
    return f"killed by signal {-code}{name}{hint}"
