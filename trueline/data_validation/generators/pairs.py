"""Counting pairs of categories: tables of distinct keys with sums, exactly mergeable and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Tally", "as_keys", "binned", "counted", "counted_pairs", "distinct_in_rows"]

_MOST_CELLS = 1 << 20

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Tally:
    """Distinct keys of one or more columns, each with a count of rows and a sum of weights.

    Attributes:
        keys: the distinct keys, one Arrow binary array a column.
        counts: rows a key.
        weights: sum of the rows' weights a key.
    """

    def __init__(self, columns: int) -> None:
        self.keys: list[pa.Array] = _no_keys(columns)
        self.counts: Ints = np.empty(0, np.int64)
        self.weights: Floats = np.empty(0, np.float64)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def key_bytes(self) -> int:
        """Bytes of the keys' texts."""
        import pyarrow.compute as pc

        return sum(int(pc.sum(pc.binary_length(column)).as_py() or 0) for column in self.keys)

    def add(self, keys: list[pa.Array], counts: Ints, weights: Floats) -> None:
        """Takes in keys, not necessarily distinct ones, with counts and weights."""
        import pyarrow as pa

        if len(counts) == 0:
            return
        if len(self):
            keys = [pa.concat_arrays([mine, theirs]) for mine, theirs in zip(self.keys, keys, strict=True)]
            counts = np.concatenate([self.counts, counts])
            weights = np.concatenate([self.weights, weights])
        codes, firsts = _codes(keys)
        self.keys = [column.take(pa.array(firsts)) for column in keys]
        self.counts = np.zeros(len(firsts), np.int64)
        np.add.at(self.counts, codes, counts)
        self.weights = np.bincount(codes, weights, len(firsts)).astype(np.float64)

    def merge(self, other: Tally) -> None:
        """Takes in another tally."""
        self.add(other.keys, other.counts, other.weights)

    def clear(self) -> None:
        """Forgets everything."""
        self.keys = _no_keys(len(self.keys))
        self.counts, self.weights = np.empty(0, np.int64), np.empty(0, np.float64)

    def parts(self) -> dict[str, Any]:
        """The state as arrays."""
        return {
            "counts": self.counts,
            "weights": self.weights,
            **{f"keys{i}": column for i, column in enumerate(self.keys)},
        }

    def restore(self, arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        self.counts, self.weights = arrays["counts"], arrays["weights"]
        self.keys = [arrays[f"keys{i}"] for i in range(len(self.keys))]


def _no_keys(columns: int) -> list[pa.Array]:
    import pyarrow as pa

    return [pa.array([], pa.large_binary()) for _ in range(columns)]


def _codes(keys: list[pa.Array]) -> tuple[Ints, Ints]:
    """For each key its number among the distinct ones, and where each distinct one stands first; in that order."""
    import pyarrow.compute as pc

    combined: Ints = np.zeros(len(keys[0]), np.int64)
    for column in keys:
        encoded = pc.dictionary_encode(column)
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        combined = np.unique(combined * len(encoded.dictionary) + codes, return_inverse=True)[1].reshape(-1)
    _, firsts, inverse = np.unique(combined, return_index=True, return_inverse=True)
    order = np.argsort(firsts, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[inverse.reshape(-1)], firsts[order]


def counted_pairs(
    x: pa.Array, x_rows: Ints, y: pa.Array, y_rows: Ints, weights: Floats
) -> tuple[list[pa.Array], Ints, Floats]:
    """The pairs of categories that share a row, each once, with how many rows do and what they weigh.

    Args:
        x, y: categories.
        x_rows, y_rows: the row of each, ascending.
        weights: of the rows.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    left, right = _joined(x_rows, y_rows)
    one, two = pc.dictionary_encode(x), pc.dictionary_encode(y)
    kinds = max(len(two.dictionary), 1)
    cells = one.indices.to_numpy(zero_copy_only=False).astype(np.int64)[left] * kinds
    cells += two.indices.to_numpy(zero_copy_only=False)[right]
    size = len(one.dictionary) * kinds
    if size > _MOST_CELLS:
        found, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
        sums = np.bincount(inverse.reshape(-1), weights[x_rows[left]], len(found))
    else:
        counts = np.bincount(cells, minlength=size)
        found = np.flatnonzero(counts)
        counts, sums = counts[found], np.bincount(cells, weights[x_rows[left]], size)[found]
    keys = [one.dictionary.take(pa.array(found // kinds)), two.dictionary.take(pa.array(found % kinds))]
    return keys, counts.astype(np.int64), sums.astype(np.float64)


def counted(x: pa.Array, rows: Ints, weights: Floats) -> tuple[list[pa.Array], Ints, Floats]:
    """The categories, each once, with how many rows have it and what they weigh."""
    import pyarrow.compute as pc

    encoded = pc.dictionary_encode(x)
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    size = len(encoded.dictionary)
    counts, sums = np.bincount(codes, minlength=size), np.bincount(codes, weights[rows], size)
    return [encoded.dictionary], counts.astype(np.int64), sums.astype(np.float64)


def _joined(left_rows: Ints, right_rows: Ints) -> tuple[Ints, Ints]:
    """All pairs of positions whose rows are equal; both ascend."""
    starts = np.searchsorted(right_rows, left_rows, side="left")
    sizes = np.searchsorted(right_rows, left_rows, side="right") - starts
    left = np.repeat(np.arange(len(left_rows)), sizes)
    offsets = np.arange(len(left)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return left, starts[left] + offsets


def as_keys(values: pa.Array) -> pa.Array:
    """Categories as bytes: text as it is, integers and booleans in decimal."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_boolean(kind):
        values = pc.cast(values, pa.int8())
    if pa.types.is_integer(values.type):
        values = pc.cast(values, pa.string())
    return pc.cast(values, pa.large_binary())


def binned(values: pa.Array, boundaries: Floats) -> tuple[Ints, Ints]:
    """Which bin ``[low, high)`` each number lies in: the positions of values that are numbers, and their bins.

    Args:
        values: numbers; nulls and NaN lie in no bin.
        boundaries: ascending; n of them make bins 0 to n, the first from -inf on, the last up to inf.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
    known = np.flatnonzero(~np.isnan(numbers))
    return known, np.searchsorted(boundaries, numbers[known], side="right").astype(np.int64)


def distinct_in_rows(keys: pa.Array, rows: Ints) -> tuple[pa.Array, Ints]:
    """Each key once a row: multivalent rows that hold a category twice count it once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(rows) < 2 or not (rows[1:] == rows[:-1]).any():
        return keys, rows
    encoded = pc.dictionary_encode(keys)
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    _, firsts = np.unique(rows * len(encoded.dictionary) + codes, return_index=True)
    return keys.take(pa.array(firsts)), rows[firsts]
