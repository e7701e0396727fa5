"""All metrics as arrays, slices by models by variants: whatever is computed from them has its noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from trueline.model_analysis.metrics.closed_forms import DELONG, Interval, delong_spread
from trueline.model_analysis.metrics.record import ResampledState, Sums, Undefined, over
from trueline.model_analysis.plan import BASELINE
from trueline.model_analysis.resample import Resampling
from trueline.model_analysis.rows import Floats
from trueline.model_analysis.rules import PlannedMetric

if TYPE_CHECKING:
    from trueline.model_analysis.plan import EvalPlan
    from trueline.model_analysis.slice_state import SliceState
    from trueline.model_analysis.views import View

__all__ = ["Values", "measure_values", "weighted_mean"]

Spreads: TypeAlias = "dict[tuple[View, str], Floats]"


@dataclass
class Values:
    """What the sums of S slices and M models say.

    Attributes:
        numbers: key -> ``[S, M, 1 + X]``: the value, then that of each variant; NaN where undefined.
        bounds: (key, slice, model) -> how far a value from a histogram can be from the exact one.
        data: (key, slice, model) -> structured values.
        reasons: (key, slice, model) -> why a metric's own state gives no value.
        formulas: key -> interval by the metric's own formula ``[S, M]``, where there is one and noise is asked for.
    """

    numbers: dict[str, Floats]
    bounds: dict[tuple[str, int, int], float] = field(default_factory=dict)
    data: dict[tuple[str, int, int], Any] = field(default_factory=dict)
    reasons: dict[tuple[str, int, int], str] = field(default_factory=dict)
    formulas: dict[str, Interval] = field(default_factory=dict)


def measure_values(plan: EvalPlan, states: Sequence[SliceState], resampling: Resampling) -> Values:
    """All values of a plan."""
    shape = (len(states), len(plan.models), 1 + resampling.variants)
    values = Values({p.key: np.full(shape, np.nan) for p in plan.metrics if p.metric.data is None and not p.array_of})
    if not states:
        return values
    sums = resampling.of_sums(np.stack([s.sums for s in states]))  # [S, M, K, 1 + X]
    grouped = {
        (table.view, table.name): resampling.of_sums(np.moveaxis(np.stack([s.tables[at] for s in states]), 2, -1))
        for at, table in enumerate(plan.tables)
        if table.grouped
    }  # [S, M, width, 1 + X]
    with np.errstate(all="ignore"):
        for planned in plan.metrics:
            if not planned.derived and planned.metric.finish is not None:
                look = _sums_of(planned, plan, sums, grouped)
                values.numbers[planned.key] = planned.metric.finish(look, planned.options)
        spreads = _curves(plan, states, resampling, values)
        _structured(plan, states, sums, values)
        _owns(plan, states, resampling, values)
        for planned in plan.metrics:
            if planned.mean_of is not None:
                values.numbers[planned.key] = _mean_of(planned, plan, values, sums)
        if resampling.variants:
            _formulas(plan, sums, spreads, resampling.confidence, values)
    return values


def _sums_of(planned: PlannedMetric, plan: EvalPlan, sums: Floats, grouped: Mapping[tuple[View, str], Floats]) -> Sums:
    def look(name: str) -> Floats:
        if (planned.view, name) in grouped:
            return grouped[planned.view, name]
        found: Floats = sums[:, :, plan.sums[planned.view, name]]
        return found

    return look


def _formulas(plan: EvalPlan, sums: Floats, spreads: Spreads, confidence: float, values: Values) -> None:
    """Intervals by formulas, from the sums and curves of whole slices."""
    for planned in plan.metrics:
        form = planned.closed_form(plan.config.options.confidence_intervals.method)
        if form is None or planned.metric.is_count:
            continue

        def look(name: str, view: View = planned.view) -> Floats:
            found: Floats = spreads[view, name] if name in DELONG else sums[:, :, plan.sums[view, name], 0]
            return found

        values.formulas[planned.key] = form.interval(
            values.numbers[planned.key][..., 0], look, planned.options, confidence
        )


def _curves(plan: EvalPlan, states: Sequence[SliceState], resampling: Resampling, values: Values) -> Spreads:
    """Values of rank metrics; returns the variances of ranks, see `delong_spread`, of the views that need them."""
    method = plan.config.options.confidence_intervals.method
    forms = ((p, p.closed_form(method)) for p in plan.metrics if resampling.variants)
    ranking = {p.view for p, form in forms if form is not None and form.curve}
    shape = (len(states), len(plan.models))
    spreads: Spreads = {(view, name): np.full(shape, np.nan) for view in ranking for name in DELONG}
    for place, view in enumerate(plan.ranked):
        metrics = [p for p in plan.metrics if p.metric.curve and p.view == view and p.mean_of is None]
        for index, state in enumerate(states):
            for m in range(len(plan.models)):
                store = state.ranks[place][m]
                whole, extremes = store.curve()
                if view in ranking:
                    for name, spread in zip(DELONG, delong_spread(whole), strict=True):
                        spreads[view, name][index, m] = spread[0]
                varied = store.variants(resampling.multiplicity) if resampling.variants else None
                for planned in metrics:
                    curve = planned.metric.curve
                    assert curve is not None
                    numbers = values.numbers[planned.key][index, m]
                    numbers[0] = curve(whole, planned.options)[0]
                    if varied is not None:
                        numbers[1:] = curve(varied, planned.options)
                    if extremes is not None:
                        off = np.abs(curve(extremes, planned.options) - numbers[0])
                        values.bounds[planned.key, index, m] = float(off.max())
    return spreads


def _structured(plan: EvalPlan, states: Sequence[SliceState], sums: Floats, values: Values) -> None:
    places = {(table.view, table.name): place for place, table in enumerate(plan.tables)}
    for planned in plan.metrics:
        if planned.metric.data is None or planned.derived:
            continue
        for index, state in enumerate(states):
            for m in range(len(plan.models)):
                tables = {
                    name: state.tables[at][m].sum(axis=0) if plan.tables[at].grouped else state.tables[at][m]
                    for (view, name), at in places.items()
                    if view == planned.view
                }
                look = _look(tables, _sums_of(planned, plan, sums, {}), index, m)
                values.data[planned.key, index, m] = planned.metric.data(look, planned.options)


def _look(tables: Mapping[str, Floats], sums: Sums, index: int, model: int) -> Sums:
    """One slice's and model's table or sum of a name."""

    def look(name: str) -> Floats:
        found: Floats = tables[name] if name in tables else sums(name)[index, model, 0]
        return found

    return look


def _owns(plan: EvalPlan, states: Sequence[SliceState], resampling: Resampling, values: Values) -> None:
    for place, planned in enumerate(plan.owns):
        for index, state in enumerate(states):
            for m, model in enumerate(plan.models):
                if planned.metric.needs_baseline and model == BASELINE:
                    continue
                own = state.owns[place][m]
                found = own.finish()
                if isinstance(found, (int, float)) and not isinstance(found, bool):
                    numbers = values.numbers[planned.key][index, m]
                    numbers[0] = float(found)
                    if resampling.variants and isinstance(own, ResampledState):
                        numbers[1:] = own.variants(resampling.multiplicity)
                elif isinstance(found, Undefined):
                    values.reasons[planned.key, index, m] = found.reason
                elif found is not None:
                    values.data[planned.key, index, m] = found


def _mean_of(planned: PlannedMetric, plan: EvalPlan, values: Values, sums: Floats) -> Floats:
    views = {p.key: p.view for p in plan.metrics}
    return weighted_mean(planned, values.numbers, lambda text: sums[:, :, plan.sums[views[text], "label"]])


def weighted_mean(planned: PlannedMetric, numbers: Mapping[str, Floats], positives: Callable[[str], Floats]) -> Floats:
    """The mean of other keys' values; `positives` is the weight of positive labels of a key, where that weighs it."""
    assert planned.mean_of is not None
    total, weights = np.zeros(()), np.zeros(())
    for weight, text in planned.mean_of.parts:
        own: Floats = np.full(numbers[text].shape, weight)
        if planned.mean_of.by_frequency:
            own = own * positives(text)
        counted = np.where(own != 0, own * numbers[text], 0.0)  # a part that does not count may have no value
        total, weights = total + counted, weights + own
    return over(total, weights)
