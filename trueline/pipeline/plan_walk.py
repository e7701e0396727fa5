"""What each node of a run would do, asked in the order of the plan and as the launcher asks, without doing it.

Conditions, parameters, inputs, cache key, cache. What runs is taken to succeed; what depends on its outputs cannot be
known before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trueline._core.errors import MetadataError
from trueline.metadata.records import Artifact
from trueline.pipeline.cache import Hit, cache_key, look_up
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.importing import import_artifact
from trueline.pipeline.node_errors import describe_error
from trueline.pipeline.partial_run import lent_outputs
from trueline.pipeline.passes import passes_seen
from trueline.pipeline.placeholders import MARK
from trueline.pipeline.resolve import resolve_inputs
from trueline.pipeline.resolvers import resolve
from trueline.pipeline.run_context import Done, RunContext
from trueline.pipeline.run_scope import check_conditions, counted, with_values
from trueline.pipeline.schedule import Decision, Schedule, referred_nodes

__all__ = ["Action", "PlannedNode", "plan_run"]

Action = Literal["run", "cached", "reuse", "omit", "skip", "unknown", "fail"]
_STATES: Mapping[Action, str] = {
    "run": "COMPLETE",
    "cached": "CACHED",
    "reuse": "REUSED",
    "omit": "OMITTED",
    "skip": "SKIPPED",
    "unknown": "COMPLETE",
    "fail": "FAILED",
}


@dataclass(frozen=True)
class PlannedNode:
    """What would become of a node (of each pass of a loop that is known).

    Attributes:
        node_id: the node.
        action: ``run``, ``cached``, ``reuse`` (a partial run takes earlier outputs), ``omit``, ``skip`` (a node before
            it fails), ``fail`` (it cannot begin), or ``unknown``: it depends on what another node makes.
        reason: why, as the run would say it.
    """

    node_id: str
    action: Action
    reason: str


def plan_run(run: RunContext, reused: frozenset[str] = frozenset()) -> list[PlannedNode]:
    """What would become of each node of a run that has not begun.

    Args:
        run: the run; its `done` and `counts` are filled on the way.
        reused: nodes of a partial run that lend outputs of an earlier one.
    """
    return _Walk(run, reused).walk()


class _Walk:
    """The nodes in the order in which a run would come to them. `_open` says, of nodes whose outputs are not known,
    why."""

    def __init__(self, run: RunContext, reused: frozenset[str]) -> None:
        self._run, self._reused = run, reused
        self._schedule = Schedule(run.plan, {one: done.state for one, done in run.done.items()}, run.counts)
        self._planned: dict[str, PlannedNode] = {}
        self._open: dict[str, str] = {}

    def walk(self) -> list[PlannedNode]:
        while decisions := self._schedule.decide():
            for decision in decisions:
                self._take(decision)
        ordered = [one for node in self._run.plan.nodes for one in self._schedule.passes(node)]
        return [self._planned.get(n.id) or PlannedNode(n.id, "unknown", self._waiting_for(n)) for n in ordered]

    def _take(self, decision: Decision) -> None:
        node = decision.node
        done: Done | None = None
        if decision.action == "run":
            planned, done = self._asked(node)
        elif decision.action == "skip":
            self._schedule.blame(node.id, decision.because)
            planned = PlannedNode(node.id, "skip", f"node {decision.because!r} does not succeed")
        else:
            planned = PlannedNode(node.id, "omit", decision.because)
        self._planned[node.id] = planned
        if planned.action == "unknown" and node.system == "loop":
            self._schedule.started(node.id)  # nobody knows how many passes there will be
            return
        state = _STATES[planned.action]
        self._run.done[node.id] = done or Done(state, None, {})
        items = self._run.done[node.id].found.get("items")
        self._schedule.finished(node.id, state, items if isinstance(items, int) else None)
        self._run.counts.update(self._schedule.counts)

    # -- one node ---------------------------------------------------------------------------------------------------

    def _asked(self, node: CompiledNode) -> tuple[PlannedNode, Done | None]:
        why = self._unknown_before(node)
        if why is not None:
            return self._left_open(node, "unknown", why, why)
        try:
            return self._looked_up(node)
        except MetadataError:
            raise
        except Exception as error:
            return PlannedNode(node.id, "fail", describe_error(error, self._run.plan.root)), None

    def _looked_up(self, node: CompiledNode) -> tuple[PlannedNode, Done | None]:
        false = check_conditions(self._run, node)
        if false is not None:
            return PlannedNode(node.id, "omit", false), None
        if node.base_id in self._reused:
            lent = lent_outputs(self._run, node)
            return PlannedNode(node.id, "reuse", lent.reason), Done("REUSED", lent.execution_id, lent.outputs)
        return _SYSTEM.get(node.system or "", _Walk._component)(self, node)

    def _left_open(
        self, node: CompiledNode, action: Action, reason: str, why: str | None = None
    ) -> tuple[PlannedNode, None]:
        """The node's outputs are not known: what depends on them is told `why`."""
        self._open[node.id] = why or f"depends on {node.id}, which runs"
        return PlannedNode(node.id, action, reason), None

    def _component(self, node: CompiledNode) -> tuple[PlannedNode, Done | None]:
        changing = _of_the_run(node.params)
        if changing is not None:
            return self._left_open(node, "run", changing)
        node = with_values(self._run, node)[0]
        found = look_up(self._run, node, cache_key(self._run, node, resolve_inputs(self._run, node)))
        if not isinstance(found, Hit):
            return self._left_open(node, "run", found.reason)
        done = Done("CACHED", found.execution_id, dict(found.outputs))
        return PlannedNode(node.id, "cached", found.reason), done

    def _resolver(self, node: CompiledNode) -> tuple[PlannedNode, Done | None]:
        if node.params.get("metadata") is not None:
            why = f"depends on {node.id}, which looks into another metadata database"
            return self._left_open(node, "unknown", "looks into another metadata database", why)
        made = resolve(self._run, with_values(self._run, node)[0])
        planned = PlannedNode(node.id, "run", f"finds {_told(made.outputs)}")
        return planned, Done("COMPLETE", None, made.outputs, {"groups": made.groups})

    def _importer(self, node: CompiledNode) -> tuple[PlannedNode, Done | None]:
        made = import_artifact(self._run, with_values(self._run, node)[0])
        action: Action = "cached" if made.cached else "run"
        return PlannedNode(node.id, action, made.reason), Done(_STATES[action], None, {made.key: [made.artifact]})

    def _loop(self, node: CompiledNode) -> tuple[PlannedNode, Done | None]:
        found = counted(self._run, node)
        return PlannedNode(node.id, "run", f"{found['items']} items"), Done("COMPLETE", None, {}, found)

    def _approval(self, node: CompiledNode) -> tuple[PlannedNode, Done | None]:
        why = f"depends on {node.id}, which waits for an approval"
        return self._left_open(node, "run", "waits for an approval", why)

    # -- what is not known ------------------------------------------------------------------------------------------

    def _unknown_before(self, node: CompiledNode) -> str | None:
        """Why what the node reads is not known, if so."""
        if "status" in _operations(list(node.conditions)):
            return "its condition looks at how the run goes"
        lends = node.base_id in self._reused  # it reads nothing
        sources = [] if lends else [producer for declared in node.inputs.values() for producer, _ in declared.sources]
        read = referred_nodes([*node.conditions, {} if lends else node.params])
        people = [n.id for n in self._run.plan.nodes if n.system == "approval" and n.id in node.upstream]
        known = {one.id for one in self._run.plan.nodes}
        for producer in dict.fromkeys([*sources, *sorted(read), *people]):
            if producer in known:
                for one in passes_seen(self._run.plan, node, producer, self._run.counts) or ():
                    if one in self._open:
                        return self._open[one]
        return None

    def _waiting_for(self, node: CompiledNode) -> str:
        """Why a node was never come to: a loop of which nobody knows the items stands before it."""
        upstream = {one.id: one.upstream for one in self._run.plan.nodes}
        seen, queue = set[str](), [*node.loops, *node.upstream]
        while queue:
            before = queue.pop(0)
            if before in self._open:
                return self._open[before]
            if before not in seen:
                seen.add(before)
                queue += upstream.get(before, ())
        return next(iter(self._open.values()), "comes after all others") if not node.on_exit else "comes at the end"


