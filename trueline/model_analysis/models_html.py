"""Several models beside each other in HTML: first how each stands, then models by metrics for every slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trueline.display.html import Html, Safe, join, number, page, table, tag, visible
from trueline.model_analysis.measured import Estimate, SliceMetrics
from trueline.model_analysis.metrics import HIGHER, find_metric
from trueline.model_analysis.rules import metric_key
from trueline.model_analysis.slices import slice_name

if TYPE_CHECKING:
    from trueline.model_analysis.models_result import ModelsResult

__all__ = ["models_html", "models_page", "models_view"]

_MAX_SLICES = 50
_TITLE = "Models compared"


def models_page(result: ModelsResult) -> str:
    """One self-contained page; nothing is fetched."""
    return page(_TITLE, join([tag("h1", _TITLE), models_view(result)]))


def models_html(result: ModelsResult) -> str:
    """What a notebook shows."""
    return models_view(result)._repr_html_()


def models_view(result: ModelsResult) -> Html:
    """The choice, the models, and a table of models by metrics for each slice."""
    slices = next(iter(result.models.values())).measured.slices
    names = [name for name, evaluated in result.models.items() if evaluated.measured.slices]
    parts = [_sentence(result), _standings(result)]
    parts += [_slice(result, names, s) for s in slices[:_MAX_SLICES]]
    if len(slices) > _MAX_SLICES:
        parts.append(tag("p", f"{len(slices) - _MAX_SLICES} more slices in ", tag("code", "to_table()"), "."))
    return join(parts)


def _sentence(result: ModelsResult) -> Html:
    measured = next(iter(result.models.values())).measured
    rows = f"{measured.rows:,} labelled rows, {measured.missing_labels:,} without a label."
    choice = result.choice
    if choice is None:
        return tag("p", rows)
    on = f"{choice.direction} {choice.metric} on {visible(choice.slice)} is better"
    if choice.winner is None:
        return tag("p", tag("strong", "No model was chosen"), f" ({on}). {rows}")
    return tag("p", tag("strong", f"{visible(choice.winner)} was chosen"), f" ({on}). {rows}")


def _standings(result: ModelsResult) -> Html:
    choice = result.choice
    if choice is None:
        return Html("")
    rows: list[list[Safe]] = []
    for standing in choice.standings:
        state, kind = ("not chosen", "soft")
        if standing.excluded:
            state, kind = "excluded", "bad"
        elif standing.name == choice.winner:
            state, kind = "chosen", "good"
        badge = tag("span", state, class_=f"badge {kind}")
        rows.append([visible(standing.name), badge, number(standing.value), visible(standing.excluded)])
    return table(["model", "", choice.metric, "why not"], rows, numeric=[2])


def _slice(result: ModelsResult, names: Sequence[str], shown: SliceMetrics) -> Html:
    found = {name: next(s for s in result.models[name].measured.slices if s.key == shown.key) for name in names}
    keys = list(dict.fromkeys(key for s in found.values() for key in s.metrics))
    best = {key: _best(result, key, found) for key in keys}
    rows: list[list[Safe]] = [
        [visible(name), *(_cell(s.metrics.get(key), name in best[key]) for key in keys)] for name, s in found.items()
    ]
    title = tag("h2", visible(slice_name(shown.key)))
    count = tag("p", f"{shown.rows:,} rows", class_="soft")
    return join([title, count, table(["model", *keys], rows, numeric=range(1, len(keys) + 1))])


def _best(result: ModelsResult, key: str, found: dict[str, SliceMetrics]) -> set[str]:
    """The models with the best value of a metric of which it is known what is better; none where all are equal."""
    config = next(iter(result.models.values())).config
    metric = next(
        (find_metric(m.class_name) for s in config.metrics_specs for m in s.metrics if metric_key(m) == key), None
    )
    values = {
        name: e.value for name, s in found.items() if (e := s.metrics.get(key)) is not None and e.value is not None
    }
    if metric is None or metric.better is None or len(set(values.values())) < 2:
        return set()
    best = max(values.values()) if metric.better == HIGHER else min(values.values())
    return {name for name, value in values.items() if value == best}


def _cell(estimate: Estimate | None, best: bool) -> Html:
    if estimate is None or estimate.value is None:
        reason = estimate.undefined if estimate is not None else "not computed"
        return tag("span", "undefined", title=visible(reason or ""), class_="soft")
    text = number(estimate.value)
    return tag("strong", text, class_="good") if best else tag("span", text)
