"""Drawings of a search: its history, the importance of parameters, parallel coordinates, a slice a parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from trueline.display.html import Html, number, percent, tag
from trueline.display.tuner_axes import (
    Axis,
    choice_text,
    drawing,
    in_scroll,
    objective_axis,
    parameter_axis,
    short,
    x_axis,
    y_axis,
)

__all__ = ["history_chart", "importance_chart", "parallel_chart", "parameter_names", "slice_charts", "value_of"]

Trial = Mapping[str, Any]
_MOST_LINES = 200
_LEAST_OPACITY = 0.2


def value_of(trial: Trial) -> float | None:
    """A trial's objective; numbers that JSON lacks stand there as text."""
    return None if trial["value"] is None else float(trial["value"])


def _complete(trials: Sequence[Trial]) -> list[Trial]:
    return [t for t in trials if t["state"] == "COMPLETE" and value_of(t) is not None]


def _told(trial: Trial) -> Html:
    """What is said of a trial where the pointer stands."""
    value = value_of(trial)
    params = ", ".join(f"{k} {_shown(v)}" for k, v in trial["params"].items())
    outcome = f"{trial['state'].lower()}" if value is None else f"{trial['state'].lower()}, {number(value)}"
    return tag("title", f"trial {trial['number']}: {outcome}; {params}")


def _shown(value: Any) -> str:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else choice_text(value)


