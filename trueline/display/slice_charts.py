"""Slices as an interval dot plot: one row a slice with its point, interval and size, beside a line of reference."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trueline.display.html import Html, number, tag, visible
from trueline.display.tuner_axes import Axis, drawing, in_scroll, x_axis

__all__ = ["SliceDot", "slice_dots"]

_WIDTH, _NAMES, _FIGURES, _TOP, _FLOOR = 920, 300, 190, 26, 44
_LINE, _LETTERS, _LINES = 14, 46, 3
_HALO = "paint-order:stroke;stroke:var(--bg);stroke-width:3px"


@dataclass(frozen=True)
class SliceDot:
    """One row of the plot.

    Attributes:
        name: what the slice is called; long names take up to three lines.
        value: the point; None where it is undefined.
        low: lower end of its interval; None where there is none, minus infinity where it is open.
        high: upper end of its interval; None where there is none, infinity where it is open.
        rows: how many rows; None where it is not known.
        kind: ``""``, ``"bad"``, ``"good"`` or ``"soft"``: the colour. It is told by the shape too: bad is a diamond,
            good a square.
        note: one sentence for the pointer, or why a value is undefined.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    rows: int | None = None
    kind: str = ""
    note: str = ""


def slice_dots(
    dots: Sequence[SliceDot],
    *,
    label: str,
    unit: str = "",
    reference: float | None = None,
    reference_name: str = "",
    order: str = "given",
    shown: Callable[[float], str] | None = None,
) -> Html:
    """Slices below each other, each with a point, its interval, and its value and size in words.

    Args:
        dots: the slices.
        label: what the drawing is of; a screen reader reads it.
        unit: what stands below the axis.
        reference: where a dashed line stands, for example the value of all rows.
        reference_name: what stands at that line.
        order: ``"given"``, ``"ascending"`` or ``"descending"`` by value; undefined ones come last.
        shown: writes a value, as a number if None.

    Raises:
        ValueError: another order.
    """
    ordered = _ordered(dots, order)
    axis = _axis(ordered, reference)
    if axis is None:
        return tag("p", "No slice has a value to draw.", class_="soft")
    lines = [_name_lines(dot.name) for dot in ordered]
    heights = [max(24, _LINE * len(text) + 8) for text in lines]
    floor = _TOP + sum(heights)
    left, width = _NAMES + 10, _WIDTH - _NAMES - _FIGURES - 20
    marks: list[Html] = []
    if reference is not None and math.isfinite(reference):
        marks += _reference(axis, reference, reference_name, (left, width, floor), shown)
    y = float(_TOP)
    for dot, text, height in zip(ordered, lines, heights, strict=True):
        marks.append(_row(dot, text, (axis, left, width, y + height / 2), shown))
        y += height
    marks += x_axis(axis, left, width, floor + 4)
    marks.append(tag("text", unit, x=f"{left + width / 2:g}", y=f"{floor + 36:g}", text_anchor="middle", class_="soft"))
    return in_scroll(drawing(_WIDTH, floor + _FLOOR, label, *marks, wide=False), label)  # paper does not scroll


