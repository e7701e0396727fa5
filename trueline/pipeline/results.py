"""What a run gives back, and what it says on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trueline.metadata.run_records import NodeState, RunStatus
from trueline.pipeline.context import ArtifactHandle

__all__ = ["SUCCESS", "EventKind", "NodeResult", "OnEvent", "RunEvent", "RunResult"]

SUCCESS = frozenset({"COMPLETE", "CACHED", "REUSED"})
EventKind = Literal[
    "run_started",
    "node_started",
    "node_found",
    "node_retry",
    "node_waiting",
    "nodes_added",
    "node_finished",
    "run_finished",
]


@dataclass(frozen=True)
class NodeResult:
    """One node of a finished run.

    Attributes:
        state: COMPLETE, CACHED, REUSED (by a partial run), FAILED, SKIPPED (a node before it did not succeed), OMITTED
            (a condition, or what it needs was left out) or CANCELED.
        seconds: how long it took.
        found: what the executor reported.
        message: why it failed or was skipped, in one sentence.
        outputs: artifacts by output name.
        cached_reason: what the cache said: why this was taken from it, or why it was not.
        execution_id: the execution in the metadata store.
        log: the log file.
        attempt: which attempt this was, from 1.
        usage: CPU seconds, peak memory and so on.
        retryable: whether another attempt could end otherwise.
    """

    node_id: str
    state: NodeState
    seconds: float = 0.0
    found: Mapping[str, Any] = field(default_factory=dict)
    message: str | None = None
    outputs: Mapping[str, list[ArtifactHandle]] = field(default_factory=dict)
    cached_reason: str | None = None
    execution_id: int | None = None
    log: str | None = None
    attempt: int = 1
    usage: Mapping[str, Any] = field(default_factory=dict)
    retryable: bool = False

    @property
    def ok(self) -> bool:
        """Whether nodes after it may run."""
        return self.state in SUCCESS


@dataclass(frozen=True)
class RunResult:
    """A finished run; `nodes` in topological order."""

    run_id: str
    status: RunStatus
    nodes: Mapping[str, NodeResult]
    message: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every node succeeded."""
        return self.status == "COMPLETE"

    @property
    def exit_status(self) -> int:
        """0, or 1 when any node failed."""
        return 0 if self.ok else 1


@dataclass(frozen=True)
class RunEvent:
    """Something that happened: `found` with ``node_found``, `result` with ``node_finished``; `message` says why a node
    is tried again, what it waits for, or which passes a loop has (``nodes``)."""

    kind: EventKind
    run_id: str
    time: int
    node_id: str | None = None
    found: Mapping[str, Any] | None = None
    result: NodeResult | None = None
    status: RunStatus | None = None
    message: str | None = None
    nodes: tuple[str, ...] = ()


OnEvent = Callable[[RunEvent], None]
