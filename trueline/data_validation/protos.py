"""From accumulated state to tensorflow-metadata's `DatasetFeatureStatistics`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trueline.data_validation.columns import ByteLengths, Numbers, Presence, Strings
from trueline.data_validation.frequencies import KMV_SIZE
from trueline.data_validation.histograms import fill_quantiles_histogram, fill_standard_histogram

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.data_validation.accumulator import FeatureState, StatisticsAccumulator

__all__ = ["ARROW_TYPE", "FREQUENCY_ERROR", "NOT_UTF8", "dataset_proto"]

NOT_UTF8 = "__BYTES_VALUE__"
"""Stands in labels for a value that is no UTF-8 text."""
ARROW_TYPE = "arrow_type"
"""Custom statistic that says that integers were booleans (``bool``) or points in time (``timestamp``)."""

FREQUENCY_ERROR = "frequency_error"
"""Custom statistic: how many rows a count of a string may be too low, where there were too many to count exactly."""

Limits = dict[str, int]


def dataset_proto(accumulator: StatisticsAccumulator) -> statistics_pb2.DatasetFeatureStatistics:
    """The statistics of one dataset; features in the order of the plan."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    dataset = statistics_pb2.DatasetFeatureStatistics(num_examples=accumulator.num_examples)
    for feature in accumulator.features:
        _fill_feature(dataset.features.add(), feature, accumulator.limits)
    return dataset


def _fill_feature(message: Any, feature: FeatureState, limits: Limits) -> None:
    plan = feature.plan
    message.path.step.extend(plan.path)
    message.type = message.Type.Value(plan.type)
    field, fill = _FILLERS[plan.kind]
    stats = getattr(message, field)
    _fill_common(stats.common_stats, feature, limits)
    fill(message, stats, feature.part, limits)
    if plan.source:
        message.custom_stats.add(name=ARROW_TYPE, str=plan.source)


def _fill_common(common: Any, feature: FeatureState, limits: Limits) -> None:
    """Presence and valency; a message without values stays without extremes, mean and histogram."""
    first, rows = feature.levels[0], feature.rows
    _fill_counts(common, first.present, first.missing, rows)
    if rows.present:
        buckets = limits["num_values_histogram_buckets"]
        fill_quantiles_histogram(common.num_values_histogram, rows.lengths, rows.least, rows.most, buckets)
        common.avg_num_values = rows.total / rows.present
    common.SetInParent()
    if feature.plan.levels > 1:
        for level in feature.levels:
            _fill_counts(common.presence_and_valency_stats.add(), level.present, level.missing, level)


def _fill_counts(message: Any, present: int, missing: int, valency: Presence) -> None:
    message.num_non_missing = present
    message.num_missing = missing
    message.min_num_values = valency.least
    message.max_num_values = valency.most
    message.tot_num_values = valency.total


def _fill_numeric(message: Any, stats: Any, numbers: Numbers, limits: Limits) -> None:
    if numbers.count + numbers.nan == 0:
        return
    standard, quantiles = stats.histograms.add(), stats.histograms.add()
    standard.num_nan = quantiles.num_nan = numbers.nan
    quantiles.type = quantiles.QUANTILES
    if numbers.count == 0:
        return
    summary = numbers.summary.with_infinities(numbers.negative_infinite, numbers.positive_infinite)
    infinite = numbers.count != numbers.moments.count
    stats.mean = math.nan if infinite else numbers.moments.mean
    stats.std_dev = math.nan if infinite else numbers.moments.std_dev
    stats.num_zeros = numbers.zeros
    stats.min, stats.max = numbers.min, numbers.max
    stats.median = float(summary.quantiles(2, numbers.min, numbers.max)[1])
    fill_standard_histogram(standard, numbers, limits["num_histogram_buckets"])
    buckets = limits["num_quantiles_histogram_buckets"]
    fill_quantiles_histogram(quantiles, summary, numbers.min, numbers.max, buckets)
    if summary.error:
        message.custom_stats.add(name="quantiles_rank_error", num=summary.error)


def _fill_string(message: Any, stats: Any, strings: Strings, limits: Limits) -> None:
    frequencies = strings.frequencies
    stats.unique = frequencies.unique
    stats.invalid_utf8_count = strings.invalid
    total = stats.common_stats.tot_num_values
    if total:
        stats.avg_length = strings.bytes / total
    top, ranks = limits["num_top_values"], limits["num_rank_histogram_buckets"]
    limit, threshold = max(top, ranks), limits["frequency_threshold"]
    if strings.invalid:  # several values share one label, so all are needed
        labels = [(label, n) for label, n in _labelled(*frequencies.top(frequencies.unique, 1)) if n >= threshold]
    else:
        labels = _labelled(*frequencies.top(limit, threshold))
    for label, count in labels[:top]:
        stats.top_values.add(value=label, frequency=count)
    for rank, (label, count) in enumerate(labels[:ranks]):
        stats.rank_histogram.buckets.add(low_rank=rank, high_rank=rank, label=label, sample_count=count)
    if frequencies.error:
        message.custom_stats.add(name=FREQUENCY_ERROR, num=frequencies.error)
    if frequencies.hashes is not None and len(frequencies.hashes) >= KMV_SIZE:
        message.custom_stats.add(name="unique_relative_error", num=1.0 / math.sqrt(KMV_SIZE - 2))


def _labelled(values: list[bytes], counts: list[int]) -> list[tuple[str, int]]:
    """Labels and counts in the same order; all values that are no text under one label, with their sum."""
    found: dict[str, int] = {}
    for value, count in zip(values, counts, strict=True):
        try:
            label = value.decode("utf-8")
        except UnicodeDecodeError:
            label = NOT_UTF8
        found[label] = found.get(label, 0) + count
    if NOT_UTF8 not in found:
        return list(found.items())
    return sorted(found.items(), key=lambda item: (item[1], item[0].encode()), reverse=True)


def _fill_bytes(message: Any, stats: Any, lengths: ByteLengths, limits: Limits) -> None:
    if lengths.count:
        stats.avg_num_bytes = lengths.total / lengths.count
        stats.min_num_bytes = lengths.least
        stats.max_num_bytes = stats.max_num_bytes_int = lengths.most


def _fill_struct(message: Any, stats: Any, part: None, limits: Limits) -> None:
    """A struct has nothing beside its presence."""


_FILLERS: dict[str, tuple[str, Callable[[Any, Any, Any, Limits], None]]] = {
    "numeric": ("num_stats", _fill_numeric),
    "string": ("string_stats", _fill_string),
    "bytes": ("bytes_stats", _fill_bytes),
    "struct": ("struct_stats", _fill_struct),
}
