"""Cells, buckets and pairs of slices; columns of every type are sliced, or refused by name."""

from __future__ import annotations

import datetime
import decimal
import math
from collections import defaultdict
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from trueline._core.errors import ConfigError, DataError, ExprError
from trueline.model_analysis import CrossSlicingSpec, SlicingSpec
from trueline.model_analysis.slice_axes import combine, value_axis
from trueline.model_analysis.slices import SlicedBatch, SliceKey, cells, cross_pairs, group_rows, spec_matches

Found = dict[SliceKey, list[int]]


def by_groups(batch: pa.RecordBatch, specs: list[SlicingSpec]) -> Found:
    found: Found = defaultdict(list)
    for grouping in group_rows(batch, specs):
        assert len(set(grouping.keys)) == len(grouping.keys)
        for row, code in zip(grouping.rows.tolist(), grouping.codes.tolist(), strict=True):
            found[grouping.keys[code]].append(row)
    return dict(found)


def by_cells(batch: pa.RecordBatch, specs: list[SlicingSpec], limit: int = 1000) -> Found | None:
    made = cells(batch, specs, limit)
    if made is None:
        return None
    assert made.codes.dtype == np.int64
    assert np.array_equal(np.unique(made.codes), np.arange(made.count))
    per_cell = np.stack([np.bincount(made.codes, minlength=made.count)] * 2, axis=1).astype(float)
    sizes = [np.isin(made.codes, own).sum() for _, own in made.members]
    assert np.array_equal(made.totals(per_cell), np.array([sizes, sizes], dtype=float).T.reshape(-1, 2))
    assert len({key for key, _ in made.members}) == len(made.members)
    return {key: np.flatnonzero(np.isin(made.codes, own)).tolist() for key, own in made.members}


def frame(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    types = [pa.string(), pa.int64(), pa.float64(), pa.bool_()]
    return pa.RecordBatch.from_arrays([pa.array(c, t) for c, t in zip(columns, types, strict=True)], list("abcd"))


ROWS = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["x", "y", "1"]),
        st.none() | st.integers(0, 3),
        st.none() | st.sampled_from([0.0, -0.0, 1.5, 10.0, math.nan, math.inf, -math.inf]),
        st.none() | st.booleans(),
    ),
    max_size=30,
)
KINDS = st.sampled_from(
    [
        SlicingSpec(),
        SlicingSpec(["a"]),
        SlicingSpec(["a", "b"]),
        SlicingSpec(["d"], {"a": "x"}),
        SlicingSpec(feature_values={"a": "1", "b": "1"}),
        SlicingSpec(feature_values={"b": "9"}),
        SlicingSpec(buckets={"c": (1.5, 10.0)}),
        SlicingSpec(["d"], buckets={"c": (1.5, 10.0)}),
        SlicingSpec(expression="b > 1"),
        SlicingSpec(["a"], expression="b > 1"),
        SlicingSpec(["a", "b", "d"], buckets={"c": (0.0,)}, expression="b < 3"),
        SlicingSpec(slice_keys_sql="SELECT STRUCT(a, b AS bee) FROM example.a, example.b, example.d WHERE d = TRUE"),
    ]
)


def loop(rows: list[tuple[Any, ...]], spec: SlicingSpec) -> Found:
    """What a spec of the list above means, row by row."""
    found: Found = defaultdict(list)
    for number, row in enumerate(rows):
        values = dict(zip("abcd", row, strict=True))
        names = {c: c for c in spec.columns}
        wanted = dict(spec.feature_values)
        condition = spec.expression
        if spec.slice_keys_sql:
            names, wanted = {"a": "a", "b": "bee", "d": "d"}, {"d": "true"}
        if condition:
            b = values["b"]
            hit = b is not None and {"b > 1": lambda v: v > 1, "b < 3": lambda v: v < 3}[condition](b)
            if not hit:
                continue
        key: list[tuple[str, Any]] = [(condition, None)] if condition else []
        for column, name in names.items():
            value = values[column]
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if value is None or (column in wanted and wanted[column] != text):
                break
            key.append((name, bucket(value, spec.buckets[column]) if column in spec.buckets else value))
        else:
            found[tuple(sorted(key, key=lambda pair: pair[0]))].append(number)
    return found


