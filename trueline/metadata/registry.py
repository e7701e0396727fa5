"""The models of a store: every one that was pushed, blessed or released, with its release, aliases and verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from trueline.metadata.alias_rows import aliases
from trueline.metadata.model_releases import Release, read_releases
from trueline.metadata.node_rows import ARTIFACTS, read_nodes
from trueline.metadata.pushes import Push, pushes
from trueline.metadata.records import Artifact, ArtifactState
from trueline.metadata.store import MetadataStore
from trueline.metadata.tables import artifact as artifact_table
from trueline.metadata.tables import attribution, context, properties, type_
from trueline.metadata.verdicts import verdict_of
from trueline.metadata.words import CUSTOM, is_sampled

__all__ = ["ModelEntry", "registered_models"]

_PAGE = 200


@dataclass(frozen=True)
class ModelEntry:
    """One line of the registry.

    Attributes:
        model: the model's name: the pipeline's, or the one that it was released under.
        artifact_id, uri, state: the Model.
        created: milliseconds since the epoch.
        release: its release; None for one that was blessed and never pushed or released.
        aliases: names that stand for it.
        blessed: the newest verdict; None where it was never judged.
        pushed: where it was pushed to, as ``destination@version``.
        metrics: its evaluation's, on all rows.
    """

    model: str
    artifact_id: int
    uri: str
    state: ArtifactState
    created: int
    release: Release | None
    aliases: tuple[str, ...]
    blessed: bool | None
    pushed: tuple[str, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)


def registered_models(
    store: MetadataStore,
    model: str | None = None,
    *,
    among: Collection[int] | None = None,
    limit: int | None = None,
) -> list[ModelEntry]:
    """Models that were released, pushed or blessed, the newest first; sampled ones are left out.

    Args:
        store: the metadata store.
        model: only this model.
        among: only these artifacts.
        limit: at most so many.
    """
    found: list[ModelEntry] = []
    for page in _pages(store, among):
        found += _entries(store, model, page, None if limit is None else limit - len(found))
        if limit is not None and len(found) >= limit:
            break
    return found


def _pages(store: MetadataStore, among: Collection[int] | None) -> Iterator[list[Artifact]]:
    """Models, the newest first, so many at a time."""
    last = None
    while True:
        where = [type_.c.name == "Model"]
        if last is not None:
            where.append(artifact_table.c.id < last)
        if among is not None:
            where.append(artifact_table.c.id.in_(sorted(i for i in among if last is None or i < last)[-_PAGE:]))
        with store.database.read() as connection:
            page = read_nodes(connection, ARTIFACTS, *where, newest_first=True, limit=_PAGE)
        if not page:
            return
        yield page
        last = page[-1].id


def _entries(store: MetadataStore, model: str | None, page: list[Artifact], limit: int | None) -> list[ModelEntry]:
    """The lines of some models."""
    ids = [artifact.id for artifact in page if artifact.id is not None]
    pushed: dict[tuple[str, int], list[Push]] = {}
    for push in pushes(store, model, ids):
        pushed.setdefault((push.model, push.model_id), []).append(push)
    known: dict[tuple[str, int], Release] = {}
    named: dict[tuple[str, int], list[str]] = {}
    if store.database.adopted:
        with store.database.read() as connection:
            known = {(r.model, r.artifact_id): r for r in read_releases(connection, model, artifact_ids=ids)}
        for alias in aliases(store, model):
            named.setdefault((alias.scope, alias.artifact_id), []).append(alias.name)
    by_id = {artifact.id: artifact for artifact in page if not is_sampled(artifact)}
    keys = sorted({*known, *pushed, *_blessed(store, model, ids)}, key=lambda key: (-key[1], key[0]))
    keys = [key for key in keys if key[1] in by_id][:limit]
    return [
        _entry(store, key[0], by_id[key[1]], known.get(key), named.get(key, []), pushed.get(key, [])) for key in keys
    ]


def _entry(
    store: MetadataStore, name: str, artifact: Artifact, release: Release | None, named: list[str], pushed: list[Push]
) -> ModelEntry:
    verdict = verdict_of(store, artifact)
    assert artifact.id is not None
    return ModelEntry(
        model=name,
        artifact_id=artifact.id,
        uri=artifact.uri or "",
        state=artifact.state,
        created=artifact.created,
        release=release,
        aliases=tuple(sorted(named)),
        blessed=verdict.blessed,
        pushed=tuple(dict.fromkeys(f"{push.destination}@{push.version}" for push in pushed)),
        metrics=verdict.metrics,
    )


def _blessed(store: MetadataStore, model: str | None, ids: list[int]) -> set[tuple[str, int]]:
    """(pipeline, model) of every blessing that says yes."""
    says, names = properties["Artifact"].alias(), properties["Artifact"].alias()
    context_type = type_.alias()
    query = (
        sa.select(context.c.name, names.c.int_value)
        .select_from(artifact_table)
        .join(type_, (type_.c.id == artifact_table.c.type_id) & (type_.c.name == "ModelBlessing"))
        .join(says, (says.c.artifact_id == artifact_table.c.id) & (says.c.name == "blessed") & (says.c.int_value == 1))
        .join(names, (names.c.artifact_id == artifact_table.c.id) & (names.c.name == "current_model_id"))
        .where(names.c.is_custom_property == CUSTOM, names.c.int_value.in_(ids))
        .join(attribution, attribution.c.artifact_id == artifact_table.c.id)
        .join(context, context.c.id == attribution.c.context_id)
        .join(context_type, (context_type.c.id == context.c.type_id) & (context_type.c.name == "pipeline"))
    )
    if model is not None:
        query = query.where(context.c.name == model)
    with store.database.read() as connection:
        return {(str(row[0]), int(row[1])) for row in connection.execute(query) if row[1] is not None}
