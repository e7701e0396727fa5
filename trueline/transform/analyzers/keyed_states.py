"""States by key: each key's counts, extremes and moments in arrays of one row a key, no Python object for any key.

A block's keys become row numbers once; all else is numpy over rows. Results per key depend on no order of keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trueline.transform.analyzers.base import Array, Attrs, Parts
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.analyzers.vocabulary_order import Vocabulary
from trueline.transform.graph import ValueType

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KeyedCounts", "KeyedExtremes", "KeyedMoments", "KeyedRows"]


class KeyedRows(ABC):
    """Keys, and what a subclass knows of each: `fields` are arrays ``[keys, places]`` beside them.

    Attributes:
        keys: distinct texts or integers, in the order of their first arrival.
        vector: whether there is a result for each place of a vector.
    """

    KEY = 1
    """Which input is the key."""

    def __init__(self, types: Sequence[ValueType], params: Attrs) -> None:
        import pyarrow as pa

        x = types[0]
        self.vector = x.kind == "fixed" and not params.get("reduce", True)
        self.places = int(x.size or 1) if self.vector else 1
        self.integer = x.dtype != "float64"
        self.keys: pa.Array = pa.array([], pa.string() if types[self.KEY].dtype == "utf8" else pa.int64())
        self.fields: dict[str, Array] = self.blank(0)

    @abstractmethod
    def blank(self, rows: int) -> dict[str, Array]:
        """The fields of keys of which nothing has been seen."""

    def admit(self, keys: pa.Array) -> Array:
        """The rows of distinct keys; new ones get blank fields."""
        import pyarrow as pa

        known = len(self.keys)
        encoded = pa.concat_arrays([self.keys, keys.cast(self.keys.type)]).dictionary_encode()
        self.keys = encoded.dictionary
        if len(self.keys) > known:
            more = self.blank(len(self.keys) - known)
            self.fields = {name: np.concatenate([field, more[name]]) for name, field in self.fields.items()}
        rows: Array = encoded.indices.to_numpy()[known:]
        return rows

    def values(self, inputs: Inputs) -> tuple[pa.Array, Array, Array]:
        """A block's distinct keys, and of each value ``[n, places]`` the row of its key among them."""
        if self.vector:
            keys, codes = inputs.encoded(self.KEY, rows=True)
            return keys, codes, inputs.matrix(0)
        keys, codes = inputs.encoded(self.KEY)
        return keys, codes, inputs.elements(0)[:, None]

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Takes in the state of later blocks."""

    def order(self) -> Array:
        """The rows in ascending order of the keys' bytes; integers by their decimal text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found: Array = pc.sort_indices(self.keys.cast(pa.string())).to_numpy()
        return found

    def ordered_keys(self) -> list[Any]:
        """The keys in that order."""
        found: list[Any] = self.keys.take(self.order()).to_pylist()
        return found

    def ordered(self, field: Array) -> list[Any]:
        """A field's rows in the order of the keys: numbers, or a list for each key of a vector column."""
        rows = field[self.order()]
        found: list[Any] = (rows if self.vector else rows[:, 0]).tolist()
        return found

    @abstractmethod
    def frequency(self) -> Array:
        """How many rows or values each key has."""

    def vocabulary(self) -> Vocabulary:
        """The keys in their order, with their frequencies."""
        counts = tuple(self.frequency()[self.order()].tolist())
        return Vocabulary(tuple(self.ordered_keys()), counts, len(counts))

    def parts(self) -> Parts:
        order = self.order()
        fields = {name: np.ascontiguousarray(field[order]) for name, field in self.fields.items()}
        return {}, {"keys": self.keys.take(order), **fields}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        self.keys = arrays["keys"]
        self.fields = {name: arrays[name] for name in self.fields}


class KeyedFields(KeyedRows):
    """Keys of which the fields say all: they are merged row by row."""

    @abstractmethod
    def join(self, rows: Array, other: Mapping[str, Array]) -> None:
        """Takes fields of other keys into the given rows, each named once."""

    def merge(self, other: Self) -> None:
        self.join(self.admit(other.keys), other.fields)


