"""Pins: artifacts that no garbage collection takes, until somebody says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata.locks import lock_registry
from trueline.metadata.node_rows import now_ms
from trueline.metadata.own_tables import pin as pin_table
from trueline.metadata.records import ArtifactState
from trueline.metadata.store import MetadataStore
from trueline.metadata.tables import artifact
from trueline.metadata.words import current_user

__all__ = ["Pin", "pin", "pins", "state_of", "unpin"]


@dataclass(frozen=True)
class Pin:
    """One pinned artifact. `pinned_at` is milliseconds since the epoch."""

    artifact_id: int
    reason: str | None
    pinned_at: int
    pinned_by: str | None


def pin(store: MetadataStore, artifact_id: int, reason: str | None = None, by: str | None = None) -> Pin:
    """Keeps an artifact, and all that it was made of, from garbage collection. Again replaces the reason.

    Raises:
        MetadataError: there is no such artifact, or its files are being deleted or gone.
    """
    made = Pin(artifact_id, reason, now_ms(), by or current_user())

    def work(connection: sa.Connection) -> None:
        lock_registry(connection)
        state = state_of(connection, artifact_id)
        if state in (ArtifactState.MARKED_FOR_DELETION, ArtifactState.DELETED):
            raise MetadataError(f"artifact {artifact_id} is {state.name}: there is nothing left to pin")
        connection.execute(pin_table.delete().where(pin_table.c.artifact_id == artifact_id))
        connection.execute(pin_table.insert().values(**vars(made)))

    store.database.write(work)
    return made


def unpin(store: MetadataStore, artifact_id: int) -> bool:
    """Takes a pin away; whether there was one."""
    gone = pin_table.delete().where(pin_table.c.artifact_id == artifact_id)
    return bool(store.database.write(lambda connection: connection.execute(gone).rowcount))


def pins(store: MetadataStore) -> list[Pin]:
    """All pins, by artifact."""
    with store.database.read() as connection:
        rows = connection.execute(sa.select(pin_table).order_by(pin_table.c.artifact_id)).mappings().all()
    return [Pin(**row) for row in rows]


def state_of(connection: sa.Connection, artifact_id: int) -> ArtifactState:
    """The state of an artifact, its row held until the end of the transaction.

    Raises:
        MetadataError: there is no such artifact.
    """
    query = sa.select(artifact.c.state).where(artifact.c.id == artifact_id)
    if connection.dialect.name != "sqlite":
        query = query.with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise MetadataError(f"there is no artifact with id {artifact_id}")
    return ArtifactState(row[0] or 0)
