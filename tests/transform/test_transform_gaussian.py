"""Tukey's HH distribution: its L-moments, the fit, the inverse, and the scaled columns."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.engine.state import pack_state
from trueline.transform.analysis import analyze
from trueline.transform.analyzers.tukey import FinitePoints, fit_tukey, hh_l_moments, hh_params
from trueline.transform.operations.base import Value
from trueline.transform.operations.gaussian import OPERATIONS, lambert_of_log

VALUES = st.lists(st.integers(-20, 20).map(float) | st.floats(-1e3, 1e3), max_size=40)


def points(values: Any) -> FinitePoints:
    state = FinitePoints("float64", {})
    state.update(np.asarray(values, np.float64))
    return state


def hh(normal: np.ndarray, left: float, right: float) -> np.ndarray:
    """Tukey HH values of normal ones."""
    return normal * np.exp(np.where(normal < 0.0, left, right) * normal**2 / 2.0)


def normal_sample(count: int) -> np.ndarray:
    """The normal distribution's quantiles: a sample without noise."""
    from statistics import NormalDist

    return np.array([NormalDist().inv_cdf((i + 0.5) / count) for i in range(count)])


def analysed(table: pa.Table, function: Any, **run: Any) -> Any:
    graph = tlt.trace(function, [raw_feature_of(f) for f in table.schema])
    return analyze(graph, Dataset.from_table(table, run.get("block_rows", 65_536)), LocalEngine(workers=1))


@given(st.lists(st.floats(-100, 100), min_size=4, max_size=9))
@settings(max_examples=40, deadline=None)
def test_l_moments_are_those_of_all_subsamples(values: list[float]) -> None:
    """Hosking's definition, counted out: the mean over all pairs, triplets, quadruplets of alternating sums."""
    expected = []
    for order, factors in enumerate(([1], [-1, 1], [1, -2, 1], [-1, 3, -3, 1]), 1):
        sums = [
            sum(f * v for f, v in zip(factors, sorted(c), strict=True)) for c in itertools.combinations(values, order)
        ]
        expected.append(sum(sums) / len(sums) / order)
    assert points(values).l_moments == pytest.approx(expected, abs=1e-10)


@given(VALUES, VALUES)
@settings(max_examples=40, deadline=None)
def test_states_merge_exactly(a: list[float], b: list[float]) -> None:
    """Any cut into blocks gives the same bytes, and so the same L-moments: no approximation by batches."""
    left, whole = points(a), points([*a, *b])
    left.merge(points(b))
    assert pack_state("p", 1, *left.parts()) == pack_state("p", 1, *whole.parts())
    loaded = FinitePoints("float64", {})
    loaded.restore(*left.parts())
    assert loaded.l_moments == whole.l_moments


def test_few_values_have_fewer_moments() -> None:
    assert points([]).l_moments == (0.0, 0.0, 0.0, 0.0)
    assert points([3.0]).l_moments == (3.0, 0.0, 0.0, 0.0)
    assert points([1.0, 3.0]).l_moments == (2.0, 1.0, 0.0, 0.0)
    assert points([2.0, 2.0, 2.0]).l_moments[1:] == (0.0, 0.0, 0.0)
    assert (points([5.0, 5.0]).fit.location, points([5.0, 5.0]).fit.scale) == (5.0, 1.0)


def test_an_offset_costs_no_digit() -> None:
    values = np.random.default_rng(1).normal(size=3_000).round(6)
    near, far = points(values).l_moments, points(values + 2.0**30).l_moments
    assert far[1:] == pytest.approx(near[1:], rel=1e-6, abs=1e-9)


@given(st.floats(0.0, 0.95), st.floats(0.0, 0.95))
@settings(max_examples=60, deadline=None)
def test_the_search_inverts_the_closed_form(left: float, right: float) -> None:
    _, _, skewness, kurtosis = hh_l_moments(left, right)
    assert hh_params(skewness, kurtosis) == pytest.approx((left, right), abs=2e-6)


@pytest.mark.parametrize(("left", "right"), [(0.0, 0.0), (0.1, 0.4), (0.5, 0.0), (0.3, 0.3)])
def test_closed_l_moments_agree_with_a_fine_sample(left: float, right: float) -> None:
    found = points(hh(normal_sample(30_001), left, right)).l_moments
    mean, scale, skewness, kurtosis = hh_l_moments(left, right)
    assert found == pytest.approx((mean, scale, skewness * scale, kurtosis * scale), abs=5e-3)


def test_fitted_parameters_come_back() -> None:
    values = 7.0 + 3.0 * hh(normal_sample(20_001), 0.1, 0.25)
    fit = fit_tukey(points(values).l_moments)
    assert (fit.location, fit.scale, fit.left, fit.right) == pytest.approx((7.0, 3.0, 0.1, 0.25), abs=1e-2)


@given(st.floats(-600.0, 600.0))
def test_lambert_solves_its_equation(log: float) -> None:
    w = float(lambert_of_log(np.array(log)))
    if log >= -80.0:
        assert w + math.log(w) == pytest.approx(log, rel=1e-12, abs=1e-12)
    else:
        assert w < 2e-35


@given(st.floats(-25.0, 25.0), st.floats(0.0, 2.0), st.floats(0.0, 2.0))
@settings(max_examples=200)
def test_the_inverse_inverts(normal: float, left: float, right: float) -> None:
    (record,) = OPERATIONS
    y = hh(np.array([normal]), left, right)
    found = record.numpy([Value(y), Value(np.array(left)), Value(np.array(right))], {})
    assert found == pytest.approx(normal, rel=1e-12, abs=1e-300)


