"""Making what a database lacks: all tables of a new one, ours beside another program's, newer versions of old ones."""

from __future__ import annotations

import sqlalchemy as sa

from trueline._core.errors import MetadataError
from trueline.metadata import own_tables, tables
from trueline.metadata.migrations import migrate_own_tables
from trueline.metadata.mlmd_migrations import OLDEST, migrate_mlmd
from trueline.metadata.records import BUILTIN_TYPES
from trueline.metadata.schema_state import SchemaState, stored_columns, stored_tables

__all__ = ["complete", "refuse_old_schema"]

_NUMBERED = {
    "postgresql": "ALTER TABLE EventPath ADD COLUMN {} BIGSERIAL",
    "mysql": "ALTER TABLE EventPath ADD COLUMN {0} BIGINT NOT NULL AUTO_INCREMENT, ADD UNIQUE KEY ({0})",
}


def refuse_old_schema(state: SchemaState, place: str) -> None:
    """Raises:
    MetadataError: ML Metadata's tables are of an older version, and nobody asked for the upgrade.
    """
    if state.mlmd < tables.MLMD_VERSION:
        raise MetadataError(
            f"the ML Metadata schema version is {state.mlmd}, this trueline reads {tables.MLMD_VERSION}",
            where=place,
            hint="keep a copy of the database, then upgrade it with `trueline store upgrade` (in Python: "
            "MetadataStore(url, upgrade=True)); programs of the old version cannot open it afterwards. "
            "Nothing was changed.",
            code="FAILED_PRECONDITION",
        )


def complete(connection: sa.Connection, state: SchemaState, *, adopt: bool, upgrade: bool) -> None:
    """Brings a database to the newest versions; with `adopt` off, another program's gets no tables of ours.

    On MySQL, where each change of tables stands by itself, this can be repeated after an interruption: versions are
    written last.
    """
    if state.kind in ("empty", "half"):
        _create(connection)
        return
    if upgrade and OLDEST <= state.mlmd < tables.MLMD_VERSION:
        migrate_mlmd(connection, state.mlmd)
        _add_builtin_types(connection)
    if state.kind == "ours" and state.own < own_tables.OWN_VERSION:
        migrate_own_tables(connection, state.own)
    if state.kind == "foreign" and adopt:
        _create_tables(connection, [t for t in tables.metadata.sorted_tables if t.name.startswith("trueline_")])
        _number_path_steps(connection)
        connection.execute(own_tables.own_env.insert().values(version=own_tables.OWN_VERSION))


def _create(connection: sa.Connection) -> None:
    # MLMDEnv is first and stays empty to the end: by that an interrupted creation is known.
    rest = [table for table in tables.metadata.sorted_tables if table is not tables.env]
    _create_tables(connection, [tables.env, *rest])
    _number_path_steps(connection)
    _add_builtin_types(connection)
    if connection.execute(sa.select(own_tables.own_env)).first() is None:
        connection.execute(own_tables.own_env.insert().values(version=own_tables.OWN_VERSION))
    connection.execute(tables.env.insert().values(schema_version=tables.MLMD_VERSION))


def _create_tables(connection: sa.Connection, wanted: list[sa.Table]) -> None:
    there = stored_tables(connection)
    for table in wanted:
        if table.name.lower() not in there:
            table.create(connection, checkfirst=False)


def _number_path_steps(connection: sa.Connection) -> None:
    """Gives EventPath its numbered column, where rows have no order of their own."""
    statement = _NUMBERED.get(connection.dialect.name)
    if statement is None:
        return
    columns = stored_columns(connection, stored_tables(connection)[tables.event_path.name.lower()])
    if tables.PATH_ORDER not in columns:
        connection.exec_driver_sql(statement.format(tables.PATH_ORDER))


def _add_builtin_types(connection: sa.Connection) -> None:
    type_ = tables.type_
    stored = {(row.name, row.type_kind) for row in connection.execute(sa.select(type_.c.name, type_.c.type_kind))}
    rows = [{"name": name, "type_kind": int(kind)} for name, kind in BUILTIN_TYPES if (name, int(kind)) not in stored]
    if rows:
        connection.execute(type_.insert(), rows)
