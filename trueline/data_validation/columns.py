"""What is accumulated for one feature: presence and valency at each list level, numbers, strings, byte lengths.

Every part is a small monoid: ``update``, ``merge``, ``parts`` (its state) and ``restore``. `PARTS` says which part a
kind of feature carries beside its presence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from trueline.data_validation.frequencies import Frequencies
from trueline.data_validation.moments import Moments
from trueline.data_validation.quantiles import QuantileSummary

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PARTS", "ByteLengths", "Numbers", "Part", "Presence", "Strings"]

Limits = Mapping[str, int]
State = tuple[dict[str, Any], dict[str, Any]]


class Part(Protocol):
    """A mergeable piece of one feature's statistics over its values, which hold no nulls."""

    def update(self, values: pa.Array) -> None: ...
    def merge(self, other: Self) -> None: ...
    def parts(self) -> State: ...
    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None: ...


class Presence:
    """How many rows hold the feature, and how many values a row has, at one list level.

    Attributes:
        present: rows (or lists of the level above) that are not null.
        missing: rows that are null.
        total: all values in them.
        least, most: smallest and greatest number of values in a present row.
        lengths: the distribution of these numbers.
    """

    def __init__(self, limits: Limits) -> None:
        self.present = self.missing = self.total = self.least = self.most = 0
        self.lengths = QuantileSummary(limits["max_quantile_points"])

    def update_scalar(self, present: int, missing: int) -> None:
        """Takes in rows of a column without lists: one value each."""
        self._add(present, missing, present, 1, 1, QuantileSummary.constant(1.0, present, self.lengths.capacity))

    def update_lists(self, lengths: npt.NDArray[np.int64], missing: int) -> None:
        """Takes in the lengths of present lists."""
        if len(lengths) == 0:
            self.missing += missing
            return
        ordered = np.sort(lengths)
        summary = QuantileSummary.of_sorted(ordered.astype(np.float64), self.lengths.capacity)
        self._add(len(lengths), missing, int(lengths.sum()), int(ordered[0]), int(ordered[-1]), summary)

    def merge(self, other: Presence) -> None:
        """Takes in other rows."""
        self._add(other.present, other.missing, other.total, other.least, other.most, other.lengths)

    def _add(self, present: int, missing: int, total: int, least: int, most: int, lengths: QuantileSummary) -> None:
        self.missing += missing
        if present:
            self.least = min(self.least, least) if self.present else least
            self.most = max(self.most, most)
            self.present += present
            self.total += total
            self.lengths.merge(lengths)

    def parts(self) -> State:
        """The state: a JSON header and arrays."""
        header = {name: getattr(self, name) for name in ("present", "missing", "total", "least", "most")}
        inner, arrays = _summary_parts(self.lengths)
        return {**header, "lengths": inner}, arrays

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        for name in ("present", "missing", "total", "least", "most"):
            setattr(self, name, int(header[name]))
        _summary_restore(self.lengths, header["lengths"], arrays)


