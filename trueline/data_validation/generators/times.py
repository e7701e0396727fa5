"""Does a feature hold points in time? A guess from texts in common formats, and from integers that could be Unix times.

Texts are matched against 17 formats of dates, 3 of times, each date with each time ("T" or a blank between), and the
format of C's ``asctime``. Integers are matched against seconds, milliseconds, microseconds, nanoseconds and days since
1970 within the years 1990 to 2029. The format that matches most values is the guess (of equally frequent ones the
first of this list), when at least 100 values were looked at and 80 % match it. An empty text, a text that is no UTF-8,
or any value that is neither text nor integer ends the guess. Source of the rule: TensorFlow Data Validation.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.data_validation.generators.guesses import (
    MATCH_RATIO,
    VALUES_THRESHOLD,
    as_text,
    looked_at,
    say_domain,
)
from trueline.data_validation.generators.leaves import Leaf

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["FORMATS", "TimeGuess"]

_DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%y-%m-%d", "%y/%m/%d"),
    *("%m-%d-%Y", "%m/%d/%Y", "%m%d%Y", "%m-%d-%y", "%m/%d/%y"),
    *("%d-%m-%Y", "%d/%m/%Y", "%d%m%Y", "%d-%B-%Y", "%d-%m-%y", "%d/%m/%y", "%d-%B-%y"),
)
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f")
FORMATS = (
    *_DATES,
    *_TIMES,
    "%a %b %d %H:%M:%S %Y",
    *(date + between + time for date, time, between in itertools.product(_DATES, _TIMES, ("T", " "))),
)
"""All formats, in the order of precedence."""

# English names always: what a feature holds must not depend on the machine's language.
_DAYS = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTHS = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DIRECTIVES = {
    "%a": _DAYS,
    "%b": "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
    "%B": _MONTHS,
    "%d": r"(?:3[01]|[12][0-9]|0[1-9]|[1-9]| [1-9])",
    "%f": r"[0-9]{1,6}",
    "%H": r"(?:2[0-3]|[01][0-9]|[0-9])",
    "%m": r"(?:1[0-2]|0[1-9]|[1-9])",
    "%M": r"(?:[0-5][0-9]|[0-9])",
    "%S": r"(?:6[01]|[0-5][0-9]|[0-9])",
    "%y": r"[0-9]{2}",
    "%Y": r"[0-9]{4}",
}
# The same with digits of any value, written as 9: which formats a text of that shape could have.
_SHAPES = {**dict.fromkeys(("%d", "%H", "%m", "%M", "%S"), " ?9{1,2}"), "%f": "9{1,6}", "%y": "99", "%Y": "9999"}
_LONGEST = 40
_POSSIBLE = f"^(?:[0-9 ][0-9/: .-]*(?:{_MONTHS}-)?[0-9/: .T-]*|{_DAYS} [A-Z][a-z]+ [0-9: ]+)$"
"""What every text of a known format matches, and few other texts do."""

# integer_format of TimeDomain -> how many of it make a day
_UNITS = {1: 86_400, 2: 86_400_000, 3: 86_400_000_000, 4: 86_400_000_000_000, 5: 1}
_FIRST_DAY, _LAST_DAY = 7305, 21915
"""1990-01-01 and 2030-01-01 in days since 1970-01-01."""


class TimeGuess:
    """How many values of one feature match which format."""

    def __init__(
        self, match_ratio: float = MATCH_RATIO, values_threshold: int = VALUES_THRESHOLD, sample_rate: float = 1.0
    ) -> None:
        self._match_ratio, self._values_threshold, self._sample_rate = match_ratio, values_threshold, sample_rate
        self._texts = np.zeros(len(FORMATS), np.int64)
        self._integers = np.zeros(len(_UNITS), np.int64)
        self._considered = 0
        self._invalid = False

    def update(self, leaf: Leaf) -> None:
        """Takes in the values of a block."""
        values, _ = looked_at(leaf, self._sample_rate)
        if leaf.kind == "int":
            self._integers += _matching_integers(values)
        elif leaf.kind != "text" or not self._update_text(values):
            self._invalid = True
            return
        self._considered += len(values)

    def _update_text(self, values: pa.Array) -> bool:
        """False where a value ends the guess."""
        import pyarrow.compute as pc

        encoded = pc.dictionary_encode(values)
        text = as_text(encoded.dictionary)
        if text is None or pc.any(pc.equal(pc.binary_length(text), 0)).as_py():
            return False
        counts = np.bincount(encoded.indices.to_numpy(zero_copy_only=False), minlength=len(text)).astype(np.int64)
        self._texts += _matching_texts(text, counts)
        return True

    def merge(self, other: TimeGuess) -> None:
        """Takes in other blocks."""
        self._texts += other._texts
        self._integers += other._integers
        self._considered += other._considered
        self._invalid |= other._invalid

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state: a JSON header and arrays."""
        header = {"considered": self._considered, "invalid": self._invalid}
        return header, {"texts": self._texts, "integers": self._integers}

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        self._considered, self._invalid = int(header["considered"]), bool(header["invalid"])
        if arrays["texts"].shape != self._texts.shape or arrays["integers"].shape != self._integers.shape:
            raise ValueError("counts of other formats")
        self._texts, self._integers = arrays["texts"], arrays["integers"]

    def fill(self, message: statistics_pb2.FeatureNameStatistics) -> None:
        """Writes the guess, if there is one."""
        if self._invalid or self._considered < self._values_threshold:
            return
        both = np.concatenate([self._texts, self._integers])
        best = int(np.argmax(both))
        ratio = int(both[best]) / self._considered
        if both[best] == 0 or ratio < self._match_ratio:
            return
        if best < len(FORMATS):
            say_domain(message, f"time_domain {{string_format: '{FORMATS[best]}'}}")
        else:
            say_domain(message, f"time_domain {{integer_format: {list(_UNITS)[best - len(FORMATS)]}}}")
        message.custom_stats.add(name="time_match_ratio", num=ratio)


