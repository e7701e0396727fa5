"""Step four of a launch where nothing was executed: an execution over artifacts that are there, or that were found.

Outputs from the cache, of a partial run, of resolvers and importers, and a loop's count: each one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from trueline.metadata.node_rows import now_ms
from trueline.metadata.records import Artifact, EventType, ExecutionState
from trueline.metadata.run_rows import add_cache_entry, write_node
from trueline.pipeline.cache import Key
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.execution_records import Inputs, execution_of, input_events
from trueline.pipeline.run_context import RunContext

__all__ = ["publish_cached", "publish_loop", "publish_system"]


def publish_cached(
    run: RunContext,
    node: CompiledNode,
    inputs: Inputs,
    outputs: Mapping[str, list[Artifact]],
    key: Key | None,
    reason: str,
    *,
    state: str = "CACHED",
    found: Mapping[str, Any] | None = None,
) -> int:
    """A new CACHED execution over the same artifacts; returns its id."""
    return _publish_existing(
        run, node, ExecutionState.CACHED, EventType.OUTPUT, inputs, outputs, key, reason, state, found
    )


def publish_system(
    run: RunContext,
    node: CompiledNode,
    outputs: Mapping[str, list[Artifact]],
    reason: str | None,
    found: Mapping[str, Any],
    *,
    cached: bool,
    resolver: bool,
) -> int:
    """The execution of a resolver or importer; artifacts without an id are new. Returns the execution's id."""
    event = EventType.INTERNAL_OUTPUT if resolver else EventType.OUTPUT
    state = ExecutionState.CACHED if cached else ExecutionState.COMPLETE
    word = "CACHED" if cached else "COMPLETE"
    return _publish_existing(run, node, state, event, Inputs({}, {}), outputs, None, reason, word, found)


def publish_loop(run: RunContext, node: CompiledNode, inputs: Inputs, found: Mapping[str, Any]) -> int:
    """The execution of a loop: what it counted; returns its id."""
    return _publish_existing(
        run, node, ExecutionState.COMPLETE, EventType.OUTPUT, inputs, {}, None, None, "COMPLETE", found
    )


def _publish_existing(
    run: RunContext,
    node: CompiledNode,
    execution_state: ExecutionState,
    event: EventType,
    inputs: Inputs,
    outputs: Mapping[str, list[Artifact]],
    key: Key | None,
    reason: str | None,
    state: str,
    found: Mapping[str, Any] | None,
) -> int:
    listed = [
        (artifact.id if artifact.id is not None else artifact, event, (name, index))
        for name, artifacts in sorted(outputs.items())
        for index, artifact in enumerate(artifacts)
    ]

    def also(connection: sa.Connection, execution_id: int, _: list[int]) -> None:
        if key is not None:
            add_cache_entry(connection, execution_id, run.plan.name, node.base_id, key.digest, key.parts)
        write_node(
            connection,
            run.run_id,
            node.id,
            state=state,
            execution_id=execution_id,
            finished=now_ms(),
            found=found or {},
            reason=reason,
        )

    execution = execution_of(node, execution_state)
    events = [*input_events(inputs), *listed]
    return run.store.put_execution(execution, events, run.contexts(node), also)[0]
