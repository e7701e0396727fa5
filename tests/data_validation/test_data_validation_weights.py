"""Weighted statistics: against plain numpy, against repeated rows, and every wrong weight refused with its row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import DataError, SchemaError
from trueline.data_validation import StatsOptions, generate_statistics
from trueline.data_validation.quantiles import QuantileSummary
from trueline.data_validation.statistics import statistics_spec
from trueline.engine import Dataset, LocalEngine
from trueline.engine.testing import check_accumulator

WEIGHTED = StatsOptions(weight_feature="w")
TIGHT = StatsOptions(weight_feature="w", epsilon=0.99, max_quantile_points=64, max_distinct=50)


def _stats(table: pa.Table, options: StatsOptions = WEIGHTED, block_rows: int = 1000) -> Any:
    return generate_statistics(Dataset.from_table(table, block_rows), options, LocalEngine(1)).datasets[0]


def _feature(dataset: Any, *path: str) -> Any:
    return next(f for f in dataset.features if tuple(f.path.step) == path)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(3)
    n = 3000
    return pa.table(
        {
            "x": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
            "i": rng.integers(0, 40, n),
            "s": pa.array([f"v{k}" for k in rng.zipf(1.5, n) % 200], mask=rng.random(n) < 0.2),
            "lists": pa.array([list(range(k)) if k else None for k in rng.integers(0, 4, n)], pa.list_(pa.int64())),
            "w": rng.integers(0, 4, n) / 2,
            "v": rng.random(n),
        }
    )


def test_weighted_figures_are_those_of_numpy(table: pa.Table) -> None:
    """Presence, mean, deviation, median, equal-width counts and frequencies, each by its definition."""
    dataset = _stats(table, block_rows=700)
    w = table["w"].to_numpy()
    assert dataset.num_examples == 3000
    assert dataset.weighted_num_examples == pytest.approx(w.sum(), rel=1e-12)
    x, there = table["x"].to_numpy(), np.asarray(table["x"].is_valid())
    found = _feature(dataset, "x").num_stats
    common = found.common_stats.weighted_common_stats
    assert (common.num_non_missing, common.num_missing) == pytest.approx((w[there].sum(), w[~there].sum()), rel=1e-12)
    assert (common.tot_num_values, common.avg_num_values) == pytest.approx((w[there].sum(), 1.0))
    values, heavy = x[there], w[there]
    mean = np.average(values, weights=heavy)
    weighted = found.weighted_numeric_stats
    assert weighted.mean == pytest.approx(mean, rel=1e-12)
    assert weighted.std_dev == pytest.approx(math.sqrt(np.average((values - mean) ** 2, weights=heavy)), rel=1e-12)
    order = np.argsort(values)
    ends = np.cumsum(heavy[order])
    assert weighted.median == values[order][np.searchsorted(ends, ends[-1] / 2, side="right")]
    want, _ = np.histogram(values, 10, weights=heavy)
    assert [b.sample_count for b in weighted.histograms[0].buckets] == pytest.approx(want)
    assert sum(b.sample_count for b in weighted.histograms[1].buckets) == pytest.approx(heavy.sum())
    strings = _feature(dataset, "s").string_stats.weighted_string_stats
    sums: dict[str, float] = {}
    for value, weight in zip(table["s"].to_pylist(), w, strict=True):
        if value is not None:
            sums[value] = sums.get(value, 0.0) + weight
    ranked = sorted(((n, v) for v, n in sums.items() if n >= 1.0), reverse=True)
    assert [(b.sample_count, b.label) for b in strings.rank_histogram.buckets] == ranked
    assert [(v.frequency, v.value) for v in strings.top_values] == ranked[:20]


def test_weights_are_repetitions(table: pa.Table) -> None:
    """Whole weights say what the rows, so many times each, say without weights: zero leaves them out."""
    times = (table["w"].to_numpy() * 2).astype(int)
    plain = _stats(table.take(pa.array(np.repeat(np.arange(3000), times))), StatsOptions(), 10_000)
    doubled = _stats(table.set_column(4, "w", pa.array(times)), block_rows=10_000)
    for name in ("x", "i", "lists"):
        many, weighted = _feature(plain, name).num_stats, _feature(doubled, name).num_stats.weighted_numeric_stats
        assert weighted.mean == pytest.approx(many.mean, rel=1e-12)
        assert weighted.std_dev == pytest.approx(many.std_dev, rel=1e-12)
        assert weighted.median == many.median
        for one, two in zip(weighted.histograms[1].buckets, many.histograms[1].buckets, strict=True):
            assert (one.low_value, one.high_value) == (two.low_value, two.high_value)
            assert one.sample_count == pytest.approx(two.sample_count)
    lists = _feature(doubled, "lists").num_stats.common_stats.weighted_common_stats
    want = _feature(plain, "lists").num_stats.common_stats
    assert (lists.num_non_missing, lists.num_missing) == (want.num_non_missing, want.num_missing)
    assert lists.tot_num_values == want.tot_num_values
    top = [(v.value, v.frequency) for v in _feature(plain, "s").string_stats.top_values]
    heavy = _feature(doubled, "s").string_stats.weighted_string_stats.top_values
    assert [(v.value, v.frequency) for v in heavy] == top


def test_plain_figures_do_not_change_with_weights(table: pa.Table) -> None:
    weighted, plain = _stats(table), _stats(table, StatsOptions())
    for one, two in zip(weighted.features, plain.features, strict=True):
        stats = getattr(one, one.WhichOneof("stats"))
        stats.common_stats.ClearField("weighted_common_stats")
        stats.ClearField("weighted_numeric_stats" if one.HasField("num_stats") else "weighted_string_stats")
        assert one == two


def test_a_feature_may_have_a_weight_of_its_own(table: pa.Table) -> None:
    """The override weighs one feature; the default weighs the rest and the number of examples."""
    options = StatsOptions(weight_feature="w", per_feature_weight_override={"i": "v"}, feature_allowlist=["x", "i"])
    dataset = _stats(table, options)
    w, v = table["w"].to_numpy(), table["v"].to_numpy()
    assert [tuple(f.path.step) for f in dataset.features] == [("x",), ("i",)], "weights are read, and no features"
    assert dataset.weighted_num_examples == pytest.approx(w.sum())
    mean = _feature(dataset, "i").num_stats.weighted_numeric_stats.mean
    assert mean == pytest.approx(np.average(table["i"].to_numpy(), weights=v), rel=1e-12)
    only = _stats(table, StatsOptions(per_feature_weight_override={"i": "v"}))
    assert only.weighted_num_examples == 0
    assert _feature(only, "i").num_stats.HasField("weighted_numeric_stats")
    assert not _feature(only, "x").num_stats.HasField("weighted_numeric_stats")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (pa.array([1.0, -0.5, 1.0]), "row 1 of the block has -0.5 as its weight in the weight column 'w'"),
        (pa.array([1.0, 1.0, math.nan]), "row 2 of the block has nan"),
        (pa.array([math.inf, 1.0, 1.0]), "row 0 of the block has inf"),
        (pa.array([1.0, None, None]), "row 1 of the block has 0 values in the weight column 'w', and 1 more"),
        (pa.array([[1.0], [1.0, 2.0], [1.0]]), "row 1 of the block has 2 values"),
        (pa.array([[1.0], [], [1.0]]), "row 1 of the block has 0 values"),
        (pa.array([[1.0], None, [1.0]]), "row 1 of the block has 0 values"),
        (pa.array([[1.0], [None], [1.0]]), "row 1 of the block has 0 values"),
    ],
)
def test_a_wrong_weight_is_refused_with_its_row(weights: pa.Array, message: str) -> None:
    with pytest.raises(DataError, match="block 0") as error:
        _stats(pa.table({"x": [1, 2, 3], "w": weights}))
    assert message in str(error.value)


def test_lists_of_one_number_are_weights(table: pa.Table) -> None:
    lists = pa.array([[float(k)] for k in range(3)])
    found = _stats(pa.table({"x": [1.0, 2.0, 4.0], "w": lists}))
    assert _feature(found, "x").num_stats.weighted_numeric_stats.mean == pytest.approx(10 / 3)


def test_columns_that_are_no_weights_are_named() -> None:
    data = pa.table({"x": [1], "text": ["a"], "w": [1.0]})
    options = StatsOptions(weight_feature="ww", per_feature_weight_override={"x": "text"})
    with pytest.raises(SchemaError) as error:
        _stats(data, options)
    assert "no column 'ww'" in str(error.value)
    assert "column 'text' holds string: a weight is a number" in str(error.value)


def test_the_laws_of_accumulators(table: pa.Table) -> None:
    """Same bits for shards, threads and processes; associative to 1e-9; empty blocks change nothing; any blocks."""
    check_accumulator(statistics_spec(table.schema, WEIGHTED), table, rtol=1e-9)


def test_beyond_the_bounds_the_bits_are_those_of_the_blocks(table: pa.Table) -> None:
    """Sketches too do not depend on shards and threads; their stated errors hold, and say that they are there."""
    want = _stats(table, TIGHT, 150)
    dataset = Dataset.from_table(table, 150)
    for shards, workers in ((1, 3), (5, 2)):
        assert generate_statistics(dataset.deal(shards), TIGHT, LocalEngine(workers)).datasets[0] == want
    errors = {c.name: c.num for c in _feature(want, "x").custom_stats}
    x, w = table["x"].to_numpy(), table["w"].to_numpy()
    there = ~np.isnan(x)
    rank = w[there & (x <= _feature(want, "x").num_stats.weighted_numeric_stats.median)].sum()
    assert 0 < errors["weighted_quantiles_rank_error"] < 0.2 * w.sum()
    assert abs(rank - w[there].sum() / 2) <= errors["weighted_quantiles_rank_error"] + w.max()
    bound = next(c.num for c in _feature(want, "s").custom_stats if c.name == "weighted_frequency_error")
    exact = _feature(_stats(table), "s").string_stats.weighted_string_stats.rank_histogram.buckets
    true = {b.label: b.sample_count for b in exact}
    for bucket in _feature(want, "s").string_stats.weighted_string_stats.rank_histogram.buckets:
        assert true[bucket.label] - bound <= bucket.sample_count <= true[bucket.label]


weights_of = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e3)), max_size=120)


@settings(max_examples=60, deadline=None)
@given(st.lists(weights_of, min_size=1, max_size=6), st.integers(4, 40))
def test_weighted_ranks_stay_within_the_stated_error(parts: list[list[tuple[float, float]]], capacity: int) -> None:
    """For any weights and any merging the error of every rank is at most `error`, and no weight is lost."""
    merged = QuantileSummary(capacity, weights=np.empty(0, np.float64), error=0.0)
    for part in parts:
        ordered = np.array(sorted(part), np.float64).reshape(-1, 2)
        merged.merge(QuantileSummary.of_weighted(ordered[:, 0], ordered[:, 1], capacity))
    every = np.array([pair for part in parts for pair in part], np.float64).reshape(-1, 2)
    heavy = every[every[:, 1] > 0]
    assert merged.count == pytest.approx(heavy[:, 1].sum(), rel=1e-9)
    assert len(merged.values) <= 2 * max(capacity, 1)
    if len(np.unique(heavy[:, 0])) <= capacity:
        assert merged.error == 0
    places = np.unique(heavy[:, 0])
    true = np.array([heavy[heavy[:, 0] <= x, 1].sum() for x in places])
    slack = merged.error + 1e-9 * (heavy[:, 1].sum() + 1)
    assert np.all(np.abs(merged.rank(places) - true) <= slack)
