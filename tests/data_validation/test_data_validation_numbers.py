"""Statistics of numbers are what plain formulas say, whatever the values and however they are cut into blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.data_validation import StatsOptions, generate_statistics
from trueline.engine import Dataset, LocalEngine

FLOATS = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True, width=64),
    st.sampled_from([0.0, -0.0, 1.0, 2.0, math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324]),
)
INTS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3))


def _feature(values: pa.Array, block_rows: int, **options: Any) -> Any:
    dataset = Dataset.from_table(pa.table({"x": values}), block_rows)
    return generate_statistics(dataset, StatsOptions(**options), LocalEngine(1)).datasets[0].features[0]


def _close(got: float, want: float) -> bool:
    if math.isnan(want):
        return math.isnan(got)
    return got == want or math.isclose(got, want, rel_tol=1e-12)


def _standard(numbers: list[float], buckets: int) -> list[float]:
    """Counts in equal-width buckets over the finite range, infinities at the ends."""
    finite = sorted(x for x in numbers if math.isfinite(x))
    out: list[float] = [numbers.count(-math.inf)] if -math.inf in numbers else []
    if finite:
        low, high = finite[0], finite[-1]
        if low == high:
            out.append(len(finite))
        else:
            t = np.arange(buckets + 1) / buckets
            wide = high / 2 - low / 2 > np.finfo(float).max / 2
            edges = low * (1 - t) + high * t if wide else low + (high - low) * t
            edges[0], edges[-1] = low, high
            out += [sum((edges[i] < x or i == 0) and x <= edges[i + 1] for x in finite) for i in range(buckets)]
    return out + ([numbers.count(math.inf)] if math.inf in numbers else [])


@settings(max_examples=150, deadline=None)
@given(st.lists(FLOATS, max_size=40), st.integers(1, 9))
def test_floats_follow_the_formulas(values: list[float | None], block_rows: int) -> None:
    feature = _feature(pa.array(values, pa.float64()), block_rows, num_histogram_buckets=4)
    stats, common = feature.num_stats, feature.num_stats.common_stats
    present = [v for v in values if v is not None]
    numbers = sorted(v for v in present if not math.isnan(v))
    assert (common.num_non_missing, common.num_missing) == (len(present), len(values) - len(present))
    assert common.tot_num_values == len(present)
    assert (common.min_num_values, common.max_num_values) == ((1, 1) if present else (0, 0))
    assert len(stats.histograms) == (2 if present else 0)
    assert all(h.num_nan == len(present) - len(numbers) for h in stats.histograms)
    if not numbers:
        assert (stats.min, stats.max, stats.mean) == (0, 0, 0)
        return
    assert (stats.min, stats.max) == (numbers[0], numbers[-1])
    assert stats.num_zeros == numbers.count(0.0)
    assert stats.median == numbers[len(numbers) // 2]  # the upper median
    if any(math.isinf(x) for x in numbers):
        assert math.isnan(stats.mean)
        assert math.isnan(stats.std_dev)
    else:
        exact = [int(x) if x.is_integer() else x for x in numbers]
        mean = math.fsum(x / len(exact) for x in exact) if max(map(abs, numbers)) > 1e300 else None
        mean = math.fsum(numbers) / len(numbers) if mean is None else mean
        scale = max(map(abs, numbers))
        assert abs(stats.mean - mean) <= 1e-12 * scale + 1e-320  # subnormal numbers have few digits
        if 1e-100 < scale < 1e100:
            assert abs(stats.std_dev - float(np.std(np.array(numbers)))) <= 1e-12 * scale
    standard, quantiles = stats.histograms
    assert [b.sample_count for b in standard.buckets] == _standard(numbers, 4)
    assert math.isclose(sum(b.sample_count for b in quantiles.buckets), len(numbers), rel_tol=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(INTS, min_size=1, max_size=40), st.integers(1, 9))
def test_huge_integers(values: list[int | None], block_rows: int) -> None:
    feature = _feature(pa.array(values, pa.int64()), block_rows)
    numbers = sorted(float(v) for v in values if v is not None)
    stats = feature.num_stats
    if not numbers:
        assert not stats.histograms
        return
    assert (stats.min, stats.max, stats.median) == (numbers[0], numbers[-1], numbers[len(numbers) // 2])
    scale = max(1.0, *map(abs, numbers))
    assert abs(stats.mean - math.fsum(numbers) / len(numbers)) <= 1e-12 * scale
    assert abs(stats.std_dev - float(np.std(np.array(numbers)))) <= 1e-12 * scale


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(1, 12), st.integers(1, 20))
def test_quantile_boundaries_are_the_smallest_values_above_their_share(
    values: list[int], buckets: int, block_rows: int
) -> None:
    feature = _feature(pa.array(values, pa.int64()), block_rows, num_quantiles_histogram_buckets=buckets)
    ordered, n = sorted(values), len(values)
    inner = [next(v for v in ordered if sum(x <= v for x in ordered) * buckets > i * n) for i in range(1, buckets)]
    edges = [ordered[0], *inner, ordered[-1]]
    found = feature.num_stats.histograms[1].buckets
    assert [b.low_value for b in found] == edges[:-1]
    assert [b.high_value for b in found] == edges[1:]
    assert math.isclose(sum(b.sample_count for b in found), n)


def test_quantile_histogram_shares_equal_bounds(stats_of: Callable[..., Any]) -> None:
    """Worked examples of the rule: the least number belongs to the first bucket, equal upper bounds share."""
    for values, buckets, counts in (
        ([1, 1, 2, 3, 4, 5], 4, [2, 2, 1, 1]),
        ([2, 3], 4, [1, 1 / 3, 1 / 3, 1 / 3]),
        ([2, 4], 2, [1.5, 0.5]),
        ([1, 1, 1, 1, 1], 2, [2.5, 2.5]),
        ([1, 1, 1, 2], 4, [1.5, 1.5, 0.5, 0.5]),
    ):
        stats = stats_of(pa.array(values, pa.int64()), num_quantiles_histogram_buckets=buckets)
        assert [b.sample_count for b in stats.num_stats.histograms[1].buckets] == pytest.approx(counts)


def test_booleans_and_times_are_integers(stats_of: Callable[..., Any]) -> None:
    flags = stats_of(pa.array([True, False, None, True]))
    assert flags.type == flags.INT
    assert (flags.num_stats.max, flags.num_stats.num_zeros, flags.num_stats.mean) == (1, 1, 2 / 3)
    assert [(c.name, c.str) for c in flags.custom_stats] == [("arrow_type", "bool")]
    times = stats_of(pa.array([0, 1_600_000_000_000_000, None], pa.timestamp("us")))
    assert times.type == times.INT
    assert times.num_stats.max == 1.6e15
    assert [(c.name, c.str) for c in times.custom_stats] == [("arrow_type", "timestamp")]


def test_no_rows_and_nothing_but_nulls(stats_of: Callable[..., Any]) -> None:
    empty = stats_of(pa.array([], pa.float64()))
    assert empty.type == empty.FLOAT
    assert empty.num_stats.common_stats.num_missing == 0
    nulls = stats_of(pa.array([None] * 5, pa.float64()), block_rows=2)
    assert nulls.num_stats.common_stats.num_missing == 5
    assert not nulls.num_stats.histograms
    assert not nulls.num_stats.common_stats.HasField("num_values_histogram")


def test_lists_count_their_values(stats_of: Callable[..., Any]) -> None:
    stats = stats_of(pa.array([[1.0, 2.0], None, [], [3.0]], pa.list_(pa.float64())), block_rows=1)
    common = stats.num_stats.common_stats
    assert (common.num_non_missing, common.num_missing) == (3, 1)
    assert (common.min_num_values, common.max_num_values, common.tot_num_values) == (0, 2, 3)
    assert common.avg_num_values == 1.0
    assert stats.num_stats.mean == 2.0


def test_nested_lists_count_at_every_level(stats_of: Callable[..., Any]) -> None:
    values = pa.array([[[1], [2, 3]], None, [], [None, []], [[5]]], pa.list_(pa.list_(pa.int64())))
    for block_rows in (1, 2, 5):
        common = stats_of(values, block_rows=block_rows).num_stats.common_stats
        assert (common.num_non_missing, common.min_num_values, common.max_num_values) == (4, 0, 3)
        levels = [
            (lv.num_non_missing, lv.num_missing, lv.min_num_values, lv.max_num_values, lv.tot_num_values)
            for lv in common.presence_and_valency_stats
        ]
        assert levels == [(4, 1, 0, 2, 5), (4, 1, 0, 2, 4)]


def test_a_mean_far_from_zero_keeps_its_digits(stats_of: Callable[..., Any]) -> None:
    """Naive sums of squares lose everything here; the merged moments keep twelve digits."""
    values = 1e9 + np.random.default_rng(5).normal(size=20_000)
    stats = stats_of(pa.array(values), block_rows=700).num_stats
    assert _close(stats.mean, math.fsum(values) / len(values))
    assert math.isclose(stats.std_dev, float(np.std(values - 1e9)), rel_tol=1e-9)
