"""Opening a metadata database: which versions are let in, and how connections behave under parallel writers.

SQLite runs in WAL mode with a busy timeout. Every write is one short transaction that begins with
``BEGIN IMMEDIATE``, so that a writer waits for the lock at its start and never fails half-way; what is still
refused is tried again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from trueline._core.errors import MetadataError
from trueline.metadata import own_tables, tables
from trueline.metadata.records import BUILTIN_TYPES

__all__ = ["Database", "url_of"]

T = TypeVar("T")
_BUSY_SECONDS = 30
_ATTEMPTS = 8
_RETRYABLE = ("locked", "busy", "deadlock", "could not serialize", "lock wait timeout")
_REMEDIES = {
    "readonly": "may this user write to the database file and its folder? Choose another root, or mend the rights.",
    "full": "the disk is full: free some space and run again; what was published before is whole.",
    "unable to open": "may this user read and write the folder?",
}


def url_of(location: str) -> str:
    """A database URL; a plain path means SQLite."""
    return location if "://" in location else f"sqlite:///{Path(location).expanduser().absolute()}"


class Database:
    """A checked connection to one database.

    Args:
        location: a path, or an SQLAlchemy URL.
        create: make the tables if the database is empty or absent.
        adopt: add trueline's tables to an ML Metadata database that has none.
        readonly: never write.

    Attributes:
        place: the address as errors tell it, without the password.
        readonly: whether writing is refused; always so for a database that another program made, until adopted.
        adopted: whether trueline's own tables are there.

    Raises:
        MetadataError: the file is no database, has another schema version, or does not exist and `create` is off.
    """

    def __init__(self, location: str, *, create: bool = True, adopt: bool = False, readonly: bool = False) -> None:
        self.url = url_of(location)
        self.place = sa.make_url(self.url).render_as_string(hide_password=True)
        self.is_sqlite = self.url.startswith("sqlite")
        self.path = Path(sa.make_url(self.url).database or "") if self.is_sqlite else None
        self.readonly = readonly
        self._engine: sa.Engine | None = None
        self._open(create, adopt)
        with self._guard(), self.read() as connection:
            self.adopted = self._state(connection) == "ours"
        self.readonly = self.readonly or not self.adopted

    def _open(self, create: bool, adopt: bool) -> None:
        exists = self.path is None or (self.path.is_file() and self.path.stat().st_size > 0)
        if not exists and (self.readonly or not create):
            raise MetadataError("there is no metadata database", where=str(self.path), hint="run a pipeline first.")
        if self.path is not None and not exists:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        # A look without touching: an alien or unadopted database must stay exactly as it is.
        if exists and self.is_sqlite:
            with self._guard():
                state = self._look()
            if state == "foreign" and not adopt:
                self.readonly = True
        self._engine = self._new_engine()
        if not self.readonly:
            with self._guard():
                self._prepare(adopt)

    def _look(self) -> str:
        """``empty``, ``foreign`` (ML Metadata without our tables) or ``ours``; the engine used is read-only."""
        assert self.path is not None
        engine = sa.create_engine(
            f"sqlite:///file:{self.path}?mode=ro&uri=true",
            poolclass=sa.NullPool,
            connect_args={"timeout": _BUSY_SECONDS},
        )
        try:
            with engine.connect() as connection:
                return self._state(connection)
        finally:
            engine.dispose()

    def _state(self, connection: sa.Connection) -> str:
        names = set(sa.inspect(connection).get_table_names())
        if not names:
            return "empty"
        if "MLMDEnv" not in names:
            raise MetadataError(
                "this database is not one of ML Metadata (it has no table MLMDEnv)",
                where=self.place,
                hint="give another path: nothing was changed.",
            )
        self._check(connection, tables.env.c.schema_version, tables.MLMD_VERSION, "ML Metadata schema")
        if own_tables.own_env.name not in names:
            return "foreign"
        self._check(connection, own_tables.own_env.c.version, own_tables.OWN_VERSION, "trueline tables")
        return "ours"

    def _check(self, connection: sa.Connection, column: sa.Column[Any], wanted: int, what: str) -> None:
        versions = list(connection.execute(sa.select(column)).scalars())
        if versions != [wanted]:
            found = ", ".join(map(str, versions)) or "none"
            raise MetadataError(
                f"the {what} version is {found}, this trueline reads {wanted}",
                where=self.place,
                hint="upgrade the database with the program that made it, or use the trueline that fits: "
                "nothing was changed.",
            )

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise MetadataError(
                f"the metadata database cannot be opened: {error.orig}",
                where=self.place,
                hint="is it an SQLite file, and may this user read and write it?",
            ) from error

    def _new_engine(self) -> sa.Engine:
        if not self.is_sqlite:
            return sa.create_engine(self.url, pool_pre_ping=True)
        url = f"sqlite:///file:{self.path}?mode=ro&uri=true" if self.readonly else self.url
        engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, pool_size=8, max_overflow=64)
        sa.event.listen(engine, "connect", self._on_connect)
        sa.event.listen(engine, "begin", _on_begin)
        return engine

    def _on_connect(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions on its own
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
        if not self.readonly:
            # The switch to WAL may be refused at once, without waiting, while another process holds a lock.
            for attempt in range(_ATTEMPTS * 4):
                try:
                    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                        cursor.execute("PRAGMA journal_mode=WAL")
                    break
                except Exception as error:
                    if "locked" not in str(error) or attempt == _ATTEMPTS * 4 - 1:
                        raise
                    time.sleep(random.uniform(0.01, 0.1))  # noqa: S311
            cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    def _prepare(self, adopt: bool) -> None:
        """Creates what is missing, inside one transaction, so that two first users do not meet half a schema."""

        def work(connection: sa.Connection) -> None:
            state = self._state(connection)
            if state == "ours" or (state == "foreign" and not adopt):
                return
            if state == "empty":
                tables.metadata.create_all(connection)
                connection.execute(tables.env.insert().values(schema_version=tables.MLMD_VERSION))
                rows = [{"name": name, "type_kind": int(kind)} for name, kind in BUILTIN_TYPES]
                connection.execute(tables.type_.insert(), rows)
            else:
                own = [t for t in tables.metadata.sorted_tables if t.name.startswith("trueline_")]
                tables.metadata.create_all(connection, tables=own)
            connection.execute(own_tables.own_env.insert().values(version=own_tables.OWN_VERSION))

        self.write(work)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection with one consistent view."""
        assert self._engine is not None
        with self._engine.connect() as connection:
            yield connection

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Runs `work` in one transaction, again if another writer was in the way.

        Raises:
            MetadataError: the database is read-only, or stays locked.
        """
        if self.readonly:
            raise MetadataError(
                "this metadata database is open for reading only",
                where=self.place,
                hint="it was made by another program; `trueline store adopt` adds the tables that trueline needs.",
            )
        assert self._engine is not None
        for attempt in range(_ATTEMPTS):
            try:
                with self._engine.connect() as raw:
                    connection = raw.execution_options(trueline_write=True)
                    with connection.begin():
                        return work(connection)
            except IntegrityError:
                raise
            except OperationalError as error:
                if not any(word in str(error.orig).lower() for word in _RETRYABLE):
                    said = str(error.orig)
                    hint = next((remedy for word, remedy in _REMEDIES.items() if word in said.lower()), None)
                    raise MetadataError(
                        f"the metadata database refuses: {said}", where=self.place, hint=hint
                    ) from error
                last = error
                time.sleep(random.uniform(0.02, 0.1) * 2**attempt)  # noqa: S311
        raise MetadataError(
            f"the metadata database stays locked: {last.orig}",
            where=self.place,
            hint="does another program hold a transaction open on it?",
        ) from last

    def close(self) -> None:
        """Gives all connections back."""
        if self._engine is not None:
            self._engine.dispose()


def _on_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("trueline_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
