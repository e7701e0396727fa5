"""Quantiles with weights, buckets by place, interpolation between boundaries, and how many buckets there are."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline.engine import LocalEngine
from trueline.transform.analyzers.basic_states import Points
from trueline.transform.analyzers.weighted import WeightedPoints

ONE = LocalEngine(workers=1)
VECTOR = pa.list_(pa.float64(), 2)


def run(table: pa.Table, function: Any) -> dict[str, list[Any]]:
    out, _ = tlt.analyze_and_transform(table, function, engine=ONE)
    return {name: out[name].to_pylist() for name in out.schema.names}


def by_definition(values: list[float], weights: list[Fraction], num_buckets: int) -> list[float]:
    """The smallest value whose cumulative weight is above i / n of all, in exact arithmetic."""
    pairs = sorted(zip(values, weights, strict=True))
    total, found = sum(weights), []
    for i in range(1, num_buckets):
        reached = Fraction(0)
        for value, weight in pairs:
            reached += weight
            if reached > Fraction(i, num_buckets) * total:
                found.append(value)
                break
    return found


def test_the_rule_on_small_data() -> None:
    """[1, 2, 3, 4] in 3 buckets is [2, 3]; weights move the boundaries; a weight of 0, NaN or less drops the value."""
    data = pa.table(
        {
            "x": [1.0, 2.0, 3.0, 4.0, 100.0, 200.0, 300.0],
            "w": [1.0, 1.0, 1.0, 9.0, 0.0, float("nan"), -1.0],
            "one": [1.0] * 4 + [0.0] * 3,
            "i": [1, 1, 1, 9, 0, 0, 0],
        }
    )
    out = run(
        data,
        lambda x: {
            "plain": tlt.quantiles(tlt.where(x["one"] > 0.0, x["x"], float("nan")), 3),
            "equal": tlt.quantiles(x["x"], 3, weights=x["one"]),
            "heavy": tlt.quantiles(x["x"], 3, weights=x["w"]),
            "whole": tlt.quantiles(x["x"], 3, weights=x["i"]),
        },
    )
    assert out["plain"][0] == out["equal"][0] == [2.0, 3.0]
    assert out["heavy"][0] == out["whole"][0] == [4.0, 4.0]


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 40)), min_size=1, max_size=30),
    st.integers(1, 7),
    st.sampled_from([1.0, 0.1, 0.3, 1e-7, 3e9]),
)
@settings(max_examples=80, deadline=None)
def test_weighted_quantiles_are_the_definition(pairs: list[tuple[int, int]], n: int, scale: float) -> None:
    """In any blocks and any unit of weight: the unit's rounding moves no boundary."""
    values, weights = [float(v) for v, _ in pairs], [w for _, w in pairs]
    expected = by_definition(values, [Fraction(w) for w in weights], n)
    left, right = WeightedPoints("float64", {}), WeightedPoints("float64", {})
    half = len(values) // 2
    left.update(np.array(values[:half]), np.array(weights[:half]) * scale)
    right.update(np.array(values[half:]), np.array(weights[half:]) * scale)
    left.merge(right)
    assert left.quantiles(n) == expected
    again = WeightedPoints("float64", {})
    again.restore(*left.parts())
    assert again.quantiles(n) == expected


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_equal_weights_are_no_weights(values: list[float], n: int) -> None:
    plain, weighted = Points("float64", {}), WeightedPoints("float64", {})
    plain.update(np.array(values))
    weighted.update(np.array(values), np.full(len(values), 0.1))
    assert plain.quantiles(n) == weighted.quantiles(n)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_finer_summary_keeps_finer_ranks(weighted: bool) -> None:
    """More values than a summary holds: the error in rank stays below depth / (2 * cap), for each cap."""
    rng = np.random.default_rng(3)
    values = rng.lognormal(size=60_000)
    errors = {}
    for cap in (512, 8_192):
        state: Any = (WeightedPoints if weighted else Points)("float64", {"cap": cap})
        for block in np.split(values, 12):
            other = type(state)("float64", {"cap": cap})
            other.update(block, np.full(len(block), 0.25))
            state.merge(other)
        assert len(state.values) <= cap
        ranks = np.searchsorted(np.sort(values), state.quantiles(50)) / len(values)
        errors[cap] = np.abs(ranks - np.arange(1, 50) / 50).max()
        assert errors[cap] <= 13 / (2 * cap) + 1 / len(values)
    assert errors[8_192] < errors[512]


