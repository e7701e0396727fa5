"""The nodes of a run as people read them: passes of a loop under their node, and what each used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import MetadataError, did_you_mean

if TYPE_CHECKING:
    from trueline.metadata import NodeRecord, RunRecord

__all__ = ["Group", "asked_nodes", "base_of", "grouped", "loop_state", "passes_text", "status_of", "usage_of"]

_WORST_FIRST = ("FAILED", "CANCELED", "RUNNING", "WAITING", "PENDING", "SKIPPED")


@dataclass(frozen=True)
class Group:
    """A node of the plan, or a loop with its passes.

    Attributes:
        node_id: the node's id in the plan.
        node: its own row; None for a loop that has rows of passes alone.
        passes: rows of the loop's passes, by number.
    """

    node_id: str
    node: NodeRecord | None
    passes: tuple[NodeRecord, ...] = ()


def base_of(node: NodeRecord) -> str | None:
    """The node of the plan of which this row is one pass; None for a row of its own."""
    return node.base if node.base != node.node_id else None


def usage_of(node: NodeRecord) -> Mapping[str, Any]:
    """What the node used: ``cpu_seconds``, ``peak_memory_bytes`` and what else was measured; empty if nothing was."""
    return node.usage or {}


def status_of(record: RunRecord) -> str:
    """The run's status, or DIED where its process is gone before its end."""
    return "DIED" if record.status == "RUNNING" and not record.alive else record.status


def grouped(nodes: Iterable[NodeRecord]) -> list[Group]:
    """Nodes in their order; a loop's passes stand together where its node does."""
    listed = list(nodes)
    passes: dict[str, list[NodeRecord]] = {}
    for node in listed:
        if (base := base_of(node)) is not None:
            passes.setdefault(base, []).append(node)
    own = {node.node_id: node for node in listed if base_of(node) is None}
    # A loop without a row of its own stands where its first pass does.
    order = dict.fromkeys(base_of(node) or node.node_id for node in listed)
    return [Group(n, own.get(n), tuple(sorted(passes.get(n, ()), key=_number))) for n in order]


def _number(node: NodeRecord) -> tuple[int, str]:
    digits = node.node_id.rpartition("[")[2].rstrip("]")
    return (int(digits) if digits.isdecimal() else 0, node.node_id)


def passes_text(group: Group) -> str:
    """``3 passes: 2 complete, 1 failed``."""
    counts = Counter(node.state.lower() for node in group.passes)
    word = "pass" if len(group.passes) == 1 else "passes"
    return f"{len(group.passes)} {word}: " + ", ".join(f"{n} {state}" for state, n in counts.items())


def loop_state(group: Group) -> str:
    """A loop's state as a whole: that of its own row where it has ended, else what its passes make of it."""
    if group.node is not None and group.node.state not in ("PENDING", "RUNNING"):
        return group.node.state
    states = {node.state for node in group.passes}
    return next((state for state in _WORST_FIRST if state in states), "COMPLETE")


def asked_nodes(record: RunRecord, node_id: str | None) -> list[NodeRecord]:
    """The node of that id, all passes of a loop of that id, or all nodes for None.

    Raises:
        MetadataError: the run has no such node.
    """
    groups = grouped(record.nodes)
    rows = [row for group in groups for row in ((group.node, *group.passes) if group.node else group.passes)]
    if node_id is None:
        return rows
    passes = [node for node in rows if base_of(node) == node_id]
    if found := passes or [node for node in rows if node.node_id == node_id]:
        return found
    known = dict.fromkeys([*(group.node_id for group in groups), *(node.node_id for node in rows)])
    raise MetadataError(f"run {record.run_id} has no node {node_id!r}", hint=did_you_mean(node_id, known))
