"""Profiles: where a graph can run, and the check that it does.

An operation's record names the narrowest profile that can run it; a graph needs all of its operations' profiles.
"""

from __future__ import annotations

from collections.abc import Sequence

from trueline._core.errors import TransformError, did_you_mean
from trueline.transform.graph import Graph
from trueline.transform.operations import operation

__all__ = ["PROFILES", "check_profile", "known_profile", "profiles_of"]

PROFILES: dict[str, str] = {
    "portable": "ONNX Runtime everywhere: this machine, the server, node, the browser, phones",
    "server": "ONNX Runtime with onnxruntime-extensions: this machine and the server, not the browser",
    "tensorflow": "TensorFlow's own operations: this machine's bulk transform and a SavedModel, no ONNX",
    "host": "Python before the graph: this machine, and a server whose operator allows the module",
}
"""What each profile can run on."""
_ALLOWS: dict[str, frozenset[str]] = {
    "portable": frozenset({"portable"}),
    "server": frozenset({"portable", "server"}),
    "tensorflow": frozenset({"portable", "server", "tensorflow"}),  # what the server adds, TensorFlow has too
    "host": frozenset({"portable", "server", "host"}),
}
"""Which operations may stand in a graph of that profile."""
_CANNOT = {
    "portable": "the browser cannot run it",
    "server": "the server cannot run it",
    "tensorflow": "TensorFlow cannot run it",
    "host": "ONNX Runtime cannot run it",
}


def known_profile(profile: str) -> None:
    """Raises `TransformError` for a profile that does not exist, naming those that do."""
    if profile not in PROFILES:
        raise TransformError(f"there is no profile {profile!r}", hint=did_you_mean(profile, PROFILES))


def profiles_of(graph: Graph, roots: Sequence[int] | None = None) -> frozenset[str]:
    """The profiles that the graph's operations and host steps need, from the outputs or some roots on."""
    places = [i for _, i in graph.outputs] if roots is None else list(roots)
    reached = [graph.nodes[i] for i in graph.reachable(places)]
    found = {operation(n.op).profile for n in reached if n.op not in ("input", "constant") and not n.is_analyzer}
    steps = graph.steps_for(graph.input_names(places))
    return frozenset(found | ({"host"} if steps else set()))


def check_profile(graph: Graph, profile: str, roots: Sequence[int] | None = None) -> None:
    """Refuses a graph that the profile cannot run.

    Args:
        graph: traced or bound.
        profile: one of `PROFILES`.
        roots: the nodes that matter; by default all outputs.

    Raises:
        TransformError: listing every operation and host step with its profile and what to use instead.
    """
    known_profile(profile)
    places = [i for _, i in graph.outputs] if roots is None else list(roots)
    allowed, problems = _ALLOWS[profile], []
    for index in sorted(graph.reachable(places)):
        node = graph.nodes[index]
        if node.op in ("input", "constant") or node.is_analyzer:
            continue
        record = operation(node.op)
        if record.profile not in allowed:
            instead = f"; alternatives: {record.alternatives}" if record.alternatives else ""
            at = f" ({node.where})" if node.where else ""
            needs = f"needs the `{record.profile}` profile: {_CANNOT[profile]}"
            problems.append(f"`{node.scope or node.op}`{at} {needs}{instead}")
    if "host" not in allowed:
        for step in graph.steps_for(graph.input_names(places)):
            needs = f"needs the `host` profile: {_CANNOT[profile]}"
            problems.append(f"host step `{step.output}` ({step.function}) {needs}")
    if problems:
        raise TransformError(
            f"the graph does not fit the profile {profile!r} ({PROFILES[profile]})",
            problems=list(dict.fromkeys(problems)),
            hint="use the alternatives, or another profile.",
        )
