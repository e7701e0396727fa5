"""The report of a run: the line as a graph, every component with what it found, and the views of its artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueline.display.amounts import amount, duration
from trueline.display.html import Html, Safe, join, number, page, table, tag
from trueline.display.lineage import LineageGraph, lineage_view
from trueline.display.sections import facts_view
from trueline.display.svg import GraphNode, edges_of, graph

__all__ = ["NodeView", "RunView", "Section", "run_report_html", "run_report_view"]


@dataclass(frozen=True)
class NodeView:
    """One component of a run.

    Attributes:
        id: the node's id.
        state: COMPLETE, CACHED, REUSED, FAILED, SKIPPED, OMITTED, WAITING, RUNNING, PENDING or CANCELED.
        seconds: wall-clock seconds, or None when it did not run.
        found: what it found, by name.
        message: why it failed, was skipped, or came from the cache.
        upstream: ids of the nodes it depends on.
        base: the loop of which it is one pass.
        attempt: how often it was begun, retries included.
        cpu_seconds, peak_memory_bytes: what it used, where that was measured.
        cpu_of_thread: the CPU seconds are those of its own thread, without its helpers': a lower bound.
        memory_of_process: the memory is that of a process it shared with other nodes: an upper bound.
    """

    id: str
    state: str
    seconds: float | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    upstream: tuple[str, ...] = ()
    base: str | None = None
    attempt: int | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: float | None = None
    cpu_of_thread: bool = False
    memory_of_process: bool = False


@dataclass(frozen=True)
class Section:
    """A view with its heading."""

    title: str
    body: Html


@dataclass(frozen=True)
class RunView:
    """A run as the report shows it.

    Attributes:
        pipeline: the pipeline's name.
        run_id: the run's id.
        state: the run's final state.
        started: when it began, as text.
        seconds: how long it took.
        nodes: in topological order.
        sections: views of artifacts, in reading order.
        facts: figures for the head of the page.
        lineage: what the nodes read and put out.
        note: what else is to be known of the run, such as that it ran on a sample.
    """

    pipeline: str
    run_id: str
    state: str
    started: str
    seconds: float
    nodes: Sequence[NodeView]
    sections: Sequence[Section] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    lineage: LineageGraph | None = None
    note: str = ""


_CLASS = {
    "COMPLETE": "good",
    "CACHED": "good",
    "REUSED": "good",
    "FAILED": "bad",
    "DIED": "bad",
    "SKIPPED": "warn",
    "WAITING": "warn",
    "CANCELED": "warn",
}


def _badge(state: str) -> Html:
    return tag("span", state.lower(), class_=f"badge {_CLASS.get(state, '')}")


def _found(found: Mapping[str, Any], deep: bool = True) -> str:
    """Findings on one line, without what is empty and what lies deeper than one level."""
    said = {k: v for k, v in found.items() if v not in ([], {}, None, "") and (deep or not isinstance(v, Mapping))}
    return ", ".join(f"{k.replace('_', ' ') if deep else k} {_short(v)}" for k, v in said.items())


def _short(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return number(value)
    if isinstance(value, Mapping):
        return f"({_found(value, deep=False)})"
    return ", ".join(map(_short, value)) if isinstance(value, list | tuple) else str(value)


def run_report_view(run: RunView) -> Html:
    """The report as one piece of HTML."""
    boxes = [
        GraphNode(n.id, f"{n.state.lower()} {duration(n.seconds)}".strip(), _CLASS.get(n.state, ""), f"#node-{i}")
        for i, n in enumerate(run.nodes)
    ]
    edges = edges_of({n.id: n.upstream for n in run.nodes})
    parts: list[Safe] = [
        tag("p", f"Run {run.run_id}", class_="soft"),
        tag("h1", run.pipeline, " ", _badge(run.state)),
        tag("p", f"Started {run.started}, took {duration(run.seconds)}.", class_="soft"),
    ]
    if run.note:
        parts.append(tag("p", run.note))
    if run.facts:
        parts.append(facts_view(run.facts))
    parts += [
        tag("h2", "The line"),
        tag("div", graph(boxes, edges, label=f"Components of {run.pipeline} and their order"), class_="scroll"),
        _nodes_table(run.nodes),
    ]
    if run.lineage is not None and run.lineage.items:
        parts += [tag("h2", "Lineage"), lineage_view(run.lineage, listed=False)]
    for section in run.sections:
        parts += [tag("h2", section.title), section.body]
    return join(parts)


def _nodes_table(nodes: Sequence[NodeView]) -> Html:
    """A row a node, passes of a loop below it; columns in which nothing stands are left out."""
    heads = ["Component", "State", "Took", "Attempts", "CPU", "Peak memory", "Found", "Note"]
    rows: list[list[Safe]] = [
        [
            tag("b", n.id, id=f"node-{i}", style="padding-left:1.2rem" if n.base else None),
            _badge(n.state),
            _timed(n.seconds, duration(n.seconds)),
            number(n.attempt) if n.attempt is not None and n.attempt > 1 else "",
            _timed(n.cpu_seconds, duration(n.cpu_seconds), "≥ " if n.cpu_of_thread else ""),
            _timed(n.peak_memory_bytes, amount(n.peak_memory_bytes), "≤ " if n.memory_of_process else ""),
            _found(n.found),
            n.message,
        ]
        for i, n in enumerate(nodes)
    ]
    optional = (3, 4, 5)
    kept = [c for c in range(len(heads)) if c not in optional or any(row[c] for row in rows)]
    numeric = [place for place, c in enumerate(kept) if c in (2, *optional)]
    return table([heads[c] for c in kept], [[row[c] for c in kept] for row in rows], numeric=numeric)


def _timed(value: float | None, text: str, bound: str = "") -> Safe:
    """A figure with its unit, sorted by the figure; `bound` marks one that is a bound alone."""
    why = {"≥ ": "of the node's own thread, without its helpers", "≤ ": "of the whole process while the node ran"}
    return tag("span", bound + text, data_sort=f"{value:.6g}", title=why.get(bound)) if value is not None else ""


def run_report_html(run: RunView) -> str:
    """One self-contained HTML page of `run_report_view`."""
    return page(f"{run.pipeline}: {run.state.lower()}", run_report_view(run))
