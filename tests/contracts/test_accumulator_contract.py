"""The contract of accumulators, on the engine's own product and on sample accumulators that keep or break it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "engine"))

from trueline.engine import AccumulatorSpec, combine
from trueline.engine.testing import check_accumulator, same_result

MOMENTS = AccumulatorSpec("engine_samples:Moments", {"column": "x"})


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    rng = np.random.default_rng(3)
    return pa.table({"x": rng.normal(size=100), "n": pa.array(range(100), mask=rng.random(100) < 0.2)})


def test_a_good_accumulator_passes(rows):
    assert check_accumulator(MOMENTS, rows, rtol=1e-12, atol=1e-12)["count"] == 100


def test_the_product_keeps_the_contract_of_its_parts(rows):
    spec = combine({"m": MOMENTS, "n": AccumulatorSpec("engine_samples:Moments", {"column": "n"})})
    result = check_accumulator(spec, rows, rtol=1e-12, atol=1e-12)
    assert set(result) == {"m", "n"}


@pytest.mark.parametrize("name", ["LossyState", "LastWins"])
def test_broken_accumulators_are_found_out(rows, name):
    with pytest.raises(AssertionError):
        check_accumulator(AccumulatorSpec(f"engine_samples:{name}", {"column": "x"}), rows, rtol=1e-9, processes=False)


def test_order_dependence_beyond_the_tolerance_is_found_out(rows):
    with pytest.raises(AssertionError, match=r"associative|block borders"):
        check_accumulator(MOMENTS, rows, processes=False)


def test_results_are_compared_by_bits_or_within_a_tolerance():
    nan = float("nan")
    assert same_result({"a": [nan, (1, "x")]}, {"a": [nan, (1, "x")]})
    assert not same_result(0.0, -0.0)
    assert not same_result(1, 1.0)
    assert same_result(1.0, 1.0 + 1e-13, rtol=1e-12)
    assert not same_result(np.array([1.0]), np.array([1.0 + 1e-13]))
    assert same_result(np.array([1.0]), np.array([1.0 + 1e-13]), rtol=1e-12)
    assert same_result(pa.array([1, None]), pa.array([1, None]))
    assert not same_result(pa.array([1, None]), pa.array([1, 2]))
