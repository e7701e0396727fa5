"""A column that does not vary is correlated with nothing, whatever rounding leaves of its variance."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from trueline.data_validation import StatsOptions, generate_statistics
from trueline.engine import Dataset


def _cross(a: pa.Array, b: pa.Array, block_rows: int) -> tuple[bool, float, float]:
    dataset = Dataset.from_table(pa.table({"a": a, "b": b}), block_rows=block_rows)
    (found,) = generate_statistics(dataset, StatsOptions(cross_features=True)).datasets[0].cross_features
    stats = found.num_cross_stats
    return stats.correlation != 0.0, stats.correlation, stats.covariance


@pytest.mark.parametrize("block_rows", [2, 5, 100])
def test_a_column_that_is_constant_where_the_other_is_there_has_no_correlation(block_rows: int) -> None:
    for seed in range(25):
        draw = random.Random(seed)
        value = draw.choice([0.1, 1 / 3, 1e6 + 0.1, -7.7, 3.3e-5])
        rows = [(value, draw.gauss(0, 1e6)) if draw.random() < 0.7 else (draw.gauss(0, 1e3), None) for _ in range(30)]
        a, b = pa.array([x for x, _ in rows]), pa.array([y for _, y in rows], pa.float64())
        assert _cross(a, b, block_rows) == (False, 0.0, 0.0)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e8])
@pytest.mark.parametrize("block_rows", [3, 100])
def test_small_variation_far_from_zero_is_still_correlated(offset: float, block_rows: int) -> None:
    rng = np.random.default_rng(4)
    a = rng.normal(size=60) + offset
    b = a + rng.normal(size=60)
    assert _cross(pa.array(a), pa.array(b), block_rows)[1] == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-6)
