"""Step one of a launch: which artifacts a node gets."""

from __future__ import annotations

from collections.abc import Mapping

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline._core.manifest import MANIFEST_NAME, read_manifest
from trueline.metadata.records import Artifact, ArtifactState, EventType
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.handles import GATE, handle_of, verified_fingerprint
from trueline.pipeline.results import SUCCESS
from trueline.pipeline.run_context import RunContext

__all__ = ["check_contents", "resolve_inputs", "resolve_system"]


def resolve_inputs(run: RunContext, node: CompiledNode) -> dict[str, list[ArtifactHandle]]:
    """The node's inputs, each artifact with its files checked.

    Raises:
        ArtifactError: a required input is empty, or an artifact's files are gone or changed.
    """
    resolved: dict[str, list[ArtifactHandle]] = {}
    for key, declared in node.inputs.items():
        found = [artifact for source in declared.sources for artifact in _produced(run, *source)]
        if not found and not declared.optional:
            sources = ", ".join(f"{producer}.{output}" for producer, output in declared.sources)
            raise ArtifactError(
                f"input {key!r} of type {declared.type} is empty: {sources} holds no artifact", where=f"node {node.id}"
            )
        resolved[key] = [_checked(artifact) for artifact in found]
    for key, declared in node.inputs.items():
        known = {handle.fingerprint for handle in resolved.get(declared.other_than or "", ())}
        resolved[key] = [handle for handle in resolved[key] if handle.fingerprint not in known]
    return resolved


def check_contents(inputs: Mapping[str, list[ArtifactHandle]]) -> None:
    """Compares every byte of the inputs with their manifests: done once, right before an executor reads them.

    Raises:
        ArtifactError: a file was changed since it was published.
    """
    for uri in {handle.uri for handles in inputs.values() for handle in handles}:
        if store.exists(store.join(uri, MANIFEST_NAME)):
            read_manifest(uri, "sha256")


def _produced(run: RunContext, producer: str, key: str) -> list[Artifact]:
    record = run.runs.node(run.run_id, producer)
    if record.state not in SUCCESS or record.execution_id is None:
        raise ArtifactError(f"node {producer!r} has no outputs in this run: it is {record.state}")
    return run.outputs_of(record.execution_id).get(key, [])


def _checked(artifact: Artifact) -> ArtifactHandle:
    handle = handle_of(artifact)
    handle.fingerprint = verified_fingerprint(artifact)
    return handle


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
