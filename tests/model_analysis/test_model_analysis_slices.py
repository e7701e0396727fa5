"""Slicing as in TFMA: keys, values, crosses, lists, missing values, expressions."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from trueline._core.errors import ConfigError
from trueline.model_analysis import SlicingSpec, slice_name
from trueline.model_analysis.slices import SliceKey, group_rows, key_text, parse_key, spec_matches

TABLE = pa.RecordBatch.from_pydict(
    {
        "company": ["a", "b", None, "a", "b"],
        "hour": [1, 2, 1, None, 1],
        "tags": pa.array([["x", "y", "x"], [], None, ["y"], ["x", None]]),
        "fare": pa.array([5.0, 1.5, 30.0, None, 25.0]),
        "night": [True, False, True, False, None],
    }
)


def rows_by_slice(batch: pa.RecordBatch, *specs: SlicingSpec) -> dict[SliceKey, list[int]]:
    found: dict[SliceKey, list[int]] = defaultdict(list)
    for grouping in group_rows(batch, specs):
        for row, code in zip(grouping.rows.tolist(), grouping.codes.tolist(), strict=True):
            found[grouping.keys[code]].append(row)
    return dict(found)


def test_overall_keys_and_missing_values() -> None:
    found = rows_by_slice(TABLE, SlicingSpec(), SlicingSpec(["company"]))
    assert found == {(): [0, 1, 2, 3, 4], (("company", "a"),): [0, 3], (("company", "b"),): [1, 4]}


def test_cross_of_keys_and_values_is_sorted_by_column() -> None:
    found = rows_by_slice(TABLE, SlicingSpec(["hour", "company"]))
    assert found == {
        (("company", "a"), ("hour", 1)): [0],
        (("company", "b"), ("hour", 2)): [1],
        (("company", "b"), ("hour", 1)): [4],
    }
    found = rows_by_slice(TABLE, SlicingSpec(["company"], {"hour": "1"}))
    assert found == {(("company", "a"), ("hour", 1)): [0], (("company", "b"), ("hour", 1)): [4]}


@pytest.mark.parametrize(
    ("column", "value", "rows"),
    [("hour", "1", [0, 2, 4]), ("hour", 2, [1]), ("fare", "1.5", [1]), ("fare", "30", [2]), ("night", True, [0, 2])],
)
def test_feature_values_match_by_type(column: str, value: Any, rows: list[int]) -> None:
    assert list(rows_by_slice(TABLE, SlicingSpec(feature_values={column: value})).values()) == [rows]


def test_a_value_that_does_not_occur_gives_no_slice() -> None:
    assert rows_by_slice(TABLE, SlicingSpec(feature_values={"company": "zz"})) == {}
    assert rows_by_slice(TABLE, SlicingSpec(feature_values={"hour": "one"})) == {}


def test_list_columns_give_one_slice_per_distinct_value() -> None:
    found = rows_by_slice(TABLE, SlicingSpec(["tags"]))
    assert found == {(("tags", "x"),): [0, 4], (("tags", "y"),): [0, 3]}
    found = rows_by_slice(TABLE, SlicingSpec(["tags", "company"]))
    assert found[(("company", "a"), ("tags", "y"))] == [0, 3]
    assert found[(("company", "b"), ("tags", "x"))] == [4]


def test_expressions_alone_and_crossed() -> None:
    assert rows_by_slice(TABLE, SlicingSpec(expression="fare > 20")) == {(("fare > 20", None),): [2, 4]}
    found = rows_by_slice(TABLE, SlicingSpec(["company"], expression="fare > 20"))
    assert found == {(("company", "b"), ("fare > 20", None)): [4]}
    assert rows_by_slice(TABLE, SlicingSpec(expression="fare > 99")) == {}


def test_a_slice_that_two_specs_describe_is_counted_once() -> None:
    found = rows_by_slice(TABLE, SlicingSpec(["company"]), SlicingSpec(feature_values={"company": "a"}))
    assert found == {(("company", "a"),): [0, 3], (("company", "b"),): [1, 4]}


def test_unknown_column_is_named_with_what_exists() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'company'"):
        rows_by_slice(TABLE, SlicingSpec(["compani"]))


def test_names_and_texts() -> None:
    key: SliceKey = (("company", 'a"b'), ("fare > 20", None), ("hour", 1), ("night", True))
    assert slice_name(()) == "Overall"
    assert slice_name(key) == 'company=a"b, fare > 20, hour=1, night=true'
    assert parse_key(key_text(key)) == key
    assert key_text((("hour", 1),)) != key_text((("hour", "1"),))


def test_spec_matches() -> None:
    key: SliceKey = (("company", "a"), ("hour", 1))
    assert spec_matches(SlicingSpec(["company", "hour"]), key)
    assert spec_matches(SlicingSpec(["company"], {"hour": "1"}), key)
    assert not spec_matches(SlicingSpec(["company"], {"hour": "2"}), key)
    assert not spec_matches(SlicingSpec(["company"]), key)
    assert not spec_matches(SlicingSpec(), key)
    assert spec_matches(SlicingSpec(), ())


values = st.one_of(st.none(), st.integers(0, 3))
lists = st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(0, 2)), max_size=3))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(values, lists), max_size=25))
def test_grouping_equals_a_loop_over_rows(data: list[tuple[int | None, list[int | None] | None]]) -> None:
    batch = pa.RecordBatch.from_arrays(
        [pa.array([a for a, _ in data], pa.int64()), pa.array([b for _, b in data], pa.list_(pa.int64()))], ["a", "b"]
    )
    want: dict[SliceKey, list[int]] = defaultdict(list)
    for row, (a, b) in enumerate(data):
        for item in sorted({v for v in b or [] if v is not None}):
            if a is not None:
                want[(("a", a), ("b", item))].append(row)
    assert rows_by_slice(batch, SlicingSpec(["b", "a"])) == dict(want)
