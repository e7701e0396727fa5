"""Statistics by key, and scaling by those of each row's own key: a fare against the fares of its company.

Keys are text or integers. An analysis gives tables that stand beside each other, in ascending order of the keys' bytes
(integers by their decimal text); a row finds its place in the table of keys. Where the key is missing the result is
missing. With a ``key_vocabulary_filename`` the keys are also a vocabulary of that name, with their frequencies; its
file is of the format tfrecord_gzip, which holds any text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.analyzer_functions import by_places, check_dtype, checked_buckets
from trueline.transform.column import Column
from trueline.transform.functions import as_float, is_nan, where
from trueline.transform.functions_lookup import take
from trueline.transform.mappers_scale import check_range, scaled_into, standardised
from trueline.transform.mappers_vocabulary import apply_vocabulary
from trueline.transform.vocabulary_names import free_name

__all__ = [
    "bucketize_per_key",
    "count_per_key",
    "mean_and_var_per_key",
    "min_and_max_per_key",
    "quantiles_per_key",
    "scale_by_min_max_per_key",
    "scale_to_0_1_per_key",
    "scale_to_z_score_per_key",
]


def _key(key: Column) -> Column:
    """Booleans as integers."""
    return key.cast("int64", implied=True) if key.dtype == "bool" else key


def _tables(names: Sequence[str], inputs: Sequence[Column], filename: str | None, **attrs: Any) -> list[Column]:
    """The analyzers of one state; the first, that of the keys, is a vocabulary if it is named."""
    tracer, ops = inputs[0].tracer, [f"analyze.{name}" for name in names]
    own = attrs
    if filename:
        own = {**attrs, "file_format": "tfrecord_gzip"}
        own["name"] = free_name(inputs[-1], ops[0], inputs, own, filename)
    return [tracer.op(op, *inputs, **(attrs if i else own)) for i, op in enumerate(ops)]


def count_per_key(
    key: Column, key_vocabulary_filename: str | None = None, name: str | None = None
) -> tuple[Column, Column]:
    """The distinct keys and how often each occurs (int64): two tables.

    Args:
        key: text or integers: scalars, vectors or lists.
        key_vocabulary_filename: the name of a vocabulary of the keys, see above.
        name: has no effect.
    """
    with key.tracer.scope("count_per_key"):
        keys, counts = _tables(("key_count_keys", "key_count"), [_key(key)], key_vocabulary_filename)
        return keys, counts


def mean_and_var_per_key(
    x: Column, key: Column, reduce_instance_dims: bool = True, name: str | None = None
) -> tuple[Column, Column, Column]:
    """The distinct keys, and the mean and variance (ddof 0) of each one's finite values: three tables.

    Args:
        x: numbers: scalars, vectors or lists.
        key: one a row, or for lists and vectors also one for each value.
        reduce_instance_dims: False gives rows of one number for each place of a vector column; one key a row.
        name: has no effect.
    """
    with x.tracer.scope("mean_and_var_per_key"):
        keys, mean, var = _moments(x, key, reduce_instance_dims, None)
        return keys, mean, var


def _moments(x: Column, key: Column, reduce_instance_dims: bool, filename: str | None) -> list[Column]:
    names, attrs = ("key_moments_keys", "key_mean", "key_var"), by_places(x, reduce_instance_dims)
    return _tables(names, [as_float(x), _key(key)], filename, **attrs)


def min_and_max_per_key(
    x: Column, key: Column, reduce_instance_dims: bool = True, name: str | None = None
) -> tuple[Column, Column, Column]:
    """The distinct keys, and each one's least and greatest value; NaN is left out: three tables.

    Of a key whose values are all NaN: +inf and -inf. Arguments as in `mean_and_var_per_key`.
    """
    with x.tracer.scope("min_and_max_per_key"):
        keys, least, greatest = _extremes(x, key, reduce_instance_dims, None)
        return keys, least, greatest


def _extremes(x: Column, key: Column, reduce_instance_dims: bool, filename: str | None) -> list[Column]:
    names, attrs = ("key_extremes_keys", "key_min", "key_max"), by_places(x, reduce_instance_dims)
    return _tables(names, [_key(x), _key(key)], filename, **attrs)


def _of_points(x: Column, key: Column, num_buckets: int, weights: Column | None, table: str) -> tuple[Column, Column]:
    inputs = [as_float(x), _key(key), *([] if weights is None else [as_float(weights)])]
    prefix = "key_points" if weights is None else "weighted_key_points"
    count = checked_buckets(x, num_buckets)
    keys = x.tracer.op(f"analyze.{prefix}_keys", *inputs)
    return keys, x.tracer.op(f"analyze.{prefix}_{table}", *inputs, num_buckets=count)


def _check_epsilon(x: Column, epsilon: float | None) -> None:
    if epsilon is not None and not 0.0 < epsilon < 1.0:
        raise x.tracer.error(f"epsilon must lie between 0 and 1, it is {epsilon!r}")


def quantiles_per_key(
    x: Column,
    key: Column,
    num_buckets: int,
    epsilon: float | None = None,
    weights: Column | None = None,
    name: str | None = None,
) -> tuple[Column, Column]:
    """The distinct keys, and of each one ``num_buckets - 1`` inner boundaries as in `quantiles`: two tables.

    Exact while there are at most 2 million distinct pairs of key and value; beyond that a key with many values keeps
    1,000,000 / keys of them, 64 at least. Keys without usable values are left out.

    Args:
        x: numbers: scalars, vectors or lists; NaN is left out.
        key: one a row, or for lists and vectors also one for each value.
        num_buckets: at least 1.
        epsilon: accepted as TensorFlow Transform does; summaries are as fine as memory allows.
        weights: of each value, or one a row; NaN, infinite and non-positive weights leave their value out.
        name: has no effect.
    """
    _check_epsilon(x, epsilon)
    with x.tracer.scope("quantiles_per_key"):
        return _of_points(x, key, num_buckets, weights, "quantiles")


def _places(key: Column, keys: Column) -> Column:
    """The place of each row's key in the table, -1 for one that the analysis did not see."""
    return apply_vocabulary(_key(key), keys, default_value=-1)