def bucket(value: float, bounds: tuple[float, ...]) -> str:
    texts = [repr(b).removesuffix(".0") for b in bounds]
    if math.isnan(value):
        return "NaN"
    if value < bounds[0]:
        return f"< {texts[0]}"
    if value >= bounds[-1]:
        return f">= {texts[-1]}"
    at = next(i for i in range(len(bounds)) if value < bounds[i])
    return f"[{texts[at - 1]}, {texts[at]})"


@settings(max_examples=120, deadline=None)
@given(ROWS, st.lists(KINDS, max_size=5))
def test_cells_and_groups_equal_a_loop_over_rows(rows: list[tuple[Any, ...]], specs: list[SlicingSpec]) -> None:
    batch = frame(rows)
    want: Found = {}
    for spec in specs:
        want.update(loop(rows, spec))
    assert by_groups(batch, specs) == want
    assert by_cells(batch, specs) == want
    for key in want:
        assert any(spec_matches(spec, key) for spec in specs)
    for limit in (1, 4, 1000):
        some, rest = SlicedBatch(batch, specs).split(limit)
        keys = [key for key, _ in some.members] if some else []
        keys += [key for grouping in rest for key in grouping.keys]
        assert sorted(map(repr, keys)) == sorted(map(repr, want))


def test_a_batch_that_is_a_part_of_another_and_one_without_rows() -> None:
    batch = pa.RecordBatch.from_pydict({"a": ["x", "y", None, "x"], "t": [["p"], ["q", "p"], None, ["p"]]})
    specs = [SlicingSpec(["a"]), SlicingSpec(["t"])]
    assert by_groups(batch.slice(1), specs) == {
        (("a", "y"),): [0], (("a", "x"),): [2], (("t", "q"),): [0], (("t", "p"),): [0, 2]
    }  # fmt: skip
    assert by_groups(batch.slice(0, 0), [*specs, SlicingSpec()]) == {}
    assert by_cells(batch.slice(0, 0), [SlicingSpec(["a"]), SlicingSpec()]) == {}


def test_lists_have_no_cells_and_too_many_cells_are_given_up() -> None:
    batch = pa.RecordBatch.from_pydict({"a": list(range(50)), "b": [i % 7 for i in range(50)], "t": [["p"]] * 50})
    assert cells(batch, [SlicingSpec(["t"])]) is None
    assert cells(batch, [SlicingSpec(["a"])], 49) is None
    made = cells(batch, [SlicingSpec(["a"])], 50)
    assert made is not None
    assert made.count == 50
    some, rest = SlicedBatch(batch, [SlicingSpec(["a"]), SlicingSpec(["b"]), SlicingSpec(["t"])]).split(20)
    assert some is not None
    assert [key for key, _ in some.members] == [(("b", i),) for i in range(7)]
    assert [len(grouping.keys) for grouping in rest] == [50, 1]


def test_columns_of_many_values_are_combined_by_a_hash() -> None:
    generator = np.random.default_rng(3)
    left, right = generator.permutation(3000), generator.permutation(3000)
    batch = pa.RecordBatch.from_pydict({"a": left, "b": right, "c": left % 2})
    axes = [value_axis(batch, name) for name in "abc"]
    made = combine(axes, 3000)
    assert made is not None
    codes, coordinates = made
    assert len(coordinates[0]) == 3000
    assert np.array_equal(np.array(axes[0].values)[coordinates[0][codes] - 1], left)
    assert np.array_equal(np.array(axes[1].values)[coordinates[1][codes] - 1], right)
    assert combine(axes, 3000, 2999) is None


MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 678)


