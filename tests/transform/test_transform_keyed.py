"""Functions by key: their values for known, unknown, missing and odd keys, in lists and vectors, in ONNX, in files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, ClassVar

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
from trueline.engine import Dataset, LocalEngine, check_accumulator
from trueline.engine.base import AccumulatorSpec
from trueline.transform.analysis import analyze
from trueline.transform.analyzers.keyed_points import separated
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import Value
from trueline.transform.output import TransformOutput
from trueline.transform.tracer import trace

ONE = LocalEngine(workers=1)
VECTOR = pa.list_(pa.float64(), 2)
FLOAT, TEXT = ValueType("float64"), ValueType("utf8")
NUMBERS = st.floats(-1e6, 1e6) | st.just(math.nan) | st.integers(-3, 3).map(float)
ROWS = st.lists(st.tuples(NUMBERS, st.sampled_from(["", "a", "b", "é", "日本"])), min_size=1, max_size=40)


def run(table: pa.Table, function: Any, later: pa.Table | None = None) -> dict[str, list[Any]]:
    out, output = tlt.analyze_and_transform(table, function, engine=ONE)
    if later is not None:
        out = output.transform(later)
    return {name: out[name].to_pylist() for name in out.schema.names}


def findings(table: pa.Table, function: Any) -> dict[str, Any]:
    """Results of analyzers by name."""
    output = analyze(trace(function, [raw_feature_of(f) for f in table.schema]), Dataset.from_table(table), ONE)
    return {output.traced.nodes[i].op.removeprefix("analyze."): v for i, v in output.findings.items()}


def use(x: Any, key: Any, tables: Any) -> Any:
    """A column that needs all tables."""
    keys, *values = tables
    place = tlt.apply_vocabulary(key, keys)
    found = [tlt.take(place, v, default=0 if v.dtype == "int64" else 0.0) for v in values]
    total = found[0]
    for other in found[1:]:
        total = total + other
    return total


def scaled(x: Any, elementwise: bool = False) -> dict[str, Any]:
    return {
        "z": tlt.scale_to_z_score_per_key(x["x"], x["k"], elementwise=elementwise),
        "u": tlt.scale_to_0_1_per_key(x["x"], x["k"], elementwise=elementwise),
        "r": tlt.scale_by_min_max_per_key(x["x"], x["k"], -1.0, 1.0, elementwise=elementwise),
    }


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_scaling_by_the_rows_own_key() -> None:
    """Known keys by their statistics; one value or an unknown key as upstream; a missing key or value is missing."""
    data = pa.table(
        {
            "x": [4.0, 1.0, 5.0, 2.0, 25.0, 5.0, 3.0, None, 8.0],
            "k": ["a", "a", "a", "a", "b", "b", "one", "a", None],
        }
    )
    later = pa.table({"x": [5.0, 3.0, float("nan"), None, 1.0], "k": ["new", "one", "a", "a", None]})

    def preprocessing(x: Any) -> dict[str, Any]:
        return scaled(x) | {"b": tlt.bucketize_per_key(x["x"], x["k"], 3)}

    out = run(data, preprocessing)
    deviation = math.sqrt(2.5)
    assert out["z"] == pytest.approx(
        [1 / deviation, -2 / deviation, 2 / deviation, -1 / deviation, 1, -1, 0, None, None]
    )
    assert out["u"] == pytest.approx([0.75, 0.0, 1.0, 0.25, 1.0, 0.0, sigmoid(3.0), None, None])
    assert out["r"][:6] == pytest.approx([0.5, -1.0, 1.0, -0.5, 1.0, -1.0])
    assert out["b"] == [2, 0, 2, 1, 2, 1, 1, None, None]
    unseen = run(data, preprocessing, later)
    assert unseen["z"][:2] == [5.0, 0.0]
    assert unseen["u"][:2] == pytest.approx([sigmoid(5.0), sigmoid(3.0)])
    assert unseen["r"][0] == pytest.approx(2 * sigmoid(5.0) - 1)
    assert unseen["b"] == [-1, 1, 2, None, None]
    assert all(math.isnan(unseen[name][2]) for name in ("z", "u", "r"))
    assert all(unseen[name][3] is unseen[name][4] is None for name in ("z", "u", "r"))


def test_integer_and_boolean_keys() -> None:
    """Integers are keys as they are, and stand in the order of their decimal text."""
    data = pa.table({"x": [1.0, 3.0, 10.0, 10.0, 5.0], "i": [9, 9, 10, 10, -1], "b": [True, True, False, False, None]})
    out = run(
        data,
        lambda x: {
            "i": tlt.scale_to_0_1_per_key(x["x"], x["i"]),
            "b": tlt.scale_to_z_score_per_key(x["x"], x["b"]),
        },
    )
    assert out["i"] == pytest.approx([0.0, 1.0, sigmoid(10.0), sigmoid(10.0), sigmoid(5.0)])
    assert out["b"] == [-1.0, 1.0, 0.0, 0.0, None]
    found = findings(data, lambda x: {"y": use(x["x"], x["i"], tlt.count_per_key(x["i"]))})
    assert (found["key_count_keys"], found["key_count"]) == ([-1, 10, 9], [1, 2, 2])


def test_extremes_of_integers_stay_exact() -> None:
    """Beyond 2**53, where float64 has gaps; booleans are 0 and 1."""
    big = 2**53
    data = pa.table({"i": [big + 1, big, -(2**62), None], "k": ["a", "a", "b", "b"], "b": [True, False, True, None]})
    found = findings(data, lambda x: {"y": use(x["i"], x["k"], tlt.min_and_max_per_key(x["i"], x["k"]))})
    assert (found["key_min"], found["key_max"]) == ([big, -(2**62)], [big + 1, -(2**62)])
    flags = findings(data, lambda x: {"y": use(x["i"], x["k"], tlt.min_and_max_per_key(x["b"], x["k"]))})
    assert (flags["key_min"], flags["key_max"]) == ([0, 1], [1, 1])


def test_boundaries_of_each_key_as_rows() -> None:
    """`quantiles_per_key` gives a row of boundaries for each key; `take` reads a row's own."""
    data = pa.table({"x": [float(v) for v in range(1, 9)], "k": ["a"] * 4 + ["b"] * 4})

    def preprocessing(x: Any) -> dict[str, Any]:
        keys, boundaries = tlt.quantiles_per_key(x["x"], x["k"], 3)
        return {"y": tlt.take(tlt.apply_vocabulary(x["k"], keys), boundaries, width=2)}

    out = run(data, preprocessing, pa.table({"x": [0.0, 0.0, 0.0], "k": ["b", "a", "new"]}))
    assert out["y"] == [[6.0, 7.0], [2.0, 3.0], None]


