"""Drift and skew: distances between two statistics of one feature, and the anomalies where they exceed thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from trueline.data_validation.distances import infinity_norm, jensen_shannon_divergence, normalized_abs_difference
from trueline.data_validation.rules import Reason
from trueline.data_validation.views import DatasetView, FeatureView

__all__ = ["CONTROLS", "Control", "Measurement", "compare_feature"]


@dataclass(frozen=True)
class Control:
    """A kind of comparison.

    Attributes:
        name: ``drift`` or ``skew``, as in `DriftSkewInfo`.
        field: the field of `Feature` with the thresholds.
        other: what the data are compared with, in words.
    """

    name: str
    field: str
    other: str


CONTROLS = (
    Control("drift", "drift_comparator", "the previous data"),
    Control("skew", "skew_comparator", "the serving data"),
)


@dataclass(frozen=True)
class Measurement:
    """One measured distance.

    Attributes:
        type: name of a `DriftSkewInfo.Measurement.Type`.
        value: the distance.
        threshold: from the schema; more is an anomaly.
    """

    type: str
    value: float
    threshold: float


Measure = Callable[[FeatureView, FeatureView, Any], tuple[float, str] | None]


@dataclass(frozen=True)
class Distance:
    """One distance that a comparator can limit.

    Attributes:
        field: the field of `FeatureComparator`.
        measurement: name of the `DriftSkewInfo.Measurement.Type`.
        anomaly: name of the `AnomalyInfo.Type`.
        words: the distance in words.
        measure: value and, where there is one, the value of the feature where it occurs; None where it cannot be told.
    """

    field: str
    measurement: str
    anomaly: str
    words: str
    measure: Measure


def _jensen_shannon(one: FeatureView, other: FeatureView, limit: Any) -> tuple[float, str] | None:
    kind = "QUANTILES" if limit.source.Type.Name(limit.source.type) == "QUANTILES" else "STANDARD"
    found = jensen_shannon_divergence(one, other, kind)
    return None if found is None else (found, "")


_DISTANCES = (
    Distance(
        "infinity_norm",
        "L_INFTY",
        "COMPARATOR_L_INFTY_HIGH",
        "L-infinity distance",
        lambda one, other, _: infinity_norm(one.counts, other.counts),
    ),
    Distance(
        "normalized_abs_difference",
        "NORMALIZED_ABSOLUTE_DIFFERENCE",
        "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH",
        "normalised absolute difference",
        lambda one, other, _: normalized_abs_difference(one.counts, other.counts),
    ),
    Distance(
        "jensen_shannon_divergence",
        "JENSEN_SHANNON_DIVERGENCE",
        "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
        "Jensen-Shannon divergence",
        _jensen_shannon,
    ),
)


def compare_feature(
    feature: Any, view: FeatureView, control: Control, dataset: DatasetView
) -> tuple[list[Reason], list[Measurement]]:
    """The anomalies and all measurements of one feature against a control dataset.

    Args:
        feature: its `Feature`; thresholds that are exceeded are raised to what was measured.
        view: its statistics.
        control: which comparator.
        dataset: what it is compared with.
    """
    comparator = getattr(feature, control.field)
    limits = [(d, getattr(comparator, d.field)) for d in _DISTANCES if comparator.HasField(d.field)]
    limits = [(d, limit) for d, limit in limits if limit.HasField("threshold")]
    if not limits:
        return [], []
    other = dataset.features.get(view.path)
    if other is None:
        for distance, _ in limits:
            comparator.ClearField(distance.field)
        return [_control_missing(control)], []
    measured = list(_measure(view, other, limits))
    reasons = [_exceeded(d, m, at, control) for d, _, m, at in measured if m.value > m.threshold]
    for _, limit, measurement, _ in measured:
        limit.threshold = max(limit.threshold, measurement.value)
    return reasons, [m for _, _, m, _ in measured]


def _measure(
    view: FeatureView, other: FeatureView, limits: list[tuple[Distance, Any]]
) -> Iterator[tuple[Distance, Any, Measurement, str]]:
    for distance, limit in limits:
        found = distance.measure(view, other, limit)
        if found is not None:
            yield distance, limit, Measurement(distance.measurement, found[0], limit.threshold), found[1]


def _control_missing(control: Control) -> Reason:
    text = f"The schema limits {control.name}, but {control.other} lack the feature."
    return Reason("COMPARATOR_CONTROL_DATA_MISSING", "Nothing to compare with", text)


def _exceeded(distance: Distance, found: Measurement, at: str, control: Control) -> Reason:
    where = f", most at the value {at!r}" if at else ""
    text = (
        f"The {distance.words} to {control.other} is {found.value:.6g}{where}; at most {found.threshold:g} is expected."
    )
    return Reason(distance.anomaly, f"High {distance.words} ({control.name})", text)
