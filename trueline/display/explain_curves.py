"""Pictures of a score over a feature's values: curves with intervals, and maps over two features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trueline.display.explain_marks import line, rect, text, value_name
from trueline.display.html import Html, number, percent, tag, visible
from trueline.display.tuner_axes import Axis, drawing, in_scroll, short, x_axis, y_axis

__all__ = ["Curve", "curve_chart", "heat_map"]

_COLOURS = ("var(--a)", "var(--b)", "var(--good)", "var(--bad)", "var(--soft)")


@dataclass(frozen=True)
class Curve:
    """One curve over a grid.

    Attributes:
        name: what it is.
        values: a height at each place of the grid; NaN breaks the curve.
        errors: standard errors, or none.
        faint: whether it is one of many in the background.
    """

    name: str
    values: Sequence[float]
    errors: Sequence[float] = ()
    faint: bool = False


def curve_chart(
    grid: Sequence[Any], numeric: bool, curves: Sequence[Curve], *, shares: Sequence[float], label: str, name: str
) -> Html:
    """Curves over a feature's values: lines over numbers, dots over texts; below, how many rows each value stands for.

    Args:
        grid: values, JSON; None is missing, and stands by itself at the right.
        numeric: whether the others are numbers.
        curves: faint ones first.
        shares: of the rows, for each value.
        label: what the picture is of.
        name: what stands at the upper axis.
    """
    width, top, height, left = 460, 20, 168, 62
    heights = [v for c in curves for v in _reach(c) if math.isfinite(v)]
    axis = Axis(name, min(heights, default=0.0), max(heights, default=1.0))
    numbers = [v for v in grid if isinstance(v, int | float) and not isinstance(v, bool)]
    lines = numeric and len(numbers) > 1 and len(numbers) == sum(v is not None for v in grid)
    inner = width - left - 14 - (46 if lines and None in grid else 0)
    if lines:
        below = Axis("", float(min(numbers)), float(max(numbers)))
        xs = [left + (below.place(v) or 0.0) * inner if v is not None else width - 26 for v in grid]
    else:
        below = Axis("", choices=tuple(value_name(v) for v in grid))
        xs = [left + (i + 0.5) / len(grid) * inner for i in range(len(grid))]
    marks = [*y_axis(axis, left, top, height, width - 14), *x_axis(below, left, inner, top + height + 34)]
    if lines and None in grid:
        marks.append(text("missing", width - 26, top + height + 50, text_anchor="middle", class_="soft"))
    marks += _shares(xs, grid, shares, top + height + 34)
    solid, count = 0, sum(not c.faint for c in curves)
    for curve in curves:
        colour = "var(--soft)" if curve.faint else _COLOURS[solid % len(_COLOURS)]
        aside = 0.0 if curve.faint else (solid - (count - 1) / 2) * 9
        solid += not curve.faint
        # Dots of several curves stand beside each other; lines lie where their values are.
        at = [x if lines and g is not None else x + aside for x, g in zip(xs, grid, strict=True)]
        marks += _curve(curve, at, grid, axis, (top, height), colour, lines)
    marks.append(text(short(name, 60), left - 56, 11, class_="soft"))
    picture = in_scroll(drawing(width, top + height + 56, label, *marks, wide=False), label)
    named = [c.name for c in curves if not c.faint]
    return picture if len(named) < 2 else tag("div", picture, _legend(named))


def _shares(xs: Sequence[float], grid: Sequence[Any], shares: Sequence[float], bottom: int) -> list[Html]:
    """A bar for each value: how many rows it stands for."""
    marks, most = [], max(shares, default=0.0) or 1.0
    for x, v, share in zip(xs, grid, shares, strict=True):
        tall = 26 * share / most
        told = f"{value_name(v)}: {percent(share, 1)} of the rows"
        marks.append(rect(x - 3, bottom - tall, 6, tall, told, style="fill:var(--line)"))
    return marks


def _legend(names: Sequence[str]) -> Html:
    """The colours of the curves."""
    keys = [
        tag("span", tag("i", style=f"border-color:{_COLOURS[i % len(_COLOURS)]}"), short(name, 40), class_="small")
        for i, name in enumerate(names)
    ]
    return tag("div", *keys, class_="legend")


def _reach(curve: Curve) -> list[float]:
    if not curve.errors:
        return list(curve.values)
    pairs = [(v, e if math.isfinite(e) else 0.0) for v, e in zip(curve.values, curve.errors, strict=True)]
    return [v + s * 1.96 * e for v, e in pairs for s in (-1, 1)]


def _curve(
    curve: Curve, xs: Sequence[float], grid: Sequence[Any], axis: Axis, box: tuple[int, int], colour: str, lines: bool
) -> list[Html]:
    """The marks of one curve."""
    top, height = box

    def y(value: float) -> float:
        return top + (1 - (axis.place(value) or 0.0)) * height

    marks: list[Html] = []
    good = [math.isfinite(v) for v in curve.values]
    joined = sorted((x, v) for x, v, g, ok in zip(xs, curve.values, grid, good, strict=True) if ok and g is not None)
    if lines and len(joined) > 1:
        if curve.errors and not curve.faint:
            marks.append(_band(curve, xs, grid, y, colour))
        path = "M" + "L".join(f"{x:.1f} {y(v):.1f}" for x, v in joined)
        style = f"fill:none;stroke:{colour};stroke-width:{0.7 if curve.faint else 2}"
        style += ";stroke-opacity:.35" if curve.faint else ""
        marks.append(tag("path", tag("title", visible(curve.name)), d=path, style=style))
    for i, (x, v) in enumerate(zip(xs, curve.values, strict=True)):
        if not good[i] or (lines and grid[i] is not None):
            continue
        error = curve.errors[i] if curve.errors else 0.0
        told = f"{visible(curve.name)}, {value_name(grid[i])}: {number(v, 4)}"
        if math.isfinite(error) and error and not curve.faint:
            marks.append(line(x, y(v - 1.96 * error), x, y(v + 1.96 * error), f"stroke:{colour};stroke-width:1.4"))
        radius, fill = ("1.6", ";fill-opacity:.4") if curve.faint else ("4", "")
        marks.append(
            tag("circle", tag("title", told), cx=f"{x:.1f}", cy=f"{y(v):.1f}", r=radius, style=f"fill:{colour}{fill}")
        )
    return marks


def _band(curve: Curve, xs: Sequence[float], grid: Sequence[Any], y: Any, colour: str) -> Html:
    """The interval of the mean along a line."""
    points = sorted(
        (x, v, e if math.isfinite(e) else 0.0)
        for x, v, e, g in zip(xs, curve.values, curve.errors, grid, strict=True)
        if math.isfinite(v) and g is not None
    )
    upper = [f"{x:.1f} {y(v + 1.96 * e):.1f}" for x, v, e in points]
    lower = [f"{x:.1f} {y(v - 1.96 * e):.1f}" for x, v, e in reversed(points)]
    return tag("path", d="M" + "L".join(upper + lower) + "Z", style=f"fill:{colour};fill-opacity:.16;stroke:none")


def heat_map(
    rows: Sequence[Any],
    columns: Sequence[Any],
    values: Sequence[Sequence[float]],
    *,
    names: tuple[str, str],
    label: str,
) -> Html:
    """A score over two features: darker blue is above the middle of what is seen, darker orange below it."""
    flat = [v for row in values for v in row if math.isfinite(v)]
    low, high = min(flat, default=0.0), max(flat, default=1.0)
    cell_w, cell_h, left, top = max(26, min(64, 620 // max(len(columns), 1))), 20, 120, 22
    marks = [text(short(f"{names[0]} ↓   {names[1]} →", 60), 0, 12, class_="soft")]
    for r, row in enumerate(values):
        y = top + r * cell_h
        marks.append(text(short(value_name(rows[r]), 16), left - 8, y + 14, text_anchor="end", class_="soft"))
        for c, v in enumerate(row):
            told = f"{names[0]} {value_name(rows[r])}, {names[1]} {value_name(columns[c])}: {number(v, 4)}"
            share = 0.5 if high == low or not math.isfinite(v) else (v - low) / (high - low)
            marks.append(rect(left + c * cell_w, y, cell_w - 1, cell_h - 1, visible(told), style=_mixed(share)))
    below = top + len(values) * cell_h + 14
    step = -(-len(columns) // max(1, int(len(columns) * cell_w / 52)))
    for c in range(0, len(columns), step):
        x = left + (c + 0.5) * cell_w
        marks.append(text(short(value_name(columns[c]), 9), x, below, text_anchor="middle", class_="soft"))
    key = f"from {number(low, 3)} (orange) to {number(high, 3)} (blue)"
    marks.append(text(key, left, below + 20, class_="soft"))
    return in_scroll(drawing(left + len(columns) * cell_w + 4, below + 28, label, *marks), label)


def _mixed(share: float) -> str:
    """A colour from the second (0) over the background (one half) to the first (1)."""
    strength = round(abs(share - 0.5) * 200)
    return f"fill:color-mix(in srgb, var(--{'a' if share >= 0.5 else 'b'}) {strength}%, var(--panel))"
