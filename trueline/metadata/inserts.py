"""Inserting rows with little beside the database's own work: statements are put together once for each database.

Rows go straight to the driver. So values must be ones that every driver takes: numbers, texts, bytes, None, and true
booleans for columns that hold flags. Names of tables and columns are those of `trueline.metadata.tables`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

__all__ = ["insert_one", "insert_rows"]


@functools.cache
def _statement(kind: str, table: str, columns: tuple[str, ...], returning: bool) -> str:
    mark = "?" if kind == "sqlite" else "%s"
    text = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"  # noqa: S608
    return f"{text} RETURNING id" if returning else text


def insert_one(connection: sa.Connection, table: sa.Table, columns: tuple[str, ...], row: Sequence[Any]) -> int:
    """Inserts a row into a table with a number of its own; gives the number."""
    returning = connection.dialect.name == "postgresql"
    statement = _statement(connection.dialect.name, table.name, columns, returning)
    done = connection.exec_driver_sql(statement, tuple(row))
    return int(done.scalar_one() if returning else done.lastrowid)


def insert_rows(
    connection: sa.Connection, table: sa.Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Inserts rows; none is no error."""
    if rows:
        connection.exec_driver_sql(_statement(connection.dialect.name, table.name, columns, False), list(rows))
