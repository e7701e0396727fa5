"""Groups of features that stand in for each other: by Spearman's rank correlation and Cramér's V on a sample.

Two numbers are compared by the absolute rank correlation, a number and a text or two texts by Cramér's V with the bias
correction of Bergsma 2013, numbers cut into ten parts. Missing is a category of its own; two numbers are compared where
both are there. Features above the threshold join one group, and so do groups that share a feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError
from trueline._core.values import RawFeature
from trueline.model_analysis.explain.distance import numbers_of
from trueline.model_analysis.explain.grids import is_number
from trueline.model_analysis.explain.rows import Ints, check_features, sample_rows
from trueline.model_analysis.explain.target import Floats, target_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["association", "correlated_groups"]

_PARTS = 10
_CATEGORIES = 100


def correlated_groups(
    model: Any,
    data: Any,
    *,
    threshold: float = 0.8,
    features: Sequence[str] | None = None,
    max_rows: int = 2000,
    seed: int = 0,
) -> dict[str, tuple[str, ...]]:
    """Raw features that say nearly the same, for `permutation_importance(group=...)`.

    Args:
        model: a Model, or a model's folder.
        data: rows in any form.
        threshold: from which association on two features belong together, 0 to 1.
        features: only these; lists are left out.
        max_rows: rows of the sample.
        seed: of the sample.

    Returns:
        Name (the features joined by " + ") -> features; only groups of two and more.

    Raises:
        ConfigError: a threshold that is none.
        DataError: features or columns that are not there.
    """
    if not 0 < threshold <= 1:
        raise ConfigError(f"the threshold is {threshold}", hint="give a number above 0, 1 at most.")
    target = target_of(model)
    check_features(target, list(features or ()))
    table = sample_rows(data, target, max_rows, seed)
    chosen = [f for f in target.features if f.kind == "scalar" and (features is None or f.name in features)]
    group = {f.name: f.name for f in chosen}
    for i, one in enumerate(chosen):
        for other in chosen[i + 1 :]:
            if group[one.name] != group[other.name] and association(one, other, table) >= threshold:
                old, new = group[other.name], group[one.name]
                group = {n: new if g == old else g for n, g in group.items()}
    members: dict[str, list[str]] = {}
    for name, key in group.items():
        members.setdefault(key, []).append(name)
    return {" + ".join(names): tuple(names) for names in members.values() if len(names) > 1}


def association(one: RawFeature, other: RawFeature, table: pa.Table) -> float:
    """How closely two features go together, 0 to 1; 0 where one of them never varies."""
    if is_number(one) and is_number(other):
        a, b = (numbers_of(table.column(f.name), f.dtype) for f in (one, other))
        both = np.isfinite(a) & np.isfinite(b)
        return abs(_correlation(_ranks(a[both]), _ranks(b[both])))
    return _cramer(_codes(one, table), _codes(other, table))


def _ranks(values: Floats) -> Floats:
    """Ranks, equal values their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: Floats = (ends - (counts - 1) / 2)[inverse]
    return means


def _correlation(a: Floats, b: Floats) -> float:
    if len(a) < 3:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0


def _codes(feature: RawFeature, table: pa.Table) -> Ints:
    """A category of each row; numbers by tenths, 0 is missing."""
    column = table.column(feature.name)
    if is_number(feature):
        values = numbers_of(column, feature.dtype)
        finite = values[np.isfinite(values)]
        edges = np.unique(np.quantile(finite, np.linspace(0, 1, _PARTS + 1)[1:-1])) if len(finite) else finite
        parts = np.searchsorted(edges, values, side="right") + 1
        tenths: Ints = np.where(np.isfinite(values), parts, 0).astype(np.int64)
        return tenths
    encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if hasattr(encoded, "combine_chunks") else encoded
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    coarse: Ints = np.minimum(codes, _CATEGORIES)  # what is rarer shares one category
    return coarse


def _cramer(a: Ints, b: Ints) -> float:
    """Bias-corrected Cramér's V."""
    n = len(a)
    _, a = np.unique(a, return_inverse=True)
    _, b = np.unique(b, return_inverse=True)
    r, c = int(a.max(initial=0)) + 1, int(b.max(initial=0)) + 1
    if n < 3 or r < 2 or c < 2:
        return 0.0
    counts = np.bincount(a * c + b, minlength=r * c).reshape(r, c).astype(np.float64)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / n
    phi = float((np.square(counts - expected) / expected).sum()) / n
    less = max(phi - (r - 1) * (c - 1) / (n - 1), 0.0)
    rows, columns = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    least = min(rows, columns) - 1
    return min(float(np.sqrt(less / least)), 1.0) if least > 0 else 0.0
