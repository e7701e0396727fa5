"""How often each string occurs: exact under a cap, Misra-Gries counters with a stated error and a KMV sketch beyond.

While the distinct values fit under the cap, counts and their number are exact. When a merge goes past it:

* *counters* (Misra and Gries 1982; merged after Agarwal and others, "Mergeable summaries", 2012): the k greatest
  counts stay, all lowered by the (k + 1)-th greatest. A counter is then at most `error` below the true count and never
  above it; a value without a counter occurs at most `error` times; `error` <= n / (k + 1).
* *distinct values* (Bar-Yossef and others, "Counting distinct elements in a data stream", 2002): the 16,384 smallest
  hashes of `trueline._core.hash` are kept; the estimate (k - 1) / (k-th smallest / 2**64) has a relative standard error
  of 1 / sqrt(k - 2) = 0.8 %.

Values are ordered by (count, bytes), never at random: equal blocks give equal bits. Weighted counts are float64 sums of
rows' weights under the same rules; they hold no hashes, as the plain counts of the same values do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.arrow_numpy import from_numpy, take, to_numpy
from trueline.data_validation.joining import joined

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KMV_SIZE", "Frequencies", "distinct_estimate", "hashes_of", "smallest"]

KMV_SIZE = 16_384
_AT_ONCE = 16_384

Counts = npt.NDArray[Any]  # int64, or float64 where they are weights
Hashes = npt.NDArray[np.uint64]


class Frequencies:
    """Counts of distinct byte strings.

    Attributes:
        values: the values, Arrow binary without nulls.
        counts: how often each occurs, or the weight of it; a lower bound when `error` > 0.
        error: how far below the truth a count may be; 0 means exact.
        hashes: the smallest hashes of all distinct values, ascending, once values have been dropped; else None.
        settled: whether `values` are distinct for certain. Merging puts values side by side; equal ones are joined
            when there are more than `max_distinct` and twice as many as either side had when joined last, so a string
            is hashed a few times and not once a merge.
    """

    def __init__(self, max_distinct: int, max_bytes: int, weighted: bool = False) -> None:
        import pyarrow as pa

        self.max_distinct = max_distinct
        self.max_bytes = max_bytes
        self.values: pa.Array = pa.nulls(0, pa.binary())
        self.weighted = weighted
        self.counts: Counts = np.empty(0, np.float64 if weighted else np.int64)
        self.error: int | float = 0.0 if weighted else 0
        self.hashes: Hashes | None = None
        self.settled = True
        self.joined = 0

    def add(self, values: pa.Array, counts: Counts, settled: bool = True) -> None:
        """Takes in distinct values, Arrow strings or bytes without nulls, and how often each occurs.

        Args:
            values: the values.
            counts: how often each occurs.
            settled: whether they are distinct for certain: a file's dictionary only should be.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        values = _without_bitmap(pc.cast(values, pa.binary()))
        if self.hashes is not None:
            self.hashes = smallest(self.hashes, hashes_of(values))
        if len(self.counts) and values.nbytes > self.max_bytes:  # so much and more may not fit into one array
            apart = Frequencies(self.max_distinct, self.max_bytes, self.weighted)
            apart.add(values, counts, settled)
            self.merge(apart)
        else:
            self._add(values, counts, settled, 0)

    def merge(self, other: Frequencies) -> None:
        """Takes in the counts of other values."""
        if other.hashes is not None or self.hashes is not None:
            self.hashes = smallest(self._known_hashes(), other._known_hashes())
        self.error += other.error
        self._add(other.values, other.counts, other.settled, other.joined)

    @property
    def unique(self) -> int:
        """The number of distinct values: exact, or the sketch's estimate."""
        self.settle()
        if self.hashes is None:
            return len(self.counts)
        return max(distinct_estimate(self.hashes), len(self.counts))

    def top(self, limit: int, threshold: float) -> tuple[list[bytes], list[Any]]:
        """The most frequent values and their counts, greatest (count, bytes) first.

        Args:
            limit: how many at most.
            threshold: least count; what counts nothing is never among them.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        self.settle()
        chosen = np.flatnonzero((self.counts >= threshold) & (self.counts > 0))
        if len(chosen) > limit:
            least = np.partition(self.counts[chosen], len(chosen) - limit)[len(chosen) - limit]
            chosen = chosen[self.counts[chosen] >= least]
        counts, values = self.counts[chosen], take(self.values, chosen)
        table = pa.Table.from_arrays([from_numpy(counts), values], ["count", "value"])
        order = pc.sort_indices(table, sort_keys=[("count", "descending"), ("value", "descending")])[:limit]
        return values.take(order).to_pylist(), counts[to_numpy(order)].tolist()

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state: a JSON header and arrays; `restore` is its inverse."""
        arrays: dict[str, Any] = {"values": self.values, "counts": self.counts}
        if self.hashes is not None:
            arrays["hashes"] = self.hashes
        return {"error": self.error, "settled": self.settled, "joined": self.joined}, arrays

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        self.values, self.counts, self.settled = arrays["values"], arrays["counts"], bool(header["settled"])
        self.joined = int(header["joined"])
        self.error, self.hashes = self.counts.dtype.type(header["error"]).item(), arrays.get("hashes")

    def _add(self, values: pa.Array, counts: Counts, settled: bool, joined: int) -> None:
        """Puts values beside those that are there; equal ones are joined only when there are too many.

        Args:
            values, counts, settled: as in `add`.
            joined: how many there were when they were joined last.
        """
        import pyarrow as pa

        if len(counts) == 0:
            return
        if len(self.counts):
            values, counts = pa.concat_arrays([self.values, values]), np.concatenate([self.counts, counts])
            settled = False
        self.values, self.counts, self.settled = values, counts, settled
        self.joined = max(self.joined, joined)
        if len(counts) > max(self.max_distinct, 2 * self.joined) or values.nbytes > self.max_bytes:
            self.settle()

    def settle(self) -> None:
        """Joins equal values, and drops the rarest where there are too many."""
        if not self.settled:
            self.values, self.counts = joined(self.values, self.counts)
            self.settled = True
        self._compact()
        self.joined = len(self.counts)

    def _compact(self) -> None:
        n = len(self.counts)
        keep = min(n, self.max_distinct)
        if self.values.nbytes > self.max_bytes:
            keep = min(keep, max(1, n * self.max_bytes // (2 * self.values.nbytes)))
        if keep == n:
            return
        self.hashes = None if self.weighted else self._known_hashes()
        lowered = np.partition(self.counts, n - keep - 1)[n - keep - 1].item()
        chosen = np.flatnonzero(self.counts > lowered)
        self.values = take(self.values, chosen)
        self.counts = np.asarray(self.counts[chosen] - lowered, self.counts.dtype)
        self.error += lowered

    def _known_hashes(self) -> Hashes:
        """The smallest hashes of everything seen."""
        if self.hashes is not None:
            return self.hashes
        return smallest(hashes_of(self.values))


def _without_bitmap(values: pa.Array) -> pa.Array:
    """The same without a bitmap that says of every value that it is there: its bytes would count."""
    import pyarrow as pa

    bitmap, *others = values.buffers()
    if bitmap is None:
        return values
    return pa.Array.from_buffers(values.type, len(values), [None, *others], 0, values.offset)


def distinct_estimate(hashes: Hashes) -> int:
    """How many distinct values have these smallest hashes: exact below `KMV_SIZE`."""
    if len(hashes) < KMV_SIZE:
        return len(hashes)
    return round((KMV_SIZE - 1) * 2.0**64 / (float(hashes[-1]) + 1.0))


def hashes_of(values: pa.Array) -> Hashes:
    """The stable hashes of text or bytes; worked out in parts that fit into the processor's cache."""
    from trueline._core.hash import hash_array

    parts = [hash_array(values[start : start + _AT_ONCE]) for start in range(0, len(values), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def smallest(*hashes: Hashes) -> Hashes:
    """The `KMV_SIZE` smallest distinct hashes of these, ascending."""
    return np.unique(np.concatenate(hashes))[:KMV_SIZE]
