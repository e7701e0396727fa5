"""ML Metadata's own tables, from an older schema version to the newest.

What changed, by version: 1 a table for the version; 2 `Type.is_artifact_type` became `type_kind`; 3 contexts; 4 their
links; 5 names, states and times; 6 versions of types, parents of types and contexts; 7 bytes as properties; 8 one
event per artifact, execution and type: of several the newest stays; 9 external ids; 10 protos and booleans as
properties. A table that a step touches gets its newest shape at once, so later steps find their columns there.

Each step can be repeated: MySQL cannot take back a change of tables, and the version is written last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from trueline.metadata import tables as t
from trueline.metadata.migrations import add_columns
from trueline.metadata.schema_state import missing_columns, stored_columns, stored_tables

__all__ = ["OLDEST", "migrate_mlmd"]

OLDEST = 0
"""The oldest version that can be upgraded: ML Metadata 0.13, which kept no version."""
_PROPERTIES = tuple(t.properties.values())
_SHAPED: dict[int, tuple[sa.Table, ...]] = {
    1: (t.env,),
    2: (t.type_,),
    3: (t.context, t.properties["Context"]),
    4: (t.association, t.attribution),
    5: (t.artifact, t.execution, t.context),
    6: (t.parent_type, t.parent_context, t.type_),
    7: (*_PROPERTIES, t.event_path),
    8: (*_PROPERTIES, t.event),
    9: (t.type_, t.artifact, t.execution, t.context),
    10: (*_PROPERTIES, t.type_property),
}
"""Tables that a version made or changed."""


def migrate_mlmd(connection: sa.Connection, version: int) -> None:
    """Upgrades the tables from `version` to the newest, in the transaction of the caller."""
    done: set[str] = set()
    for number in range(version + 1, t.MLMD_VERSION + 1):
        before = _BEFORE.get(number)
        if before is not None:
            before(connection)
        for table in _SHAPED[number]:
            if table.name not in done:
                _shape(connection, table)
                done.add(table.name)
    connection.execute(t.env.delete())
    connection.execute(t.env.insert().values(schema_version=t.MLMD_VERSION))


def _rename_kind(connection: sa.Connection) -> None:
    if "is_artifact_type" in stored_columns(connection, stored_tables(connection)["type"]):
        change = "CHANGE COLUMN is_artifact_type type_kind TINYINT(1) NOT NULL"
        if connection.dialect.name != "mysql":
            change = "RENAME COLUMN is_artifact_type TO type_kind"
        connection.exec_driver_sql(f"ALTER TABLE Type {change}")


def _newest_events(connection: sa.Connection) -> None:
    """Of several events of one artifact, execution and type the newest stays; paths of the others go with them."""
    event = t.event
    keys = (event.c.artifact_id, event.c.execution_id, event.c.type)
    newest = {row[0] for row in connection.execute(sa.select(sa.func.max(event.c.id)).group_by(*keys))}
    gone = [event_id for event_id in connection.execute(sa.select(event.c.id)).scalars() if event_id not in newest]
    for start in range(0, len(gone), 500):
        part = gone[start : start + 500]
        connection.execute(event.delete().where(event.c.id.in_(part)))
        connection.execute(t.event_path.delete().where(t.event_path.c.event_id.in_(part)))


_BEFORE: dict[int, Callable[[sa.Connection], None]] = {2: _rename_kind, 8: _newest_events}
"""What must happen to the rows before a version's tables get their shape."""


def _shape(connection: sa.Connection, table: sa.Table) -> None:
    """Gives a table the columns, keys and indices of the newest version."""
    missing = missing_columns(connection, table)
    if missing is None:
        table.create(connection, checkfirst=False)
    elif connection.dialect.name == "sqlite":
        _rebuild(connection, table, [c.name for c in table.columns if c not in missing])
    else:
        _alter(connection, table, missing)


def _rebuild(connection: sa.Connection, table: sa.Table, kept: list[str]) -> None:
    """SQLite cannot add a unique column: the table is made anew and filled from the old one."""
    old, columns = f"{table.name}_old", ", ".join(f"`{name}`" for name in kept)
    query = sa.text("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = :name AND sql IS NOT NULL")
    for index in connection.execute(query, {"name": table.name}).scalars().all():
        connection.exec_driver_sql(f"DROP INDEX `{index}`")
    numbered = connection.execute(
        sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}
    ).scalar()
    connection.exec_driver_sql(f"ALTER TABLE `{table.name}` RENAME TO `{old}`")
    table.create(connection, checkfirst=False)
    order = "" if "id" not in kept else " ORDER BY id"
    connection.exec_driver_sql(f"INSERT INTO `{table.name}` ({columns}) SELECT {columns} FROM `{old}`{order}")  # noqa: S608
    connection.exec_driver_sql(f"DROP TABLE `{old}`")
    if numbered is not None:  # ids are never given twice, not even those of rows that were deleted
        connection.execute(
            sa.text("UPDATE sqlite_sequence SET seq = :seq WHERE name = :name AND seq < :seq"),
            {"seq": numbered, "name": table.name},
        )


def _alter(connection: sa.Connection, table: sa.Table, missing: list[sa.Column[Any]]) -> None:
    add_columns(connection, table, tuple(column.name for column in missing))
    name = stored_tables(connection)[table.name.lower()]
    inspector = sa.inspect(connection)
    if "string_value" in table.columns and connection.dialect.name == "mysql":
        connection.exec_driver_sql(f"ALTER TABLE {table.name} MODIFY COLUMN string_value MEDIUMTEXT")
    uniques = {tuple(found["column_names"]) for found in inspector.get_unique_constraints(name)}
    for constraint in table.constraints:
        if not isinstance(constraint, sa.UniqueConstraint):
            continue
        columns = tuple(column.name for column in constraint.columns)
        if columns not in uniques:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD UNIQUE ({', '.join(columns)})")
    there = {found["name"] for found in inspector.get_indexes(name)}
    for index in table.indexes:
        if index.name not in there:
            index.create(connection)  # one that has another form on this database makes nothing
