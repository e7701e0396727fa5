"""The state of quantiles by key: values with weights, sorted by key and value, in three flat arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from trueline.transform.analyzers.base import Array, Attrs, Parts
from trueline.transform.analyzers.inputs import Inputs
from trueline.transform.analyzers.keyed_states import KeyedRows
from trueline.transform.analyzers.weighted import usable
from trueline.transform.graph import ValueType

__all__ = ["KeyedPoints"]


class KeyedPoints(KeyedRows):
    """A quantile summary for each key, all of them together at most `TOTAL` points or `LEAST` for each key.

    It is exact while there are no more distinct pairs of key and value. Then each key with more than its share is
    pruned to values at equal distances in rank: an error of at most depth / (2 * share) in a tree of that depth.
    Memory: 24 bytes a point. Keys without any usable value are left out.
    """

    TOTAL = 2_000_000
    LEAST = 64

    def __init__(self, types: Sequence[ValueType], params: Attrs) -> None:
        super().__init__(types, params)
        self.weighted = len(types) > 2
        self._chunks: list[tuple[Array, Array, Array]] = [
            (np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.float64 if self.weighted else np.int64))
        ]

    @property
    def codes(self) -> Array:
        """Of each point the row of its key, ascending."""
        return self._settled()[0]

    @property
    def points(self) -> Array:
        """The values, ascending for each key, none twice."""
        return self._settled()[1]

    @property
    def weights(self) -> Array:
        """Counts, or sums of weights."""
        return self._settled()[2]

    def blank(self, rows: int) -> dict[str, Array]:
        return {}

    def update(self, inputs: Inputs) -> None:
        values = inputs.elements(0)
        weights = inputs.elements(2) if self.weighted else np.ones(len(values), np.int64)
        keys, codes = inputs.encoded(1)
        kept = usable(values, weights)
        used = np.unique(codes[kept])
        rows = np.zeros(len(keys), np.int64)
        rows[used] = self.admit(keys.take(used))
        self._take_in([(rows[codes[kept]], values[kept] + 0.0, weights[kept])])  # + 0.0: one zero

    def merge(self, other: Self) -> None:
        rows = self.admit(other.keys)
        self._take_in([(rows[codes], points, weights) for codes, points, weights in other._chunks])

    def _take_in(self, chunks: list[tuple[Array, Array, Array]]) -> None:
        """Appends points; whole numbers are sorted when they are many, sums of floats at once, in a fixed order.

        Either way a summary is pruned when its distinct points are too many, so that it does not matter when it was
        written out between two merges.
        """
        self._chunks += chunks
        if self.weighted or sum(len(c[0]) for c in self._chunks) > self._most():
            self._settled()
        if len(self._chunks) == 1 and len(self._chunks[0][0]) > self._most():
            self._prune(max(self.LEAST, self.TOTAL // (2 * len(self.keys))))

    def _most(self) -> int:
        return max(self.TOTAL, 2 * self.LEAST * len(self.keys))

    def _settled(self) -> tuple[Array, Array, Array]:
        """The points in one chunk, sorted by key and value, equal ones added up in the order in which they came."""
        if len(self._chunks) > 1:
            codes, points, weights = (np.concatenate(parts) for parts in zip(*self._chunks, strict=True))
            self._chunks = [_summed(codes, points, weights)]
        return self._chunks[0]

    def _ranks(self) -> tuple[Array, Array, Array]:
        """Weights as integers, cumulated over all keys; and of each key what comes before it, and its own sum.

        Float weights become shares of their key's sum in steps that no sum of them can overflow, so that the result
        depends on nothing but the key's own points.
        """
        keys = len(self.keys)
        steps = self.weights
        if self.weighted:
            total = np.bincount(self.codes, self.weights, minlength=keys)
            unit = 2.0 ** min(50, 61 - keys.bit_length())
            steps = np.maximum(np.rint(self.weights / total[self.codes] * unit), 1.0).astype(np.int64)
        cumulative = np.cumsum(steps)
        ends = np.searchsorted(self.codes, np.arange(keys), side="right")
        until = np.concatenate([np.zeros(1, np.int64), cumulative])[ends]
        before = np.concatenate([np.zeros(min(keys, 1), np.int64), until[:-1]])
        return cumulative, before, until - before

    def _prune(self, share: int) -> None:
        counts = np.bincount(self.codes, minlength=len(self.keys))
        large = np.flatnonzero(counts > share)
        cumulative, before, sums = self._ranks()
        each = sums[large][:, None]
        steps = np.arange(share + 1, dtype=np.int64)
        edges = steps * (each // share) + steps * (each % share) // share
        middles = (edges[:, :-1] + edges[:, 1:]) // 2 + before[large][:, None]
        chosen = np.searchsorted(cumulative, middles.ravel(), side="right")
        weights: Array = np.diff(edges, axis=1)
        if self.weighted:
            total = np.bincount(self.codes, self.weights, minlength=len(self.keys))
            weights = weights / each * total[large][:, None]
        small = ~np.isin(self.codes, large)
        kept = _summed(
            np.concatenate([self.codes[small], np.repeat(large, share)]),
            np.concatenate([self.points[small], self.points[chosen]]),
            np.concatenate([self.weights[small], weights.ravel()]),
        )
        self._chunks = [kept]

    def quantiles(self, num_buckets: int) -> Array:
        """Each key's ``num_buckets - 1`` inner boundaries ``[keys, num_buckets - 1]``, keys in their order: the i-th is
        the smallest value whose cumulative weight is above i / num_buckets of the key's."""
        cumulative, before, sums = self._ranks()
        i = np.arange(1, num_buckets, dtype=np.int64)
        whole, rest = sums[:, None] // num_buckets, sums[:, None] % num_buckets
        ranks = whole * i + rest * i // num_buckets
        if self.weighted:  # each step was rounded by a half at most: so near a share has not passed it
            ranks = ranks + np.bincount(self.codes, minlength=len(self.keys))[:, None] // 2 + 1
            ranks = np.minimum(ranks, sums[:, None] - 1)
        found = np.searchsorted(cumulative, (before[:, None] + ranks).ravel(), side="right")
        boundaries: Array = self.points[found].reshape(ranks.shape)[self.order()]
        return boundaries

    def frequency(self) -> Array:
        return np.bincount(self.codes, self.weights, minlength=len(self.keys))

    def parts(self) -> Parts:
        order = self.order()
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        codes = rank[self.codes]
        points = np.argsort(codes, kind="stable")
        flat = {"codes": codes[points], "points": self.points[points], "weights": self.weights[points]}
        return {}, {"keys": self.keys.take(order), **flat}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        super().restore(header, arrays)
        self._chunks = [(arrays["codes"], arrays["points"], arrays["weights"])]


def _summed(codes: Array, points: Array, weights: Array) -> tuple[Array, Array, Array]:
    order = np.lexsort((points, codes))
    codes, points, weights = codes[order], points[order], weights[order]
    new = np.ones(len(codes), bool)
    new[1:] = (codes[1:] != codes[:-1]) | (points[1:] != points[:-1])
    total = np.zeros(int(new.sum()), weights.dtype)
    np.add.at(total, np.cumsum(new) - 1, weights)
    return codes[new], points[new], total


def separated(boundaries: Array) -> Array:
    """Boundaries that several buckets share, moved up but for the first of them: a value that fills several buckets
    lies in the lowest, except for a key's greatest boundary, which closes them all."""
    if boundaries.shape[1] < 2:
        return boundaries
    repeated = np.zeros(boundaries.shape, bool)
    repeated[:, 1:] = boundaries[:, 1:] == boundaries[:, :-1]
    last, first = boundaries[:, -1:], boundaries[:, :1]
    movable = repeated & ((boundaries != last) | (first == last))
    return np.where(movable, np.nextafter(boundaries, np.inf), boundaries)
