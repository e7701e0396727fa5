"""The pages of what speaks of all rows: permutation importance and partial dependence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.display.explain_charts import Bar, effect_bars
from trueline.display.explain_curves import Curve, curve_chart, heat_map
from trueline.display.html import Html, Safe, join, number, table, tag, visible
from trueline.model_analysis.explain.html import details, row_name

if TYPE_CHECKING:
    from trueline.model_analysis.explain.dependence_result import Dependence, PartialDependence
    from trueline.model_analysis.explain.importance import Importance, PermutationImportance

__all__ = ["dependence_body", "permutation_body"]

_BARS = 40
_SLICES = 4


def permutation_body(found: PermutationImportance) -> Html:
    """Bars of the overall slice, each further slice behind a click, and all figures."""
    lead = (
        f"By how much {found.metric} gets worse when a raw feature's values are dealt anew among the rows; "
        f"the bars' ends are {100 * float(found.options['confidence']):g}% intervals."
    )
    parts: list[Safe] = [tag("p", lead)]
    if found.unlabelled:
        parts.append(tag("p", f"{number(found.unlabelled)} rows without a usable label are left out.", class_="soft"))
    for i, (name, (score, error)) in enumerate(found.scores.items()):
        entries = [e for e in found.entries if e.slice == name]
        rows = entries[0].rows if entries else 0
        told = f"{visible(name)}: {number(rows)} rows, {found.metric} {number(score)}"
        told += f" ± {number(error, 2)}" if error is not None else ""
        picture = _bars(entries, f"Permutation importance, {name}")
        parts.append(join([tag("h2", told), picture]) if i == 0 else details(told, picture, open_=i < _SLICES))
    head = ["slice", "feature", "importance", "standard error", "low", "high", "rows"]
    cells = [[visible(e.slice), tag("code", _of(e)), *_figures(e), number(e.rows)] for e in found.entries]
    parts.append(details("All figures", table(head, cells, numeric=range(2, 7))))
    return join(parts)


def _of(entry: Importance) -> str:
    return entry.name if entry.features == (entry.name,) else f"{entry.name} ({', '.join(entry.features)})"


def _figures(entry: Importance) -> list[Safe]:
    return [number(v) for v in (entry.value, entry.standard_error, entry.low, entry.high)]


def _bars(entries: Sequence[Importance], label: str) -> Html:
    shown = [Bar(_of(e), e.value, e.low, e.high, e.undefined or "") for e in entries[:_BARS]]
    more = len(entries) - len(shown)
    rest = tag("p", f"{more} more stand in the table.", class_="soft") if more else Html("")
    return join([effect_bars(shown, label=label), rest])


def dependence_body(found: PartialDependence) -> Html:
    """A picture for each feature and output."""
    rows = number(found.counts.get("Overall", 0))
    lead = f"The mean score over {rows} rows when the feature takes one value in every row; below, where the rows lie."
    if found.centred:
        lead += " Every curve starts at 0."
    parts: list[Safe] = [tag("p", lead)]
    for part in found.parts:
        title = " × ".join(part.features)
        draw = _pair if len(part.features) == 2 else _single
        pictures = [draw(part, k, output) for k, output in enumerate(found.outputs)]
        parts.append(tag("h2", visible(title)))
        parts.append(tag("div", *[tag("figure", p) for p in pictures], class_="curves"))
    head = ["slice", "output", "feature", "value", "second", "second value", "average", "standard error"]
    columns = found.to_table().to_pydict()
    cells = [list(row) for row in zip(*columns.values(), strict=True)]
    shown = [[*(c if c is not None else "" for c in row[:6]), *(number(c) for c in row[6:])] for row in cells[:2000]]
    parts.append(details("All figures", table(head, shown, numeric=(6, 7))))
    return join(parts)


def _single(part: Dependence, k: int, output: str) -> Html:
    curves: list[Curve] = []
    if part.individual is not None:
        names = [row_name(r, i) for i, r in enumerate(part.rows)]
        curves = [Curve(n, c[k].tolist(), faint=True) for n, c in zip(names, part.individual, strict=True)]
    for slice, means in list(part.average.items())[: _SLICES + 1]:
        errors = np.nan_to_num(part.errors[slice][k]).tolist()
        curves.append(Curve(slice, means[k].tolist(), errors))
    label = f"{output} by {part.features[0]}"
    return curve_chart(part.grid[0], part.numeric[0], curves, shares=part.shares[0], label=label, name=output)


def _pair(part: Dependence, k: int, output: str) -> Html:
    names = (part.features[0], part.features[1])
    picture = heat_map(
        part.grid[0], part.grid[1], part.average["Overall"][k].tolist(), names=names, label=f"{output} by both"
    )
    return join([tag("figcaption", visible(output)), picture])