def _statistics(x: Column, key: Column, elementwise: bool, tables: Sequence[Column]) -> list[Column]:
    """What stands beside the row's key in each table; 0 for an unknown key."""
    keys, *values = tables
    place = _places(key, keys)
    width = x.type.size if elementwise and x.type.kind == "fixed" else None
    return [take(place, v, default=[0.0] * width if width else 0.0, width=width) for v in values]


def scale_to_z_score_per_key(
    x: Column,
    key: Column,
    elementwise: bool = False,
    key_vocabulary_filename: str | None = None,
    name: str | None = None,
    output_dtype: Any = None,
) -> Column:
    """(x - mean) / sqrt(var) with the mean and variance of the row's key; x - mean where var is 0.

    A key that the analysis did not see leaves x as it is.

    Args:
        x: numbers: scalars, vectors or lists.
        key: one a row, or for lists and vectors also one for each value.
        elementwise: scale each place of a vector by itself; one key a row.
        key_vocabulary_filename: the name of a vocabulary of the keys, see above.
        name: has no effect.
        output_dtype: None or a float type by name; has no effect, since outputs are float32.
    """
    check_dtype(x, output_dtype)
    with x.tracer.scope("scale_to_z_score_per_key"):
        x = as_float(x)
        mean, variance = _statistics(x, key, elementwise, _moments(x, key, not elementwise, key_vocabulary_filename))
        return standardised(x, mean, variance)


def scale_by_min_max_per_key(
    x: Column,
    key: Column,
    output_min: float = 0.0,
    output_max: float = 1.0,
    elementwise: bool = False,
    key_vocabulary_filename: str | None = None,
    name: str | None = None,
) -> Column:
    """x scaled so that [min, max] of its row's key becomes [output_min, output_max]; see `scale_by_min_max`.

    For a key that the analysis did not see, or whose values are all equal, it is sigmoid(x) scaled into the range.
    Other arguments as in `scale_to_z_score_per_key`.
    """
    check_range(x, output_min, output_max)
    with x.tracer.scope("scale_by_min_max_per_key"):
        x = as_float(x)
        least, greatest = _statistics(x, key, elementwise, _extremes(x, key, not elementwise, key_vocabulary_filename))
        return scaled_into(x, least, greatest, output_min, output_max)


def scale_to_0_1_per_key(
    x: Column,
    key: Column,
    elementwise: bool = False,
    key_vocabulary_filename: str | None = None,
    name: str | None = None,
) -> Column:
    """`scale_by_min_max_per_key` to [0, 1]."""
    with x.tracer.scope("scale_to_0_1_per_key"):
        return scale_by_min_max_per_key(x, key, 0.0, 1.0, elementwise, key_vocabulary_filename)


def bucketize_per_key(
    x: Column,
    key: Column,
    num_buckets: int,
    epsilon: float | None = None,
    weights: Column | None = None,
    name: str | None = None,
) -> Column:
    """The number of the quantile bucket of the row's key, int64; -1 for a key that the analysis did not see.

    NaN goes to the last bucket. A value that fills several buckets of its key lies in the lowest of them, except for
    the greatest boundary, from which on everything lies in the last. Arguments as in `quantiles_per_key`.
    """
    _check_epsilon(x, epsilon)
    with x.tracer.scope("bucketize_per_key"):
        x = as_float(x)
        keys, boundaries = _of_points(x, key, num_buckets, weights, "boundaries")
        place = _places(key, keys)
        if x.type.kind == place.type.kind == "ragged":  # lists of different lengths in a row have no pairs
            place = where(is_nan(x), place, place)
            x = where(place < 0, x, x)
        return x.tracer.op("apply_buckets_by_key", x, place, boundaries, num_buckets=int(num_buckets))
