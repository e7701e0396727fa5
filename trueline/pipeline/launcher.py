"""Launching one node: resolve its inputs, look in the cache, execute, publish."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trueline._core import store as files
from trueline._core.errors import ArtifactError, ConfigError
from trueline.metadata.node_rows import now_ms
from trueline.metadata.records import Artifact, ExecutionState
from trueline.metadata.run_control import newest_success
from trueline.pipeline.approval_wait import await_approval
from trueline.pipeline.cache import Hit, Key, Miss, cache_key, has_users_code, look_up, unsettled
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.execute import run_here
from trueline.pipeline.handles import handle_of, verified_fingerprint
from trueline.pipeline.importing import import_artifact
from trueline.pipeline.loaded import edited_since_loading, remember_loaded
from trueline.pipeline.node_child import run_in_process
from trueline.pipeline.node_errors import describe_error
from trueline.pipeline.node_task import NodeTask, Outcome
from trueline.pipeline.publish import (
    Inputs,
    publish_cached,
    publish_failed,
    publish_loop,
    publish_refused,
    publish_success,
    publish_system,
    register,
)
from trueline.pipeline.resolve import check_contents, resolve_inputs
from trueline.pipeline.resolvers import resolve
from trueline.pipeline.results import NodeResult
from trueline.pipeline.resume import drop_old, resume_folder
from trueline.pipeline.run_context import RunContext
from trueline.pipeline.run_scope import check_conditions, counted, with_values

__all__ = ["SYSTEM", "launch", "newest_outputs", "omit", "reuse", "skip"]


def launch(run: RunContext, node: CompiledNode, attempt: int = 1) -> NodeResult:
    """Carries one node through all steps; whatever goes wrong becomes a FAILED result, never an exception."""
    begun = time.monotonic()
    log = str(run.log_path(node.id))
    started: dict[str, Any] = {"started": now_ms()} if attempt == 1 else {}
    run.runs.set_node(run.run_id, node.id, state="RUNNING", log=log, attempt=attempt, **started)
    try:
        false = check_conditions(run, node)
        if false is not None:
            return omit(run, node, false)
        carry_out = SYSTEM.get(node.system or "", _launch_component)
        result = carry_out(run, node)
    except Exception as error:
        result = _failed_before(run, node, error)
    return replace(result, seconds=time.monotonic() - begun, log=log, attempt=attempt)


def _failed_before(run: RunContext, node: CompiledNode, error: Exception) -> NodeResult:
    """A failure outside the executor: inputs, cache key or the store itself."""
    message = describe_error(error, run.plan.root)
    path = run.log_path(node.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        handle.write(traceback.format_exc())
    execution_id = publish_refused(run, node, message, traceback.format_exc())
    retryable = not isinstance(error, ConfigError)
    return NodeResult(node.id, "FAILED", message=message, execution_id=execution_id, retryable=retryable)


def _launch_component(run: RunContext, node: CompiledNode) -> NodeResult:
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
            outputs=_handles(found.outputs),
            cached_reason=found.reason,
            execution_id=execution_id,
            found=_found(run, found),
        )
    return _execute(run, node, read, key, found)


def _found(run: RunContext, hit: Hit) -> Mapping[str, Any]:
    """What the execution that made the artifacts reported: it is as true as before."""
    place = run.runs.run_of_execution(hit.execution_id)
    return (run.runs.node(*place).found or {}) if place else {}


def _handles(outputs: Mapping[str, list[Artifact]]) -> dict[str, list[ArtifactHandle]]:
    return {key: [handle_of(artifact) for artifact in artifacts] for key, artifacts in outputs.items()}


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
        outcome = _run(run, node, _task(run, node, execution.id, inputs.wired, outputs, str(tmp), str(resume)))
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


def _task(
    run: RunContext,
    node: CompiledNode,
    execution_id: int,
    inputs: Mapping[str, list[ArtifactHandle]],
    outputs: Mapping[str, ArtifactHandle],
    tmp_dir: str,
    resume_dir: str,
) -> NodeTask:
    return NodeTask(
        node_id=node.id,
        pipeline=run.plan.name,
        run_id=run.run_id,
        execution_id=execution_id,
        executor=node.executor or {},
        params=node.params,
        inputs={name: [handle.to_json() for handle in handles] for name, handles in inputs.items()},
        outputs={name: handle.to_json() for name, handle in outputs.items()},
        tmp_dir=tmp_dir,
        resume_dir=resume_dir,
        log=str(run.log_path(node.id)),
        sys_path=tuple(sys.path),
        environment=node.settings.get("environment", {}),
        sample=run.sample,
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


def _count(run: RunContext, node: CompiledNode) -> NodeResult:
    """A loop: its items, whose number says how many passes its body has."""
    found = counted(run, node)
    artifacts = {} if "values" in found else {key: made for key, made in resolve_inputs(run, node).items() if made}
    read = Inputs(artifacts, {})
    execution_id = publish_loop(run, node, read, found)
    return NodeResult(node.id, "COMPLETE", found=found, execution_id=execution_id)


def _resolve(run: RunContext, node: CompiledNode) -> NodeResult:
    node = with_values(run, node)[0]
    made = resolve(run, node)
    found: dict[str, Any] = {key: [artifact.id for artifact in artifacts] for key, artifacts in made.outputs.items()}
    if made.passed:
        found["passed_over"] = made.passed
    if made.groups is not None:
        found["groups"] = made.groups
    execution_id = publish_system(run, node, made.outputs, None, found, cached=False, resolver=True)
    return NodeResult(node.id, "COMPLETE", found=found, outputs=_handles(made.outputs), execution_id=execution_id)


def _import(run: RunContext, node: CompiledNode) -> NodeResult:
    node = with_values(run, node)[0]
    made = import_artifact(run, node)
    return _imported(run, node, {made.key: [made.artifact]}, made.reason, cached=made.cached)


def _imported(
    run: RunContext, node: CompiledNode, outputs: dict[str, list[Artifact]], reason: str, *, cached: bool
) -> NodeResult:
    execution_id = publish_system(run, node, outputs, reason, {}, cached=cached, resolver=False)
    return NodeResult(
        node.id,
        "CACHED" if cached else "COMPLETE",
        outputs=_handles(run.outputs_of(execution_id)),
        cached_reason=reason,
        execution_id=execution_id,
    )


SYSTEM: Mapping[str, Callable[[RunContext, CompiledNode], NodeResult]] = {
    "resolver": _resolve,
    "importer": _import,
    "loop": _count,
    "approval": await_approval,
}


def reuse(run: RunContext, node: CompiledNode) -> NodeResult:
    """For partial runs: the node's newest successful outputs become outputs of this run."""
    begun = time.monotonic()
    run.runs.set_node(run.run_id, node.id, state="RUNNING", started=now_ms())
    try:
        false = check_conditions(run, node)
        if false is not None:
            return omit(run, node, false)
        execution_id, outputs = newest_outputs(run, node)
        for artifacts in outputs.values():
            for artifact in artifacts:
                verified_fingerprint(artifact)
        reason = f"outputs of execution {execution_id} are used again: the node is outside this partial run"
        reused = publish_cached(run, node, Inputs({}, {}), outputs, None, reason, state="REUSED")
        result = NodeResult(node.id, "REUSED", outputs=_handles(outputs), cached_reason=reason, execution_id=reused)
    except Exception as error:
        result = _failed_before(run, node, error)
    return replace(result, seconds=time.monotonic() - begun, log=str(run.log_path(node.id)))


