"""Histograms of a quantile summary, as tensorflow-metadata's messages.

STANDARD: equal-width buckets over the finite range. Upstream interpolates their counts from 1000 quantiles; here a
bucket (low, high] holds the numbers that lie in it (the first takes its lower end too): exact while the summary is
exact, within twice its error otherwise. QUANTILES: buckets (low, high] between quantile boundaries, by upstream's rule.
Weighted histograms hold the weight of these numbers instead of their count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trueline.data_validation.numeric import Numbers
    from trueline.data_validation.quantiles import QuantileSummary

__all__ = ["fill_between", "fill_length_histogram", "fill_quantiles_histogram", "fill_standard_histogram"]

Floats = npt.NDArray[np.float64]


def _fill(histogram: Any, kind: str, edges: Floats, counts: Any) -> None:
    histogram.type = histogram.HistogramType.Value(kind)
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        histogram.buckets.add(low_value=low, high_value=high, sample_count=count)


def fill_standard_histogram(
    histogram: statistics_pb2.Histogram, numbers: Numbers, buckets: int, weighted: bool = False
) -> None:
    """Fills a histogram of `buckets` equal-width buckets over the finite numbers, counted or by weight.

    One bucket where all finite numbers are equal; infinities get point buckets of their own at the ends.
    """
    heavy = numbers.weighted if weighted else None
    negative, positive = heavy.infinite if heavy else (numbers.negative_infinite, numbers.positive_infinite)
    if numbers.negative_infinite:
        histogram.buckets.add(low_value=-np.inf, high_value=-np.inf, sample_count=negative)
    if numbers.moments.count:
        _fill_equal(histogram, heavy.summary if heavy else numbers.summary, numbers.low, numbers.high, buckets)
    if numbers.positive_infinite:
        histogram.buckets.add(low_value=np.inf, high_value=np.inf, sample_count=positive)


def fill_length_histogram(
    histogram: statistics_pb2.Histogram, lengths: QuantileSummary, low: int, high: int, buckets: int
) -> None:
    """Fills a STANDARD histogram of the lengths of lists, at least one list."""
    _fill_equal(histogram, lengths, float(low), float(high), buckets)


def _fill_equal(histogram: Any, summary: QuantileSummary, low: float, high: float, buckets: int) -> None:
    edges = _edges(low, high, buckets)
    ranks = summary.rank(edges)
    ranks[0], ranks[-1] = 0, summary.count
    _fill(histogram, "STANDARD", edges, np.diff(ranks))


def _edges(low: float, high: float, buckets: int) -> Floats:
    """Evenly spaced edges; no overflow where the range is wider than the greatest float."""
    if low == high:
        return np.array([low, high])
    t = np.arange(buckets + 1, dtype=np.float64) / buckets
    wide = high / 2 - low / 2 > np.finfo(np.float64).max / 2
    edges = low * (1.0 - t) + high * t if wide else low + (high - low) * t
    edges[0], edges[-1] = low, high
    return np.asarray(edges, np.float64)


def fill_quantiles_histogram(
    histogram: statistics_pb2.Histogram, summary: QuantileSummary, low: float, high: float, buckets: int
) -> None:
    """Fills a histogram whose buckets hold about equally many numbers.

    The count of the least number goes to the first bucket; buckets in a row with the same upper bound share their
    count evenly.

    Args:
        histogram: the message to fill.
        summary: the numbers, at least one.
        low, high: their exact extremes.
        buckets: how many.
    """
    fill_between(histogram, summary, summary.quantiles(buckets, low, high))


def fill_between(histogram: statistics_pb2.Histogram, summary: QuantileSummary, edges: Floats) -> None:
    """Fills a QUANTILES histogram with buckets between these ascending edges, the last of them the greatest number."""
    buckets = len(edges) - 1
    ranks = summary.rank(edges)
    ranks[-1] = summary.count
    counts = np.zeros(buckets)
    start = 0
    while start < buckets:
        end = start
        while end + 1 < buckets and edges[end + 2] == edges[start + 1]:
            end += 1
        counts[start : end + 1] = (ranks[end + 1] - ranks[start]) / (end + 1 - start)
        start = end + 1
    same = max(1, int(np.count_nonzero(edges[1:] == edges[0])))
    counts[:same] += ranks[0] / same
    _fill(histogram, "QUANTILES", edges, counts)
