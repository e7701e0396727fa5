"""An evaluation as a page: what was measured and judged, put into the records that `display` draws."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError
from trueline.display.eval_chart import Chart, Line, Whisker, charts_view
from trueline.display.eval_page import evaluation_page_html
from trueline.display.eval_view import Check, EvaluationPage, Failure, PairView, PlotGroup, Shift, SliceView, Value
from trueline.display.html import Html, Safe, join, number, tag, visible
from trueline.model_analysis.config import EvalConfig, MetricConfig
from trueline.model_analysis.keys import MetricKey
from trueline.model_analysis.measured import Change, CrossSliceMetrics, Estimate, Measured, SliceMetrics
from trueline.model_analysis.metrics import HIGHER, METRICS, find_metric
from trueline.model_analysis.plots.charts import plot_charts
from trueline.model_analysis.plots.codec import is_plot
from trueline.model_analysis.plots.store import find_plots
from trueline.model_analysis.rules import metric_key
from trueline.model_analysis.slices import slice_name
from trueline.model_analysis.validation import ValidationResult

if TYPE_CHECKING:
    from trueline.model_analysis.result import EvalResult

__all__ = ["array_charts", "directions", "evaluation_page", "number_metrics", "page_html", "slice_plots", "slice_view"]

_TITLE = "Evaluation"
_MOST_PLOTTED = 8
_MOST_NOTES = 5
_MOST_DOTS = 25
_MOST_TEXT = 20_000
_METHODS = {
    "JACKKNIFE": "delete-a-group jackknife over {groups} groups",
    "POISSON_BOOTSTRAP": "Poisson bootstrap with {resamples} resamples",
    "WILSON": "Wilson's score interval of proportions",
    "T_OF_MEAN": "Student's t of means",
    "DELONG": "DeLong's variance of areas under ROC curves",
    "FISHER_Z": "Fisher's z of correlations",
}


def page_html(
    result: EvalResult, path: str | None = None, title: str = _TITLE, sections: Sequence[PlotGroup] = ()
) -> str:
    """The evaluation as one self-contained page, also written to `path` if it is given.

    Args:
        result: the evaluation.
        path: where it is written.
        title: its heading.
        sections: what else belongs to it, each with its heading; between the changes and the plots.
    """
    html = evaluation_page_html(evaluation_page(result, title, sections))
    if path is not None:
        from trueline._core import store

        store.write_text(str(path), html)
    return html


def evaluation_page(result: EvalResult, title: str = _TITLE, sections: Sequence[PlotGroup] = ()) -> EvaluationPage:
    """What the page shows."""
    measured, verdict = result.measured, result.validation_result
    better = directions(result.config, result.task)
    metrics = number_metrics(measured.slices)
    failed = _failed(verdict, metrics)
    return EvaluationPage(
        title=title,
        ok=verdict.ok,
        failures=[Failure(f.metric, f.slice, f.sentence) for f in verdict.failures],
        notes=_notes(verdict),
        facts=_facts(result, metrics),
        metrics=metrics,
        slices=[slice_view(s, metrics, better, failed) for s in measured.slices],
        pairs=[_pair(c, metrics) for c in measured.cross],
        checks=[Check(c.metric, c.slice, c.outcome, c.sentence, c.p_adjusted) for c in verdict.judged],
        intervals=_intervals(measured, result.config),
        sections=sections,
        plots=slice_plots(_failed_first(measured, verdict), result.config.options.confidence, **_drawn(result)),
        left_out=_left_out(measured),
        structured=_structured(measured),
        config=result.config.to_json(),
        primary=_primary(verdict, metrics),
        has_baseline=any(s.baseline for s in measured.slices),
        lower_is_better=frozenset(m for m in metrics if better.get(MetricKey.parse(m).name) is False),
    )


def directions(config: EvalConfig, task: str | None = None) -> dict[str, bool]:
    """Whether a greater value is better, by a metric's name, where that is known."""
    known = {m.name: m.better for m in METRICS.values() if m.better is not None}
    for spec in config.metrics_specs:
        for entry in spec.metrics:
            metric = find_metric(entry.class_name, task) or find_metric(entry.class_name)
            if metric is not None and metric.better is not None:
                known[str(entry.config.get("name") or metric.name)] = metric.better
    return {name: better == HIGHER for name, better in known.items()}


def number_metrics(slices: Sequence[SliceMetrics]) -> list[str]:
    """Keys of metrics that are numbers, in their order: not those whose values are structured."""
    keys = dict.fromkeys(key for s in slices for key in s.metrics)
    data = {key for s in slices for key, e in s.metrics.items() if e.data is not None}
    return [key for key in keys if key not in data]


