"""Runs and their nodes: state, times, findings, reasons. What ML Metadata has no place for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from trueline._core.errors import MetadataError, did_you_mean
from trueline.metadata.liveness import hold, is_alive, let_go, started_at, this_host
from trueline.metadata.node_rows import now_ms
from trueline.metadata.own_tables import cache_entry, process, run, run_node
from trueline.metadata.run_records import (
    CacheEntry,
    NodeRecord,
    RunRecord,
    RunStatus,
    in_plan_order,
    node_record,
    run_record,
)
from trueline.metadata.run_rows import write_node
from trueline.metadata.store import MetadataStore

__all__ = [
    "RunStore",
]


class RunStore:
    """Run state beside a metadata store.

    Raises:
        MetadataError: on use, if the database was made by another program and never adopted.
    """

    def __init__(self, store: MetadataStore) -> None:
        self.store = store
        self._database = store.database

    # -- a run's life -----------------------------------------------------------------------------------------------

    def start(
        self,
        run_id: str,
        pipeline: str,
        plan: str,
        params: Mapping[str, Any],
        node_ids: Sequence[str],
        context_id: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Notes a run as RUNNING by this process, all its nodes as PENDING; `settings`: how it was asked for.

        Raises:
            MetadataError: the id is taken.
        """
        now = now_ms()
        row = {
            "run_id": run_id,
            "pipeline": pipeline,
            "context_id": context_id,
            "status": "RUNNING",
            "started": now,
            "params": json.dumps(dict(params), sort_keys=True),
            "plan": plan,
            "host": this_host(),
            "pid": os.getpid(),
            "pid_started": started_at(os.getpid()),
            "heartbeat": now,
            "settings": None if settings is None else json.dumps(dict(settings), sort_keys=True),
        }
        nodes = [{"run_id": run_id, "node_id": node_id, "state": "PENDING", "found": "{}"} for node_id in node_ids]

        def work(connection: sa.Connection) -> None:
            connection.execute(run.insert().values(**row))
            if nodes:
                connection.execute(run_node.insert(), nodes)

        hold(run_id)
        try:
            self._database.write(work)
        except IntegrityError as error:
            raise MetadataError(
                f"there is a run {run_id!r} already", hint="leave run_id out to get a new one."
            ) from error

    def beat(self, run_id: str) -> None:
        """Says that the run's process is alive."""
        self._update_run(run_id, heartbeat=now_ms())

    def finish(self, run_id: str, status: RunStatus, message: str | None = None) -> None:
        """Ends a run."""
        self._update_run(run_id, status=status, finished=now_ms(), message=message)
        let_go(run_id)

    def _update_run(self, run_id: str, **values: Any) -> None:
        self._database.write(lambda c: c.execute(run.update().where(run.c.run_id == run_id).values(**values)))

    def set_node(self, run_id: str, node_id: str, **values: Any) -> None:
        """Changes columns of a node: state, execution_id, started, finished, found, message, reason, log."""
        self._database.write(lambda connection: write_node(connection, run_id, node_id, **values))

    # -- asking -----------------------------------------------------------------------------------------------------

    def runs(
        self,
        pipeline: str | None = None,
        limit: int | None = None,
        *,
        status: RunStatus | None = None,
        since: int | None = None,
    ) -> list[RunRecord]:
        """Runs, the newest first, without their nodes; `since`: begun at that time (ms) or later."""
        query = sa.select(run).order_by(run.c.started.desc(), run.c.run_id.desc()).limit(limit)
        if pipeline is not None:
            query = query.where(run.c.pipeline == pipeline)
        if status is not None:
            query = query.where(run.c.status == status)
        if since is not None:
            query = query.where(run.c.started >= since)
        with self._reading() as connection:
            return [run_record(row) for row in connection.execute(query).mappings()]

    def run(self, run_id: str) -> RunRecord:
        """One run with its nodes; an unambiguous beginning of the id is enough, ``latest`` is the newest.

        Raises:
            MetadataError: no such run, or several begin so.
        """
        if run_id == "latest":
            newest = self.runs(limit=1)
            if not newest:
                raise MetadataError("there are no runs yet", hint="run a pipeline first.")
            run_id = newest[0].run_id
        with self._reading() as connection:
            row = connection.execute(sa.select(run).where(run.c.run_id == run_id)).mappings().first()
            if row is None:
                found = connection.execute(sa.select(run).where(*_begins(connection, run_id)).limit(2)).mappings().all()
                if len(found) != 1:
                    raise _not_one(connection, run_id)
                row = found[0]
            nodes = connection.execute(sa.select(run_node).where(run_node.c.run_id == row["run_id"])).mappings().all()
        return run_record(row, in_plan_order(row["plan"], [node_record(node) for node in nodes]))

    def node(self, run_id: str, node_id: str) -> NodeRecord:
        """One node of one run.

        Raises:
            MetadataError: no such run or node.
        """
        record = self.run(run_id)
        for node in record.nodes:
            if node.node_id == node_id:
                return node
        raise MetadataError(
            f"run {record.run_id} has no node {node_id!r}",
            hint=did_you_mean(node_id, [n.node_id for n in record.nodes]),
        )

    def run_of_execution(self, execution_id: int) -> tuple[str, str] | None:
        """(run id, node id) of an execution, or None for one of another program."""
        query = sa.select(run_node.c.run_id, run_node.c.node_id).where(run_node.c.execution_id == execution_id)
        with self._reading() as connection:
            found = connection.execute(query).first()
        return None if found is None else (str(found[0]), str(found[1]))

    # -- the cache's memory -----------------------------------------------------------------------------------------

    def cache_entries(
        self,
        *,
        key: str | None = None,
        pipeline: str | None = None,
        node_id: str | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[CacheEntry]:
        """Cache entries, the newest first; `before` is an execution id."""
        query = sa.select(cache_entry).order_by(cache_entry.c.execution_id.desc()).limit(limit)
        for column, value in (
            (cache_entry.c.cache_key, key),
            (cache_entry.c.pipeline, pipeline),
            (cache_entry.c.node_id, node_id),
        ):
            if value is not None:
                query = query.where(column == value)
        if before is not None:
            query = query.where(cache_entry.c.execution_id < before)
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [CacheEntry(r["execution_id"], r["node_id"], r["cache_key"], json.loads(r["parts"])) for r in rows]

    def cache_entry(self, execution_id: int) -> CacheEntry | None:
        """The entry of one execution, or None."""
        found = self.cache_entries(before=execution_id + 1, limit=1)
        return found[0] if found and found[0].execution_id == execution_id else None

    # -- what was interrupted ---------------------------------------------------------------------------------------

    def dead_runs(self) -> list[RunRecord]:
        """Runs whose process is gone while they were RUNNING, or while an execution was still writing."""
        unfinished = (run.c.status == "RUNNING") | run.c.run_id.in_(sa.select(process.c.run_id))
        with self._reading() as connection:
            rows = connection.execute(sa.select(run).where(unfinished)).mappings().all()
        return [run_record(row) for row in rows if not is_alive(row)]

    def open_executions(self, run_id: str) -> list[tuple[int, str, list[str]]]:
        """(execution id, node id, URIs of outputs being written) of a run's unfinished executions."""
        query = sa.select(process).where(process.c.run_id == run_id)
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [(row["execution_id"], row["node_id"], json.loads(row["output_uris"])) for row in rows]

    def _reading(self) -> Any:
        if not self._database.adopted:
            raise MetadataError(
                "this metadata database holds no runs of trueline",
                where=self._database.place,
                hint="it was made by another program; `trueline store adopt` adds the tables that trueline needs.",
            )
        return self._database.read()


_TOLD = 200


def _begins(connection: sa.Connection, start: str) -> list[sa.ColumnElement[bool]]:
    """Run ids that begin so. SQLite's LIKE knows no case and reads every row: there a range along the key helps."""
    like = [run.c.run_id.startswith(start, autoescape=True)]
    if connection.dialect.name != "sqlite":
        return like
    return [*like, run.c.run_id >= start, run.c.run_id < start + "\U0010ffff"]


def _not_one(connection: sa.Connection, start: str) -> MetadataError:
    """What to say where no run, or several, begin so; of a long history the newest runs are named."""
    matching = sa.select(sa.func.count()).select_from(run).where(*_begins(connection, start))
    number = connection.execute(matching).scalar_one()
    newest = sa.select(run.c.run_id).order_by(run.c.started.desc(), run.c.run_id.desc()).limit(_TOLD)
    if number:
        newest = newest.where(*_begins(connection, start))
    known = list(connection.execute(newest).scalars())
    what = f"{number} runs begin with" if number else "there is no run"
    return MetadataError(f"{what} {start!r}", hint=did_you_mean(start, known))
