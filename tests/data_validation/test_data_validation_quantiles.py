"""The quantile summary: exact while small, within its own stated error beyond, on hostile orders too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.data_validation.quantiles import QuantileSummary

Floats = npt.NDArray[np.float64]


def _tree(parts: list[QuantileSummary]) -> QuantileSummary:
    while len(parts) > 1:
        merged = []
        for i in range(0, len(parts), 2):
            if i + 1 < len(parts):
                parts[i].merge(parts[i + 1])
            merged.append(parts[i])
        parts = merged
    return parts[0]


def _summary(data: Floats, capacity: int, block: int) -> QuantileSummary:
    return _tree(
        [QuantileSummary.of_sorted(np.sort(data[i : i + block]), capacity) for i in range(0, len(data), block)]
    )


def _worst(summary: QuantileSummary, data: Floats) -> int:
    """The greatest error of the rank function over all places where it can differ."""
    points = np.unique(np.concatenate([data, summary.values]))
    ordered = np.sort(data)
    exact = np.searchsorted(ordered, points, side="right")
    return int(np.abs(summary.rank(points) - exact).max())


ORDERS: dict[str, Callable[[int], Floats]] = {
    "sorted": lambda n: np.arange(n, dtype=np.float64),
    "reversed": lambda n: np.arange(n, dtype=np.float64)[::-1].copy(),
    "interleaved": lambda n: np.concatenate([np.arange(n // 2) * 2.0, np.arange(n // 2) * 2.0 + 1]),
    "zigzag": lambda n: np.where(np.arange(n) % 2, np.arange(n), -np.arange(n)).astype(np.float64),
    "heavy": lambda n: np.where(np.arange(n) % 10, 0.0, np.arange(n)).astype(np.float64),
    "exponential": lambda n: np.exp(np.random.default_rng(3).normal(size=n) * 20),
    "shuffled": lambda n: np.random.default_rng(4).permutation(n).astype(np.float64),
}


@pytest.mark.parametrize("order", sorted(ORDERS))
@pytest.mark.parametrize("block", [1000, 8192])
def test_error_bound_on_hostile_orders(order: str, block: int) -> None:
    data = ORDERS[order](60_000)
    summary = _summary(data, 256, block)
    assert summary.count == len(data)
    assert len(summary.values) <= 2 * 256
    assert _worst(summary, data) <= summary.error
    levels = int(np.ceil(np.log2(len(data) / block))) + 1
    # Half a group a level; grouping by midpoints lets a group outweigh its share by half a neighbour.
    assert summary.error <= 2 * (levels + 1) * len(data) / (2 * 256)


def test_default_capacity_is_far_below_a_percent() -> None:
    data = ORDERS["shuffled"](300_000)
    summary = _summary(data, 4096, 65_536)
    assert summary.error / len(data) < 0.002
    for q in (0.01, 0.25, 0.5, 0.75, 0.99):
        value = summary.quantiles(100, 0.0, data.max())[round(q * 100)]
        assert abs(value - q * len(data)) <= summary.error + 1


def test_many_rows_with_few_distinct_values_stay_exact() -> None:
    data = np.random.default_rng(0).integers(0, 200, 50_000).astype(np.float64)
    summary = _summary(data, 256, 1000)
    assert summary.error == 0
    assert _worst(summary, data) == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60), min_size=1, max_size=9),
    st.integers(16, 40),
)
def test_bound_and_weight_hold_for_any_blocks(blocks: list[list[float]], capacity: int) -> None:
    arrays = [np.sort(np.array(block, np.float64)) for block in blocks]
    data = np.concatenate(arrays)
    summary = _tree([QuantileSummary.of_sorted(a, capacity) for a in arrays])
    assert summary.count == len(data)
    assert np.all(np.diff(summary.values) > 0)
    if len(data):
        assert _worst(summary, data) <= summary.error
        if len(np.unique(data)) <= capacity:
            assert summary.error == 0


def test_merging_an_empty_summary_changes_nothing() -> None:
    one = QuantileSummary.of_sorted(np.arange(10.0), 16)
    one.merge(QuantileSummary(16))
    two = QuantileSummary(16)
    two.merge(one)
    for summary in (one, two):
        assert summary.values.tolist() == list(range(10))
        assert summary.weights.tolist() == [1] * 10
