"""Exact ranks with bounded memory: the keys below which a given number of a stratum's rows lie.

The first pass counts the rows of each stratum and finds their least and greatest key; each further pass counts keys in
the bins of one interval a boundary and goes down into the bin where the rank falls, until a bin's edge, or a single
key, is the answer. So the ranks are exact for any number of rows; memory is that of the bins (2**20 counters or so, for
all boundaries together), and a handful of passes over one or two columns is all the time that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trueline.data.splits_ranks import I64, U64, Strata
from trueline.engine.base import AccumulatorSpec, Dataset, Engine

__all__ = ["find_thresholds", "next_keys", "ranks_of"]

_BINS_BITS = 20
_ACCUMULATORS = "trueline.data.splits_ranks"


@dataclass
class _Search:
    """The rank of one boundary in one stratum, being narrowed down."""

    boundary: int
    stratum: int
    low: int
    rank: int

    def step(self, bins: I64, bin_bits: int) -> int | None:
        """Goes down into the bin where the rank falls; the threshold when it is found."""
        ends = np.cumsum(bins)
        place = int(np.searchsorted(ends, self.rank))
        self.low += place << bin_bits
        if int(ends[place]) == self.rank:
            return self.low + (1 << bin_bits)
        self.rank -= int(ends[place] - bins[place])
        if bin_bits == 0:  # rows with the same key stay together, on the side that is nearer to the rank
            return self.low + (1 if 2 * self.rank >= int(bins[place]) else 0)
        return None


def ranks_of(rows: int, shares: Sequence[int]) -> list[int]:
    """How many of a stratum's rows belong to the first split, to the first two, and so on: rounded to whole rows."""
    total = sum(shares)
    return [(2 * rows * end + total) // (2 * total) for end in np.cumsum(shares).tolist()]


def next_keys(
    strata: Strata, thresholds: Sequence[int], dataset: Dataset, engine: Engine, sources: Sequence[str]
) -> list[int]:
    """The least key at or above each threshold, or the threshold itself where no row follows."""
    params = {**strata.params(sources), "thresholds": list(thresholds)}
    found = engine.run(AccumulatorSpec[list[int]](f"{_ACCUMULATORS}:NextKeys", params), dataset, strata.columns)
    return [t if key == (1 << 64) - 1 else key for t, key in zip(thresholds, found, strict=True)]


def find_thresholds(
    strata: Strata, shares: Sequence[int], dataset: Dataset, engine: Engine, sources: Sequence[str]
) -> tuple[U64, I64, list[list[int]], tuple[int, int]]:
    """For each stratum the keys from which on a row belongs to the next split.

    Returns:
        The strata's ids, their rows, for each stratum ``len(shares) - 1`` thresholds (2**64: no row belongs to a later
        split; 0: every row does), and the least and the greatest key.
    """
    base = strata.params(sources)
    summary = AccumulatorSpec[tuple[U64, I64, U64, U64]](f"{_ACCUMULATORS}:StrataSummary", base)
    ids, rows, lows, highs = engine.run(summary, dataset, strata.columns)
    found = [[0] * (len(shares) - 1) for _ in ids]
    searches = []
    low = int(lows.min()) if len(lows) else 0
    high = int(highs.max()) if len(highs) else 0
    for s, count in enumerate(rows.tolist()):
        for b, rank in enumerate(ranks_of(count, shares)[:-1]):
            if rank == count:
                found[s][b] = 1 << 64
            elif rank:
                searches.append(_Search(b, s, low, rank))
    width = max((high - low).bit_length(), 1)
    while searches:
        searches, width = _narrow(searches, width, ids, found, base, (dataset, engine, strata.columns))
    return ids, rows, found, (low, high)


def _narrow(
    searches: list[_Search], width: int, ids: U64, found: list[list[int]], base: Mapping[str, Any], run: Any
) -> tuple[list[_Search], int]:
    """One pass: the searches that go on, and the bits of their intervals."""
    dataset, engine, columns = run
    many = max(len(searches) - 1, 1).bit_length()
    bits = max(1, min(16, _BINS_BITS - many, width))
    by_boundary: dict[int, list[_Search]] = {}
    for search in searches:
        by_boundary.setdefault(search.boundary, []).append(search)
    groups = list(by_boundary.values())
    targets = [{"ids": [int(ids[s.stratum]) for s in g], "low": [s.low for s in g]} for g in groups]
    params = {**base, "targets": targets, "width": width, "bits": bits}
    counts = engine.run(AccumulatorSpec(f"{_ACCUMULATORS}:RankBins", params), dataset, columns)
    going = []
    for group, table in zip(groups, counts, strict=True):
        for search, bins in zip(group, table, strict=True):
            threshold = search.step(bins, width - bits)
            if threshold is None:
                going.append(search)
            else:
                found[search.stratum][search.boundary] = threshold
    return going, width - bits
