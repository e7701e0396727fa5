"""Lines over two axes: curves, points with their intervals, and the same figures as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trueline.display.html import Html, Safe, join, number, table, tag, visible
from trueline.display.tuner_axes import Axis, drawing, short, x_axis, y_axis

__all__ = ["STYLES", "Chart", "Line", "Whisker", "chart_view", "charts_view", "figure_view", "legend"]

STYLES = 6
"""So many kinds of line, by colour and by dash, before they repeat."""
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 392, 262, 62, 10, 12, 40
_FIGURES = 21
Point = tuple[float, float]


@dataclass(frozen=True)
class Whisker:
    """An interval that stands at x, from low to high, and what is said of it."""

    x: float
    low: float
    high: float
    said: str = ""


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: what it shows.
        points: (x, y) in order; a y that is not finite breaks the line.
        whiskers: intervals.
        dots: whether each point is marked.
    """

    name: str
    points: Sequence[Point]
    whiskers: Sequence[Whisker] = ()
    dots: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines on common axes.

    Attributes:
        title: stands above it.
        x_label, y_label: what the axes measure; nothing is written at the y axis where it is empty.
        lines: at most `STYLES` differ by their look.
        x, y: ends of the axes; from the points where not given.
        reference: a grey line to compare with, for example the diagonal.
        note: a sentence below.
        x_names: texts of the places 0, 1, 2, ... on the x axis, in place of numbers.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x: tuple[float, float] | None = None
    y: tuple[float, float] | None = None
    reference: Line | None = None
    note: str = ""
    x_names: Sequence[str] = ()


@dataclass(frozen=True)
class _Frame:
    x: Axis
    y: Axis

    def at(self, point: Point) -> tuple[float, float]:
        across, up = self.x.place(float(point[0])), self.y.place(float(point[1]))
        x = _LEFT + (across or 0.0) * (_WIDTH - _LEFT - _RIGHT)
        return x, _TOP + (1 - (up or 0.0)) * (_HEIGHT - _TOP - _BOTTOM)


def charts_view(charts: Sequence[Chart]) -> Html:
    """Charts beside each other, as many as a line holds."""
    return tag("div", *(chart_view(c) for c in charts), class_="curves")


def chart_view(chart: Chart) -> Html:
    """One chart with its legend, and its figures folded away below."""
    if not any(_finite(line.points) for line in chart.lines):
        return figure_view(chart.title, tag("p", "There is no finite value to draw.", class_="soft"), note=chart.note)
    place = _Frame(_axis(chart.x_label, chart.x, _places(chart, 0)), _axis(chart.y_label, chart.y, _places(chart, 1)))
    marks: list[Html] = [*_axes(chart, place)]
    if chart.reference is not None:
        marks.append(tag("path", d=_path(chart.reference, place), class_="curve reference"))
    for i, line in enumerate(chart.lines):
        marks += _line(line, place, i % STYLES)
    label = (
        f"{chart.title}: {chart.y_label or 'value'} against {chart.x_label}, {', '.join(ln.name for ln in chart.lines)}"
    )
    picture = drawing(_WIDTH, _HEIGHT, visible(label), *marks, wide=False)
    named = chart.lines if chart.reference is None else (*chart.lines, chart.reference)
    names = [(line.name, i % STYLES if i < len(chart.lines) else None) for i, line in enumerate(named)]
    return figure_view(chart.title, picture, legend(names), _figures(chart), note=chart.note)


def figure_view(title: str, picture: Html, *below: Safe, note: str = "") -> Html:
    """A picture with its title above, and what belongs to it below."""
    said = tag("p", note, class_="small soft") if note else None
    return tag("figure", tag("figcaption", visible(title)), picture, *below, said)


def legend(names: Sequence[tuple[str, int | None]]) -> Html:
    """Names with the look of their lines; None is the reference's."""
    items = [
        tag("span", tag("i", class_="reference" if i is None else f"s{i}"), visible(name), class_="small")
        for name, i in names
        if name
    ]
    return tag("div", *items, class_="legend")


def _finite(points: Sequence[Point]) -> list[Point]:
    return [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])]


def _places(chart: Chart, axis: int) -> list[float]:
    values = [p[axis] for line in chart.lines for p in _finite(line.points)]
    if axis == 1:
        values += [v for line in chart.lines for w in line.whiskers for v in (w.low, w.high) if math.isfinite(v)]
        values += [p[1] for p in _finite(chart.reference.points)] if chart.reference is not None else []
    return values


def _axis(name: str, ends: tuple[float, float] | None, values: Sequence[float]) -> Axis:
    low, high = ends if ends is not None else (min(values), max(values))
    if low == high:
        reach = abs(low) * 0.1 or 1.0
        low, high = low - reach, high + reach
    return Axis(name, low, high)


