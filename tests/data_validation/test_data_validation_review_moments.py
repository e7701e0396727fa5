"""Mean and standard deviation where rounding or range tempts them: constants, and weights of zero on huge numbers."""

from __future__ import annotations

import math
import warnings

import pyarrow as pa
import pytest

from trueline.data_validation import StatsOptions, generate_statistics
from trueline.engine import Dataset


@pytest.mark.parametrize("value", [0.1, 1e-7, 123456.789])
def test_a_constant_has_no_deviation_and_is_its_mean(value: float) -> None:
    table = pa.table({"x": [value] * 1001, "w": [0.3] * 1001})
    stats = generate_statistics(Dataset.from_table(table, block_rows=100), StatsOptions(weight_feature="w"))
    numbers = stats.datasets[0].features[0].num_stats
    assert (numbers.mean, numbers.std_dev) == (value, 0.0)
    assert (numbers.weighted_numeric_stats.mean, numbers.weighted_numeric_stats.std_dev) == (value, 0.0)


def test_a_number_that_weighs_nothing_changes_no_weighted_figure() -> None:
    table = pa.table({"x": [1e308, -1e308, 1.0, 2.0], "w": [0.0, 0.0, 1.0, 1.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stats = generate_statistics(table, StatsOptions(weight_feature="w"))
    weighted = stats.datasets[0].features[0].num_stats.weighted_numeric_stats
    assert (weighted.mean, weighted.std_dev) == (1.5, 0.5)


def test_weighted_huge_numbers_warn_of_nothing() -> None:
    table = pa.table({"x": [1.7e308, -1.7e308, 1.7e308], "w": [1.0, 1.0, 3.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stats = generate_statistics(table, StatsOptions(weight_feature="w"))
    assert math.isfinite(stats.datasets[0].features[0].num_stats.weighted_numeric_stats.mean)
