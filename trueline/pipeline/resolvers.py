"""What a `Resolver` finds among the runs of its pipeline."""

from __future__ import annotations

from trueline._core.errors import ArtifactError
from trueline.metadata.records import Artifact, ArtifactState, EventType
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.handles import GATE, verified_fingerprint
from trueline.pipeline.run_context import RunContext

__all__ = ["resolve_system"]


def resolve_system(run: RunContext, node: CompiledNode) -> tuple[dict[str, list[Artifact]], list[str]]:
    """What a `Resolver` finds among all runs of this pipeline, and remarks on what it passed over.

    Raises:
        ArtifactError: strategy ``latest`` finds fewer artifacts than asked for, and is not optional.
    """
    passed: list[str] = []
    if node.params["strategy"] == "latest_blessed":
        return _latest_blessed(run, node, passed), passed
    wanted, found = int(node.params["n"]), dict[str, list[Artifact]]()
    for key, kind in node.outputs.items():
        usable: list[Artifact] = []
        for artifact in _last_made(run, kind):
            if len(usable) < wanted and _usable(artifact, passed):
                usable.append(artifact)
        if len(usable) < wanted and not node.params["optional"]:
            raise ArtifactError(
                f"{wanted} artifact{'s' if wanted > 1 else ''} of type {kind} wanted, {len(usable)} found in the runs "
                f"of pipeline {run.plan.name!r}",
                where=f"node {node.id}",
                problems=passed,
            )
        found[key] = usable
    return found, passed


def _newest(run: RunContext, kind: str) -> list[Artifact]:
    context = run.store.contexts(type="pipeline", name=run.plan.name)
    if not context:
        return []
    return run.store.artifacts(context=context[0].id, type=kind, state=ArtifactState.LIVE, newest_first=True)


_MADE = (EventType.OUTPUT, EventType.DECLARED_OUTPUT)


def _last_made(run: RunContext, kind: str) -> list[Artifact]:
    """Artifacts of earlier runs, those first that a run put out last: made anew or taken from the cache.

    An id tells when an artifact was first made; data that went back to what they were have an old id. What this run
    puts out beside the resolver does not count, whichever of the two is the quicker.
    """
    artifacts = _newest(run, kind)
    runs = run.store.contexts(type="pipeline_run", name=run.run_id)
    here = {execution.id for context in runs for execution in run.store.executions(context=context.id)}
    made: dict[int | None, int] = {}
    for event in run.store.events(artifact_ids=[artifact.id for artifact in artifacts if artifact.id is not None]):
        if event.type in _MADE:
            at = 0 if event.execution_id in here else event.id or 0
            made[event.artifact_id] = max(made.get(event.artifact_id, 0), at)
    earlier = [artifact for artifact in artifacts if made.get(artifact.id)]
    return sorted(earlier, key=lambda artifact: made[artifact.id], reverse=True)


def _usable(artifact: Artifact, passed: list[str]) -> bool:
    if GATE in artifact.custom_properties:
        passed.append(f"{artifact.type} {artifact.id}: its gate was closed")
        return False
    try:
        verified_fingerprint(artifact)
    except ArtifactError as error:
        passed.append(f"{artifact.type} {artifact.id}: {error.message}")
        return False
    return True


def _latest_blessed(run: RunContext, node: CompiledNode, passed: list[str]) -> dict[str, list[Artifact]]:
    model_key = next(key for key, kind in node.outputs.items() if kind == "Model")
    blessing_key = next(key for key, kind in node.outputs.items() if kind == "ModelBlessing")
    verdicts: dict[object, Artifact] = {}
    for blessing in _newest(run, "ModelBlessing"):
        verdicts.setdefault(blessing.custom_properties.get("current_model_id"), blessing)
    for model in _newest(run, "Model"):
        verdict = verdicts.get(model.id)
        # A model that was blessed once and refused later is refused: the newest verdict counts.
        if verdict is None or verdict.custom_properties.get("blessed") not in (1, True):
            continue
        if _usable(verdict, passed) and _usable(model, passed):
            return {model_key: [model], blessing_key: [verdict]}
    return {model_key: [], blessing_key: []}
