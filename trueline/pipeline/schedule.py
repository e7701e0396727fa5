"""What may run next: the state machine of a run, without threads, clocks or databases.

Each node (each pass of a node in a loop) is decided once all nodes before it have ended: it runs, is SKIPPED because
one of them failed, or is OMITTED because what it needs was left out. Nodes for the end wait for all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from trueline.pipeline.compile import CompiledNode, CompiledPipeline
from trueline.pipeline.passes import expand, passes_seen

__all__ = ["Decision", "Schedule", "referred_nodes"]

SUCCESS = frozenset({"COMPLETE", "CACHED", "REUSED"})
OMITTED = "OMITTED"


@dataclass(frozen=True)
class Decision:
    """What to do with a node: ``run`` it, or note that it is ``skip``\\ ped or ``omit``\\ ted because of a sentence."""

    node: CompiledNode
    action: Literal["run", "skip", "omit"]
    because: str = ""


class Schedule:
    """The decisions of one run.

    Args:
        plan: the pipeline.
        ended: states of nodes that have ended already, by pass id.
        counts: items of loops that have ended already, by pass id.
    """

    def __init__(
        self, plan: CompiledPipeline, ended: Mapping[str, str] | None = None, counts: Mapping[str, int] | None = None
    ) -> None:
        self.plan = plan
        self.ended: dict[str, str] = dict(ended or {})
        self.counts: dict[str, int] = dict(counts or {})
        self._by_id = {node.id: node for node in plan.nodes}
        self._busy: set[str] = set()
        self._passes: dict[str, list[CompiledNode]] = {}
        self._why: dict[str, str] = {}
        self._stages: dict[str, dict[str, int]] = {}

    # -- what happened ----------------------------------------------------------------------------------------------

    def started(self, node_id: str) -> None:
        """The node runs now."""
        self._busy.add(node_id)

    def finished(self, node_id: str, state: str, items: int | None = None) -> list[CompiledNode]:
        """The node has ended; of a loop, with so many items. Returns the passes that the loop's body now has."""
        self._busy.discard(node_id)
        self.ended[node_id] = state
        base = node_id.partition("[")[0]
        if self._by_id[base].system != "loop":
            return []
        before = {one.id for node in self.plan.nodes for one in self.passes(node)}
        self.counts[node_id] = items or 0 if state in SUCCESS else 0
        self._passes.clear()
        body = [node for node in self.plan.nodes if base in node.loops]
        return [one for node in body for one in self.passes(node) if one.id not in before]

    @property
    def over(self) -> bool:
        """Whether every node has ended."""
        return not self._busy and not any(True for _ in self._open())

    @property
    def main_part_over(self) -> bool:
        """Whether only nodes for the end are left."""
        return not any(not node.on_exit for node in self._open())

    def _open(self) -> Iterator[CompiledNode]:
        for node in self.plan.nodes:
            for one in self.passes(node):
                if one.id not in self.ended:
                    yield one

    def passes(self, node: CompiledNode) -> list[CompiledNode]:
        """The passes of a node that are known; the node itself while its loops are not counted, or have no items."""
        if node.id not in self._passes:
            self._passes[node.id] = expand(node, self.counts)[0] or [node]
        return self._passes[node.id]

    # -- what is next -----------------------------------------------------------------------------------------------

    def decide(self) -> list[Decision]:
        """Everything that can be decided now, in the order of the plan; running nodes are not listed again."""
        waiting_for_end = not self.main_part_over
        found = []
        for node in self.plan.nodes:
            if node.on_exit and waiting_for_end:
                continue
            for one in self.passes(node):
                if one.id not in self.ended and one.id not in self._busy:
                    decision = self._decide(one)
                    if decision is not None:
                        found.append(decision)
        return found

    def _decide(self, node: CompiledNode) -> Decision | None:
        if node.loops and not node.index:
            return self._of_no_pass(node)
        if not self._turn_has_come(node):
            return None
        states: dict[str, str] = {}
        for before in self._before(node):
            seen = passes_seen(self.plan, node, before, self.counts)
            for one in seen or ():
                state = self.ended.get(one)
                if state is None:
                    return None
                states[one] = state
            if seen is None:
                return None
        return self._by_states(node, states)

    def _before(self, node: CompiledNode) -> list[str]:
        """The nodes before it, each after the loops around it that this node does not stand in."""
        found: dict[str, None] = {}
        for before in node.upstream:
            found.update(dict.fromkeys(loop for loop in self._by_id[before].loops if loop not in node.loops))
            found[before] = None
        return list(found)

    def _of_no_pass(self, node: CompiledNode) -> Decision | None:
        """A loop's body without passes: nothing yet, or what its loops came to."""
        if not expand(node, self.counts)[1]:
            return None
        left_out = None
        for loop in node.loops:
            for one in self.passes(self._by_id[loop]):
                state = self.ended.get(one.id, OMITTED)
                if state not in SUCCESS and state != OMITTED:
                    return Decision(node, "skip", self._root(one.id))
                if state == OMITTED and left_out is None:
                    left_out = f"loop {one.id!r} was left out"
        return Decision(node, "omit", left_out or f"loop {node.loops[-1]!r} has no items")

    def _by_states(self, node: CompiledNode, states: Mapping[str, str]) -> Decision | None:
        failed = [one for one, state in states.items() if state not in SUCCESS and state != OMITTED]
        omitted = {one for one, state in states.items() if state == OMITTED}
        good = [one for one, state in states.items() if state in SUCCESS]
        trigger = node.node_settings.trigger
        if trigger == "all_success" and failed and not node.on_exit:
            return Decision(node, "skip", self._root(failed[0]))
        if trigger == "any_failed" and not failed:
            return Decision(node, "omit", "no node before it failed")
        if trigger == "any_success" and states and not good:
            because = self._root(failed[0]) if failed else "every node before it was left out"
            return Decision(node, "skip" if failed else "omit", because)
        lacking = self._lacking(node, omitted | set(failed))
        if lacking is not None:
            action: Literal["skip", "omit"] = "skip" if failed else "omit"
            return Decision(node, action, self._root(failed[0]) if failed else lacking)
        return Decision(node, "run")

    def _root(self, node_id: str) -> str:
        """The node whose failure made this one skip."""
        return self._why.get(node_id, node_id)

    def blame(self, node_id: str, root: str) -> None:
        """Remembers which node's failure made this one skip."""
        self._why[node_id] = root

    def _lacking(self, node: CompiledNode, absent: set[str]) -> str | None:
        """A sentence on a required input, or a node that an expression speaks of, all of which was left out."""
        for key, declared in node.inputs.items():
            seen = [one for producer, _ in declared.sources for one in self._seen(node, producer)]
            if declared.sources and not declared.optional and all(one in absent for one in seen):
                return f"its input {key!r} was left out"
        for producer in referred_nodes([*node.conditions, node.params]):
            if all(one in absent for one in self._seen(node, producer)):
                return f"what {producer!r} would have made was left out"
        return None

    def _seen(self, node: CompiledNode, producer: str) -> list[str]:
        if producer not in self._by_id:  # outside a partial run: the node itself is used again
            return [producer]
        seen = passes_seen(self.plan, node, producer, self.counts)
        return [producer] if seen is None else seen

    def _turn_has_come(self, node: CompiledNode) -> bool:
        """Whether its pass is among the first unfinished ones that its loop lets run at once."""
        for depth, loop in enumerate(node.loops):
            parallel = self._by_id[loop].params.get("parallel") if loop in self._by_id else None
            if parallel is None:
                continue
            around, before = node.index[:depth], 0
            for number in range(node.index[depth]):
                before += self._pass_is_open(loop, (*around, number), self._stage(loop, node.base_id))
                if before >= int(parallel):
                    return False
        return True

    def _pass_is_open(self, loop: str, index: tuple[int, ...], stage: int) -> bool:
        for node in self.plan.nodes:
            if loop in node.loops and self._stage(loop, node.id) == stage:
                for one in self.passes(node):
                    if one.index[: len(index)] == index and one.id not in self.ended:
                        return True
        return False

    def _stage(self, loop: str, node_id: str) -> int:
        """How often the way to a node of a loop's body leaves the loop: what waits there for all passes cannot wait
        for one pass to end as a whole, so that each stage takes its own turns."""
        if loop not in self._stages:
            stages: dict[str, int] = {}
            for node in self.plan.nodes:
                inside = loop in node.loops
                before = [one for one in node.upstream if one in stages]
                stages[node.id] = max(
                    (stages[one] + (not inside and loop in self._by_id[one].loops) for one in before), default=0
                )
            self._stages[loop] = stages
        return self._stages[loop][node_id]


def referred_nodes(value: object) -> set[str]:
    """Nodes whose artifacts the placeholders in (encoded) parameters speak of."""
    found: set[str] = set()
    if isinstance(value, Mapping):
        inner = value.get("__placeholder__")
        if isinstance(inner, Mapping) and inner.get("op") == "artifacts":
            found.add(str(inner["args"][0][0]))
        items: Iterable[object] = value.values()
    elif isinstance(value, list | tuple):
        items = value
    else:
        return found
    for item in items:
        found |= referred_nodes(item)
    return found
