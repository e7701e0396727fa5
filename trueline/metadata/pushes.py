"""What was pushed where: read from the artifacts that Pushers left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from trueline.metadata.node_rows import chunks
from trueline.metadata.own_tables import release as release_table
from trueline.metadata.own_tables import run_node
from trueline.metadata.records import ArtifactState, EventType
from trueline.metadata.store import MetadataStore
from trueline.metadata.tables import artifact, attribution, context, event, properties, type_
from trueline.metadata.words import CUSTOM

__all__ = ["Push", "pushes", "unreleased_pushes"]


@dataclass(frozen=True)
class Push:
    """One push of a model. `model` is the pipeline's name, `pushed` milliseconds since the epoch."""

    model: str
    model_id: int
    pushed_id: int
    pushed: int
    destination: str | None
    version: str | None
    run_id: str


def pushes(store: MetadataStore, model: str | None = None, model_ids: Iterable[int] | None = None) -> list[Push]:
    """Pushes that took place, the oldest first; of one model, or of given artifacts.

    The newest of several executions that found a push in the cache changes nothing: the first one pushed.
    """
    if not store.database.adopted:
        return []
    query = _query(model)
    if model_ids is None:
        return _read(store, query)
    # In two steps: of one with both, a database without statistics may begin at the wrong end.
    wanted = set(model_ids)
    found = [_read(store, query.where(artifact.c.id.in_(part))) for part in chunks(_outputs_after(store, wanted))]
    return [push for part in found for push in part if push.model_id in wanted]


def _outputs_after(store: MetadataStore, model_ids: Iterable[int]) -> list[int]:
    """What executions put out that models went into."""
    out = event.alias()
    query = (
        sa.select(out.c.artifact_id)
        .join(event, event.c.execution_id == out.c.execution_id)
        .where(out.c.type == int(EventType.OUTPUT), event.c.type == int(EventType.INPUT))
    )
    found: set[int] = set()
    with store.database.read() as connection:
        for part in chunks(model_ids):
            found.update(connection.execute(query.where(event.c.artifact_id.in_(part))).scalars())
    return sorted(found)


def unreleased_pushes(store: MetadataStore, model: str | None = None) -> list[Push]:
    """Pushes of models that are no release of their pipeline's model, one for each model."""
    if not store.database.adopted:
        return []
    released = (
        sa.select(release_table.c.id)
        .where(
            release_table.c.artifact_id == _INPUT.c.artifact_id,
            release_table.c.model == context.c.name,
        )
        .exists()
    )
    first: dict[tuple[str, int], Push] = {}
    there = _MODEL.c.state == int(ArtifactState.LIVE)
    for push in _read(store, _query(model).where(~released, there)):
        first.setdefault((push.model, push.model_id), push)
    return list(first.values())


_INPUT, _MODEL, _MODEL_TYPE, _CONTEXT_TYPE = event.alias(), artifact.alias(), type_.alias(), type_.alias()
_PROPERTY = properties["Artifact"]


def _text(name: str) -> sa.ScalarSelect[str]:
    return (
        sa.select(_PROPERTY.c.string_value)
        .where(
            _PROPERTY.c.artifact_id == artifact.c.id, _PROPERTY.c.name == name, _PROPERTY.c.is_custom_property == CUSTOM
        )
        .scalar_subquery()
    )


def _query(model: str | None) -> sa.Select[Any]:
    """PushedModel -> the execution that put it out -> the Model that went in, within a pipeline."""
    pushed = (
        sa.select(_PROPERTY.c.artifact_id)
        .where(
            _PROPERTY.c.artifact_id == artifact.c.id,
            _PROPERTY.c.name == "pushed",
            _PROPERTY.c.is_custom_property == CUSTOM,
            _PROPERTY.c.int_value == 1,
        )
        .exists()
    )
    query = (
        sa.select(
            context.c.name,
            _INPUT.c.artifact_id,
            artifact.c.id,
            artifact.c.create_time_since_epoch,
            _text("pushed_destination"),
            _text("pushed_version"),
            run_node.c.run_id,
            event.c.id,
        )
        .select_from(artifact)
        .join(type_, (type_.c.id == artifact.c.type_id) & (type_.c.name == "PushedModel"))
        .join(event, (event.c.artifact_id == artifact.c.id) & (event.c.type == int(EventType.OUTPUT)))
        .join(_INPUT, (_INPUT.c.execution_id == event.c.execution_id) & (_INPUT.c.type == int(EventType.INPUT)))
        .join(_MODEL, _MODEL.c.id == _INPUT.c.artifact_id)
        .join(_MODEL_TYPE, (_MODEL_TYPE.c.id == _MODEL.c.type_id) & (_MODEL_TYPE.c.name == "Model"))
        .join(run_node, run_node.c.execution_id == event.c.execution_id)
        .join(attribution, attribution.c.artifact_id == artifact.c.id)
        .join(context, context.c.id == attribution.c.context_id)
        .join(_CONTEXT_TYPE, (_CONTEXT_TYPE.c.id == context.c.type_id) & (_CONTEXT_TYPE.c.name == "pipeline"))
        .where(pushed)
        .order_by(event.c.id)
    )
    return query if model is None else query.where(context.c.name == model)


def _read(store: MetadataStore, query: sa.Select[Any]) -> list[Push]:
    with store.database.read() as connection:
        rows = connection.execute(query).all()
    found: dict[tuple[str, int], Push] = {}
    for name, model_id, pushed_id, at, destination, version, run_id, _ in rows:
        push = Push(str(name), int(model_id), int(pushed_id), int(at or 0), destination, version, str(run_id))
        found.setdefault((push.model, push.pushed_id), push)
    return list(found.values())
