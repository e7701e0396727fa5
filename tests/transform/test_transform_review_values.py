"""Values at the seams: constants beside columns, vectors beside scalars, the oracle's outputs, features of models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_transform import assert_same, by_onnx, by_oracle, graph_of, in_batches

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import raw_feature_of
from trueline.transform.output import TransformOutput
from trueline.transform.tracer import trace


def output_of(function: Callable[[Any], dict[str, Any]], table: pa.Table, optional: bool = True) -> TransformOutput:
    """A transform without analyzers."""
    return TransformOutput(trace(function, [raw_feature_of(f, optional) for f in table.schema]), {})


def all_ways(function: Callable[[Any], dict[str, Any]], table: pa.Table, optional: bool = True) -> dict[str, list[Any]]:
    """The values of every output, after bulk, detour, single rows and oracle were found to have the same bits."""
    graph = graph_of(function, table, optional)
    expected = by_oracle(graph, table)
    ways = (
        by_onnx(graph, table, dictionary=False),
        by_onnx(graph, table, dictionary=True),
        in_batches(graph, table, 1),
    )
    for found in ways:
        for name, value in expected.items():
            assert_same(found[name], value)
    return {
        name: [v if p else None for v, p in zip(value.data.tolist(), present_of(value), strict=True)]
        for name, value in expected.items()
    }


def present_of(value: Any) -> np.ndarray:
    return np.ones(len(value.data), bool) if value.present is None else value.present


def test_a_scalar_is_not_filled_with_vectors() -> None:
    """With as many rows as places, the rows' marks of missing would have been taken for those of the places."""
    table = pa.table({"x": [1.0, None, 3.0], "v": pa.array([[7.0, 8.0, 9.0]] * 3, pa.list_(pa.float64(), 3))})
    with pytest.raises(TransformError, match="a scalar column cannot be filled with a vector"):
        graph_of(lambda x: {"y": tlt.fill_missing(x["x"], x["v"])}, table)
    found = all_ways(lambda x: {"y": tlt.fill_missing(x["v"], x["x"])}, table)
    assert found["y"] == [[7.0, 8.0, 9.0]] * 3


def test_a_constant_needs_no_filling() -> None:
    table = pa.table({"x": [1.0, None, 3.0]})
    found = all_ways(lambda x: {"y": tlt.coalesce(2.5, x["x"]), "z": tlt.fill_missing(x["x"], 0.0)}, table)
    assert found == {"y": [2.5] * 3, "z": [1.0, 0.0, 3.0]}


def test_the_oracle_gives_the_outputs_bits_of_lists() -> None:
    """The outputs of lists have +0.0 for -0.0, since cells behind a list's end are blanked; the oracle too."""
    table = pa.table({"x": pa.array([[-0.0, -1e-300], [], [0.0]], pa.list_(pa.float64()))})
    for optional in (True, False):
        output = output_of(lambda x: {"y": x["x"]}, table, optional)
        bulk, oracle = output.transform(table)["y"].to_pylist(), output.oracle(table).column("y").to_pylist()
        assert repr(bulk) == repr(oracle)


NEAR = [1 + 1e-9, 1 - 1e-9, 1 + 2.0**-52, 1e-50, -1e-50, 5e-324, 1e-310]


@pytest.mark.parametrize("c", NEAR)
def test_constants_near_the_neutral_ones_are_computed_with(c: float) -> None:
    """ONNX Runtime drops an operation whose double is 0 or 1 as a float32; the numbers here must not show it."""
    values = [1e9, -3.0, 1e-310, 0.1, 0.0, -0.0, 1e16]
    table = pa.table(
        {
            "x": values,
            "v": pa.array([[v] for v in values], pa.list_(pa.float64(), 1)),
            "l": pa.array([[v, 2.0] for v in values]),
        }
    )

    def preprocessing(x: Any) -> dict[str, Any]:
        made = {}
        for name in ("x", "v", "l"):
            for i, y in enumerate((tlt.abs(x[name]), -x[name])):
                ways = (y * c, c * y, y / c, c / y, y + c, c + y, y - c, c - y, y % c)
                made |= {f"{name}{i}{j}": tlt.maximum(way, -1e300) for j, way in enumerate(ways)}
        return made

    found = all_ways(preprocessing, table)
    x = np.abs(np.array(values))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found["x00"], x * c)
        np.testing.assert_array_equal(found["x02"], x / c)
        np.testing.assert_array_equal(found["x04"], x + c)
        np.testing.assert_array_equal(found["x06"], x - c)


