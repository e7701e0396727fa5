"""Statistics of numbers: extremes, zeros, NaN, infinities, moments and quantiles, plain and weighted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from trueline.data_validation.arrow_numpy import to_numpy
from trueline.data_validation.columns import Floats, Limits, PartOptions, State, summary_parts, summary_restore
from trueline.data_validation.moments import Moments
from trueline.data_validation.quantiles import QuantileSummary

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Numbers", "WeightedNumbers"]

_COUNTS = ("nan", "zeros", "negative_infinite", "positive_infinite")


class WeightedNumbers:
    """The weighted side of `Numbers`: moments and quantiles on the weights of the rows that hold the numbers.

    Attributes:
        moments: of the finite numbers.
        summary: of the finite numbers.
        infinite: the weights of -inf and of inf.
    """

    def __init__(self, limits: Limits) -> None:
        self.moments = Moments(0.0)
        self.summary = QuantileSummary(limits["max_quantile_points"], weights=np.empty(0, np.float64), error=0.0)
        self.infinite = np.zeros(2)

    def update(self, numbers: Floats, weights: Floats) -> None:
        """Takes in ascending numbers without NaN and the weight of each."""
        first = int(np.searchsorted(numbers, -np.inf, side="right"))
        last = int(np.searchsorted(numbers, np.inf))
        self.infinite += (weights[:first].sum(), weights[last:].sum())
        finite, heavy = numbers[first:last], weights[first:last]
        if len(finite):
            self.moments.merge(Moments.of_weighted(finite, heavy))
            self.summary.merge(QuantileSummary.of_weighted(finite, heavy, self.summary.capacity))

    def merge(self, other: WeightedNumbers) -> None:
        """Takes in other numbers."""
        self.infinite += other.infinite
        self.moments.merge(other.moments)
        self.summary.merge(other.summary)

    def parts(self) -> State:
        """The state: a JSON header and arrays, their names beginning with ``weighted_``."""
        header, arrays = summary_parts(self.summary, "weighted_")
        reals = [self.moments.count, self.moments.mean, self.moments.m2, *self.infinite]
        return header, {**arrays, "weighted_reals": np.array(reals, np.float64)}

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        summary_restore(self.summary, header, arrays, "weighted_")
        count, mean, m2, *infinite = (float(x) for x in arrays["weighted_reals"])
        self.moments, self.infinite = Moments(count, mean, m2), np.array(infinite)


class Numbers:
    """Numbers: extremes, zeros, NaN, infinities, moments of the finite ones, quantiles.

    Moments, quantiles and the extremes `low` and `high` are of the finite numbers; infinities are counted. Mean and
    standard deviation are NaN where there are infinities, as they are then undefined. (Transform's mean and variance
    leave infinities out, as TensorFlow Transform's do: the two agree where there are none.)
    """

    takes_nulls: ClassVar[bool] = True

    def __init__(self, limits: Limits, options: PartOptions) -> None:
        self.nan = self.zeros = self.negative_infinite = self.positive_infinite = 0
        self.low, self.high = math.inf, -math.inf
        self.moments = Moments()
        self.summary = QuantileSummary(limits["max_quantile_points"])
        self.weighted = WeightedNumbers(limits) if options.weight else None

    def update(self, values: pa.Array, weights: Floats | None) -> None:
        """Takes in numbers, booleans (0 and 1) or timestamps (microseconds), with the weight of each if weighted."""
        if self.weighted is None or weights is None:
            numbers = _sorted_floats(values)
            self._update(numbers[: len(numbers) - values.null_count])
            return
        numbers = _floats(values)
        order = np.argsort(numbers, kind="stable")
        numbers = numbers[order]
        held = self._update(numbers)
        self.weighted.update(numbers[:held], weights[order[:held]])

    def _update(self, numbers: Floats) -> int:
        """Takes in ascending numbers, NaN at the end; gives how many are no NaN."""
        held = len(numbers)
        if held and math.isnan(numbers[-1]):
            held = int(np.searchsorted(numbers, np.nan))
            self.nan += len(numbers) - held
            numbers = numbers[:held]
        if held == 0:
            return 0
        first = int(np.searchsorted(numbers, -np.inf, side="right")) if numbers[0] == -np.inf else 0
        last = int(np.searchsorted(numbers, np.inf)) if numbers[-1] == np.inf else held
        if numbers[0] <= 0.0 <= numbers[-1]:
            self.zeros += int(np.searchsorted(numbers, 0.0, side="right") - np.searchsorted(numbers, 0.0))
        self.negative_infinite += first
        self.positive_infinite += held - last
        finite = numbers[first:last]
        if len(finite):
            self.low, self.high = min(self.low, float(finite[0])), max(self.high, float(finite[-1]))
            self.moments.merge(Moments.of_sorted(finite))
            self.summary.merge(QuantileSummary.of_sorted(finite, self.summary.capacity))
        return held

    def merge(self, other: Numbers) -> None:
        """Takes in other numbers."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.moments.merge(other.moments)
        self.summary.merge(other.summary)
        if self.weighted is not None and other.weighted is not None:
            self.weighted.merge(other.weighted)

    @property
    def count(self) -> int:
        """How many numbers that are not NaN."""
        return int(self.moments.count) + self.negative_infinite + self.positive_infinite

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
        inner, arrays = summary_parts(self.summary)
        header = {**{name: getattr(self, name) for name in _COUNTS}, "count": self.moments.count, "summary": inner}
        arrays["reals"] = np.array([self.low, self.high, self.moments.mean, self.moments.m2], np.float64)
        if self.weighted is not None:
            header["weighted"], weighted = self.weighted.parts()
            arrays |= weighted
        return header, arrays

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        for name in _COUNTS:
            setattr(self, name, int(header[name]))
        self.low, self.high, mean, m2 = (float(x) for x in arrays["reals"])
        self.moments = Moments(int(header["count"]), mean, m2)
        summary_restore(self.summary, header["summary"], arrays)
        if self.weighted is not None:
            self.weighted.restore(header["weighted"], arrays)


def _plain(values: pa.Array) -> npt.NDArray[Any]:
    """Numbers as numpy has them, booleans as 0 and 1, points in time as microseconds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_temporal(values.type) and not pa.types.is_timestamp(values.type):
        values = pc.cast(values, pa.timestamp("us"), safe=False)
    if pa.types.is_timestamp(values.type) and values.type.unit != "us":
        values = pc.cast(values, pa.timestamp("us", values.type.tz), safe=False)
    return to_numpy(values)


def _floats(values: pa.Array) -> Floats:
    """Numbers as a fresh float64 array, with -0.0 as 0.0 so that equal values have equal bits."""
    return np.asarray(_plain(values).astype(np.float64, copy=False) + 0.0, np.float64)


def _sorted_floats(values: pa.Array) -> Floats:
    """The same in ascending order, NaN and then nulls (as NaN) last; integers and float32 are sorted as they are."""
    import pyarrow as pa

    if values.null_count and not pa.types.is_floating(values.type):
        return np.concatenate([_sorted_floats(values.drop_null()), np.full(values.null_count, np.nan)])
    plain = _plain(values)
    if plain.dtype == np.float64:
        numbers = plain + 0.0
        numbers.sort()
        return np.asarray(numbers, np.float64)
    found = _sorted_integers(plain) if plain.dtype == np.int64 else np.sort(plain)
    return np.asarray(found.astype(np.float64) + 0.0, np.float64)


def _sorted_integers(plain: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Ascending integers; where they lie close together they are counted, which takes half the time of a sort."""
    if len(plain) == 0:
        return plain
    low, high = int(plain.min()), int(plain.max())
    if high - low >= len(plain):
        return np.sort(plain)
    return np.repeat(np.arange(low, high + 1), np.bincount(plain - low))