def slice_view(
    s: SliceMetrics, metrics: Sequence[str], better: Mapping[str, bool], failed: frozenset[tuple[str, str]]
) -> SliceView:
    """A slice as `display` shows it."""
    return SliceView(
        s.name,
        s.rows,
        s.missing_labels,
        {m: _value(s.metrics[m]) for m in metrics if m in s.metrics},
        {m: _value(s.baseline[m]) for m in metrics if m in s.baseline},
        {m: _shift(s.changes[m], better.get(MetricKey.parse(m).name)) for m in metrics if m in s.changes},
        frozenset(m for m in metrics if (m, s.name) in failed),
    )


def _failed_first(measured: Measured, verdict: ValidationResult) -> Measured:
    """The first slice, and then those whose gate failed: theirs are the plots to look at."""
    failed = {f.slice for f in verdict.failures}
    first, rest = measured.slices[:1], measured.slices[1:]
    return replace(measured, slices=(*first, *sorted(rest, key=lambda s: s.name not in failed)))


def _drawn(result: EvalResult) -> dict[str, Any]:
    return {"threshold": result.threshold, "classes": result.class_names}


def slice_plots(
    measured: Measured, confidence: float, threshold: float = 0.5, classes: Sequence[str] = ()
) -> list[PlotGroup]:
    """Charts of the first slices that have any; of how many more there are the last group tells."""
    plots = {key: list(found) for key, found in groupby(find_plots(measured), key=lambda p: p.slice)}
    drawn = [(s, plots.get(s.key, []), array_charts(s)) for s in measured.slices]
    keys = dict.fromkeys(p.key.text for own in plots.values() for p in own)
    found = [(s, own, arrays) for s, own, arrays in drawn if own or arrays or keys.keys() & s.metrics.keys()]
    groups = []
    for s, own, arrays in found[:_MOST_PLOTTED]:
        charts: list[Safe] = [charts_view(arrays)] if arrays else []
        charts += [_undefined(key, s.metrics[key]) for key in keys if key in s.metrics and s.metrics[key].data is None]
        for p in own:
            drawn_plot = plot_charts(p.models, confidence=confidence, threshold=threshold, classes=classes)
            charts += [tag("h4", visible(p.key.text), class_="soft"), drawn_plot]
        groups.append(PlotGroup(s.name, join(charts)))
    left = len(found) - len(groups)
    if left > 0:
        said = tag("p", "render_plot(result, slicing_spec) draws them.")
        groups.append(PlotGroup(f"{left:,} more slices have plots", said))
    return groups


def _undefined(key: str, e: Estimate) -> Html:
    return tag("p", f"{visible(key)} is undefined: {visible(e.undefined or 'no reason is known')}.", dir="auto")


def array_charts(s: SliceMetrics) -> list[Chart]:
    """Metrics at several thresholds as curves, with their intervals where they were measured."""
    charts = []
    for key, mine in s.metrics.items():
        sides = {"candidate": mine, "baseline": s.baseline.get(key)}
        there = {name: e.data for name, e in sides.items() if e is not None and _is_array(e.data)}
        if "candidate" in there:
            lines = [_array_line(name, data) for name, data in there.items()]
            charts.append(Chart(key, "threshold", "", lines))
    return charts


def _is_array(data: Any) -> bool:
    """Whether a structured value is a list of values at thresholds."""
    if not isinstance(data, Mapping):
        return False
    thresholds, values = data.get("thresholds"), data.get("values")
    return isinstance(thresholds, list) and isinstance(values, list) and len(thresholds) == len(values) > 0


def _array_line(name: str, data: Mapping[str, Any]) -> Line:
    points, whiskers = [], []
    none = [None] * len(data["values"])
    low, high = (data.get(end) or none for end in ("lower_bounds", "upper_bounds"))
    for t, value, a, b in zip(data["thresholds"], data["values"], low, high, strict=True):
        points.append((float(t), math.nan if value is None else float(value)))
        if value is not None and a is not None and b is not None:
            said = f"{name}, at {number(float(t))}: {number(float(value))}, {number(float(a))} to {number(float(b))}"
            whiskers.append(Whisker(float(t), float(a), float(b), said))
    return Line(name, points, whiskers, dots=len(points) <= _MOST_DOTS)


def _value(e: Estimate) -> Value:
    return Value(e.value, e.undefined or "", e.low, e.high, e.error_bound)


def _shift(c: Change, better: bool | None) -> Shift:
    return Shift(c.value, c.low, c.high, c.p_value, better)


