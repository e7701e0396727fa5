"""Explanations as tables in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from trueline.cli.stats_layout import Sheet, print_sheet
from trueline.display.html import number, percent, visible
from trueline.model_analysis.explain.html import row_name

if TYPE_CHECKING:
    from trueline.model_analysis.explain import Explanation

__all__ = ["print_explanation"]

_BAR = 24
_ROWS = 20
_LEFT = frozenset(["feature", ""])


def print_explanation(found: Explanation) -> None:
    """Prints the tables of one explanation."""
    for place, sheet in enumerate(_SHEETS[found.KIND](found)):
        if place:
            click.echo()
        print_sheet(sheet)
    sentence = getattr(found, "sentence", None)
    if sentence:
        click.echo(visible(sentence))


def _bar(value: float | None, top: float) -> str:
    """A bar of text; what is below zero is drawn hollow."""
    if value is None or not np.isfinite(value) or not top:
        return ""
    length = max(round(abs(value) / top * _BAR), 1 if value else 0)
    return ("█" if value >= 0 else "░") * length


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{number(low, 3)} to {number(high, 3)}"


def _said(value: Any, probability: float | None = None) -> str:
    text = "missing" if value is None else number(value) if isinstance(value, float) else _plain(value)
    return text if probability is None else f"{text} ({percent(probability, 1)})"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else visible(str(value))


def _permutation(found: Any) -> Iterator[Sheet]:
    head = ("feature", "importance", "", "interval")
    for slice, (score, error) in found.scores.items():
        entries = [e for e in found.entries if e.slice == slice]
        top = max((abs(e.value) for e in entries if e.value is not None), default=0.0)
        rows = [
            [
                visible(e.name),
                "undefined" if e.value is None else number(e.value, 3),
                _bar(e.value, top),
                _interval(e.low, e.high),
            ]
            for e in entries
        ]
        title = f"{slice}: {found.metric} {number(score)}" + (f" ± {number(error, 2)}" if error is not None else "")
        count = entries[0].rows if entries else 0
        title += f", {number(count)} rows; by how much it gets worse"
        yield Sheet(title, head, rows, _LEFT, spare=("",))


def _dependence(found: Any) -> Iterator[Sheet]:
    for part in found.parts:
        for k, output in enumerate(found.outputs):
            for slice, means in part.average.items():
                title = f"{output} by {' × '.join(part.features)}" + (f", {slice}" if slice != "Overall" else "")
                rows = [
                    [
                        *(_said(part.grid[i][p]) for i, p in enumerate(place)),
                        number(float(means[k][place])),
                        number(float(part.errors[slice][k][place]), 2),
                        *([percent(part.shares[0][place[0]])] if len(place) == 1 else []),
                    ]
                    for place in np.ndindex(*means[k].shape)
                ]
                last = ("rows",) if len(part.features) == 1 else ()
                yield Sheet(title, (*part.features, "mean", "error", *last), rows, spare=("error",))


def _shap(found: Any) -> Iterator[Sheet]:
    if len(found.rows) == 1:
        yield from _shap_row(found)
        return
    for k, output in enumerate(found.outputs):
        for slice, places in found.slices.items():
            size = found.importance(k, slice)
            top = max(size.values(), default=0.0)
            means = dict(zip(found.features, found.values[list(places), k].mean(axis=0).tolist(), strict=True))
            rows = [[visible(n), number(v, 3), _bar(v, top), number(means[n], 3)] for n, v in size.items()]
            title = f"{output}, {slice}: {number(len(places))} rows, {found.method}"
            head = ("feature", "mean |value|", "", "mean value")
            yield Sheet(title, head, rows, _LEFT, spare=("",))


def _shap_row(found: Any) -> Iterator[Sheet]:
    for k, output in enumerate(found.outputs):
        values = found.values[0, k]
        top = float(np.abs(values).max(initial=0.0))
        rows = [
            [visible(found.features[f]), _said(found.raw[0][f]), _signed(float(values[f])), _bar(float(values[f]), top)]
            for f in np.argsort(-np.abs(values), kind="stable")
        ]
        score, base = number(float(found.scores[0, k])), number(float(found.base[k]))
        title = f"{output}: {score} from a base of {base}, {found.method}"
        yield Sheet(title, ("feature", "value", "adds", ""), rows, _LEFT, frozenset(["value"]), ("",))


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value, 3)


def _lime(found: Any) -> Iterator[Sheet]:
    for k, output in enumerate(found.outputs):
        values = found.coefficients[k]
        top = float(np.abs(values).max(initial=0.0))
        rows = [
            [visible(found.features[f]), _said(found.values[f]), _signed(float(values[f])), _bar(float(values[f]), top)]
            for f in np.argsort(-np.abs(values), kind="stable")
        ]
        score, fitted = number(float(found.scores[k])), number(float(found.fitted[k]))
        title = f"{output}: {score}, here {fitted}, local R² {number(float(found.r2[k]), 3)}"
        yield Sheet(title, ("feature", "value", "coefficient", ""), rows, _LEFT, frozenset(["value"]), ("",))


def _counterfactual(found: Any) -> Iterator[Sheet]:
    rows = []
    for i, f in enumerate(found.found):
        for place, (name, (before, after)) in enumerate(f.changes.items()):
            first = [str(i + 1), _said(f.prediction, f.probability), number(f.distance, 3)]
            rows.append([*(first if place == 0 else ["", "", ""]), visible(name), _said(before), _said(after)])
    title = f"The model says {_said(found.prediction, found.probability)}; wanted: {found.wanted}"
    head = ("", "says", "distance", "change", "from", "to")
    yield Sheet(title, head, rows, frozenset(head[:2] + head[3:]), frozenset(["from", "to"]), ("distance",))


def _neighbours(found: Any) -> Iterator[Sheet]:
    for query, near in zip(found.queries, found.found, strict=True):
        names = list(query.values)
        itself = ["itself", "0", "", _said(query.prediction, query.probability)]
        rows: list[Sequence[str]] = [[*itself, *(_said(v) for v in query.values.values())]]
        rows += [
            [
                row_name(n.row) if n.row is not None else "–",
                number(n.distance, 3),
                "" if n.label is None else _said(n.label),
                _said(n.prediction, n.probability),
                *(_said(v) for v in n.values.values()),
            ]
            for n in near[:_ROWS]
        ]
        head = ("row", "distance", "label", "says", *(f"{n} " if n in _OWN else n for n in names))
        yield Sheet("The nearest rows", head, rows, frozenset(["row"]), frozenset(head[4:]), tuple(reversed(head[4:])))


_OWN = ("row", "distance", "label", "says")
_SHEETS: dict[str, Callable[[Any], Iterator[Sheet]]] = {
    "permutation_importance": _permutation,
    "partial_dependence": _dependence,
    "shap_values": _shap,
    "lime_surrogate": _lime,
    "counterfactuals": _counterfactual,
    "nearest_examples": _neighbours,
}
