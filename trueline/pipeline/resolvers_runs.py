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
            query = (
                sa.select(own.run_node.c.execution_id, own.run.c.run_id, own.run.c.status)
                .join(own.run, own.run.c.run_id == own.run_node.c.run_id)
                .where(own.run_node.c.execution_id.in_(part))
            )
            for execution, run_id, state in connection.execute(query):
                self._run_of[execution] = run_id
                if run_id not in self._refused:
                    status[run_id] = state
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
        if self.runs != "passed":
            return {}
        properties = t.properties["Artifact"]
        found: dict[str, str] = {}
        listed = list(run_ids)
        for part in (listed[at : at + 500] for at in range(0, len(listed), 500)):
            query = (
                sa.select(own.run_node.c.run_id, own.run_node.c.node_id)
                .join(t.event, t.event.c.execution_id == own.run_node.c.execution_id)
                .join(properties, properties.c.artifact_id == t.event.c.artifact_id)
                .where(
                    own.run_node.c.run_id.in_(part),
                    own.run_node.c.state == "FAILED",
                    t.event.c.type.in_(MADE),
                    properties.c.name == GATE,
                    properties.c.is_custom_property == 1,
                )
            )
            found.update((row[0], row[1]) for row in connection.execute(query))
        return found
