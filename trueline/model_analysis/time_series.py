"""Metrics over time: the same slice of several evaluations, one after the other, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trueline._core.errors import ConfigError
from trueline.display.eval_chart import Chart, Line, Whisker, charts_view
from trueline.display.eval_style import styled
from trueline.display.eval_tables import grid, value_cell
from trueline.display.eval_view import Value
from trueline.display.html import Html, Safe, join, number, tag, visible
from trueline.model_analysis.config import SlicingSpec
from trueline.model_analysis.measured import Estimate, SliceMetrics
from trueline.model_analysis.page import number_metrics
from trueline.model_analysis.slices import slice_name, spec_matches

if TYPE_CHECKING:
    from trueline.model_analysis.result import EvalResult

__all__ = ["render_time_series"]

_MOST_CHARTS = 24


def render_time_series(
    results: Mapping[str, EvalResult | str | Path] | Sequence[EvalResult | str | Path],
    slicing_spec: SlicingSpec | None = None,
    *,
    metrics: Sequence[str] = (),
) -> Html:
    """One chart a metric: its value and interval in each evaluation, in the order given, and all of it as a table.

    Args:
        results: evaluations, or folders that hold them, in order of time; with names where a mapping is given.
        slicing_spec: the slice; the overall one where it is not given.
        metrics: keys of metrics; all of them where none is given.

    Raises:
        ConfigError: there is no evaluation, none has the slice, or a metric that was asked for was never measured.
        ArtifactError: a folder holds no evaluation.
    """
    named = _named(results)
    spec = slicing_spec if slicing_spec is not None else SlicingSpec()
    found = [(name, _slice(result, spec, name)) for name, result in named]
    there = [s for _, s in found if s is not None]
    if not there:
        raise ConfigError(
            f"none of {len(named)} evaluations has a slice of {spec!r}" if named else "no evaluation given"
        )
    known = number_metrics(there)
    unknown = [m for m in metrics if m not in known]
    if unknown:
        raise ConfigError(f"never measured: {', '.join(unknown)}. There is {', '.join(known)}.")
    shown = list(metrics) or known
    charts = charts_view([_chart(m, found) for m in shown[:_MOST_CHARTS]])
    heading = tag("p", f"{visible(slice_name(there[0].key))} in {len(found):,} evaluations", class_="soft", dir="auto")
    return styled(join([heading, charts, _table(shown, found)]))


def _named(
    results: Mapping[str, EvalResult | str | Path] | Sequence[EvalResult | str | Path],
) -> list[tuple[str, EvalResult]]:
    from trueline.model_analysis.result import EvalResult

    items = list(results.items()) if isinstance(results, Mapping) else list(zip(_names(results), results, strict=True))
    return [(name, r if isinstance(r, EvalResult) else EvalResult.load(str(r))) for name, r in items]


def _names(results: Sequence[EvalResult | str | Path]) -> list[str]:
    """Numbers, or as much of the end of each folder's path as tells them apart."""
    if not all(isinstance(r, str | Path) for r in results):
        return [str(i) for i in range(1, len(results) + 1)]
    parts = [str(r).rstrip("/").split("/") for r in results]
    for length in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(p[-length:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{i}: {p[-1]}" for i, p in enumerate(parts, 1)]


def _slice(result: EvalResult, spec: SlicingSpec, name: str) -> SliceMetrics | None:
    found = [s for s in result.measured.slices if spec_matches(spec, s.key)]
    if len(found) > 1:
        names = ", ".join(s.name for s in found[:5])
        raise ConfigError(f"{spec!r} matches several slices of {name}: {names}. A series is of one.")
    return found[0] if found else None


def _chart(metric: str, found: Sequence[tuple[str, SliceMetrics | None]]) -> Chart:
    candidate, baseline = (_line(metric, found, side) for side in ("candidate", "baseline"))
    lines = [candidate] + ([baseline] if any(math.isfinite(y) for _, y in baseline.points) else [])
    last = max(len(found) - 1, 1)
    return Chart(metric, "evaluation", "", lines, (0.0, float(last)), x_names=[name for name, _ in found])


def _line(metric: str, found: Sequence[tuple[str, SliceMetrics | None]], side: str) -> Line:
    points, whiskers = [], []
    for i, (name, s) in enumerate(found):
        estimate = _estimate(s, metric, side)
        value = estimate.value if estimate is not None else None
        points.append((float(i), math.nan if value is None else value))
        if estimate is not None and value is not None and estimate.low is not None and estimate.high is not None:
            said = f"{name}, {side}: {number(value)}, {number(estimate.low)} to {number(estimate.high)}"
            whiskers.append(Whisker(float(i), estimate.low, estimate.high, said))
    return Line(side, points, whiskers, dots=True)


def _estimate(s: SliceMetrics | None, metric: str, side: str) -> Estimate | None:
    if s is None:
        return None
    return (s.metrics if side == "candidate" else s.baseline).get(metric)


def _table(metrics: Sequence[str], found: Sequence[tuple[str, SliceMetrics | None]]) -> Html:
    rows: list[Sequence[Safe]] = []
    for name, s in found:
        gate = [number(s.rows) if s is not None else "no such slice"]
        cells = []
        for m in metrics:
            e = _estimate(s, m, "candidate")
            cells.append(value_cell(Value(e.value, e.undefined or "", e.low, e.high) if e is not None else None))
        rows.append([visible(name), *gate, *cells])
    head = ["Evaluation", "rows", *metrics]
    return grid(head, rows, label="Metrics over time", numeric=range(1, len(head)))
