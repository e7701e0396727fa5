"""Partial runs: which nodes run, and which lend the outputs of an earlier run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from trueline._core.errors import ConfigError, did_you_mean
from trueline.pipeline.compile import CompiledNode, CompiledPipeline
from trueline.pipeline.schedule import referred_nodes

__all__ = ["select"]


def select(
    plan: CompiledPipeline, from_nodes: Iterable[str] | None, to_nodes: Iterable[str] | None
) -> tuple[CompiledPipeline, frozenset[str]]:
    """The part of a plan from some nodes to others, as TFX cuts it: descendants of the former that are ancestors
    of the latter; either missing means all.

    Returns:
        The plan of the nodes that take part, and the ids of those among them whose earlier outputs are used again.
        What feeds the part counts too: producers of inputs, of what conditions, loops and parameters speak of, the
        loops around the part, and approvals that it waits for. Resolvers, importers, loops and approvals among them
        are carried out anew: they look at what is there now, and ask again. Conditions are judged anew, also those of
        nodes whose outputs are used again.

    Raises:
        ConfigError: unknown ids (all of them), or nothing left to run.
    """
    starts, ends = list(from_nodes or ()), list(to_nodes or ())
    if not starts and not ends:
        return plan, frozenset()
    known = [node.id for node in plan.nodes]
    problems = [f"there is no node {n!r}. {did_you_mean(n, known)}" for n in (*starts, *ends) if n not in known]
    if problems:
        raise ConfigError(f"pipeline {plan.name!r} cannot be cut like this", problems=problems)
    upstream = {node.id: set(node.upstream) for node in plan.nodes}
    downstream: dict[str, set[str]] = {node.id: set() for node in plan.nodes}
    for node_id, befores in upstream.items():
        for before in befores:
            downstream[before].add(node_id)
    after = _reach(starts, downstream) if starts else set(known)
    before_end = _reach(ends, upstream) if ends else set(known)
    chosen = after & before_end
    if not chosen:
        raise ConfigError(
            f"nothing lies between {', '.join(starts)} and {', '.join(ends)} in pipeline {plan.name!r}",
            hint=f"the order is: {', '.join(known)}.",
        )
    gates, feeding = _gates(plan), _feeding(plan, chosen)
    reused = frozenset(node_id for node_id in feeding if plan.node(node_id).system is None)
    taking_part = chosen | feeding
    nodes = tuple(
        replace(node, upstream=tuple(u for u in _waits_for(node, gates, chosen, reused) if u in taking_part))
        for node in plan.nodes
        if node.id in taking_part
    )
    return replace(plan, nodes=nodes), reused


def _feeding(plan: CompiledPipeline, chosen: set[str]) -> set[str]:
    """What the chosen nodes need of the rest, and what that needs in turn."""
    found: set[str] = set()
    gates = _gates(plan)
    queue = sorted(chosen)
    while queue:
        node = plan.node(queue.pop())
        reused = node.id not in chosen and node.system is None
        for before in _needs(node, gates, reused=reused) - chosen - found:
            found.add(before)
            queue.append(before)
    return found


def _gates(plan: CompiledPipeline) -> frozenset[str]:
    """The approvals: what comes right after one is asked for again, whatever was said of earlier artifacts."""
    return frozenset(node.id for node in plan.nodes if node.system == "approval")


def _needs(node: CompiledNode, gates: frozenset[str], *, reused: bool) -> set[str]:
    """Nodes without which a node cannot be carried out, or its outputs not be used again."""
    frame = {*node.loops, *referred_nodes(list(node.conditions))}
    if reused:
        return frame
    wired = {producer for declared in node.inputs.values() for producer, _ in declared.sources}
    items = {declared.item_of for declared in node.inputs.values() if declared.item_of is not None}
    return frame | wired | items | referred_nodes([node.params, node.settings]) | (gates & set(node.upstream))


def _waits_for(node: CompiledNode, gates: frozenset[str], chosen: set[str], reused: frozenset[str]) -> tuple[str, ...]:
    if node.id in chosen:
        return node.upstream
    needs = _needs(node, gates, reused=node.id in reused)
    return tuple(before for before in node.upstream if before in needs)


def _reach(starts: Iterable[str], edges: dict[str, set[str]]) -> set[str]:
    found, queue = set(starts), list(starts)
    while queue:
        for step in edges[queue.pop()] - found:
            found.add(step)
            queue.append(step)
    return found
