"""The pages of what speaks of one row: surrogates, counterfactuals and neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.display.explain_charts import Bar, effect_bars
from trueline.display.html import Html, Safe, join, number, percent, rows_table, tag, visible
from trueline.model_analysis.explain.html import cell, plain_text, row_name

if TYPE_CHECKING:
    from trueline.model_analysis.explain.counterfactual_result import Counterfactuals
    from trueline.model_analysis.explain.neighbours import Neighbour, Neighbours
    from trueline.model_analysis.explain.surrogate import LocalSurrogate

__all__ = ["counterfactuals_body", "neighbours_body", "surrogate_body"]

_BARS = 20
_FAIR, _GOOD = 0.4, 0.7


def surrogate_body(found: LocalSurrogate) -> Html:
    """Bars for each output, with how far the fit may be trusted."""
    row = row_name(found.row) if found.row is not None else "the row"
    parts: list[Safe] = [tag("p", f"A linear function that does near {row} what the model does there.")]
    for k, output in enumerate(found.outputs):
        r2 = float(found.r2[k])
        parts.append(tag("h2", visible(output)))
        parts.append(_fit(r2, float(found.scores[k]), float(found.fitted[k])))
        order = np.argsort(-np.abs(found.coefficients[k]), kind="stable")[:_BARS]
        bars = [
            Bar(f"{found.features[f]} = {plain_text(found.values[f])}", float(found.coefficients[k, f]))
            for f in order
            if found.coefficients[k, f]
        ]
        parts.append(effect_bars(bars, label=f"Local coefficients, {output}", signed=True))
    return join(parts)


def _fit(r2: float, score: float, fitted: float) -> Html:
    if not np.isfinite(r2):
        badge, said = "warn", "the score does not vary near the row"
    else:
        badge = "good" if r2 >= _GOOD else "warn" if r2 >= _FAIR else "bad"
        said = f"local R² {number(r2, 3)}"
    text = f" The model says {number(score)}, the line {number(fitted)}."
    more = " So bad a fit explains little: read it with care." if badge == "bad" else ""
    return tag("p", tag("span", said, class_=f"badge {badge}"), text, more)


def counterfactuals_body(found: Counterfactuals) -> Html:
    """The sentence, and a column for each changed row."""
    badge = tag("span", "found" if found.found else "none found", class_="badge " + ("good" if found.found else "warn"))
    parts: list[Safe] = [tag("p", badge, " ", visible(found.sentence))]
    names = list(dict.fromkeys(n for f in found.found for n in f.changes))
    head: list[Safe] = ["", "the row", *(f"{i + 1}" for i in range(len(found.found)))]
    said = [
        _outcome(found.prediction, found.probability),
        *(_outcome(f.prediction, f.probability) for f in found.found),
    ]
    rows: list[tuple[list[Safe], dict[str, str]]] = [(["says", *said], {})]
    rows.append((["distance", "0", *(number(f.distance, 3) for f in found.found)], {}))
    for name in [*names, *(n for n in found.values if n not in names)]:
        after = [tag("b", cell(f.changes[name][1])) if name in f.changes else Html("") for f in found.found]
        rows.append(([tag("code", visible(name)), cell(found.values[name]), *after], {}))
    parts.append(rows_table(head, rows, class_=""))
    parts.append(tag("p", "Bold is changed; an empty cell keeps the row's value.", class_="soft"))
    return join(parts)


def _outcome(prediction: Any, probability: float | None) -> Html:
    text = visible(plain_text(prediction))
    return tag("b", text, tag("span", f" {percent(probability, 1)}", class_="soft") if probability is not None else "")


def neighbours_body(found: Neighbours) -> Html:
    """For each row a table: itself, then its neighbours; values that differ stand out."""
    parts: list[Safe] = []
    for q, (query, near) in enumerate(zip(found.queries, found.found, strict=True)):
        name = row_name(query.row, q).capitalize()
        agreement = found.agreement(q)
        parts.append(tag("h2", name, " says ", _outcome(query.prediction, query.probability)))
        if agreement is not None:
            parts.append(tag("p", f"{percent(agreement)} of its neighbours have that label."))
        features = list(query.values)
        head: list[Safe] = ["row", "distance", "label", "says", *(tag("code", visible(f)) for f in features)]
        rows: list[tuple[list[Safe], dict[str, str]]] = [
            ([tag("b", "itself"), "0", "", _outcome(query.prediction, query.probability),
              *(cell(v) for v in query.values.values())], {})
        ]  # fmt: skip
        rows += [(_neighbour(n, query), {}) for n in near]
        parts.append(rows_table(head, rows, numeric=(1,), class_=""))
        if not near:
            parts.append(tag("p", "There is no other row.", class_="soft"))
    return join(parts)


def _neighbour(row: Neighbour, query: Neighbour) -> list[Safe]:
    values = [
        tag("span", cell(v), class_="soft") if v == query.values.get(n) else cell(v) for n, v in row.values.items()
    ]
    label = Html("") if row.label is None else cell(row.label)
    own = row_name(row.row) if row.row is not None else "–"
    return [own, number(row.distance, 3), label, _outcome(row.prediction, row.probability), *values]
