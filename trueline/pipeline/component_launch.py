"""Launching a component: resolve its inputs, look in the cache, execute, publish."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trueline._core import store as files
from trueline.pipeline.cache import Hit, Key, Miss, cache_key, has_users_code, look_up, unsettled
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.execute import run_here
from trueline.pipeline.execution_records import Inputs
from trueline.pipeline.handles import handles_of
from trueline.pipeline.loaded import edited_since_loading, remember_loaded
from trueline.pipeline.node_child import run_in_process
from trueline.pipeline.node_errors import describe_error
from trueline.pipeline.node_task import NodeTask, Outcome, task_of
from trueline.pipeline.publish import publish_failed, publish_success, register
from trueline.pipeline.publish_existing import publish_cached
from trueline.pipeline.resolve import check_contents, resolve_inputs
from trueline.pipeline.results import NodeResult
from trueline.pipeline.resume import drop_old, resume_folder
from trueline.pipeline.run_context import RunContext
from trueline.pipeline.run_scope import with_values

__all__ = ["launch_component"]


def launch_component(run: RunContext, node: CompiledNode) -> NodeResult:
    """The node's result: CACHED, COMPLETE, FAILED or CANCELED.

    Raises:
        TruelineError: its parameters or inputs cannot be had, or no cache key be made.
    """
    remember_loaded()
    node, scope = with_values(run, node)
    inputs = resolve_inputs(run, node)
    read = Inputs(inputs, scope.artifacts)
    key = cache_key(run, node, inputs)
    found = look_up(run, node, key)
    if isinstance(found, Hit):
        execution_id = publish_cached(run, node, read, found.outputs, key, found.reason, found=_found(run, found))
        return NodeResult(
            node.id,
            "CACHED",
            outputs=handles_of(found.outputs),
            cached_reason=found.reason,
            execution_id=execution_id,
            found=_found(run, found),
        )
    return _execute(run, node, read, key, found)


def _found(run: RunContext, hit: Hit) -> Mapping[str, Any]:
    """What the execution that made the artifacts reported: it is as true as before."""
    place = run.runs.run_of_execution(hit.execution_id)
    return (run.runs.node(*place).found or {}) if place else {}


def _execute(run: RunContext, node: CompiledNode, inputs: Inputs, key: Key, miss: Miss) -> NodeResult:
    tmp = run.work_dir / "tmp" / run.run_id / node.id
    home = run.work_dir / "resume" / node.id
    with resume_folder(home, key.digest, tmp / f"{key.digest[:32]}-{run.run_id}") as resume:
        result = _execute_in(run, node, inputs, key, miss, tmp, resume)
    if result.state == "COMPLETE":
        with contextlib.suppress(OSError):  # tidying fails no node
            drop_old(home)
    return result


def _execute_in(
    run: RunContext,
    node: CompiledNode,
    inputs: Inputs,
    key: Key,
    miss: Miss,
    tmp: Path,
    resume: Path,
) -> NodeResult:
    execution, outputs = register(run, node, inputs, key, miss.reason)
    assert execution.id is not None
    outcome = Outcome()
    try:
        tmp.mkdir(parents=True, exist_ok=True)
        check_contents(inputs.wired)
        for handle in outputs.values():
            files.makedirs(handle.uri)
        places = {"tmp_dir": str(tmp), "resume_dir": str(resume), "log": str(run.log_path(node.id))}
        outcome = _run(run, node, task_of(run, node, execution.id, inputs.wired, outputs, **places))
        if outcome.error is None and not run.cancelled.is_set():
            for name, properties in outcome.properties.items():
                outputs[name].properties = dict(properties)
            edited = unsettled(node, key)
            published = publish_success(run, node, execution, outputs, outcome, unsettled=edited)
            shutil.rmtree(resume, ignore_errors=True)
            return NodeResult(
                node.id,
                "COMPLETE" if outcome.gate is None else "FAILED",
                found=outcome.found,
                message=outcome.gate,
                outputs=published,
                cached_reason=miss.reason,
                execution_id=execution.id,
                usage=outcome.usage,
            )
    except Exception as error:
        outcome = Outcome(outcome.found, error=describe_error(error, run.plan.root), trace=traceback.format_exc())
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
        shutil.rmtree(tmp.parent / f".{tmp.name}-exchange", ignore_errors=True)
    canceled = run.cancelled.is_set()
    message = "the run was cancelled" if canceled else str(outcome.error)
    publish_failed(run, node, execution, outputs, message, outcome, canceled=canceled)
    return NodeResult(
        node.id,
        "CANCELED" if canceled else "FAILED",
        found=outcome.found,
        message=message,
        cached_reason=miss.reason,
        execution_id=execution.id,
        usage=outcome.usage,
        retryable=outcome.retryable and not canceled,
    )


def _run(run: RunContext, node: CompiledNode, task: NodeTask) -> Outcome:
    def report(found: dict[str, Any]) -> None:
        run.on_found(node.id, found)

    settings = node.node_settings
    chosen = settings.isolation or run.isolation_by_node.get(node.id) or run.isolation_by_node.get(node.base_id)
    debug = run.debug_node in (node.id, node.base_id)
    # What this process loaded before an edit is not the code that the cache key speaks of.
    outdated = has_users_code(node) and bool(edited_since_loading())
    if not debug and (outdated or settings.own_process or (chosen or run.isolation) == "process"):
        return run_in_process(task, report, _stopper(run, settings.timeout), run.store.url)
    return run_here(task, report, sys.stderr if debug else None, run.store.url, debug=debug)


def _stopper(run: RunContext, timeout: float | None) -> Callable[[], str | None]:
    """Why a node's process is to be ended now, if it is."""
    last = None if timeout is None else time.monotonic() + timeout

    def stop() -> str | None:
        if run.cancelled.is_set():
            return "the run was cancelled"
        return f"timed out after {timeout:g} s" if last is not None and time.monotonic() > last else None

    return stop
