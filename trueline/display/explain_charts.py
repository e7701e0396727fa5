"""Pictures of explanations: bars from zero with intervals, curves, maps of two features, waterfalls, swarms of dots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trueline.display.html import Html, number, percent, tag, visible
from trueline.display.tuner_axes import Axis, drawing, in_scroll, short, x_axis, y_axis

__all__ = ["Bar", "Curve", "Swarm", "curve_chart", "effect_bars", "heat_map", "swarm_chart", "waterfall"]

_WIDTH, _LEFT, _ROW = 640, 176, 24
_ZERO = "stroke:var(--soft);stroke-width:1"
_WHISKER = "stroke:var(--ink);stroke-width:1.4;fill:none"


@dataclass(frozen=True)
class Bar:
    """A value from zero, and its interval."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


def _text(content: str, x: float, y: float, **more: Any) -> Html:
    return tag("text", content, x=f"{x:.1f}", y=f"{y:.1f}", **more)


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Html:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", style=style)


def _rect(x: float, y: float, w: float, h: float, told: str, **more: Any) -> Html:
    at = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{max(w, 0.8):.1f}", "height": f"{h:.1f}"}
    return tag("rect", tag("title", told), **at, **more)


def _signed(value: float) -> str:
    """A change: always with its sign."""
    return ("+" if value > 0 else "") + number(value, 3)


def effect_bars(bars: Sequence[Bar], *, label: str, signed: bool = False) -> Html:
    """Horizontal bars from zero; below zero to the left, in the second colour.

    Args:
        bars: from top to bottom; a value of None is written as undefined.
        label: what the picture is of.
        signed: write a sign before each value.
    """
    ends = [v for b in bars for v in (b.value, b.low, b.high, 0.0) if v is not None and math.isfinite(v)]
    low, high = min(ends, default=0.0), max(ends, default=0.0)
    span = (high - low) or 1.0
    left, right = (
        _LEFT + (54 if any(b.value is not None and b.value < 0 for b in bars) else 14 if low < 0 else 0),
        _WIDTH - 78,
    )
    scale = (right - left) / span
    zero = left - low * scale
    height = _ROW * len(bars) + 6
    marks: list[Html] = []
    for i, bar in enumerate(bars):
        y = i * _ROW + 4
        name = _text(short(bar.name, 26), _LEFT - 10, y + 13, text_anchor="end")
        marks.append(name)
        if bar.value is None:
            marks.append(_text("undefined" + (f": {bar.note}" if bar.note else ""), zero + 6, y + 13, class_="soft"))
            continue
        at = zero + bar.value * scale
        shown = _signed(bar.value) if signed else number(bar.value, 3)
        told = f"{visible(bar.name)}: {shown}"
        if bar.low is not None and bar.high is not None:
            told += f" ({number(bar.low, 3)} to {number(bar.high, 3)})"
        told += f". {bar.note}" if bar.note else ""
        class_ = "bar" if bar.value >= 0 else "bar2"
        marks.append(_rect(min(zero, at), y + 2, abs(at - zero), 14, told, class_=class_, rx="2"))
        edge = at
        if bar.low is not None and bar.high is not None:
            a, b = zero + bar.low * scale, zero + bar.high * scale
            path = f"M{a:.1f} {y + 6}v6m0-3H{b:.1f}m0-3v6"
            marks.append(tag("path", d=path, style=_WHISKER))
            edge = max(at, b) if bar.value >= 0 else min(at, a)
        out = bar.value >= 0
        marks.append(_text(shown, edge + (6 if out else -6), y + 13, text_anchor=None if out else "end", class_="soft"))
    marks.append(_line(zero, 0, zero, height, _ZERO))
    return in_scroll(drawing(_WIDTH, height, label, *marks), label)


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


