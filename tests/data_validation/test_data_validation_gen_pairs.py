"""Lift and cross-features against plain counting: any rows, any blocks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import DataError
from trueline.engine import AccumulatorSpec, Dataset, LocalEngine

LIFT = "trueline.data_validation.generators.lift:Lift"
CROSS = "trueline.data_validation.generators.cross:CrossMoments"
ROWS = st.lists(
    st.tuples(
        st.none() | st.lists(st.sampled_from(["a", "b", "é", ""]), max_size=3),
        st.none() | st.sampled_from(["p", "q"]),
        st.sampled_from([0.0, 0.5, 2.0]),
    ),
    min_size=1,
    max_size=30,
)


def run(name: str, table: pa.Table, block_rows: int, **params: Any) -> Any:
    return LocalEngine(1).run(AccumulatorSpec(name, params), Dataset.from_table(table, block_rows))


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, block_rows=st.integers(1, 40))
def test_lift_is_the_ratio_of_counts(rows: list[Any], block_rows: int) -> None:
    """Lift, plain and weighted, is what counting rows by hand gives; a category counts once a row."""
    xs, ys, weights = zip(*rows, strict=True)
    table = pa.table({"x": pa.array(xs, pa.list_(pa.string())), "y": pa.array(ys, pa.string()), "w": pa.array(weights)})
    params = {"y_path": ["y"], "x_paths": [["x"]], "y_weight": "w", "x_weights": ["w"]}
    found = run(LIFT, table, block_rows, **params).cross_features
    categories = sorted({c for x in xs if x for c in x})
    labels = sorted({y for y in ys if y is not None})
    if not categories or not labels:
        assert not found
        return
    lift = found[0].categorical_cross_stats.lift
    for series, of in ((lift.lift_series, [1.0] * len(rows)), (lift.weighted_lift_series, weights)):
        assert [s.y_string for s in series] == labels
        for one in series:
            expected = {}
            for c in categories:
                x = sum(w for values, w in zip(xs, of, strict=True) if values and c in values)
                y = sum(w for label, w in zip(ys, of, strict=True) if label == one.y_string)
                xy = sum(w for v, label, w in zip(xs, ys, of, strict=True) if v and c in v and label == one.y_string)
                expected[c] = (xy / x) / (y / sum(of)) if x and y else 0.0
            got = {value.x_string: value.lift for value in one.lift_values}
            assert got == pytest.approx(expected, rel=1e-6)
            assert [v.lift for v in one.lift_values] == sorted(got.values(), reverse=True)


def test_lift_keeps_the_greatest_and_smallest() -> None:
    """`top_k_per_y` and `bottom_k_per_y` cut the middle, `min_x_count` is strict."""
    xs = ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"]
    table = pa.table({"x": xs, "y": [1, 1, 1, 1, 1, 0, 0, 1, 0, 0]})
    base = {"y_path": ["y"], "x_paths": [["x"]]}
    found = run(LIFT, table, 3, **base, top_k_per_y=1, bottom_k_per_y=1).cross_features[0]
    series = found.categorical_cross_stats.lift.lift_series
    assert [s.y_int for s in series] == [0, 1]
    assert [[v.x_string for v in s.lift_values] for s in series] == [["d", "a"], ["a", "d"]]
    only = run(LIFT, table, 3, **base, min_x_count=2).cross_features[0].categorical_cross_stats.lift
    assert [[v.x_string for v in s.lift_values] for s in only.lift_series] == [["b", "a"], ["a", "b"]]


def test_lift_of_an_id_gives_up_and_says_so() -> None:
    """Memory is bounded: a feature with too many pairs gets no lift but a custom statistic, for any blocks."""
    table = pa.table({"id": [f"u{i}" for i in range(300)], "few": ["a", "b", "c"] * 100, "y": ["p", "q"] * 150})
    results = []
    for block_rows in (7, 300):
        params = {"y_path": ["y"], "x_paths": [["id"], ["few"]], "max_pairs": 100}
        results.append(run(LIFT, table, block_rows, **params))
        found = results[-1]
        assert [(tuple(f.path.step), f.custom_stats[0].name) for f in found.features] == [
            (("id",), "lift_too_many_pairs")
        ]
        assert [c.path_x.step[0] for c in found.cross_features] == ["few"]
    assert results[0] == results[1]
    long = pa.table({"text": [f"{i:01000}" for i in range(300)] * 2, "y": [str(i) for i in range(300)] * 2})
    wide = {"y_path": ["y"], "x_paths": [["text"]], "max_pairs": 10**6}
    found = run(LIFT, long, 50, **wide)  # 300 kB of text times 300 labels
    assert [f.custom_stats[0].name for f in found.features] == ["lift_too_many_pairs"]
    assert len(run(LIFT, long.slice(0, 200), 50, **wide).cross_features) == 1
    labels = run(LIFT, table, 7, y_path=["id"], x_paths=[["few"]], max_pairs=100)
    assert not labels.cross_features


def test_lift_refuses_weights_that_are_none() -> None:
    """A weight that is missing or negative is an error that names the column."""
    for wrong in ([1.0, None], [1.0, -1.0], [1.0, math.nan]):
        table = pa.table({"x": ["a", "b"], "y": ["p", "q"], "w": pa.array(wrong, pa.float64())})
        with pytest.raises(DataError, match="'w'"):
            run(LIFT, table, 10, y_path=["y"], x_paths=[["x"]], y_weight="w", x_weights=["w"])


NUMBERS = st.none() | st.floats(-1e6, 1e6) | st.just(math.nan) | st.just(math.inf)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=40), block_rows=st.integers(1, 50))
def test_covariance_and_correlation_are_those_of_the_finite_pairs(rows: list[Any], block_rows: int) -> None:
    """Any blocks give numpy's covariance over the rows where both are there and finite."""
    table = pa.table({"a": pa.array([r[0] for r in rows], pa.float64()), "b": pa.array([r[1] for r in rows])})
    found = run(
        CROSS, table.cast(pa.schema([("a", pa.float64()), ("b", pa.float64())])), block_rows, pairs=[["a", "b"]]
    )
    kept = np.array([r for r in rows if None not in r and np.isfinite(r).all()], np.float64).reshape(-1, 2)
    if len(kept) == 0:
        assert not found.cross_features
        return
    cross = found.cross_features[0]
    assert cross.count == len(kept)
    covariance = np.cov(kept.T, ddof=0)
    scale = float(np.sqrt(covariance[0, 0] * covariance[1, 1]))
    assert cross.num_cross_stats.covariance == pytest.approx(covariance[0, 1], rel=1e-4, abs=1e-6 * scale + 1e-9)


