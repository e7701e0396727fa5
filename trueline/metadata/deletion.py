"""Deleting what a plan names: marked in one transaction, then the files, then the word that they are gone.

A collection that is killed leaves artifacts MARKED_FOR_DELETION, and the next one finishes them. Nobody uses a marked
artifact: the cache, resolvers and promotions take LIVE ones alone. The manifest is the first file to go, so that a
half-deleted artifact is not whole for anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import sqlalchemy as sa

from trueline._core import store as files
from trueline._core.errors import TruelineError, first_line
from trueline._core.manifest import MANIFEST_NAME
from trueline.metadata.artifact_pins import state_of
from trueline.metadata.locks import lock_runs_too
from trueline.metadata.node_rows import chunks, now_ms
from trueline.metadata.places import bytes_of, place_problem
from trueline.metadata.records import ArtifactState
from trueline.metadata.retention import Doomed, GcPlan, plan_gc, plan_in
from trueline.metadata.retention_graph import stamp
from trueline.metadata.retention_rules import GcPolicy
from trueline.metadata.store import MetadataStore
from trueline.metadata.tables import artifact

__all__ = ["Failure", "GcResult", "collect", "mark"]

_ATTEMPTS = 5
_GONE = (ArtifactState.MARKED_FOR_DELETION, ArtifactState.DELETED, ArtifactState.ABANDONED)


@dataclass(frozen=True)
class Failure:
    """An artifact whose files could not be deleted; it stays marked, and the next collection tries again."""

    artifact_id: int
    uri: str
    message: str


@dataclass(frozen=True)
class GcResult:
    """What a collection did.

    Attributes:
        plan: what was marked, and what was kept and why.
        deleted: artifacts whose files are gone, with the bytes that this freed.
        failed: artifacts whose files are not.
        bytes: what was freed.
    """

    plan: GcPlan
    deleted: tuple[Doomed, ...]
    failed: tuple[Failure, ...]
    bytes: int


def collect(
    store: MetadataStore, policy: GcPolicy | None = None, on_deleted: Callable[[Doomed], None] | None = None
) -> GcResult:
    """Deletes everything that the policy does not keep, and finishes what an earlier collection began.

    Two at once do each other no harm: both may remove the same files, and say so.

    Raises:
        MetadataError: no such pipeline, or the database cannot be written to. What fails for single artifacts is
            in the result.
    """
    plan = mark(store, plan_gc(store, policy, sizes=False))
    deleted: list[Doomed] = []
    failed: list[Failure] = []
    freed = 0
    for item in plan.doomed:
        size, problem = _delete(store, item)
        if problem is None:
            gone = replace(item, bytes=size)
            deleted.append(gone)
            freed += size
            if on_deleted is not None:
                on_deleted(gone)
        else:
            failed.append(Failure(item.artifact_id, item.uri, problem))
    return GcResult(plan, tuple(deleted), tuple(failed), freed)


def mark(store: MetadataStore, plan: GcPlan) -> GcPlan:
    """Marks what the plan names, in one transaction; the plan that was carried out.

    If anything happened since the plan was read (a run began, an alias moved), it is made anew within the
    transaction, while no run begins and no alias, pin or release changes.
    """

    def work(connection: sa.Connection) -> GcPlan:
        lock_runs_too(connection)
        valid = plan if stamp(connection) == plan.stamp else plan_in(connection, plan.policy)
        live = artifact.c.state == int(ArtifactState.LIVE)
        marked = {
            "state": int(ArtifactState.MARKED_FOR_DELETION),
            "last_update_time_since_epoch": now_ms(),
        }
        for part in chunks(item.artifact_id for item in valid.doomed if not item.marked):
            connection.execute(artifact.update().where(artifact.c.id.in_(part), live).values(**marked))
        return valid

    return store.database.write(work)


def _delete(store: MetadataStore, item: Doomed) -> tuple[int, str | None]:
    """(bytes freed, why it failed)."""
    with store.database.read() as connection:
        state = _state_now(connection, item.artifact_id)
        shared = _others(connection, item)
    if state is ArtifactState.DELETED:
        return 0, None
    if state is not ArtifactState.MARKED_FOR_DELETION:
        return 0, f"it is {state.name} by now"
    size = 0
    if shared is None:
        if problem := place_problem(item.uri, item.root or None):
            return 0, problem
        size = bytes_of(item.uri)
        if problem := _remove_files(item.uri):
            return 0, problem
    store.database.write(lambda connection: _say_deleted(connection, item.artifact_id))
    return size, None


def _state_now(connection: sa.Connection, artifact_id: int) -> ArtifactState:
    """The state of an artifact, read without holding its row."""
    return ArtifactState(
        connection.execute(sa.select(artifact.c.state).where(artifact.c.id == artifact_id)).scalar() or 0
    )


def _others(connection: sa.Connection, item: Doomed) -> int | None:
    """An artifact that is not being deleted and has the same files, files below them or files above them."""
    below = (artifact.c.uri >= f"{item.uri}/") & (artifact.c.uri < f"{item.uri}0")
    there = artifact.c.state.is_(None) | artifact.c.state.not_in([int(state) for state in _GONE])
    query = sa.select(artifact.c.id).where(
        there, artifact.c.id != item.artifact_id, artifact.c.uri.in_([item.uri, *_above(item)]) | below
    )
    return connection.execute(query.limit(1)).scalar()


def _above(item: Doomed) -> Iterator[str]:
    place = item.uri
    while len(place := place.rpartition("/")[0]) >= len(item.root) > 0:
        yield place


def _remove_files(uri: str) -> str | None:
    """Removes all files at a place, its manifest first; why it failed, or None. What is gone already is no failure."""
    for attempt in range(_ATTEMPTS):
        try:
            files.remove_tree(files.join(uri, MANIFEST_NAME))
            files.remove_tree(uri)
        except FileNotFoundError:  # another collection was quicker
            if attempt == _ATTEMPTS - 1:
                return "its files change while they are deleted"
        except OSError as error:
            return f"{error.filename or uri}: {(error.strerror or str(error)).lower()}"
        except TruelineError as error:
            return first_line(error)
        else:
            return None
    return None


def _say_deleted(connection: sa.Connection, artifact_id: int) -> None:
    if state_of(connection, artifact_id) is ArtifactState.MARKED_FOR_DELETION:
        values = {"state": int(ArtifactState.DELETED), "last_update_time_since_epoch": now_ms()}
        connection.execute(artifact.update().where(artifact.c.id == artifact_id).values(**values))