_COLOURS = ("var(--a)", "var(--b)", "var(--good)", "var(--bad)", "var(--soft)")


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
        below = Axis("", choices=tuple(_named(v) for v in grid))
        xs = [left + (i + 0.5) / len(grid) * inner for i in range(len(grid))]
    marks = [*y_axis(axis, left, top, height, width - 14), *x_axis(below, left, inner, top + height + 34)]
    if lines and None in grid:
        marks.append(_text("missing", width - 26, top + height + 50, text_anchor="middle", class_="soft"))
    most = max(shares, default=0.0) or 1.0
    for x, v, share in zip(xs, grid, shares, strict=True):
        tall = 26 * share / most
        told = f"{_named(v)}: {percent(share, 1)} of the rows"
        marks.append(_rect(x - 3, top + height + 34 - tall, 6, tall, told, style="fill:var(--line)"))
    solid, count = 0, sum(not c.faint for c in curves)
    for curve in curves:
        colour = "var(--soft)" if curve.faint else _COLOURS[solid % len(_COLOURS)]
        aside = 0.0 if curve.faint else (solid - (count - 1) / 2) * 9
        solid += not curve.faint
        # Dots of several curves stand beside each other; lines lie where their values are.
        at = [x if lines and g is not None else x + aside for x, g in zip(xs, grid, strict=True)]
        marks += _curve(curve, at, grid, axis, (top, height), colour, lines)
    marks.append(_text(short(name, 60), left - 56, 11, class_="soft"))
    picture = in_scroll(drawing(width, top + height + 56, label, *marks, wide=False), label)
    named = [c for c in curves if not c.faint]
    if len(named) < 2:
        return picture
    keys = [
        tag("span", tag("i", style=f"border-color:{_COLOURS[i % len(_COLOURS)]}"), short(c.name, 40), class_="small")
        for i, c in enumerate(named)
    ]
    return tag("div", picture, tag("div", *keys, class_="legend"))


def _reach(curve: Curve) -> list[float]:
    if not curve.errors:
        return list(curve.values)
    pairs = [(v, e if math.isfinite(e) else 0.0) for v, e in zip(curve.values, curve.errors, strict=True)]
    return [v + s * 1.96 * e for v, e in pairs for s in (-1, 1)]


def _named(value: Any) -> str:
    return "missing" if value is None else value if isinstance(value, str) else _plain(value)


def _plain(value: Any) -> str:
    return (
        number(value, 3) if isinstance(value, float) else str(value).lower() if value in (True, False) else str(value)
    )


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
        told = f"{visible(curve.name)}, {_named(grid[i])}: {number(v, 4)}"
        if math.isfinite(error) and error and not curve.faint:
            marks.append(_line(x, y(v - 1.96 * error), x, y(v + 1.96 * error), f"stroke:{colour};stroke-width:1.4"))
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


