"""Launching one node: its conditions first, then the steps of its kind; or why it does not run at all."""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from typing import Any

from trueline._core.errors import ConfigError
from trueline.metadata.node_rows import now_ms
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.component_launch import launch_component
from trueline.pipeline.execution_records import Inputs
from trueline.pipeline.handles import handles_of
from trueline.pipeline.node_errors import describe_error
from trueline.pipeline.partial_run import lent_outputs
from trueline.pipeline.publish import publish_refused
from trueline.pipeline.publish_existing import publish_cached
from trueline.pipeline.results import NodeResult
from trueline.pipeline.run_context import RunContext
from trueline.pipeline.run_scope import check_conditions
from trueline.pipeline.system_launch import SYSTEM

__all__ = ["launch", "omit", "reuse", "skip"]


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
        carry_out = SYSTEM.get(node.system or "", launch_component)
        result = carry_out(replace(run, attempt=attempt), node)
    except Exception as error:
        result = _failed_before(run, node, error)
    return replace(result, seconds=time.monotonic() - begun, log=log, attempt=attempt)


def reuse(run: RunContext, node: CompiledNode) -> NodeResult:
    """For partial runs: the node's newest successful outputs become outputs of this run."""
    begun = time.monotonic()
    run.runs.set_node(run.run_id, node.id, state="RUNNING", started=now_ms())
    try:
        false = check_conditions(run, node)
        if false is not None:
            return omit(run, node, false)
        lent = lent_outputs(run, node)
        reused = publish_cached(run, node, Inputs({}, {}), lent.outputs, None, lent.reason, state="REUSED")
        outputs = handles_of(lent.outputs)
        result = NodeResult(node.id, "REUSED", outputs=outputs, cached_reason=lent.reason, execution_id=reused)
    except Exception as error:
        result = _failed_before(run, node, error)
    return replace(result, seconds=time.monotonic() - begun, log=str(run.log_path(node.id)))


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


def skip(run: RunContext, node: CompiledNode, because: str) -> NodeResult:
    """A node that does not run because another one did not succeed."""
    message = f"node {because!r} did not succeed"
    run.runs.set_node(run.run_id, node.id, state="SKIPPED", message=message)
    return NodeResult(node.id, "SKIPPED", message=message)


def omit(run: RunContext, node: CompiledNode, because: str) -> NodeResult:
    """A node that is left out, which fails nothing."""
    run.runs.set_node(run.run_id, node.id, state="OMITTED", message=because, finished=now_ms())
    return NodeResult(node.id, "OMITTED", message=because)