@pytest.mark.parametrize(
    ("values", "kind", "want"),
    [
        ([b"x", b"\xff", b"\\xff"], pa.binary(), ["x", "\\xff"]),
        ([MOMENT], pa.timestamp("us"), ["2026-01-02T03:04:05.000678"]),
        ([10**18 + 1], pa.timestamp("ns"), ["2001-09-09T01:46:40.000000001"]),
        ([0], pa.timestamp("s", "UTC"), ["1970-01-01T00:00:00Z"]),
        ([datetime.date(2026, 1, 2)], pa.date32(), ["2026-01-02"]),
        ([7], pa.time64("ns"), ["00:00:00.000000007"]),
        ([5], pa.duration("s"), ["5 s"]),
        ([decimal.Decimal("1.50")], pa.decimal128(5, 2), ["1.50"]),
        ([1.1, 0.0, -0.0], pa.float32(), [1.1, 0.0]),
        ([np.float16(1.5), np.float16(-0.0), np.float16(0)], pa.float16(), [1.5, 0.0]),
        ([math.nan, math.inf, -math.inf], pa.float64(), ["nan", "inf", "-inf"]),
        ([2**63, 0], pa.uint64(), [2**63, 0]),
        ([None, None], pa.null(), []),
        (["x"], pa.large_string(), ["x"]),
        (["x"], pa.string_view(), ["x"]),
        ([["x", None], ["x"]], pa.large_list(pa.string()), ["x"]),
        ([["x"], ["y"]], pa.list_(pa.string(), 1), ["x", "y"]),
        ([["x"], []], pa.list_view(pa.string()), ["x"]),
        ([[["x"], ["y"]], [None]], pa.list_(pa.list_(pa.string())), ["x", "y"]),
        ([[]], pa.list_(pa.null()), []),
    ],
)
def test_columns_of_every_type(values: list[Any], kind: pa.DataType, want: list[Any]) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(values, kind)], ["a"])
    found = by_groups(batch, [SlicingSpec(["a"])])
    assert list(found) == [(("a", value),) for value in want]
    for value in want:
        text = str(value)
        assert by_groups(batch, [SlicingSpec(feature_values={"a": text})]) == {(("a", value),): found[(("a", value),)]}


def test_dictionary_columns_with_double_and_missing_entries() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, None, 1]), pa.array(["x", "y", "x", None]))
    batch = pa.RecordBatch.from_arrays([column], ["a"])
    assert by_groups(batch, [SlicingSpec(["a"])]) == {(("a", "x"),): [0, 2], (("a", "y"),): [1, 5]}
    numbers = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array([1, 5, None]))
    batch = pa.RecordBatch.from_arrays([numbers], ["a"])
    assert by_groups(batch, [SlicingSpec(buckets={"a": [5]})]) == {(("a", "< 5"),): [0], (("a", ">= 5"),): [1]}


@pytest.mark.parametrize(
    ("kind", "value", "wanted", "hits"),
    [
        (pa.int64(), 1, "1", True),
        (pa.int64(), 1, "1.0", True),
        (pa.int64(), 1, "true", False),
        (pa.int64(), 2**53 + 1, str(2**53), False),
        (pa.int64(), 1000, "1_000", False),
        (pa.string(), "1", "1", True),
        (pa.string(), "1", "1.0", False),
        (pa.string(), "True", "true", False),
        (pa.bool_(), True, "true", True),
        (pa.bool_(), True, "True", True),
        (pa.bool_(), True, "1", True),
        (pa.bool_(), False, "1", False),
        (pa.bool_(), False, "false", True),
        (pa.float64(), 1.0, "1", True),
        (pa.float64(), 1000.0, "1e3", True),
        (pa.float32(), 0.1, "0.1", True),
        (pa.int64(), 1, "9" * 5000, False),
    ],
)
def test_a_specs_text_means_a_value_of_the_columns_type(kind: pa.DataType, value: Any, wanted: str, hits: bool) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([value], kind)], ["a"])
    spec = SlicingSpec(feature_values={"a": wanted})
    found = by_groups(batch, [spec])
    assert bool(found) is hits
    (key,) = by_groups(batch, [SlicingSpec(["a"])])
    assert spec_matches(spec, key) is hits


