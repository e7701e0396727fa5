"""Does a feature hold natural language? A guess from the lengths of words.

A value is taken for natural language when its first 100 characters are at least 3 words of 2.5 to 8 characters on
average. A feature is, when at least 100 values were looked at and 80 % of them are. One value that is no UTF-8, or any
value that is no text, ends the guess. Source of the rule: TensorFlow Data Validation.

Upstream looks at the first 100 values of each batch, by default 1000 rows; here it is the first 100 values of each
stretch of 1000 rows of a block. So the rate depends on where blocks begin, the counts are sums over blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.generators.guesses import (
    MATCH_RATIO,
    VALUES_THRESHOLD,
    as_text,
    looked_at,
    say_domain,
)
from trueline.data_validation.generators.leaves import Leaf

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["NaturalLanguageGuess"]

_STRETCH_ROWS, _VALUES_OF_A_STRETCH, _CROP = 1000, 100, 100
_LEAST_WORDS, _SHORTEST, _LONGEST = 3, 2.5, 8.0


class NaturalLanguageGuess:
    """How many values of one feature look like natural language."""

    def __init__(
        self, match_ratio: float = MATCH_RATIO, values_threshold: int = VALUES_THRESHOLD, sample_rate: float = 1.0
    ) -> None:
        self._match_ratio, self._values_threshold, self._sample_rate = match_ratio, values_threshold, sample_rate
        self._matched = self._considered = 0
        self._invalid = False

    def update(self, leaf: Leaf) -> None:
        """Takes in the values of a block."""
        import pyarrow as pa

        values, rows = looked_at(leaf, self._sample_rate)
        if leaf.kind != "text":
            self._invalid = True
            return
        text = as_text(values.take(pa.array(_first_of_stretches(rows))))
        if text is None:
            self._invalid = True
            return
        self._considered += len(text)
        self._matched += sum(map(_is_language, text.to_pylist()))

    def merge(self, other: NaturalLanguageGuess) -> None:
        """Takes in other blocks."""
        self._matched += other._matched
        self._considered += other._considered
        self._invalid |= other._invalid

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state: a JSON header and no arrays."""
        return {"matched": self._matched, "considered": self._considered, "invalid": self._invalid}, {}

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        self._matched, self._considered = int(header["matched"]), int(header["considered"])
        self._invalid = bool(header["invalid"])

    def fill(self, message: statistics_pb2.FeatureNameStatistics) -> None:
        """Writes the guess, if there is one."""
        if self._invalid or self._considered < self._values_threshold:
            return
        rate = self._matched / self._considered
        if rate >= self._match_ratio:
            say_domain(message, "natural_language_domain {}")
            message.custom_stats.add(name="natural_language_match_rate", num=rate)


def _first_of_stretches(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Positions of the first 100 values of each stretch; `rows` ascends."""
    stretch = rows // _STRETCH_ROWS
    starts = np.searchsorted(stretch, stretch)
    return np.flatnonzero(np.arange(len(rows)) - starts < _VALUES_OF_A_STRETCH)


def _is_language(value: str) -> bool:
    words = value[:_CROP].split()
    return len(words) >= _LEAST_WORDS and _SHORTEST <= sum(map(len, words)) / len(words) <= _LONGEST
