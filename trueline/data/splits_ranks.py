"""Strata and keys: an unsigned 64-bit number that orders the rows of a stratum, and the accumulators over them.

A key is a time, or the hash of ``__row__``. `trueline.data.splits_search` finds ranks with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import DataError
from trueline._core.rowid import ROW_COLUMN
from trueline.data.rows import keep_from_json
from trueline.data.splits import missing_value
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "I64",
    "MAX_STRATA",
    "U64",
    "NextKeys",
    "RankBins",
    "Strata",
    "StrataSummary",
    "draw_keys",
    "order_keys",
    "strata_of",
]

MAX_STRATA = 10_000
"""How many different values a column may have by which rows are stratified."""
_STRATA_SEED = 0x535452415441
_SIGN = np.uint64(1 << 63)
_LAST = np.uint64((1 << 64) - 1)
U64 = np.ndarray[Any, np.dtype[np.uint64]]
I64 = np.ndarray[Any, np.dtype[np.int64]]


def order_keys(batch: pa.RecordBatch, column: str, sources: Sequence[str] | None = None) -> U64:
    """Keys in the order of a column of times or numbers.

    Raises:
        DataError: for a column of another type, and for values that are missing or no finite number, naming the row.
    """
    import pyarrow as pa
    import pyarrow.types as t

    array = batch.column(column)
    if not (t.is_timestamp(array.type) or t.is_int64(array.type) or t.is_float64(array.type)):
        raise DataError(
            f"column {column!r} is {array.type}: rows cannot be put in the order of time by it",
            hint="give a column of timestamps or numbers; text must be in ISO 8601 to be read as a timestamp.",
        )
    use = "the rows are split by its time"
    if array.null_count:
        raise missing_value(batch, column, array.is_null().to_numpy(zero_copy_only=False), use, sources)
    if not t.is_float64(array.type):
        whole = array.cast(pa.int64()).to_numpy(zero_copy_only=False)
        flipped: U64 = whole.view(np.uint64) ^ _SIGN
        return flipped
    floats = array.to_numpy(zero_copy_only=False) + 0.0
    if not np.isfinite(floats).all():
        raise missing_value(batch, column, ~np.isfinite(floats), use, sources)
    bits = floats.view(np.uint64)
    keys: U64 = np.where(bits >> np.uint64(63), ~bits, bits | _SIGN)
    return keys


def strata_of(batch: pa.RecordBatch, by: Sequence[str]) -> U64:
    """Which stratum each row belongs to: a hash of its values in `by`; a missing value is one of its own."""
    from trueline._core.hash import hash_array, hash_rows

    return hash_array(batch.column(by[0])) if len(by) == 1 else hash_rows(batch, list(by))


def draw_keys(batch: pa.RecordBatch, seed: int) -> U64:
    """Keys in a random order: no two rows have the same, since the hash of a whole number is a permutation."""
    from trueline._core.hash import hash_array

    return hash_array(batch.column(ROW_COLUMN), seed ^ _STRATA_SEED)


@dataclass(frozen=True)
class Strata:
    """Which keys and strata rows have: by time (one stratum), or by the values of columns.

    Args:
        time: the column of times, or None.
        by: the columns of the strata, where there is no time.
        seed: of the draw inside a stratum.
        keep: which rows count, as JSON.
    """

    time: str | None
    by: tuple[str, ...]
    seed: int
    keep: Mapping[str, Any]

    @property
    def columns(self) -> list[str]:
        """The columns to read."""
        names = [self.time] if self.time is not None else list(self.by)
        return list(dict.fromkeys([*names, ROW_COLUMN, *keep_from_json(self.keep).columns]))

    def of(self, batch: pa.RecordBatch, sources: Sequence[str] | None = None) -> tuple[U64, U64]:
        """Stratum and key of each kept row."""
        kept = keep_from_json(self.keep).apply(batch)[0]
        if self.time is not None:
            return np.zeros(kept.num_rows, np.uint64), order_keys(kept, self.time, sources)
        return strata_of(kept, self.by), draw_keys(kept, self.seed)

    def params(self, sources: Sequence[str]) -> dict[str, Any]:
        """As parameters of an accumulator."""
        how = {"time": self.time, "by": list(self.by), "seed": self.seed, "keep": dict(self.keep)}
        return {**how, "sources": list(sources)}


class _OverStrata:
    """What the accumulators here share: how they were made, and how a row gets its stratum."""

    def __init__(
        self, time: str | None, by: Sequence[str], seed: int, keep: Mapping[str, Any], sources: Sequence[str]
    ) -> None:
        self._strata = Strata(time, tuple(by), seed, keep)
        self._sources = sources

    def _of(self, batch: pa.RecordBatch) -> tuple[U64, U64]:
        return self._strata.of(batch, self._sources)


class StrataSummary(_OverStrata):
    """For each stratum: its rows, its least and its greatest key. An exact accumulator.

    Raises:
        DataError: beyond `MAX_STRATA`.
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.ids = np.zeros(0, np.uint64)
        self.rows = np.zeros(0, np.int64)
        self.low = np.zeros(0, np.uint64)
        self.high = np.zeros(0, np.uint64)

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in a block."""
        ids, keys = self._of(batch)
        self._take(ids, np.ones(len(ids), np.int64), keys, keys)

    def merge(self, other: StrataSummary) -> None:
        """Takes in another's strata."""
        self._take(other.ids, other.rows, other.low, other.high)

    def _take(self, ids: U64, rows: I64, low: U64, high: U64) -> None:
        every = np.concatenate([self.ids, ids])
        found, where = np.unique(every, return_inverse=True)
        if len(found) > MAX_STRATA:
            raise DataError(
                f"{', '.join(self._strata.by)} has more than {MAX_STRATA} different values, too many to stratify by",
                hint="stratify by a column with fewer values, or use group_by to keep equal values together.",
            )
        self.rows = np.bincount(where, np.concatenate([self.rows, rows]), len(found)).astype(np.int64)
        least = np.full(len(found), _LAST)
        np.minimum.at(least, where, np.concatenate([self.low, low]))
        greatest = np.zeros(len(found), np.uint64)
        np.maximum.at(greatest, where, np.concatenate([self.high, high]))
        self.ids, self.low, self.high = found, least, greatest

    def state(self) -> bytes:
        """The strata as arrays."""
        arrays = {"ids": self.ids, "rows": self.rows, "low": self.low, "high": self.high}
        return pack_state("strata", 1, {}, arrays)

    @classmethod
    def load(cls, state: bytes, **params: Any) -> StrataSummary:
        """From a state."""
        _, _, arrays = unpack_state(state, "strata", 1)
        made = cls(**params)
        made.ids, made.rows, made.low, made.high = (arrays[n] for n in ("ids", "rows", "low", "high"))
        return made

    def finish(self) -> tuple[U64, I64, U64, U64]:
        """Ids ascending, rows, least and greatest keys."""
        return self.ids, self.rows, self.low, self.high