def _ordered(dots: Sequence[SliceDot], order: str) -> list[SliceDot]:
    if order not in ("given", "ascending", "descending"):
        raise ValueError(f"order {order!r} is none of given, ascending, descending")
    if order == "given":
        return list(dots)
    sign = 1 if order == "ascending" else -1
    defined = [d for d in dots if _finite(d.value)]
    return [*sorted(defined, key=lambda d: sign * (d.value or 0.0)), *(d for d in dots if not _finite(d.value))]


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _axis(dots: Sequence[SliceDot], reference: float | None) -> Axis | None:
    """Over all points and the reference; of intervals at most as far again as those reach, so that one wide interval
    does not press all others together."""
    points = [d.value for d in dots if d.value is not None and math.isfinite(d.value)]
    if not points:
        return None
    points += [reference] if reference is not None and math.isfinite(reference) else []
    low, high = min(points), max(points)
    ends = [e for d in dots if _finite(d.value) for e in (d.low, d.high) if e is not None and math.isfinite(e)]
    spread = sorted(abs(e - m) for d in dots for e in (d.low, d.high) if e is not None and _finite(e)
                    for m in [d.value] if m is not None and math.isfinite(m))  # fmt: skip
    reach = max(high - low, 3 * spread[len(spread) // 2] if spread else 0.0)
    low, high = max(min([low, *ends]), low - reach), min(max([high, *ends]), high + reach)
    return Axis("", low, high) if low < high else Axis("", low - (abs(low) or 1.0) / 10, high + (abs(high) or 1.0) / 10)


def _name_lines(name: str) -> list[str]:
    wrapped = textwrap.wrap(visible(name), _LETTERS, break_long_words=True, break_on_hyphens=False) or ["(no name)"]
    if len(wrapped) > _LINES:
        wrapped = [*wrapped[: _LINES - 1], wrapped[_LINES - 1][: _LETTERS - 1] + "…"]
    return wrapped


def _reference(
    axis: Axis, value: float, name: str, place: tuple[int, int, float], shown: Callable[[float], str] | None
) -> list[Html]:
    left, width, floor = place
    x = left + (axis.place(value) or 0.0) * width
    style = "stroke:var(--soft);stroke-width:1.2;stroke-dasharray:4 3"
    line = tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=str(_TOP - 6), y2=f"{floor + 4:g}", style=style)
    text = f"{name} {(shown or number)(value)}".strip()
    anchor = "start" if x < left + width * 0.2 else "end" if x > left + width * 0.8 else "middle"
    return [line, tag("text", text, x=f"{x:.1f}", y=str(_TOP - 11), text_anchor=anchor, class_="soft")]


def _row(
    dot: SliceDot, lines: Sequence[str], place: tuple[Axis, int, int, float], shown: Callable[[float], str] | None
) -> Html:
    axis, left, width, y = place
    words = _words(dot, shown)
    first = y - (len(lines) - 1) * _LINE / 2 + 4
    parts = [tag("title", ". ".join(part for part in (visible(dot.name), words, visible(dot.note)) if part))]
    parts += [
        tag("text", text, x=str(_NAMES), y=f"{first + i * _LINE:.1f}", text_anchor="end")
        for i, text in enumerate(lines)
    ]
    grid = {"x1": str(left), "x2": str(left + width), "y1": f"{y:.1f}", "y2": f"{y:.1f}"}
    parts.append(tag("line", **grid, class_="axis"))
    if dot.value is not None and math.isfinite(dot.value):
        colour = {"bad": "var(--bad)", "good": "var(--good)", "soft": "var(--soft)"}.get(dot.kind, "var(--a)")
        parts += _interval(dot, axis, (left, width, y), colour)
        parts.append(_point(left + (axis.place(dot.value) or 0.0) * width, y, dot.kind, colour))
    figures = tag("text", words, x=str(_WIDTH - _FIGURES), y=f"{y + 4:.1f}", class_="soft", style=_HALO)
    return tag("g", *parts, figures)


def _words(dot: SliceDot, shown: Callable[[float], str] | None) -> str:
    value = (shown or number)(dot.value) if dot.value is not None and math.isfinite(dot.value) else "undefined"
    return value if dot.rows is None else f"{value}, {dot.rows:,} rows"


def _interval(dot: SliceDot, axis: Axis, place: tuple[int, int, float], colour: str) -> list[Html]:
    """The interval's line with ends; an end beyond the axis is an arrow head."""
    left, width, y = place
    if dot.low is None or dot.high is None or math.isnan(dot.low) or math.isnan(dot.high):
        return []
    style = f"stroke:{colour};stroke-width:1.8;fill:none"
    low, high = (left + (axis.place(end) or 0.0) * width for end in (dot.low, dot.high))
    parts = [tag("line", x1=f"{low:.1f}", x2=f"{high:.1f}", y1=f"{y:.1f}", y2=f"{y:.1f}", style=style)]
    for x, end, way in ((low, dot.low, 1), (high, dot.high, -1)):
        head = f"M{x + 5 * way:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x + 5 * way:.1f} {y + 4:.1f}"
        path = head if axis.beyond(end) else f"M{x:.1f} {y - 4:.1f}V{y + 4:.1f}"
        parts.append(tag("path", d=path, style=style))
    return parts


def _point(x: float, y: float, kind: str, colour: str) -> Html:
    style = f"fill:{colour};stroke:var(--bg);stroke-width:1"
    if kind == "bad":
        return tag("path", d=f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z", style=style)
    if kind == "good":
        return tag("rect", x=f"{x - 4.5:.1f}", y=f"{y - 4.5:.1f}", width="9", height="9", style=style)
    return tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="5", style=style)
