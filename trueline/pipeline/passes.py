"""Loops unrolled: which passes of which nodes there are, once the number of items is known.

A pass of node ``train`` in a loop is called ``train[0]``; inside two loops ``train[0][2]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trueline.pipeline.compile import CompiledNode, CompiledPipeline

__all__ = ["at_pass", "expand", "pass_id", "passes_seen"]


def pass_id(base: str, index: tuple[int, ...]) -> str:
    """The name of one pass."""
    return base + "".join(f"[{number}]" for number in index)


def expand(node: CompiledNode, counts: Mapping[str, int]) -> tuple[list[CompiledNode], bool]:
    """The passes of a node that are known, in the order of the items, and whether these are all.

    Args:
        node: a node of the plan.
        counts: number of items by the id of the loop's own pass, as in ``{"outer": 2, "inner[0]": 3, "inner[1]": 0}``.
    """
    indices: list[tuple[int, ...]] = [()]
    complete = True
    for loop in node.loops:
        wider: list[tuple[int, ...]] = []
        for index in indices:
            count = counts.get(pass_id(loop, index))
            complete = complete and count is not None
            wider += [(*index, number) for number in range(count or 0)]
        indices = wider
    return [at_pass(node, index) for index in indices], complete


def at_pass(node: CompiledNode, index: tuple[int, ...]) -> CompiledNode:
    """One pass of a node of the plan; the node itself where it stands in no loop."""
    return replace(node, id=pass_id(node.id, index), base=node.id, index=index) if index else node


def passes_seen(
    plan: CompiledPipeline, consumer: CompiledNode, producer_id: str, counts: Mapping[str, int]
) -> list[str] | None:
    """The passes of a producer that one pass of a consumer sees: of the loops that they share the same pass, of
    loops around the producer alone all passes. None while a loop is not counted."""
    producer = plan.node(producer_id)
    shared = 0
    while (
        shared < len(consumer.index)
        and shared < len(producer.loops)
        and producer.loops[shared] == consumer.loops[shared]
    ):
        shared += 1
    indices: list[tuple[int, ...]] = [consumer.index[:shared]]
    for loop in producer.loops[shared:]:
        wider = []
        for index in indices:
            count = counts.get(pass_id(loop, index))
            if count is None:
                return None
            wider += [(*index, number) for number in range(count)]
        indices = wider
    return [pass_id(producer_id, index) for index in indices]
