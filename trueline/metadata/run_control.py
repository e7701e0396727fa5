"""A run's life beyond one process: asked to end, taken up again, grown by the passes of its loops."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata.liveness import hold, is_alive, started_at, this_host
from trueline.metadata.node_rows import now_ms
from trueline.metadata.own_tables import run, run_node
from trueline.metadata.run_records import RunRecord
from trueline.metadata.run_rows import write_node
from trueline.metadata.runs import RunStore
from trueline.metadata.store import MetadataStore

__all__ = [
    "add_passes",
    "begin_again",
    "cancel_requested",
    "claim",
    "keep_settings",
    "newest_success",
    "request_cancel",
    "settings_of",
]


def keep_settings(store: MetadataStore, run_id: str, settings: Mapping[str, Any]) -> None:
    """Remembers how a run was asked for, so that it can be taken up again the same way."""
    text = json.dumps(dict(settings), sort_keys=True)
    store.database.write(lambda c: c.execute(run.update().where(run.c.run_id == run_id).values(settings=text)))


def settings_of(store: MetadataStore, run_id: str) -> dict[str, Any]:
    """How a run was asked for; empty for one of an older version."""
    with store.database.read() as connection:
        text = connection.execute(sa.select(run.c.settings).where(run.c.run_id == run_id)).scalar()
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def request_cancel(store: MetadataStore, run_id: str) -> RunRecord:
    """Asks the process that carries a run out to end it; it looks about once a second.

    Raises:
        MetadataError: no such run, or it is not running.
    """
    record = RunStore(store).run(run_id)
    if record.status != "RUNNING":
        raise MetadataError(f"run {record.run_id} is {record.status}; there is nothing to cancel")
    same = run.c.run_id == record.run_id
    store.database.write(lambda c: c.execute(run.update().where(same).values(cancel_requested=now_ms())))
    return record


def cancel_requested(store: MetadataStore, run_id: str) -> bool:
    """Whether somebody asked for the run's end."""
    with store.database.read() as connection:
        query = sa.select(run.c.cancel_requested).where(run.c.run_id == run_id)
        return connection.execute(query).scalar() is not None


def claim(store: MetadataStore, run_id: str) -> None:
    """Makes an ended run this process's own, RUNNING again; `begin_again` then says what of it stays.

    Two processes that try at once: one gets it.

    Raises:
        MetadataError: the run is under way.
    """

    def work(connection: sa.Connection) -> None:
        same = run.c.run_id == run_id
        row = connection.execute(sa.select(run).where(same)).mappings().one()
        if row["status"] == "RUNNING" and is_alive(row):
            raise MetadataError(
                f"run {run_id} is under way in process {row['pid']} of {row['host'].split('/')[0]}",
                hint="wait for it, or cancel it first.",
            )
        process = {"host": this_host(), "pid": os.getpid(), "pid_started": started_at(os.getpid())}
        state = {"status": "RUNNING", "finished": None, "message": None, "cancel_requested": None}
        again = {"heartbeat": now_ms(), "resumed": (row["resumed"] or 0) + 1}
        # The condition makes two claims at once a matter of who is first, on every database.
        unchanged = same & (run.c.status == row["status"]) & (run.c.heartbeat == row["heartbeat"])
        unchanged &= sa.func.coalesce(run.c.resumed, 0) == (row["resumed"] or 0)
        changed = connection.execute(run.update().where(unchanged).values(**process, **state, **again))
        if changed.rowcount != 1:
            raise MetadataError(
                f"run {run_id} was just taken up by another process", hint="wait for it, or cancel it first."
            )

    store.database.write(work)
    hold(run_id)


def begin_again(store: MetadataStore, run_id: str, keep: Iterable[str]) -> None:
    """All nodes of a claimed run but those in `keep` are PENDING. Passes of loops that are not kept go, and the node
    that they stand for is there again: who counts the loop anew may find other items."""
    kept = set(keep)
    blank = {"execution_id": None, "started": None, "finished": None, "message": None, "reason": None}

    def work(connection: sa.Connection) -> None:
        here = run_node.c.run_id == run_id
        rows = connection.execute(sa.select(run_node.c.node_id, run_node.c.base).where(here)).all()
        known = {row.node_id for row in rows}
        gone = {row.node_id: row.base for row in rows if row.base is not None and row.node_id not in kept}
        for node_id in gone:
            connection.execute(run_node.delete().where(here, run_node.c.node_id == node_id))
        for node_id in known - kept - set(gone):
            write_node(connection, run_id, node_id, state="PENDING", found={}, usage=None, attempt=None, **blank)
        missing = sorted(set(gone.values()) - known)
        if missing:
            blanks = [{"run_id": run_id, "node_id": one, "state": "PENDING", "found": "{}"} for one in missing]
            connection.execute(run_node.insert(), blanks)

    store.database.write(work)


def add_passes(store: MetadataStore, run_id: str, passes: Mapping[str, str]) -> None:
    """Rows for the passes of a loop's body, by pass id; the row of a node that they stand for goes.

    Args:
        store: the metadata database.
        run_id: the run.
        passes: the node in the plan by pass id, as in ``{"train[0]": "train"}``.
    """

    def work(connection: sa.Connection) -> None:
        here = run_node.c.run_id == run_id
        known = set(connection.execute(sa.select(run_node.c.node_id).where(here)).scalars())
        rows = [
            {"run_id": run_id, "node_id": one, "base": base, "state": "PENDING", "found": "{}"}
            for one, base in passes.items()
            if one not in known
        ]
        if rows:
            connection.execute(run_node.insert(), rows)
        gone = [base for base in set(passes.values()) if base in known and base not in passes]
        if gone:
            connection.execute(run_node.delete().where(here, run_node.c.node_id.in_(gone)))

    store.database.write(work)


def newest_success(store: MetadataStore, pipeline: str, node_id: str) -> int | None:
    """The execution with the outputs of a node (one pass of it) in the newest run where it succeeded, or None.
    Sampled runs do not count."""
    query = (
        sa.select(run_node.c.execution_id, run.c.settings)
        .join(run, run.c.run_id == run_node.c.run_id)
        .where(
            run.c.pipeline == pipeline,
            run_node.c.node_id == node_id,
            run_node.c.state.in_(("COMPLETE", "CACHED", "REUSED")),
            run_node.c.execution_id.is_not(None),
        )
        .order_by(run_node.c.execution_id.desc())
    )
    # Text alone cannot tell a sampled run from one with a parameter or node called "sample"; it spares reading most.
    maybe = run.c.settings.contains('"sample": ', autoescape=True)
    with store.database.read() as connection:
        full = connection.execute(query.where(run.c.settings.is_(None) | ~maybe).limit(1)).first()
        since = query.where(maybe) if full is None else query.where(maybe, run_node.c.execution_id > full[0])
        for execution_id, settings in connection.execute(since):
            if json.loads(settings).get("sample") is None:
                return int(execution_id)
    return None if full is None else int(full[0])
