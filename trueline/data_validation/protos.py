"""From accumulated state to tensorflow-metadata's `DatasetFeatureStatistics`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trueline.data_validation.columns import ByteLengths, Presence
from trueline.data_validation.frequencies import KMV_SIZE, Frequencies
from trueline.data_validation.histograms import (
    fill_length_histogram,
    fill_quantiles_histogram,
    fill_standard_histogram,
)
from trueline.data_validation.numeric import Numbers, WeightedNumbers
from trueline.data_validation.text import Strings

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.data_validation.accumulator import FeatureState, StatisticsAccumulator

__all__ = ["ARROW_TYPE", "FREQUENCY_ERROR", "NOT_UTF8", "dataset_proto"]

NOT_UTF8 = "__BYTES_VALUE__"
"""Stands in labels for a value that is no UTF-8 text."""
ARROW_TYPE = "arrow_type"
"""Custom statistic: integers were ``bool``, or microseconds of a ``timestamp``, ``date``, ``time`` or ``duration``."""

FREQUENCY_ERROR = "frequency_error"
"""Custom statistic: how many rows a count of a string may be too low, where there were too many to count exactly."""

Limits = dict[str, Any]


def dataset_proto(accumulator: StatisticsAccumulator) -> statistics_pb2.DatasetFeatureStatistics:
    """The statistics of one dataset; features in the order of the plan."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    dataset = statistics_pb2.DatasetFeatureStatistics(num_examples=accumulator.num_examples)
    if accumulator.weight:
        dataset.weighted_num_examples = accumulator.weighted_num_examples
    limits = {**accumulator.limits, "weighted_frequency_threshold": accumulator.weighted_frequency_threshold}
    for feature in accumulator.features:
        _fill_feature(dataset.features.add(), feature, limits)
    return dataset


def _fill_feature(message: Any, feature: FeatureState, limits: Limits) -> None:
    plan = feature.plan
    message.path.step.extend(plan.path)
    message.type = message.Type.Value(plan.type)
    field, fill = _FILLERS[plan.kind]
    stats = getattr(message, field)
    _fill_common(stats.common_stats, feature, limits)
    fill(message, stats, feature, limits)
    if plan.source:
        message.custom_stats.add(name=ARROW_TYPE, str=plan.source)
    if plan.histograms:
        _fill_level_lengths(message, feature, limits["num_values_histogram_buckets"])


def _fill_common(common: Any, feature: FeatureState, limits: Limits) -> None:
    """Presence and valency; a message without values stays without extremes, mean and histogram."""
    plan, first, rows = feature.plan, feature.levels[0], feature.rows
    _fill_counts(common, first.present, first.missing, rows)
    if rows.present:
        if plan.histograms:
            buckets = limits["num_values_histogram_buckets"]
            fill_quantiles_histogram(common.num_values_histogram, rows.lengths, rows.least, rows.most, buckets)
        common.avg_num_values = rows.total / rows.present
    common.SetInParent()
    if plan.weight:
        _fill_weighted_counts(common.weighted_common_stats, rows)
    if plan.levels > 1:
        for level in feature.levels:
            _fill_counts(common.presence_and_valency_stats.add(), level.present, level.missing, level)
            if plan.weight:
                _fill_weighted_counts(common.weighted_presence_and_valency_stats.add(), level)


def _fill_counts(message: Any, present: int, missing: int, valency: Presence) -> None:
    message.num_non_missing = present
    message.num_missing = missing
    message.min_num_values = valency.least
    message.max_num_values = valency.most
    message.tot_num_values = valency.total


def _fill_weighted_counts(message: Any, valency: Presence) -> None:
    message.SetInParent()
    present, missing, total = (0.0, 0.0, 0.0) if valency.weighted is None else valency.weighted.tolist()
    message.num_non_missing, message.num_missing, message.tot_num_values = present, missing, total
    if present:
        message.avg_num_values = total / present


def _fill_level_lengths(message: Any, feature: FeatureState, buckets: int) -> None:
    """Custom statistics: the lengths of lists at the levels below the row's, as upstream names them."""
    for number, level in enumerate(feature.levels[1:], 2):
        if level.present:
            name, low, high = f"level_{number}_value_list_length", level.least, level.most
            quantiles = message.custom_stats.add(name=f"{name}_quantiles").histogram
            fill_quantiles_histogram(quantiles, level.lengths, low, high, buckets)
            standard = message.custom_stats.add(name=f"{name}_standard").histogram
            fill_length_histogram(standard, level.lengths, low, high, buckets)


def _fill_numeric(message: Any, stats: Any, feature: FeatureState, limits: Limits) -> None:
    numbers, histograms = feature.part, feature.plan.histograms
    if not isinstance(numbers, Numbers) or numbers.count + numbers.nan == 0:
        return
    if numbers.count:
        infinite = numbers.count != numbers.moments.count
        stats.mean = math.nan if infinite else numbers.moments.mean
        stats.std_dev = math.nan if infinite else numbers.moments.std_dev
        stats.num_zeros = numbers.zeros
        stats.min, stats.max = numbers.min, numbers.max
        stats.median = math.nan
    summary = numbers.summary.with_infinities(numbers.negative_infinite, numbers.positive_infinite)
    if histograms:
        _fill_quantiles(stats, numbers, summary, limits)
        if summary.error:
            message.custom_stats.add(name="quantiles_rank_error", num=summary.error)
    if numbers.weighted is not None:
        _fill_weighted_numeric(message, stats, numbers, numbers.weighted, limits if histograms else None)