class Numbers:
    """Numbers: extremes, zeros, NaN, infinities, moments of the finite ones, quantiles.

    Moments, quantiles and the extremes `low` and `high` are of the finite numbers; infinities are counted. Mean and
    standard deviation are NaN where there are infinities, as they are then undefined.
    """

    def __init__(self, limits: Limits) -> None:
        self.nan = self.zeros = self.negative_infinite = self.positive_infinite = 0
        self.low, self.high = math.inf, -math.inf
        self.moments = Moments()
        self.summary = QuantileSummary(limits["max_quantile_points"])

    def update(self, values: pa.Array) -> None:
        """Takes in numbers, booleans (0 and 1) or timestamps (microseconds)."""
        numbers = _as_floats(values)
        numbers.sort()  # NaN goes to the end
        held = len(numbers)
        if held and math.isnan(numbers[-1]):
            held = int(np.searchsorted(numbers, np.nan))
            self.nan += len(numbers) - held
        numbers = numbers[:held]
        if held == 0:
            return
        first = int(np.searchsorted(numbers, -np.inf, side="right"))
        last = int(np.searchsorted(numbers, np.inf))
        zero_from, zero_to = int(np.searchsorted(numbers, 0.0)), int(np.searchsorted(numbers, 0.0, side="right"))
        self.zeros += zero_to - zero_from
        self.negative_infinite += first
        self.positive_infinite += held - last
        finite = numbers[first:last]
        if len(finite):
            self.low, self.high = min(self.low, float(finite[0])), max(self.high, float(finite[-1]))
            self.moments.merge(Moments.of(finite))
            self.summary.merge(QuantileSummary.of_sorted(finite, self.summary.capacity))

    def merge(self, other: Numbers) -> None:
        """Takes in other numbers."""
        for name in ("nan", "zeros", "negative_infinite", "positive_infinite"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.moments.merge(other.moments)
        self.summary.merge(other.summary)

    @property
    def count(self) -> int:
        """How many numbers that are not NaN."""
        return self.moments.count + self.negative_infinite + self.positive_infinite

    @property
    def min(self) -> float:
        """The least number, perhaps -inf; inf where there is none."""
        if self.negative_infinite:
            return -math.inf
        return self.low

    @property
    def max(self) -> float:
        """The greatest number, perhaps inf; -inf where there is none."""
        if self.positive_infinite:
            return math.inf
        return self.high

    def parts(self) -> State:
        """The state: a JSON header and arrays."""
        names = ("nan", "zeros", "negative_infinite", "positive_infinite")
        inner, arrays = _summary_parts(self.summary)
        header = {**{name: getattr(self, name) for name in names}, "count": self.moments.count, "summary": inner}
        arrays["reals"] = np.array([self.low, self.high, self.moments.mean, self.moments.m2], np.float64)
        return header, arrays

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        for name in ("nan", "zeros", "negative_infinite", "positive_infinite"):
            setattr(self, name, int(header[name]))
        self.low, self.high, mean, m2 = (float(x) for x in arrays["reals"])
        self.moments = Moments(int(header["count"]), mean, m2)
        _summary_restore(self.summary, header["summary"], arrays)


class Strings:
    """Strings, or categorical integers as decimal text: frequencies, bytes, and how many are no UTF-8."""

    def __init__(self, limits: Limits) -> None:
        self.bytes = self.invalid = 0
        self.frequencies = Frequencies(limits["max_distinct"], limits["max_distinct_bytes"])

    def update(self, values: pa.Array) -> None:
        """Takes in strings or bytes, plain or dictionary-encoded, integers or booleans."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_boolean(values.type) or pa.types.is_temporal(values.type):
            values = pc.cast(values, pa.int64())
        encoded = values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
        codes, distinct = encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary
        counts = np.bincount(codes, minlength=len(distinct)).astype(np.int64, copy=False)
        if pa.types.is_integer(distinct.type):
            distinct = pc.cast(distinct, pa.string())
        self.bytes += int((pc.binary_length(distinct).to_numpy(zero_copy_only=False) * counts).sum())
        if pa.types.is_binary(distinct.type) or pa.types.is_large_binary(distinct.type):
            self.invalid += _count_invalid(distinct, counts)
        self.frequencies.add(distinct, counts)

    def merge(self, other: Strings) -> None:
        """Takes in other strings."""
        self.bytes += other.bytes
        self.invalid += other.invalid
        self.frequencies.merge(other.frequencies)

    def parts(self) -> State:
        """The state: a JSON header and arrays."""
        inner, arrays = self.frequencies.parts()
        return {"bytes": self.bytes, "invalid": self.invalid, "frequencies": inner}, arrays

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        self.bytes, self.invalid = int(header["bytes"]), int(header["invalid"])
        self.frequencies.restore(header["frequencies"], arrays)


class ByteLengths:
    """Lengths of byte values that are no categories, images for one: count, sum, least, greatest."""

    def __init__(self, limits: Limits) -> None:
        self.count = self.total = self.least = self.most = 0

    def update(self, values: pa.Array) -> None:
        """Takes in strings or bytes."""
        import pyarrow.compute as pc

        if len(values) == 0:
            return
        lengths = pc.binary_length(values).to_numpy(zero_copy_only=False)
        self._add(len(lengths), int(lengths.sum(dtype=np.int64)), int(lengths.min()), int(lengths.max()))

    def merge(self, other: ByteLengths) -> None:
        """Takes in other values."""
        if other.count:
            self._add(other.count, other.total, other.least, other.most)

    def _add(self, count: int, total: int, least: int, most: int) -> None:
        self.least = min(self.least, least) if self.count else least
        self.most = max(self.most, most)
        self.count += count
        self.total += total

    def parts(self) -> State:
        """The state: a JSON header and no arrays."""
        return {name: getattr(self, name) for name in ("count", "total", "least", "most")}, {}

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        for name in ("count", "total", "least", "most"):
            setattr(self, name, int(header[name]))


PARTS: dict[str, Callable[[Limits], Part] | None] = {
    "numeric": Numbers,
    "string": Strings,
    "bytes": ByteLengths,
    "struct": None,
}
"""Kind of feature -> the part that it carries beside its presence."""


def _summary_parts(summary: QuantileSummary) -> State:
    return {"error": summary.error}, {"points": summary.values, "weights": summary.weights}


def _summary_restore(summary: QuantileSummary, header: dict[str, Any], arrays: dict[str, Any]) -> None:
    summary.values, summary.weights, summary.error = arrays["points"], arrays["weights"], int(header["error"])


def _as_floats(values: pa.Array) -> npt.NDArray[np.float64]:
    """Numbers as a fresh float64 array, with -0.0 as 0.0 so that equal values have equal bits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.int8())
    elif pa.types.is_temporal(values.type):
        values = pc.cast(pc.cast(values, pa.timestamp("us"), safe=False), pa.int64())
    return np.asarray(values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False) + 0.0, np.float64)


def _count_invalid(distinct: pa.Array, counts: npt.NDArray[np.int64]) -> int:
    """How many byte values are no UTF-8, given the distinct ones and how often each occurs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.cast(distinct, pa.large_string() if pa.types.is_large_binary(distinct.type) else pa.string())
    except pa.ArrowInvalid:
        wrong = [not _is_utf8(value) for value in distinct.to_pylist()]
        return int(counts[np.array(wrong)].sum())
    return 0


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
