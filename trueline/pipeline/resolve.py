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
from trueline.pipeline.passes import at_pass, passes_seen
from trueline.pipeline.run_context import RunContext

__all__ = ["check_contents", "item_of", "loop_groups", "produced", "resolve_inputs"]


def resolve_inputs(run: RunContext, node: CompiledNode) -> dict[str, list[ArtifactHandle]]:
    """The node's inputs, each artifact with its files checked.

    Artifacts stand in the order of the channels, those of a loop's passes in the order of its items.

    Raises:
        ArtifactError: a required input is empty, or an artifact's files are gone or changed.
    """
    resolved: dict[str, list[ArtifactHandle]] = {}
    for key, declared in node.inputs.items():
        if declared.item_of is not None:
            found = item_of(run, node, declared.item_of, *declared.sources[0])
        else:
            found = [artifact for source in declared.sources for artifact in produced(run, node, *source)]
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


def left_out(run: RunContext, node: CompiledNode, inputs: Mapping[str, list[ArtifactHandle]]) -> tuple[str, ...]:
    """Inputs that `resolve_inputs` emptied: all that stood there has the contents of the input that it is to be other
    than."""
    return tuple(
        key
        for key, declared in node.inputs.items()
        if declared.other_than is not None
        and not inputs.get(key)
        and any(produced(run, node, *source) for source in declared.sources)
    )


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


def loop_groups(run: RunContext, loop: CompiledNode) -> int:
    """How many items a loop over artifacts has: its groups where a resolver made some (windows, pairs), else its
    artifacts.

    Raises:
        ArtifactError: a loop over several channels, of different lengths.
    """
    counts = {key: len(_groups(run, loop, key)) for key in loop.inputs}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{key}: {count}" for key, count in counts.items())
        raise ArtifactError(f"the channels have different numbers of items ({told})", where=f"node {loop.id}")
    return next(iter(counts.values()), 0)


def item_of(run: RunContext, node: CompiledNode, loop: str, producer: str, key: str) -> list[Artifact]:
    """The artifacts of the present item of a loop around the node: one, or those of a group.

    Raises:
        ArtifactError: the loop has fewer items.
    """
    depth = node.loops.index(loop)
    pass_of_loop = at_pass(run.plan.node(loop), node.index[:depth])
    name = next(name for name, made in pass_of_loop.inputs.items() if (producer, key) in made.sources)
    groups, number = _groups(run, pass_of_loop, name), node.index[depth]
    if number >= len(groups):
        raise ArtifactError(f"loop {loop!r} has {len(groups)} items, and none at {number}", where=f"node {node.id}")
    return groups[number]


def _groups(run: RunContext, loop: CompiledNode, name: str) -> list[list[Artifact]]:
    """The items of one pass of a loop; a loop over the item of another one goes through that item's artifacts."""
    declared = loop.inputs[name]
    if declared.item_of is not None:
        return [[artifact] for artifact in item_of(run, loop, declared.item_of, *declared.sources[0])]
    found: list[list[Artifact]] = []
    for producer, key in declared.sources:
        for one in passes_seen(run.plan, loop, producer, run.counts) or ():
            artifacts, done = run.artifacts_of(one).get(key, []), run.done.get(one)
            places = (done.found.get("groups") or {}).get(key) if done is not None else None
            found += [[artifact] for artifact in artifacts] if places is None else _picked(artifacts, places)
    return found


def _picked(artifacts: list[Artifact], places: list[list[int]]) -> list[list[Artifact]]:
    return [[artifacts[at] for at in group] for group in places]


def _checked(artifact: Artifact) -> ArtifactHandle:
    handle = handle_of(artifact)
    handle.fingerprint = verified_fingerprint(artifact)
    return handle
