"""Partial runs: what a node outside the chosen part lends to those inside, taken from an earlier run."""

from __future__ import annotations

from dataclasses import dataclass

from trueline._core.errors import ArtifactError
from trueline.metadata.records import Artifact, ExecutionState
from trueline.metadata.run_control import newest_success
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.handles import verified_fingerprint
from trueline.pipeline.run_context import RunContext

__all__ = ["Loan", "lent_outputs", "newest_outputs"]


@dataclass(frozen=True)
class Loan:
    """Outputs of an earlier execution, checked, and the sentence that says whose they are."""

    execution_id: int
    outputs: dict[str, list[Artifact]]
    reason: str


def lent_outputs(run: RunContext, node: CompiledNode) -> Loan:
    """The node's newest outputs, for a partial run that it is no part of.

    Raises:
        ArtifactError: it has never succeeded, or an artifact is not what was written.
    """
    execution_id, outputs = newest_outputs(run, node)
    for artifacts in outputs.values():
        for artifact in artifacts:
            verified_fingerprint(artifact)
    reason = f"outputs of execution {execution_id} are used again: the node is outside this partial run"
    return Loan(execution_id, outputs, reason)


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
