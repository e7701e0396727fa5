"""`histogram`, and the density that it estimates at each value."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from trueline.transform.column import Column
from trueline.transform.functions import as_float, is_nan, where
from trueline.transform.mappers_vocabulary import apply_vocabulary

__all__ = ["estimated_probability_density", "histogram"]

Boundaries = Column | Sequence[float] | int | None
_DEFAULT = tuple(i / 10 for i in range(11))


def histogram(
    x: Column, boundaries: Boundaries = None, categorical: bool = False, name: str | None = None
) -> tuple[Column, Column]:
    """How many present values lie in each bin, and the bins' boundaries: two tables.

    A bin holds the values from its lower boundary up to, not including, its upper one; values beyond the ends lie
    in the first and the last bin. NaN lies in none. The boundaries are given back as they are: TensorFlow Transform
    lowers them by 0.0001, so that they swallow narrow bins.

    Args:
        x: numbers, scalars, vectors or lists; text or integers where `categorical`.
        boundaries: ascending numbers; a number n of boundaries at equal distances from the least to the greatest value,
            which takes one more pass; or a table, such as `quantiles` gives. By default 0, 0.1 ... 1.
        categorical: count each distinct value instead: (counts, values), in the order of the values' texts.
        name: in whose name the tables stand in readable paths.

    Returns:
        Counts (int64) and boundaries (float64), or counts and values (of x's type).

    Raises:
        TransformError: for boundaries that are no ascending numbers, fewer than two, or given to categories.
    """
    with x.tracer.scope(name or "histogram"):
        if categorical:
            x = _category(x, boundaries)
            return x.tracer.op("analyze.category_counts", x), x.tracer.op("analyze.category_keys", x)
        inputs, attrs = _bins(x, boundaries)
        counts = x.tracer.op("analyze.histogram_counts", *inputs, **attrs)
        return counts, x.tracer.op("analyze.histogram_boundaries", *inputs, **attrs)


def estimated_probability_density(
    x: Column, boundaries: Boundaries = None, categorical: bool = False, name: str | None = None
) -> Column:
    """The share of all values that lie in the value's bin, over the average width of the bins, float64.

    Where `categorical`, the share of all values that are this value, 0 for one that was never seen. NaN stays NaN.
    Arguments and errors as `histogram`.
    """
    with x.tracer.scope(name or "estimated_probability_density"):
        if categorical:
            x = _category(x, boundaries)
            place = apply_vocabulary(x, x.tracer.op("analyze.category_keys", x))
            return x.tracer.op("take", place, x.tracer.op("analyze.category_shares", x), default=0.0)
        inputs, attrs = _bins(x, boundaries)
        edges = x.tracer.op("analyze.histogram_edges", *inputs, **attrs)
        place = x.tracer.op("apply_buckets", inputs[0], edges)
        density = x.tracer.op("take", place, x.tracer.op("analyze.histogram_density", *inputs, **attrs), default=0.0)
        return where(is_nan(inputs[0]), inputs[0], density)


def _category(x: Column, boundaries: Boundaries) -> Column:
    if boundaries is not None:
        raise x.tracer.error("a categorical histogram has no boundaries", "leave out one of the two arguments.")
    return x.cast("int64", implied=True) if x.dtype == "bool" else x


def _bins(x: Column, boundaries: Boundaries) -> tuple[list[Column], dict[str, Any]]:
    """The analyzers' inputs and attributes."""
    if x.dtype == "utf8":
        raise x.tracer.error(f"a histogram of {x.tracer.describe(x)} needs categorical=True: text has no boundaries")
    x = as_float(x)
    if isinstance(boundaries, Column):
        if boundaries.type.kind != "table" or boundaries.dtype != "float64":
            raise x.tracer.error(f"boundaries must be a table of numbers, not {x.tracer.describe(boundaries)}")
        return [x, boundaries], {}
    if isinstance(boundaries, int):
        if isinstance(boundaries, bool) or boundaries < 2:
            raise x.tracer.error(f"a histogram needs at least 2 boundaries, it was given {boundaries}")
        return [x, x.tracer.op("analyze.min", x), x.tracer.op("analyze.max", x)], {"points": boundaries}
    given = [float(b) for b in (_DEFAULT if boundaries is None else boundaries)]
    ascending = all(a < b for a, b in itertools.pairwise(given)) and all(map(math.isfinite, given))
    if len(given) < 2 or not ascending:
        raise x.tracer.error(f"boundaries must be at least two finite numbers in ascending order: {given}")
    return [x], {"boundaries": given}
