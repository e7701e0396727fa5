"""Which columns of x are numbers and which are categories, and how many categories: read off the transform's schema."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, did_you_mean
from trueline.training.ready.task import ready_config

if TYPE_CHECKING:
    from trueline.training.fn_args import FnArgs

__all__ = ["MOST_CATEGORIES", "Column", "columns_of", "embedding_width", "feature_names", "select"]

MOST_CATEGORIES = 1_000_000
"""More are no embedding and no split: hash them into fewer buckets first."""


@dataclass(frozen=True)
class Column:
    """One column of x.

    Attributes:
        name: the feature's, with its place within a vector: ``words[3]``.
        index: the column's number in x.
        size: how many categories it has, or 0 for a number.
        least: the smallest category's number.
        optional: whether a value may be missing (NaN in x).
    """

    name: str
    index: int
    size: int = 0
    least: int = 0
    optional: bool = False

    @property
    def categorical(self) -> bool:
        """Whether it holds categories."""
        return self.size > 0


def embedding_width(categories: int, most: int = 50) -> int:
    """Columns of an embedding: ``1.6 * categories ** 0.56``, the rule of thumb for tables, at most `most`."""
    return max(1, min(most, round(1.6 * math.pow(categories, 0.56))))


def feature_names(fn_args: FnArgs) -> tuple[str, ...]:
    """The features to learn from: all that were offered but the one that only groups rows."""
    query = ready_config(fn_args).get("query")
    return tuple(name for name in fn_args.features if name != query)


def columns_of(fn_args: FnArgs) -> tuple[Column, ...]:
    """The columns of x in order, for the features of `feature_names`.

    Categories are single whole numbers that the transform gave a domain (vocabularies, buckets, hashes), and those that
    ``custom_config["ready"]["categorical"]`` names, whose domain is read off the training split; ``numeric`` takes a
    feature out again.

    Raises:
        ModelError: names that are no features, or are no single whole number; all at once.
    """
    config = ready_config(fn_args)
    asked, numeric = list(config.get("categorical", ())), set(config.get("numeric", ()))
    names = feature_names(fn_args)
    features = [f for f in fn_args.train.features if f.name in names]
    known = {f.name: f for f in features}
    problems = [f"no feature {n!r}. {did_you_mean(n, known)}" for n in [*asked, *sorted(numeric)] if n not in known]
    problems += [
        f"feature {n!r} is {known[n].dtype} ({known[n].kind}): only a single whole number is a category"
        for n in asked
        if n in known and (known[n].dtype != "int64" or known[n].kind != "scalar")
    ]
    if problems:
        raise ModelError("these features cannot be taken so", problems=problems)
    domains = fn_args.transform.transformed_domains()
    ranges = _seen(fn_args, [n for n in asked if n not in domains])
    columns: list[Column] = []
    for f in features:
        low, high = domains.get(f.name, ranges.get(f.name, (0, -1)))
        size = high - low + 1
        whole = f.dtype == "int64" and f.kind == "scalar" and f.name not in numeric
        missing = f.optional and f.dtype in ("float32", "float64")
        if whole and 1 < size <= MOST_CATEGORIES:
            columns.append(Column(f.name, len(columns), size, low))
        elif f.kind == "scalar":
            columns.append(Column(f.name, len(columns), optional=missing))
        else:
            columns += [Column(f"{f.name}[{i}]", len(columns) + i, optional=missing) for i in range(f.size or 0)]
    return tuple(columns)


def _seen(fn_args: FnArgs, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Least and greatest value in the training split."""
    import pyarrow.compute as pc

    found: dict[str, tuple[int, int]] = {}
    for batch in fn_args.train.dataset.batches(list(names)) if names else ():
        for name in names:
            ends = pc.min_max(batch.column(name)).as_py()
            if ends["min"] is not None:
                low, high = found.get(name, (ends["min"], ends["max"]))
                found[name] = (min(low, ends["min"]), max(high, ends["max"]))
    return found


def select(x: npt.NDArray[np.float32], columns: Sequence[Column], least: int, most: int) -> list[Column]:
    """The categorical columns with `least` to `most` categories, none of whose values in x is below 0."""
    return [c for c in columns if least <= c.size <= most and c.least >= 0 and (not len(x) or x[:, c.index].min() >= 0)]
