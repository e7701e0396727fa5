"""Missing values: made out of what stands for them, told apart, filled with what the data says.

Missing is one thing only, the null of the value contract; NaN, 0, "" and sentinels such as -1 are values until
`missing_if` or `nan_to_missing` says that they stand for nothing.
"""

from __future__ import annotations

from typing import Any

from trueline.transform.analyzer_functions import mean, quantiles
from trueline.transform.column import Column
from trueline.transform.functions import as_float, fill_missing, is_missing, is_nan, tracer_of
from trueline.transform.functions_lookup import take
from trueline.transform.mappers_vocabulary import vocabulary

__all__ = [
    "coalesce",
    "fill_with_mean",
    "fill_with_median",
    "fill_with_mode",
    "missing_if",
    "missing_indicator",
    "nan_to_missing",
]


def missing_if(x: Column, condition: Any) -> Column:
    """The column, missing where a condition holds.

    Args:
        x: any column; of vectors and lists the whole row becomes missing.
        condition: a boolean column (where it is missing, the value stays), or a literal: then values equal to it.
    """
    with x.tracer.scope("missing_if"):
        if not isinstance(condition, Column):
            condition = x == condition
        return x.tracer.op("missing_if", x, condition)


def nan_to_missing(x: Column) -> Column:
    """The numbers, missing where they are NaN; infinities stay."""
    with x.tracer.scope("nan_to_missing"):
        return x.tracer.op("missing_if", x, is_nan(x))


def missing_indicator(x: Column) -> Column:
    """1.0 where the value is missing, else 0.0; never missing itself. `is_missing` gives the same as a boolean."""
    with x.tracer.scope("missing_indicator"):
        return is_missing(x).cast("float64", implied=True)


def coalesce(*columns: Any) -> Column:
    """The first value of each row that is not missing; the last argument may be a literal.

    Args:
        columns: two or more columns of one type; integers beside floats become floats.
    """
    tracer = tracer_of(*columns)
    if len(columns) < 2:
        raise tracer.error("coalesce takes two or more columns", "to fill with a literal: tlt.coalesce(x, 0).")
    with tracer.scope("coalesce"):
        found = tracer.column(columns[0])
        for column in columns[1:]:
            other = tracer.column(column)
            if found.dtype == "int64" and other.dtype == "float64":
                found = as_float(found)
            found = fill_missing(found, other)
        return found


def fill_with_mean(x: Column) -> Column:
    """The numbers, missing values replaced by the mean of the present finite ones; float64. Of none present: 0."""
    with x.tracer.scope("fill_with_mean"):
        number = as_float(x)
        return fill_missing(number, mean(number))


def fill_with_median(x: Column) -> Column:
    """The numbers, missing values replaced by the median of the present ones; float64. Of none present: 0.

    The median is `quantiles` with two buckets: a value of the data, within 0.04 % of all values in rank where there are
    more than 32,768 distinct ones; NaN is left out.
    """
    with x.tracer.scope("fill_with_median"):
        number = as_float(x)
        return fill_missing(number, quantiles(number, 2)[0])


def fill_with_mode(x: Column, *, default: Any = None) -> Column:
    """Texts, integers or booleans, missing values replaced by the most frequent one.

    Among equally frequent ones it is the greatest by bytes of text, as in `vocabulary`; empty texts and texts with a
    line break are not counted.

    Args:
        x: the column; for floats see `fill_with_median`.
        default: what fills where the data has no value at all; by default "", 0 or False.
    """
    if x.dtype not in ("utf8", "int64", "bool"):
        raise x.tracer.error(
            f"fill_with_mode of {x.tracer.describe(x)}: it counts texts, integers and booleans",
            "use tlt.fill_with_median or tlt.fill_with_mean.",
        )
    with x.tracer.scope("fill_with_mode"):
        if x.dtype == "bool":
            whole = x.cast("int64", implied=True)
            return fill_with_mode(whole, default=None if default is None else int(default)) != 0
        blank = "" if x.dtype == "utf8" else 0
        tokens = vocabulary(x, top_k=1)
        return fill_missing(x, take(x.tracer.constant(0), tokens, default=blank if default is None else default))
