"""The report of a run: the line as a graph, every component with what it found, and the views of its artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueline.display.html import Html, Safe, join, number, page, table, tag
from trueline.display.sections import facts_view
from trueline.display.svg import GraphNode, edges_of, graph

__all__ = ["NodeView", "RunView", "Section", "run_report_html", "run_report_view"]


@dataclass(frozen=True)
class NodeView:
    """One component of a run.

    Attributes:
        id: the node's id.
        state: COMPLETE, CACHED, FAILED, SKIPPED, RUNNING or CANCELLED.
        seconds: wall-clock seconds, or None when it did not run.
        found: what it found, by name.
        message: why it failed, was skipped, or came from the cache.
        upstream: ids of the nodes it depends on.
    """

    id: str
    state: str
    seconds: float | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    upstream: tuple[str, ...] = ()


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
    """

    pipeline: str
    run_id: str
    state: str
    started: str
    seconds: float
    nodes: Sequence[NodeView]
    sections: Sequence[Section] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


_CLASS = {"COMPLETE": "good", "CACHED": "good", "FAILED": "bad", "SKIPPED": "warn", "CANCELLED": "warn"}


def _badge(state: str) -> Html:
    return tag("span", state.lower(), class_=f"badge {_CLASS.get(state, '')}")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.2f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"


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
        GraphNode(n.id, f"{n.state.lower()} {_duration(n.seconds)}".strip(), _CLASS.get(n.state, ""), f"#node-{i}")
        for i, n in enumerate(run.nodes)
    ]
    edges = edges_of({n.id: n.upstream for n in run.nodes})
    rows: list[Sequence[Safe]] = [
        [tag("b", n.id, id=f"node-{i}"), _badge(n.state), _duration(n.seconds), _found(n.found), n.message]
        for i, n in enumerate(run.nodes)
    ]
    parts: list[Safe] = [
        tag("p", f"Run {run.run_id}", class_="soft"),
        tag("h1", run.pipeline, " ", _badge(run.state)),
        tag("p", f"Started {run.started}, took {_duration(run.seconds)}.", class_="soft"),
    ]
    if run.facts:
        parts.append(facts_view(run.facts))
    parts += [
        tag("h2", "The line"),
        tag("div", graph(boxes, edges, label=f"Components of {run.pipeline} and their order"), class_="scroll"),
        table(["Component", "State", "Took", "Found", "Note"], rows, numeric=[2]),
    ]
    for section in run.sections:
        parts += [tag("h2", section.title), section.body]
    return join(parts)


def run_report_html(run: RunView) -> str:
    """One self-contained HTML page of `run_report_view`."""
    return page(f"{run.pipeline}: {run.state.lower()}", run_report_view(run))
