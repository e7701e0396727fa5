"""Bars and cells of an evaluation: histograms of several classes on one axis, and confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trueline.display.eval_chart import figure_view, legend
from trueline.display.html import Html, Safe, join, number, percent, table, tag, visible
from trueline.display.tuner_axes import Axis, drawing, short, x_axis, y_axis

__all__ = ["Cells", "Histogram", "Histograms", "cells_view", "histograms_view"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 392, 262, 62, 10, 12, 40
_MOST_CLASSES = 40


@dataclass(frozen=True)
class Histogram:
    """Weights by bucket.

    Attributes:
        name: of the class or the model.
        edges: ascending, one more than buckets.
        values: weight in each bucket.
    """

    name: str
    edges: Sequence[float]
    values: Sequence[float]

    @property
    def heights(self) -> list[float]:
        """The share of all weight that would be in a bucket as wide as a fortieth of the whole, were it as dense."""
        total = sum(self.values) or 1.0
        part = (self.edges[-1] - self.edges[0]) / 40
        return [v / total * part / (b - a) for a, b, v in zip(self.edges, self.edges[1:], self.values, strict=False)]


@dataclass(frozen=True)
class Histograms:
    """Histograms on one axis, each drawn as shares of its own total.

    Attributes:
        title, x_label: what it shows.
        series: the histograms; those without a bucket are left out.
        note: a sentence below.
    """

    title: str
    x_label: str
    series: Sequence[Histogram]
    note: str = ""


@dataclass(frozen=True)
class Cells:
    """A matrix of weights: rows are what is, columns what was predicted.

    Attributes:
        title: what it shows.
        rows, columns: names.
        values: weight by row and column.
        note: a sentence below.
        row_label, column_label: what rows and columns are.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float]]
    note: str = ""
    row_label: str = "actual"
    column_label: str = "predicted"


def histograms_view(shown: Histograms) -> Html:
    """Areas of all series over each other, half transparent, so that all are seen where they overlap."""
    series = [h for h in shown.series if any(h.values)]
    if not series:
        return figure_view(shown.title, tag("p", "There is nothing to draw.", class_="soft"), note=shown.note)
    low, high = min(float(h.edges[0]) for h in series), max(float(h.edges[-1]) for h in series)
    axes = Axis(shown.x_label, low, high), Axis("share", 0.0, max(max(h.heights) for h in series))
    bottom, width = _HEIGHT - _BOTTOM, _WIDTH - _LEFT - _RIGHT
    marks = [*y_axis(axes[1], _LEFT, _TOP, bottom - _TOP, _WIDTH - _RIGHT), *x_axis(axes[0], _LEFT, width, bottom)]
    middle = f"{_LEFT + width / 2:g}"
    marks.append(tag("text", short(shown.x_label, 60), x=middle, y=str(_HEIGHT - 5), text_anchor="middle"))
    marks += [_outline(h, axes, i) for i, h in enumerate(series)]
    label = f"{shown.title}: share of rows by {shown.x_label}, {', '.join(h.name for h in series)}"
    picture = drawing(_WIDTH, _HEIGHT, visible(label), *marks, wide=False)
    names = legend([(h.name, i) for i, h in enumerate(series)])
    return figure_view(shown.title, picture, names, _histogram_figures(shown.x_label, series), note=shown.note)


def _outline(histogram: Histogram, axes: tuple[Axis, Axis], i: int) -> Html:
    bottom, width = _HEIGHT - _BOTTOM, _WIDTH - _LEFT - _RIGHT

    def across(value: float) -> float:
        return _LEFT + (axes[0].place(float(value)) or 0.0) * width

    def up(share: float) -> float:
        return _TOP + (1 - (axes[1].place(share) or 0.0)) * (bottom - _TOP)

    path = f"M{across(histogram.edges[0]):.1f} {up(0.0):.1f}"
    for low, high, height in zip(histogram.edges, histogram.edges[1:], histogram.heights, strict=False):
        path += f"H{across(low):.1f}V{up(height):.1f}H{across(high):.1f}"
    return tag("path", tag("title", visible(histogram.name)), d=f"{path}V{up(0.0):.1f}z", class_=f"area s{i % 6}")


def _histogram_figures(x_label: str, series: Sequence[Histogram]) -> Html:
    rows: list[Sequence[Safe]] = []
    for h in series:
        step = max(1, -(-len(h.values) // 20))
        for start in range(0, len(h.values), step):
            end = min(start + step, len(h.values))
            ends = f"{number(float(h.edges[start]))} to {number(float(h.edges[end]))}"
            rows.append([visible(h.name), ends, number(float(sum(h.values[start:end])))])
    body = table(["", visible(x_label), "weight"], rows, numeric=[2], class_="plain")
    return tag("details", tag("summary", "Figures"), body, class_="figures small")


def cells_view(shown: Cells) -> Html:
    """The matrix as a table; the darker a cell, the greater its share of its row. The shares are written in it too."""
    if len(shown.rows) > _MOST_CLASSES:
        return figure_view(shown.title, _pairs(shown), note=shown.note)
    head = [tag("th", f"{shown.row_label} \\ {shown.column_label}", scope="col", class_="small")]
    head += [tag("th", visible(name), scope="col", class_="n wrap", dir="auto") for name in shown.columns]
    body = []
    for name, values in zip(shown.rows, shown.values, strict=True):
        total = sum(values)
        cells = [_cell(value, total) for value in values]
        body.append(tag("tr", tag("th", visible(name), scope="row", class_="wrap", dir="auto"), *cells))
    made = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body), class_="cells")
    label = f"{shown.title}: {shown.row_label} by {shown.column_label}"
    return figure_view(
        shown.title, tag("div", made, class_="scroll", tabindex="0", role="region", aria_label=visible(label)),
        note=shown.note,
    )  # fmt: skip


def _cell(value: float, total: float) -> Html:
    share = value / total if total else 0.0
    text = join([number(float(value)), tag("span", f" {percent(share)}", class_="soft small")])
    return tag("td", text, class_="n", style=f"--share:{share:.3f}", data_sort=f"{value!r}")


def _pairs(shown: Cells) -> Html:
    """Of very many classes, the pairs that are confused most."""
    wrong = [
        (value, a, b)
        for a, values in zip(shown.rows, shown.values, strict=True)
        for b, value in zip(shown.columns, values, strict=True)
        if a != b and value
    ]
    wrong.sort(key=lambda found: -found[0])
    rows = [[visible(a), visible(b), number(float(value))] for value, a, b in wrong[:_MOST_CLASSES]]
    said = f"{len(shown.rows)} classes: the {min(len(wrong), _MOST_CLASSES)} pairs that are confused most."
    return join(
        [tag("p", said, class_="soft"), table([shown.row_label, shown.column_label, "weight"], rows, numeric=[2])]
    )
