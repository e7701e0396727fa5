"""Feeds: one description, and Arrow, rows and columns of the same data give the same arrays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import FeedError
from trueline._core.feeds import Feeds
from trueline._core.values import RawFeature, arrow_type_of

INT = st.integers(-(2**63), 2**63 - 1)
SCALARS: dict[str, Any] = {
    "float64": st.floats(),
    "int64": INT,
    "bool": st.booleans(),
    "utf8": st.text(max_size=8),
    "timestamp": st.integers(-(2**50), 2**50),
}


@st.composite
def features_and_rows(draw: Any) -> tuple[list[RawFeature], list[dict[str, Any]]]:
    features = []
    for i, dtype in enumerate(draw(st.lists(st.sampled_from(list(SCALARS)), min_size=1, max_size=4))):
        kind = draw(st.sampled_from(["scalar", "fixed", "ragged"]))
        features.append(RawFeature(f"f{i}", dtype, kind, 2 if kind == "fixed" else None, draw(st.booleans())))
    rows = []
    for _ in range(draw(st.integers(0, 5))):
        row: dict[str, Any] = {}
        for f in features:
            value = SCALARS[f.dtype]
            if f.kind != "scalar":
                value = st.lists(value, min_size=f.size or 0, max_size=f.size or 3)
            row[f.name] = draw(st.one_of(st.none(), value) if f.optional else value)
        rows.append(row)
    return features, rows


@settings(deadline=None)  # the first example imports Arrow's functions
@given(features_and_rows())
def test_arrow_rows_and_columns_give_the_same_arrays(case: tuple[list[RawFeature], list[dict[str, Any]]]) -> None:
    features, rows = case
    feeds = Feeds.from_json(Feeds(features).to_json())
    columns = {f.name: [r[f.name] for r in rows] for f in features}
    table = pa.table({f.name: pa.array(columns[f.name], arrow_type_of(f)) for f in features})
    by_arrow, by_rows, by_columns = feeds.from_arrow(table), feeds.from_rows(rows), feeds.from_columns(columns)
    declared = {name: (kind, shape) for name, kind, shape in feeds.onnx_inputs()}
    assert set(by_arrow) == set(by_rows) == set(by_columns) == set(declared)
    for name, array in by_arrow.items():
        for other in (by_rows[name], by_columns[name]):
            assert array.dtype == other.dtype
            assert array.shape == other.shape
            assert array.shape[0] == len(rows)
            assert array.ndim == len(declared[name][1])
            np.testing.assert_array_equal(array, other)


def test_missing_is_marked_and_never_confused_with_a_value() -> None:
    feeds = Feeds(
        [RawFeature("x", "float64"), RawFeature("s", "utf8"), RawFeature("n", "int64"), RawFeature("b", "bool")]
    )
    arrays = feeds.from_rows([{"x": float("nan"), "s": "", "n": 0, "b": False}, {}])
    for name in ("x", "s", "n", "b"):
        assert arrays[name + ":present"].tolist() == [True, False]
    assert np.isnan(arrays["x"][0])
    assert arrays["x"][1] == 0.0
    assert arrays["s"].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("float64", True),
        ("float64", "1"),
        ("int64", 1.0),
        ("int64", True),
        ("int64", 2**63),
        ("bool", 1),
        ("utf8", 1),
        ("utf8", {"a": 1}),
        ("utf8", ["a", "b"]),
        ("timestamp", "yesterday"),
    ],
)
def test_wrong_values_are_refused_by_row_and_field(dtype: Any, value: Any) -> None:
    feeds = Feeds([RawFeature("fare", dtype)])
    with pytest.raises(FeedError) as caught:
        feeds.from_rows([{}, {"fare": value}])
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith("row 1, field 'fare': expected")


def test_all_problems_at_once_and_each_once() -> None:
    feeds = Feeds([RawFeature("a", "int64", optional=False), RawFeature("b", "utf8")])
    with pytest.raises(FeedError) as caught:
        feeds.from_rows([{"a": "x", "b": 1}, {"b": "ok"}, {"a": 1, "b": 2.5}])
    assert len(caught.value.problems) == 4
    with pytest.raises(FeedError, match="Did you mean 'a'"):
        feeds.from_rows([{"A": 1, "b": "x"}])
    with pytest.raises(FeedError, match="required"):
        feeds.from_rows([{"b": "x"}])
    with pytest.raises(FeedError, match="required"):
        feeds.from_rows([{"a": [None], "b": "x"}])
    with pytest.raises(FeedError) as caught:
        feeds.from_rows([{"a": "x", "c": 1}, 7])  # type: ignore[list-item]
    assert [p.split(":")[0] for p in caught.value.problems] == [
        "row 0", "row 1", "row 0, field 'a'", "row 1, field 'a'",
    ]  # fmt: skip


def test_a_list_of_one_is_a_scalar_and_text_is_a_time() -> None:
    feeds = Feeds([RawFeature("fare", "float64"), RawFeature("at", "timestamp")])
    arrays = feeds.from_rows([{"fare": [12], "at": "1970-01-01T00:00:01+00:00"}])
    assert arrays["fare"].tolist() == [12.0]
    assert arrays["at"].tolist() == [1_000_000]
    table = pa.table({"fare": [12.0], "at": [datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)]})
    assert feeds.from_arrow(table)["at"].tolist() == [1_000_000]


def test_arrow_column_of_another_type_is_refused() -> None:
    feeds = Feeds([RawFeature("fare", "float64", optional=False)])
    with pytest.raises(FeedError, match=r"fare.*expected double, got string"):
        feeds.from_arrow(pa.table({"fare": ["12"]}))
    with pytest.raises(FeedError, match="required"):
        feeds.from_arrow(pa.table({"fares": [1.0]}))
    assert feeds.from_arrow(pa.table({"fare": pa.array([1], pa.int32())}))["fare"].tolist() == [1.0]


def test_columns_of_unequal_length_and_unknown_ones() -> None:
    feeds = Feeds([RawFeature("a", "int64"), RawFeature("b", "int64")])
    with pytest.raises(FeedError, match="different lengths"):
        feeds.from_columns({"a": [1], "b": [1, 2]})
    with pytest.raises(FeedError, match="unknown field 'c'"):
        feeds.from_columns({"a": [1], "c": [1]})
    with pytest.raises(FeedError, match=r"expected a list(.|\n)*a single row is a dict in a list"):
        feeds.from_columns({"a": "12"})
    assert feeds.from_columns({"a": [1, 2]})["b:present"].tolist() == [False, False]


def test_bytes_need_a_host_step() -> None:
    with pytest.raises(FeedError, match="host step"):
        Feeds([RawFeature("image", "bytes")]).onnx_inputs()


ODD = st.one_of(
    st.none(),
    st.booleans(),
    INT,
    st.integers(2**63, 2**70),
    st.just(10**400),
    st.floats(),
    st.text(max_size=3),
    st.just("2020-01-01T00:00:00"),
    st.lists(st.one_of(st.none(), st.booleans(), INT, st.floats(), st.text(max_size=2)), max_size=2),
    st.dictionaries(st.text(max_size=1), st.none(), max_size=1),
)


class Slow(dict[str, Any]):
    """A row that the fast road leaves to the slow one: a mapping, but no plain dict."""


@st.composite
def rows_of_any_kind(draw: Any) -> tuple[list[RawFeature], list[dict[str, Any]]]:
    """Rows that mostly fit, some with a missing key, a key too many or a value of another kind."""
    features, rows = draw(features_and_rows())
    for row in rows:
        if draw(st.integers(0, 3)) == 0:
            row[draw(st.sampled_from([f.name for f in features]))] = draw(ODD)
        if draw(st.integers(0, 5)) == 0:
            row.pop(draw(st.sampled_from([f.name for f in features])), None)
        if draw(st.integers(0, 9)) == 0:
            row[draw(st.sampled_from(["extra", "odd"]))] = 1
    return features, rows


def _outcome(call: Any) -> Any:
    try:
        return call()
    except FeedError as error:
        return (error.message, error.hint, list(error.problems))


def _assert_same(one: Any, two: Any) -> None:
    if isinstance(two, tuple):
        assert one == two
        return
    assert isinstance(one, dict)
    assert one.keys() == two.keys()
    for name, array in two.items():
        assert one[name].dtype == array.dtype
        assert one[name].shape == array.shape
        assert one[name].flags.c_contiguous
        if array.dtype == object:
            assert [type(v) for v in one[name].ravel()] == [type(v) for v in array.ravel()]
            assert one[name].tolist() == array.tolist()
        else:
            assert one[name].tobytes() == array.tobytes()


@settings(max_examples=300, deadline=None)
@given(rows_of_any_kind())
def test_the_fast_road_and_the_slow_one_give_the_same_bits_and_the_same_errors(
    case: tuple[list[RawFeature], list[dict[str, Any]]],
) -> None:
    features, rows = case
    feeds, extra = Feeds(features), frozenset({"extra"})
    slow = _outcome(lambda: feeds.from_rows([Slow(row) for row in rows], extra=extra))
    _assert_same(_outcome(lambda: feeds.from_rows(rows, extra=extra)), slow)
    plain = [{k: v for k, v in row.items() if k != "extra"} for row in rows]
    slow = _outcome(lambda: feeds.from_rows([Slow(row) for row in plain]))
    _assert_same(_outcome(lambda: feeds.unpack(feeds.pack_rows(plain))), slow)
    if all(row.keys() <= feeds.by_name.keys() for row in plain):
        columns = {f.name: [row.get(f.name) for row in plain] for f in features}
        _assert_same(_outcome(lambda: feeds.from_columns(columns)), slow)
        _assert_same(_outcome(lambda: feeds.unpack(feeds.pack_columns(columns))), slow)


def test_a_huge_integer_does_not_make_its_missing_neighbour_present() -> None:
    feeds = Feeds([RawFeature("a", "float64"), RawFeature("b", "float64")])
    arrays = feeds.from_rows([{"a": 10**400, "b": None}, {"a": None, "b": 1}])
    assert arrays["a:present"].tolist() == [True, False]
    assert arrays["b:present"].tolist() == [False, True]
    assert arrays["a"].tolist() == [float("inf"), 0.0]


def test_presence_without_a_missing_value_is_shared_and_cannot_be_written() -> None:
    feeds = Feeds([RawFeature("x", "float64"), RawFeature("s", "utf8")])
    arrays = feeds.from_rows([{"x": 1, "s": "a"}, {"x": 2.5, "s": "b"}])
    assert arrays["x:present"] is arrays["s:present"]
    with pytest.raises(ValueError, match="read-only"):
        arrays["x:present"][0] = False
    again = feeds.from_rows([{"x": 1}, {"x": 2.5, "s": "b"}])
    assert again["s:present"].tolist() == [False, True]
    assert again["x:present"].tolist() == [True, True]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_plain_row_is_not_left_to_the_slow_road(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = Feeds([RawFeature(n, d) for n, d in (("x", "float64"), ("i", "int64"), ("s", "utf8"), ("b", "bool"))])

    def refuse(*arguments: Any) -> None:
        raise AssertionError("the slow road was taken")

    monkeypatch.setattr(feeds, "_rows_slowly", refuse)
    monkeypatch.setattr(feeds, "_from_lists", refuse)
    feeds.from_rows([{"x": 1, "i": 2, "s": "a", "b": True}] * rows)
    feeds.from_rows([{"x": None, "s": "a"}] * rows)
    feeds.from_columns({"x": [1.5] * rows})
    with pytest.raises(AssertionError):
        feeds.from_rows([{"x": "1"}] * rows)


@pytest.mark.parametrize("kind", ["ragged", "fixed"])
@pytest.mark.parametrize(("dtype", "value"), [("float64", 1.5), ("int64", 7), ("utf8", "a"), ("bool", True)])
def test_a_missing_value_inside_a_list_is_refused_by_every_feed(kind: Any, dtype: Any, value: Any) -> None:
    """In Arrow as in JSON: it must not become 0 or an empty text, and a missing list is no such thing."""
    feature = RawFeature("x", dtype, kind, 2 if kind == "fixed" else None)
    feeds, rows = Feeds([feature]), [None, [value, value], [value, None], [None, value]]
    for some, where in ((rows, "row 2"), (rows[1:], "row 1")):
        data = pa.table({"x": pa.array(rows, arrow_type_of(feature))}).slice(len(rows) - len(some))
        with pytest.raises(FeedError, match=rf"{where}, column 'x': no missing values inside a list"):
            feeds.from_arrow(data)
        with pytest.raises(FeedError, match=rf"{where}, field 'x': .*: no missing values inside a list"):
            feeds.from_rows([{"x": v} for v in some])
    whole = feeds.from_arrow(pa.table({"x": pa.array(rows[:2], arrow_type_of(feature))}))
    assert whole["x:present"].tolist() == [False, True]
