"""An approval's place among the nodes that the launcher carries out itself; `trueline.pipeline.approval` waits."""

from __future__ import annotations

from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.results import NodeResult
from trueline.pipeline.run_context import RunContext

__all__ = ["await_approval"]


def await_approval(run: RunContext, node: CompiledNode) -> NodeResult:
    """Carries an approval out."""
    from trueline.pipeline.approval import wait

    return wait(run, node)
