"""Making writers of the registry and the garbage collection wait for each other, on every database.

SQLite has one writer at a time anyway. PostgreSQL locks the tables; MySQL locks the rows and the gaps between them
by reading them for update. Either way a run that begins, a promotion and a pin come wholly before or wholly after.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from trueline.metadata.own_tables import alias, pin, release, run

__all__ = ["lock_registry", "lock_runs_too"]


def lock_registry(connection: sa.Connection) -> None:
    """Until the end of the transaction nobody else changes aliases, pins or releases."""
    _lock(connection, (alias, pin, release))


def lock_runs_too(connection: sa.Connection) -> None:
    """The same, and no run begins or ends."""
    _lock(connection, (run, alias, pin, release))


def _lock(connection: sa.Connection, tables: Sequence[sa.Table]) -> None:
    if connection.dialect.name == "postgresql":
        names = ", ".join(table.name for table in tables)
        connection.execute(sa.text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))
    elif connection.dialect.name != "sqlite":
        for table in tables:
            key = next(iter(table.primary_key.columns))
            connection.execute(sa.select(key).with_for_update()).all()
