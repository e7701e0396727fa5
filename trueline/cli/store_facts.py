"""What can be said of a metadata database by looking at it: its tables' versions, how much is in it, what is amiss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trueline._core.errors import ArtifactError, MetadataError, TruelineError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from trueline.metadata import MetadataStore

__all__ = ["SAMPLED", "StoreFacts", "amiss", "facts_of"]

SAMPLED = 200
"""How many artifacts, the newest ones, are looked at where not all are asked for."""
_STEPS: Mapping[str, str] = {
    "foreign": "`trueline store adopt` adds the tables that trueline needs; what is there stays as it is.",
    "old": "`trueline store upgrade` brings the tables to the newest version.",
    "empty": "a run makes the tables.",
    "half": "a run makes the rest of the tables: their creation was interrupted.",
}


@dataclass(frozen=True)
class StoreFacts:
    """One database.

    Attributes:
        place: its address, without a password.
        kind: ``ours``; ``foreign``: ML Metadata's tables alone; ``empty``; ``half``: a creation that was interrupted.
        mlmd_version, own_version: of ML Metadata's tables and of trueline's.
        current: whether both are the newest that this trueline knows.
        bytes: of an SQLite file.
        counts: rows of ``runs``, ``artifacts``, ``executions`` and ``contexts``.
        next: what to do where it cannot be used as it is, or "".
    """

    place: str
    kind: str
    mlmd_version: int
    own_version: int
    current: bool
    bytes: int | None
    counts: Mapping[str, int]
    next: str


def facts_of(location: str, *, quick_check: bool = False) -> StoreFacts:
    """Looks at a database of any version; nothing is changed.

    Args:
        location: a path or URL.
        quick_check: also let SQLite check the file's pages.

    Raises:
        MetadataError: it is not there, cannot be opened, is damaged, or is no metadata database.
    """
    from trueline.metadata.schema_state import look

    with _looking(location) as (connection, place, file):
        if quick_check and file is not None:
            _check_pages(connection, place)
        state = look(connection, place)
        counts = _counts(connection) if state.kind in ("ours", "foreign") else {}
        old = state.kind == "ours" and not state.current
        return StoreFacts(
            place=place,
            kind=state.kind,
            mlmd_version=state.mlmd,
            own_version=state.own,
            current=state.current,
            bytes=file.stat().st_size if file is not None else None,
            counts=counts,
            next=_STEPS["old"] if old else _STEPS.get(state.kind, ""),
        )


@contextmanager
def _looking(location: str) -> Iterator[tuple[sa.Connection, str, Path | None]]:
    """A connection that changes nothing, the address to show, and SQLite's file."""
    import sqlalchemy as sa
    from sqlalchemy.exc import DBAPIError

    from trueline.metadata.connect import new_engine, place_of, url_of

    url = url_of(location)
    place = place_of(url)
    file = Path(sa.make_url(url).database or "") if url.startswith("sqlite") else None
    if file is not None and not file.is_file():
        raise MetadataError("there is no metadata database", where=str(file), hint="run a pipeline first.")
    engine = new_engine(url, readonly=True)
    try:
        with engine.connect() as connection:
            yield connection, place, file
    except DBAPIError as error:
        password = sa.make_url(url).password
        said = str(error.orig).strip()
        raise MetadataError(
            f"it cannot be read: {said.replace(str(password), '***') if password else said}", where=place
        ) from error
    finally:
        engine.dispose()


def _check_pages(connection: sa.Connection, place: str) -> None:
    import sqlalchemy as sa

    said = [str(line) for line in connection.execute(sa.text("PRAGMA quick_check(5)")).scalars()]
    if said != ["ok"]:
        raise MetadataError(
            "the database file is damaged", where=place, problems=said, hint="put back a copy; do not write to it."
        )


def _counts(connection: sa.Connection) -> dict[str, int]:
    import sqlalchemy as sa

    from trueline.metadata import own_tables, tables
    from trueline.metadata.schema_state import stored_tables

    stored = stored_tables(connection)
    wanted = {
        "runs": own_tables.run,
        "artifacts": tables.artifact,
        "executions": tables.execution,
        "contexts": tables.context,
    }
    found = {}
    for name, table in wanted.items():
        there = stored.get(table.name.lower())
        rows = connection.execute(sa.select(sa.func.count()).select_from(sa.table(there))) if there else None
        found[name] = int(rows.scalar_one()) if rows is not None else 0
    return found


def amiss(store: MetadataStore, *, every_file: bool = False) -> tuple[list[str], int]:
    """What is not as it should be, one sentence each, and how many artifacts were looked at.

    Args:
        store: a database of ours.
        every_file: look at all LIVE artifacts, not at the newest alone.
    """
    from trueline.metadata.records import ArtifactState
    from trueline.metadata.run_ends import dead_runs
    from trueline.pipeline.handles import verified_fingerprint

    found = []
    for dead in dead_runs(store):
        writing = "".join(f"; execution {number} of {node} was open" for number, node, _ in dead.executions)
        found.append(f"run {dead.run_id} is not ended, and its process is gone{writing}")
    live = store.artifacts(state=ArtifactState.LIVE, newest_first=True, limit=None if every_file else SAMPLED)
    for artifact in live:
        try:
            verified_fingerprint(artifact)
        except ArtifactError as error:
            said = error.message if f"artifact {artifact.id} " in error.message else _named(artifact.id, error)
            found.append(f"{said} ({artifact.uri})")
        except (OSError, TruelineError) as error:
            found.append(f"artifact {artifact.id} cannot be looked at: {error} ({artifact.uri})")
    return found, len(live)


def _named(number: int | None, error: TruelineError) -> str:
    return f"artifact {number}: {error.message}"
