"""Analyzers of numbers and scaling by them: scalars, vectors place by place, lists; faults that are not imitated."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_laws import assert_a_file_keeps_all, assert_same_bits_for_any_work
from helpers_transform import assert_same, by_onnx, by_oracle, in_batches
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.tracer import trace

ONE = LocalEngine(workers=1)
VECTOR = pa.list_(pa.float64(), 2)


def run(table: pa.Table, function: Any) -> dict[str, list[Any]]:
    """The outputs' values by name."""
    out, _ = tlt.analyze_and_transform(table, function, engine=ONE)
    return {name: out[name].to_pylist() for name in out.schema.names}


def first(table: pa.Table, function: Any) -> dict[str, Any]:
    """The outputs of constants, from the first row."""
    return {name: values[0] for name, values in run(table, function).items()}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pa.table(
        {
            "s": [4.0, 1.0, None, 2.0, float("nan"), 9.0],
            "i": [3, -7, 2**62, None, 0, 2**62],
            "b": [True, False, None, True, True, False],
            "v": pa.array([[1.0, 10.0], [2.0, float("nan")], None, [3.0, 30.0], [4.0, 50.0], [5.0, -10.0]], VECTOR),
            "l": [[1.0, 2.0], [], None, [3.0, float("nan"), 5.0], [7.0], [9.0]],
        }
    )


def every(x: Any, **kwargs: Any) -> dict[str, Any]:
    functions = {"min": tlt.min, "max": tlt.max, "size": tlt.size, "mean": tlt.mean, "var": tlt.var}
    return {name: f(x, **kwargs) for name, f in functions.items()}


def test_scalars_vectors_and_lists_as_one(table: pa.Table) -> None:
    """Vectors and lists count with all their elements; missing and NaN count nowhere, but NaN has a size."""
    for column, values, size in (
        ("s", [4.0, 1.0, 2.0, 9.0], 5),
        ("v", [1.0, 10.0, 2.0, 3.0, 30.0, 4.0, 50.0, 5.0, -10.0], 10),
        ("l", [1.0, 2.0, 3.0, 5.0, 7.0, 9.0], 7),
    ):
        found = first(table, lambda x, c=column: every(x[c]))
        assert (found["min"], found["max"], found["size"]) == (min(values), max(values), size)
        assert found["mean"] == pytest.approx(np.mean(values), rel=1e-6)
        assert found["var"] == pytest.approx(np.var(values), rel=1e-6)


def test_place_by_place(table: pa.Table) -> None:
    """reduce_instance_dims=False gives a vector: each place by itself."""
    found = first(table, lambda x: every(x["v"], reduce_instance_dims=False) | {"sum": tlt.sum(x["v"][0])})
    assert found["min"] == [1.0, -10.0]
    assert found["max"] == [5.0, 50.0]
    assert found["size"] == [5, 5]
    assert found["mean"] == [3.0, 20.0]
    assert found["var"] == [2.0, 500.0]
    assert found["sum"] == 15.0


def test_integers_and_booleans_stay_exact(table: pa.Table) -> None:
    """Integers are not rounded to float64, booleans count as 0 and 1."""
    small = table.set_column(1, "i", pa.array([3, -7, 2**53 + 1, None, 0, 1]))
    found = first(small, lambda x: {"max": tlt.max(x["i"]), "sum": tlt.sum(x["i"]), "true": tlt.sum(x["b"])})
    assert found == {"max": 2**53 + 1, "sum": 2**53 - 2, "true": 3}


def test_extremes_of_times() -> None:
    times = pa.array([1_700_000_000_000_000, 5, None, -3], pa.timestamp("us"))
    graph = trace(
        lambda x: {"a": tlt.where(x["t"] == x["t"], tlt.min(x["t"]), tlt.max(x["t"]))},
        [raw_feature_of(pa.field("t", times.type))],
    )
    output = analyze(graph, Dataset.from_table(pa.table({"t": times})), ONE)
    assert sorted(output.findings.values()) == [-3, 1_700_000_000_000_000]