def _axes(chart: Chart, place: _Frame) -> list[Html]:
    bottom, width = _HEIGHT - _BOTTOM, _WIDTH - _LEFT - _RIGHT
    marks = y_axis(place.y, _LEFT, _TOP, bottom - _TOP, _WIDTH - _RIGHT)
    marks += _names(chart, place) if chart.x_names else x_axis(place.x, _LEFT, width, bottom)
    middle = f"{(_TOP + bottom) / 2:g}"
    marks.append(
        tag("text", short(chart.x_label, 60), x=f"{_LEFT + width / 2:g}", y=f"{_HEIGHT - 5}", text_anchor="middle")
    )
    marks.append(
        tag(
            "text",
            short(chart.y_label, 40),
            x="12",
            y=middle,
            text_anchor="middle",
            transform=f"rotate(-90 10 {middle})",
        )
    )
    return marks


def _names(chart: Chart, place: _Frame) -> list[Html]:
    count = len(chart.x_names)
    step = -(-count // 5)
    letters = max(4, int(58 / min(count, 5)))
    marks = []
    for i, name in enumerate(chart.x_names):
        if i % step:
            continue
        x, half = place.at((i, 0))[0], 3 * min(len(name), letters)
        x = min(max(x, _LEFT / 2 + half), _WIDTH - 2 - half)
        marks.append(
            tag("text", tag("title", visible(name)), short(name, letters), x=f"{x:.1f}",
                y=str(_HEIGHT - _BOTTOM + 16), text_anchor="middle", class_="soft")
        )  # fmt: skip
    return marks


def _line(line: Line, place: _Frame, style: int) -> list[Html]:
    marks = []
    for w in line.whiskers:
        if not (math.isfinite(w.low) and math.isfinite(w.high)):
            continue
        (x, low), (_, high) = place.at((w.x, w.low)), place.at((w.x, w.high))
        d = f"M{x:.1f} {low:.1f}V{high:.1f}M{x - 3:.1f} {low:.1f}h6M{x - 3:.1f} {high:.1f}h6"
        marks.append(tag("path", tag("title", visible(w.said)) if w.said else None, d=d, class_=f"whisker s{style}"))
    path = _path(line, place)
    if path:
        marks.append(tag("path", tag("title", visible(line.name)), d=path, class_=f"curve s{style}"))
    if line.dots:
        marks += [_dot(line.name, p, place.at(p), style) for p in _finite(line.points)]
    return marks


def _dot(name: str, point: Point, at: Point, style: int) -> Html:
    said = tag("title", visible(f"{name}: {number(float(point[0]))}, {number(float(point[1]))}"))
    if style % 2:
        return tag(
            "path", said, d=f"M{at[0]:.1f} {at[1] - 4.5:.1f}l4.5 4.5l-4.5 4.5l-4.5 -4.5z", class_=f"dot s{style}"
        )
    return tag("circle", said, cx=f"{at[0]:.1f}", cy=f"{at[1]:.1f}", r="3.5", class_=f"dot s{style}")


def _path(line: Line, place: _Frame) -> str:
    """An SVG path; points nearer than a pixel to the last drawn one are left out, but never the last of a stretch."""
    pieces, pen, last = list[str](), False, (math.nan, math.nan)
    for i, point in enumerate(line.points):
        if not (math.isfinite(point[0]) and math.isfinite(point[1])):
            pen = False
            continue
        x, y = place.at(point)
        ends = i + 1 == len(line.points) or not math.isfinite(line.points[i + 1][1])
        if pen and not ends and math.hypot(x - last[0], y - last[1]) < 1:
            continue
        pieces.append(f"{'L' if pen else 'M'}{x:.1f} {y:.1f}" + ("h.1" if ends and not pen else ""))
        pen, last = True, (x, y)
    return "".join(pieces)


def _figures(chart: Chart) -> Html:
    """What the chart shows, for those who read and do not look: at most `_FIGURES` points a line."""
    rows: list[Sequence[Safe]] = []
    for line in chart.lines:
        points = line.points
        step = max(1, -(-len(points) // _FIGURES))
        said = {w.x: w for w in line.whiskers}
        for i in sorted({*range(0, len(points), step), len(points) - 1} if points else ()):
            x, y = points[i]
            where = chart.x_names[int(x)] if chart.x_names else number(float(x))
            interval = f"{number(said[x].low)} to {number(said[x].high)}" if x in said else ""
            rows.append([visible(line.name), visible(where), number(float(y)), interval])
    intervals = any(line.whiskers for line in chart.lines)
    head: list[Safe] = [
        "",
        visible(chart.x_label),
        visible(chart.y_label or "value"),
        *(["interval"] if intervals else []),
    ]
    shown = table(head, [row[: len(head)] for row in rows], numeric=range(1, len(head)), class_="plain")
    return tag("details", tag("summary", "Figures"), join([shown]), class_="figures small")
