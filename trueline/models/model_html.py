"""The notebook views of a model and of an explanation; every text of data or users is escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.display.html import Html, Safe, join, number, rows_table, tag

if TYPE_CHECKING:
    from trueline.models.explain import Explanation
    from trueline.models.model import Model

__all__ = ["explanation_html", "model_html"]

_Row = tuple[Sequence[Safe], Mapping[str, str]]
_SHOWN = 40
_CUT = 60
_BAR = 180
_ABOUT = {"description": "", "intended_use": "Intended use: ", "owner": "Owner: ", "licence": "Licence: "}


def model_html(model: Model) -> str:
    """The model on one card: what it predicts, how it was checked, what goes in and comes out, what is known of it."""
    info = model.info
    pieces: list[Safe] = [
        tag("h3", model.name, " ", tag("span", model.task, class_="badge")),
        *[tag("p", lead, model.about[key]) for key, lead in _ABOUT.items() if model.about.get(key)],
        tag("div", *_cards(model), class_="cards"),
        _python_note(model),
        _inputs(info["signature"]["inputs"]),
        _outputs(model),
        _details("Trained with", {**model.training, "versions": model.versions}),
        _leaks(info.get("leakage") or []),
        tag("p", tag("code", model.uri), class_="soft small"),
    ]
    return Html(join(pieces).text)._repr_html_()


def _cards(model: Model) -> list[Html]:
    parity = model.parity
    changed = len(parity.get("class_changes") or [])
    facts: list[tuple[str, str]] = [
        (model.label or "none", "label"),
        (model.framework, "framework"),
        (f"{len(model.features)}", "features"),
        (f"{number(parity['rows'])} rows", f"checked, off by {parity['max_difference']:.1g} at most"),
    ]
    if changed:
        facts.append((str(changed), "rows changed class in the check"))
    if (decision := model.decision) is not None:
        rule = "the greatest" if decision.cost_matrix is None else "the least expected cost"
        facts.append((rule if decision.threshold is None else number(decision.threshold), "threshold"))
        if decision.groups is not None:
            facts.append(
                (f"{len(decision.groups.values)} values of {decision.groups.column}", "thresholds of their own")
            )
        if decision.calibration is not None:
            facts.append((decision.calibration.method, f"calibration on {number(decision.calibration.rows)} rows"))
    return [tag("div", tag("b", _cut(value)), tag("span", name), class_="card") for value, name in facts]


def _python_note(model: Model) -> Html:
    runtime = model.runtime
    named = [f"{s.function} makes {s.output}" for s in runtime.steps]
    named += [f"{runtime.python.function} is the model" for _ in [0] if runtime.python is not None]
    if not named:
        return Html("")
    return tag("p", tag("span", "Python", class_="badge warn"), " This model runs Python code: ", "; ".join(named), ".")


def _inputs(inputs: list[dict[str, Any]]) -> Html:
    rows: list[_Row] = [
        ([tag("code", f["name"]), _type(f), "optional" if f.get("optional", True) else "required", _example(f)], {})
        for f in inputs[:_SHOWN]
    ]
    more = f" The first {_SHOWN} of {len(inputs)} are shown." if len(inputs) > _SHOWN else ""
    title = tag("summary", f"{number(len(inputs))} raw inputs")
    shown = rows_table(["input", "type", "presence", "example"], rows, class_="")
    return tag("details", title, tag("p", more, class_="soft") if more else "", shown, open="open")


def _type(feature: Mapping[str, Any]) -> str:
    kind = feature.get("kind", "scalar")
    return str(feature["dtype"]) + {"scalar": "", "fixed": f" × {feature.get('size')}", "ragged": " list"}[kind]


def _example(feature: Mapping[str, Any]) -> Html:
    if "example" not in feature:
        return Html("")
    value = feature["example"]
    if value is None:
        return tag("span", "missing", class_="soft")
    return tag("code", _cut(json.dumps(value, ensure_ascii=False)))


def _outputs(model: Model) -> Html:
    rows: list[_Row] = []
    for output in model.runtime.outputs:
        shape = " × ".join("N" if n is None else str(n) for n in output["shape"])
        meaning: Safe = str(output["meaning"]).replace("_", " ")
        if output["meaning"] == "class_probabilities":
            meaning = _cut(f"probability of {', '.join(map(repr, model.classes or []))}", 2 * _CUT)
        rows.append(([tag("code", output["name"]), output["dtype"], shape, meaning], {}))
    return tag("div", rows_table(["output", "type", "shape", "meaning"], rows, class_=""))


def _details(title: str, facts: Mapping[str, Any]) -> Html:
    rows: list[_Row] = [([name, tag("code", _cut(_plain(value), 4 * _CUT))], {}) for name, value in facts.items()]
    return tag("details", tag("summary", title), rows_table(["fact", "value"], rows, class_=""))


def _leaks(found: list[dict[str, Any]]) -> Html:
    if not found:
        return Html("")
    names = sorted({str(entry["feature"]) for entry in found})
    badge = tag("span", "probable leakage", class_="badge warn")
    return tag("p", badge, " These features read columns that the label is made of: ", ", ".join(names), ".")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    return number(value) if isinstance(value, float) else str(value)


def _cut(text: str, length: int = _CUT) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def explanation_html(explanation: Explanation) -> str:
    """The features by importance, as bars, and the rows' own effects where there are few."""
    importance = explanation.importance()
    top = max(importance.values(), default=0.0) or 1.0
    means = dict(zip(explanation.features, explanation.effects.mean(axis=0).tolist(), strict=True))
    rows: list[_Row] = [
        ([tag("code", name), _bar(size / top), number(size), number(means[name])], {})
        for name, size in list(importance.items())[:_SHOWN]
    ]
    said = f"{explanation.method}: effect on the {explanation.score}, {number(len(explanation.scores))} rows"
    head = ["raw feature", "", "mean |effect|", "mean effect"]
    shown = rows_table(head, rows, numeric=(2, 3), class_="mid")
    return Html(join([tag("p", said, class_="soft"), shown]).text)._repr_html_()


def _bar(share: float) -> Html:
    width = float(np.clip(share, 0, 1)) * _BAR
    bar = f"<rect class='bar' width='{width:.1f}' height='12' rx='2'/>"
    return Html(f"<svg width='{_BAR}' height='12' role='img' aria-label='{share:.0%}'>{bar}</svg>")