def test_a_lists_places_have_no_meaning(table: pa.Table) -> None:
    with pytest.raises(TransformError, match=r"lists have no fixed places.*tlt\.pad"):
        run(table, lambda x: {"y": tlt.scale_to_z_score(x["l"], elementwise=True)})


def test_other_result_types_are_refused(table: pa.Table) -> None:
    assert "y" in run(table, lambda x: {"y": tlt.mean(x["s"], output_dtype=np.float64)})
    with pytest.raises(TransformError, match="output_dtype must be float16, float32 or float64, it is 'int32'"):
        run(table, lambda x: {"y": tlt.scale_to_z_score(x["s"], output_dtype="int32")})


def test_z_score_of_vectors_and_lists(table: pa.Table) -> None:
    out = run(
        table,
        lambda x: {
            "whole": tlt.scale_to_z_score(x["v"]),
            "each": tlt.scale_to_z_score(x["v"], elementwise=True),
            "list": tlt.scale_to_z_score(x["l"]),
        },
    )
    values = np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 30.0], [4.0, 50.0], [5.0, -10.0]])
    whole = (values - np.nanmean(values)) / np.nanstd(values)
    each = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    for name, want in (("whole", whole), ("each", each)):
        assert out[name][2] is None
        np.testing.assert_allclose([r for r in out[name] if r is not None], want, rtol=1e-6)
    flat = np.array([1.0, 2.0, 3.0, 5.0, 7.0, 9.0])
    assert out["list"][1] == []
    assert out["list"][2] is None
    np.testing.assert_allclose(out["list"][0], (flat[:2] - flat.mean()) / flat.std(), rtol=1e-6)
    assert math.isnan(out["list"][3][1])


def test_ranges_place_by_place(table: pa.Table) -> None:
    """A place that has one value alone is a sigmoid; the others are scaled."""
    data = pa.table({"v": pa.array([[1.0, 7.0], [3.0, 7.0], None], VECTOR)})
    out = run(
        data,
        lambda x: {
            "u": tlt.scale_to_0_1(x["v"], elementwise=True),
            "r": tlt.scale_by_min_max(x["v"], -1, 3, elementwise=True),
        },
    )
    sigmoid = 1 / (1 + math.exp(-7.0))
    assert out["u"][:2] == [pytest.approx([0.0, sigmoid]), pytest.approx([1.0, sigmoid])]
    assert out["r"][:2] == [pytest.approx([-1.0, 4 * sigmoid - 1]), pytest.approx([3.0, 4 * sigmoid - 1])]
    assert out["u"][2] is out["r"][2] is None
    with pytest.raises(TransformError, match="output_min 1 must be smaller than output_max 1"):
        run(data, lambda x: {"y": tlt.scale_by_min_max(x["v"], 1, 1)})


def test_far_from_zero_digits_are_kept() -> None:
    """Mean 1e7 and deviation 1, where float32 holds no digit of the deviation: exact to float32, by place too."""
    values = 1e7 + np.random.default_rng(1).normal(size=(5_000, 2))
    data = pa.table({"s": values[:, 0], "v": pa.array(values.tolist(), VECTOR)})
    out = run(
        data,
        lambda x: {"s": tlt.scale_to_z_score(x["s"]), "v": tlt.scale_to_z_score(x["v"], elementwise=True)},
    )
    for place in (0, 1):
        column = values[:, place]
        mean = math.fsum(column) / len(column)
        deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in column) / len(column))
        want = (column - mean) / deviation
        np.testing.assert_allclose(np.array(out["v"])[:, place], want, rtol=1e-6, atol=1e-7)
        if place == 0:
            np.testing.assert_allclose(out["s"], want, rtol=1e-6, atol=1e-7)


def test_one_nan_does_not_poison() -> None:
    data = pa.table({"x": [1.0, float("nan"), 3.0, float("inf")]})
    out = run(data, lambda x: {"z": tlt.scale_to_z_score(x["x"]), "r": tlt.robust_scale(x["x"])})
    assert out["z"][0] == -1.0
    assert out["z"][2] == 1.0
    assert math.isnan(out["z"][1])
    assert out["z"][3] == math.inf


