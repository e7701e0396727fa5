"""Releases: a model's artifacts with semantic versions that follow from their lineage.

A model is a name, by default its pipeline's. Each release is compared with the one before it (see
`trueline.metadata.model_changes`); the first is 1.0.0. What a Pusher pushed is a release, and `release_pushed` makes
the missing ones: they follow from the lineage alone, whoever asks first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from trueline._core.errors import ArtifactError, MetadataError, did_you_mean
from trueline._core.manifest import read_manifest
from trueline.metadata.alias_rows import read_alias
from trueline.metadata.locks import lock_registry
from trueline.metadata.model_changes import compare, next_version
from trueline.metadata.model_origin import origin_of
from trueline.metadata.node_rows import ARTIFACTS, now_ms, read_nodes
from trueline.metadata.own_tables import release as table
from trueline.metadata.pushes import unreleased_pushes
from trueline.metadata.records import Artifact, ArtifactState
from trueline.metadata.store import MetadataStore
from trueline.metadata.tables import artifact as artifact_table
from trueline.metadata.tables import properties
from trueline.metadata.verdicts import verdict_of
from trueline.metadata.words import CUSTOM, FINGERPRINT, current_user, fingerprint_of, is_external, is_sampled

__all__ = [
    "STAGES",
    "Release",
    "check_whole",
    "find_release",
    "model_artifact",
    "model_name",
    "read_releases",
    "release",
    "release_pushed",
    "releases",
    "write_release",
]

STAGES = ("candidate", "production", "archived")
_NOTES_FORMAT = 1


@dataclass(frozen=True)
class Release:
    """One release of a model.

    Attributes:
        model, version: its name; ``version`` is semantic, such as 1.2.0.
        artifact_id: the Model.
        stage: ``candidate``, ``production`` or ``archived``.
        released: milliseconds since the epoch.
        notes: ``origin``, ``changes``, ``before`` (the version compared with), ``metrics`` and ``history``, as JSON.
    """

    model: str
    version: str
    artifact_id: int
    stage: str
    released: int
    released_by: str | None
    notes: Mapping[str, Any]
    id: int = 0


def releases(store: MetadataStore, model: str | None = None) -> list[Release]:
    """Releases of one model or of all, the newest first within each model."""
    if not store.database.adopted:
        return []
    with store.database.read() as connection:
        return read_releases(connection, model)


def read_releases(
    connection: sa.Connection,
    model: str | None = None,
    *,
    artifact_ids: Sequence[int] | None = None,
    newest: int | None = None,
) -> list[Release]:
    """`releases` inside a transaction of the caller: of given artifacts alone, or the `newest` so many."""
    query = sa.select(table).order_by(table.c.model, table.c.id.desc()).limit(newest)
    if model is not None:
        query = query.where(table.c.model == model)
    if artifact_ids is not None:
        query = query.where(table.c.artifact_id.in_(artifact_ids))
    return [_record(row) for row in connection.execute(query).mappings()]


def _record(row: Mapping[Any, Any]) -> Release:
    return Release(**{**row, "notes": json.loads(row["notes"])})


def write_release(connection: sa.Connection, changed: Release) -> None:
    """Stores stage, artifact and notes of a release that exists."""
    values = {"stage": changed.stage, "artifact_id": changed.artifact_id}
    notes = json.dumps(dict(changed.notes), sort_keys=True)
    connection.execute(table.update().where(table.c.id == changed.id).values(**values, notes=notes))


def find_release(store: MetadataStore, model: str, which: str) -> Release:
    """A release by its version, by an alias, by its artifact's number, or ``latest``.

    Raises:
        MetadataError: there is no such model or release.
    """
    found = releases(store, model)
    if not found:
        known = sorted({r.model for r in releases(store)})
        raise MetadataError(f"there is no release of a model {model!r}", hint=did_you_mean(model, known))
    with store.database.read() as connection:
        named = read_alias(connection, model, which)
    for candidate in found:
        if which in ("latest", candidate.version, str(candidate.artifact_id)) or (
            named is not None and named.artifact_id == candidate.artifact_id
        ):
            return candidate
    raise MetadataError(
        f"model {model!r} has no release {which!r}", hint=did_you_mean(which, [r.version for r in found])
    )


def model_artifact(store: MetadataStore, artifact_id: int) -> Artifact:
    """The artifact of a model.

    Raises:
        MetadataError: no such artifact, or it is no Model.
    """
    found = store.artifacts(ids=[artifact_id])
    if not found:
        raise MetadataError(f"there is no artifact with id {artifact_id}")
    if found[0].type != "Model":
        raise MetadataError(
            f"artifact {artifact_id} is of type {found[0].type}, not a Model",
            hint="`trueline artifacts --type Model` lists the models.",
        )
    return found[0]


def model_name(store: MetadataStore, artifact: Artifact) -> str:
    """The name that a model goes by: the pipeline that made it.

    Raises:
        MetadataError: it belongs to no pipeline.
    """
    contexts = store.contexts(type="pipeline", artifact=artifact.id)
    if not contexts:
        raise MetadataError(f"artifact {artifact.id} belongs to no pipeline", hint="give the model's name.")
    return contexts[0].name


def check_whole(artifact: Artifact, *, contents: bool = True) -> None:
    """Holds a model to its manifest and to the fingerprint that it was published with.

    Raises:
        ArtifactError: it is not LIVE, or its files are gone or changed.
    """
    uri = artifact.uri or ""
    if artifact.state is not ArtifactState.LIVE:
        raise ArtifactError(f"artifact {artifact.id} is {artifact.state.name}, not LIVE", where=uri)
    manifest = read_manifest(uri, verify="sha256" if contents else "size")
    stored = fingerprint_of(artifact)
    if stored is not None and not is_external(artifact) and stored != manifest.fingerprint:
        raise ArtifactError(f"artifact {artifact.id} was changed since it was published", where=uri)


def release(
    store: MetadataStore,
    artifact_id: int,
    model: str | None = None,
    *,
    by: str | None = None,
    at: int | None = None,
    contents: bool = True,
) -> Release:
    """Makes an artifact a release of a model. One with the same contents is that release already.

    Args:
        store: the metadata store.
        artifact_id: a LIVE Model whose files are whole, of a full run.
        model: the model's name; by default the pipeline's.
        by, at: who released it and when (milliseconds); by default the user, now.
        contents: compare all bytes with the manifest, not the sizes alone.

    Raises:
        MetadataError: no such artifact, no Model, or made by a sampled run.
        ArtifactError: its files are not whole.
    """
    artifact = model_artifact(store, artifact_id)
    name = model if model is not None else model_name(store, artifact)
    if store.database.adopted:
        with store.database.read() as connection:
            if known := read_releases(connection, name, artifact_ids=[artifact_id]):
                return known[0]
    check_whole(artifact, contents=contents)
    origin = origin_of(store, artifact)
    if origin["sampled"] or is_sampled(artifact):
        raise MetadataError(
            f"model {artifact_id} comes from a sampled run, which is no release", hint="run the pipeline on all rows."
        )
    metrics = dict(verdict_of(store, artifact).metrics)
    when, who = at if at is not None else now_ms(), by or current_user()

    def work(connection: sa.Connection) -> Release:
        lock_registry(connection)
        same = _same_contents(connection, name, artifact)
        if same is not None:
            return same
        before = next(iter(read_releases(connection, name, newest=1)), None)
        notes = _notes(before, origin, metrics)
        version = next_version(None if before is None else before.version, notes["changes"]["level"])
        made = Release(name, version, artifact_id, "candidate", when, who, notes)
        values = {key: value for key, value in vars(made).items() if key != "id"}
        row = connection.execute(table.insert().values({**values, "notes": json.dumps(notes, sort_keys=True)}))
        assert row.inserted_primary_key is not None
        return replace(made, id=int(row.inserted_primary_key[0]))

    try:
        return store.database.write(work)
    except IntegrityError:  # on a database that locks otherwise: somebody else was first, and the next look tells
        return store.database.write(work)


def _same_contents(connection: sa.Connection, model: str, artifact: Artifact) -> Release | None:
    """The release that has these contents; where its own files are gone, these take their place."""
    assert artifact.id is not None
    same = {artifact.id}
    if (fingerprint := fingerprint_of(artifact)) is not None:
        named = properties["Artifact"]
        query = sa.select(named.c.artifact_id).where(
            named.c.name == FINGERPRINT, named.c.is_custom_property == CUSTOM, named.c.string_value == fingerprint
        )
        same |= set(connection.execute(query).scalars())
    for earlier in read_releases(connection, model, artifact_ids=sorted(same)[-500:]):
        stored = read_nodes(connection, ARTIFACTS, artifact_table.c.id == earlier.artifact_id)
        if stored and stored[0].state is ArtifactState.LIVE:
            return earlier
        moved = replace(earlier, artifact_id=artifact.id)
        write_release(connection, moved)
        return moved
    return None


def _notes(before: Release | None, origin: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, Any]:
    changes: dict[str, Any] = {"level": "major"}
    if before is not None:
        changes = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(_compared(before, origin)).items()}
    return {
        "format": _NOTES_FORMAT,
        "before": None if before is None else before.version,
        "changes": changes,
        "origin": dict(origin),
        "metrics": dict(metrics),
        "metrics_before": None if before is None else before.notes.get("metrics") or {},
        "history": [],
    }


def _compared(before: Release, origin: Mapping[str, Any]) -> Any:
    return compare(before.notes["origin"], origin)


def release_pushed(store: MetadataStore, model: str | None = None, limit: int | None = None) -> list[Release]:
    """Makes a release of every pushed model that is none yet, in the order of the pushes; those made now.

    At most `limit`: the next call goes on.

    Models of sampled runs and models whose files are no longer whole are passed over.
    """
    made: list[Release] = []
    for push in unreleased_pushes(store, model):
        if limit is not None and len(made) >= limit:
            break
        try:
            made.append(
                release(store, push.model_id, push.model, by=f"run {push.run_id}", at=push.pushed, contents=False)
            )
        except (ArtifactError, MetadataError):
            continue
    return made