def test_infinities_stay_and_nan_stays() -> None:
    (record,) = OPERATIONS
    y = np.array([np.inf, -np.inf, np.nan, 1.7e308, 5e-324, 0.0])
    found = record.numpy([Value(y), Value(np.array(0.2)), Value(np.array(0.5))], {})
    assert found[0] == np.inf
    assert found[1] == -np.inf
    assert np.isnan(found[2])
    assert 30.0 < found[3] < 60.0
    assert found[4] == 5e-324
    assert found[5] == 0.0


def test_a_heavy_column_becomes_normal() -> None:
    """Tails drawn in on both sides; NaN, infinities and missing values take no part and stay what they are."""
    values = 100.0 - 20.0 * hh(normal_sample(4_001), 0.3, 0.1)
    table = pa.table({"x": [*values.tolist(), float("nan"), None, math.inf]})
    output = analysed(table, lambda x: {"g": tlt.scale_to_gaussian(x["x"])}, block_rows=100)
    out = output.transform(table)["g"].to_pylist()
    found = np.array(out[:4_001])
    assert (found.mean(), found.std()) == pytest.approx((0.0, 1.0), abs=0.02)
    assert ((found - found.mean()) ** 4).mean() / found.var() ** 2 == pytest.approx(3.0, abs=0.1)
    assert math.isnan(out[-3])
    assert out[-2:] == [None, math.inf]


def test_light_tails_give_the_z_score() -> None:
    table = pa.table({"x": np.linspace(-3.0, 5.0, 101), "c": [4.0] * 101})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {f"{k}_{f.__name__}": f(x[k]) for k in ("x", "c") for f in (tlt.scale_to_gaussian, tlt.scale_to_z_score)}

    out = analysed(table, preprocessing).transform(table)
    assert out["x_scale_to_gaussian"].to_pylist() == pytest.approx(out["x_scale_to_z_score"].to_pylist(), rel=1e-6)
    assert out["c_scale_to_gaussian"].to_pylist() == [0.0] * 101


def test_places_of_a_vector_by_themselves_and_together() -> None:
    """One heavy place beside a light one: elementwise each gets its own parameters."""
    heavy, light = hh(normal_sample(501), 0.0, 0.5), np.linspace(-1.0, 1.0, 501)
    matrix = np.stack([heavy, light], axis=1)
    table = pa.table({"v": pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), 2), "h": heavy, "l": light})

    def preprocessing(x: Any) -> dict[str, Any]:
        left, right = tlt.tukey_h_params(x["v"], reduce_instance_dims=False)
        return {
            "v": tlt.scale_to_gaussian(x["v"], elementwise=True),
            "h": tlt.scale_to_gaussian(x["h"]),
            "l": tlt.scale_to_gaussian(x["l"]),
            "both": tlt.scale_to_gaussian(x["v"]),
            "left": left,
            "right": right,
            "location": tlt.tukey_location(x["v"], reduce_instance_dims=False),
            "scale": tlt.tukey_scale(x["v"]),
        }

    out = analysed(table, preprocessing).transform(table).to_pydict()
    assert [row[0] for row in out["v"]] == out["h"]
    assert [row[1] for row in out["v"]] == out["l"]
    assert out["both"] != out["v"]
    assert out["left"][0] == [0.0, 0.0]
    assert out["right"][0][0] == pytest.approx(0.5, abs=0.05)
    assert out["right"][0][1] == 0.0
    assert isinstance(out["scale"][0], float)


def test_lists_are_scaled_by_all_their_elements() -> None:
    values = hh(normal_sample(300), 0.2, 0.2).tolist()
    table = pa.table({"l": [values[:100], [], values[100:], None]})
    out = analysed(table, lambda x: {"g": tlt.scale_to_gaussian(x["l"])}).transform(table)["g"].to_pylist()
    flat = analysed(pa.table({"x": values}), lambda x: {"g": tlt.scale_to_gaussian(x["x"])})
    expected = flat.transform(pa.table({"x": values}))["g"].to_pylist()
    assert [*out[0], *out[2]] == expected
    assert out[1] == []
    assert out[3] is None


def test_same_bits_for_any_shards_and_workers() -> None:
    """Upstream's result depends on the batch size; ours does not even on the size of blocks, while values repeat."""
    values = hh(np.random.default_rng(4).normal(size=3_000), 0.1, 0.3).round(3)
    table = pa.table({"x": values})
    graph = tlt.trace(lambda x: {"g": tlt.scale_to_gaussian(x["x"])}, [raw_feature_of(f) for f in table.schema])
    runs = [analyze(graph, Dataset.from_table(table, 250).deal(s), LocalEngine(workers=w)) for s, w in ((1, 1), (5, 4))]
    assert len({run.content_hash for run in runs}) == 1
    other = analyze(graph, Dataset.from_table(table, 17), LocalEngine(workers=1))
    ops = [n.op for n in graph.nodes]
    for op in ("location", "scale", "h_left", "h_right"):
        index = ops.index(f"analyze.tukey_{op}")
        assert other.findings[index] == runs[0].findings[index]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: tlt.scale_to_gaussian(x["l"], elementwise=True), "lists have no fixed places"),
        (lambda x: tlt.scale_to_gaussian(x["s"]), "takes float64, not utf8"),
        (lambda x: tlt.tukey_scale(x["x"], output_dtype="int64"), "output_dtype must be a float type"),
    ],
)
def test_wrong_uses_are_told_at_the_users_line(function: Any, message: str) -> None:
    fields = [("x", pa.float64()), ("l", pa.list_(pa.float64())), ("s", pa.string())]
    with pytest.raises(TransformError, match=message) as error:
        tlt.trace(lambda x: {"y": function(x)}, [raw_feature_of(pa.field(*f)) for f in fields])
    assert "test_transform_gaussian.py" in str(error.value)
