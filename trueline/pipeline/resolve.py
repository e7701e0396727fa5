"""Step one of a launch: which artifacts a node gets."""

from __future__ import annotations

from collections.abc import Mapping

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline._core.manifest import MANIFEST_NAME, read_manifest
from trueline.metadata.records import Artifact
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.handles import handle_of, verified_fingerprint
from trueline.pipeline.results import SUCCESS
from trueline.pipeline.run_context import RunContext

__all__ = ["check_contents", "resolve_inputs"]


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
