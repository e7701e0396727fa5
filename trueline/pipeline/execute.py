"""Step three of a launch: the executor runs, in a thread of this process or as the main thread of a node's own.

The launcher's side of a process of the node's own is `trueline.pipeline.node_child`.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from typing import IO, Any

from trueline._core.errors import ConfigError
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.debugging import open_debugger
from trueline.pipeline.evaluate import ExecutorScope, evaluate
from trueline.pipeline.node_errors import describe_error
from trueline.pipeline.node_log import node_logger, spoken_output
from trueline.pipeline.node_task import NodeTask, Outcome, Report
from trueline.pipeline.params import decode_params
from trueline.pipeline.secrets import Veil, veiled
from trueline.pipeline.usage import Measure, measuring
from trueline.pipeline.user_function import UserFunction

__all__ = ["run_here"]


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
    with node_logger(task, stream) as log:
        inputs = {key: [ArtifactHandle.from_json(h) for h in handles] for key, handles in task.inputs.items()}
        outputs = {key: ArtifactHandle.from_json(handle) for key, handle in task.outputs.items()}
        scope = ExecutorScope(inputs, outputs, task.params)
        log.addFilter(Veil(scope.secrets))
        log.info("node %s, execution %s begins", task.node_id, task.execution_id)
        found: dict[str, Any] = {}
        own_process = stream is not None and not debug
        with measuring() as used, spoken_output(task, scope, log, own_process=own_process, debug=debug):
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
                    attempt=task.attempt,
                    left_out=task.left_out,
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
