"""What is known of a run, of its nodes and of the cache's memory, as frozen records, and how rows become such."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trueline.metadata.liveness import is_alive

__all__ = [
    "CacheEntry",
    "NodeRecord",
    "NodeState",
    "RunRecord",
    "RunStatus",
    "in_plan_order",
    "node_record",
    "run_record",
]

RunStatus = Literal["RUNNING", "COMPLETE", "FAILED", "CANCELED"]
NodeState = Literal[
    "PENDING", "RUNNING", "WAITING", "COMPLETE", "CACHED", "REUSED", "FAILED", "SKIPPED", "OMITTED", "CANCELED"
]


@dataclass(frozen=True)
class NodeRecord:
    """One node of one run. Times are milliseconds since the epoch.

    Attributes:
        base: the node of the plan, where this is one pass of a loop.
        attempt: how often it was begun so far; None where nobody counted.
        usage: ``cpu_seconds``, ``peak_memory_bytes`` and what else was measured.
    """

    node_id: str
    state: NodeState
    execution_id: int | None = None
    started: int | None = None
    finished: int | None = None
    found: Mapping[str, Any] | None = None
    message: str | None = None
    reason: str | None = None
    log: str | None = None
    base: str | None = None
    attempt: int | None = None
    usage: Mapping[str, Any] | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended."""
        return None if self.started is None or self.finished is None else (self.finished - self.started) / 1000


@dataclass(frozen=True)
class RunRecord:
    """One run, with its nodes in topological order where it was asked for by id."""

    run_id: str
    pipeline: str
    status: RunStatus
    started: int
    finished: int | None
    params: Mapping[str, Any]
    message: str | None
    plan: str
    host: str
    pid: int
    alive: bool
    nodes: tuple[NodeRecord, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    cancel_requested: int | None = None
    resumed: int = 0


@dataclass(frozen=True)
class CacheEntry:
    """What an execution's cache key was made of."""

    execution_id: int
    node_id: str
    key: str
    parts: Mapping[str, Any]


def run_record(row: Mapping[Any, Any], nodes: tuple[NodeRecord, ...] = ()) -> RunRecord:
    """The record of a row of `trueline_run`."""
    return RunRecord(
        run_id=row["run_id"],
        pipeline=row["pipeline"],
        status=row["status"],
        started=row["started"],
        finished=row["finished"],
        params=json.loads(row["params"]),
        message=row["message"],
        plan=row["plan"],
        host=row["host"],
        pid=row["pid"],
        alive=row["status"] == "RUNNING" and is_alive(row),
        nodes=nodes,
        settings=json.loads(row["settings"] or "{}"),
        cancel_requested=row["cancel_requested"],
        resumed=row["resumed"] or 0,
    )


def node_record(row: Mapping[Any, Any]) -> NodeRecord:
    """The record of a row of `trueline_node`."""
    columns = ("node_id", "state", "execution_id", "started", "finished", "message", "reason", "log", "base", "attempt")
    usage = json.loads(row["usage"]) if row["usage"] else None
    return NodeRecord(**{name: row[name] for name in columns}, found=json.loads(row["found"]), usage=usage)


def in_plan_order(plan: str, nodes: Sequence[NodeRecord]) -> tuple[NodeRecord, ...]:
    """The nodes in the plan's order, passes of a loop by their names; by name where the plan cannot be read."""
    try:
        order = {node["id"]: i for i, node in enumerate(json.loads(plan)["nodes"])}
    except (ValueError, KeyError, TypeError):
        order = {}
    return tuple(sorted(nodes, key=lambda node: (order.get(node.base or node.node_id, len(order)), node.node_id)))
