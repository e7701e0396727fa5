"""Pieces of natural-language statistics: distributions of lengths, occurrences of tokens, the worst sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.quantiles import QuantileSummary

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Distribution", "ReportedSequences", "TokenCounts"]

_POINTS = 4096
_REPORTED, _SHOWN_TOKENS, _SHOWN_CHARACTERS = 5, 100, 2000
_P1, _P3 = np.uint64(0x9E3779B185EBCA87), np.uint64(0x165667B19E3779F9)
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Distribution:
    """Whole numbers: extremes exact, quantiles exact up to 4096 distinct ones."""

    def __init__(self) -> None:
        self.summary = QuantileSummary(_POINTS)
        self.least = self.most = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.summary.count)

    def update(self, numbers: Ints) -> None:
        """Takes in numbers."""
        if len(numbers):
            ordered = np.sort(numbers)
            self._add(QuantileSummary.of_sorted(ordered.astype(np.float64), _POINTS), int(ordered[0]), int(ordered[-1]))

    def merge(self, other: Distribution) -> None:
        """Takes in other numbers."""
        if other.count:
            self._add(other.summary, other.least, other.most)

    def _add(self, summary: QuantileSummary, least: int, most: int) -> None:
        self.least = min(self.least, least) if self.count else least
        self.most = max(self.most, most)
        self.summary.merge(summary)

    def parts(self) -> dict[str, Any]:
        """The state as arrays."""
        numbers = np.array([self.least, self.most, int(self.summary.error)], np.int64)
        return {"numbers": numbers, "points": self.summary.values, "weights": self.summary.weights}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        self.least, self.most, self.summary.error = (int(n) for n in arrays["numbers"])
        self.summary.values, self.summary.weights = arrays["points"], arrays["weights"]


class TokenCounts:
    """How often each constrained token occurs, in how many sequences, and at which place of them."""

    def __init__(self, tokens: int, buckets: int) -> None:
        self._buckets = buckets
        # Columns: occurrences, sequences with it, least and most occurrences in a sequence, sequences seen.
        self._table = np.zeros((tokens, 5), np.int64)
        self._positions = np.zeros((tokens, buckets), np.int64)

    def update(self, occurs: npt.NDArray[np.bool_], starts: Ints, sizes: Ints) -> None:
        """Takes in sequences: which token stands where, where sequences begin, and how long each is."""
        if len(self._table) == 0:
            return
        within = np.arange(occurs.shape[1]) - np.repeat(starts, sizes)
        bucket = (within / np.repeat(sizes, sizes) * self._buckets).astype(np.int64)
        table, positions = np.zeros_like(self._table), np.zeros_like(self._positions)
        for token, row in enumerate(occurs):
            each = np.add.reduceat(row.astype(np.int64), starts)
            table[token] = each.sum(), np.count_nonzero(each), each.min(), each.max(), len(each)
            if self._buckets:
                positions[token] = np.bincount(bucket[row], minlength=self._buckets)
        self._add(table, positions)

    def merge(self, other: TokenCounts) -> None:
        """Takes in other sequences."""
        self._add(other._table, other._positions)

    def _add(self, table: Ints, positions: Ints) -> None:
        self._positions = self._positions + positions
        if len(table) == 0 or table[0, 4] == 0:
            return
        if self._table[0, 4] == 0:
            self._table = table
            return
        merged = self._table + table
        merged[:, 2] = np.minimum(self._table[:, 2], table[:, 2])
        merged[:, 3] = np.maximum(self._table[:, 3], table[:, 3])
        self._table = merged

    def parts(self) -> dict[str, Any]:
        """The state as arrays."""
        return {"table": self._table, "positions": self._positions}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        if arrays["table"].shape != self._table.shape or arrays["positions"].shape != self._positions.shape:
            raise ValueError("counts of other tokens")
        self._table, self._positions = arrays["table"], arrays["positions"]

    def fill(self, message: Any, token: int, sequences: int) -> None:
        """Writes one token's figures into a `TokenStatistics`; none for a token that never occurs."""
        times, found_in, least, most, _ = self._table[token].tolist()
        if times == 0:
            return
        message.frequency = times
        message.fraction_of_sequences = found_in / sequences
        message.per_sequence_min_frequency, message.per_sequence_max_frequency = least, most
        message.per_sequence_avg_frequency = times / found_in
        for bucket in np.flatnonzero(self._positions[token]).tolist():
            message.positions.buckets.add(
                low_value=bucket / self._buckets,
                high_value=(bucket + 1) / self._buckets,
                sample_count=float(self._positions[token, bucket]),
            )


class ReportedSequences:
    """The distinct sequences with the lowest metric, the earlier one of equal ones first."""

    def __init__(self) -> None:
        self.worst: list[tuple[float, str]] = []

    def update(self, metric: Floats, encoded: pa.Array, starts: Ints, sizes: Ints, shown: Sequence[str | int]) -> None:
        """Takes in sequences: their metric, their tokens as codes, where they begin, how long they are."""
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        _, firsts = np.unique(_sequence_hashes(encoded, codes, starts, sizes), return_index=True)
        firsts.sort()
        chosen = firsts[np.argsort(metric[firsts], kind="stable")][: 2 * _REPORTED]
        found = []
        for place in chosen.tolist():
            start, size = int(starts[place]), int(sizes[place])
            tokens = [shown[code] for code in codes[start : start + min(size, _SHOWN_TOKENS)].tolist()]
            text = str(tokens)
            if size > _SHOWN_TOKENS or len(text) > _SHOWN_CHARACTERS:
                text = f"{text[: min(len(text) - 1, _SHOWN_CHARACTERS)]}, ...]"
            found.append((float(metric[place]), text))
        self._add(found)

    def merge(self, other: ReportedSequences) -> None:
        """Takes in the worst of later blocks."""
        self._add(other.worst)

    def _add(self, found: list[tuple[float, str]]) -> None:
        ordered = sorted([*self.worst, *found], key=lambda item: item[0])
        distinct: dict[str, float] = {}
        for metric, text in ordered:
            distinct.setdefault(text, metric)
        self.worst = [(metric, text) for text, metric in distinct.items()][:_REPORTED]


def _sequence_hashes(encoded: pa.Array, codes: Any, starts: Ints, sizes: Ints) -> npt.NDArray[np.uint64]:
    """A hash of each sequence of tokens."""
    from trueline._core.hash import hash_array

    within = (np.arange(len(codes)) - np.repeat(starts, sizes)).astype(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (hash_array(encoded.dictionary)[codes] ^ (within * _P1)) * _P3
        return np.add.reduceat(mixed ^ (mixed >> np.uint64(29)), starts)