def test_robust_scale_and_limits() -> None:
    """Median and quartiles are values of the data; limits do not move what lies inside."""
    values = [float(v) for v in range(1, 100)] + [1e9]
    data = pa.table({"x": [*values, None, float("nan")]})
    out = run(
        data,
        lambda x: {
            "r": tlt.robust_scale(x["x"]),
            "w": tlt.winsorize(x["x"], 0.05, 0.95),
            "c": tlt.clip_outliers(x["x"]),
            "p": tlt.percentile(x["x"], 0.29),
            "top": tlt.percentile(x["x"], 1.0),
        },
    )
    # of 100 values 1..99 and 1e9: quartiles 26 and 76, median 51
    assert out["r"][:100] == pytest.approx([(v - 51.0) / 50.0 for v in values])
    assert out["w"][:100] == [min(max(v, 6.0), 96.0) for v in values]
    assert out["c"][:100] == [min(v, 76.0 + 1.5 * 50.0) for v in values]
    assert out["p"][0] == 30.0  # 29 values are no more than a share of 0.29
    assert out["top"][0] == 1e9
    for name in ("r", "w", "c"):
        assert out[name][100] is None
        assert math.isnan(out[name][101])


def test_limits_of_no_values_and_of_one() -> None:
    """A column of no values is not limited; of equal values nothing is divided by 0."""
    data = pa.table({"e": pa.array([None, None], pa.float64()), "c": [5.0, 5.0]})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "w": tlt.winsorize(x["e"]),
            "o": tlt.clip_outliers(x["e"]),
            "r": tlt.robust_scale(x["c"]),
            "z": tlt.scale_to_z_score(x["c"]),
        }

    _, output = tlt.analyze_and_transform(data, preprocessing, engine=ONE)
    later = output.transform(pa.table({"e": [-1e30], "c": [7.0]})).to_pylist()[0]
    assert later["w"] == later["o"] == pytest.approx(-1e30)
    assert (later["r"], later["z"]) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: tlt.winsorize(x, 0.9, 0.1), "low_q 0.9 must be smaller than high_q 0.1"),
        (lambda x: tlt.percentile(x, 1.5), "a share must lie between 0 and 1, it is 1.5"),
        (lambda x: tlt.clip_outliers(x, -1.0), "must not be negative"),
        (lambda x: tlt.bucketize(x, 4, epsilon=1e-9), "below 1e-06"),
        (lambda x: tlt.bucketize(x, 4, epsilon=2.0), "epsilon must lie between 0 and 1"),
        (lambda x: tlt.bucketize(x, 2.5), "num_buckets must be an integer, it is 2.5"),
        (lambda x: tlt.bucketize(x, 0), "num_buckets must be at least 1"),
    ],
)
def test_wrong_arguments_are_named(function: Any, message: str) -> None:
    with pytest.raises(TransformError, match=message):
        run(pa.table({"x": [1.0]}), lambda x: {"y": function(x["x"])})


def everything(x: Any) -> dict[str, Any]:
    return {
        "z": tlt.scale_to_z_score(x["v"], elementwise=True),
        "u": tlt.scale_to_0_1(x["l"]),
        "r": tlt.robust_scale(x["v"], elementwise=True),
        "w": tlt.winsorize(x["l"], 0.1, 0.9),
        "m": tlt.mean(x["v"], reduce_instance_dims=False),
    }


@pytest.fixture(scope="module")
def many() -> pa.Table:
    rng = np.random.default_rng(2)
    n = 3_000
    vectors: list[Any] = rng.normal(50.0, 9.0, (n, 2)).tolist()
    lists: list[Any] = [rng.lognormal(size=k).tolist() for k in rng.integers(0, 4, n)]
    vectors[::17] = [None] * len(vectors[::17])
    lists[::13] = [None] * len(lists[::13])
    lists[1] = [float("nan"), 3.0]
    return pa.table({"v": pa.array(vectors, VECTOR), "l": pa.array(lists, pa.list_(pa.float64()))})


