"""What a session refuses: nodes that cannot run yet, wiring to former nodes, inputs that another session made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ArtifactError, ConfigError, GateError, TruelineError
from trueline.interactive.result import ExecutionResult, ShownArtifacts
from trueline.pipeline.node import Component

if TYPE_CHECKING:
    from trueline.pipeline.results import NodeResult

__all__ = ["check_lent", "check_ready", "check_stale", "closure", "failure"]

Results = Mapping[str, ExecutionResult]
_LOG_LINES = 15


def check_ready(component: Component, nodes: Mapping[str, Component], results: Results) -> None:
    """Refuses a node that cannot run in this session now.

    Args:
        component: the node.
        nodes: the session's nodes by id.
        results: their newest results.

    Raises:
        ConfigError: no component, a part of a loop or sub-pipeline, nodes before it have not run or ran anew.
        GateError: a node before it did not succeed.
    """
    if not isinstance(component, Component):
        raise ConfigError(f"run was given {component!r}, which is no component", hint="as in run(StatisticsGen(...)).")
    if component.loops or component.owner is not None or component.SYSTEM == "loop":
        raise ConfigError(
            f"node {component.node_id!r} belongs to a loop or to a sub-pipeline, which run as a whole",
            hint="run it with LocalRunner().run(Pipeline(...)), or run its nodes outside of it.",
        )
    missing = [node.node_id for node in component.predecessors() if node.node_id not in results]
    if missing:
        raise ConfigError(
            f"node {component.node_id!r} needs what {_listed(missing)} makes, which has not run in this session",
            where=component.location,
            hint=f"run first: {'; '.join(f'context.run({name})' for name in missing)}.",
        )
    check_stale([component], nodes)
    closed = [r for node in component.predecessors() if not (r := results[node.node_id]).ok]
    if closed and component.settings.trigger == "all_success":
        raise GateError(
            f"node {component.node_id!r} cannot run: {_listed([r.node_id for r in closed])} did not succeed",
            where=component.location,
            problems=[f"{r.node_id}: {r.message or r.state}" for r in closed],
        )


def check_stale(starts: Sequence[Component], nodes: Mapping[str, Component]) -> None:
    """Refuses nodes that are wired to a former node whose place another one has taken.

    Raises:
        ConfigError: with all of them.
    """
    problems = []
    for node in dict.fromkeys(found for start in starts for found in closure(start)):
        for before in node.predecessors():
            now = nodes.get(before.node_id)
            if now is not None and now is not before:
                problems.append(
                    f"{node.location}: {node.node_id} is wired to a former {before.node_id}, "
                    f"which was made again at {now.location}"
                )
    if problems:
        raise ConfigError(
            "nodes are wired to former ones", problems=problems, hint="run their cells again, in this order."
        )


def check_lent(component: Component, found: Mapping[str, NodeResult], results: Results, session: str) -> None:
    """What the runner took for the inputs must be what this session made; resolvers look anew each time.

    Args:
        component: the node that ran.
        found: the run's nodes.
        results: the session's results.
        session: its pipeline's name.

    Raises:
        ArtifactError: another session's artifacts were taken.
    """
    for before in component.predecessors():
        taken = found.get(before.node_id)
        if taken is None or not taken.outputs:
            continue
        if before.SYSTEM is not None:
            before.artifacts = {key: ShownArtifacts(handles) for key, handles in taken.outputs.items()}
        elif _fingerprints(taken.outputs) != _fingerprints(results[before.node_id].outputs):
            raise ArtifactError(
                f"{component.node_id} was given outputs of {before.node_id} that another session made",
                where=f"pipeline {session!r}",
                hint=f"run {before.node_id} again, or give each session a pipeline_name of its own.",
            )


def closure(node: Component) -> Iterator[Component]:
    """A node and all before it, each once."""
    seen: dict[int, Component] = {}
    queue = [node]
    while queue:
        found = queue.pop()
        if id(found) not in seen:
            seen[id(found)] = found
            queue.extend(found.predecessors())
    return iter(seen.values())


def failure(found: NodeResult) -> TruelineError:
    """The failure of an executor with the end of its log."""
    problems = []
    if found.log is not None and Path(found.log).is_file():
        problems = Path(found.log).read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    hint = f"the whole log: {found.log}" if problems else None
    message = f"{found.node_id} {found.state}: {found.message or 'no reason was given'}"
    return TruelineError(message, hint=hint, problems=problems)


def _fingerprints(outputs: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {key: [artifact.fingerprint for artifact in found] for key, found in outputs.items()}


def _listed(names: list[str]) -> str:
    return " and ".join(repr(name) for name in names)