def _matching_integers(values: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    numbers = values.to_numpy(zero_copy_only=False)
    found = [
        np.count_nonzero((numbers >= _FIRST_DAY * unit) & (numbers < _LAST_DAY * unit)) for unit in _UNITS.values()
    ]
    return np.array(found, np.int64)


def _matching_texts(distinct: pa.Array, counts: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How often each format matches: texts are told apart by their shape first, so that few formats are tried."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = np.zeros(len(FORMATS), np.int64)
    possible = pc.and_(
        pc.less_equal(pc.binary_length(distinct), _LONGEST),
        pc.match_substring_regex(distinct, _POSSIBLE),
    )
    if not pc.any(possible).as_py():
        return found
    counts = counts[possible.to_numpy(zero_copy_only=False)]
    distinct = distinct.filter(possible)
    shapes = pc.dictionary_encode(pc.replace_substring_regex(distinct, "[0-9]", "9"))
    codes = shapes.indices.to_numpy(zero_copy_only=False)
    candidates = [_formats_of_shape(shape) for shape in shapes.dictionary.to_pylist()]
    of_format: dict[int, list[int]] = {}
    for code, formats in enumerate(candidates):
        for number in formats:
            of_format.setdefault(number, []).append(code)
    for number, chosen in of_format.items():
        places = np.flatnonzero(np.isin(codes, chosen))
        matches = pc.match_substring_regex(distinct.take(pa.array(places)), _pattern(FORMATS[number], _DIRECTIVES))
        found[number] = counts[places][matches.to_numpy(zero_copy_only=False)].sum()
    return found


@lru_cache(maxsize=4096)
def _formats_of_shape(shape: str) -> tuple[int, ...]:
    return tuple(number for number, pattern in enumerate(_shape_patterns()) if pattern.match(shape))


@lru_cache(maxsize=1)
def _shape_patterns() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(_pattern(text, {**_DIRECTIVES, **_SHAPES})) for text in FORMATS)


def _pattern(text: str, directives: dict[str, str]) -> str:
    parts = re.split("(%[a-zA-Z])", text)
    return "^" + "".join(directives.get(part) or re.escape(part) for part in parts) + r"$"
