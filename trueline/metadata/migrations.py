"""trueline's own tables, from one version to the next.

A step names the columns and tables that came with it; what is there already is passed over. So a step that was
interrupted on MySQL, which cannot take back a change of tables, is done again from its beginning. On SQLite and
PostgreSQL all steps are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from trueline.metadata import own_tables as own
from trueline.metadata.schema_state import missing_columns

__all__ = ["STEPS", "Step", "add_columns", "migrate_own_tables", "reading_views"]


@dataclass(frozen=True)
class Step:
    """What a version brought.

    Attributes:
        columns: names of new columns by table; all of them may be null.
        tables: new tables.
        indices: names of new indices by table.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tables: tuple[sa.Table, ...] = ()
    indices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


STEPS: dict[int, Step] = {
    2: Step(
        {"trueline_run": ("settings", "cancel_requested", "resumed"), "trueline_node": ("base", "attempt", "usage")},
        (own.approval, own.alias, own.pin, own.release),
        {"trueline_run": ("idx_trueline_run_started", "idx_trueline_run_status")},
    ),
}
"""Steps by the version that they lead to."""


def migrate_own_tables(connection: sa.Connection, version: int) -> None:
    """Brings trueline's tables from `version` to the newest; the version is written last."""
    for number in range(version + 1, own.OWN_VERSION + 1):
        step = STEPS[number]
        for name, columns in step.columns.items():
            add_columns(connection, own.run.metadata.tables[name], columns)
        for table in step.tables:
            table.create(connection, checkfirst=True)
        for name, indices in step.indices.items():
            for index in own.run.metadata.tables[name].indexes:
                if index.name in indices:
                    index.create(connection, checkfirst=True)
    connection.execute(own.own_env.update().values(version=own.OWN_VERSION))


def add_columns(connection: sa.Connection, table: sa.Table, names: tuple[str, ...]) -> None:
    """Adds those of the named columns that the stored table lacks."""
    preparer = connection.dialect.identifier_preparer
    for column in missing_columns(connection, table) or ():
        if column.name in names:
            spec = CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {preparer.format_table(table)} ADD COLUMN {spec}")


def reading_views(version: int) -> tuple[str, ...]:
    """Statements that let one SQLite connection read tables of an older version as if they were of the newest.

    Temporary views stand before the tables of their names, with nulls for columns that came later; tables that came
    later are empty temporary ones. The file itself stays as it is.
    """
    columns: dict[str, tuple[str, ...]] = {}
    statements: list[str] = []
    for number in range(version + 1, own.OWN_VERSION + 1):
        for name, new in STEPS[number].columns.items():
            columns[name] = (*columns.get(name, ()), *new)
        for table in STEPS[number].tables:
            listed = ", ".join(f'"{column.name}"' for column in table.columns)
            statements.append(f"CREATE TEMP TABLE {table.name} ({listed})")
    for name, new in columns.items():
        nulls = ", ".join(f"NULL AS {column}" for column in new)
        statements.append(f"CREATE TEMP VIEW {name} AS SELECT *, {nulls} FROM main.{name}")  # noqa: S608
    return tuple(statements)
