"""Intervals of all slices and models at once: by resampling within a metric's range, or by its own formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.metrics.closed_forms import Interval
from trueline.model_analysis.metrics.ranges import BIASED, Range, interval_within
from trueline.model_analysis.resample import Resampling
from trueline.model_analysis.rows import Floats
from trueline.model_analysis.rules import PlannedMetric

__all__ = ["Intervals", "intervals_of", "no_intervals", "widest_change"]


@dataclass(frozen=True)
class Intervals:
    """Noise of one metric, lists ``[S][M]``; NaN where it is unknown.

    Attributes:
        errors: standard errors by resampling, whatever the interval is made of: gates compare them with those of paired
            changes, which have no formula.
        low, high: ends of the intervals.
        methods: how each was made.
    """

    errors: list[list[float]]
    low: list[list[float]]
    high: list[list[float]]
    methods: list[list[str]]


def no_intervals(slices: int, models: int) -> Intervals:
    """Of what has no noise, or none that was measured."""
    unknown = np.full((slices, models), np.nan).tolist()
    return Intervals(unknown, unknown, unknown, [[""] * models] * slices)


def intervals_of(
    planned: PlannedMetric,
    values: Floats,
    occupied: npt.NDArray[np.int64],
    resampling: Resampling,
    method: str,
    formula: Interval | None,
) -> Intervals:
    """The noise of one metric.

    Where resampling sees no noise at an end of the range (3 of 3 are right), or leaves the value undefined in a variant
    (all positives are in one group), the formula stands in, and without one there is no interval.

    Args:
        planned: the metric.
        values: ``[S, M, 1 + X]``.
        occupied: groups that hold rows, ``[S]``.
        resampling: how variants were made.
        method: the configured one.
        formula: the interval of the metric's own formula ``[S, M]``, where it has one.
    """
    if planned.metric.is_count or not resampling.variants:
        return no_intervals(*values.shape[:2])
    errors = resampling.errors(values[..., 1:], occupied[:, None])
    reach = np.array([resampling.reach(int(groups)) for groups in occupied])[:, None]
    low, high = interval_within(values[..., 0], errors, reach, planned.metric.range)
    if planned.metric.class_name in BIASED:
        low = high = np.full(low.shape, np.nan)
    used = np.zeros(low.shape, dtype=bool)
    if formula is not None:
        known = ~np.isnan(formula[0])
        used = known if method == "CLOSED_FORM" else known & np.isnan(low)
        low, high = np.where(used, formula[0], low), np.where(used, formula[1], high)
    form = planned.closed_form("CLOSED_FORM")
    own = form.method if form is not None else ""
    methods = np.where(used, own, "JACKKNIFE" if resampling.jackknife else "POISSON_BOOTSTRAP")
    return Intervals(errors.tolist(), low.tolist(), high.tolist(), methods.tolist())


def widest_change(ends: Range, bounds: Sequence[float | None]) -> tuple[float | None, ...]:
    """The ends of a difference of two values, kept among what two values of the range can differ by."""
    width = ends[1] - ends[0]
    return tuple(None if b is None else min(max(b, -width), width) for b in bounds)
