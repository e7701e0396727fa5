"""Several models beside each other in HTML: first how each stands, then metrics, slices and plots of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trueline.display.eval_page import visible_lines
from trueline.display.eval_style import evaluation_document, styled
from trueline.display.eval_tables import grid, name_text, shown, value_cell
from trueline.display.eval_view import Value
from trueline.display.html import Html, Safe, join, number, tag, visible
from trueline.display.slice_charts import SliceDot, slice_dots
from trueline.model_analysis.keys import MetricKey
from trueline.model_analysis.measured import Estimate, SliceMetrics
from trueline.model_analysis.page import directions, number_metrics
from trueline.model_analysis.plots.charts import plot_charts
from trueline.model_analysis.plots.codec import PlotData
from trueline.model_analysis.plots.store import find_plots
from trueline.model_analysis.slices import SliceKey

if TYPE_CHECKING:
    from trueline.model_analysis.models_result import ModelsResult, Standing

__all__ = ["models_html", "models_page", "models_view"]

_TITLE = "Models compared"
_MOST_DRAWN = 6
_SMALL_SLICES = 20


def models_page(result: ModelsResult) -> str:
    """One self-contained page; nothing is fetched."""
    parts = [tag("h1", _TITLE), *_head(result), *_metrics(result), *_slices(result), *_plots(result), *_config(result)]
    return evaluation_document(_TITLE, join(parts))


def models_html(result: ModelsResult) -> str:
    """What a notebook shows."""
    return models_view(result)._repr_html_()


def models_view(result: ModelsResult) -> Html:
    """The choice, how each model stands, and models by metrics on the first slice."""
    return styled(join([*_head(result), *_metrics(result, drawn=0), *_few_slices(result)]))


def _measured(result: ModelsResult) -> dict[str, Mapping[SliceKey, SliceMetrics]]:
    """Slices by model; models without any are left out."""
    return {
        name: {s.key: s for s in evaluated.measured.slices}
        for name, evaluated in result.models.items()
        if evaluated.measured.slices
    }


def _keys(result: ModelsResult) -> list[SliceMetrics]:
    """Every slice once, in the first model's order."""
    every = [s for slices in _measured(result).values() for s in slices.values()]
    return list({s.key: s for s in reversed(every)}.values())[::-1]


def _head(result: ModelsResult) -> list[Html]:
    return [_sentence(result), _standings(result)]


def _sentence(result: ModelsResult) -> Html:
    measured = next(iter(result.models.values())).measured
    rows = f"{measured.rows:,} labelled rows, {measured.missing_labels:,} without a label."
    choice = result.choice
    if choice is None:
        return tag("p", rows)
    on = f"{choice.direction} {visible(choice.metric)} on {visible(choice.slice)} is better"
    if choice.winner is None:
        word, colour = "No model was chosen", "verdict"
    else:
        word, colour = f"{visible(choice.winner)} was chosen", "verdict open"
    return tag("section", tag("p", tag("strong", word, class_="word"), f" ({on}). {rows}", dir="auto"), class_=colour)


def _standings(result: ModelsResult) -> Html:
    """How each model stands: chosen or not, its gate, and why."""
    choice, standings = result.choice, {s.name: s for s in (result.choice.standings if result.choice else ())}
    rows: list[Sequence[Safe]] = []
    for name, evaluated in result.models.items():
        verdict, standing = evaluated.validation_result, standings.get(name)
        gate = tag("span", "open" if verdict.ok else "closed", class_=f"badge {'good' if verdict.ok else 'bad'}")
        why = standing.excluded if standing is not None and standing.excluded else ""
        why = why or (verdict.failures[0].sentence if verdict.failures else "")
        more = f" ({len(verdict.failures) - 1:,} more reasons)" if len(verdict.failures) > 1 else ""
        cells: list[Safe] = [name_text(name), gate]
        if choice is not None:
            cells += [_state(name, choice.winner, bool(standing and standing.excluded)), _number(standing)]
        rows.append([*cells, visible(why) + (more if why else "")])
    head = ["Model", "gate", *(["", choice.metric] if choice is not None else []), "why not"]
    return grid(head, rows, label="How the models stand", numeric=[3] if choice else [], names=(0, len(head) - 1))


def _number(standing: Standing | None) -> Safe:
    return number(standing.value) if standing is not None and standing.value is not None else "–"


def _state(name: str, winner: str | None, excluded: bool) -> Html:
    word, colour = ("excluded", "bad") if excluded else ("chosen", "good") if name == winner else ("not chosen", "soft")
    return tag("span", word, class_=f"badge {colour}")


def _metrics(result: ModelsResult, drawn: int = _MOST_DRAWN) -> list[Safe]:
    """Models by metrics on the first slice, and dot plots of the first metrics."""
    keys = _keys(result)
    if not keys:
        return []
    found = {name: slices[keys[0].key] for name, slices in _measured(result).items() if keys[0].key in slices}
    metrics = number_metrics(list(found.values()))
    count = tag("p", f"{keys[0].rows:,} rows", class_="soft")
    parts: list[Safe] = [tag("h2", visible(keys[0].name), dir="auto"), count, _models_table(result, found, metrics)]
    chosen = result.choice.metric if result.choice is not None else ""
    for metric in sorted(metrics, key=lambda m: m != chosen)[:drawn]:
        dots = [_dot(name, s.metrics.get(metric), s.rows) for name, s in found.items()]
        label = f"{metric} of each model on {keys[0].name}"
        plot = slice_dots(dots, label=visible(label), unit=visible(metric), shown=shown)
        summary = tag("summary", f"{visible(metric)} by model", dir="auto")
        parts.append(tag("details", summary, plot, **({"open": "open"} if metric == chosen else {"class_": "figures"})))
    return parts


