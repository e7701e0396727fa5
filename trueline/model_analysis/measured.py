"""What a pass over the data measured: values, standard errors and changes, slice by slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trueline.model_analysis.slices import CrossKey, SliceKey, slice_name

__all__ = ["Change", "CrossSliceMetrics", "Estimate", "Measured", "SliceMetrics"]


@dataclass(frozen=True)
class Estimate:
    """One metric of one model on one slice.

    Attributes:
        value: the value, or None where it is undefined.
        undefined: why it is undefined.
        standard_error: its sampling noise, where measured.
        error_bound: for values from histograms, how far they can be from the exact value; None for exact values.
        low, high: its two-sided interval at `EvalOptions.confidence`, where measured.
        method: how the interval was really made: ``JACKKNIFE``, ``POISSON_BOOTSTRAP``, or the formula: ``WILSON``,
            ``T_OF_MEAN``, ``DELONG``, ``FISHER_Z``.
        data: the value of a structured metric, as JSON; `value` is None there, and `undefined` too.
    """

    value: float | None
    undefined: str | None = None
    standard_error: float | None = None
    error_bound: float | None = None
    low: float | None = None
    high: float | None = None
    data: Any = None
    method: str | None = None


@dataclass(frozen=True)
class Change:
    """Candidate minus baseline on one slice, None where one of them is undefined; the noise is that of paired rows.

    Attributes:
        value: the difference.
        standard_error: its sampling noise.
        low, high: its two-sided interval at `EvalOptions.confidence`.
        p_value: two-sided, of no change at all.
    """

    value: float | None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class SliceMetrics:
    """All that was measured on one slice.

    Attributes:
        key: the slice.
        rows: its labelled rows.
        missing_labels: rows that were left out because their label is missing.
        groups: how many noise groups hold rows; degrees of freedom of the noise + 1.
        metrics: the candidate's metrics by key.
        baseline: the baseline's, empty without one.
        changes: candidate minus baseline, empty without one.
    """

    key: SliceKey
    rows: int
    missing_labels: int = 0
    groups: int = 0
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    baseline: Mapping[str, Estimate] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How the slice is called in sentences."""
        return slice_name(self.key)


@dataclass(frozen=True)
class CrossSliceMetrics:
    """What differs between two slices: the baseline slice's value minus the compared slice's.

    Attributes:
        key: the baseline slice, and the compared one.
        metrics: the candidate's differences by metric key.
        baseline: the baseline model's differences, empty without one.
        changes: candidate's difference minus the baseline model's, empty without one.
    """

    key: CrossKey
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    baseline: Mapping[str, Estimate] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How the pair is called in sentences."""
        return f"{slice_name(self.key[0])} minus {slice_name(self.key[1])}"


@dataclass(frozen=True)
class Measured:
    """The finish of a pass.

    Attributes:
        slices: slices of at least the minimum size, the overall one first, then by key.
        too_small: names and labelled rows of the slices below the minimum size.
        rows: labelled rows of the whole data.
        missing_labels: rows without a label.
        cross: differences between slices.
    """

    slices: tuple[SliceMetrics, ...]
    too_small: tuple[tuple[SliceKey, int], ...] = ()
    rows: int = 0
    missing_labels: int = 0
    cross: tuple[CrossSliceMetrics, ...] = ()