def newest_outputs(run: RunContext, node: CompiledNode) -> tuple[int, dict[str, list[Artifact]]]:
    """The execution whose outputs a node lends to a partial run, and these outputs.

    Raises:
        ArtifactError: it has never succeeded.
    """
    recorded = newest_success(run.store, run.plan.name, node.id)
    if recorded is not None:
        return recorded, run.outputs_of(recorded)
    context = run.store.contexts(type="node", name=f"{run.plan.name}.{node.base_id}") if not node.index else []
    executions = run.store.executions(context=context[0].id, newest_first=True) if context else []
    for execution in executions:
        if execution.state in (ExecutionState.COMPLETE, ExecutionState.CACHED) and execution.id is not None:
            outputs = run.outputs_of(execution.id)
            if all(outputs.get(key) for key in node.outputs) or node.system == "resolver":
                return execution.id, outputs
    raise ArtifactError(
        f"this partial run needs outputs of {node.id!r}, which has never succeeded",
        where=f"pipeline {run.plan.name!r}",
        hint=f"run from {node.id} once.",
    )


def skip(run: RunContext, node: CompiledNode, because: str) -> NodeResult:
    """A node that does not run because another one did not succeed."""
    message = f"node {because!r} did not succeed"
    run.runs.set_node(run.run_id, node.id, state="SKIPPED", message=message)
    return NodeResult(node.id, "SKIPPED", message=message)


def omit(run: RunContext, node: CompiledNode, because: str) -> NodeResult:
    """A node that is left out, which fails nothing."""
    run.runs.set_node(run.run_id, node.id, state="OMITTED", message=because, finished=now_ms())
    return NodeResult(node.id, "OMITTED", message=because)