def _dot(name: str, e: Estimate | None, rows: int) -> SliceDot:
    if e is None:
        return SliceDot(name, None, rows=rows, note="not computed")
    return SliceDot(name, e.value, e.low, e.high, rows, note=e.undefined or "")


def _models_table(result: ModelsResult, found: Mapping[str, SliceMetrics], metrics: Sequence[str]) -> Html:
    best = {m: _best(result, m, {name: s.metrics.get(m) for name, s in found.items()}) for m in metrics}
    rows = [
        [name_text(name), *(_cell(s.metrics.get(m), name in best[m]) for m in metrics)] for name, s in found.items()
    ]
    return grid(["Model", *metrics], rows, label="Models by metrics", numeric=range(1, len(metrics) + 1))


def _slices(result: ModelsResult) -> list[Safe]:
    """One table a metric: slices by models."""
    keys, measured = _keys(result), _measured(result)
    if len(keys) < 2:
        return []
    chosen = result.choice.metric if result.choice is not None else ""
    parts: list[Safe] = [tag("h2", f"Slices ({len(keys):,})")]
    for i, metric in enumerate(sorted(number_metrics(keys), key=lambda m: m != chosen)):
        rows: list[Sequence[Safe]] = []
        for s in keys:
            own = {name: slices[s.key].metrics.get(metric) for name, slices in measured.items() if s.key in slices}
            best = _best(result, metric, own)
            rows.append([name_text(s.name), number(s.rows), *(_cell(own.get(n), n in best) for n in measured)])
        head = ["Slice", "rows", *measured]
        body = grid(head, rows, label=f"{metric} by slice and model", numeric=range(1, len(head)), search=f"slices-{i}")
        attributes = {"open": "open"} if i == 0 else {}
        parts.append(tag("details", tag("summary", visible(metric), dir="auto"), body, **attributes))
    return parts


def _few_slices(result: ModelsResult) -> list[Safe]:
    """Of a small view: the chosen metric, or the first, on some slices."""
    keys, measured = _keys(result)[:_SMALL_SLICES], _measured(result)
    metrics = number_metrics(keys)
    if len(keys) < 2 or not metrics:
        return []
    metric = result.choice.metric if result.choice is not None and result.choice.metric in metrics else metrics[0]
    rows: list[Sequence[Safe]] = []
    for s in keys:
        own = {name: slices[s.key].metrics.get(metric) for name, slices in measured.items() if s.key in slices}
        rows.append([name_text(s.name), number(s.rows), *(_cell(own.get(n), False) for n in measured)])
    head = ["Slice", "rows", *measured]
    label = f"{metric} by slice and model"
    left = len(_keys(result)) - len(keys)
    more = tag("p", f"{left:,} more slices in ", tag("code", "to_table()"), ".") if left > 0 else ""
    return [tag("h3", visible(label), dir="auto"), grid(head, rows, label=label, numeric=range(1, len(head))), more]


def _plots(result: ModelsResult) -> list[Safe]:
    """Plots of the first slice, of all models on common axes."""
    keys = _keys(result)
    by_key: dict[str, dict[str, PlotData]] = {}
    charts: list[Safe] = []
    for name, evaluated in result.models.items():
        for plot in find_plots(evaluated.measured):
            if plot.slice == keys[0].key:
                by_key.setdefault(plot.key.text, {})[name] = next(iter(plot.models.values()))
    first = next(iter(result.models.values()))
    confidence, classes = first.config.options.confidence, first.class_names
    for text, models in by_key.items():
        drawn = plot_charts(models, confidence=confidence, classes=classes)
        charts += [tag("h3", visible(text), dir="auto"), drawn]
    return [tag("h2", f"Plots: {visible(keys[0].name)}", dir="auto"), *charts] if charts else []


def _config(result: ModelsResult) -> list[Safe]:
    text = visible_lines(next(iter(result.models.values())).config.to_json())
    summary = tag("summary", "The configuration of this evaluation")
    return [tag("h2", "Configuration"), tag("details", summary, tag("pre", text))]


def _best(result: ModelsResult, key: str, found: Mapping[str, Estimate | None]) -> set[str]:
    """The models with the best value of a metric of which it is known what is better; none where all are equal."""
    first = next(iter(result.models.values()))
    better = directions(first.config, first.task).get(MetricKey.parse(key).name)
    values = {name: e.value for name, e in found.items() if e is not None and e.value is not None}
    if better is None or len(set(values.values())) < 2:
        return set()
    best = max(values.values()) if better else min(values.values())
    return {name for name, value in values.items() if value == best}


def _cell(estimate: Estimate | None, best: bool) -> Html:
    if estimate is None:
        return value_cell(Value(None, "not computed"))
    cell = value_cell(Value(estimate.value, estimate.undefined or "", estimate.low, estimate.high))
    return join([tag("span", "best ★ ", class_="small good"), cell]) if best else cell
