"""Runs and nodes as JSON: one shape for `runs`, `show` and whoever else tells of a run. Keys are always there.

Times are milliseconds since 1970, or null; `seconds` is null while something has not ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline.cli.run_nodes import base_of, status_of, usage_of

if TYPE_CHECKING:
    from trueline.metadata import Artifact, NodeRecord, RunRecord

__all__ = ["artifact_json", "node_json", "run_json", "seconds_of"]

Outputs = Mapping[str, Sequence["Artifact"]]


def seconds_of(record: RunRecord) -> float | None:
    """How long a run took; None while it has not ended."""
    return None if record.finished is None else (record.finished - record.started) / 1000


def run_json(record: RunRecord, place: str) -> dict[str, Any]:
    """A run without its nodes; `status` is as stored, and ``DIED`` where its process is gone before its end.

    Args:
        record: the run.
        place: the database's address, without a password.
    """
    return {
        "run_id": record.run_id,
        "pipeline": record.pipeline,
        "status": status_of(record),
        "started": record.started,
        "finished": record.finished,
        "seconds": seconds_of(record),
        "message": record.message,
        "params": dict(record.params),
        "settings": dict(record.settings),
        "resumed": record.resumed,
        "cancel_requested": record.cancel_requested,
        "host": record.host,
        "pid": record.pid,
        "metadata": place,
    }


def node_json(node: NodeRecord, outputs: Outputs | None = None) -> dict[str, Any]:
    """One node with the artifacts that it put out."""
    return {
        "node_id": node.node_id,
        "base": base_of(node),
        "state": node.state,
        "attempt": node.attempt,
        "started": node.started,
        "finished": node.finished,
        "seconds": node.seconds,
        "usage": dict(usage_of(node)),
        "found": dict(node.found or {}),
        "message": node.message,
        "reason": node.reason,
        "log": node.log,
        "execution_id": node.execution_id,
        "outputs": {key: [artifact_json(artifact) for artifact in listed] for key, listed in (outputs or {}).items()},
    }


def artifact_json(artifact: Artifact) -> dict[str, Any]:
    """An artifact without its properties."""
    return {
        "id": artifact.id,
        "type": artifact.type,
        "uri": artifact.uri,
        "state": artifact.state.name,
        "name": artifact.name,
    }
