"""What the nodes of a run put out, by output name, read in two questions to the store for the whole run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trueline.metadata import Artifact, MetadataStore, NodeRecord

__all__ = ["outputs_of"]


def outputs_of(store: MetadataStore, nodes: Iterable[NodeRecord]) -> dict[str, dict[str, list[Artifact]]]:
    """node id -> output name -> artifacts; nodes without an execution put out nothing."""
    executions = {node.execution_id: node.node_id for node in nodes if node.execution_id is not None}
    events = [event for event in store.events(execution_ids=list(executions)) if event.type.is_output]
    artifacts: Mapping[int | None, Artifact] = {
        artifact.id: artifact for artifact in store.artifacts(ids={event.artifact_id for event in events})
    }
    found: dict[str, dict[str, list[Artifact]]] = {}
    for event in events:
        if event.artifact_id in artifacts:
            key = next((step for step in event.path if isinstance(step, str)), "")
            of_node = found.setdefault(executions[event.execution_id], {})
            of_node.setdefault(key, []).append(artifacts[event.artifact_id])
    return found