def test_buckets_of_integers_lists_and_crosses() -> None:
    batch = pa.RecordBatch.from_pydict({"n": [1, 10, None, 30], "t": [[1.0, 25.0], [], None, [2.0, 3.0]]})
    spec = SlicingSpec(buckets={"n": [10, 20.5]})
    assert by_groups(batch, [spec]) == {(("n", "< 10"),): [0], (("n", "[10, 20.5)"),): [1], (("n", ">= 20.5"),): [3]}
    assert by_groups(batch, [SlicingSpec(buckets={"n": [10], "t": [10]})]) == {
        (("n", "< 10"), ("t", "< 10")): [0], (("n", "< 10"), ("t", ">= 10")): [0], (("n", ">= 10"), ("t", "< 10")): [3]
    }  # fmt: skip
    assert spec_matches(spec, (("n", "[10, 20.5)"),))
    assert spec_matches(SlicingSpec(feature_values={"n": "< 10"}), (("n", "< 10"),))
    assert not spec_matches(spec, (("n", "[10, 20)"),))


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (SlicingSpec(buckets={"s": [1]}), "column 's' of type string cannot slice rows: buckets need numbers"),
        (SlicingSpec(buckets={"n": [2, 1]}), "boundaries must ascend, found 2, 1"),
        (SlicingSpec(buckets={"n": []}), "there is no boundary"),
        (SlicingSpec(buckets={"n": [math.inf]}), "must be finite"),
        (SlicingSpec(["r"]), "column 'r' of type struct<x: int64> cannot slice rows"),
        (SlicingSpec(["m"]), "cannot slice rows: it has no plain values"),
        (SlicingSpec(["nn"]), "Did you mean 'n'"),
        (SlicingSpec(expression="s > 1"), "cannot be computed"),
        (SlicingSpec(expression="n + 1"), "not true or false"),
        (SlicingSpec(slice_keys_sql="SELECT a"), "STRUCT is expected"),
    ],
)
def test_what_cannot_slice_is_refused_by_name(spec: SlicingSpec, text: str) -> None:
    batch = pa.RecordBatch.from_pydict(
        {"s": ["x"], "n": [1], "r": [{"x": 1}], "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))}
    )
    with pytest.raises((ConfigError, ExprError)) as caught:
        group_rows(batch, [spec])
    assert text in str(caught.value)


KEYS: list[SliceKey] = [(), (("a", "x"),), (("a", "y"),), (("b", 1),)]


def test_pairs_of_slices_as_in_tfma() -> None:
    x, rest = SlicingSpec(feature_values={"a": "x"}), SlicingSpec(["a"])
    pairs, empty = cross_pairs([CrossSlicingSpec(SlicingSpec(), (rest,))], KEYS)
    assert (pairs, empty) == ([((), (("a", "x"),)), ((), (("a", "y"),))], [])
    pairs, _ = cross_pairs([CrossSlicingSpec(x)], KEYS)
    assert pairs == [((("a", "x"),), ()), ((("a", "x"),), (("a", "y"),)), ((("a", "x"),), (("b", 1),))]
    pairs, _ = cross_pairs([CrossSlicingSpec(rest)], KEYS)
    assert ((("a", "x"),), (("a", "y"),)) not in pairs
    assert len(pairs) == 4
    pairs, _ = cross_pairs([CrossSlicingSpec(rest, (rest,)), CrossSlicingSpec(x, (rest,))], KEYS)
    assert pairs == [((("a", "x"),), (("a", "y"),)), ((("a", "y"),), (("a", "x"),))]
    missing = CrossSlicingSpec(SlicingSpec(), (SlicingSpec(["zz"]),))
    assert cross_pairs([missing], KEYS) == ([], [missing])
    many: list[SliceKey] = [(("a", i),) for i in range(400)]
    with pytest.raises(DataError, match="compares 400 slices with 400, more than 100000 pairs"):
        cross_pairs([CrossSlicingSpec(rest, (rest,))], many)
