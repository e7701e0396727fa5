"""TensorFlow Transform's mappers and analyzers by name. What an analyzer finds is a constant that expressions may use.

Deviations from TensorFlow Transform, all deliberate: computation is in float64 with one cast to float32 at the outputs;
`min` and `max` leave NaN out instead of being poisoned by it; an empty vocabulary is empty (no placeholder entry);
hash buckets are MurmurHash3 instead of FarmHash; missing stays missing instead of being sparse.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

from trueline._core.values import DType
from trueline.transform.column import Column
from trueline.transform.functions import as_float, sigmoid, sqrt, where

__all__ = [
    "apply_buckets",
    "apply_vocabulary",
    "bucketize",
    "compute_and_apply_vocabulary",
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
    "vocabulary",
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


def vocabulary(
    x: Column,
    *,
    top_k: int | None = None,
    frequency_threshold: int | None = None,
    vocab_filename: str | None = None,
) -> Column:
    """The column's distinct values by descending count, then descending bytes (integers as decimal text): a table.

    Empty texts and texts with a line break are no tokens, as in TensorFlow Transform.

    Args:
        x: text or integers.
        top_k: keep the first so many.
        frequency_threshold: keep tokens that occur at least so often.
        vocab_filename: the vocabulary's name; by default ``vocab_<column>``, after the raw column that it reads.
    """
    for name, limit in (("top_k", top_k), ("frequency_threshold", frequency_threshold)):
        if limit is not None and limit < 0:
            raise x.tracer.error(f"{name} must not be negative, it is {limit}")
    attrs: dict[str, Any] = {"top_k": top_k, "frequency_threshold": frequency_threshold}
    attrs["name"] = _vocabulary_name(x, attrs, vocab_filename)
    return x.tracer.op("analyze.vocabulary", x, **attrs)


def _vocabulary_name(x: Column, attrs: dict[str, Any], given: str | None) -> str:
    """A file name that is free, or is that of an equal vocabulary."""
    read = "_".join(sorted(x.tracer.graph.input_names([x.index])))
    stem = given if given is not None else f"vocab_{read}"
    stem = re.sub(r"[^\w.-]+", "_", stem).strip(".") or "vocab"
    taken = {n.attrs["name"]: n for n in x.tracer.nodes if n.op == "analyze.vocabulary"}
    name, count = stem, 1
    while name in taken and (taken[name].inputs, dict(taken[name].attrs)) != ((x.index,), {**attrs, "name": name}):
        if given is not None:
            raise x.tracer.error(f"two different vocabularies are named {given!r}", "give each its own vocab_filename.")
        count += 1
        name = f"{stem}_{count}"
    return name


def apply_vocabulary(
    x: Column, vocabulary: Column | Sequence[str] | Sequence[int], *, default_value: int = -1, num_oov_buckets: int = 0
) -> Column:
    """The place of each value in a vocabulary, int64; missing stays missing.

    Args:
        x: text or integers.
        vocabulary: what `vocabulary` gave, or a list of distinct tokens.
        default_value: id of an unknown value where there are no buckets.
        num_oov_buckets: unknown values get vocabulary size + MurmurHash3(token) % num_oov_buckets.
    """
    if not isinstance(vocabulary, Column):
        tokens = list(vocabulary)
        if len(set(tokens)) != len(tokens):
            raise x.tracer.error("the vocabulary holds a token twice")
        dtype: DType = x.dtype if x.dtype == "int64" else "utf8"
        wrong = [t for t in tokens if type(t) is not (int if dtype == "int64" else str)]
        if wrong:
            raise x.tracer.error(f"the vocabulary of {x.tracer.describe(x)} holds {wrong[0]!r}")
        vocabulary = x.tracer.table(tokens, dtype)
    attrs = {"default": int(default_value), "oov": int(num_oov_buckets)}
    with x.tracer.scope("apply_vocabulary"):
        return x.tracer.op("apply_vocabulary", x, vocabulary, **attrs)


def compute_and_apply_vocabulary(
    x: Column,
    *,
    default_value: int = -1,
    top_k: int | None = None,
    frequency_threshold: int | None = None,
    num_oov_buckets: int = 0,
    vocab_filename: str | None = None,
) -> Column:
    """`vocabulary` and `apply_vocabulary` in one."""
    with x.tracer.scope("compute_and_apply_vocabulary"):
        found = vocabulary(x, top_k=top_k, frequency_threshold=frequency_threshold, vocab_filename=vocab_filename)
        return apply_vocabulary(x, found, default_value=default_value, num_oov_buckets=num_oov_buckets)
