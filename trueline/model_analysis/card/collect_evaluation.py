"""The evaluation's part of a card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline.model_analysis.card.parts_judged import (
    EvaluationFacts,
    MetricFacts,
    SliceFacts,
    TooSmall,
    Undefined,
    WorstSlice,
)
from trueline.model_analysis.keys import MetricKey
from trueline.model_analysis.measured import SliceMetrics
from trueline.model_analysis.page import directions, evaluation_page, number_metrics
from trueline.model_analysis.plots.codec import is_plot
from trueline.model_analysis.slices import slice_name

if TYPE_CHECKING:
    from trueline.model_analysis.result import EvalResult

__all__ = ["evaluation_facts", "metric_facts"]

_MOST_SLICES, _MOST_SMALL, _MOST_UNDEFINED, _MOST_PLOT_LETTERS = 40, 20, 20, 150_000


def evaluation_facts(result: EvalResult) -> EvaluationFacts:
    """What was measured and judged; long lists are cut, and say how much is left."""
    measured, verdict, options = result.measured, result.validation_result, result.config.options
    page = evaluation_page(result)
    metrics = number_metrics(measured.slices)
    better = _directions(result, metrics)
    first = [s for s in measured.slices if s.key == ()]
    rest = _ordered([s for s in measured.slices if s.key != ()], page.primary or metrics, better)
    undefined = _undefined(measured.slices)
    small = [TooSmall(slice_name(key), rows) for key, rows in measured.too_small]
    return EvaluationFacts(
        task=result.task,
        rows=measured.rows,
        missing_labels=measured.missing_labels,
        overall=_metrics(first[0], metrics) if first else (),
        slices=tuple(SliceFacts(s.name, s.rows, _metrics(s, metrics)) for s in rest[:_MOST_SLICES]),
        slices_left=max(len(rest) - _MOST_SLICES, 0),
        worst=tuple(_worst(first, rest, metrics, better)),
        too_small=tuple(small[:_MOST_SMALL]),
        too_small_left=max(len(small) - _MOST_SMALL, 0),
        undefined=tuple(undefined[:_MOST_UNDEFINED]),
        undefined_left=max(len(undefined) - _MOST_UNDEFINED, 0),
        directions=better,
        judged=not verdict.missing_thresholds,
        ok=verdict.ok and not verdict.missing_thresholds,
        failures=tuple(f.sentence for f in verdict.failures),
        notes=tuple(page.notes),
        checks=verdict.checks,
        has_baseline=any(s.baseline for s in measured.slices),
        confidence=options.confidence,
        intervals=page.intervals,
        candidate=_fingerprint(result.models.get("candidate")),
        baseline=_fingerprint(result.models.get("baseline")),
        min_slice_size=options.min_slice_size,
        plots=_plots(first),
    )


def _directions(result: EvalResult, metrics: Sequence[str]) -> dict[str, bool]:
    known = directions(result.config, result.task)
    named = {m: known.get(MetricKey.parse(m).name) for m in metrics}
    return {m: higher for m, higher in named.items() if higher is not None}


def _fingerprint(said: Any) -> str:
    found = said.get("fingerprint") if isinstance(said, Mapping) else said
    return str(found) if isinstance(found, str) else ""


def metric_facts(name: str, s: SliceMetrics) -> MetricFacts:
    """A metric on a slice, beside the baseline's."""
    estimate, baseline, change = s.metrics[name], s.baseline.get(name), s.changes.get(name)
    return MetricFacts(
        name,
        estimate.value,
        "" if estimate.value is not None else estimate.undefined or "no reason is known",
        estimate.low,
        estimate.high,
        estimate.error_bound,
        None if baseline is None else baseline.value,
        None if change is None else change.value,
        None if change is None else change.low,
        None if change is None else change.high,
    )


def _metrics(s: SliceMetrics, names: Sequence[str]) -> tuple[MetricFacts, ...]:
    return tuple(metric_facts(name, s) for name in names if name in s.metrics)


def _ordered(slices: Sequence[SliceMetrics], primary: Sequence[str], better: Mapping[str, bool]) -> list[SliceMetrics]:
    """The worst slices by the first metric with a direction first; undefined ones before all, then by name."""
    name = next((m for m in primary if m in better), None)
    if name is None:
        return list(slices)

    def rank(s: SliceMetrics) -> tuple[bool, float]:
        estimate = s.metrics.get(name)
        value = None if estimate is None else estimate.value
        return (value is not None, 0.0 if value is None else value if better[name] else -value)

    return sorted(slices, key=rank)


def _worst(
    first: Sequence[SliceMetrics], rest: Sequence[SliceMetrics], metrics: Sequence[str], better: Mapping[str, bool]
) -> list[WorstSlice]:
    found = []
    for name in metrics:
        higher = better.get(name)
        values = [(s, s.metrics[name]) for s in rest if name in s.metrics and s.metrics[name].value is not None]
        if higher is None or not values:
            continue
        sign = 1.0 if higher else -1.0
        s, e = min(values, key=lambda pair: sign * (pair[1].value or 0.0))
        overall = first[0].metrics.get(name) if first else None
        all_rows = None if overall is None else overall.value
        found.append(WorstSlice(name, s.name, s.rows, e.value or 0.0, e.low, e.high, all_rows, higher))
    return found


def _undefined(slices: Sequence[SliceMetrics]) -> list[Undefined]:
    return [
        Undefined(name, s.name, e.undefined or "no reason is known")
        for s in slices
        for name, e in s.metrics.items()
        if e.value is None and e.data is None
    ]


def _plots(first: Sequence[SliceMetrics]) -> dict[str, Any]:
    """Plots of all rows, as far as a card can hold them; what is too large is in the evaluation."""
    plots = {} if not first else {name: e.data for name, e in first[0].metrics.items() if is_plot(e.data)}
    return {name: data for name, data in plots.items() if len(json.dumps(data)) <= _MOST_PLOT_LETTERS}
