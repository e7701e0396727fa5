"""Opening a metadata database: which versions are let in, and how reading and writing behave beside other processes.

A write is one short transaction that first takes its turn (see `trueline.metadata.connect`); what is refused all the
same, by a deadlock with another program or a server that was restarted, is tried again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from trueline._core.errors import MetadataError
from trueline.metadata.connect import READING, lock_writers, new_engine, place_of, url_of
from trueline.metadata.creation import complete, refuse_old_schema
from trueline.metadata.migrations import reading_views
from trueline.metadata.schema_state import SchemaState, look

__all__ = ["Database", "url_of"]

T = TypeVar("T")
_Turn = Callable[[sa.Connection], AbstractContextManager[None]]
_ATTEMPTS = 8
_RETRYABLE = (
    "locked",
    "busy",
    "deadlock",
    "could not serialize",
    "serialization",
    "lock wait timeout",
    "lock timeout",
    "try restarting transaction",
)
_REMEDIES = {
    "readonly": "may this user write to the database file and its folder? Choose another root, or mend the rights.",
    "read-only": "may this user write to the database? Choose another one, or mend the rights.",
    "disk is full": "the disk is full: free some space and run again; what was published before is whole.",
    "no space left": "the server's disk is full: free some space and run again; what was published before is whole.",
    "malformed": "the file is damaged: put a copy back, or move it away, and a run begins a new one.",
    "unable to open": "may this user read and write the folder?",
    **dict.fromkeys(
        (
            "server closed",
            "terminating connection",
            "connection failed",
            "is the server running",
            "gone away",
            "can't connect",
            "lost connection",
        ),
        "does the server run? What was published is whole; a run that this ended can be taken up again.",
    ),
    "permission denied": "this user may not change these tables: ask for the right to, or use another user.",
}


class Database:
    """A checked connection to one database.

    Args:
        location: a path, or an SQLAlchemy URL of SQLite, PostgreSQL, MySQL or MariaDB.
        create: make the tables if the database is empty or absent. On a server the database itself must be there.
        adopt: add trueline's tables to an ML Metadata database that has none.
        readonly: never write.
        upgrade: bring ML Metadata's tables of an older schema version to the newest. trueline's own are brought there
            whenever the database is opened for writing.

    Attributes:
        place: the address as errors tell it, without the password.
        readonly: whether writing is refused; always so for a database that another program made, until adopted.
        adopted: whether trueline's own tables are there.

    Raises:
        MetadataError: the file is no database, has another schema version, or does not exist and `create` is off.
    """

    def __init__(
        self,
        location: str,
        *,
        create: bool = True,
        adopt: bool = False,
        readonly: bool = False,
        upgrade: bool = False,
    ) -> None:
        self.url = url_of(location)
        self.place = place_of(self.url)
        self.is_sqlite = self.url.startswith("sqlite")
        self.path = Path(sa.make_url(self.url).database or "") if self.is_sqlite else None
        self.readonly = readonly
        self._types: dict[tuple[Any, int | str], Any] = {}
        exists = self.path is None or (self.path.is_file() and self.path.stat().st_size > 0)
        if not exists and (readonly or not create):
            raise self._absent()
        if self.path is not None and not exists:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._guard():
                self._open(exists, create, adopt, upgrade)
        except BaseException:
            self.close()
            raise

    def _open(self, exists: bool, create: bool, adopt: bool, upgrade: bool) -> None:
        # A look without touching: an alien or unadopted database must stay exactly as it is.
        self._engine = new_engine(self.url, readonly=exists and self.is_sqlite)
        state = self._look() if exists else SchemaState("empty")
        if state.kind in ("empty", "half") and (self.readonly or not create):
            raise self._absent()
        if not upgrade or self.readonly:
            refuse_old_schema(state, self.place)
        wanted = not state.current and (adopt or upgrade or state.kind != "foreign")
        if wanted and not self.readonly:
            self._reopen(readonly=False)
            self._transaction(lambda c: complete(c, look(c, self.place), adopt=adopt, upgrade=upgrade), self._lock_all)
            state = self._look()
        self.adopted = state.kind == "ours"
        self.readonly = self.readonly or not self.adopted
        views = reading_views(state.own) if self.is_sqlite and self.adopted and not state.current else ()
        if self.adopted and not state.current and not views:
            raise MetadataError(
                f"the trueline tables have version {state.own}, which is older than this trueline's",
                where=self.place,
                hint="open the database once for writing, with `trueline store upgrade` or a run: that brings them up.",
            )
        self._reopen(self.readonly, views)
        self._path_order = state.path_order

    def _absent(self) -> MetadataError:
        place = str(self.path) if self.path is not None else self.place
        return MetadataError("there is no metadata database", where=place, hint="run a pipeline first.")

    def _reopen(self, readonly: bool, views: tuple[str, ...] = ()) -> None:
        self._engine.dispose()
        self._engine = new_engine(self.url, readonly=readonly, views=views)

    def _look(self) -> SchemaState:
        with self._engine.connect() as connection:
            return look(connection, self.place)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            hint = "is it an SQLite file, and may this user read and write it?"
            if not self.is_sqlite:
                hint = "does the server run, is the database there (CREATE DATABASE), and may this user use it?"
            raise MetadataError(
                f"the metadata database cannot be opened: {self._said(error)}", where=self.place, hint=hint
            ) from error

    def _said(self, error: DBAPIError) -> str:
        """The database's words, without the password."""
        said, password = str(error.orig).strip(), sa.make_url(self.url).password
        return said.replace(str(password), "***") if password else said

    @contextmanager
    def _lock_all(self, connection: sa.Connection) -> Iterator[None]:
        """Nobody else creates or upgrades tables meanwhile."""
        if connection.dialect.name != "mysql":
            lock_writers(connection)
            yield
            return
        # MySQL ends a transaction at each change of tables, and with it a transaction's locks.
        if connection.scalar(sa.text("SELECT GET_LOCK(CONCAT('trueline ', MD5(DATABASE())), 60)")) != 1:
            raise MetadataError(
                "another process has been making or upgrading the tables for a minute",
                where=self.place,
                hint="try again when it has finished.",
                code="ABORTED",
            )
        try:
            yield
            connection.exec_driver_sql("COMMIT")  # who comes next must see the rows too
        finally:
            connection.execute(sa.text("SELECT RELEASE_LOCK(CONCAT('trueline ', MD5(DATABASE())))"))

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection with one consistent view.

        Raises:
            MetadataError: the database refuses what is asked, or cannot be reached.
        """
        try:
            with self._engine.connect() as connection:
                options = READING.get(connection.dialect.name, {})
                yield connection.execution_options(trueline_path_order=self._path_order, **options)
        except DBAPIError as error:
            raise self._refusal(error) from error

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Runs `work` in one transaction, again if another writer was in the way: it must do the same twice.

        Raises:
            MetadataError: the database is read-only, refuses, or stays locked.
            sqlalchemy.exc.IntegrityError: a key is taken, where `work` does not say so itself.
        """
        if self.readonly:
            raise MetadataError(
                "this metadata database is open for reading only",
                where=self.place,
                hint="it was made by another program; `trueline store adopt` adds the tables that trueline needs."
                if not self.adopted
                else "open it again without readonly.",
                code="FAILED_PRECONDITION",
            )
        raced = False
        last: DBAPIError | None = None
        for attempt in range(_ATTEMPTS):
            try:
                return self._transaction(work, _turn)
            except (IntegrityError, MetadataError) as error:
                # Another program may have been first with the same name; a second look finds it.
                taken = isinstance(error, IntegrityError) or isinstance(error.__cause__, IntegrityError)
                if self.is_sqlite or raced or not taken:
                    raise
                raced = True
            except DBAPIError as error:
                if not self._again(error):
                    raise self._refusal(error) from error
                last = error
                time.sleep(random.uniform(0.02, 0.1) * 2**attempt)  # noqa: S311
        assert last is not None
        raise MetadataError(
            f"the metadata database stays locked: {self._said(last)}",
            where=self.place,
            hint="does another program hold a transaction open on it?",
            code="ABORTED",
        ) from last

    def _transaction(self, work: Callable[[sa.Connection], T], turn: _Turn) -> T:
        with self._engine.connect() as raw:
            connection = raw.execution_options(trueline_write=True, trueline_types=self._types)
            transaction = connection.begin()
            try:
                with turn(connection):
                    result = work(connection)
            except BaseException:
                self._types.clear()  # one that was made here is gone again
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                raise MetadataError(
                    "the connection was lost while a change was being stored: it may be there or not",
                    where=self.place,
                    hint="look before you do it again.",
                    code="UNKNOWN",
                ) from error
            return result

    def _again(self, error: DBAPIError) -> bool:
        said = str(error.orig).lower()
        return error.connection_invalidated or any(word in said for word in _RETRYABLE)

    def _refusal(self, error: DBAPIError) -> MetadataError:
        said = self._said(error)
        if isinstance(error, DataError):
            return MetadataError(
                f"a value does not fit the metadata database: {said}",
                where=self.place,
                hint="a number, name or text is longer than its column; names have at most 255 letters.",
                code="INVALID_ARGUMENT",
            )
        hint = next((remedy for word, remedy in _REMEDIES.items() if word in said.lower()), None)
        return MetadataError(f"the metadata database refuses: {said}", where=self.place, hint=hint)

    def close(self) -> None:
        """Gives all connections back."""
        engine = getattr(self, "_engine", None)
        if engine is not None:
            engine.dispose()


@contextmanager
def _turn(connection: sa.Connection) -> Iterator[None]:
    lock_writers(connection)
    yield
