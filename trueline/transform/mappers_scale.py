"""Scaling by what a pass over the data found: z-scores, unit ranges, medians, and limits against outliers.

Normalisation is a multiplication by the reciprocal, the same in every runtime. Deviations from TensorFlow Transform:
computation is in float64, so that columns far from zero keep their digits; NaN in the data does not turn a column into
sigmoids; missing stays missing.
"""

from __future__ import annotations

from typing import Any

from trueline.transform import analyzer_functions as found
from trueline.transform.column import Column
from trueline.transform.functions import as_float, clip, sigmoid, sqrt, where

__all__ = [
    "clip_outliers",
    "robust_scale",
    "scale_by_min_max",
    "scale_to_0_1",
    "scale_to_z_score",
    "scaled_into",
    "standardised",
    "winsorize",
]


def standardised(x: Column, mean: Column, variance: Column) -> Column:
    """(x - mean) / sqrt(variance); x - mean where the variance is 0."""
    factor = where(variance > 0.0, 1.0 / sqrt(variance), 1.0)
    return (x - mean) * factor


def scaled_into(x: Column, least: Column, greatest: Column, output_min: float, output_max: float) -> Column:
    """[least, greatest] as [output_min, output_max]; where least >= greatest sigmoid(x) in that range."""
    proper = least < greatest
    factor = where(proper, 1.0 / (greatest - least), 1.0)
    unit = where(proper, (x - least) * factor, sigmoid(x))
    if (output_min, output_max) == (0.0, 1.0):
        return unit
    return unit * (float(output_max) - float(output_min)) + float(output_min)


def check_range(x: Column, output_min: float, output_max: float) -> None:
    """Refuses an empty range."""
    if not output_min < output_max:
        raise x.tracer.error(f"output_min {output_min} must be smaller than output_max {output_max}")


def scale_to_z_score(x: Column, elementwise: bool = False, name: str | None = None, output_dtype: Any = None) -> Column:
    """(x - mean) / sqrt(var); x - mean where var is 0. NaN stays NaN and does not affect mean and variance.

    Args:
        x: numbers: scalars, vectors or lists.
        elementwise: scale each place of a vector by itself.
        name: has no effect; accepted as TensorFlow Transform does.
        output_dtype: None or a float type by name; has no effect, since outputs are float32.
    """
    with x.tracer.scope("scale_to_z_score"):
        x = as_float(x)
        return standardised(x, *found.mean_and_var(x, not elementwise, output_dtype=output_dtype))


def scale_by_min_max(
    x: Column,
    output_min: float = 0.0,
    output_max: float = 1.0,
    elementwise: bool = False,
    name: str | None = None,
) -> Column:
    """x scaled so that [min, max] becomes [output_min, output_max]; unseen values are extrapolated, not clipped.

    Where min >= max (a constant or empty column) it is sigmoid(x) scaled into the range, as in TensorFlow Transform;
    NaN in the data does not lead there.

    Args:
        x: numbers: scalars, vectors or lists.
        output_min: what the least value becomes.
        output_max: what the greatest value becomes.
        elementwise: scale each place of a vector by itself.
        name: has no effect; accepted as TensorFlow Transform does.
    """
    check_range(x, output_min, output_max)
    with x.tracer.scope("scale_by_min_max"):
        x = as_float(x)
        least, greatest = found.min(x, not elementwise), found.max(x, not elementwise)
        return scaled_into(x, least, greatest, output_min, output_max)


def scale_to_0_1(x: Column, elementwise: bool = False, name: str | None = None) -> Column:
    """`scale_by_min_max` to [0, 1]."""
    with x.tracer.scope("scale_to_0_1"):
        return scale_by_min_max(x, elementwise=elementwise)


def robust_scale(
    x: Column, elementwise: bool = False, low_q: float = 0.25, high_q: float = 0.75, epsilon: float | None = None
) -> Column:
    """(x - median) / (upper quartile - lower quartile): outliers do not move the scale.

    Quartiles are values of the data (`percentile`), not means of two. Where they are equal it is x - median.

    Args:
        x: numbers: scalars, vectors or lists; NaN stays NaN.
        elementwise: scale each place of a vector by itself.
        low_q: share of values below the lower quartile.
        high_q: share of values below the upper quartile.
        epsilon: as in `quantiles`.
    """
    _check_shares(x, low_q, high_q)
    with x.tracer.scope("robust_scale"):
        x = as_float(x)
        low, middle, high = (_percentile(x, q, elementwise, epsilon) for q in (low_q, 0.5, high_q))
        spread = high - low
        return (x - middle) * where(spread > 0.0, 1.0 / spread, 1.0)


def winsorize(
    x: Column,
    low_q: float = 0.01,
    high_q: float = 0.99,
    elementwise: bool = False,
    epsilon: float | None = None,
) -> Column:
    """Values below the `low_q` percentile become that percentile, values above the `high_q` percentile become that one.

    NaN stays NaN; a column of no values is not limited. Other arguments as in `robust_scale`.
    """
    _check_shares(x, low_q, high_q)
    with x.tracer.scope("winsorize"):
        x = as_float(x)
        low = _percentile(x, low_q, elementwise, epsilon, float("-inf"))
        high = _percentile(x, high_q, elementwise, epsilon, float("inf"))
        return clip(x, low, high)


def clip_outliers(x: Column, factor: float = 1.5, elementwise: bool = False, epsilon: float | None = None) -> Column:
    """Values limited to Tukey's fences: at most `factor` times the interquartile range outside the quartiles.

    NaN stays NaN; a column of no values is not limited. Other arguments as in `robust_scale`.
    """
    if not factor >= 0.0:
        raise x.tracer.error(f"the factor of clip_outliers must not be negative, it is {factor!r}")
    with x.tracer.scope("clip_outliers"):
        x = as_float(x)
        low = _percentile(x, 0.25, elementwise, epsilon, float("-inf"))
        high = _percentile(x, 0.75, elementwise, epsilon, float("inf"))
        reach = (high - low) * float(factor)
        return clip(x, low - reach, high + reach)


def _percentile(x: Column, q: float, elementwise: bool, epsilon: float | None, empty: float = 0.0) -> Column:
    return found.percentile(x, q, reduce_instance_dims=not elementwise, epsilon=epsilon, empty=empty)


def _check_shares(x: Column, low_q: float, high_q: float) -> None:
    if not low_q < high_q:
        raise x.tracer.error(f"low_q {low_q} must be smaller than high_q {high_q}")
