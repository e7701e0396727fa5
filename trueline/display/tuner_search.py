"""The view of a search: figures, best hyperparameters, drawings, and the table of trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trueline.display.html import Html, Safe, join, number, table, tag, visible
from trueline.display.sections import facts_view
from trueline.display.tuner_charts import (
    history_chart,
    importance_chart,
    parallel_chart,
    parameter_names,
    slice_charts,
    value_of,
)

__all__ = ["tuner_view"]

_BADGES = {"COMPLETE": "good", "PRUNED": "warn", "FAILED": "bad"}
_SHOWN_ERRORS = 3


def tuner_view(result: Mapping[str, Any]) -> Html:
    """A search as one piece of HTML.

    Args:
        result: as `trueline.training.TuneResult.to_json` gives it: ``settings``, ``fixed``, ``best``, ``importance``
            and ``trials``.
    """
    trials: Sequence[Mapping[str, Any]] = result["trials"]
    settings = result["settings"]
    objective, direction = str(settings["objective"]), str(settings["direction"])
    best = next((t for t in trials if t["number"] == result["best"]), None)
    parts: list[Safe] = [
        tag("h1", f"Search: {visible(objective)}"),
        tag("p", _told(settings), class_="soft"),
        facts_view(_facts(trials, best, objective)),
    ]
    if best is not None:
        parts += [tag("h2", "Best hyperparameters"), _best_table(best, result["fixed"])]
    else:
        parts += [tag("p", tag("span", "No trial came to its end.", class_="badge bad")), _errors(trials)]
    if trials:
        parts += [tag("h2", "History"), history_chart(trials, objective, direction)]
    if result["importance"]:
        note = "PED-ANOVA over the complete trials: where the best trials lie, compared with where all lie."
        parts += [tag("h2", "Importance of parameters"), tag("p", note, class_="soft")]
        parts.append(importance_chart(result["importance"], objective))
    if best is not None:
        parts += _drawn(trials, objective, direction)
    if trials:
        parts += [tag("h2", "Trials"), _trials_table(trials, objective)]
    return join(parts)


def _drawn(trials: Sequence[Mapping[str, Any]], objective: str, direction: str) -> list[Safe]:
    note = "A line is a complete trial, the stronger the better; the best stands out. "
    note += "Where a line passes below an axis, the trial does not have this parameter."
    return [
        tag("h2", "Parallel coordinates"),
        tag("p", note, class_="soft"),
        parallel_chart(trials, objective, direction),
        tag("h2", "Slices"),
        tag("p", "The objective over each parameter; rings are pruned trials.", class_="soft"),
        slice_charts(trials, objective, direction),
    ]


def _told(settings: Mapping[str, Any]) -> str:
    aim = "the greatest" if settings["direction"] == "maximize" else "the least"
    pruner = "nothing pruned" if settings["pruner"] == "none" else f"pruned by {settings['pruner']}"
    return (
        f"Looked for {aim} {settings['take']} value; sampler {settings['sampler']}, {pruner}, "
        f"{settings['parallel']} at once, seed {settings['seed']}."
    )


def _facts(trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any] | None, objective: str) -> dict[str, Any]:
    states = [t["state"] for t in trials]
    facts: dict[str, Any] = {"trials": len(trials)}
    facts |= {name.lower(): states.count(name) for name in _BADGES if name in states}
    if best is not None:
        facts |= {f"best {objective}": value_of(best), "of trial": best["number"]}
    return facts | {"seconds of training": round(sum(float(t["seconds"]) for t in trials), 1)}


def _best_table(best: Mapping[str, Any], fixed: Mapping[str, Any]) -> Html:
    rows: list[Sequence[Safe]] = [
        [tag("b", name), _shown(value), "found"] for name, value in best["hyperparameters"].items()
    ]
    rows += [
        [tag("b", name), _shown(value), "fixed"] for name, value in fixed.items() if name not in best["hyperparameters"]
    ]
    return table(["Hyperparameter", "Value", ""], rows)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool | list | dict):
        return json.dumps(value)
    return repr(value) if isinstance(value, int | float) else visible(str(value))


def _errors(trials: Sequence[Mapping[str, Any]]) -> Html:
    texts = list(dict.fromkeys(str(t["error"]) for t in trials if t["error"]))[:_SHOWN_ERRORS]
    return tag("ul", *(tag("li", visible(text)) for text in texts)) if texts else Html("")


def _trials_table(trials: Sequence[Mapping[str, Any]], objective: str) -> Html:
    names = parameter_names(trials)
    rows: list[Sequence[Safe]] = []
    for trial in trials:
        cells: list[Safe] = [
            trial["number"],
            tag("span", trial["state"].lower(), class_=f"badge {_BADGES.get(trial['state'], '')}"),
            _sorted(value_of(trial)),
        ]
        cells += [_cell(trial["params"][name]) if name in trial["params"] else "" for name in names]
        cells += [f"{float(trial['seconds']):.1f} s", _note(trial["error"])]
        rows.append(cells)
    head = ["Trial", "State", objective, *names, "Took", "Note"]
    return table([visible(name) for name in head], rows, numeric=[0, 2, *range(3, 4 + len(names))])


def _sorted(value: float | None) -> Safe:
    """A number for people, that sorts as it is."""
    return "" if value is None else tag("span", number(value), data_sort=repr(value))


def _cell(value: Any) -> Safe:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _sorted(float(value)) if isinstance(value, float) else tag("span", number(value), data_sort=str(value))
    return _shown(value)


def _note(text: str | None) -> Safe:
    return tag("div", visible(text.splitlines()[0]), style="min-width:16rem") if text else ""