def test_vectors_as_one_and_place_by_place() -> None:
    rows = [[-4.0, -1.0], [10.0, 0.0], [2.0, 0.0], [4.0, -1.0], [10.0, 0.0], [0.0, 10.0], None]
    keys = ["a", "a", "a", "a", "b", "b", "a"]
    data = pa.table({"x": pa.array(rows, VECTOR), "k": keys})

    def moments(elementwise: bool) -> Any:
        return lambda x: scaled(x, elementwise)

    found = findings(data, moments(True))
    assert found["key_moments_keys"] == found["key_extremes_keys"] == ["a", "b"]
    assert found["key_mean"] == [[3.0, -0.5], [5.0, 5.0]]
    assert found["key_var"] == [[25.0, 0.25], [25.0, 25.0]]
    assert (found["key_min"], found["key_max"]) == ([[-4.0, -1.0], [0.0, 0.0]], [[10.0, 0.0], [10.0, 10.0]])
    out = run(data, moments(True))
    want = [[-1.4, -1.0], [1.4, 1.0], [-0.2, 1.0], [0.2, -1.0], [1.0, -1.0], [-1.0, 1.0]]
    np.testing.assert_allclose(out["z"][:6], want, rtol=1e-6)
    assert out["z"][6] is None
    whole = findings(data, moments(False))
    assert (whole["key_min"], whole["key_max"]) == ([-4.0, 0.0], [10.0, 10.0])
    assert whole["key_mean"] == [1.25, 5.0]
    unseen = run(data, moments(True), pa.table({"x": pa.array([[2.0, 3.0]], VECTOR), "k": ["new"]}))
    assert unseen["z"] == [[2.0, 3.0]]
    assert unseen["u"] == [pytest.approx([sigmoid(2.0), sigmoid(3.0)])]


def test_lists_with_a_key_a_row_or_a_key_a_value() -> None:
    data = pa.table(
        {
            "x": [[-4.0, 10.0], [2.0, 1.0], [], [-1.0, 4.0], None],
            "k": [["a", "a"], ["a", "b"], [], ["b", "a"], ["a"]],
            "row": ["p", "p", "q", "q", "q"],
        }
    )
    out = run(
        data,
        lambda x: {
            "z": tlt.scale_to_z_score_per_key(x["x"], x["k"]),
            "b": tlt.bucketize_per_key(x["x"], x["k"], 2),
            "row": tlt.scale_to_0_1_per_key(x["x"], x["row"]),
        },
    )
    np.testing.assert_allclose([v for row in out["z"][:4] for v in row], [-1.4, 1.4, -0.2, 1.0, -1.0, 0.2], rtol=1e-6)
    assert out["z"][2] == []
    assert out["z"][4] is None
    assert out["b"][:4] == [[0, 1], [0, 1], [], [0, 1]]
    np.testing.assert_allclose(out["row"][0] + out["row"][1], np.array([0.0, 14.0, 6.0, 5.0]) / 14.0, rtol=1e-6)
    assert out["row"][3] == [0.0, 1.0]