_SYSTEM: Mapping[str, Callable[[_Walk, CompiledNode], tuple[PlannedNode, Done | None]]] = {
    "resolver": _Walk._resolver,
    "importer": _Walk._importer,
    "loop": _Walk._loop,
    "approval": _Walk._approval,
}


def _told(outputs: Mapping[str, list[Artifact]]) -> str:
    """``model: artifact 7; examples: artifacts 3, 4``."""
    parts = []
    for key, artifacts in outputs.items():
        ids = ", ".join(str(artifact.id) for artifact in artifacts)
        parts.append(f"{key}: artifact{'s' if len(artifacts) > 1 else ''} {ids}" if ids else f"{key}: nothing")
    return "; ".join(parts) or "nothing"


def _of_the_run(params: Any) -> str | None:
    """Why parameters are others in every run, if they are."""
    found = _operations(params)
    if "status" in found:
        return "its parameters look at how the run goes"
    return "its parameters hold the run's id" if "run_id" in found else None


def _operations(value: Any) -> set[str]:
    """Operations of all placeholders; of facts of the run, the fact."""
    if isinstance(value, Mapping):
        tree = value.get(MARK)
        own: set[str] = set()
        if isinstance(tree, Mapping):
            own = {str(tree["args"][0])} if tree["op"] == "run" else {str(tree["op"])}
        return own.union(*(_operations(item) for item in value.values()))
    return set[str]().union(*(_operations(item) for item in value)) if isinstance(value, list | tuple) else set()