class KeyedCounts(KeyedFields):
    """How often each key occurs."""

    KEY = 0

    def blank(self, rows: int) -> dict[str, Array]:
        return {"count": np.zeros((rows, 1), np.int64)}

    def update(self, inputs: Inputs) -> None:
        keys, codes = inputs.encoded(0)
        self.join(self.admit(keys), {"count": np.bincount(codes, minlength=len(keys))[:, None]})

    def join(self, rows: Array, other: Mapping[str, Array]) -> None:
        self.fields["count"][rows] += other["count"]

    def frequency(self) -> Array:
        return self.count[:, 0]

    @property
    def count(self) -> Array:
        return self.fields["count"]


class KeyedExtremes(KeyedFields):
    """Each key's least and greatest value; NaN is left out. Of no values: +inf and -inf, or the ends of int64."""

    def blank(self, rows: int) -> dict[str, Array]:
        shape, limits = (rows, self.places), np.iinfo(np.int64)
        ends = (limits.max, limits.min) if self.integer else (np.inf, -np.inf)
        count = np.zeros((rows, 1), np.int64)
        return {"least": np.full(shape, ends[0]), "greatest": np.full(shape, ends[1]), "count": count}

    def update(self, inputs: Inputs) -> None:
        keys, codes, values = self.values(inputs)
        found = self.blank(len(keys))
        # fmin and fmax leave NaN out
        np.fmin.at(found["least"], codes, values)
        np.fmax.at(found["greatest"], codes, values)
        found["count"][:, 0] = np.bincount(codes, minlength=len(keys))
        self.join(self.admit(keys), found)

    def join(self, rows: Array, other: Mapping[str, Array]) -> None:
        self.fields["least"][rows] = np.minimum(self.fields["least"][rows], other["least"])
        self.fields["greatest"][rows] = np.maximum(self.fields["greatest"][rows], other["greatest"])
        self.fields["count"][rows] += other["count"]

    def frequency(self) -> Array:
        return self.fields["count"][:, 0]

    @property
    def least(self) -> Array:
        return self.fields["least"]

    @property
    def greatest(self) -> Array:
        return self.fields["greatest"]


class KeyedMoments(KeyedFields):
    """Each key's count, mean and sum of squared deviations of the finite values (ddof 0), merged as in
    `trueline.transform.analyzers.basic_states.Moments`."""

    def blank(self, rows: int) -> dict[str, Array]:
        shape = (rows, self.places)
        return {"count": np.zeros(shape, np.int64), "mean": np.zeros(shape), "squares": np.zeros(shape)}

    def update(self, inputs: Inputs) -> None:
        keys, codes, values = self.values(inputs)
        found = self.blank(len(keys))
        for place in range(self.places):
            column = values[:, place]
            finite = np.isfinite(column)
            count, mean, squares = _moments(column[finite], codes[finite], len(keys))
            found["count"][:, place], found["mean"][:, place], found["squares"][:, place] = count, mean, squares
        self.join(self.admit(keys), found)

    def join(self, rows: Array, other: Mapping[str, Array]) -> None:
        count, mean, squares = (self.fields[name][rows] for name in ("count", "mean", "squares"))
        both = count + other["count"]
        share = other["count"] / np.maximum(both, 1)
        with np.errstate(all="ignore"):
            delta = other["mean"] - mean
            fresh = count == 0  # a mean taken over as it is, and a key without values keeps what it had
            self.fields["mean"][rows] = np.where(fresh, other["mean"], mean + delta * share)
            added = np.where(fresh, 0.0, delta * delta * count * share)
            self.fields["squares"][rows] = squares + other["squares"] + added
        self.fields["count"][rows] = both

    def frequency(self) -> Array:
        return np.asarray(self.fields["count"].max(axis=1))

    @property
    def mean(self) -> Array:
        return self.fields["mean"]

    @property
    def variance(self) -> Array:
        return self.fields["squares"] / np.maximum(self.fields["count"], 1)


def _moments(values: Array, codes: Array, keys: int) -> tuple[Array, Array, Array]:
    """Count, mean and sum of squared deviations by key. Means are taken about each key's first value, so that equal
    values have exactly that value as their mean and no deviation."""
    count = np.bincount(codes, minlength=keys)
    first = np.zeros(keys)
    first[codes[::-1]] = values[::-1]  # the last assignment stays: the first value of the key
    with np.errstate(all="ignore"):
        total = np.bincount(codes, values - first[codes], minlength=keys)
        mean = first + total / np.maximum(count, 1)
        squares = np.bincount(codes, np.square(values - mean[codes]), minlength=keys)
    return count, mean, squares
