"""The values at which dependence is drawn: quantiles of numbers, the most frequent texts, and missing as its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError
from trueline._core.values import RawFeature, arrow_type_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Grid", "grid_of", "is_number"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Values of one feature.

    Attributes:
        feature: the raw feature.
        values: in ascending order, or the most frequent first; None is missing, and comes last.
        shares: of the rows: how many lie nearest to, or have, each value.
    """

    feature: RawFeature
    values: tuple[Any, ...]
    shares: tuple[float, ...]

    def array(self) -> pa.Array:
        """The values in the feature's type."""
        import pyarrow as pa

        return pa.array(list(self.values), arrow_type_of(self.feature))


def is_number(feature: RawFeature) -> bool:
    """Whether a feature is one number, a time included."""
    return feature.kind == "scalar" and feature.dtype in ("float64", "int64", "timestamp")


def grid_of(feature: RawFeature, column: pa.ChunkedArray, grid: int | Sequence[Any]) -> Grid:
    """The grid of a feature.

    Args:
        feature: the raw feature; of lists, the most frequent whole lists are taken.
        column: its values.
        grid: at most so many values; or the values themselves, None for missing.

    Raises:
        ConfigError: values that are none of the feature's type, or a missing one where it must be there.
        DataError: the feature is missing in every row, and no values were given.
    """
    import pyarrow as pa

    if not isinstance(grid, int):
        values = _checked(feature, grid)
        return Grid(feature, values, _shares(feature, column, values))
    present = column.drop_null()
    if not len(present) and not len(column):
        raise DataError(f"feature {feature.name!r} has no rows to take values from")
    values = _numbers(feature, present, grid) if is_number(feature) else _frequent(present, grid)
    if column.null_count and feature.optional:
        values = (*values, None)
    made = pa.array(list(values), arrow_type_of(feature)).to_pylist()
    return Grid(feature, tuple(made), _shares(feature, column, tuple(made)))


def _checked(feature: RawFeature, grid: Sequence[Any]) -> tuple[Any, ...]:
    import pyarrow as pa

    try:
        values = tuple(pa.array(list(grid), arrow_type_of(feature)).to_pylist())
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise ConfigError(
            f"the grid of {feature.name!r} does not fit its type {feature.dtype}: {error}", where=feature.name
        ) from error
    if not values or (None in values and not feature.optional):
        said = "has no values" if not values else "has a missing value, and the model needs this feature in every row"
        raise ConfigError(f"the grid of {feature.name!r} {said}", where=feature.name)
    return values


def _numbers(feature: RawFeature, present: pa.ChunkedArray, most: int) -> tuple[Any, ...]:
    """Distinct values where they are few, else quantiles that are values of the data."""
    import pyarrow as pa

    plain = present.cast(pa.int64()) if feature.dtype == "timestamp" else present
    numbers = np.sort(plain.to_numpy())
    if numbers.dtype.kind == "f":
        numbers = numbers[np.isfinite(numbers)]
    distinct = np.unique(numbers)
    if len(distinct) > most:
        at = np.linspace(0, len(numbers) - 1, most).round().astype(int)
        distinct = np.unique(numbers[at])
    return tuple(distinct.tolist())


def _frequent(present: pa.ChunkedArray, most: int) -> tuple[Any, ...]:
    """The most frequent values; of equally frequent ones the lesser text first."""
    counts: dict[str, tuple[int, Any]] = {}
    for value in present.to_pylist():
        key = repr(value)
        counts[key] = (counts.get(key, (0, value))[0] + 1, value)
    ordered = sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple(value for _, (_, value) in ordered[:most])


def _shares(feature: RawFeature, column: pa.ChunkedArray, values: Sequence[Any]) -> tuple[float, ...]:
    """The share of the rows that each value stands for."""
    import pyarrow as pa

    total = max(len(column), 1)
    counts = dict.fromkeys(map(repr, values), 0)
    if is_number(feature) and any(v is not None for v in values):
        kept = [(i, v) for i, v in enumerate(values) if v is not None]
        array = pa.array([v for _, v in kept], arrow_type_of(feature))
        points = (array.cast(pa.int64()) if feature.dtype == "timestamp" else array).to_numpy().astype(np.float64)
        present = column.drop_null()
        given = (present.cast(pa.int64()) if feature.dtype == "timestamp" else present).to_numpy().astype(np.float64)
        given = given[np.isfinite(given)]
        order = np.argsort(points, kind="stable")
        edges = (points[order][1:] + points[order][:-1]) / 2
        found = np.bincount(np.searchsorted(edges, given), minlength=len(points))
        for place, (i, _) in zip(np.argsort(order, kind="stable"), kept, strict=True):
            counts[repr(values[i])] = int(found[place])
    else:
        for value in column.to_pylist():
            key = repr(value)
            if key in counts:
                counts[key] += 1
    if None in values:
        counts["None"] = column.null_count
    return tuple(counts[repr(v)] / total for v in values)
