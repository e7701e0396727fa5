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
from trueline.pipeline.passes import passes_seen
from trueline.pipeline.run_context import RunContext

__all__ = ["check_contents", "produced", "resolve_inputs"]


def resolve_inputs(run: RunContext, node: CompiledNode) -> dict[str, list[ArtifactHandle]]:
    """The node's inputs, each artifact with its files checked.

    Artifacts stand in the order of the channels, those of a loop's passes in the order of its items.

    Raises:
        ArtifactError: a required input is empty, or an artifact's files are gone or changed.
    """
    resolved: dict[str, list[ArtifactHandle]] = {}
    for key, declared in node.inputs.items():
        found = [artifact for source in declared.sources for artifact in produced(run, node, *source)]
        if declared.item_of is not None:
            found = [_item(found, node, declared.item_of)]
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


def produced(run: RunContext, node: CompiledNode, producer: str, key: str) -> list[Artifact]:
    """What one output holds for this pass of a node."""
    passes = passes_seen(run.plan, node, producer, run.counts)
    if passes is None:  # a loop that was left out has no passes
        return []
    return [artifact for one in passes for artifact in run.artifacts_of(one).get(key, [])]


def _item(found: list[Artifact], node: CompiledNode, loop: str) -> Artifact:
    number = node.index[node.loops.index(loop)]
    if number >= len(found):
        raise ArtifactError(f"loop {loop!r} has {len(found)} artifacts, and none at {number}", where=f"node {node.id}")
    return found[number]


def _checked(artifact: Artifact) -> ArtifactHandle:
    handle = handle_of(artifact)
    handle.fingerprint = verified_fingerprint(artifact)
    return handle
