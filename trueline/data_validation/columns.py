"""What is accumulated for every feature: presence and valency at each list level. And what a part of it is.

Every part is a small monoid: ``update``, ``merge``, ``parts`` (its state) and ``restore``. With weights it keeps the
weighted figures beside the plain ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from trueline.data_validation.arrow_numpy import to_numpy
from trueline.data_validation.quantiles import QuantileSummary

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ByteLengths",
    "Floats",
    "Limits",
    "Part",
    "PartOptions",
    "Presence",
    "State",
    "summary_parts",
    "summary_restore",
]

Limits = Mapping[str, int]
Floats = npt.NDArray[np.float64]
State = tuple[dict[str, Any], dict[str, Any]]
_PRESENCE = ("present", "missing", "total", "least", "most")


class PartOptions(Protocol):
    """What a part must know of its feature (see `trueline.data_validation.plan.FeaturePlan`)."""

    @property
    def kind(self) -> str: ...
    @property
    def weight(self) -> str: ...
    @property
    def long_strings(self) -> bool: ...


class Part(Protocol):
    """A mergeable piece of one feature's statistics over its values.

    Attributes:
        takes_nulls: whether nulls among unweighted values are passed on, for it to leave out; else there are none.
    """

    takes_nulls: ClassVar[bool]

    def update(self, values: pa.Array, weights: Floats | None) -> None: ...
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
        weighted: the weights of present and missing rows, and the sum of weight times number of values.

    Args:
        limits: the numeric options.
        scalar: whether the column has no lists: one value a row.
        weighted: whether rows have weights.
    """

    def __init__(self, limits: Limits, scalar: bool, weighted: bool) -> None:
        self.present = self.missing = self.total = self.least = self.most = 0
        self._lengths = None if scalar else QuantileSummary(limits["max_quantile_points"])
        self.weighted = np.zeros(3) if weighted else None

    @property
    def lengths(self) -> QuantileSummary:
        """The distribution of the number of values."""
        if self._lengths is None:
            return QuantileSummary.constant(1.0, self.present, 1)
        return self._lengths

    def update_scalar(self, present: int, missing: int) -> None:
        """Takes in rows of a column without lists: one value each."""
        self._add(present, missing, present, 1, 1, None)

    def update_lists(self, lengths: npt.NDArray[np.int64], missing: int) -> None:
        """Takes in the lengths of present lists."""
        if len(lengths) == 0:
            self.missing += missing
            return
        ordered = np.sort(lengths)
        summary = QuantileSummary.of_sorted(ordered.astype(np.float64), self.lengths.capacity)
        self._add(len(lengths), missing, int(lengths.sum()), int(ordered[0]), int(ordered[-1]), summary)

    def update_weights(self, present: Floats, missing: Floats, lengths: npt.NDArray[np.int64] | int) -> None:
        """Takes in the weights of the rows that `update_scalar` or `update_lists` was told of."""
        if self.weighted is not None:
            self.weighted += (present.sum(), missing.sum(), (present * lengths).sum())

    def merge(self, other: Presence) -> None:
        """Takes in other rows."""
        self._add(other.present, other.missing, other.total, other.least, other.most, other._lengths)
        if self.weighted is not None and other.weighted is not None:
            self.weighted += other.weighted

    def _add(
        self, present: int, missing: int, total: int, least: int, most: int, lengths: QuantileSummary | None
    ) -> None:
        self.missing += missing
        if present:
            self.least = min(self.least, least) if self.present else least
            self.most = max(self.most, most)
            self.present += present
            self.total += total
            if self._lengths is not None and lengths is not None:
                self._lengths.merge(lengths)

    def parts(self) -> State:
        """The state: a JSON header and arrays."""
        header: dict[str, Any] = {name: getattr(self, name) for name in _PRESENCE}
        arrays: dict[str, Any] = {}
        if self._lengths is not None:
            header["lengths"], arrays = summary_parts(self._lengths)
        if self.weighted is not None:
            arrays["weighted"] = self.weighted
        return header, arrays

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        for name in _PRESENCE:
            setattr(self, name, int(header[name]))
        if self._lengths is not None:
            summary_restore(self._lengths, header["lengths"], arrays)
        if self.weighted is not None:
            self.weighted = arrays["weighted"]


class ByteLengths:
    """Lengths of byte values that are no categories, images for one: count, sum, least, greatest."""

    takes_nulls: ClassVar[bool] = False

    def __init__(self, limits: Limits, options: PartOptions) -> None:
        self.count = self.total = self.least = self.most = 0

    def update(self, values: pa.Array, weights: Floats | None) -> None:
        """Takes in strings or bytes; weights change nothing."""
        import pyarrow.compute as pc

        if len(values) == 0:
            return
        lengths = to_numpy(pc.binary_length(values))
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


def summary_parts(summary: QuantileSummary, prefix: str = "") -> State:
    """The state of a quantile summary: a JSON header, and arrays whose names begin with `prefix`.

    Counts are kept in as few bytes as hold the greatest: in a block's state that is a quarter.
    """
    weights = summary.weights
    if weights.dtype == np.int64 and len(weights):
        weights = weights.astype(np.min_scalar_type(int(weights.max())))
    return {"error": summary.error}, {prefix + "points": summary.values, prefix + "weights": weights}


def summary_restore(summary: QuantileSummary, header: dict[str, Any], arrays: dict[str, Any], prefix: str = "") -> None:
    """Takes the state that `summary_parts` gave."""
    weights = arrays[prefix + "weights"]
    summary.values, summary.weights = (
        arrays[prefix + "points"],
        weights if weights.dtype.kind == "f" else weights.astype(np.int64),
    )
    summary.error = summary.weights.dtype.type(header["error"]).item()
