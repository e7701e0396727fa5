"""Pictures of a model's features: bars from zero with intervals, waterfalls, swarms of dots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trueline.display.explain_marks import LEFT, ROW, WIDTH, ZERO, line, rect, signed_number, text
from trueline.display.html import Html, number, tag, visible
from trueline.display.tuner_axes import Axis, drawing, in_scroll, short, x_axis

__all__ = ["Bar", "Swarm", "effect_bars", "swarm_chart", "waterfall"]

_WHISKER = "stroke:var(--ink);stroke-width:1.4;fill:none"


@dataclass(frozen=True)
class Bar:
    """A value from zero, and its interval."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


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
        LEFT + (54 if any(b.value is not None and b.value < 0 for b in bars) else 14 if low < 0 else 0),
        WIDTH - 78,
    )
    scale = (right - left) / span
    zero = left - low * scale
    height = ROW * len(bars) + 6
    marks: list[Html] = []
    for i, bar in enumerate(bars):
        y = i * ROW + 4
        name = text(short(bar.name, 26), LEFT - 10, y + 13, text_anchor="end")
        marks.append(name)
        if bar.value is None:
            marks.append(text("undefined" + (f": {bar.note}" if bar.note else ""), zero + 6, y + 13, class_="soft"))
            continue
        at = zero + bar.value * scale
        shown = signed_number(bar.value) if signed else number(bar.value, 3)
        told = f"{visible(bar.name)}: {shown}"
        if bar.low is not None and bar.high is not None:
            told += f" ({number(bar.low, 3)} to {number(bar.high, 3)})"
        told += f". {bar.note}" if bar.note else ""
        class_ = "bar" if bar.value >= 0 else "bar2"
        marks.append(rect(min(zero, at), y + 2, abs(at - zero), 14, told, class_=class_, rx="2"))
        edge = at
        if bar.low is not None and bar.high is not None:
            a, b = zero + bar.low * scale, zero + bar.high * scale
            path = f"M{a:.1f} {y + 6}v6m0-3H{b:.1f}m0-3v6"
            marks.append(tag("path", d=path, style=_WHISKER))
            edge = max(at, b) if bar.value >= 0 else min(at, a)
        out = bar.value >= 0
        marks.append(text(shown, edge + (6 if out else -6), y + 13, text_anchor=None if out else "end", class_="soft"))
    marks.append(line(zero, 0, zero, height, ZERO))
    return in_scroll(drawing(WIDTH, height, label, *marks), label)


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
    left, right = 250, WIDTH - 64
    scale = (right - left) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return left + (value - low) * scale

    height = ROW * (len(steps) + 2) + 6
    marks = [line(x(base), 8, x(base), height - 8, ZERO + ";stroke-dasharray:2 3")]
    marks.append(text("base", left - 74, 16, text_anchor="end", class_="soft"))
    marks.append(text(number(base, 4), x(base) + 5, 16, class_="soft"))
    for i, (name, value, raw) in enumerate(steps):
        y, a, b = (i + 1) * ROW, x(levels[i]), x(levels[i + 1])
        marks.append(text(short(name, 22), left - 74, y + 16, text_anchor="end"))
        marks.append(text(short(raw, 11), left - 66, y + 16, class_="soft"))
        told = f"{visible(name)} = {visible(raw)}: {signed_number(value)}"
        marks.append(rect(min(a, b), y + 4, abs(b - a), 15, told, class_="bar" if value >= 0 else "bar2", rx="2"))
        marks.append(line(b, y + 4, b, y + ROW + 5, ZERO))
        marks.append(text(signed_number(value), max(a, b) + 5, y + 16, class_="soft"))
    y = (len(steps) + 1) * ROW
    marks.append(text("score", left - 74, y + 16, text_anchor="end"))
    marks.append(text(number(score, 4), x(score) + 5, y + 16))
    marks.append(line(x(score), y, x(score), y + 20, "stroke:var(--ink);stroke-width:2"))
    return in_scroll(drawing(WIDTH, height, label, *marks), label)


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
    row, right = 34, WIDTH - 14
    finite = [v for s in swarms for v in s.values if math.isfinite(v)]
    low, high = min([*finite, 0.0]), max([*finite, 0.0])
    axis = Axis("", low, high if high > low else low + 1.0)
    inner = right - LEFT
    marks: list[Html] = []
    for i, swarm in enumerate(swarms):
        middle = i * row + row / 2
        marks.append(text(short(swarm.name, 26), LEFT - 10, middle + 4, text_anchor="end"))
        marks.append(line(LEFT, middle, right, middle, "stroke:var(--line)"))
        taken: dict[int, int] = {}
        for value, shade, told in zip(swarm.values, swarm.shades, swarm.told, strict=True):
            x = LEFT + (axis.place(value) or 0.0) * inner
            count = taken.get(round(x / 3), 0)
            taken[round(x / 3)] = count + 1
            offset = min((count + 1) // 2 * 2.2, row / 2 - 3) * (1 if count % 2 else -1)
            style = "fill:var(--soft)" if shade is None else _shade(shade)
            at = {"cx": f"{x:.1f}", "cy": f"{middle + offset:.1f}", "r": "2.4"}
            marks.append(tag("circle", tag("title", visible(told)), **at, style=style + ";fill-opacity:.85"))
    bottom = len(swarms) * row + 4
    zero = LEFT + (axis.place(0.0) or 0.0) * inner
    marks.append(line(zero, 0, zero, bottom, ZERO))
    marks += x_axis(axis, LEFT, inner, bottom)
    return in_scroll(drawing(WIDTH, bottom + 24, label, *marks), label)


def _shade(share: float) -> str:
    return f"fill:color-mix(in srgb, var(--a) {round(100 * share)}%, var(--b))"