def _fill_quantiles(stats: Any, numbers: Numbers, summary: Any, limits: Limits, weighted: bool = False) -> None:
    """Median and both histograms; where all numbers are NaN or weigh nothing, histograms without buckets."""
    standard, quantiles = stats.histograms.add(), stats.histograms.add()
    standard.num_nan = quantiles.num_nan = numbers.nan
    quantiles.type = quantiles.QUANTILES
    if len(summary.values) == 0:
        return
    low, high = (summary.values[0], summary.values[-1]) if weighted else (numbers.min, numbers.max)
    stats.median = float(summary.quantiles(2, low, high)[1])
    fill_standard_histogram(standard, numbers, limits["num_histogram_buckets"], weighted)
    fill_quantiles_histogram(quantiles, summary, low, high, limits["num_quantiles_histogram_buckets"])


def _fill_weighted_numeric(
    message: Any, stats: Any, numbers: Numbers, weighted: WeightedNumbers, limits: Limits | None
) -> None:
    """The weighted figures; `limits` is None where the feature has no histograms."""
    negative, positive = (float(x) for x in weighted.infinite)
    if not (weighted.moments.count or negative or positive):
        return
    found = stats.weighted_numeric_stats
    found.mean = math.nan if negative or positive else weighted.moments.mean
    found.std_dev = math.nan if negative or positive else weighted.moments.std_dev
    found.median = math.nan
    if limits is None:
        return
    summary = weighted.summary.with_infinities(negative, positive)
    _fill_quantiles(found, numbers, summary, limits, weighted=True)
    if summary.error:
        message.custom_stats.add(name="weighted_quantiles_rank_error", num=summary.error)


def _fill_string(message: Any, stats: Any, feature: FeatureState, limits: Limits) -> None:
    strings = feature.part
    if not isinstance(strings, Strings):
        return
    stats.unique = strings.unique
    stats.invalid_utf8_count = strings.invalid
    total = stats.common_stats.tot_num_values
    if total:
        stats.avg_length = strings.bytes / total
    sides = (
        (strings.frequencies, stats, limits["frequency_threshold"], FREQUENCY_ERROR),
        (strings.weighted, None, limits["weighted_frequency_threshold"], f"weighted_{FREQUENCY_ERROR}"),
    )
    for frequencies, target, threshold, error in sides:
        if frequencies is None:
            continue
        _fill_frequencies(target or stats.weighted_string_stats, frequencies, bool(strings.invalid), threshold, limits)
        if frequencies.error:
            message.custom_stats.add(name=error, num=frequencies.error)
        if frequencies.hashes is not None and len(frequencies.hashes) >= KMV_SIZE:
            message.custom_stats.add(name="unique_relative_error", num=1.0 / math.sqrt(KMV_SIZE - 2))


def _fill_frequencies(target: Any, frequencies: Frequencies, invalid: bool, threshold: float, limits: Limits) -> None:
    """Top values and rank histogram of string statistics, or of their weighted side."""
    top, ranks = limits["num_top_values"], limits["num_rank_histogram_buckets"]
    frequencies.settle()
    if invalid:  # several values share one label, so all are needed
        every = _labelled(*frequencies.top(len(frequencies.counts), 0))
        labels = [(label, n) for label, n in every if n >= threshold]
    else:
        labels = _labelled(*frequencies.top(max(top, ranks), threshold))
    for label, count in labels[:top]:
        target.top_values.add(value=label, frequency=count)
    for rank, (label, count) in enumerate(labels[:ranks]):
        target.rank_histogram.buckets.add(low_rank=rank, high_rank=rank, label=label, sample_count=count)


def _labelled(values: list[bytes], counts: list[Any]) -> list[tuple[str, Any]]:
    """Labels and counts in the same order; all values that are no text under one label, with their sum."""
    found: dict[str, Any] = {}
    for value, count in zip(values, counts, strict=True):
        try:
            label = value.decode("utf-8")
        except UnicodeDecodeError:
            label = NOT_UTF8
        found[label] = found.get(label, 0) + count
    if NOT_UTF8 not in found:
        return list(found.items())
    return sorted(found.items(), key=lambda item: (item[1], item[0].encode()), reverse=True)


def _fill_bytes(message: Any, stats: Any, feature: FeatureState, limits: Limits) -> None:
    lengths = feature.part
    if isinstance(lengths, ByteLengths) and lengths.count:
        stats.avg_num_bytes = lengths.total / lengths.count
        stats.min_num_bytes = lengths.least
        stats.max_num_bytes = stats.max_num_bytes_int = lengths.most


def _fill_struct(message: Any, stats: Any, feature: FeatureState, limits: Limits) -> None:
    """A struct has nothing beside its presence."""


_FILLERS: dict[str, tuple[str, Callable[[Any, Any, FeatureState, Limits], None]]] = {
    "numeric": ("num_stats", _fill_numeric),
    "string": ("string_stats", _fill_string),
    "text": ("string_stats", _fill_string),
    "bytes": ("bytes_stats", _fill_bytes),
    "struct": ("struct_stats", _fill_struct),
}