def test_many_columns_are_taken_in_pieces() -> None:
    """With many columns a block is read in pieces; the figures are those of the whole."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(60, 70_000)) + np.arange(60)[:, None]
    table = pa.table({f"c{i:02}": column for i, column in enumerate(values)})
    pairs = [[f"c{i:02}", "c59"] for i in range(59)]
    found = run(CROSS, table, 70_000, pairs=pairs).cross_features
    expected = np.cov(values, ddof=0)[:59, 59]
    assert [c.num_cross_stats.covariance for c in found] == pytest.approx(list(expected), rel=1e-4, abs=1e-8)


def test_correlation_survives_a_large_mean() -> None:
    """E[xy] - E[x] E[y] would lose every digit here; integers and booleans count as numbers."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=5000), rng.normal(size=5000)
    table = pa.table({"a": x + 1e9, "b": x + y + 1e9, "c": rng.integers(0, 2, 5000) > 0, "k": np.full(5000, 3)})
    pairs = [["a", "b"], ["a", "c"], ["a", "k"]]
    ab, ac, ak = run(CROSS, table, 700, pairs=pairs).cross_features
    assert ab.num_cross_stats.correlation == pytest.approx(np.corrcoef(x, x + y)[0, 1], abs=1e-5)
    assert abs(ac.num_cross_stats.correlation) < 0.05
    assert ak.num_cross_stats.correlation == 0.0  # one side does not vary: not set
    assert ak.count == 5000
