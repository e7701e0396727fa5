"""Runs whose process is gone, and the end that another process writes for them.

While one process ends a dead run, another may already have taken it up again: what is said here of a run holds for its
dead owner alone, and every write looks whether the run is still that one's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from trueline.metadata.liveness import is_alive
from trueline.metadata.node_rows import now_ms
from trueline.metadata.own_tables import process, run, run_node
from trueline.metadata.run_rows import write_node
from trueline.metadata.store import MetadataStore

__all__ = ["DeadRun", "dead_runs", "end_dead_run"]

_OWNER = ("host", "pid", "pid_started", "heartbeat", "status", "resumed")


@dataclass(frozen=True)
class DeadRun:
    """A run whose process is gone.

    Attributes:
        executions: (execution id, node id, URIs of its outputs) of those that were writing.
        owner: the columns of its row that say whose it was.
    """

    run_id: str
    executions: tuple[tuple[int, str, tuple[str, ...]], ...]
    owner: Mapping[str, Any]


def dead_runs(store: MetadataStore) -> list[DeadRun]:
    """Runs that were RUNNING, or had executions that were writing, when their process ended."""
    columns = (*(run.c[name] for name in ("run_id", *_OWNER)), process.c.execution_id, process.c.node_id)
    # One statement: rows of a new owner's executions must never stand beside the old owner.
    query = (
        sa.select(*columns, process.c.output_uris)
        .select_from(run.outerjoin(process, process.c.run_id == run.c.run_id))
        .where((run.c.status == "RUNNING") | process.c.execution_id.is_not(None))
        .order_by(run.c.run_id, process.c.execution_id)
    )
    with store.database.read() as connection:
        rows = connection.execute(query).mappings().all()
    found: dict[str, DeadRun] = {}
    executions: dict[str, list[tuple[int, str, tuple[str, ...]]]] = {}
    for row in rows:
        run_id = row["run_id"]
        if run_id not in found and is_alive(row):
            continue
        found[run_id] = DeadRun(run_id, (), {name: row[name] for name in _OWNER})
        if row["execution_id"] is not None:
            uris = tuple(json.loads(row["output_uris"]))
            executions.setdefault(run_id, []).append((row["execution_id"], row["node_id"], uris))
    return [DeadRun(one.run_id, tuple(executions.get(one.run_id, ())), one.owner) for one in found.values()]


def end_dead_run(store: MetadataStore, dead: DeadRun, message: str) -> bool:
    """FAILED, with its nodes that were at work; what had not begun is SKIPPED. False where the run is no longer the
    dead process's."""

    def work(connection: sa.Connection) -> bool:
        same = run.c.run_id == dead.run_id
        owned = sa.and_(same, *(run.c[name].is_not_distinct_from(value) for name, value in dead.owner.items()))
        if dead.owner["status"] != "RUNNING":
            return connection.execute(sa.select(run.c.run_id).where(owned)).first() is not None
        ended = {"status": "FAILED", "finished": now_ms(), "message": message}
        if connection.execute(run.update().where(owned).values(**ended)).rowcount != 1:
            return False
        here = sa.select(run_node.c.node_id, run_node.c.state).where(run_node.c.run_id == dead.run_id)
        for node_id, state in connection.execute(here).all():
            if state in ("RUNNING", "WAITING"):
                failed: dict[str, Any] = {"state": "FAILED", "message": message, "finished": now_ms()}
                write_node(connection, dead.run_id, node_id, **failed)
            elif state == "PENDING":
                write_node(connection, dead.run_id, node_id, state="SKIPPED", message="the run was interrupted")
        return True

    return store.database.write(work)