def test_keys_that_do_not_pair_up() -> None:
    """In the analysis it is an error that names the row; in a request the row is missing, and nothing else is."""
    good = pa.table({"x": [[1.0, 2.0], [3.0]], "k": [["a", "b"], ["a"]]})
    bad = pa.table({"x": [[1.0, 2.0, 3.0], [3.0]], "k": [["a", "b"], ["a"]]})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "z": tlt.scale_to_z_score_per_key(x["x"], x["k"]),
            "b": tlt.bucketize_per_key(x["x"], x["k"], 2),
            "u": tlt.scale_by_min_max_per_key(x["x"], x["k"], 0.0, 2.0),
        }

    with pytest.raises(TransformError, match="x has 3 values and k has 2 in the same row"):
        run(bad, preprocessing)
    out = run(good, preprocessing, bad)
    assert (out["z"], out["b"], out["u"]) == ([None, [1.0]], [None, [1]], [None, [2.0]])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: tlt.scale_to_z_score_per_key(x["x"], x["x"]), "its key must be a column of utf8 or int64"),
        (lambda x: tlt.scale_to_z_score_per_key(x["k"], x["k"]), "it takes float64, not utf8"),
        (lambda x: tlt.scale_to_z_score_per_key(x["x"], x["l"]), "one key .* a row, or one for each value"),
        (lambda x: tlt.scale_to_0_1_per_key(x["l2"], x["k"], elementwise=True), "elementwise needs vectors"),
        (lambda x: tlt.bucketize_per_key(x["x"], x["k"], 0), "num_buckets must be at least 1"),
        (lambda x: tlt.bucketize_per_key(x["x"], x["k"], 3, epsilon=7.0), "epsilon must lie between 0 and 1"),
        (lambda x: tlt.scale_by_min_max_per_key(x["x"], x["k"], 1.0, 0.0), "must be smaller than output_max"),
    ],
)
def test_wrong_arguments_are_named(function: Any, message: str) -> None:
    data = pa.table({"x": [1.0], "k": ["a"], "l": [["a"]], "l2": [[1.0]]})
    with pytest.raises(TransformError, match=message):
        run(data, lambda x: {"y": function(x)})


def test_weights_by_key() -> None:
    """Weights of 0, less and NaN leave a value out; a key without any usable value is unknown."""
    data = pa.table(
        {
            "x": [1.0, 2.0, 3.0, 100.0, 1.0, 2.0, 5.0],
            "k": ["a", "a", "a", "a", "b", "b", "none"],
            "w": [1.0, 1.0, 1.0, 0.0, 9.0, 1.0, float("nan")],
        }
    )
    found = findings(data, lambda x: {"y": tlt.bucketize_per_key(x["x"], x["k"], 3, weights=x["w"])})
    assert found["weighted_key_points_keys"] == ["a", "b"]
    assert found["weighted_key_points_boundaries"][0] == [2.0, 3.0]
    out = run(data, lambda x: {"y": tlt.bucketize_per_key(x["x"], x["k"], 3, weights=x["w"])})
    assert out["y"] == [0, 1, 2, 2, 1, 2, -1]


