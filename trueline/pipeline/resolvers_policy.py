"""The newest model that was blessed, checked or pushed: by what verdicts say of it, the newest verdict first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa

from trueline._core.errors import ArtifactError
from trueline.metadata import tables as t
from trueline.metadata.node_rows import chunks
from trueline.metadata.records import Artifact, EventType
from trueline.pipeline.handles import FINGERPRINT, GATE
from trueline.pipeline.resolvers_query import SAMPLE, ArtifactQuery
from trueline.pipeline.resolvers_rows import MADE, Scope, made_events, read_artifacts
from trueline.pipeline.resolvers_table import POLICIES

__all__ = ["latest_of_policy"]

_MODEL = "current_model_id"
_FIRST_PAGE = 20
_PAGE = 1000
_INPUTS = (int(EventType.INPUT), int(EventType.DECLARED_INPUT))


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
    if not scope.contexts or not all(query.store.artifacts(type=kind, limit=1) for kind in needs):
        return None
    before, size = None, _FIRST_PAGE
    while True:
        with query.store.database.read() as connection:
            page, last = _judged_models(connection, before, size)
            if last is None:
                return None
            verdicts = {kind: _newest_verdicts(connection, query, kind, page, scope) for kind in needs}
            models = read_artifacts(connection, [m for m in page if all(m in verdicts[kind] for kind in needs)])
        for model_id in page:
            chosen = _chosen(query, models.get(model_id), [verdicts[kind].get(model_id) for kind in needs])
            if chosen is not None:
                return chosen
        before, size = last, _PAGE


def _chosen(
    query: ArtifactQuery, model: Artifact | None, verdicts: Sequence[Artifact | None]
) -> dict[str, Artifact] | None:
    if model is None or model.type != "Model":
        return None
    given = [verdict for verdict in verdicts if verdict is not None]
    # A model that was blessed once and refused later is refused: the newest verdict counts.
    if len(given) < len(verdicts) or not all(_says_yes(verdict, "blessed") for verdict in given):
        return None
    for artifact in (*given, model):
        if SAMPLE in artifact.custom_properties and not query.sample:
            query.passed.add(artifact, "a sampled run made it")
            return None
    # A verdict on contents holds for whoever holds them: a damaged model may have been made again since.
    whole = model if query.usable(model) else _made_again(query, model)
    if whole is None or not all(query.usable(verdict) for verdict in given):
        return None
    return {"Model": whole, **{verdict.type: verdict for verdict in given}}


def _made_again(query: ArtifactQuery, model: Artifact) -> Artifact | None:
    """The newest usable model with the contents of a judged one; None where the judged one's gate was closed."""
    contents = model.custom_properties.get(FINGERPRINT)
    if contents is None or GATE in model.custom_properties:
        return None
    equal = (m for m in _models(query) if m.custom_properties.get(FINGERPRINT) == contents and m.id != model.id)
    return next(equal, None)


def _says_yes(artifact: Artifact, name: str) -> bool:
    return artifact.custom_properties.get(name) in (1, True)


def _judged_models(connection: sa.Connection, before: int | None, size: int) -> tuple[list[int], int | None]:
    """Ids of models that some verdict blesses, the newest model first, of one page along the property's index.

    Returns:
        The ids, and the last model's id of the page, from which the next one goes on; None after the last page.
    """
    p = t.properties["Artifact"].c
    newer = p.int_value > 0 if before is None else p.int_value.between(1, before - 1)
    query = sa.select(p.int_value, p.artifact_id).where(p.name == _MODEL, p.is_custom_property == 1, newer)
    rows = connection.execute(query.order_by(p.int_value.desc()).limit(size)).all()
    blessed: set[int] = set()
    for part in chunks(row[1] for row in rows):
        yes = sa.select(p.artifact_id, p.int_value, p.bool_value).where(
            p.artifact_id.in_(part), p.name == "blessed", p.is_custom_property == 1
        )
        blessed.update(row[0] for row in connection.execute(yes) if row[1] == 1 or row[2])
    # The last model's other verdicts may lie on the next page, so that model is looked at whatever they say.
    last = rows[-1][0] if rows else None
    models = dict.fromkeys(row[0] for row in rows if row[1] in blessed or row[0] == last)
    return list(models), last


def _newest_verdicts(
    connection: sa.Connection, query: ArtifactQuery, kind: str, models: Sequence[int], scope: Scope
) -> dict[int, Artifact]:
    """For each model the verdict that a run of the pipeline gave last, whatever became of its files.

    A verdict that was swept away still counts as given: an older one must not speak in its place.
    """
    p = t.properties["Artifact"].c
    model_of: dict[int, int] = {}
    for part in chunks(models):
        found = sa.select(p.artifact_id, p.int_value).where(
            p.name == _MODEL, p.is_custom_property == 1, p.int_value.in_(part)
        )
        model_of.update((row[0], row[1]) for row in connection.execute(found))
    events = made_events(connection, scope, t.event.c.artifact_id, model_of)
    read = read_artifacts(connection, {row[1] for row in events})
    verdicts = {key: item for key, item in read.items() if item.type == kind}
    events = [row for row in events if row[1] in verdicts]
    judge = query.judge()
    judge.learn(connection, [row[2] for row in events])
    newest: dict[int, Artifact] = {}
    for _, artifact_id, execution_id in sorted(events, key=lambda row: (row[2], row[0]), reverse=True):
        if judge.refused(execution_id) is None:
            newest.setdefault(model_of[artifact_id], verdicts[artifact_id])
    return newest


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
