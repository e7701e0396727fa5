"""Lineage as a page: what was made of what, drawn left to right, and listed below.

A graph has two kinds of nodes, as ML Metadata's: artifacts (what was made) and executions (what made it). It is drawn
without a script; every box tells more when the pointer rests on it and leads to its row in the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal

from trueline.display.html import Html, Safe, join, page, table, tag, visible
from trueline.display.lineage_draw import draw

__all__ = ["LineageEdge", "LineageGraph", "LineageItem", "lineage_html", "lineage_view"]

_TITLES = {"artifact": "Artifacts", "execution": "Executions"}


@dataclass(frozen=True)
class LineageItem:
    """A node of the graph.

    Attributes:
        key: its name within the graph, such as ``a13`` or ``e7``.
        kind: ``artifact`` or ``execution``.
        label: what it is: an artifact's type, an execution's component.
        detail: a second, shorter line.
        state: ML Metadata's word for its state.
        facts: more, by name, in the order in which it is told.
        focus: whether the graph is about this node.
    """

    key: str
    kind: Literal["artifact", "execution"]
    label: str
    detail: str = ""
    state: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    focus: bool = False


@dataclass(frozen=True)
class LineageEdge:
    """From what went in to what used it, or from what made to what came out; `name` is the input or output."""

    source: str
    target: str
    name: str = ""


@dataclass(frozen=True)
class LineageGraph:
    """The nodes in the order in which they were made, and the edges between them."""

    title: str
    items: Sequence[LineageItem]
    edges: Sequence[LineageEdge]
    note: str = ""


def lineage_view(graph: LineageGraph, *, listed: bool = True) -> Html:
    """The drawing with its legend; with `listed` also tables of all nodes.

    Args:
        graph: what to show.
        listed: whether the nodes are listed below, and the boxes lead there.
    """
    style = files("trueline.display").joinpath("assets", "lineage.css").read_text(encoding="utf-8")
    if not graph.items:
        return tag("p", "Nothing is recorded here.", class_="soft")
    parts: list[Safe] = [Html(f"<style>{style}</style>"), _legend(graph)]
    drawing = draw(graph.items, graph.edges, label=graph.title, links=listed)
    parts.append(tag("div", drawing, class_="lineage", tabindex="0", role="group", aria_label=graph.title))
    if listed:
        for kind, title in _TITLES.items():
            items = [item for item in graph.items if item.kind == kind]
            if items:
                parts += [tag("h2", f"{title} ({len(items)})"), _list(items)]
    return join(parts)


def lineage_html(graph: LineageGraph) -> str:
    """One self-contained HTML page of `lineage_view`."""
    head = [tag("h1", visible(graph.title)), tag("p", graph.note, class_="soft") if graph.note else None]
    wide = Html("<style>body.tl{max-width:none}</style>")
    return page(visible(graph.title), join([wide, *head, lineage_view(graph)]))


def _legend(graph: LineageGraph) -> Html:
    counts = {kind: sum(item.kind == kind for item in graph.items) for kind in _TITLES}
    words = [("artifact", f"artifact ({counts['artifact']})"), ("execution", f"execution ({counts['execution']})")]
    words += [("bad", "failed")] if any(item.state == "FAILED" for item in graph.items) else []
    words += [("cached", "from the cache")] if any(item.state == "CACHED" for item in graph.items) else []
    gone = any(item.kind == "artifact" and item.state not in ("LIVE", "") for item in graph.items)
    words += [("gone", "not complete, or deleted")] if gone else []
    marks = [tag("span", tag("i", class_=f"key {class_}"), text) for class_, text in words]
    return tag("p", *marks, class_="lineage-key soft")


def _list(items: Sequence[LineageItem]) -> Html:
    names = list(dict.fromkeys(name for item in items for name, text in item.facts.items() if text))
    rows: list[Sequence[Safe]] = []
    for item in items:
        what = tag("b", visible(item.label), id=f"lineage-{item.key}")
        cells: list[Safe] = [what, item.key[1:], item.state.lower()]
        rows.append([*cells, *(tag("span", visible(item.facts.get(name, "")), class_="fact") for name in names)])
    return table(["What", "Id", "State", *names], rows, numeric=[1])
