"""Numbers that stand for a whole column, by TensorFlow Transform's names: extremes, sums, moments, quantiles.

What an analyzer finds is a constant that expressions may use. Deviations from TensorFlow Transform, all deliberate:
computation is in float64; `min` and `max` leave NaN out instead of being poisoned by it.
"""

from __future__ import annotations

import math
import operator
from typing import Any

from trueline.transform.column import Column
from trueline.transform.functions import as_float

__all__ = [
    "by_places",
    "cap_of",
    "check_dtype",
    "checked_buckets",
    "max",
    "mean",
    "mean_and_var",
    "min",
    "percentile",
    "quantiles",
    "size",
    "sum",
    "var",
]

_FINEST = 1e-6
_EXACT_ENOUGH = 4e-4
"""What a summary of the usual size keeps to, as a share of all values in rank."""


def by_places(x: Column, reduce_instance_dims: bool) -> dict[str, Any]:
    """The attribute that asks for one result for each place of a vector; of scalars there is one place."""
    return {} if reduce_instance_dims or x.type.kind == "scalar" else {"reduce": False}


def _number(x: Column) -> Column:
    return x.cast("int64", implied=True) if x.dtype == "bool" else x


def check_dtype(x: Column, output_dtype: Any) -> None:
    """Results are float64 inside and float32 at the outputs; what asks for another type is a mistake."""
    if output_dtype is None:
        return
    given = getattr(output_dtype, "__name__", None) or getattr(output_dtype, "name", None) or output_dtype
    if given not in ("float16", "float32", "float64"):
        raise x.tracer.error(
            f"output_dtype must be float16, float32 or float64, it is {given!r}",
            "results are computed in float64 and float32 at the outputs; tlt.cast makes integers.",
        )


def min(x: Column, reduce_instance_dims: bool = True, name: str | None = None) -> Column:
    """The least present value; NaN is left out. Of no values: +inf, or the greatest int64.

    Args:
        x: numbers, booleans or timestamps: scalars, vectors or lists.
        reduce_instance_dims: one result for all; False gives a vector with one for each place of a vector column.
        name: has no effect; accepted as TensorFlow Transform does.
    """
    return x.tracer.op("analyze.min", _number(x), **by_places(x, reduce_instance_dims))


def max(x: Column, reduce_instance_dims: bool = True, name: str | None = None) -> Column:
    """The greatest present value; NaN is left out. Of no values: -inf, or the least int64. Arguments as in `min`."""
    return x.tracer.op("analyze.max", _number(x), **by_places(x, reduce_instance_dims))


def sum(x: Column, reduce_instance_dims: bool = True, name: str | None = None) -> Column:
    """The sum of the present values; NaN makes it NaN. Integers are summed exactly. Arguments as in `min`."""
    return x.tracer.op("analyze.sum", _number(x), **by_places(x, reduce_instance_dims))


def size(x: Column, reduce_instance_dims: bool = True, name: str | None = None) -> Column:
    """How many values are present, int64. Arguments as in `min`."""
    return x.tracer.op("analyze.size", x, **by_places(x, reduce_instance_dims))


def mean(x: Column, reduce_instance_dims: bool = True, name: str | None = None, output_dtype: Any = None) -> Column:
    """The mean of the present finite values, float64; of no values 0. Arguments as in `min`.

    Args:
        output_dtype: None or a float type by name; has no effect, since outputs are float32.
    """
    check_dtype(x, output_dtype)
    return x.tracer.op("analyze.mean", as_float(x), **by_places(x, reduce_instance_dims))


def var(x: Column, reduce_instance_dims: bool = True, name: str | None = None, output_dtype: Any = None) -> Column:
    """The variance (ddof 0) of the present finite values, float64; of no values 0. Arguments as in `mean`."""
    check_dtype(x, output_dtype)
    return x.tracer.op("analyze.var", as_float(x), **by_places(x, reduce_instance_dims))