def test_epsilon_asks_for_a_finer_summary() -> None:
    graph = tlt.trace(lambda x: {"y": tlt.bucketize(x["x"], 4, epsilon=1e-5)}, [_feature("x")])
    caps = [n.attrs["cap"] for n in graph.nodes if n.op == "analyze.quantiles"]
    assert caps == [2_097_152]  # 13 / epsilon, as a power of two
    usual = tlt.trace(lambda x: {"y": tlt.bucketize(x["x"], 4, epsilon=0.01)}, [_feature("x")])
    assert all("cap" not in n.attrs for n in usual.nodes)


def _feature(name: str, kind: Any = "scalar") -> Any:
    from trueline._core.values import RawFeature

    return RawFeature(name, "float64", kind)


def test_bucketize_place_by_place() -> None:
    values = np.arange(1.0, 10.0)
    data = pa.table(
        {
            "v": pa.array([[v, 100.0 - 10.0 * v] for v in values] + [None, [float("nan"), 0.0]], VECTOR),
            "w": [1.0] * 9 + [None, 1.0],
        }
    )
    out = run(
        data,
        lambda x: {
            "b": tlt.bucketize(x["v"], 3, elementwise=True),
            "w": tlt.bucketize(x["v"], 3, weights=x["w"], elementwise=True),
            "all": tlt.bucketize(x["v"], 2),
        },
    )
    # the second place has ten values, 0 to 90
    assert [r[0] for r in out["b"][:9]] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [r[1] for r in out["b"][:9]] == [2, 2, 2, 2, 1, 1, 1, 0, 0]
    assert out["b"][9] is None
    assert out["b"][10] == [2, 0]  # NaN lies in the last bucket
    assert out["w"][:9] == out["b"][:9]
    assert out["all"][0] == [0, 1]


def test_given_boundaries_by_place_must_fit() -> None:
    data = pa.table({"v": pa.array([[1.0, 2.0]], VECTOR), "x": [1.0]})
    assert run(data, lambda x: {"y": tlt.apply_buckets(x["v"], [[1.0, 3.0], [3.0, 4.0]])})["y"] == [[1, 0]]
    assert run(data, lambda x: {"y": tlt.apply_buckets(x["v"], [[1.0, 3.0]])})["y"] == [[1, 1]]
    with pytest.raises(TransformError, match="boundaries of 3 places for vectors of 2"):
        run(data, lambda x: {"y": tlt.apply_buckets(x["v"], [[1.0], [2.0], [3.0]])})
    with pytest.raises(TransformError, match="lists of one length"):
        run(data, lambda x: {"y": tlt.apply_buckets(x["v"], [[1.0], [2.0, 3.0]])})
    with pytest.raises(TransformError, match="need a column of vectors"):
        run(data, lambda x: {"y": tlt.apply_buckets(x["x"], [[1.0], [2.0]])})
    with pytest.raises(TransformError, match="sorted and without NaN"):
        run(data, lambda x: {"y": tlt.apply_buckets(x["x"], [2.0, 1.0])})


def test_weights_must_belong_to_the_values() -> None:
    data = pa.table({"l": [[1.0, 2.0]], "w": [[1.0]], "s": [1.0]})
    with pytest.raises(TransformError, match="l has 2 values and w has 1 in the same row"):
        run(data, lambda x: {"y": tlt.bucketize(x["l"], 2, weights=x["w"])})
    with pytest.raises(TransformError, match="same shape as the values, or one a row"):
        run(data, lambda x: {"y": tlt.bucketize(x["s"], 2, weights=x["w"])})
    assert run(data, lambda x: {"y": tlt.bucketize(x["l"], 2, weights=x["s"])})["y"] == [[0, 1]]


def test_interpolation_follows_the_boundaries() -> None:
    """Straight inside a bucket, each bucket of equal width, 0 before and 1 behind; NaN in the middle."""
    given_values = [-1111.0, 10.0, 50.0, 100.0, 1000.0, 9000.0, 10000.0, 1.3e9, math.inf, -math.inf, math.nan]
    data = pa.table({"x": [*given_values, None], "l": [[v, 10.0] for v in given_values] + [None]})
    out = run(
        data,
        lambda x: {
            "y": tlt.apply_buckets_with_interpolation(x["x"], [10, 100, 1000, 10000]),
            "step": tlt.apply_buckets_with_interpolation(x["x"], [[10.0]]),
            "odd": tlt.apply_buckets_with_interpolation(x["x"], [float("-inf"), 0.0, 100.0, float("inf")]),
            "list": tlt.apply_buckets_with_interpolation(x["l"], [10, 100, 1000, 10000]),
        },
    )
    want = [0, 0, 40 / 90 / 3, 1 / 3, 2 / 3, (2 + 8 / 9) / 3, 1, 1, 1, 0, 0.5]
    assert out["y"][:-1] == pytest.approx(want)
    assert [r[0] for r in out["list"][:-1]] == out["y"][:-1]
    assert out["y"][-1] is None
    assert out["step"][:-1] == [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.5]
    assert out["odd"][:4] == pytest.approx([0.0, 0.1, 0.5, 1.0])


