"""The accumulators of the leak check: sets of hashes in a slice, spans of time, counts, values behind hashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EarlierThan", "HashSet", "TimeSpan", "ValuesOf"]

U64 = np.ndarray[Any, np.dtype[np.uint64]]


def _hashes(batch: pa.RecordBatch, by: Sequence[str]) -> U64:
    """The hash of each row's group, rows with a missing value left out; of the whole row without columns."""
    import pyarrow.compute as pc

    from trueline._core.hash import hash_rows

    for name in by:
        if batch.column(name).null_count:
            batch = batch.filter(pc.is_valid(batch.column(name)))
    return hash_rows(batch, list(by) or None)


class HashSet:
    """The different hashes of one slice of the hash space, or None when they are more than the limit.

    Args:
        by: the columns of a group; none: the whole row.
        part: which slice.
        slices: how many slices there are.
        limit: how many hashes are held.
    """

    def __init__(self, by: Sequence[str], part: int, slices: int, limit: int) -> None:
        self._by, self._part, self._slices, self._limit = by, part, slices, limit
        self.found: U64 | None = np.zeros(0, np.uint64)

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in a block."""
        hashes = _hashes(batch, self._by)
        self._take(hashes[hashes % np.uint64(self._slices) == np.uint64(self._part)])

    def merge(self, other: HashSet) -> None:
        """Takes in another's hashes."""
        self._take(other.found)

    def _take(self, hashes: U64 | None) -> None:
        if hashes is None or self.found is None:
            self.found = None
            return
        both = np.concatenate([self.found, hashes])
        both.sort(kind="stable")  # two ascending runs are merged in one pass
        both = both[np.concatenate([[True], both[1:] != both[:-1]])] if len(both) else both
        self.found = both if len(both) <= self._limit else None

    def state(self) -> bytes:
        """The hashes."""
        found = np.zeros(0, np.uint64) if self.found is None else self.found
        return pack_state("hash set", 1, {"over": self.found is None}, {"found": found})

    @classmethod
    def load(cls, state: bytes, **params: Any) -> HashSet:
        """From a state."""
        _, header, arrays = unpack_state(state, "hash set", 1)
        made = cls(**params)
        made.found = None if header["over"] else arrays["found"]
        return made

    def finish(self) -> U64 | None:
        """The hashes, ascending."""
        return self.found


class ValuesOf:
    """The values that have certain hashes, as text."""

    def __init__(self, by: Sequence[str], hashes: Sequence[int]) -> None:
        self._by, self._wanted = by, np.array(sorted(hashes), np.uint64)
        self.found: dict[int, str] = {}

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in a block."""
        import pyarrow as pa

        from trueline._core.hash import hash_rows

        hashes = hash_rows(batch, list(self._by))
        for position in np.flatnonzero(np.isin(hashes, self._wanted)):
            key = int(hashes[position])
            if key not in self.found:
                row = batch.select(list(self._by)).take(pa.array([position])).to_pylist()[0]
                self.found[key] = " ".join(f"{name}={value!r}" for name, value in row.items())

    def merge(self, other: ValuesOf) -> None:
        """Takes in another's values; the first stay."""
        self.found = {**other.found, **self.found}

    def state(self) -> bytes:
        """The values."""
        return pack_state("values of", 1, [[key, self.found[key]] for key in sorted(self.found)])

    @classmethod
    def load(cls, state: bytes, **params: Any) -> ValuesOf:
        """From a state."""
        _, header, _ = unpack_state(state, "values of", 1)
        made = cls(**params)
        made.found = {int(key): str(text) for key, text in header}
        return made

    def finish(self) -> dict[int, str]:
        """Text by hash."""
        return self.found


class TimeSpan:
    """The least and greatest key of a column of times; None without rows."""

    def __init__(self, column: str) -> None:
        self._column = column
        self.span: tuple[int, int] | None = None

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in a block."""
        keys = _keys(batch, self._column)
        if len(keys):
            self._take((int(keys.min()), int(keys.max())))

    def _take(self, span: tuple[int, int] | None) -> None:
        if span is not None:
            mine = self.span or span
            self.span = (min(mine[0], span[0]), max(mine[1], span[1]))

    def merge(self, other: TimeSpan) -> None:
        """Takes in another's span."""
        self._take(other.span)

    def state(self) -> bytes:
        """The span."""
        return pack_state("time span", 1, list(self.span) if self.span else [])

    @classmethod
    def load(cls, state: bytes, **params: Any) -> TimeSpan:
        """From a state."""
        _, header, _ = unpack_state(state, "time span", 1)
        made = cls(**params)
        made.span = (int(header[0]), int(header[1])) if header else None
        return made

    def finish(self) -> tuple[int, int] | None:
        """Least and greatest key."""
        return self.span


class EarlierThan:
    """How many rows are earlier than a key."""

    def __init__(self, column: str, key: int) -> None:
        self._column, self._key = column, key
        self.rows = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in a block."""
        self.rows += int((_keys(batch, self._column) < np.uint64(self._key)).sum())

    def merge(self, other: EarlierThan) -> None:
        """Adds another's rows."""
        self.rows += other.rows

    def state(self) -> bytes:
        """The number."""
        return pack_state("earlier than", 1, self.rows)

    @classmethod
    def load(cls, state: bytes, **params: Any) -> EarlierThan:
        """From a state."""
        made = cls(**params)
        made.rows = int(unpack_state(state, "earlier than", 1)[1])
        return made

    def finish(self) -> int:
        """The number."""
        return self.rows


def _keys(batch: pa.RecordBatch, column: str) -> U64:
    """The keys of the rows that have a time."""
    import pyarrow.compute as pc

    from trueline.data.splits_ranks import order_keys

    if batch.column(column).null_count:
        batch = batch.filter(pc.is_valid(batch.column(column)))
    return order_keys(batch, column)
