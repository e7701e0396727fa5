"""What a metric must satisfy: thresholds on values, changes, slices and pairs of slices."""

from __future__ import annotations

from dataclasses import dataclass, field

from trueline.model_analysis.config_json import freeze
from trueline.model_analysis.config_slicing import CrossSlicingSpec, SlicingSpec

__all__ = [
    "CrossSliceMetricThreshold",
    "GenericChangeThreshold",
    "GenericValueThreshold",
    "MetricThreshold",
    "PerSliceMetricThreshold",
]


@dataclass(frozen=True)
class GenericValueThreshold:
    """Bounds of the value itself, both inclusive."""

    lower_bound: float | None = None
    upper_bound: float | None = None


@dataclass(frozen=True)
class GenericChangeThreshold:
    """Bounds of candidate - baseline (`absolute`) and of (candidate - baseline) / baseline (`relative`).

    For HIGHER_IS_BETTER the change must be at least the bound, for LOWER_IS_BETTER at most; where both are given, both
    must hold. A bound of -0.01 on a higher-is-better metric is a margin: it may get worse by 0.01.

    Attributes:
        absolute: bound of the difference, in the metric's unit.
        relative: bound of the difference divided by the baseline's value.
        direction: ``HIGHER_IS_BETTER`` or ``LOWER_IS_BETTER``; None takes the metric's own direction.
        test: what sampling noise does. ``"worse"``: the candidate is refused only where it is worse beyond the bound
            *and* beyond noise (the benefit of the doubt is the candidate's). ``"non_inferior"``: it passes only where
            the whole interval of the change is on the right side of the bound (the candidate has to show it).
            ``"value"``: TFMA's rule, the bare change is compared with the bound.
        confidence: level of this check; None takes `EvalOptions.confidence`.
    """

    absolute: float | None = None
    relative: float | None = None
    direction: str | None = None
    test: str = "worse"
    confidence: float | None = None


@dataclass(frozen=True)
class MetricThreshold:
    """What one metric must satisfy: its value, its change against the baseline, or both.

    Attributes:
        value_threshold: bounds of the value.
        change_threshold: bounds of the change.
        undefined: what an undefined value does: ``"fail"`` closes the gate and names the slice, ``"pass"`` lets it
            through and says so in the verdict.
    """

    value_threshold: GenericValueThreshold | None = None
    change_threshold: GenericChangeThreshold | None = None
    undefined: str = "fail"


@dataclass(frozen=True)
class PerSliceMetricThreshold:
    """A threshold for the slices of certain specs alone; each spec must find at least one slice in the data."""

    slicing_specs: tuple[SlicingSpec, ...] = ()
    threshold: MetricThreshold = field(default_factory=MetricThreshold)

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class CrossSliceMetricThreshold:
    """A threshold for the differences between slices of certain pairs; each pair must occur in the data."""

    cross_slicing_specs: tuple[CrossSlicingSpec, ...] = ()
    threshold: MetricThreshold = field(default_factory=MetricThreshold)

    def __post_init__(self) -> None:
        freeze(self)