def test_repeated_boundaries_of_a_key() -> None:
    """A value that fills several buckets lies in the lowest; the greatest boundary closes them all; order is kept."""
    given_rows = np.array([[15.0, 15.0, 15.0], [12.0, 13.0, 13.0], [1.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
    found = separated(given_rows)
    assert (np.diff(found) >= 0).all()
    at = [np.searchsorted(found[i], given_rows[i], side="right").tolist() for i in range(4)]
    assert at == [[1, 1, 1], [1, 3, 3], [1, 1, 3], [1, 2, 3]]
    assert separated(np.zeros((2, 0))).shape == (2, 0)


def test_no_rows_and_one_bucket() -> None:
    data = pa.table({"x": pa.array([], pa.float64()), "k": pa.array([], pa.string())})
    later = pa.table({"x": [2.0], "k": ["a"]})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "z": tlt.scale_to_z_score_per_key(x["x"], x["k"]),
            "b": tlt.bucketize_per_key(x["x"], x["k"], 3),
            "one": tlt.bucketize_per_key(x["x"], x["k"], 1),
        }

    out = run(data, preprocessing, later)
    assert (out["z"], out["b"], out["one"]) == ([2.0], [-1], [-1])
    full = pa.table({"x": [1.0, 2.0], "k": ["a", "a"]})
    assert run(full, lambda x: {"one": tlt.bucketize_per_key(x["x"], x["k"], 1)}) == {"one": [0, 0]}


def test_far_from_zero_digits_are_kept() -> None:
    """Mean 1e7 and deviation 1 within each key, where the mean of squares less the square of the mean has no digits."""
    rng = np.random.default_rng(1)
    keys = np.array(["a", "b"])[rng.integers(0, 2, 4_000)]
    values = 1e7 + rng.normal(size=4_000) + (keys == "b") * 5.0
    out = run(pa.table({"x": values, "k": keys}), lambda x: {"z": tlt.scale_to_z_score_per_key(x["x"], x["k"])})
    for key in "ab":
        own = values[keys == key]
        mean = math.fsum(own) / len(own)
        deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in own) / len(own))
        np.testing.assert_allclose(np.array(out["z"])[keys == key], (own - mean) / deviation, rtol=1e-6, atol=1e-7)


@pytest.fixture(scope="module")
def many() -> pa.Table:
    rng = np.random.default_rng(8)
    n = 3_000
    values = rng.normal(50.0, 9.0, n)
    values[::50] = np.nan
    missing = rng.random(n) < 0.05
    return pa.table(
        {
            "x": pa.array(values, mask=missing),
            "k": pa.array([f"key {i}" for i in rng.integers(0, 40, n)], mask=rng.random(n) < 0.05),
            "w": rng.lognormal(size=n),
        }
    )


def everything(x: Any) -> dict[str, Any]:
    return scaled(x) | {
        "b": tlt.bucketize_per_key(x["x"], x["k"], 4),
        "w": tlt.bucketize_per_key(x["x"], x["k"], 4, weights=x["w"]),
        "c": use(x["x"], x["k"], tlt.count_per_key(x["k"])),
    }


def test_same_bits_for_any_shards_and_workers(many: pa.Table) -> None:
    assert_same_bits_for_any_work(many, everything)


def test_saved_and_loaded_gives_the_same(many: pa.Table, tmp_path: Path) -> None:
    assert_a_file_keeps_all(many, everything, tmp_path)


def near(a: Value, b: Value) -> None:
    """Equal presence, payloads within what sigmoids may differ by."""
    there = np.ones(len(a.data), bool) if a.present is None else a.present
    np.testing.assert_array_equal(there, np.ones(len(b.data), bool) if b.present is None else b.present)
    np.testing.assert_allclose(a.data[there], b.data[there], rtol=1e-13, atol=1e-14)


def test_keys_that_are_computed_or_stand_in_lists() -> None:
    """Each element of a list counts; a computed key is the same as the column that holds it."""
    data = pa.table(
        {
            "k": ["A", "a", None, "b", "B", "a"],
            "l": [["x", "y"], [], ["x"], None, ["x", "z"], ["y"]],
            "x": [1.0, 3.0, 5.0, 7.0, 9.0, 11.0],
            "plain": ["a", "a", None, "b", "b", "a"],
        }
    )
    found = findings(data, lambda x: {"y": use(x["x"], x["l"], tlt.count_per_key(x["l"]))})
    assert (found["key_count_keys"], found["key_count"]) == (["x", "y", "z"], [3, 2, 1])
    out = run(
        data,
        lambda x: {
            "z": tlt.scale_to_z_score_per_key(x["x"], tlt.lower(x["k"])),
            "plain": tlt.scale_to_z_score_per_key(x["x"], x["plain"]),
            "b": tlt.bucketize_per_key(x["x"] * 2.0, tlt.lower(x["k"]), 2),
        },
    )
    assert out["z"] == out["plain"]
    assert out["b"] == [0, 1, None, 0, 1, 1]


