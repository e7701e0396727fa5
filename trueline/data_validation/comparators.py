"""Drift and skew: distances between two statistics of one feature, and the anomalies where they exceed thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from trueline.data_validation.distances import infinity_norm, jensen_shannon_divergence, normalized_abs_difference
from trueline.data_validation.distances_noise import noise_of
from trueline.data_validation.rules import Case, Rule
from trueline.data_validation.views import FeatureView

__all__ = ["COMPARATOR_RULES", "CONTROLS", "DISTANCES", "Control", "Distance", "Measurement", "kind_of", "measurements"]


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
        at: the value of the feature where the distance occurs, if there is one.
        lower: what the distance is at least, with the confidence asked for; None where nobody asked.
    """

    type: str
    value: float
    threshold: float
    at: str = ""
    lower: float | None = None


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


def kind_of(limit: Any) -> str:
    """Which histogram of numbers a limit is about, ``STANDARD`` or ``QUANTILES``."""
    source = getattr(limit, "source", None)
    return "QUANTILES" if source is not None and source.Type.Name(source.type) == "QUANTILES" else "STANDARD"


def _jensen_shannon(one: FeatureView, other: FeatureView, limit: Any) -> tuple[float, str] | None:
    found = jensen_shannon_divergence(one, other, kind_of(limit))
    return None if found is None else (found, "")


DISTANCES = (
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


def limits(feature: Any, control: Control) -> list[tuple[Distance, Any]]:
    """The distances that a feature's comparator limits, with the messages that hold the thresholds."""
    comparator = getattr(feature, control.field)
    found = [(d, getattr(comparator, d.field)) for d in DISTANCES if comparator.HasField(d.field)]
    return [(d, limit) for d, limit in found if limit.HasField("threshold")]


def measurements(case: Case, control: Control) -> dict[str, Measurement]:
    """All measurements of a feature against a control dataset, by the field of the distance; computed once."""
    key = f"measured {control.name}"
    if key not in case.memo:
        dataset = case.controls.get(control.name)
        other = None if dataset is None else dataset.features.get(case.path)
        case.memo[key] = {} if other is None else dict(_measure(case, control, other))
    found: dict[str, Measurement] = case.memo[key]
    return found


def _measure(case: Case, control: Control, other: FeatureView) -> Iterator[tuple[str, Measurement]]:
    for distance, limit in limits(case.feature, control):
        found = distance.measure(case.view, other, limit)
        if found is None:
            continue
        value, at = found
        lower = None
        if case.confidence is not None and value > limit.threshold:
            lower = noise_of(distance.field, case.view, other, kind_of(limit), case.confidence).lower
        yield distance.field, Measurement(distance.measurement, value, limit.threshold, at, lower)


def _missing(case: Case, control: Control) -> list[str]:
    dataset = case.controls.get(control.name)
    if dataset is None or case.path in dataset.features or not limits(case.feature, control):
        return []
    return [f"The schema limits {control.name}, but {control.other} lack the feature."]


def _clear(case: Case, control: Control) -> None:
    for distance, _ in limits(case.feature, control):
        getattr(case.feature, control.field).ClearField(distance.field)


def _exceeded(case: Case, control: Control, distance: Distance) -> list[str]:
    found = measurements(case, control).get(distance.field)
    if found is None or not found.value > found.threshold:
        return []
    if case.confidence is not None and not (found.lower is not None and found.lower > found.threshold):
        return []
    where = f", most at the value {found.at!r}" if found.at else ""
    sure = f" (at least {found.lower:.6g} with confidence {case.confidence:g})" if found.lower is not None else ""
    words = f"The {distance.words} to {control.other} is {found.value:.6g}{sure}{where}"
    return [f"{words}; at most {found.threshold:g} is expected."]


def _raise(case: Case, control: Control, distance: Distance) -> None:
    found = measurements(case, control).get(distance.field)
    limit = getattr(getattr(case.feature, control.field), distance.field)
    if found is not None and found.value > limit.threshold:
        limit.threshold = found.value


def _rules() -> Iterator[Rule]:
    for control in CONTROLS:
        find, mend = partial(_missing, control=control), partial(_clear, control=control)
        yield Rule("COMPARATOR_CONTROL_DATA_MISSING", "Nothing to compare with", find, mend)
        for distance in DISTANCES:
            yield Rule(
                distance.anomaly,
                f"High {distance.words} ({control.name})",
                partial(_exceeded, control=control, distance=distance),
                partial(_raise, control=control, distance=distance),
            )


COMPARATOR_RULES: Sequence[Rule] = tuple(_rules())
"""Asked of every present feature, after all others."""
