"""Which runs a resolver takes artifacts of: a run whose gate closed later has put out what nobody should build on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import sqlalchemy as sa

from trueline.metadata import own_tables as own
from trueline.metadata import tables as t
from trueline.metadata.node_rows import chunks
from trueline.pipeline.handles import GATE
from trueline.pipeline.resolvers_rows import MADE

__all__ = ["RUNS", "RunJudge", "Runs"]

Runs = Literal["any", "passed", "complete"]
"""``complete``: runs that ended COMPLETE. ``passed``: runs that have ended, whatever way, with no gate closed.
``any``: all."""

RUNS: tuple[str, ...] = get_args(Runs)
_PART = 500


class RunJudge:
    """Says of executions which run they belong to and why that run does not count, each run asked for once.

    Args:
        runs: which runs count.
        noted: whether the database has trueline's own tables; else there are no runs, and every execution counts.
    """

    def __init__(self, runs: Runs, noted: bool) -> None:
        self.runs, self.noted = runs, noted
        self._run_of: dict[int, str | None] = {}
        self._refused: dict[str, str | None] = {}

    def learn(self, connection: sa.Connection, execution_ids: Iterable[int]) -> None:
        """Reads the runs of these executions."""
        new = [execution for execution in dict.fromkeys(execution_ids) if execution not in self._run_of]
        self._run_of.update(dict.fromkeys(new))
        if not self.noted:
            return
        status: dict[str, str] = {}
        for part in chunks(new):
            rows = own.run_node.c
            query = sa.select(rows.execution_id, rows.run_id).where(rows.execution_id.in_(part))
            self._run_of.update((row[0], row[1]) for row in connection.execute(query))
        unknown = list({run for e in new if (run := self._run_of[e]) is not None} - set(self._refused))
        for some in (unknown[at : at + _PART] for at in range(0, len(unknown), _PART)):
            asked = sa.select(own.run.c.run_id, own.run.c.status).where(own.run.c.run_id.in_(some))
            status.update((row[0], row[1]) for row in connection.execute(asked))
        self._judge(connection, status)

    def run_of(self, execution_id: int) -> str | None:
        """The run of an execution; None where nobody noted one."""
        return self._run_of.get(execution_id)

    def refused(self, execution_id: int) -> str | None:
        """Why the execution's run does not count, or None."""
        run_id = self._run_of.get(execution_id)
        return None if run_id is None else self._refused.get(run_id)

    def _judge(self, connection: sa.Connection, status: dict[str, str]) -> None:
        closed = self._closed_gates(connection, [r for r, s in status.items() if s == "FAILED"])
        for run_id, state in status.items():
            reason = None
            if self.runs == "complete" and state != "COMPLETE":
                reason = f"run {run_id} is {state}, not COMPLETE"
            elif self.runs == "passed" and state == "RUNNING":
                reason = f"run {run_id} has not ended yet"
            elif self.runs == "passed" and run_id in closed:
                reason = f"{closed[run_id]} closed its gate in run {run_id}"
            self._refused[run_id] = reason

    def _closed_gates(self, connection: sa.Connection, run_ids: Iterable[str]) -> dict[str, str]:
        """A node that closed its gate, by run: it failed in that run, and what it put out says so."""
        node_of: dict[int, tuple[str, str]] = {}
        listed, rows = list(run_ids) if self.runs == "passed" else [], own.run_node.c
        for part in (listed[at : at + _PART] for at in range(0, len(listed), _PART)):
            query = sa.select(rows.execution_id, rows.run_id, rows.node_id).where(
                rows.run_id.in_(part), rows.state == "FAILED", rows.execution_id.is_not(None)
            )
            node_of.update((row[0], (row[1], row[2])) for row in connection.execute(query))
        made: dict[int, tuple[str, str]] = {}
        for some in chunks(node_of):
            events = sa.select(t.event.c.artifact_id, t.event.c.execution_id, t.event.c.type)
            for artifact_id, execution_id, kind in connection.execute(events.where(t.event.c.execution_id.in_(some))):
                if kind in MADE:
                    made[artifact_id] = node_of[execution_id]
        closed: dict[str, str] = {}
        properties = t.properties["Artifact"].c
        for some in chunks(made):
            gates = sa.select(properties.artifact_id).where(
                properties.artifact_id.in_(some), properties.name == GATE, properties.is_custom_property == 1
            )
            closed.update(made[artifact_id] for artifact_id in connection.execute(gates).scalars())
        return closed
