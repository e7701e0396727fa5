"""Training curves: what was logged, metric by metric, training and held-out values in one picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trueline.display.html import Html, Safe, join, number, table, tag
from trueline.display.svg import frame

__all__ = ["training_view"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 376, 170, 62, 20, 8
_POINTS = 300
_COLOURS = 4
_ROLES = ("train", "training", "eval", "val", "valid", "validation", "test", "heldout")
Point = tuple[int, float]


def training_view(entries: Sequence[Mapping[str, Any]], most: int = 24) -> Html:
    """Curves of logged values, and a table of where each metric began, ended, and was least and greatest.

    Args:
        entries: ``{"metric", "value", "step"}`` in order; without a step, a metric's values are counted.
        most: how many pictures at most; the table has all.
    """
    series = _series(entries)
    if not series:
        return tag("p", "Nothing was logged.", class_="soft")
    groups: dict[str, dict[str, list[Point]]] = {}
    for metric, points in series.items():
        groups.setdefault(_subject(metric), {})[metric] = points
    drawn = [(s, g) for s, g in groups.items() if any(len(points) > 1 for points in g.values())][:most]
    charts = [_chart(subject, group) for subject, group in drawn]
    head = ["Metric", "values", "first", "last", "least", "greatest"]
    rows = [[tag("b", metric), *_figures(points)] for metric, points in series.items()]
    return join([tag("div", *charts, class_="curves"), table(head, rows, numeric=range(1, len(head)))])


def _series(entries: Sequence[Mapping[str, Any]]) -> dict[str, list[Point]]:
    """Points by metric in the order of their steps; of two values at one step the later stays."""
    found: dict[str, dict[int, float]] = {}
    for entry in entries:
        points = found.setdefault(str(entry["metric"]), {})
        step = entry["step"]
        points[len(points) if step is None else int(step)] = float(entry["value"])
    return {metric: sorted(points.items()) for metric, points in found.items()}


def _subject(metric: str) -> str:
    """What is measured: ``train/loss``, ``eval_loss`` and ``loss`` are one."""
    for sign in ("/", "_", "-", " "):
        first, found, rest = metric.partition(sign)
        if found and rest and first.lower() in _ROLES:
            return rest
        rest, found, last = metric.rpartition(sign)
        if found and rest and last.lower() in _ROLES:
            return rest
    return metric


def _figures(points: Sequence[Point]) -> list[Safe]:
    finite = [value for _, value in points if math.isfinite(value)]
    ends = [points[0][1], points[-1][1], *((min(finite), max(finite)) if finite else (math.nan, math.nan))]
    return [number(len(points)), *(number(value) for value in ends)]


def _chart(subject: str, group: Mapping[str, Sequence[Point]]) -> Html:
    finite = [(x, y) for points in group.values() for x, y in points if math.isfinite(y)]
    names = [tag("span", tag("i", class_=f"c{i % _COLOURS}"), metric, class_="small") for i, metric in enumerate(group)]
    legend = tag("div", *names, class_="legend")
    if not finite:
        return tag("figure", tag("figcaption", subject), tag("p", "no finite value", class_="soft"), legend)
    first, last = min(x for x, _ in finite), max(x for x, _ in finite)
    low, high = min(y for _, y in finite), max(y for _, y in finite)
    lines = [
        tag(
            "path",
            tag("title", metric),
            d=_path(_thinned(points), (first, last), (low, high)),
            class_=f"curve c{i % _COLOURS}",
        )
        for i, (metric, points) in enumerate(group.items())
    ]
    picture = frame(_WIDTH, _HEIGHT, f"{subject} by step", *_axes((first, last), (low, high)), *lines)
    return tag("figure", tag("figcaption", subject), picture, legend)


def _axes(steps: tuple[int, int], values: tuple[float, float]) -> Iterable[Html]:
    bottom = _HEIGHT - _BOTTOM
    for share in (0.0, 0.5, 1.0):
        y = f"{bottom - share * (bottom - _TOP):.1f}"
        value = values[0] * (1 - share) + values[1] * share
        yield tag("line", x1=str(_LEFT), x2=str(_WIDTH), y1=y, y2=y, class_="axis")
        yield tag("text", number(value, 3), x=str(_LEFT - 5), y=y, dy="4", text_anchor="end", class_="soft")
    yield tag("text", number(steps[0]), x=str(_LEFT), y=str(_HEIGHT - 4), class_="soft")
    yield tag("text", f"step {number(steps[1])}", x=str(_WIDTH), y=str(_HEIGHT - 4), text_anchor="end", class_="soft")


def _path(points: Sequence[Point], steps: tuple[int, int], values: tuple[float, float]) -> str:
    """An SVG path; values that are not finite break it, and a point alone is a short stroke."""
    bottom, pieces, pen = _HEIGHT - _BOTTOM, list[str](), False
    for at, (step, value) in enumerate(points):
        if not math.isfinite(value):
            pen = False
            continue
        x = _LEFT + (_WIDTH - _LEFT) * _share(step, *steps)
        y = bottom - (bottom - _TOP) * _share(value, *values)
        alone = not pen and (at + 1 == len(points) or not math.isfinite(points[at + 1][1]))
        pieces.append(f"{'L' if pen else 'M'}{x:.1f} {y:.1f}" + ("h.1" if alone else ""))
        pen = True
    return "".join(pieces)


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two, 0 to 1; halved first, for their distance may be beyond the greatest float."""
    return 0.5 if low == high else (value / 2 - low / 2) / (high / 2 - low / 2)


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Few enough points to draw: of each stretch its least and its greatest, so that no spike is lost."""
    if len(points) <= _POINTS:
        return points
    kept = [points[0]]
    stretches = _POINTS // 2
    for i in range(stretches):
        stretch = points[i * len(points) // stretches : (i + 1) * len(points) // stretches]
        finite = [p for p in stretch if math.isfinite(p[1])]
        ends = {min(finite, key=lambda p: p[1]), max(finite, key=lambda p: p[1])} if finite else set(stretch[:1])
        kept += sorted(ends)
    return [*kept, points[-1]]
