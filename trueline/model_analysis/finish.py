"""From sums to values: all metrics of all slices and models at once, with the reason for every undefined one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.model_analysis.checked import COUNTERS, MODEL_COUNTERS
from trueline.model_analysis.intervals import Intervals, intervals_of, widest_change
from trueline.model_analysis.measured import Change, CrossSliceMetrics, Estimate, Measured, SliceMetrics
from trueline.model_analysis.metrics.ranges import ANY, Range
from trueline.model_analysis.noise import upper_tail
from trueline.model_analysis.plan import BASELINE
from trueline.model_analysis.resample import Resampling, resampling_of
from trueline.model_analysis.rows import Floats
from trueline.model_analysis.rules import PlannedMetric
from trueline.model_analysis.slices import OVERALL, SliceKey, cross_pairs, key_text
from trueline.model_analysis.values import Values, measure_values
from trueline.model_analysis.views import View

if TYPE_CHECKING:
    from trueline.model_analysis.accumulator import MetricAccumulator
    from trueline.model_analysis.plan import EvalPlan
    from trueline.model_analysis.slice_state import SliceState

__all__ = ["finish", "finish_models"]


def finish(accumulator: MetricAccumulator) -> Measured:
    """Everything that was measured of the first model, slices of the minimum size alone."""
    return finish_models(accumulator)[accumulator.plan.models[0]]


def finish_models(accumulator: MetricAccumulator) -> dict[str, Measured]:
    """The same of every model but the baseline, by name; each is compared with the baseline where there is one."""
    plan = accumulator.plan
    least = plan.config.options.min_slice_size
    ordered = sorted(accumulator.slices.items(), key=lambda item: (len(item[0]), key_text(item[0])))
    kept = [(k, s) for k, s in ordered if k == OVERALL or int(s.rows.sum()) >= least]
    small = tuple((k, int(s.rows.sum())) for k, s in ordered if k != OVERALL and int(s.rows.sum()) < least)
    work = _Work(plan, kept, resampling_of(plan.config.options, plan.groups))
    measured = {}
    for pair in _pairs(plan.models):
        slices = tuple(work.slice_metrics(i, pair) for i in range(len(kept)))
        cross = work.cross(pair)
        measured[plan.models[pair[0]]] = Measured(slices, small, accumulator.rows, accumulator.missing_labels, cross)
    return measured


def _pairs(models: Sequence[str]) -> list[tuple[int, ...]]:
    """The place of every candidate, with that of the baseline where there is one."""
    base = tuple(place for place, name in enumerate(models) if name == BASELINE)
    return [(place, *base) for place, name in enumerate(models) if name != BASELINE]


@dataclass
class _Work:
    """Values of all metrics ``[S, M, 1 + X]``, turned into estimates slice by slice."""

    plan: EvalPlan
    kept: Sequence[tuple[SliceKey, SliceState]]
    resampling: Resampling

    def __post_init__(self) -> None:
        states = [state for _, state in self.kept]
        self.values: Values = measure_values(self.plan, states, self.resampling)
        self.occupied = np.array([int((s.rows > 0).sum()) for s in states], dtype=np.int64)
        self.shown = [p for p in self.plan.metrics if not p.private]
        self.ranges = {p.key: p.metric.range for p in self.plan.metrics}
        method = self.plan.config.options.confidence_intervals.method
        with np.errstate(all="ignore"):
            self.intervals: dict[str, Intervals] = {
                p.key: intervals_of(
                    p, self.values.numbers[p.key], self.occupied, self.resampling, method,
                    self.values.formulas.get(p.key),
                )
                for p in self.plan.metrics
                if p.key in self.values.numbers
            }  # fmt: skip

    def slice_metrics(self, index: int, pair: Sequence[int]) -> SliceMetrics:
        """A candidate's metrics on a slice, and the baseline's; `pair` holds their places among the models."""
        key, state = self.kept[index]
        by_model = [{p.key: self._estimate(p, index, m) for p in self._measured_on(m)} for m in pair]
        changes = {}
        if len(pair) == 2:
            changes = {
                name: self._change(self.values.numbers[name][index, list(pair)], by_model, name, index)
                for name in by_model[0]
                if name in by_model[1] and name in self.values.numbers
            }
        return SliceMetrics(
            key,
            int(state.rows.sum()),
            int(state.counters[0]),
            int(self.occupied[index]),
            by_model[0],
            by_model[1] if len(pair) == 2 else {},
            changes,
        )

    def _measured_on(self, model: int) -> list[PlannedMetric]:
        name = self.plan.models[model]
        return [
            p
            for p in self.shown
            if not (p.metric.needs_baseline and name == BASELINE) and (not p.models or name in (*p.models, BASELINE))
        ]

    def _estimate(self, planned: PlannedMetric, index: int, model: int) -> Estimate:
        state, key = self.kept[index][1], planned.key
        if planned.array_of:
            return self._array(planned, index, model)
        if (key, index, model) in self.values.data:
            data = self.values.data[key, index, model]
            reason = _unusable(planned, state, model, self.plan)
            if data is None:
                reason = reason or planned.metric.undefined or "there is no value"
            return Estimate(None, reason) if reason else Estimate(None, None, data=data)
        value = float(self.values.numbers[key][index, model, 0])
        told = self.values.reasons.get((key, index, model))
        reason = _undefined(planned, state, model, value, self.plan, told)
        if reason:
            return Estimate(None, self._of_part(planned, index, model) or reason)
        noise = self.intervals[key]
        error, low, high = (_number(ends[index][model]) for ends in (noise.errors, noise.low, noise.high))
        bound = _number(self.values.bounds.get((key, index, model), math.nan))
        known = low is not None and high is not None
        ends = (low, high) if known else (None, None)
        return Estimate(value, None, error, bound, *ends, method=noise.methods[index][model] if known else None)

    def _of_part(self, planned: PlannedMetric, index: int, model: int) -> str | None:
        """Of a mean of other values: which of them is undefined and why, where that is what undoes the mean."""
        if planned.mean_of is None:
            return None
        state, parts = self.kept[index][1], {p.key: p for p in self.plan.metrics}
        for weight, text in planned.mean_of.parts:
            if planned.mean_of.by_frequency:
                weight *= state.sums[model, self.plan.sums[parts[text].view, "label"]].sum()
            if weight and math.isnan(self.values.numbers[text][index, model, 0]):
                said = self._estimate(parts[text], index, model).undefined
                return f"{text}: {said}" if said == parts[text].metric.undefined else None
        return None

    def _array(self, planned: PlannedMetric, index: int, model: int) -> Estimate:
        """The values at several thresholds as lists, with their noise."""
        parts = {p.key: p for p in self.plan.metrics}
        each = [self._estimate(parts[key], index, model) for key in planned.array_of]
        data: dict[str, Any] = {"thresholds": list(planned.options["thresholds"])}
        for name, field in (("values", "value"), ("undefined", "undefined"), ("standard_errors", "standard_error"),
                            ("lower_bounds", "low"), ("upper_bounds", "high")):  # fmt: skip
            listed = [getattr(estimate, field) for estimate in each]
            if field == "value" or any(value is not None for value in listed):
                data[name] = listed
        return Estimate(None, None, data=data)

    def _error(self, variants: Floats, occupied: Any) -> float | None:
        return _number(float(self.resampling.errors(variants, occupied))) if self.resampling.variants else None

    def _interval(self, value: float, error: float | None, groups: int) -> tuple[float | None, float | None]:
        if error is None:
            return None, None
        reach = self.resampling.reach(groups) * error
        return value - reach, value + reach

    def _change(self, values: Floats, by_model: list[dict[str, Estimate]], name: str, index: int) -> Change:
        """`values` are ``[2, 1 + X]``: candidate and baseline."""
        mine, base = by_model[0][name], by_model[1][name]
        if mine.value is None or base.value is None:
            return Change(None)
        variants = values[0, 1:] - values[1, 1:]
        return self._difference(mine.value - base.value, variants, int(self.occupied[index]), self.ranges[name])

    def _difference(self, value: float, variants: Floats, groups: int, ends: Range) -> Change:
        error = self._error(variants, groups)
        low, high = widest_change(ends, self._interval(value, error, groups))
        return Change(value, error, low, high, _p_value(value, error, groups))

    def cross(self, pair: Sequence[int]) -> tuple[CrossSliceMetrics, ...]:
        """Differences between the slices that the cross-slicing specs pair, of slices of the minimum size."""
        specs = self.plan.config.cross_slicing_specs
        if not specs:
            return ()
        place = {key: index for index, (key, _) in enumerate(self.kept)}
        pairs, _ = cross_pairs(specs, list(place))
        return tuple(self._cross_slice(pair, place[left], place[right]) for left, right in pairs)

    def _cross_slice(self, pair: Sequence[int], left: int, right: int) -> CrossSliceMetrics:
        groups = int(min(self.occupied[left], self.occupied[right]))
        by_model: list[dict[str, Estimate]] = []
        for m in pair:
            names = [p for p in self._measured_on(m) if p.key in self.values.numbers]
            by_model.append({p.key: self._cross_estimate(p, left, right, m, groups) for p in names})
        changes = {}
        if len(pair) == 2:
            for name in by_model[0].keys() & by_model[1].keys():
                numbers = self.values.numbers[name]
                gaps = numbers[left, list(pair)] - numbers[right, list(pair)]
                mine, base = by_model[0][name].value, by_model[1][name].value
                known = mine is not None and base is not None
                changes[name] = (
                    self._difference(float(mine or 0) - float(base or 0), gaps[0, 1:] - gaps[1, 1:], groups, ANY)
                    if known
                    else Change(None)
                )
        key = (self.kept[left][0], self.kept[right][0])
        return CrossSliceMetrics(key, by_model[0], by_model[1] if len(pair) == 2 else {}, dict(sorted(changes.items())))

    def _cross_estimate(self, planned: PlannedMetric, left: int, right: int, model: int, groups: int) -> Estimate:
        sides = [self._estimate(planned, index, model) for index in (left, right)]
        for side, index in zip(sides, (left, right), strict=True):
            if side.value is None:
                from trueline.model_analysis.slices import slice_name

                return Estimate(None, f"on {slice_name(self.kept[index][0])}: {side.undefined}")
        numbers = self.values.numbers[planned.key]
        variants = numbers[left, model, 1:] - numbers[right, model, 1:]
        gap = (sides[0].value or 0.0) - (sides[1].value or 0.0)
        found = self._difference(gap, variants, groups, planned.metric.range)
        method = "JACKKNIFE" if self.resampling.jackknife else "POISSON_BOOTSTRAP"
        return Estimate(
            gap, None, found.standard_error, None, found.low, found.high,
            method=method if found.low is not None else None,
        )  # fmt: skip


def _unusable(planned: PlannedMetric, state: SliceState, model: int, plan: EvalPlan) -> str | None:
    """Why no value of a slice can be trusted, whatever its sums are; or None."""
    start = _first_counter(planned, plan)
    missing, bad_weight, bad_label, label_outside = (int(c) for c in state.counters[start : start + 4])
    own = start + len(COUNTERS) + len(MODEL_COUNTERS) * model
    bad, outside = (int(c) for c in state.counters[own : own + 2])
    if planned.metric.needs_baseline and plan.has_baseline:
        base = start + len(COUNTERS) + len(MODEL_COUNTERS) * (len(plan.models) - 1)
        bad += int(state.counters[base])
    reads = planned.metric.reads
    classes = plan.task not in ("regression", "ranking")
    not_label = "are none of the model's classes" if classes else "are NaN or infinite"
    causes = (
        (planned.metric.needs_baseline and not plan.has_baseline, "there is no baseline to compare with"),
        (bad_weight > 0, f"{bad_weight} weights are negative, NaN or infinite"),
        ("label" in reads and bad_label > 0, f"{bad_label} labels {not_label}"),
        ("prediction" in reads and bad > 0, f"{bad} predictions are missing, NaN or infinite"),
        ("score" in reads and outside > 0, f"{outside} predictions lie outside 0..1"),
        ("score" in reads and label_outside > 0, f"{label_outside} labels lie outside 0..1"),
        (bool(reads) and not state.rows.any(), f"no row has a label ({missing} are missing)"),
    )
    return next((reason for holds, reason in causes if holds), None)


def _undefined(
    planned: PlannedMetric, state: SliceState, model: int, value: float, plan: EvalPlan, told: str | None
) -> str | None:
    """Why a value is undefined, or None; `told` is what a state of the metric's own says."""
    weight = plan.sums[View(planned.view.output), "weight"]
    missing = int(state.counters[_first_counter(planned, plan)])
    nothing = f"no row with a weight has a label ({missing} are missing)" if missing else "the weights add up to 0"
    causes = (
        (told is not None, told or ""),
        (bool(planned.metric.reads) and not state.sums[model, weight].any(), nothing),
        (_too_large(planned, state, model, plan), "a sum is infinite: labels or predictions are too large"),
        (math.isnan(value), planned.metric.undefined or "the value is not a number"),
        (math.isinf(value), "the value is infinite"),
    )
    found = _unusable(planned, state, model, plan)
    return found or next((reason for holds, reason in causes if holds), None)


def _first_counter(planned: PlannedMetric, plan: EvalPlan) -> int:
    """Where the counters of the metric's output begin."""
    return plan.outputs.index(planned.view.output) * (len(COUNTERS) + len(plan.models) * len(MODEL_COUNTERS))


def _too_large(planned: PlannedMetric, state: SliceState, model: int, plan: EvalPlan) -> bool:
    """Whether a sum that the metric needs has overflown: what is made of it is no number, for no other reason."""
    if not np.isinf(state.sums[model]).any():
        return False
    places = [plan.sums[planned.view, name] for name in planned.moments(plan.classes)]
    return bool(np.isinf(state.sums[model, places]).any()) if places else False


def _p_value(value: float, error: float | None, groups: int) -> float | None:
    """Two-sided, of no difference; without any noise every difference is certain."""
    if error is None:
        return None
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return min(1.0, 2 * upper_tail(abs(value) / error, max(groups - 1, 1)))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
