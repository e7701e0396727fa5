"""A lineage graph as SVG: artifacts are pills, executions are boxes with a bar, edges run left to right."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from trueline.display.html import Html, join, tag, visible
from trueline.display.layout import layered
from trueline.display.lineage_lanes import straightened
from trueline.display.svg import frame

if TYPE_CHECKING:
    from trueline.display.lineage import LineageEdge, LineageItem

__all__ = ["draw"]

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _EDGE = 158, 42, 38, 12, 6
_LETTERS = 22
_CLASSES = {"FAILED": "bad", "CANCELED": "bad", "CACHED": "cached", "RUNNING": "busy", "NEW": "busy"}
Point = tuple[float, float]


def draw(items: Sequence[LineageItem], edges: Sequence[LineageEdge], *, label: str, links: bool) -> Html:
    """The picture, in its natural size: a wide one is scrolled, not shrunk.

    Args:
        items: the nodes.
        edges: edges with unknown ends are left out.
        label: what a screen reader reads.
        links: whether a box leads to its row, ``#lineage-<key>``.
    """
    layout = straightened(layered([item.key for item in items], [(edge.source, edge.target) for edge in edges]))
    places = [*layout.nodes.values(), *(place for bend in layout.bends.values() for place in bend)]
    columns = max((x for x, _ in places), default=0) + 1
    lanes = max((y for _, y in places), default=0.0) + 1
    named = {item.key: item for item in items}
    names: dict[tuple[str, str], list[str]] = {}
    for edge in edges:
        names.setdefault((edge.source, edge.target), []).append(edge.name)
    marks = []
    for (a, b), bends in layout.bends.items():
        points: list[Point] = []
        for place in (layout.nodes[a], *bends, layout.nodes[b]):
            x, y = _corner(place)
            points += [(x, y + _HEIGHT / 2), (x + _WIDTH, y + _HEIGHT / 2)]
        said = ", ".join(filter(None, names[a, b]))
        told = f"{_title(named[a])} to {_title(named[b])}" + (f" as {visible(said)}" if said else "")
        focus = " focus" if named[a].focus or named[b].focus else ""
        marks.append(tag("path", tag("title", told), d=_curve(points[1:-1]), class_=f"link{focus}"))
    marks += [_node(item, _corner(layout.nodes[item.key]), links) for item in items]
    width, height = columns * (_WIDTH + _GAP_X) - _GAP_X, lanes * (_HEIGHT + _GAP_Y) - _GAP_Y
    return frame(width + 2 * _EDGE, height + 2 * _EDGE, visible(label), *marks)


def _corner(place: tuple[int, float]) -> Point:
    return _EDGE + place[0] * (_WIDTH + _GAP_X), _EDGE + place[1] * (_HEIGHT + _GAP_Y)


def _curve(points: Sequence[Point]) -> str:
    """Curves over the gaps between layers, straight lines through the layers."""
    path = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for i, ((x1, y1), (x2, y2)) in enumerate(pairwise(points)):
        middle = (x1 + x2) / 2
        over_gap = f"C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        path += over_gap if i % 2 == 0 else f"L{x2:.0f} {y2:.0f}"
    return path


def _node(item: LineageItem, corner: Point, links: bool) -> Html:
    x, y = corner
    artifact = item.kind == "artifact"
    gone = "gone" if artifact and item.state not in ("LIVE", "") else ""
    classes = ("shape", item.kind, _CLASSES.get(item.state, ""), gone, "focus" if item.focus else "")
    size = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{_WIDTH}", "height": f"{_HEIGHT}"}
    hover = "\n".join([_title(item), *(f"{name}: {visible(text)}" for name, text in item.facts.items() if text)])
    parts = [
        tag("title", hover),
        tag("rect", **size, rx=f"{_HEIGHT / 2:g}" if artifact else "4", class_=" ".join(filter(None, classes))),
    ]
    if not artifact:
        bar = {**size, "width": "5"}
        parts.append(tag("rect", **bar, rx="2", class_=f"bar-of {_CLASSES.get(item.state, 'good')}"))
    left = x + 16
    parts.append(tag("text", _short(item.label), x=f"{left:g}", y=f"{y + 18:g}", class_="name"))
    detail = item.detail if item.state in ("LIVE", "COMPLETE", "") else f"{item.detail} {item.state.lower()}".strip()
    parts.append(tag("text", _short(detail), x=f"{left:g}", y=f"{y + 33:g}", class_="soft"))
    group = tag("g", join(parts))
    return tag("a", group, href=f"#lineage-{item.key}") if links else group


def _title(item: LineageItem) -> str:
    return visible(f"{item.label} {item.key[1:]}" + (f" ({item.state.lower()})" if item.state else ""))


def _short(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= _LETTERS else shown[: _LETTERS - 1] + "…"
