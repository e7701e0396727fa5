"""`measure_drift`: every distance between two statistics, with what chance alone would give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.data_validation.comparators import CONTROLS, DISTANCES, Control, Distance, kind_of, limits
from trueline.data_validation.distances_noise import noise_of
from trueline.data_validation.validation import check_schema
from trueline.data_validation.views import FeatureView, dataset_view
from trueline.schema.features import deprecated
from trueline.schema.index import SchemaIndex
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

__all__ = ["DriftMeasurement", "measure_drift"]


@dataclass(frozen=True)
class DriftMeasurement:
    """One distance of one feature between two datasets.

    Attributes:
        path: the feature.
        control: ``drift`` or ``skew``.
        type: name of a `DriftSkewInfo.Measurement.Type`: ``L_INFTY``, ``NORMALIZED_ABSOLUTE_DIFFERENCE`` or
            ``JENSEN_SHANNON_DIVERGENCE``.
        value: what was measured.
        threshold: of the schema; None where it sets none.
        lower: the true distance is at least this, with the confidence asked for.
        noise: what chance alone stays below with that confidence where nothing has changed, for counts in the same
            buckets. Histograms of numbers whose ends differ have other buckets: their divergence may be far above
            this though nothing moved; `lower` and `p_value` allow for that.
        p_value: how often chance alone gives as much, if the shares of the values have not changed.
        n, n_other: rows that were compared.
        at: the value of the feature where the distance occurs, if there is one.
    """

    path: FeaturePath
    control: str
    type: str
    value: float
    threshold: float | None
    lower: float
    noise: float
    p_value: float
    n: float
    n_other: float
    at: str = ""

    @property
    def exceeded(self) -> bool:
        """Whether the measured distance is over the threshold: upstream's anomaly."""
        return self.threshold is not None and self.value > self.threshold

    @property
    def certain(self) -> bool:
        """Whether the true distance is over the threshold with the confidence asked for."""
        return self.exceeded and self.threshold is not None and self.lower > self.threshold


def measure_drift(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    previous_statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema | None = None,
    *,
    confidence: float = 0.95,
    control: str = "drift",
) -> tuple[DriftMeasurement, ...]:
    """How far features have moved, and how much of it may be chance.

    Bounds come from the counts alone; for their sources and what they assume see
    `trueline.data_validation.distances_noise`. Each holds by itself: of a hundred features that have not changed, at a
    confidence of 0.95 five may still exceed their noise; the threshold stands above that.

    Args:
        statistics: of the data.
        previous_statistics: of what they are compared with.
        schema: the features and distances with a threshold are measured. Without one, every feature that both have:
            the Jensen-Shannon divergence, and for counted values the L-infinity distance.
        confidence: of `lower` and `noise`, between 0 and 1.
        control: ``drift`` or ``skew``: which comparator of the schema.

    Returns:
        Features in the order of the statistics. A distance that cannot be told (one side empty, or counted otherwise)
        is left out.

    Raises:
        ConfigError: for a confidence outside (0, 1) or an unknown control.
        SchemaError: for arguments of another type.
    """
    named = {known.name: known for known in CONTROLS}
    if control not in named:
        raise ConfigError(f"there is no comparator {control!r}", hint=did_you_mean(control, list(named)))
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence is {confidence!r}, it must lie between 0 and 1")
    if schema is not None:
        check_schema(schema)
    dataset, other = dataset_view(statistics), dataset_view(previous_statistics, "previous_statistics")
    index = None if schema is None else SchemaIndex(schema)
    found: list[DriftMeasurement] = []
    for view in dataset:
        against = other.features.get(view.path)
        if against is not None and view.num_present > 0:
            asked = _asked(view, against, index, named[control])
            found += _measure(view, against, asked, control, confidence)
    return tuple(found)


def _asked(
    view: FeatureView, other: FeatureView, index: SchemaIndex | None, control: Control
) -> list[tuple[Distance, Any]]:
    """The distances to measure, with the messages of their limits."""
    if index is not None:
        feature = index.features.get(view.path)
        return [] if feature is None or deprecated(feature) else limits(feature, control)
    counted = view.has_rank_histogram and other.has_rank_histogram
    wanted = ("infinity_norm", "jensen_shannon_divergence") if counted else ("jensen_shannon_divergence",)
    return [(distance, None) for distance in DISTANCES if distance.field in wanted]


def _measure(
    view: FeatureView, other: FeatureView, asked: list[tuple[Distance, Any]], control: str, confidence: float
) -> Iterator[DriftMeasurement]:
    for distance, limit in asked:
        measured = distance.measure(view, other, limit)
        if measured is None:
            continue
        noise = noise_of(distance.field, view, other, kind_of(limit), confidence)
        threshold = None if limit is None else float(limit.threshold)
        figures = noise.lower, noise.noise, noise.p_value, noise.n, noise.n_other
        yield DriftMeasurement(
            view.path, control, distance.measurement, measured[0], threshold, *figures, at=measured[1]
        )
