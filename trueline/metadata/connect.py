"""Connections to SQLite, PostgreSQL and MySQL: drivers, settings of a session, and how one writer at a time is let in.

SQLite runs in WAL mode with a busy timeout; every write begins with ``BEGIN IMMEDIATE``, so that a writer waits for the
lock at its start and never fails half-way. PostgreSQL and MySQL get the same order by a lock that a writing
transaction takes first: what is looked up before it is written cannot change in between, on any database. Readers never
wait: each reading connection sees one consistent state.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from trueline._core.errors import MetadataError
from trueline._core.extras import missing_extra_hint
from trueline.metadata.own_tables import own_env

__all__ = ["READING", "lock_writers", "new_engine", "place_of", "url_of"]

_BUSY_SECONDS = 30
_SWITCHES = 32
_LOCK_KEY = 7_381_240_551
"""The number of PostgreSQL's advisory lock that writers take; it is known within one database."""
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
}
"""Drivers that the extras bring, where a URL names none."""
READING: dict[str, dict[str, Any]] = {
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
"""Options of a connection that only reads. SQLite and MySQL give a consistent view without any."""
_SESSION = {
    "postgresql": ["SET lock_timeout = '30s'"],
    # Without strict mode MySQL cuts numbers and texts to what fits its column, and says nothing.
    "mysql": [
        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    ],
}


def url_of(location: str) -> str:
    """A database URL; a plain path means SQLite. A server's URL without a driver gets the one that the extra brings."""
    if "://" not in location:
        return f"sqlite:///{Path(location).expanduser().absolute()}"
    scheme, rest = location.split("://", 1)
    return f"{_DRIVERS.get(scheme, scheme)}://{rest}"


def place_of(url: str) -> str:
    """The address without its password, for messages.

    Raises:
        MetadataError: it is no URL; the text is not repeated, as it may hold a password.
    """
    try:
        made = sa.make_url(url)
        if "@" not in (made.host or ""):  # one there is the rest of a password
            return made.render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        pass
    raise MetadataError(
        "the address of the metadata database is no URL",
        hint="such as sqlite:///metadata.db or postgresql://user@host/database; characters like @ and / in names and "
        "passwords are written %40 and %2F.",
        code="INVALID_ARGUMENT",
    )


def new_engine(url: str, *, readonly: bool = False, views: tuple[str, ...] = ()) -> sa.Engine:
    """An engine for the store.

    Args:
        url: the database.
        readonly: open an SQLite file so that nothing can be written; elsewhere the caller never writes.
        views: statements for each new SQLite connection, which let an older database be read as a newer one.

    Raises:
        MetadataError: no such kind of database, or its driver is not installed.
    """
    if url.startswith("sqlite"):
        return _sqlite_engine(url, readonly, views)
    try:
        engine = sa.create_engine(url, pool_pre_ping=True, pool_size=4, max_overflow=28, hide_parameters=True)
    except ModuleNotFoundError as error:
        problem = f"the driver of this database is not installed: {error.name}"
        raise MetadataError(problem, where=place_of(url), hint=missing_extra_hint(error)) from error
    except NoSuchModuleError as error:
        problem = f"{sa.make_url(url).drivername!r} is not a database that metadata can be kept in"
        raise MetadataError(problem, hint="sqlite, postgresql, mysql and mariadb are.") from error
    statements = _SESSION.get(engine.dialect.name)
    if statements is None:
        problem = f"metadata cannot be kept in {engine.dialect.name}"
        raise MetadataError(problem, hint="sqlite, postgresql, mysql and mariadb are supported.")
    sa.event.listen(engine, "connect", lambda connection, _: _begin_session(connection, statements))
    return engine


def _begin_session(connection: Any, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.commit()


def _sqlite_engine(url: str, readonly: bool, views: tuple[str, ...]) -> sa.Engine:
    if readonly:
        url = f"sqlite:///file:{sa.make_url(url).database}?mode=ro&uri=true"
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, pool_size=8, max_overflow=64)

    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions on its own
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
        if not readonly:
            _switch_to_wal(cursor)
            cursor.execute("PRAGMA synchronous=NORMAL")
        for statement in views:
            cursor.execute(statement)
        cursor.close()

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    return engine


def _switch_to_wal(cursor: Any) -> None:
    # The switch to WAL may be refused at once, without waiting, while another process holds a lock.
    for attempt in range(_SWITCHES):
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode=WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or attempt == _SWITCHES - 1:
                raise
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311


def _on_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("trueline_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def lock_writers(connection: sa.Connection) -> None:
    """Waits until no other transaction of trueline writes; lasts until the end of this one."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
    elif connection.dialect.name != "sqlite":
        connection.execute(sa.select(own_env.c.version).with_for_update()).all()
