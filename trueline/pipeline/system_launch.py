"""Launching the nodes that have no executor: resolvers, importers, loops and approvals, each carried out right here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trueline.metadata.records import Artifact
from trueline.pipeline.approval_wait import await_approval
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.execution_records import Inputs
from trueline.pipeline.handles import handles_of
from trueline.pipeline.importing import import_artifact
from trueline.pipeline.publish_existing import publish_loop, publish_system
from trueline.pipeline.resolve import resolve_inputs
from trueline.pipeline.resolvers import resolve
from trueline.pipeline.results import NodeResult
from trueline.pipeline.run_context import RunContext
from trueline.pipeline.run_scope import counted, with_values

__all__ = ["SYSTEM"]


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
    return NodeResult(node.id, "COMPLETE", found=found, outputs=handles_of(made.outputs), execution_id=execution_id)


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
        outputs=handles_of(run.outputs_of(execution_id)),
        cached_reason=reason,
        execution_id=execution_id,
    )


SYSTEM: Mapping[str, Callable[[RunContext, CompiledNode], NodeResult]] = {
    "resolver": _resolve,
    "importer": _import,
    "loop": _count,
    "approval": await_approval,
}