def test_interpolation_between_quantiles() -> None:
    data = pa.table({"x": [1.0, 2.0, 3.0, 4.0]})
    out = run(data, lambda x: {"y": tlt.apply_buckets_with_interpolation(x["x"], tlt.quantiles(x["x"], 3))})
    assert out["y"] == [0.0, 0.0, 1.0, 1.0]


def test_interpolation_needs_a_boundary() -> None:
    data = pa.table({"x": [float("inf"), float("inf")]})
    with pytest.raises(TransformError, match="at least one finite boundary"):
        run(data, lambda x: {"y": tlt.apply_buckets_with_interpolation(x["x"], [float("nan")])})
    with pytest.raises(TransformError, match="no finite boundary"):
        run(data, lambda x: {"y": tlt.apply_buckets_with_interpolation(x["x"], tlt.quantiles(x["x"], 2))})


def test_the_number_of_buckets() -> None:
    """Known while tracing for buckets and hashes, after the analysis for vocabularies, whatever stands around them."""
    data = pa.table({"x": [1.0, 2.0], "s": ["a", "b"], "v": pa.array([[1.0, 2.0]] * 2, VECTOR)})
    count = tlt.get_num_buckets_for_transformed_feature

    def preprocessing(x: Any) -> dict[str, Any]:
        ids = tlt.compute_and_apply_vocabulary(x["s"])
        return {
            "quantile": count(tlt.bucketize(x["x"], 7)),
            "given": count(tlt.apply_buckets(x["x"], [1.0, 2.0])),
            "places": count(tlt.apply_buckets(x["v"], [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])),
            "key": count(tlt.bucketize_per_key(x["x"], x["s"], 5)),
            "hash": count(tlt.hash_strings(x["s"], 11)),
            "words": count(ids),
            "oov": count(tlt.apply_vocabulary(x["s"], ["a"], num_oov_buckets=3)),
            "default": count(tlt.apply_vocabulary(x["s"], ["a"], default_value=9)),
            "filled": count(tlt.fill_missing(ids, 5)),
            "used": tlt.cast(ids, "float64") / count(ids),
        }

    out = run(data, preprocessing)
    found = {name: values[0] for name, values in out.items()}
    assert found.pop("used") in (0.0, 0.5)
    assert found == {
        "quantile": 7,
        "given": 3,
        "places": 4,
        "key": 5,
        "hash": 11,
        "words": 2,
        "oov": 4,
        "default": 10,
        "filled": 6,
    }
    with pytest.raises(TransformError, match=r"the number of ids of 'x' \(float64, may be missing\) is not known"):
        run(data, lambda x: {"y": count(x["x"])})


def test_domains_of_buckets() -> None:
    data = pa.table({"x": [1.0, 2.0], "s": ["a", "b"], "v": pa.array([[1.0, 2.0]] * 2, VECTOR)})
    _, output = tlt.analyze_and_transform(
        data,
        lambda x: {
            "b": tlt.bucketize(x["x"], 4),
            "v": tlt.bucketize(x["v"], 3, elementwise=True),
            "k": tlt.bucketize_per_key(x["x"], x["s"], 5),
        },
        engine=ONE,
    )
    domains = {f.name: (f.int_domain.min, f.int_domain.max) for f in output.output_schema.feature}
    assert domains == {"b": (0, 3), "v": (0, 2), "k": (-1, 4)}
    assert all(f.int_domain.is_categorical for f in output.output_schema.feature)


def test_a_row_of_the_boundaries_by_place_is_that_places_table() -> None:
    """``quantiles(x, n, reduce_instance_dims=False)[i]`` are the boundaries of place i: usable as any boundaries."""
    table = pa.table({"v": pa.array([[float(i), 10.0 * i] for i in range(40)], pa.list_(pa.float64(), 2))})

    def function(x: Any) -> dict[str, Any]:
        each = tlt.quantiles(x["v"], 4, reduce_instance_dims=False)
        return {
            "a": tlt.apply_buckets(x["v"][1], each[1]),
            "b": tlt.bucketize(x["v"][1], 4),
            "last": tlt.apply_buckets(x["v"][1], each[-1]),
        }

    out, _ = tlt.analyze_and_transform(table, function)
    assert out["a"].to_pylist() == out["b"].to_pylist() == out["last"].to_pylist()
    assert sorted(set(out["a"].to_pylist())) == [0, 1, 2, 3]
