"""Aliases: names such as ``champion`` that say which artifact of a model is meant right now."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata.node_rows import now_ms
from trueline.metadata.own_tables import alias as table
from trueline.metadata.store import MetadataStore

__all__ = ["Alias", "aliases", "check_alias_name", "drop_alias_row", "put_alias_row", "read_alias"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_TAKEN = ("latest",)


@dataclass(frozen=True)
class Alias:
    """A name within a scope (a model), and the artifact that it stands for. `set_at`: milliseconds since the epoch."""

    scope: str
    name: str
    artifact_id: int
    set_at: int
    set_by: str | None


def check_alias_name(name: str) -> None:
    """Refuses names that could be taken for a version, a number or ``latest``.

    Raises:
        MetadataError: the name.
    """
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise MetadataError(
            f"{name!r} is no name for an alias",
            hint="a letter, then letters, digits, _ . and -, up to 64 in all; 'latest' has a meaning of its own.",
        )


def aliases(store: MetadataStore, scope: str | None = None) -> list[Alias]:
    """All aliases, or those of one model, by scope and name."""
    query = sa.select(table).order_by(table.c.scope, table.c.name)
    if scope is not None:
        query = query.where(table.c.scope == scope)
    with store.database.read() as connection:
        return [Alias(**row) for row in connection.execute(query).mappings()]


def read_alias(connection: sa.Connection, scope: str, name: str) -> Alias | None:
    """One alias, inside a transaction of the caller."""
    query = sa.select(table).where(table.c.scope == scope, table.c.name == name)
    row = connection.execute(query).mappings().first()
    return None if row is None else Alias(**row)


def put_alias_row(connection: sa.Connection, scope: str, name: str, artifact_id: int, by: str) -> Alias:
    """Moves an alias, inside a transaction of the caller. Its times grow, whatever the clock does."""
    before = read_alias(connection, scope, name)
    at = now_ms() if before is None else max(now_ms(), before.set_at + 1)
    made = Alias(scope, name, artifact_id, at, by)
    drop_alias_row(connection, scope, name)
    connection.execute(table.insert().values(**vars(made)))
    return made


def drop_alias_row(connection: sa.Connection, scope: str, name: str) -> bool:
    """Takes an alias away, inside a transaction of the caller; whether there was one."""
    gone = table.delete().where(table.c.scope == scope, table.c.name == name)
    return bool(connection.execute(gone).rowcount)
