"""What a database holds, by its tables and their versions: nothing, ML Metadata's tables, or ours beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata import own_tables, tables

__all__ = ["SchemaState", "look", "missing_columns", "stored_columns", "stored_tables"]

_OLDEST = {"type", "typeproperty", "artifact", "execution", "event", "eventpath"}
"""Tables of ML Metadata before it noted a version (its release 0.13)."""


@dataclass(frozen=True)
class SchemaState:
    """What was found.

    Attributes:
        kind: ``empty``; ``half``: a creation on MySQL that was interrupted; ``foreign``: ML Metadata's tables without
            ours; ``ours``.
        mlmd: ML Metadata's schema version; 0 is older than its first number.
        own: the version of trueline's tables.
        path_order: whether steps of event paths are numbered by a column of their own.
    """

    kind: Literal["empty", "half", "foreign", "ours"]
    mlmd: int = tables.MLMD_VERSION
    own: int = own_tables.OWN_VERSION
    path_order: bool = False

    @property
    def current(self) -> bool:
        """Whether everything is there in the versions that this trueline writes."""
        return self.kind == "ours" and (self.mlmd, self.own) == (tables.MLMD_VERSION, own_tables.OWN_VERSION)


def look(connection: sa.Connection, place: str) -> SchemaState:
    """What the database holds; nothing is changed.

    Raises:
        MetadataError: it is another program's, or one of its versions is newer than this trueline knows, or unclear.
    """
    found = stored_tables(connection)
    if not found:
        return SchemaState("empty")
    if tables.env.name.lower() not in found:
        if set(found) >= _OLDEST and "is_artifact_type" in stored_columns(connection, found["type"]):
            return SchemaState("foreign", mlmd=0, own=0)
        raise MetadataError(
            "this database is not one of ML Metadata (it has no table MLMDEnv)",
            where=place,
            hint="give another path: nothing was changed.",
        )
    mlmd = _version(connection, tables.env.c.schema_version, "ML Metadata schema", place)
    if mlmd is None:
        return SchemaState("half")
    _not_newer(mlmd, tables.MLMD_VERSION, "ML Metadata schema", place)
    ordered = "eventpath" in found and tables.PATH_ORDER in stored_columns(connection, found["eventpath"])
    if own_tables.own_env.name not in found:
        return SchemaState("foreign", mlmd, 0, ordered)
    own = _version(connection, own_tables.own_env.c.version, "trueline tables", place)
    if own is None:  # adopting was interrupted
        return SchemaState("foreign", mlmd, 0, ordered)
    _not_newer(own, own_tables.OWN_VERSION, "trueline tables", place)
    return SchemaState("ours", mlmd, own, ordered)


def stored_tables(connection: sa.Connection) -> dict[str, str]:
    """Names of tables by their lower case, which is how PostgreSQL has them."""
    return {name.lower(): name for name in sa.inspect(connection).get_table_names()}


def stored_columns(connection: sa.Connection, table: str) -> list[str]:
    """Names of a stored table's columns."""
    if connection.dialect.name == "sqlite":  # SQLAlchemy warns of ML Metadata's TINYINT(1) there
        query = sa.text("SELECT name FROM pragma_table_info(:name)")
        return [str(name) for name in connection.execute(query, {"name": table}).scalars()]
    return [str(column["name"]) for column in sa.inspect(connection).get_columns(table)]


def _version(connection: sa.Connection, column: sa.Column[Any], what: str, place: str) -> int | None:
    versions = [int(version) for version in connection.execute(sa.select(column)).scalars()]
    if len(versions) > 1:
        listed = ", ".join(map(str, sorted(versions)))
        raise MetadataError(
            f"the {what} has several versions at once: {listed}", where=place, hint="nothing was changed."
        )
    return versions[0] if versions else None


def _not_newer(found: int, known: int, what: str, place: str) -> None:
    if found > known:
        raise MetadataError(
            f"the {what} version is {found}, this trueline reads {known}",
            where=place,
            hint="it was made by a newer program: use that one, or a newer trueline. Nothing was changed.",
            code="FAILED_PRECONDITION",
        )


def missing_columns(connection: sa.Connection, table: sa.Table) -> list[sa.Column[Any]] | None:
    """Columns that the stored table lacks; None if there is no such table."""
    name = stored_tables(connection).get(table.name.lower())
    if name is None:
        return None
    stored = set(stored_columns(connection, name))
    return [column for column in table.columns if column.name not in stored]
