"""A query's rows as typed columns, a stretch at a time: what the driver says of a column, else what its values are."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from trueline._core.errors import DataError
from trueline.data.sql_connect import Database

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import CursorResult

__all__ = ["SqlResult", "run_query"]

T = TypeVar("T")

_POSTGRES_TYPES: Mapping[str, tuple[int, ...]] = {
    "bool": (16,),
    "int64": (20, 21, 23, 26),
    "float64": (700, 701),
    "decimal": (1700,),
    "utf8": (18, 19, 25, 114, 1042, 1043, 2950, 3802),
    "bytes": (17,),
    "timestamp": (1082, 1114, 1184),
}
"""The type numbers that PostgreSQL gives its own types; an array's says nothing of how deep it is."""


class SqlResult:
    """A query that runs: its columns, and its rows a stretch at a time.

    Args:
        database: for messages.
        result: SQLAlchemy's result.
        place: the part's name, for errors.
        decimals: ``float64`` or ``utf8``.
    """

    def __init__(self, database: Database, result: CursorResult[Any], place: str, decimals: str) -> None:
        self._database, self._result, self._place, self._decimals = database, result, place, decimals
        self.names = list(map(str, result.keys()))
        twice = sorted({n for n in self.names if self.names.count(n) > 1})
        if twice:
            raise DataError(
                f"two columns have the same name: {', '.join(map(repr, twice))}",
                where=place,
                hint="name each in the query: SELECT a.id AS a_id, b.id AS b_id ...",
            )

    def types(self) -> list[pa.DataType]:
        """What the driver says of each column; null where it says nothing."""
        import pyarrow as pa

        cursor = self._result.cursor
        if self._database.engine.dialect.name != "postgresql" or cursor is None:
            return [pa.null()] * len(self.names)
        return [_postgres_type(column[1], self._decimals) for column in cursor.description]

    def stretches(self, rows: int) -> Iterator[list[Sequence[Any]]]:
        """The values of each column, at most `rows` at a time; the first stretch is given even without rows.

        Raises:
            DataError: when the connection breaks or the statement fails on the way, naming the row.
        """
        done = 0
        while True:
            where = f"{self._place}, after row {done}"
            fetch = partial(self._result.fetchmany, rows)
            found = _told(self._database, where, "the rows cannot be read to their end", fetch)
            if not found and done:
                return
            columns: list[Sequence[Any]] = list(zip(*found, strict=True)) if found else [()] * len(self.names)
            yield [_text_decimals(c) for c in columns] if self._decimals == "utf8" else columns
            done += len(found)
            if not found:
                return


@contextmanager
def run_query(database: Database, query: str, place: str, decimals: str, rows: int) -> Iterator[SqlResult]:
    """Runs a query with a cursor that stays at the server where the driver has one; nothing is ever committed.

    Raises:
        DataError: when the database cannot be reached, or refuses the statement: what it says, without passwords.
    """
    connection = _told(database, place, "the database cannot be reached", database.connect)
    result = None
    try:
        connection.execution_options(stream_results=True, max_row_buffer=rows, no_parameters=True)
        result = _told(database, place, "the query failed", partial(connection.exec_driver_sql, query))
        if not result.returns_rows:
            raise DataError("the statement gives no rows", where=place, hint="give a SELECT.")
        yield SqlResult(database, result, place, decimals)
    finally:
        _let_go(database, connection, result)


def _let_go(database: Database, connection: Any, result: Any) -> None:
    """Closes without a word: a connection that broke can close no cursor and roll nothing back."""
    from sqlalchemy.exc import SQLAlchemyError

    drivers = getattr(database.engine.dialect.dbapi, "Error", SQLAlchemyError)
    for part in (result, connection):
        try:
            if part is not None:
                part.close()
        except (SQLAlchemyError, drivers, OSError):
            connection.invalidate()


def _told(database: Database, place: str, what: str, call: Callable[[], T]) -> T:
    """What the call gives; an error of the database or its driver as ours.

    Ours is raised with nothing behind it: the driver's own may hold the password, and collectors of errors walk down.
    """
    from sqlalchemy.exc import SQLAlchemyError

    drivers = getattr(database.engine.dialect.dbapi, "Error", SQLAlchemyError)
    try:
        return call()
    except (SQLAlchemyError, drivers, OSError, ModuleNotFoundError) as error:
        message = database.message(error)
    raise DataError(f"{what}: {message}", where=place)


def _postgres_type(number: Any, decimals: str) -> pa.DataType:
    import pyarrow as pa

    types = {
        "bool": pa.bool_(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "decimal": pa.string() if decimals == "utf8" else pa.float64(),
        "utf8": pa.string(),
        "bytes": pa.binary(),
        "timestamp": pa.timestamp("us"),
    }
    return next((types[name] for name, numbers in _POSTGRES_TYPES.items() if number in numbers), pa.null())


def _text_decimals(values: Sequence[Any]) -> Sequence[Any]:
    if decimal.Decimal not in set(map(type, values)):
        return values
    return [format(v, "f") if isinstance(v, decimal.Decimal) else v for v in values]
