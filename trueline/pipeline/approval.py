"""Human approval: a node that waits for somebody's decision."""

from __future__ import annotations

from trueline._core.errors import ConfigError
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.results import NodeResult
from trueline.pipeline.run_context import RunContext

__all__ = ["wait"]


def wait(run: RunContext, node: CompiledNode) -> NodeResult:
    """Waits for the decision."""
    raise ConfigError(f"node {node.id} of run {run.run_id} waits for an approval, which this version cannot ask for")
