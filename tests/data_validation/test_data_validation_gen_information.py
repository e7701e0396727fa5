"""Mutual information against closed forms, and as custom statistics of a pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trueline.data_validation import StatsOptions, generate_statistics
from trueline.data_validation.generators.information import Column, mutual_information
from trueline.data_validation.generators.sample import RowSample, permutation
from trueline.engine import LocalEngine

ROWS = 2000
NOISE = 0.1  # bits; four times the standard deviation of one estimate over 2000 rows


def normal_pair(rho: float, seed: int, rows: int = ROWS) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return x, rho * x + math.sqrt(1 - rho**2) * rng.normal(size=rows)


@pytest.mark.parametrize("rho", [0.0, 0.5, -0.8, 0.95])
def test_normal_pairs(rho: float) -> None:
    """Two normal numbers of correlation rho share -log2(1 - rho^2) / 2 bits, also after monotone maps."""
    truth = -0.5 * math.log2(1 - rho**2)
    for seed in range(3):
        x, y = normal_pair(rho, seed)
        assert mutual_information(Column(numbers=x), Column(numbers=y)) == pytest.approx(truth, abs=NOISE)
        mapped = mutual_information(Column(numbers=np.exp(3 * x)), Column(numbers=y**3 * 1e9))
        assert mapped == mutual_information(Column(numbers=x), Column(numbers=y))


def test_categories() -> None:
    """Identical categories share their entropy; independent ones nearly nothing; so do numbers that are categories."""
    rng = np.random.default_rng(0)
    codes = rng.choice(4, ROWS, p=[0.5, 0.25, 0.125, 0.125])
    same = Column(codes=codes)
    for other in (same, Column(numbers=codes * 2.5), Column(codes=3 - codes)):
        assert mutual_information(same, other) == pytest.approx(1.75, abs=NOISE)
    assert mutual_information(Column(numbers=codes * 1.0), Column(numbers=codes**2.0)) == pytest.approx(1.75, abs=NOISE)
    assert abs(mutual_information(same, Column(codes=rng.integers(0, 3, ROWS)))) < NOISE / 4


def test_a_category_and_a_number() -> None:
    """Two normal groups three deviations apart share 0.760 bits (by quadrature of the two densities)."""
    grid = np.linspace(-10, 13, 100_001)
    one, two = (np.exp(-((grid - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (0, 3))
    middle = (one + two) / 2
    parts = [p * np.log2(np.where(p > 0, p, 1) / middle) for p in (one, two)]
    truth = float((parts[0] + parts[1]).sum() / 2 * (grid[1] - grid[0]))
    rng = np.random.default_rng(1)
    group = rng.integers(0, 2, ROWS)
    number = Column(numbers=rng.normal(size=ROWS) + 3 * group)
    assert mutual_information(number, Column(codes=group)) == pytest.approx(truth, abs=NOISE)
    assert mutual_information(Column(codes=group), number) == pytest.approx(truth, abs=NOISE)


def test_missing_is_a_category() -> None:
    """A number that is missing exactly where the label is 1 tells all of the label, and nothing more."""
    rng = np.random.default_rng(2)
    label = rng.integers(0, 2, ROWS)
    number = np.where(label == 1, np.nan, rng.normal(size=ROWS))
    assert mutual_information(Column(numbers=number), Column(codes=label)) == pytest.approx(1.0, abs=0.01)
    everywhere = np.full(ROWS, np.nan)
    assert mutual_information(Column(numbers=everywhere), Column(codes=label)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 5])
def test_few_rows_and_odd_values(rows: int) -> None:
    """No rows, one row, infinities, huge and constant numbers: finite figures and no warnings."""
    values = np.array([np.inf, -np.inf, 1e308, -1e308, 0.0])[:rows]
    columns = [Column(numbers=values), Column(numbers=np.ones(rows)), Column(codes=np.arange(rows))]
    for x in columns:
        for y in columns:
            assert math.isfinite(mutual_information(x, y))


def adjusted(table: pa.Table, **options: Any) -> dict[str, dict[str, float]]:
    asked = StatsOptions(mutual_information=True, label_feature="y", **options)
    found = generate_statistics(table, asked, LocalEngine(1)).datasets[0]
    return {
        f.path.step[0]: {s.name: s.num for s in f.custom_stats if "mutual" in s.name}
        for f in found.features
        if f.path.step[0] != "y"
    }


def test_custom_statistics() -> None:
    """Names as upstream's, in bits, above 0 only where there is something; a text that is always new says nothing."""
    x, y = normal_pair(0.9, 5, 6000)
    rng = np.random.default_rng(3)
    columns = {"x": x, "noise": rng.normal(size=6000), "id": [f"u{i}" for i in range(6000)], "y": y}
    found = adjusted(pa.table({**columns, "sign": np.where(y > 0, "up", "down"), "list": [[v, v] for v in x > 0]}))
    truth = -0.5 * math.log2(1 - 0.81)
    assert found["x"]["adjusted_mutual_information"] == pytest.approx(truth, abs=NOISE)
    assert found["noise"]["max_adjusted_mutual_information"] < NOISE
    assert found["id"]["adjusted_mutual_information"] == 0.0
    assert found["sign"]["adjusted_mutual_information"] == pytest.approx(1.0, abs=NOISE)
    assert 0.2 < found["list"]["adjusted_mutual_information"] < 1.0
    assert found["x"]["num_partitions_adjusted_mutual_information"] == 4.0
    assert found["x"]["mutual_information_sample_rows"] == 4096.0
    middle = ("min", "median", "max")
    low, mid, high = (found["x"][f"{name}_adjusted_mutual_information"] for name in middle)
    assert low <= mid <= high
    assert found["x"]["mean_adjusted_mutual_information"] == found["x"]["adjusted_mutual_information"]


def test_the_sample_is_uniform_and_the_same_for_any_blocks() -> None:
    """By row numbers: any blocks give the same rows, and each tenth of the data gives about a tenth of them."""
    table = pa.table({"v": np.arange(20_000.0), "__row__": np.arange(20_000)})
    features = [{"path": ["v"], "kind": "number"}]
    samples = []
    for block_rows in (999, 20_000):
        sample = RowSample(features, 2000, "v")
        for batch in table.to_batches(block_rows):
            part = RowSample(features, 2000, "v")
            part.update(batch)
            sample.merge(part)
        samples.append(sample.numbers[:, 0])
    assert np.array_equal(samples[0], samples[1])
    assert len(np.unique(samples[0])) == 2000
    counts = np.histogram(samples[0], bins=10)[0]
    assert (abs(counts - 200) < 5 * math.sqrt(200)).all()


def test_equal_rows_are_sampled_apart() -> None:
    """Without row numbers the place in the block decides: a column of one value is not all in or all out."""
    features = [{"path": ["v"], "kind": "number"}, {"path": ["place"], "kind": "number"}]
    sample = RowSample(features, 500, "v")
    sample.update(pa.table({"v": np.ones(5000), "place": np.arange(5000.0)}).to_batches()[0])
    assert len(np.unique(sample.numbers[:, 1])) == 500
    assert abs(sample.numbers[:, 1].mean() - 2500) < 4 * 5000 / math.sqrt(12 * 500)


def test_shuffles_are_permutations() -> None:
    """The same for the same seed, another for another, all of 0 to n - 1."""
    assert sorted(permutation(100, 1)) == list(range(100))
    assert np.array_equal(permutation(100, 1), permutation(100, 1))
    assert not np.array_equal(permutation(100, 1), permutation(100, 2))
