"""Connections to databases, and their passwords kept out of everything that is written or shown.

A connection is ``env:NAME`` (the URL stands in that environment variable) or an SQLAlchemy URL. A URL with a password
is taken in the process that is given it and goes nowhere else: no parameter, artifact, log or error holds it.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from trueline._core.errors import ConfigError, DataError
from trueline._core.extras import missing_extra_hint

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

__all__ = ["Database", "check_connection", "lent_connection", "open_database", "shown_connection"]

_ENV = "env:"
_LENT = "lent:"
_SECRET = re.compile(
    r"pass|pwd|secret|token|signature|credentials_base64|odbc_connect|(api|access|account|private|shared)_?key$",
    re.IGNORECASE,
)
_ECHO = re.compile(r"LINE \d+:|\s*\^\s*$")
"""Lines in which PostgreSQL repeats the statement."""
_LENT_NOW: dict[str, Any] = {}
_NUMBERS = itertools.count(1)
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
"""Drivers that the extras bring, where a URL names none."""
_PACKAGES = {"bigquery": "sqlalchemy-bigquery", "trino": "trino[sqlalchemy]", "presto": "pyhive[presto]"}
_HINT = "put the URL into an environment variable and name that: connection='env:DATABASE_URL'."
_MAX_ERROR = 600


class Database:
    """An open database: an SQLAlchemy engine, and what its errors must not say.

    Args:
        engine: the engine.
        secrets: texts that are blotted out of every message.
        owned: whether `close` disposes of the engine.
    """

    def __init__(self, engine: Engine, secrets: tuple[str, ...], owned: bool) -> None:
        self.engine = engine
        self._secrets = tuple(s for s in secrets if s)
        self._owned = owned

    def connect(self) -> Connection:
        """A connection; SQLite, which commits what makes and drops tables by itself, is told to refuse all writing."""
        connection = self.engine.connect()
        if self._owned and self.engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON").close()
        return connection

    def close(self) -> None:
        """Closes the connections that were opened for this."""
        if self._owned:
            self.engine.dispose()

    def message(self, error: BaseException) -> str:
        """What the database or its driver said, without the statement, links and passwords."""
        text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
        text = "\n".join(line for line in text.splitlines() if not _ECHO.match(line))
        for secret in self._secrets:
            for form in {secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]}:
                text = text.replace(form, "***")
        return text if len(text) <= _MAX_ERROR else text[:_MAX_ERROR] + "..."


@contextmanager
def lent_connection(connection: Any) -> Iterator[str]:
    """A name for a connection that may hold a password, good in this process as long as the block lasts.

    Args:
        connection: ``env:NAME``, a URL, or an SQLAlchemy engine.
    """
    if isinstance(connection, str) and (connection.startswith(_ENV) or not _has_secret(_url(connection))):
        yield connection
        return
    name = f"{_LENT}{next(_NUMBERS)}"
    _LENT_NOW[name] = connection
    try:
        yield name
    finally:
        del _LENT_NOW[name]


def check_connection(connection: str) -> None:
    """A connection that may stand in a pipeline's parameters.

    Raises:
        ConfigError: a URL that cannot be read, or one that holds a password.
    """
    if not isinstance(connection, str):
        raise ConfigError(f"the connection is a {type(connection).__name__}", hint="give 'env:NAME' or a URL.")
    if connection.startswith((_ENV, _LENT)):
        return
    if _has_secret(_url(connection)):
        raise ConfigError("the connection's URL holds a password, which would be kept and shown", hint=_HINT)


def shown_connection(connection: str) -> str:
    """The connection for people: no password."""
    if connection.startswith(_ENV):
        return connection
    lent = _LENT_NOW.get(connection)
    if lent is None and connection.startswith(_LENT):
        return "a connection of another process"
    url = _url(connection) if lent is None else _url(lent) if isinstance(lent, str) else lent.url
    return url.set(query={k: v for k, v in url.query.items() if not _SECRET.search(k)}).render_as_string(True)


def open_database(connection: str) -> Database:
    """Opens a connection by its name or URL.

    Raises:
        ConfigError: an environment variable that is not set, a URL or driver that cannot be used.
        DataError: a SQLite file that is not there.
    """
    lent = _LENT_NOW.get(connection)
    if lent is not None and not isinstance(lent, str):
        return Database(lent, _secrets(lent.url), owned=False)
    if connection.startswith(_LENT) and lent is None:
        raise ConfigError(
            "the connection was given to another process and holds a password",
            hint=f"worker processes cannot have it; {_HINT}",
        )
    url = _url(_from_environment(connection) if lent is None else lent)
    if url.drivername in _DRIVERS:
        url = url.set(drivername=_DRIVERS[url.drivername])
    if url.get_backend_name() == "sqlite":
        _check_sqlite(url)
    return Database(_engine(url), _secrets(url), owned=True)


def _from_environment(connection: str) -> str:
    if not connection.startswith(_ENV):
        return connection
    name = connection.removeprefix(_ENV)
    value = os.environ.get(name)
    if not value:
        raise ConfigError(
            f"the environment variable {name!r} is not set",
            where=f"connection {connection!r}",
            hint="it holds the database's URL, such as postgresql://user:password@host/database.",
        )
    return value


def _url(text: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return make_url(text)
    except (SQLAlchemyError, ValueError, TypeError):
        pass
    raise ConfigError(
        "the connection is no database URL",
        hint="such as sqlite:///rides.db or postgresql://user@host/database; characters like @ and / in names and "
        "passwords are written %40 and %2F. Or 'env:NAME'.",
    )


def _has_secret(url: URL) -> bool:
    return url.password is not None or any(_SECRET.search(key) for key in url.query)


def _secrets(url: URL) -> tuple[str, ...]:
    found = [str(url.password)] if url.password is not None else []
    for key, value in url.query.items():
        if _SECRET.search(key):
            found += [value] if isinstance(value, str) else list(value)
            found += re.findall(r"(?i)(?:pwd|password)=\{?([^;}]+)", " ".join(found))
    return tuple(found)


def _check_sqlite(url: URL) -> None:
    """SQLite makes a file that is not there, and then says that a table is missing."""
    name = url.database
    if name and name != ":memory:" and not name.startswith("file:") and not Path(name).is_file():
        raise DataError("there is no such SQLite file", where=str(Path(name).absolute()))


def _engine(url: URL) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    backend = url.get_backend_name()
    options = {"json_deserializer": _json_text} if backend == "postgresql" else {}
    hint = None
    try:
        return create_engine(url, poolclass=NullPool, hide_parameters=True, **options)
    except ModuleNotFoundError as error:
        what = f"the driver of {url.drivername!r} is not installed: {error.name}"
        hint = missing_extra_hint(error) or f"install {error.name}."
    except (SQLAlchemyError, TypeError, ValueError) as error:
        name = type(error).__name__
        package = _PACKAGES.get(backend)
        what = f"there is no SQLAlchemy dialect {url.drivername!r}" if name == "NoSuchModuleError" else name
        hint = f"pip install '{package}'" if package else "install its SQLAlchemy dialect, or check the URL."
    raise ConfigError(what, where=url.drivername, hint=hint)


def _json_text(text: Any) -> str:
    """JSON columns stay the text that the database has, digits and all."""
    return bytes(text).decode() if not isinstance(text, str) else text
