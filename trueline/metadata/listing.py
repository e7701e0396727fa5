"""Artifacts by type, pipeline, state, span and pin: asked of the database, the newest first."""

from __future__ import annotations

import sqlalchemy as sa

from trueline._core.errors import MetadataError, did_you_mean
from trueline.metadata.node_rows import ARTIFACTS, read_nodes
from trueline.metadata.own_tables import pin
from trueline.metadata.records import Artifact, ArtifactState, TypeKind
from trueline.metadata.store import MetadataStore
from trueline.metadata.tables import artifact, attribution, context, properties, type_

__all__ = ["list_artifacts"]


def list_artifacts(
    store: MetadataStore,
    kind: str | None = None,
    *,
    pipeline: str | None = None,
    state: str | None = None,
    span: int | None = None,
    pinned: bool = False,
    limit: int | None = None,
) -> list[Artifact]:
    """Artifacts that meet every condition given, the newest first.

    Raises:
        MetadataError: no such type or pipeline.
    """
    where: list[sa.ColumnElement[bool]] = []
    if kind is not None:
        known = [spec.name for spec in store.types(TypeKind.ARTIFACT)]
        if kind not in known:
            raise MetadataError(f"there is no artifact type {kind!r}", hint=did_you_mean(kind, known))
        where.append(type_.c.name == kind)
    if pipeline is not None:
        found = store.contexts(type="pipeline", name=pipeline)
        if not found:
            known = [known.name for known in store.contexts(type="pipeline")]
            raise MetadataError(f"there is no pipeline {pipeline!r}", hint=did_you_mean(pipeline, known))
        inside = sa.select(attribution.c.artifact_id).join(context, context.c.id == attribution.c.context_id)
        where.append(artifact.c.id.in_(inside.where(context.c.id == found[0].id)))
    if state is not None:
        where.append(artifact.c.state == int(ArtifactState[state.upper()]))
    if span is not None:
        table = properties["Artifact"]
        same = sa.select(table.c.artifact_id).where(table.c.name == "span", table.c.int_value == span)
        where.append(artifact.c.id.in_(same))
    if pinned:
        if not store.database.adopted:
            return []
        where.append(artifact.c.id.in_(sa.select(pin.c.artifact_id)))
    with store.database.read() as connection:
        return read_nodes(connection, ARTIFACTS, *where, newest_first=True, limit=limit)
