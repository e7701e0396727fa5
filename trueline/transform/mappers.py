"""TensorFlow Transform's mappers and analyzers by name. What an analyzer finds is a constant that expressions may use.

Deviations from TensorFlow Transform, all deliberate: computation is in float64 with one cast to float32 at the outputs;
`min` and `max` leave NaN out instead of being poisoned by it; an empty vocabulary is empty (no placeholder entry);
hash buckets are MurmurHash3 instead of FarmHash; missing stays missing instead of being sparse.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from trueline.transform.column import Column
from trueline.transform.functions import as_float, sigmoid, sqrt, where

__all__ = [
    "apply_buckets",
    "bucketize",
    "max",
    "mean",
    "min",
    "quantiles",
    "scale_by_min_max",
    "scale_to_0_1",
    "scale_to_z_score",
    "size",
    "sum",
    "var",
]


def _number(x: Column) -> Column:
    return x.cast("int64", implied=True) if x.dtype == "bool" else x


def min(x: Column) -> Column:
    """The least present value; NaN is left out. Of no values: +inf, or the greatest int64."""
    return x.tracer.op("analyze.min", _number(x))


def max(x: Column) -> Column:
    """The greatest present value; NaN is left out. Of no values: -inf, or the least int64."""
    return x.tracer.op("analyze.max", _number(x))


def sum(x: Column) -> Column:
    """The sum of the present values; NaN makes it NaN. Integers are summed exactly."""
    return x.tracer.op("analyze.sum", _number(x))


def size(x: Column) -> Column:
    """How many values are present, int64."""
    return x.tracer.op("analyze.size", x)


def mean(x: Column) -> Column:
    """The mean of the present finite values, float64; of no values 0."""
    return x.tracer.op("analyze.mean", as_float(x))


def var(x: Column) -> Column:
    """The variance (ddof 0) of the present finite values, float64; of no values 0."""
    return x.tracer.op("analyze.var", as_float(x))


def quantiles(x: Column, num_buckets: int) -> Column:
    """The ``num_buckets - 1`` inner boundaries of equally filled buckets, a table; NaN is left out, of no values zeros.

    Exact up to 32,768 distinct values, beyond within 0.04 % of all values in rank.
    """
    if num_buckets < 1:
        raise x.tracer.error(f"num_buckets must be at least 1, it is {num_buckets}")
    return x.tracer.op("analyze.quantiles", as_float(x), num_buckets=int(num_buckets))


def scale_to_z_score(x: Column) -> Column:
    """(x - mean) / sqrt(var), computed as a multiplication by the reciprocal; x - mean where var is 0.

    NaN stays NaN and does not affect mean and variance.
    """
    with x.tracer.scope("scale_to_z_score"):
        x = as_float(x)
        spread = var(x)
        factor = where(spread > 0.0, 1.0 / sqrt(spread), 1.0)
        return (x - mean(x)) * factor


def scale_by_min_max(x: Column, output_min: float = 0.0, output_max: float = 1.0) -> Column:
    """x scaled so that [min, max] becomes [output_min, output_max]; unseen values are extrapolated, not clipped.

    Where min >= max (a constant or empty column) it is sigmoid(x) scaled into the range, as in TensorFlow Transform;
    NaN in the data does not lead there.
    """
    if not output_min < output_max:
        raise x.tracer.error(f"output_min {output_min} must be smaller than output_max {output_max}")
    with x.tracer.scope("scale_by_min_max"):
        x = as_float(x)
        least, greatest = min(x), max(x)
        proper = least < greatest
        factor = where(proper, 1.0 / (greatest - least), 1.0)
        unit = where(proper, (x - least) * factor, sigmoid(x))
        if (output_min, output_max) == (0.0, 1.0):
            return unit
        return unit * (float(output_max) - float(output_min)) + float(output_min)


def scale_to_0_1(x: Column) -> Column:
    """`scale_by_min_max` to [0, 1]."""
    with x.tracer.scope("scale_to_0_1"):
        return scale_by_min_max(x)


def apply_buckets(x: Column, bucket_boundaries: Column | Sequence[float]) -> Column:
    """How many boundaries are not above x, int64: a value on a boundary lies in the upper bucket, NaN in the last.

    Args:
        x: numbers; integers are compared as float64.
        bucket_boundaries: a sorted list, or what `quantiles` gave.
    """
    if not isinstance(bucket_boundaries, Column):
        given = [float(b) for b in bucket_boundaries]
        if any(not a <= b for a, b in itertools.pairwise(given)) or any(b != b for b in given):
            raise x.tracer.error(f"bucket boundaries must be sorted and without NaN: {given}")
        bucket_boundaries = x.tracer.table(given, "float64")
    with x.tracer.scope("apply_buckets"):
        return x.tracer.op("apply_buckets", as_float(x), bucket_boundaries)


def bucketize(x: Column, num_buckets: int) -> Column:
    """The number of the quantile bucket, 0 to ``num_buckets - 1``, int64; NaN goes to the last."""
    with x.tracer.scope("bucketize"):
        return apply_buckets(x, quantiles(x, num_buckets))