def _dot(x: float, y: float, told: Html, *, radius: float = 4.0, style: str) -> Html:
    return tag("circle", told, cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{radius:g}", style=style)


def _cross(x: float, y: float, told: Html, style: str) -> Html:
    path = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
    return tag("path", told, d=path, style=f"fill:none;stroke-width:2;{style}")


def history_chart(trials: Sequence[Trial], objective: str, direction: str) -> Html:
    """The objective by trial, with the best so far as a line; pruned and failed trials are marked."""
    width, height, left, top = 860, 300, 70, 34
    right, floor = width - 20, height - 44
    done = [v for t in trials if t["state"] != "FAILED" and (v := value_of(t)) is not None]
    axis = objective_axis(objective, done, direction)
    last = max((t["number"] for t in trials), default=0)
    numbers = Axis("trial", 0, float(max(last, 1)))
    marks: list[Html] = []
    if any(math.isfinite(v) for v in done):
        marks += y_axis(axis, left, top, floor - top, right)
    marks += _trial_axis(numbers, last, left, right - left, floor)
    marks += _best_line(trials, axis, numbers, direction, (left, top, right - left, floor - top))
    counts: dict[str, int] = {}
    for trial in trials:
        mark, kind = _history_mark(trial, axis, numbers, (left, top, right - left, floor - top))
        marks.append(mark)
        counts[kind] = counts.get(kind, 0) + 1
    label = f"{objective} of {len(trials)} trials in the order of drawing, with the best so far"
    return in_scroll(drawing(width, height, label, *_legend(counts, left), *marks), label)


def _trial_axis(axis: Axis, last: int, left: float, width: float, y: float) -> list[Html]:
    marks = x_axis(Axis("trial", 0, max(axis.high, 1)), left, width, y, 10 if last >= 10 else max(last, 1))
    return [*marks, tag("text", "trial", x=f"{left + width:g}", y=f"{y + 34:g}", text_anchor="end", class_="soft")]


def _history_mark(trial: Trial, axis: Axis, numbers: Axis, box: tuple[float, float, float, float]) -> tuple[Html, str]:
    left, top, width, height = box
    x = left + (numbers.place(trial["number"]) or 0.0) * width
    value = value_of(trial)
    if trial["state"] == "FAILED" or value is None:
        return _cross(x, top + height - 6, _told(trial), "stroke:var(--bad)"), "failed"
    place = axis.place(value) if math.isfinite(value) else 0.0
    y = top + (1 - (place or 0.0)) * height
    if trial["state"] == "PRUNED":
        return _dot(x, y, _told(trial), style="fill:var(--bg);stroke:var(--warn);stroke-width:2"), "pruned"
    if axis.beyond(value):
        path = f"M{x - 4:.1f} {y - 3:.1f}l8 0l-4 7z" if (place or 0.0) < 0.5 else f"M{x - 4:.1f} {y + 3:.1f}l8 0l-4 -7z"
        return tag("path", _told(trial), d=path, style="fill:var(--a)"), "beyond the axis"
    return _dot(x, y, _told(trial), style="fill:var(--a)"), "complete"


_MARKS = {
    "complete": "fill:var(--a)",
    "pruned": "fill:var(--bg);stroke:var(--warn);stroke-width:2",
    "failed": "stroke:var(--bad)",
    "beyond the axis": "fill:var(--a)",
}


def _legend(counts: Mapping[str, int], left: float) -> list[Html]:
    marks, x = [], left
    for kind, style in _MARKS.items():
        if kind not in counts:
            continue
        empty = tag("title", kind)
        if kind == "failed":
            marks.append(_cross(x + 5, 14, empty, style))
        elif kind == "beyond the axis":
            marks.append(tag("path", empty, d=f"M{x + 1:.0f} 11l8 0l-4 7z", style=style))
        else:
            marks.append(_dot(x + 5, 14, empty, style=style))
        text = f"{kind} ({counts[kind]})"
        marks.append(tag("text", text, x=f"{x + 14:g}", y="18"))
        x += 34 + 6.4 * len(text)
    if "complete" in counts:
        marks.append(
            tag("line", x1=f"{x:g}", x2=f"{x + 18:g}", y1="14", y2="14", style="stroke:var(--b);stroke-width:2")
        )
        marks.append(tag("text", "best so far", x=f"{x + 24:g}", y="18"))
    return marks


def _best_line(
    trials: Sequence[Trial], axis: Axis, numbers: Axis, direction: str, box: tuple[float, float, float, float]
) -> list[Html]:
    left, top, width, height = box
    better = max if direction == "maximize" else min
    best: float | None = None
    path = ""
    for trial in sorted(trials, key=lambda t: int(t["number"])):
        value = value_of(trial) if trial["state"] == "COMPLETE" else None
        x = left + (numbers.place(trial["number"]) or 0.0) * width
        if value is not None:
            best = value if best is None else better(best, value)
        if best is None:
            continue
        y = top + (1 - (axis.place(best) or 0.0)) * height
        path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
    return [tag("path", d=path, style="fill:none;stroke:var(--b);stroke-width:2")] if path else []


def importance_chart(importance: Mapping[str, float], objective: str) -> Html:
    """How much each parameter mattered, as bars."""
    rows = list(importance.items())
    width, row, left = 560, 24, 170
    top = max((share for _, share in rows), default=0.0) or 1.0
    marks: list[Html] = []
    for i, (name, share) in enumerate(rows):
        y = i * row
        marks.append(tag("text", short(name, 26), x=f"{left - 8}", y=f"{y + 16}", text_anchor="end"))
        length = max(share / top * (width - left - 60), 1.0)
        told = tag("title", f"{name}: {percent(share, 1)}")
        marks.append(tag("rect", told, x=f"{left}", y=f"{y + 4}", width=f"{length:.1f}", height="15", class_="bar"))
        marks.append(tag("text", percent(share), x=f"{left + length + 6:.1f}", y=f"{y + 16}"))
    label = f"Importance of parameters for {objective}: " + ", ".join(f"{n} {percent(s)}" for n, s in rows)
    return in_scroll(drawing(width, row * len(rows) + 4, label, *marks), label)


def _axes(trials: Sequence[Trial]) -> list[Axis]:
    ranges: dict[str, list[Any]] = {}
    for trial in trials:
        for name, found in trial["ranges"].items():
            ranges.setdefault(name, []).append(found)
    return [parameter_axis(name, ranges[name]) for name in parameter_names(trials)]


def parameter_names(trials: Sequence[Trial]) -> list[str]:
    """Parameters in the order in which they were drawn first, those of one list together."""
    names = list(dict.fromkeys(name for trial in trials for name in trial["params"]))
    firsts = list(dict.fromkeys(name.partition(".")[0] for name in names))
    return sorted(names, key=lambda name: firsts.index(name.partition(".")[0]))


def parallel_chart(trials: Sequence[Trial], objective: str, direction: str) -> Html:
    """An axis a parameter, the objective last; a line a complete trial, the better the stronger, the best one apart."""
    done = sorted(_complete(trials), key=lambda t: float(t["value"]) * (-1 if direction == "maximize" else 1))
    shown = done[:_MOST_LINES]
    axes = _axes(shown)
    target = objective_axis(objective, [float(t["value"]) for t in shown], direction)
    gap, height, top, left = 132, 260, 34, 70
    width = left + gap * len(axes) + 60
    lines = [_path(t, [*axes, target], objective, left, gap, top, height) for t in shown]
    marks: list[Html] = []
    for place, (trial, path) in reversed(list(enumerate(zip(shown, lines, strict=True)))):
        opacity = max(_LEAST_OPACITY, 0.8 * (1 - place / max(len(shown) - 1, 1)))
        style = "stroke:var(--b);stroke-width:3" if place == 0 else f"stroke:var(--a);stroke-opacity:{opacity:.2f}"
        marks.append(tag("path", _told(trial), d=path, style=f"fill:none;stroke-width:1.5;{style}"))
    for i, axis in enumerate([*axes, target]):
        x = left + i * gap
        marks += y_axis(axis, x, top, height)
        title = short(axis.name, 18) + (" (log)" if axis.log else "")
        marks.append(tag("text", tag("title", axis.name), title, x=f"{x}", y="16", text_anchor="middle"))
    label = f"Parallel coordinates of the {len(shown)} best complete trials; the best one stands out"
    return in_scroll(drawing(width, top + height + 16, label, *marks), label)


def _path(
    trial: Trial, axes: Sequence[Axis], objective: str, left: float, gap: float, top: float, height: float
) -> str:
    """The trial's way over the axes; a parameter that it does not have is passed below them."""
    places: list[tuple[float, float]] = []
    for i, axis in enumerate(axes):
        value = float(trial["value"]) if i == len(axes) - 1 else trial["params"].get(axis.name)
        place = axis.place(value) if value is not None else None
        y = top + height + 10 if place is None else top + (1 - place) * height
        places.append((left + i * gap, y))
    path = f"M{places[0][0]:.0f} {places[0][1]:.1f}"
    for (x1, y1), (x2, y2) in pairwise(places):
        middle = (x1 + x2) / 2
        path += f"C{middle:.0f} {y1:.1f} {middle:.0f} {y2:.1f} {x2:.0f} {y2:.1f}"
    return path


def slice_charts(trials: Sequence[Trial], objective: str, direction: str) -> Html:
    """One drawing a parameter: the objective over its values, of complete and pruned trials."""
    shown = [t for t in trials if t["state"] != "FAILED" and (v := value_of(t)) is not None and math.isfinite(v)]
    target = objective_axis(objective, [float(t["value"]) for t in shown], direction)
    charts = [_slice(axis, target, shown, objective) for axis in _axes(shown)]
    return tag("div", *charts, style="display:flex;flex-wrap:wrap;gap:1rem")


def _slice(axis: Axis, target: Axis, trials: Sequence[Trial], objective: str) -> Html:
    width, height, left, top = 330, 230, 62, 24
    right, floor = width - 12, height - 26
    marks: list[Html] = [*y_axis(target, left, top, floor - top, right), *x_axis(axis, left, right - left, floor, 4)]
    count = 0
    for trial in trials:
        place = axis.place(trial["params"][axis.name]) if axis.name in trial["params"] else None
        height_of = target.place(float(trial["value"]))
        if place is None or height_of is None:
            continue
        count += 1
        pruned = trial["state"] == "PRUNED"
        style = "fill:var(--bg);stroke:var(--warn);stroke-width:2" if pruned else "fill:var(--a);fill-opacity:.75"
        x, y = left + place * (right - left), top + (1 - height_of) * (floor - top)
        marks.append(_dot(x, y, _told(trial), radius=3.5, style=style))
    title = short(axis.name, 34) + (" (log)" if axis.log else "")
    marks.append(tag("text", tag("title", axis.name), title, x=f"{left}", y="14", style="font-weight:600"))
    label = f"{objective} over {axis.name}, {count} trials"
    return drawing(width, height, label, *marks, wide=False)
