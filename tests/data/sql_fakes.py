"""A database driver of the test's own with its SQLAlchemy dialect: rows of the types that warehouses' drivers give.

It stands for BigQuery's and Trino's drivers, which need accounts. The road is the same: a DBAPI cursor and a dialect.
"""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

apilevel, threadsafety, paramstyle = "2.0", 2, "named"


class Error(Exception):
    """The driver's base error."""


class OperationalError(Error):
    """The connection broke."""


ProgrammingError = DatabaseError = InterfaceError = DataError = IntegrityError = InternalError = NotSupportedError = (
    Error
)
Warning = Error
ZONE = dt.timezone(dt.timedelta(hours=2))
ROWS = [
    {
        "id": 1,
        "price": decimal.Decimal("1234567890.123456789"),
        "seen": dt.datetime(2026, 1, 1, 1, 0, tzinfo=ZONE),
        "day": dt.date(2026, 1, 1),
        "tags": ["a", "b"],
        "place": {"city": "Ulm", "at": {"x": 1.5, "n": 0}},
        "raw": b"\x00\xff",
        "ok": False,
        "stops": [{"name": "s", "km": decimal.Decimal("0.5")}, {"name": None, "km": None}],
    },
    dict.fromkeys(("id", "price", "seen", "day", "tags", "place", "raw", "ok", "stops")),
    {
        "id": 0,
        "price": decimal.Decimal("0"),
        "seen": dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        "day": dt.date(1969, 12, 31),
        "tags": [],
        "place": {"city": "", "at": None},
        "raw": b"",
        "ok": True,
        "stops": [],
    },
]
STATEMENTS: dict[str, list[tuple[Any, ...]]] = {"rides": [tuple(row.values()) for row in ROWS], "none": []}
NAMES = {"rides": list(ROWS[0]), "none": ["a"]}
OPENED: list[Connection] = []


class Cursor:
    """Gives the rows of a named statement; ``cut`` breaks off after 25, ``many`` gives as many as asked for."""

    arraysize = 1
    description: list[tuple[Any, ...]] | None = None
    rowcount = -1
    lastrowid = None

    def __init__(self) -> None:
        self.fetched: list[int] = []

    def execute(self, statement: str, parameters: Any = None) -> None:
        name, _, count = statement.partition(" ")
        if name not in (*STATEMENTS, "cut", "many"):
            raise ProgrammingError(f"unknown statement {statement!r} for user=u password=top-secret")
        self._left = iter(STATEMENTS.get(name) or ((i, f"r{i}") for i in range(int(count or 0))))
        self._cut = 25 if name == "cut" else None
        self.description = [(n, None, None, None, None, None, None) for n in NAMES.get(name, ["i", "s"])]

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        self.fetched.append(size or 1)
        rows = []
        for row in self._left:
            if self._cut is not None:
                self._cut -= 1
                if self._cut < 0:
                    raise OperationalError("connection lost, token=top-secret")
            rows.append(row)
            if len(rows) == size:
                break
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        raise AssertionError("all rows at once: memory would grow with the table")

    fetchone = fetchall

    def close(self) -> None:
        pass


class Connection:
    """Counts its cursors and whether it was closed."""

    def __init__(self) -> None:
        self.cursors: list[Cursor] = []
        self.closed = False
        self.committed = False
        OPENED.append(self)

    def cursor(self) -> Cursor:
        self.cursors.append(Cursor())
        return self.cursors[-1]

    def commit(self) -> None:
        self.committed = True

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def connect(*_: Any, **__: Any) -> Connection:
    return Connection()


class Dialect(DefaultDialect):
    """The dialect ``warehouse://``."""

    name = "warehouse"
    driver = "fake"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        import sql_fakes

        return sql_fakes

    def create_connect_args(self, url: Any) -> Any:
        return [], {}

    def initialize(self, connection: Any) -> None:
        pass

    def do_rollback(self, dbapi_connection: Any) -> None:
        dbapi_connection.rollback()