def test_same_bits_for_any_shards_and_workers(many: pa.Table) -> None:
    assert_same_bits_for_any_work(many, everything)


def test_saved_and_loaded_gives_the_same(many: pa.Table, tmp_path: Path) -> None:
    assert_a_file_keeps_all(many, everything, tmp_path)


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=4), min_size=1, max_size=20),
    st.integers(1, 5),
)
@settings(max_examples=30, deadline=None)
def test_lists_are_their_elements(lists: list[list[float]], block: int) -> None:
    """The analyzers of a column of lists are those of the column of all elements, whatever the blocks."""
    whole = pa.table({"x": pa.array(lists, pa.list_(pa.float64()))})
    flat = pa.table({"x": pa.array([v for row in lists for v in row], pa.float64())})

    def preprocessing(x: Any) -> dict[str, Any]:
        found = every(x["x"])
        return found | {"q": tlt.percentile(x["x"], 0.5)}

    results = []
    for table in (whole, flat):
        graph = trace(preprocessing, [raw_feature_of(f) for f in table.schema])
        output = analyze(graph, Dataset.from_table(table, block_rows=block), ONE)
        results.append({output.traced.nodes[i].op: v for i, v in output.findings.items()})
    a, b = results
    for name in ("min", "max", "size", "percentile"):
        assert a[f"analyze.{name}"] == b[f"analyze.{name}"]
    assert a["analyze.mean"] == pytest.approx(b["analyze.mean"], rel=1e-9, abs=1e-6)
    assert a["analyze.var"] == pytest.approx(b["analyze.var"], rel=1e-6, abs=1e-3)


EDGES = st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e308, 5e-324]) | st.floats(-50, 50)
PAIRS = st.lists(EDGES, min_size=2, max_size=2)


@given(st.lists(st.tuples(st.none() | PAIRS, st.none() | st.lists(EDGES, max_size=3), st.none() | EDGES), max_size=12))
@settings(max_examples=20, deadline=None)
def test_found_constants_mean_the_same_in_onnx_and_numpy(rows: list[tuple[Any, Any, Any]]) -> None:
    """With vectors of constants, for one row, seven and all: the same bits, sigmoids apart to rounding."""
    learned = pa.table(
        {
            "v": pa.array([[1.0, 7.0], [3.0, 7.0], [4.0, 7.0]], VECTOR),
            "l": [[0.0], [2.0, 9.0], [4.0]],
            "s": [1.0, 2.0, 4.0],
        }
    )

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "z": tlt.scale_to_z_score(x["v"], elementwise=True),
            "r": tlt.robust_scale(x["v"], elementwise=True),
            "w": tlt.winsorize(x["v"], 0.1, 0.9, elementwise=True),
            "c": tlt.clip_outliers(x["l"]),
            "l": tlt.scale_to_z_score(x["l"]),
            "n": tlt.scale_by_min_max(x["s"], -1, 1),
            "b": tlt.bucketize(x["v"], 3, elementwise=True),
            "i": tlt.apply_buckets_with_interpolation(x["l"], tlt.quantiles(x["l"], 4)),
            "sigmoid": tlt.scale_by_min_max(x["v"], -1, 1, elementwise=True),
        }

    graph = analyze(trace(preprocessing, [raw_feature_of(f) for f in learned.schema]), Dataset.from_table(learned), ONE)
    columns = [pa.array([r[i] for r in rows], learned.schema.field(i).type) for i in range(3)]
    table = pa.table(columns, schema=learned.schema)
    found, expected = by_onnx(graph.graph, table), by_oracle(graph.graph, table)
    batched = [in_batches(graph.graph, table, size) for size in (1, 7) if rows]
    for name, value in expected.items():
        for other in [found[name], *(part[name] for part in batched)]:
            if name != "sigmoid":
                assert_same(other, value)
                continue
            there = np.ones(len(value.data), bool) if value.present is None else value.present
            np.testing.assert_allclose(other.data[there], value.data[there], rtol=1e-13, atol=1e-14)
