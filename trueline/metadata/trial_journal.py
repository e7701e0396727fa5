"""Trials of a search, kept in the run's database so that a search that was stopped or killed goes on where it was.

Two tables beside trueline's others, made on first use: a database of an earlier trueline opens unchanged, and one with
these tables stays readable to ML Metadata's own client. They have a version of their own, kept with each search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from trueline._core.errors import MetadataError
from trueline.metadata.database import Database
from trueline.metadata.node_rows import now_ms

__all__ = ["TRIALS_VERSION", "TrialJournal"]

TRIALS_VERSION = 1

_metadata = sa.MetaData()
_search = sa.Table(
    "trueline_search",
    _metadata,
    sa.Column("search_id", sa.String(255), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("started", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.BigInteger),
)
_trial = sa.Table(
    "trueline_trial",
    _metadata,
    sa.Column("search_id", sa.String(255), nullable=False),
    sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
    sa.Column("record", sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
    sa.Column("written", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("search_id", "number"),
)


class TrialJournal:
    """The trials of one search.

    A search that was finished before and is begun again starts anew; one that was not goes on. Two processes may
    write to the same search at once: of two records of one trial the first stays.

    Args:
        location: the metadata database: a path, or an SQLAlchemy URL.
        search_id: which search: a key of code, parameters and data; at most 255 letters.

    Raises:
        MetadataError: no such database, or one whose search was written by another version.
    """

    def __init__(self, location: str, search_id: str) -> None:
        self._id = search_id
        self._database = Database(location, create=False)
        try:
            self._make_tables()
            try:
                self._database.write(self._begin)
            except IntegrityError:  # another process began the same search at this moment: it is there now
                self._database.write(self._begin)
        except BaseException:
            self._database.close()
            raise

    def _make_tables(self) -> None:
        """Makes the tables where they are not; another process may do so at the same moment."""

        def there(connection: sa.Connection) -> bool:
            return {_search.name, _trial.name} <= set(sa.inspect(connection).get_table_names())

        with self._database.read() as connection:
            if there(connection):
                return
        try:
            self._database.write(_metadata.create_all)
        except (IntegrityError, OperationalError, ProgrammingError, MetadataError):
            with self._database.read() as connection:
                if not there(connection):
                    raise

    def _begin(self, connection: sa.Connection) -> None:
        found = connection.execute(sa.select(_search).where(_search.c.search_id == self._id)).mappings().first()
        if found is not None and found["version"] != TRIALS_VERSION:
            raise MetadataError(
                f"the trials of this search have version {found['version']}, this trueline reads {TRIALS_VERSION}",
                hint="use the trueline that began the search: nothing was changed.",
            )
        if found is not None and found["state"] == "RUNNING":
            return
        if found is not None:
            connection.execute(_trial.delete().where(_trial.c.search_id == self._id))
            connection.execute(_search.delete().where(_search.c.search_id == self._id))
        values = {"search_id": self._id, "version": TRIALS_VERSION, "state": "RUNNING", "started": now_ms()}
        connection.execute(_search.insert().values(**values))

    def read(self) -> list[str]:
        """The records in order of numbers."""
        wanted = sa.select(_trial.c.record).where(_trial.c.search_id == self._id).order_by(_trial.c.number)
        with self._database.read() as connection:
            return [str(text) for text in connection.execute(wanted).scalars()]

    def write(self, number: int, record: str) -> None:
        """Keeps a trial's record; one that is there under the number stays."""
        values = {"search_id": self._id, "number": number, "record": record, "written": now_ms()}
        self._once(lambda connection: connection.execute(_trial.insert().values(**values)))

    def finish(self) -> None:
        """The search is done: the next one with this key begins anew. Its trials stay until then."""
        values = {"state": "COMPLETE", "finished": now_ms()}
        change = _search.update().where(_search.c.search_id == self._id).values(**values)
        self._database.write(lambda connection: connection.execute(change))

    def _once(self, work: Callable[[sa.Connection], Any]) -> None:
        try:
            self._database.write(work)
        except IntegrityError:
            return

    def close(self) -> None:
        """Gives the connections back."""
        self._database.close()
