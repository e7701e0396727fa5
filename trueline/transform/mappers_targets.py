"""Categories: as the label's mean with out-of-fold protection, as how often they occur, and rare ones as one.

TensorFlow Transform has none of these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trueline.transform.column import Column
from trueline.transform.folds import fold_feature
from trueline.transform.functions import as_float, concat, where
from trueline.transform.functions_lookup import take
from trueline.transform.mappers_vocabulary import apply_vocabulary
from trueline.transform.vocabulary_names import free_name

__all__ = ["count_encode", "group_rare", "target_encode"]


def _keys(x: Column) -> Column:
    """A column that can be a key: text or integers."""
    if x.dtype == "bool":
        return x.cast("int64", implied=True)
    if x.dtype not in ("utf8", "int64"):
        raise x.tracer.error(
            f"{x.tracer.describe(x)} has no categories", "use text or integers: tlt.bucketize makes some of numbers."
        )
    return x


def target_encode(
    x: Column,
    label: Column,
    *,
    smoothing: float = 10.0,
    folds: int = 5,
    seed: int = 0,
    prior: float | str = "mean",
    min_count: int = 1,
    classes: Sequence[Any] | None = None,
    name: str | None = None,
) -> Column:
    """The mean of the label among the rows of the same category, drawn towards the overall mean; float64.

    The value is ``(sum + smoothing * prior) / (count + smoothing)``. When serving, in evaluation and for every other
    split, it is taken from all rows that were analysed. A row that was analysed must not see its own label: for
    ``output.transform(data, training=True)`` its value is taken from the rows of the other folds alone, and that is
    also what later analyzers see. A row's fold is the hash of its ``__row__``, see `fold_of_rows`.

    The prior is the mean over all rows in every fold: a fold's own mean would be lower where the fold's labels are
    higher, and so tell a row its label.

    Args:
        x: text, integers or booleans; of lists and vectors each element is encoded. Missing stays missing (fill it
            first for a category of its own); a category that analysis did not see has the prior.
        label: a number or boolean a row; rows without one, or with NaN, do not count.
        smoothing: how many rows the prior weighs as much as; at least 0.
        folds: how many folds, at least 2.
        seed: another seed gives other folds.
        prior: ``"mean"``, or a number.
        min_count: categories of fewer rows have the prior.
        classes: the label's values, where it is no number but a class: the result is a vector with one place for each,
            the encoding of "the label is this class". Only for a scalar `x`.
        name: the name of the list of categories among the vocabularies; by default ``target_<column>``.

    Raises:
        TransformError: for arguments outside those bounds. In analysis: the data has no ``__row__``.
    """
    tracer = x.tracer
    problem = _problem(smoothing, folds, prior, min_count)
    if problem:
        raise tracer.error(f"target_encode: {problem}")
    with tracer.scope("target_encode"):
        keys, target = _keys(x), _target(label, classes)
        width = None if target.type.kind == "scalar" else target.type.size
        attrs: dict[str, Any] = {"folds": int(folds), "seed": int(seed), "min_count": int(min_count)}
        values: dict[str, Any] = {
            **attrs,
            "smoothing": float(smoothing),
            "prior": prior if isinstance(prior, str) else float(prior),
        }
        found = {**attrs, "file_format": "tfrecord_gzip"}
        found["name"] = free_name(keys, "analyze.target_keys", [keys, target], found, name, "target_")
        categories = tracer.op("analyze.target_keys", keys, target, **found)
        place = apply_vocabulary(keys, categories) + 1  # 0: the prior
        full = tracer.op("analyze.target_values", keys, target, **values)
        apart = tracer.op("analyze.target_fold_values", keys, target, **values)
        rows = tracer.op("analyze.target_width", keys, target, **attrs)
        fold = tracer.input(fold_feature(int(folds), int(seed)))
        default = 0.0 if width is None else [0.0] * width  # never taken: every place is in the table
        serving = take(place, full, default=default, width=width)
        training = take(fold * rows + place, apart, default=default, width=width)
        return tracer.op("by_fold", serving, training)


def _problem(smoothing: float, folds: int, prior: float | str, min_count: int) -> str | None:
    if not (math.isfinite(smoothing) and smoothing >= 0):
        return f"smoothing must be a number of at least 0, it is {smoothing}"
    if not 2 <= int(folds) <= 1000:
        return f"folds must lie between 2 and 1000, it is {folds}"
    if min_count < 1:
        return f"min_count must be at least 1, it is {min_count}"
    if isinstance(prior, str) and prior != "mean":
        return f"prior must be 'mean' or a number, it is {prior!r}"
    if not isinstance(prior, str) and not math.isfinite(prior):
        return f"prior must be finite, it is {prior}"
    return None


def _target(label: Column, classes: Sequence[Any] | None) -> Column:
    """The label as a number, or as one number for each class."""
    tracer = label.tracer
    if classes is None:
        if label.dtype not in ("float64", "int64", "bool") or label.type.kind != "scalar":
            raise tracer.error(
                f"target_encode needs a label of one number a row, and {tracer.describe(label)} is none",
                "for a label of classes, give classes=[...].",
            )
        return as_float(label)
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise tracer.error(f"target_encode: classes must be at least two different values: {list(classes)}")
    return concat([where(label == c, 1.0, 0.0) for c in classes])


def group_rare(
    x: Column,
    *,
    min_count: int | None = None,
    min_fraction: float | None = None,
    top_k: int | None = None,
    other: str | int = "__other__",
    name: str | None = None,
) -> Column:
    """The column with all rare values, and all that analysis did not see, as one; missing stays missing.

    A value is kept if it passes every limit that is given.

    Args:
        x: text or integers; of lists and vectors each element.
        min_count: it occurs at least so often.
        min_fraction: it is at least this share of all values, 0 to 1.
        top_k: it is among the so many most frequent ones; ties as for `vocabulary`.
        other: what stands for the others; for an integer column an integer.
        name: the name of the list of kept values among the vocabularies; by default ``frequent_<column>``.
    """
    tracer = x.tracer
    limits = {"top_k": top_k, "frequency_threshold": min_count, "min_fraction": min_fraction}
    if all(limit is None for limit in limits.values()):
        raise tracer.error("group_rare needs min_count, min_fraction or top_k")
    if min_fraction is not None and not 0 <= min_fraction <= 1:
        raise tracer.error(f"min_fraction must lie between 0 and 1, it is {min_fraction}")
    for limit, value in (("min_count", min_count), ("top_k", top_k)):
        if value is not None and int(value) < 0:
            raise tracer.error(f"{limit} must not be negative, it is {value}")
    with tracer.scope("group_rare"):
        keys = _keys(x)
        if type(other) is not (int if keys.dtype == "int64" else str):
            raise tracer.error(f"{tracer.describe(keys)} cannot hold {other!r}", "give other=... of the column's type.")
        attrs = {key: limit for key, limit in limits.items() if limit is not None}
        kept = _counted(keys, attrs, name, "frequent_")
        return take(apply_vocabulary(keys, kept), kept, default=other)


def count_encode(x: Column, *, normalize: bool = False, name: str | None = None) -> Column:
    """How often each value occurs in the data that was analysed, int64; 0 for values that it did not see.

    Args:
        x: text, integers or booleans; of lists and vectors each element. Missing stays missing.
        normalize: the share of all values instead, float64.
        name: the name of the list of values among the vocabularies; by default ``counted_<column>``.
    """
    with x.tracer.scope("count_encode"):
        keys = _keys(x)
        values = _counted(keys, {}, name, "counted_")
        op = "analyze.vocabulary_shares" if normalize else "analyze.vocabulary_counts"
        counts = x.tracer.op(op, keys, file_format="tfrecord_gzip")
        return take(apply_vocabulary(keys, values), counts, default=0.0 if normalize else 0)


def _counted(keys: Column, limits: dict[str, Any], name: str | None, prefix: str) -> Column:
    """A vocabulary of all values, empty texts and line breaks among them."""
    attrs = {**limits, "file_format": "tfrecord_gzip"}
    named = {**attrs, "name": free_name(keys, "analyze.vocabulary", [keys], attrs, name, prefix)}
    return keys.tracer.op("analyze.vocabulary", keys, **named)