def test_a_factor_near_one_reaches_whole_numbers() -> None:
    table = pa.table({"x": [1_000_000_000, -7]})
    found = all_ways(lambda x: {"y": tlt.cast(tlt.round(x["x"] * (1 + 3e-8)), "int64")}, table)
    assert found["y"] == [1_000_000_030, -7]


def test_a_second_scaling_has_the_same_bits_in_the_oracle() -> None:
    """The deviation of z-scores is 1 up to rounding: its reciprocal is no factor to drop."""
    table = pa.table({"x": np.random.default_rng(3).normal(5.0, 3.0, 500)})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"y": tlt.bucketize(tlt.scale_to_z_score(tlt.scale_to_z_score(tlt.scale_to_z_score(x["x"]))), 7)}

    out, output = tlt.analyze_and_transform(table, preprocessing)
    assert out["y"].to_pylist() == output.oracle(table).column("y").to_pylist()
    assert output.transform(table.slice(3, 1))["y"].to_pylist() == out["y"].to_pylist()[3:4]


def test_a_graph_of_format_1_gives_the_same_bits(tmp_path: Path) -> None:
    """``format_1`` was written by the version before lists; the numbers are those that it gave."""
    output = TransformOutput.load(str(Path(__file__).parent / "format_1"))
    table = pa.table(
        {"x": [1.0, None, 4.5, -2.0, float("nan"), 8.0], "i": [3, 3, -1, 0, 7, 3], "s": ["a", "b", "", "Ä", "a", None]}
    )
    nan = float("nan")
    expected = {
        "z": [-0.5002779960632324, None, 0.43357428908348083, -1.3007228374481201, nan, 1.3674265146255493],
        "b": [1, None, 2, 0, 2, 2],
        "v": [0, 2, 3, 1, 0, None],
        "m": [15.0, 43.125, 67.5, -30.0, nan, 120.0],
    }
    assert repr(output.transform(table).to_pydict()) == repr(expected)
    output.save(str(tmp_path))
    again = TransformOutput.load(str(tmp_path))
    assert again.content_hash == output.content_hash
    assert repr(again.transform(table).to_pydict()) == repr(expected)


def test_the_bucket_of_a_key_without_values_lies_in_the_declared_domain() -> None:
    table = pa.table({"x": [1.0, 2.0, float("nan"), 3.0], "k": ["a", "a", "nothing but NaN", "b"]})
    out, output = tlt.analyze_and_transform(table, lambda x: {"y": tlt.bucketize_per_key(x["x"], x["k"], 3)})
    (feature,) = output.output_schema.feature
    assert out["y"].to_pylist()[2] == -1
    assert all(feature.int_domain.min <= v <= feature.int_domain.max for v in out["y"].to_pylist())
    assert output.num_buckets_for_transformed_feature("y") == 3


def test_a_missing_list_has_no_length_that_a_scalar_could_take() -> None:
    """The number chosen beside a missing list stood for as many values as happened to lie there."""
    table = pa.table(
        {
            "c": [False, False, True, False],
            "p": pa.array([[True], [True, False], [True], None], pa.list_(pa.bool_())),
            "x": pa.array([[1.0], None, [2.0], [3.0, 4.0]], pa.list_(pa.float64())),
            "s": [5.0, 6.0, 7.0, 8.0],
        }
    )

    def preprocessing(x: Any) -> dict[str, Any]:
        inner = tlt.where(x["p"], x["x"], -x["x"])
        return {"y": tlt.where(x["c"], inner, x["s"]), "z": tlt.where(x["c"], x["s"], inner) > 6.0}

    all_ways(preprocessing, table)
    output = output_of(preprocessing, table)
    assert output.transform(table)["y"].to_pylist() == [[5.0], None, [2.0], None]
    assert output.transform(table)["z"].to_pylist() == [[False], None, [True], None]


def test_tables_with_whole_numbers_load_again(tmp_path: Path) -> None:
    table = pa.table({"i": [0, 1, 5]})
    output = output_of(lambda x: {"y": tlt.take(x["i"], [1.5, 3], default=0)}, table)
    output.save(str(tmp_path))
    assert TransformOutput.load(str(tmp_path)).transform(table)["y"].to_pylist() == [1.5, 3.0, 0.0]