def mean_and_var(
    x: Column, reduce_instance_dims: bool = True, name: str | None = None, output_dtype: Any = None
) -> tuple[Column, Column]:
    """`mean` and `var`, of one state."""
    return mean(x, reduce_instance_dims, name, output_dtype), var(x, reduce_instance_dims, name, output_dtype)


def cap_of(x: Column, epsilon: float | None) -> dict[str, Any]:
    """The attribute for a quantile summary that must be finer than the usual one.

    In a tree of depth d a summary of `cap` points moves a rank by d / (2 * cap) at most; d is under 26 for 67 million
    blocks.
    """
    if epsilon is None:
        return {}
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0.0 < epsilon < 1.0:
        raise x.tracer.error(f"epsilon must lie between 0 and 1, it is {epsilon!r}")
    if epsilon >= _EXACT_ENOUGH:
        return {}
    if epsilon < _FINEST:
        raise x.tracer.error(f"epsilon {epsilon} is below {_FINEST}", "ask for no finer ranks than that.")
    return {"cap": 2 ** math.ceil(math.log2(13 / epsilon))}


def quantiles(
    x: Column,
    num_buckets: int,
    epsilon: float | None = None,
    weights: Column | None = None,
    reduce_instance_dims: bool = True,
    name: str | None = None,
) -> Column:
    """The ``num_buckets - 1`` inner boundaries of equally filled buckets, a table; NaN is left out, of no values zeros.

    The i-th boundary is the smallest value whose cumulative weight is above i / num_buckets of all. Exact up to
    32,768 distinct values, beyond that within 0.04 % of all values in rank.

    Args:
        x: numbers: scalars, vectors or lists.
        num_buckets: at least 1.
        epsilon: the largest error in rank as a share of all values, 1e-6 to 1; below 0.0004 the summary grows.
        weights: of each value, or one a row; NaN, infinite and non-positive weights leave their value out.
        reduce_instance_dims: False gives a table of one row of boundaries for each place of a vector column.
        name: has no effect; accepted as TensorFlow Transform does.
    """
    attrs = {"num_buckets": checked_buckets(x, num_buckets), **cap_of(x, epsilon), **by_places(x, reduce_instance_dims)}
    if weights is None:
        return x.tracer.op("analyze.quantiles", as_float(x), **attrs)
    return x.tracer.op("analyze.weighted_quantiles", as_float(x), as_float(weights), **attrs)


_MOST_BUCKETS = 1_000_000


def checked_buckets(x: Column, num_buckets: int) -> int:
    """A number of buckets that makes sense."""
    try:
        count = operator.index(num_buckets)
    except TypeError:
        raise x.tracer.error(f"num_buckets must be an integer, it is {num_buckets!r}") from None
    if count < 1:
        raise x.tracer.error(f"num_buckets must be at least 1, it is {num_buckets}")
    if count > _MOST_BUCKETS:
        raise x.tracer.error(f"num_buckets must be at most {_MOST_BUCKETS:,}, it is {num_buckets}")
    return count


def percentile(
    x: Column, q: float, *, reduce_instance_dims: bool = True, epsilon: float | None = None, empty: float = 0.0
) -> Column:
    """The smallest value that has more than a share of `q` of all values at or below it; of q = 1 the greatest.

    Args:
        x: numbers: scalars, vectors or lists; NaN is left out.
        q: 0 to 1.
        reduce_instance_dims: False gives a vector with one for each place of a vector column.
        epsilon: as in `quantiles`.
        empty: the result of no values.
    """
    if isinstance(q, bool) or not isinstance(q, int | float) or not 0.0 <= q <= 1.0:
        raise x.tracer.error(f"a share must lie between 0 and 1, it is {q!r}")
    attrs = {"q": float(q), "empty": float(empty), **cap_of(x, epsilon), **by_places(x, reduce_instance_dims)}
    return x.tracer.op("analyze.percentile", as_float(x), **attrs)
