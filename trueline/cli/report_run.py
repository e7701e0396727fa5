"""What a run's report tells of the run itself: its nodes with what they used, and its lineage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from trueline.cli.run_nodes import base_of, grouped, usage_of

if TYPE_CHECKING:
    from trueline.display import LineageGraph, NodeView
    from trueline.metadata import NodeRecord, RunRecord, RunStore

__all__ = ["run_lineage", "run_node_views", "run_note"]


def run_node_views(record: RunRecord) -> list[NodeView]:
    """The nodes in the order of the plan, a loop's passes below it."""
    try:
        upstream = {node["id"]: list(node["upstream"]) for node in json.loads(record.plan)["nodes"]}
    except (ValueError, KeyError, TypeError):
        upstream = {}
    views: list[NodeView] = []
    stand_in: dict[str, list[str]] = {}
    for group in grouped(record.nodes):
        before = [name for node in upstream.get(group.node_id, []) for name in stand_in.get(node, [node])]
        if group.node is not None:
            views.append(_view(group.node, before))
            before = [group.node.node_id]
        else:
            # What comes after a loop that has no row of its own comes after each of its passes.
            stand_in[group.node_id] = [node.node_id for node in group.passes]
        views += [_view(node, before) for node in group.passes]
    return views


def _view(node: NodeRecord, upstream: list[str]) -> NodeView:
    from trueline.display import NodeView

    usage = usage_of(node)
    return NodeView(
        node.node_id,
        node.state,
        node.seconds,
        node.found or {},
        node.message or node.reason or "",
        tuple(upstream),
        base=base_of(node),
        attempt=node.attempt,
        cpu_seconds=usage.get("cpu_seconds"),
        peak_memory_bytes=usage.get("peak_memory_bytes"),
        cpu_of_thread=usage.get("cpu_scope") == "thread",
        memory_of_process=usage.get("memory_scope") == "process",
    )


def run_lineage(runs: RunStore, record: RunRecord) -> LineageGraph:
    """What the run's executions read and put out."""
    from trueline.interactive.lineage_graph import of_run, view_of

    executions = [node.execution_id for node in record.nodes if node.execution_id is not None]
    return view_of(of_run(runs.store, executions), f"Lineage of run {record.run_id}")


def run_note(record: RunRecord) -> str:
    """That the run was one of a sample, or resumed; nothing for most runs."""
    sample, times = record.settings.get("sample"), record.resumed
    told = f"A sampled run of {sample} rows: it blesses and pushes nothing." if sample else ""
    again = "" if not times else "It was resumed once." if times == 1 else f"It was resumed {times} times."
    return f"{told} {again}".strip()
