"""From sums to values: all metrics of all slices and models at once, with the reason for every undefined one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.measured import Change, Estimate, Measured, SliceMetrics
from trueline.model_analysis.moments import Floats
from trueline.model_analysis.noise import standard_errors
from trueline.model_analysis.plan import BASELINE
from trueline.model_analysis.rules import PlannedMetric
from trueline.model_analysis.slices import OVERALL, SliceKey, key_text

if TYPE_CHECKING:
    from trueline.model_analysis.accumulator import MetricAccumulator, SliceState
    from trueline.model_analysis.plan import EvalPlan

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
    states = [state for _, state in kept]
    values, bounds = _values(accumulator, states)
    occupied = np.array([int((s.rows > 0).sum()) for s in states], dtype=np.int64)
    measured = {}
    for pair in _pairs(plan.models):
        errors, change_errors = _errors(values, occupied, pair, plan.groups)
        found = _Found(values, errors, change_errors, bounds)
        slices = tuple(_slice_metrics(plan, key, state, i, found, pair) for i, (key, state) in enumerate(kept))
        measured[plan.models[pair[0]]] = Measured(slices, small, accumulator.rows, accumulator.missing_labels)
    return measured


def _pairs(models: Sequence[str]) -> list[tuple[int, ...]]:
    """The place of every candidate, with that of the baseline where there is one."""
    base = tuple(place for place, name in enumerate(models) if name == BASELINE)
    return [(place, *base) for place, name in enumerate(models) if name != BASELINE]


@dataclass(frozen=True)
class _Found:
    """Arrays by metric key, over slices: values ``[S, M, 1 + G]``, errors ``[S, M]``, errors of changes ``[S]``."""

    values: dict[str, Floats]
    errors: dict[str, Floats]
    change_errors: dict[str, Floats]
    bounds: dict[tuple[str, int, int], float]


def _errors(
    values: dict[str, Floats], occupied: npt.NDArray[np.int64], pair: Sequence[int], groups: int
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    if groups == 1:
        return {}, {}
    single = {key: standard_errors(v[:, :, 1:], occupied[:, None]) for key, v in values.items()}
    if len(pair) == 1:
        return single, {}
    mine, base = pair
    return single, {key: standard_errors(v[:, mine, 1:] - v[:, base, 1:], occupied) for key, v in values.items()}


def _slice_metrics(
    plan: EvalPlan, key: SliceKey, state: SliceState, index: int, found: _Found, pair: Sequence[int]
) -> SliceMetrics:
    """A candidate's metrics on a slice, and the baseline's; `pair` holds their places among the models."""
    estimates: list[dict[str, Estimate]] = [{} for _ in pair]
    changes: dict[str, Change] = {}
    for planned in plan.metrics:
        name = planned.key
        for place, m in enumerate(pair):
            value = float(found.values[name][index, m, 0])
            reason = _undefined(planned, state, m, value, plan)
            error = _number(found.errors[name][index, m]) if found.errors else None
            bound = _number(found.bounds.get((name, index, m), math.nan))
            estimates[place][name] = Estimate(None, reason) if reason else Estimate(value, None, error, bound)
        if len(pair) == 2:
            error = _number(found.change_errors[name][index]) if found.change_errors else None
            changes[name] = _change(estimates[0][name], estimates[1][name], error)
    return SliceMetrics(
        key,
        int(state.rows.sum()),
        int(state.counters[0]),
        int((state.rows > 0).sum()),
        estimates[0],
        estimates[1] if len(estimates) == 2 else {},
        changes,
    )


def _values(
    accumulator: MetricAccumulator, states: Sequence[SliceState]
) -> tuple[dict[str, Floats], dict[tuple[str, int, int], float]]:
    """By metric key ``[S, M, 1 + G]``: the value, then (with noise) the value without each group; and error bounds."""
    plan = accumulator.plan
    models, extra = len(plan.models), plan.groups if plan.groups > 1 else 0
    values = {p.key: np.full((len(states), models, 1 + extra), np.nan) for p in plan.metrics}
    bounds: dict[tuple[str, int, int], float] = {}
    if not states:
        return values, bounds
    by_group = np.stack([s.sums for s in states])
    sums = by_group.sum(axis=-1, keepdims=True)
    if extra:
        sums = np.concatenate([sums, sums - by_group], axis=-1)
    place = {name: k for k, name in enumerate(plan.moments)}
    with np.errstate(all="ignore"):
        for planned in plan.metrics:
            if planned.metric.finish is not None:
                values[planned.key] = planned.metric.finish(lambda name: sums[:, :, place[name]], planned.options)
        for index, state in enumerate(states):
            for m in range(models):
                _rank_values(plan.metrics, state, index, m, values, bounds)
    return values, bounds


def _rank_values(
    metrics: Sequence[PlannedMetric],
    state: SliceState,
    index: int,
    model: int,
    values: dict[str, Floats],
    bounds: dict[tuple[str, int, int], float],
) -> None:
    if state.rank is None:
        return
    whole, extremes = state.rank.curve(model)
    extra = next(iter(values.values())).shape[2] > 1
    without = state.rank.curves_without_groups(model) if extra else None
    for planned in metrics:
        if planned.metric.curve is not None:
            values[planned.key][index, model, 0] = planned.metric.curve(whole, planned.options)[0]
            if without is not None:
                values[planned.key][index, model, 1:] = planned.metric.curve(without, planned.options)
            if extremes is not None:
                off = np.abs(planned.metric.curve(extremes, planned.options) - values[planned.key][index, model, 0])
                bounds[planned.key, index, model] = float(off.max())


def _undefined(planned: PlannedMetric, state: SliceState, model: int, value: float, plan: EvalPlan) -> str | None:
    """Why a value is undefined, or None."""
    missing, bad_weight, bad_label, label_outside = (int(c) for c in state.counters[:4])
    bad, outside = (int(c) for c in state.counters[4 + 2 * model : 6 + 2 * model])
    reads = planned.metric.reads
    not_label = (
        "are none of the model's classes" if plan.task not in ("regression", "ranking") else "are NaN or infinite"
    )
    causes = (
        (bad_weight > 0, f"{bad_weight} weights are negative, NaN or infinite"),
        ("label" in reads and bad_label > 0, f"{bad_label} labels {not_label}"),
        ("prediction" in reads and bad > 0, f"{bad} predictions are missing, NaN or infinite"),
        ("score" in reads and outside > 0, f"{outside} predictions lie outside 0..1"),
        ("score" in reads and label_outside > 0, f"{label_outside} labels lie outside 0..1"),
        (bool(reads) and not state.rows.any(), f"no row has a label ({missing} are missing)"),
        (math.isnan(value), planned.metric.undefined or "the value is not a number"),
        (bool(reads) and not state.sums[model, plan.moments.index("weight")].any(), "the weights add up to 0"),
        (math.isinf(value), "the value is infinite"),
    )
    return next((reason for holds, reason in causes if holds), None)


def _change(candidate: Estimate, baseline: Estimate, error: float | None) -> Change:
    if candidate.value is None or baseline.value is None:
        return Change(None)
    return Change(candidate.value - baseline.value, error)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
