"""How far raw rows lie apart: Gower's distance (1971), with missing as a value of its own.

Of each feature a distance from 0 to 1, and their weighted mean. Numbers: the difference over the spread of the data,
which is from the 1st to the 99th of 100 parts, so that one outlier does not make all others neighbours; 1 at most.
Texts and flags: equal or not. Vectors: the mean over their elements. Lists: 1 less shared values over all values
(Jaccard). Missing and missing is 0, missing and a value is 1; NaN counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError
from trueline._core.values import RawFeature
from trueline.model_analysis.explain.target import Floats

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Encoded", "Gower", "numbers_of", "spread_of"]

_NUMBERS = ("float64", "int64", "timestamp", "float32")


@dataclass(frozen=True, eq=False)
class Encoded:
    """One feature of some rows: numbers ``[N, W]``, codes ``[N, W]``, or sets of values; and which are there."""

    values: Any
    present: npt.NDArray[np.bool_]


def numbers_of(column: Any, dtype: str) -> Floats:
    """A column of numbers or times as float64, NaN where it is missing."""
    import pyarrow as pa

    plain = column.cast(pa.int64()) if dtype == "timestamp" else column
    found: Floats = plain.cast(pa.float64(), safe=False).fill_null(float("nan")).to_numpy(zero_copy_only=False)
    return found


def spread_of(values: Floats) -> Floats:
    """The spread of each column of ``[N, W]``: from the 1st to the 99th of 100 parts; 1 where that is nothing."""
    out = np.ones(values.shape[1])
    for w in range(values.shape[1]):
        finite = values[np.isfinite(values[:, w]), w]
        if len(finite):
            low, high = np.quantile(finite, [0.01, 0.99])
            spread = high - low if high > low else finite.max() - finite.min()
            out[w] = spread if np.isfinite(spread) and spread > 0 else 1.0
    return out


class Gower:
    """Distances between rows of some features.

    Args:
        features: the raw features.
        reference: rows whose spread scales numbers.
        weights: feature -> weight, 1 where it is not named; 0 leaves a feature out.
    """

    def __init__(
        self, features: Sequence[RawFeature], reference: pa.Table, weights: Mapping[str, float] | None = None
    ) -> None:
        self.features = tuple(features)
        self.weights = np.array([float((weights or {}).get(f.name, 1.0)) for f in features])
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all() and self.weights.sum() > 0):
            raise ConfigError(
                f"weights of a distance are finite, none below 0, not all 0: {dict(weights or {})}",
                hint="leave them out for equal ones.",
            )
        encoded = self.encode(reference)
        self.spreads = [
            spread_of(e.values) if f.dtype in _NUMBERS and f.kind != "ragged" else np.ones(1)
            for f, e in zip(features, encoded, strict=True)
        ]

    def encode(self, table: pa.Table | pa.RecordBatch) -> list[Encoded]:
        """The features of rows, ready to be compared."""
        return [_encoded(f, table.column(f.name)) for f in self.features]

    def each(self, one: list[Encoded], other: list[Encoded]) -> Floats:
        """Distances by feature, ``[Q, M, F]``."""
        parts = [_distance(f, s, a, b) for f, s, a, b in zip(self.features, self.spreads, one, other, strict=True)]
        return np.stack(parts, axis=2)

    def between(self, one: list[Encoded], other: list[Encoded]) -> Floats:
        """Distances ``[Q, M]``, from 0 to 1."""
        total = np.zeros((len(one[0].present), len(other[0].present)))
        weights: list[float] = self.weights.tolist()
        for f, w, s, a, b in zip(self.features, weights, self.spreads, one, other, strict=True):
            if w:
                total += w * _distance(f, s, a, b)
        found: Floats = total / self.weights.sum()
        return found


def _encoded(feature: RawFeature, column: Any) -> Encoded:
    import pyarrow as pa

    from trueline._core.hash import hash_array

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    present: npt.NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
    if feature.kind == "ragged":
        return Encoded([frozenset(map(repr, v or ())) for v in array.to_pylist()], present)
    if feature.kind == "fixed":
        width = int(feature.size or 1)
        flat = pa.array([x for v in array.to_pylist() for x in (v or [None] * width)], array.type.value_type)
    else:
        width, flat = 1, array
    if feature.dtype in _NUMBERS:
        values = numbers_of(flat, feature.dtype).reshape(-1, width)
        return Encoded(values, present & ~np.isnan(values).all(axis=1))
    return Encoded(hash_array(flat).reshape(-1, width), present)


def _distance(feature: RawFeature, spread: Floats, one: Encoded, other: Encoded) -> Floats:
    """Distances of one feature, ``[Q, M]``."""
    there = one.present[:, None] & other.present[None, :]
    neither = ~one.present[:, None] & ~other.present[None, :]
    if feature.kind == "ragged":
        apart = np.array([[_jaccard(a, b) for b in other.values] for a in one.values]).reshape(there.shape)
    elif feature.dtype in _NUMBERS:
        a, b = one.values[:, None, :], other.values[None, :, :]
        with np.errstate(invalid="ignore"):  # infinities of equal sign: no distance
            gaps = np.where(a == b, 0.0, np.minimum(np.abs(a - b) / spread, 1.0))
        apart = np.where(np.isnan(gaps), 1.0, gaps).mean(axis=2)
    else:
        apart = (one.values[:, None, :] != other.values[None, :, :]).mean(axis=2)
    return np.where(there, apart, np.where(neither, 0.0, 1.0))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return 1 - len(a & b) / len(a | b) if a or b else 0.0