def _mixed(share: float) -> str:
    """A colour from the second (0) over the background (one half) to the first (1)."""
    strength = round(abs(share - 0.5) * 200)
    return f"fill:color-mix(in srgb, var(--{'a' if share >= 0.5 else 'b'}) {strength}%, var(--panel))"


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
    marks = [_text(short(f"{names[0]} ↓   {names[1]} →", 60), 0, 12, class_="soft")]
    for r, row in enumerate(values):
        y = top + r * cell_h
        marks.append(_text(short(_named(rows[r]), 16), left - 8, y + 14, text_anchor="end", class_="soft"))
        for c, v in enumerate(row):
            told = f"{names[0]} {_named(rows[r])}, {names[1]} {_named(columns[c])}: {number(v, 4)}"
            share = 0.5 if high == low or not math.isfinite(v) else (v - low) / (high - low)
            marks.append(_rect(left + c * cell_w, y, cell_w - 1, cell_h - 1, visible(told), style=_mixed(share)))
    below = top + len(values) * cell_h + 14
    step = -(-len(columns) // max(1, int(len(columns) * cell_w / 52)))
    for c in range(0, len(columns), step):
        x = left + (c + 0.5) * cell_w
        marks.append(_text(short(_named(columns[c]), 9), x, below, text_anchor="middle", class_="soft"))
    key = f"from {number(low, 3)} (orange) to {number(high, 3)} (blue)"
    marks.append(_text(key, left, below + 20, class_="soft"))
    return in_scroll(drawing(left + len(columns) * cell_w + 4, below + 28, label, *marks), label)


def waterfall(base: float, steps: Sequence[tuple[str, float, str]], score: float, *, label: str) -> Html:
    """From the base to the score, one bar a feature.

    Args:
        base: where it starts.
        steps: (feature, its value, the raw value as text), in the order in which they are drawn.
        score: where it ends.
        label: what the picture is of.
    """
    levels = [base]
    for _, value, _ in steps:
        levels.append(levels[-1] + value)
    low, high = min(*levels, score), max(*levels, score)
    left, right = 250, _WIDTH - 64
    scale = (right - left) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return left + (value - low) * scale

    height = _ROW * (len(steps) + 2) + 6
    marks = [_line(x(base), 8, x(base), height - 8, _ZERO + ";stroke-dasharray:2 3")]
    marks.append(_text("base", left - 74, 16, text_anchor="end", class_="soft"))
    marks.append(_text(number(base, 4), x(base) + 5, 16, class_="soft"))
    for i, (name, value, raw) in enumerate(steps):
        y, a, b = (i + 1) * _ROW, x(levels[i]), x(levels[i + 1])
        marks.append(_text(short(name, 22), left - 74, y + 16, text_anchor="end"))
        marks.append(_text(short(raw, 11), left - 66, y + 16, class_="soft"))
        told = f"{visible(name)} = {visible(raw)}: {_signed(value)}"
        marks.append(_rect(min(a, b), y + 4, abs(b - a), 15, told, class_="bar" if value >= 0 else "bar2", rx="2"))
        marks.append(_line(b, y + 4, b, y + _ROW + 5, _ZERO))
        marks.append(_text(_signed(value), max(a, b) + 5, y + 16, class_="soft"))
    y = (len(steps) + 1) * _ROW
    marks.append(_text("score", left - 74, y + 16, text_anchor="end"))
    marks.append(_text(number(score, 4), x(score) + 5, y + 16))
    marks.append(_line(x(score), y, x(score), y + 20, "stroke:var(--ink);stroke-width:2"))
    return in_scroll(drawing(_WIDTH, height, label, *marks), label)


@dataclass(frozen=True)
class Swarm:
    """A row of dots.

    Attributes:
        name: the feature.
        values: where each dot lies.
        shades: 0 (low) to 1 (high) of the feature's own value; None has no place on such a scale.
        told: what is shown at each dot.
    """

    name: str
    values: Sequence[float]
    shades: Sequence[float | None]
    told: Sequence[str]


def swarm_chart(swarms: Sequence[Swarm], *, label: str) -> Html:
    """Dots of every row by feature; blue where the feature's own value is high, orange where it is low."""
    row, right = 34, _WIDTH - 14
    finite = [v for s in swarms for v in s.values if math.isfinite(v)]
    low, high = min([*finite, 0.0]), max([*finite, 0.0])
    axis = Axis("", low, high if high > low else low + 1.0)
    inner = right - _LEFT
    marks: list[Html] = []
    for i, swarm in enumerate(swarms):
        middle = i * row + row / 2
        marks.append(_text(short(swarm.name, 26), _LEFT - 10, middle + 4, text_anchor="end"))
        marks.append(_line(_LEFT, middle, right, middle, "stroke:var(--line)"))
        taken: dict[int, int] = {}
        for value, shade, told in zip(swarm.values, swarm.shades, swarm.told, strict=True):
            x = _LEFT + (axis.place(value) or 0.0) * inner
            count = taken.get(round(x / 3), 0)
            taken[round(x / 3)] = count + 1
            offset = min((count + 1) // 2 * 2.2, row / 2 - 3) * (1 if count % 2 else -1)
            style = "fill:var(--soft)" if shade is None else _shade(shade)
            at = {"cx": f"{x:.1f}", "cy": f"{middle + offset:.1f}", "r": "2.4"}
            marks.append(tag("circle", tag("title", visible(told)), **at, style=style + ";fill-opacity:.85"))
    bottom = len(swarms) * row + 4
    zero = _LEFT + (axis.place(0.0) or 0.0) * inner
    marks.append(_line(zero, 0, zero, bottom, _ZERO))
    marks += x_axis(axis, _LEFT, inner, bottom)
    return in_scroll(drawing(_WIDTH, bottom + 24, label, *marks), label)


def _shade(share: float) -> str:
    return f"fill:color-mix(in srgb, var(--a) {round(100 * share)}%, var(--b))"
