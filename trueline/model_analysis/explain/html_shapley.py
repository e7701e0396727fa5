"""The page of SHAP values: importance, where the rows lie, and the first rows one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.display.explain_charts import Bar, Swarm, effect_bars, swarm_chart, waterfall
from trueline.display.html import Html, Safe, join, number, table, tag, visible
from trueline.model_analysis.explain.html import details, plain_text, row_name

if TYPE_CHECKING:
    from trueline.model_analysis.explain.shapley_values import ShapValues

__all__ = ["shap_body"]

_ROWS, _FEATURES, _DOTS, _SLICES = 5, 14, 150, 6
_HOW = {
    "exact": "from all coalitions of features",
    "sampling": "sampled from permutations of the features",
    "tree": "exact, read off the trees",
    "linear": "exact, for the score is a sum over single features",
}


def shap_body(found: ShapValues) -> Html:
    """For each output: bars, a swarm of rows, and waterfalls of the first rows."""
    n = len(found.rows)
    lead = (
        f"{number(n)} rows, {_HOW.get(found.method, found.method)}. The values of a row add up to its score less the "
    )
    lead += f"base, the mean score of {number(int(found.options['background_rows']))} background rows."
    parts: list[Safe] = [tag("p", lead)]
    if found.errors is not None and np.isfinite(found.errors).any():
        parts.append(tag("p", f"Greatest standard error: {number(float(np.nanmax(found.errors)), 2)}.", class_="soft"))
    for k, output in enumerate(found.outputs):
        parts.append(tag("h2", visible(output)))
        parts.append(tag("h3", "Mean absolute value"))
        parts.append(_importance(found, k))
        if n > 1:
            parts += [tag("h3", "The rows: orange where the feature is low, blue where it is high"), _swarms(found, k)]
        pictures = [_row(found, k, i) for i in range(min(n, _ROWS))]
        parts.append(details("Row by row" if n > 1 else "The row", join(pictures), open_=k == 0))
    if len(found.slices) > 1:
        parts += [tag("h2", "By slice"), _slices(found)]
    return join(parts)


def _importance(found: ShapValues, k: int) -> Html:
    bars = [Bar(f, v) for f, v in list(found.importance(k).items())[:_FEATURES]]
    return effect_bars(bars, label=f"Mean absolute SHAP values, {found.outputs[k]}")


def _swarms(found: ShapValues, k: int) -> Html:
    step = max(1, -(-len(found.rows) // _DOTS))
    places = range(0, len(found.rows), step)
    swarms = []
    for name in list(found.importance(k))[:_FEATURES]:
        f = found.features.index(name)
        raw = [found.raw[i][f] for i in places]
        values = [float(found.values[i, k, f]) for i in places]
        told = [f"{name} = {plain_text(r)}: {number(v, 3)}" for r, v in zip(raw, values, strict=True)]
        swarms.append(Swarm(name, values, _shades(raw), told))
    return swarm_chart(swarms, label=f"SHAP values of {len(places)} rows, {found.outputs[k]}")


def _shades(raw: Sequence[Any]) -> list[float | None]:
    """Ranks of numbers from 0 to 1; None for what has no order."""
    numbers = [float(v) if isinstance(v, int | float) else None for v in raw]
    ordered = sorted({v for v in numbers if v is not None})
    place = {v: i / max(len(ordered) - 1, 1) for i, v in enumerate(ordered)}
    return [None if v is None else place[v] for v in numbers]


def _row(found: ShapValues, k: int, i: int) -> Html:
    values = found.values[i, k]
    order = np.argsort(-np.abs(values), kind="stable")
    steps = [(found.features[f], float(values[f]), plain_text(found.raw[i][f])) for f in order[:_FEATURES]]
    if len(order) > _FEATURES:
        steps.append((f"{len(order) - _FEATURES} others", float(values[order[_FEATURES:]].sum()), ""))
    name = row_name(found.rows[i], i).capitalize()
    label = f"{name}: {found.outputs[k]}"
    picture = waterfall(float(found.base[k]), steps, float(found.scores[i, k]), label=label)
    return join([tag("h3", name), picture])


def _slices(found: ShapValues) -> Html:
    """Importance of the greatest features on each slice."""
    names = list(found.importance())[:8]
    rows = []
    for slice in found.slices:
        size = found.importance(slice=slice)
        rows.append([visible(slice), number(len(found.slices[slice])), *(number(size[n], 3) for n in names)])
    head: list[Safe] = ["slice", "rows", *(tag("code", n) for n in names)]
    return table(head, rows, numeric=range(1, len(head)))
