"""The newest model that was blessed, checked or pushed: by what verdicts say of it, the newest verdict first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from trueline._core.errors import ArtifactError
from trueline.metadata import tables as t
from trueline.metadata.node_rows import chunks
from trueline.metadata.records import Artifact, EventType
from trueline.pipeline.resolvers_query import SAMPLE, ArtifactQuery
from trueline.pipeline.resolvers_rows import MADE, PutOut, Scope, read_artifacts, type_ids
from trueline.pipeline.resolvers_table import POLICIES

__all__ = ["latest_of_policy"]

_MODEL = "current_model_id"
_PAGE = 200
_INPUTS = (int(EventType.INPUT), int(EventType.DECLARED_INPUT))


@dataclass(frozen=True)
class _Verdict:
    artifact: Artifact
    execution_id: int


def latest_of_policy(query: ArtifactQuery, policy: str, outputs: Mapping[str, str]) -> dict[str, list[Artifact]]:
    """The model, and the verdicts on it that are among the outputs; all empty where no model has what is asked for.

    ``exported``: the model that a run put out last. ``evaluator_blessed``, ``infra_validator_blessed``, ``blessed``
    (both): the newest model of which the newest verdict says yes, of each kind of verdict. ``pushed``: the model of
    the newest push, which is what servers were given last.
    """
    needs = POLICIES[policy]
    if needs == ("PushedModel",):
        found = _pushed(query)
    elif not needs:
        found = next(({"Model": m} for m in _models(query)), None)
    else:
        found = _blessed(query, needs)
    found = found or {}
    return {key: [found[kind]] if kind in found else [] for key, kind in outputs.items()}


def _models(query: ArtifactQuery) -> Iterator[Artifact]:
    return (item.artifact for item in query.candidates("Model") if query.usable(item.artifact))


def _blessed(query: ArtifactQuery, needs: Sequence[str]) -> dict[str, Artifact] | None:
    scope = query.scope()
    before: int | None = None
    while True:
        with query.store.database.read() as connection:
            page = _judged_models(connection, needs[0], before)
            if not page:
                return None
            verdicts = {kind: _newest_verdicts(connection, query, kind, page, scope) for kind in needs}
            models = read_artifacts(connection, [m for m in page if all(m in verdicts[kind] for kind in needs)])
        for model_id in page:
            chosen = _chosen(query, models.get(model_id), [verdicts[kind].get(model_id) for kind in needs])
            if chosen is not None:
                return chosen
        before = page[-1]


def _chosen(
    query: ArtifactQuery, model: Artifact | None, verdicts: Sequence[_Verdict | None]
) -> dict[str, Artifact] | None:
    if model is None or model.type != "Model":
        return None
    given = [verdict.artifact for verdict in verdicts if verdict is not None]
    # A model that was blessed once and refused later is refused: the newest verdict counts.
    if len(given) < len(verdicts) or not all(_says_yes(verdict, "blessed") for verdict in given):
        return None
    for artifact in (*given, model):
        if SAMPLE in artifact.custom_properties and not query.sample:
            query.passed.add(artifact, "a sampled run made it")
            return None
        if not query.usable(artifact):
            return None
    return {"Model": model, **{verdict.type: verdict for verdict in given}}


def _says_yes(artifact: Artifact, name: str) -> bool:
    return artifact.custom_properties.get(name) in (1, True)


def _judged_models(connection: sa.Connection, kind: str, before: int | None) -> list[int]:
    """Ids of models that verdicts of this type speak of, the newest model first: one page, read along the index."""
    types = type_ids(connection, kind)
    if not types:
        return []
    p = t.properties["Artifact"].c
    query = (
        sa.select(p.int_value)
        .join(t.artifact, t.artifact.c.id == p.artifact_id)
        .where(
            p.name == _MODEL,
            p.is_custom_property == 1,
            p.int_value > 0 if before is None else p.int_value.between(1, before - 1),
            t.artifact.c.type_id.in_(types),
        )
        .order_by(p.int_value.desc())
        .limit(_PAGE)
    )
    return list(dict.fromkeys(connection.execute(query).scalars()))


def _newest_verdicts(
    connection: sa.Connection, query: ArtifactQuery, kind: str, models: Sequence[int], scope: Scope
) -> dict[int, _Verdict]:
    """For each model the verdict that a run of the pipeline gave last, whatever became of its files.

    A verdict that was swept away still counts as given: an older one must not speak in its place.
    """
    p = t.properties["Artifact"].c
    rows: list[tuple[int, int, int]] = []
    for part in chunks(models):
        found = connection.execute(
            sa.select(p.int_value, p.artifact_id, t.event.c.execution_id)
            .distinct()
            .join(t.artifact, t.artifact.c.id == p.artifact_id)
            .join(t.event, t.event.c.artifact_id == p.artifact_id)
            .join(t.association, t.association.c.execution_id == t.event.c.execution_id)
            .where(
                p.name == _MODEL,
                p.is_custom_property == 1,
                p.int_value.in_(part),
                t.artifact.c.type_id.in_(type_ids(connection, kind)),
                t.event.c.type.in_(MADE),
                t.association.c.context_id.in_(scope.contexts),
            )
        )
        rows += [(row[0], row[1], row[2]) for row in found if row[2] not in scope.without]
    judge = query.judge()
    judge.learn(connection, [row[2] for row in rows])
    newest: dict[int, PutOut] = {}
    for model_id, artifact_id, execution_id in sorted(rows, key=lambda row: (row[2], row[1]), reverse=True):
        if judge.refused(execution_id) is None:
            newest.setdefault(model_id, PutOut(artifact_id, execution_id))
    artifacts = read_artifacts(connection, (item.artifact_id for item in newest.values()))
    return {model: _Verdict(artifacts[item.artifact_id], item.execution_id) for model, item in newest.items()}


def _pushed(query: ArtifactQuery) -> dict[str, Artifact] | None:
    for item in query.candidates("PushedModel"):
        push = item.artifact
        if not _says_yes(push, "pushed") or not query.usable(push):
            continue
        model = _pushed_model(query, push)
        if model is not None and query.usable(model):
            return {"Model": model, "PushedModel": push}
    return None


def _pushed_model(query: ArtifactQuery, push: Artifact) -> Artifact | None:
    """The model that the executions which put the push out were given."""
    executions = [e.execution_id for e in query.store.events(artifact_ids=[push.id or 0]) if int(e.type) in MADE]
    events = query.store.events(execution_ids=executions)
    given = {event.artifact_id for event in events if int(event.type) in _INPUTS and "model" in event.path}
    models = [artifact for artifact in query.store.artifacts(ids=given) if artifact.type == "Model"]
    if len({artifact.custom_properties.get("__fingerprint__") for artifact in models}) > 1:
        raise ArtifactError(f"push {push.id} was given {len(models)} different models", where=push.uri)
    return models[-1] if models else None