def _pair(c: CrossSliceMetrics, metrics: Sequence[str]) -> PairView:
    values = {m: _value(c.metrics[m]) for m in metrics if m in c.metrics}
    return PairView(c.name, values, {m: _value(c.baseline[m]) for m in metrics if m in c.baseline})


def _failed(verdict: ValidationResult, metrics: Sequence[str]) -> frozenset[tuple[str, str]]:
    """(metric, slice) of all failures; a threshold names a metric's key, or its name for all of its keys."""
    failures = {(f.metric, f.slice) for f in verdict.failures}
    slices = {f.slice for f in verdict.failures}
    names = {m: MetricKey.parse(m).name for m in metrics}
    judged = {m for m, _ in failures}
    return frozenset(
        (m, s) for m in metrics for s in slices if (m, s) in failures or (m not in judged and (names[m], s) in failures)
    )


def _primary(verdict: ValidationResult, metrics: Sequence[str]) -> list[str]:
    """Metrics that closed a gate, then those that were judged."""
    named = dict.fromkeys([*(f.metric for f in verdict.failures), *(c.metric for c in verdict.judged)])
    return [m for m in named if m in metrics]


def _notes(verdict: ValidationResult) -> list[str]:
    notes = list(verdict.notes)
    if verdict.rubber_stamp:
        notes.append("Thresholds on changes were not applied: there was no other model to compare with.")
    for said, sentences in (
        ("Within noise: ", verdict.within_noise),
        ("Undefined and let pass: ", verdict.undefined_passed),
    ):
        notes += [said + sentence for sentence in sentences[:_MOST_NOTES]]
        if len(sentences) > _MOST_NOTES:
            notes.append(f"{said}{len(sentences) - _MOST_NOTES:,} more, see the bounds that were judged.")
    if verdict.checks:
        notes.append(f"{verdict.checks:,} check{'s were' if verdict.checks > 1 else ' was'} made.")
    return list(dict.fromkeys(notes))


def _facts(result: EvalResult, metrics: Sequence[str]) -> dict[str, str | int]:
    facts: dict[str, str | int] = {"labelled rows": result.measured.rows, "slices": len(result.measured.slices)}
    facts |= {"metrics": len(metrics), "task": result.task}
    for name, said in result.models.items():
        text = said.get("fingerprint") or said.get("column") if isinstance(said, Mapping) else said
        facts[str(name)] = _short(text)
    held = [metric_key(m) for spec in result.config.metrics_specs for m in spec.metrics if _holds(m, result.task)]
    return facts | ({"hold a slice's rows in memory": ", ".join(held)} if held else {})


def _holds(metric: MetricConfig, task: str) -> bool:
    """Whether it keeps a slice's rows; False for a module that cannot be loaded here any more."""
    try:
        found = find_metric(metric.class_name, task, metric.module)
    except (ConfigError, ImportError):
        return False
    return found is not None and found.holds_slice


def _short(text: Any) -> str:
    """The beginning of a fingerprint."""
    said = str(text)
    return said if len(said) <= 24 else f"{said[:12]}…"


def _intervals(measured: Measured, config: EvalConfig) -> str:
    """How intervals were really made, the most frequent way first."""
    options = config.options
    asked = options.confidence_intervals.method
    used = Counter(e.method or asked for s in measured.slices for e in s.metrics.values() if e.low is not None)
    if not used:
        return ""
    said = {"groups": options.noise_groups, "resamples": options.confidence_intervals.resamples}
    ways = {method: _METHODS.get(method, method).format(**said) for method, _ in used.most_common()}
    first = ways.pop(asked, None)
    rest = "; ".join(ways.values())
    about = f"Intervals at {number(100 * options.confidence)}%: {first or rest}."
    return f"{about} Where that sees no noise: {rest}." if first and rest else about


def _left_out(measured: Measured) -> list[tuple[str, int]]:
    found = [("rows without a label", measured.missing_labels)] if measured.missing_labels else []
    return found + [(f"{slice_name(key)}: below the minimum size", rows) for key, rows in measured.too_small]


def _structured(measured: Measured) -> list[tuple[str, str]]:
    found = []
    for s in measured.slices[:1]:
        for key, estimate in s.metrics.items():
            if estimate.data is not None and not is_plot(estimate.data) and not _is_array(estimate.data):
                text = json.dumps(estimate.data, indent=1, ensure_ascii=False)
                more = f"\n… {len(text) - _MOST_TEXT:,} more characters" if len(text) > _MOST_TEXT else ""
                found.append((f"{key} on {s.name}", "\n".join(map(visible, (text[:_MOST_TEXT] + more).split("\n")))))
    return found