@given(
    st.lists(
        st.tuples(
            st.none() | st.lists(NUMBERS | st.just(math.inf), min_size=2, max_size=2),
            st.none() | st.sampled_from(["a", "b", "new", ""]),
        ),
        max_size=12,
    )
)
@settings(max_examples=15, deadline=None)
def test_scaling_means_the_same_in_onnx_and_numpy(rows: list[tuple[Any, Any]]) -> None:
    """For one row, seven and all, with unknown and missing keys: the same bits, sigmoids apart to rounding."""
    learned = pa.table(
        {"x": pa.array([[1.0, 7.0], [3.0, 7.0], [4.0, 8.0], [5.0, 9.0]], VECTOR), "k": ["a", "a", "b", "b"]}
    )
    features = [raw_feature_of(f) for f in learned.schema]

    def preprocessing(x: Any) -> dict[str, Any]:
        return scaled(x, elementwise=True) | {"b": tlt.bucketize_per_key(x["x"], x["k"], 3)}

    graph = analyze(trace(preprocessing, features), Dataset.from_table(learned), ONE).graph
    columns = [pa.array([r[i] for r in rows], learned.schema.field(i).type) for i in range(2)]
    table = pa.table(columns, schema=learned.schema)
    found, expected = by_onnx(graph, table), by_oracle(graph, table)
    batched = [in_batches(graph, table, size) for size in (1, 7) if rows]
    for name, value in expected.items():
        for other in [found[name], *(part[name] for part in batched)]:
            if name in ("z", "b"):
                assert_same(other, value)
            else:
                near(other, value)


def test_keys_as_a_vocabulary(tmp_path: Any) -> None:
    """Named keys are a vocabulary with frequencies, saved and loaded with any text; two names may not clash."""
    data = pa.table({"x": [1.0, 2.0, 3.0, 4.0, 5.0], "k": ["b", "", "a\nb", "b", None], "i": [10, 9, 9, 9, 9]})

    def preprocessing(x: Any) -> dict[str, Any]:
        counted = tlt.count_per_key(x["i"], key_vocabulary_filename="codes")
        return {
            "z": tlt.scale_to_z_score_per_key(x["x"], x["k"], key_vocabulary_filename="companies"),
            "u": tlt.scale_to_0_1_per_key(x["x"], x["k"], key_vocabulary_filename="ranges"),
            "c": use(x["x"], x["i"], counted),
        }

    out, output = tlt.analyze_and_transform(data, preprocessing, engine=ONE)
    assert out["c"].to_pylist() == [1, 4, 4, 4, 4]
    output.save(str(tmp_path / "t"))
    for given_output in (output, TransformOutput.load(str(tmp_path / "t"))):
        found = given_output.vocabularies
        assert sorted(found) == ["codes", "companies", "ranges"]
        assert (found["codes"].tokens, found["codes"].counts) == ((10, 9), (1, 4))
        for name in ("companies", "ranges"):
            assert (found[name].tokens, found[name].counts) == (("", "a\nb", "b"), (1, 1, 2))
        assert given_output.transform(data).equals(out)

    def clashing(x: Any) -> dict[str, Any]:
        return {n: tlt.scale_to_z_score_per_key(x["x"], x[n], key_vocabulary_filename="v") for n in ("k", "i")}

    with pytest.raises(TransformError, match="two different vocabularies are named 'v'"):
        run(data, clashing)


def test_the_tables_of_one_key_are_one_state(many: pa.Table) -> None:
    """Keys, mean and variance come from one state, read once."""
    graph = trace(
        lambda x: {"z": tlt.scale_to_z_score_per_key(x["x"], x["k"])}, [raw_feature_of(f) for f in many.schema]
    )
    assert len({(n.op, n.inputs) for n in graph.nodes if n.is_analyzer}) == 3

    class Watched(LocalEngine):
        states: ClassVar[list[Any]] = []

        def run(self, spec: Any, *args: Any, **kwargs: Any) -> Any:
            Watched.states.append(spec.params["states"])
            return super().run(spec, *args, **kwargs)

    analyze(graph, Dataset.from_table(many), Watched(workers=1))
    assert [[s[0] for s in states] for states in Watched.states] == [["keyed_moments"]]


def test_states_obey_the_protocol(many: pa.Table) -> None:
    """The engine's own check, bit for bit and for other block borders, on the states that merge exactly."""
    names = list(many.schema.names)
    graph = trace(
        lambda x: {"y": use(x["x"], x["k"], tlt.min_and_max_per_key(x["x"], x["k"]))},
        [raw_feature_of(f) for f in many.schema],
    )
    places = {n.attrs["name"]: i for i, n in enumerate(graph.nodes) if n.op == "input"}
    assert {"x", "k"} <= set(places) <= set(names)
    x, k = places["x"], places["k"]
    states = [["keyed_counts", [k], {}], ["keyed_extremes", [x, k], {}], ["keyed_points", [x, k], {}]]
    spec: AccumulatorSpec[Any] = AccumulatorSpec(
        "trueline.transform.phases:PhaseAccumulator", {"graph": json.dumps(graph.to_json()), "states": states}
    )
    check_accumulator(spec, many.slice(0, 600))
