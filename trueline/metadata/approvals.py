"""Approvals: questions that a node of a run waits on, and who decided what.

A question is asked once for each node of a run and decided once: the first decision stays, whoever comes later is told
whose it is. All of it is one row, so that a decision may be made from anywhere the database can be reached from, also
while the run's process is dead.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from trueline._core.errors import MetadataError, did_you_mean
from trueline.metadata.liveness import is_alive
from trueline.metadata.node_rows import now_ms
from trueline.metadata.own_tables import approval, run
from trueline.metadata.store import MetadataStore
from trueline.metadata.words import current_user

__all__ = ["Approval", "ApprovalDecision", "ask", "decide", "decision_of", "expire", "pending"]

ApprovalDecision = Literal["approved", "rejected", "expired"]
_NAME, _COMMENT = 255, 10_000


@dataclass(frozen=True)
class Approval:
    """One question. Times are milliseconds since the epoch.

    Attributes:
        question: as it was asked, with the artifacts that it is about.
        expires: when nobody may decide any more, or None.
        decision: ``approved`` or ``rejected``; ``expired``: time ran out, which decided nothing by itself; None: open.
        decided_by: None where time ran out, whatever was agreed on for that.
        run_status: how the run stands; ``DIED`` where its process is gone.
        token_hash: SHA-256 of what a decision through a listening node must show, as hexadecimal digits.
    """

    run_id: str
    node_id: str
    question: str
    asked: int
    expires: int | None = None
    decision: ApprovalDecision | None = None
    decided: int | None = None
    decided_by: str | None = None
    comment: str | None = None
    pipeline: str = ""
    run_status: str = ""
    token_hash: str | None = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """Whether time ran out without a decision."""
        return self.decision is None and self.expires is not None and now_ms() >= self.expires


def ask(
    store: MetadataStore,
    run_id: str,
    node_id: str,
    question: str,
    *,
    timeout: float | None = None,
    token_hash: str | None = None,
) -> Approval:
    """Asks, or goes on with the same question where the run was taken up again.

    A question of other words (it names its artifacts) and one that ran out of time are asked anew; else time goes on
    from when it was asked first, and a decision made meanwhile stands.

    Args:
        store: the metadata database.
        run_id, node_id: who asks.
        question: the text.
        timeout: seconds, or None.
        token_hash: see `Approval`; it replaces an earlier one.
    """
    now = now_ms()
    same = (approval.c.run_id == run_id) & (approval.c.node_id == node_id)
    row = {
        "run_id": run_id,
        "node_id": node_id,
        "question": question,
        "asked": now,
        "expires": None if timeout is None else now + round(timeout * 1000),
        "token_hash": token_hash,
    }

    def work(connection: sa.Connection) -> None:
        known = connection.execute(sa.select(approval).where(same)).mappings().first()
        by_time = known is not None and known["decision"] is not None and known["decided_by"] is None
        if known is not None and known["question"] == question and not by_time:
            connection.execute(approval.update().where(same).values(token_hash=token_hash))
            return
        connection.execute(approval.delete().where(same))
        connection.execute(approval.insert().values(**row))

    store.database.write(work)
    return decision_of(store, run_id, node_id)


def decision_of(store: MetadataStore, run_id: str, node_id: str) -> Approval:
    """The question of a node, with its decision if there is one.

    Raises:
        MetadataError: the node asked nothing.
    """
    with store.database.read() as connection:
        found = _found(connection, run_id, node_id)
        if found is None:
            raise _unknown(connection, run_id, node_id)
    return found


def decide(
    store: MetadataStore,
    run_id: str,
    node_id: str,
    approved: bool,
    *,
    by: str | None = None,
    comment: str | None = None,
) -> Approval:
    """Decides a question; of several who try at once, one gets it.

    Args:
        store: the metadata database.
        run_id, node_id: who asks.
        approved: whether the line goes on.
        by: who decides; the user of this process by default. At most 255 letters.
        comment: why; at most 10,000 letters.

    Raises:
        MetadataError: nothing was asked, somebody else decided, or time ran out.
    """
    name = _cleaned("name", by or current_user(), _NAME)
    said = _cleaned("comment", comment, _COMMENT) if comment else None
    values = {"decision": "approved" if approved else "rejected", "decided_by": name, "comment": said}
    now = now_ms()

    def work(connection: sa.Connection) -> None:
        if _write(connection, run_id, node_id, (approval.c.expires.is_(None)) | (approval.c.expires > now), values):
            return
        found = _found(connection, run_id, node_id)
        raise _unknown(connection, run_id, node_id) if found is None else _too_late(found)

    store.database.write(work)
    return decision_of(store, run_id, node_id)


def expire(
    store: MetadataStore, run_id: str, node_id: str, decision: ApprovalDecision, comment: str | None = None
) -> Approval:
    """Ends a question whose time ran out, in nobody's name; a decision that came before stays.

    Returns:
        The question as it ended, which may be by that decision.
    """
    values = {"decision": decision, "decided_by": None, "comment": comment}
    store.database.write(lambda connection: _write(connection, run_id, node_id, sa.true(), values))
    return decision_of(store, run_id, node_id)


def pending(store: MetadataStore, *, ended: bool = False) -> list[Approval]:
    """Open questions, the oldest first.

    Args:
        store: the metadata database.
        ended: also those of runs that have ended, which wait for nothing until the run is taken up again.
    """
    query = _query().where(approval.c.decision.is_(None)).order_by(approval.c.asked, approval.c.node_id)
    if not ended:
        query = query.where(run.c.status == "RUNNING")
    with store.database.read() as connection:
        found = [_approval(row) for row in connection.execute(query).mappings()]
    return [one for one in found if not one.over]


def _write(
    connection: sa.Connection, run_id: str, node_id: str, allowed: sa.ColumnElement[bool], values: dict[str, Any]
) -> bool:
    """The condition on the open row makes two decisions at once a matter of who is first, on every database."""
    same = (approval.c.run_id == run_id) & (approval.c.node_id == node_id)
    changed = approval.update().where(same, approval.c.decision.is_(None), allowed)
    return connection.execute(changed.values(**values, decided=now_ms())).rowcount == 1


def _query() -> sa.Select[Any]:
    columns = (run.c.pipeline, run.c.status, run.c.host, run.c.pid, run.c.pid_started, run.c.heartbeat)
    return sa.select(approval, *columns).join(run, run.c.run_id == approval.c.run_id)


def _found(connection: sa.Connection, run_id: str, node_id: str) -> Approval | None:
    query = _query().where(approval.c.run_id == run_id, approval.c.node_id == node_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else _approval(row)


def _approval(row: Any) -> Approval:
    names = (name for name in Approval.__dataclass_fields__ if name != "run_status")
    died = row["status"] == "RUNNING" and not is_alive(row)
    return Approval(**{name: row[name] for name in names}, run_status="DIED" if died else row["status"])


def _unknown(connection: sa.Connection, run_id: str, node_id: str) -> MetadataError:
    asked = connection.execute(sa.select(approval.c.node_id).where(approval.c.run_id == run_id)).scalars().all()
    message = f"node {node_id!r} of run {run_id} has asked for no approval"
    hint = did_you_mean(node_id, asked) if asked else "no node of this run has asked."
    return MetadataError(message, hint=hint, code="NOT_FOUND")


def _too_late(found: Approval) -> MetadataError:
    where = f"node {found.node_id} of run {found.run_id}"
    if found.decision is None or found.decided_by is None:
        ended = found.expires if found.expires is not None else found.decided
        agreed = f" and it counts as {found.decision}" if found.decision in ("approved", "rejected") else ""
        return MetadataError(f"the time to decide ended at {_moment(ended)}{agreed}", where=where)
    why = f": {found.comment}" if found.comment else ""
    message = f"{found.decided_by} {found.decision} it at {_moment(found.decided)}{why}"
    return MetadataError(message, where=where, hint="the first decision stays.", code="ALREADY_EXISTS")


def _moment(milliseconds: int | None) -> str:
    return datetime.fromtimestamp((milliseconds or 0) / 1000).strftime("%Y-%m-%d %H:%M:%S")


def _cleaned(what: str, text: str, longest: int) -> str:
    """Text from outside without control characters, which would reach terminals.

    Raises:
        MetadataError: it is empty or too long.
    """
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c != "\n" else c for c in text).strip()
    if not kept or len(kept) > longest:
        raise MetadataError(f"the {what} has {len(kept)} letters; 1 to {longest:,} are needed", code="INVALID_ARGUMENT")
    return kept