class RankBins(_OverStrata):
    """Counts of keys in equal bins of one interval a stratum, for each boundary. An exact accumulator.

    Args:
        targets: for each boundary its strata (ascending) and the starts of their intervals.
        width: bits of an interval.
        bits: bits of the number of bins.
        params: see `Strata`.
    """

    def __init__(self, targets: Sequence[Mapping[str, Sequence[int]]], width: int, bits: int, **params: Any) -> None:
        super().__init__(**params)
        self._targets = [(np.array(t["ids"], np.uint64), np.array(t["low"], np.uint64)) for t in targets]
        self._width, self._bits = width, bits
        self.counts = [np.zeros(len(ids) << bits, np.int64) for ids, _ in self._targets]

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in a block."""
        ids, keys = self._of(batch)
        for counts, (strata, low) in zip(self.counts, self._targets, strict=True):
            if not len(strata):
                continue
            place = np.minimum(np.searchsorted(strata, ids), len(strata) - 1)
            offset = keys - low[place]
            inside = (strata[place] == ids) & (keys >= low[place])
            if self._width < 64:
                inside &= (offset >> np.uint64(self._width)) == 0
            bins = (offset[inside] >> np.uint64(self._width - self._bits)).astype(np.int64)
            counts += np.bincount((place[inside] << self._bits) + bins, minlength=len(counts))

    def merge(self, other: RankBins) -> None:
        """Adds another's counts."""
        for mine, theirs in zip(self.counts, other.counts, strict=True):
            mine += theirs

    def state(self) -> bytes:
        """The counts that are not zero."""
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for number, counts in enumerate(self.counts):
            filled = np.flatnonzero(counts)
            arrays[f"bins{number}"], arrays[f"counts{number}"] = filled, counts[filled]
        return pack_state("ranks", 1, {}, arrays)

    @classmethod
    def load(cls, state: bytes, **params: Any) -> RankBins:
        """From a state."""
        _, _, arrays = unpack_state(state, "ranks", 1)
        made = cls(**params)
        for number, counts in enumerate(made.counts):
            counts[arrays[f"bins{number}"]] = arrays[f"counts{number}"]
        return made

    def finish(self) -> list[I64]:
        """For each boundary the counts, shape ``[strata, bins]``."""
        return [counts.reshape(-1, 1 << self._bits) for counts in self.counts]


class NextKeys(_OverStrata):
    """The least key at or above each of some thresholds: where a split really begins. An exact accumulator.

    Args:
        thresholds: keys.
        params: see `Strata`.
    """

    def __init__(self, thresholds: Sequence[int], **params: Any) -> None:
        super().__init__(**params)
        self._thresholds = np.array(thresholds, np.uint64)
        self.found = np.full(len(self._thresholds), _LAST)

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in a block."""
        keys = self._of(batch)[1]
        for number, threshold in enumerate(self._thresholds):
            later = keys[keys >= threshold]
            if len(later):
                self.found[number] = min(self.found[number], later.min())

    def merge(self, other: NextKeys) -> None:
        """Takes in another's keys."""
        self.found = np.minimum(self.found, other.found)

    def state(self) -> bytes:
        """The keys."""
        return pack_state("next keys", 1, {}, {"found": self.found})

    @classmethod
    def load(cls, state: bytes, **params: Any) -> NextKeys:
        """From a state."""
        made = cls(**params)
        made.found = unpack_state(state, "next keys", 1)[2]["found"]
        return made

    def finish(self) -> list[int]:
        """A key for each threshold; the greatest there can be where no row follows."""
        return [int(key) for key in self.found]
