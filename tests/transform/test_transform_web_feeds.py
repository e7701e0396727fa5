"""feeds.mjs makes of any rows the arrays that Feeds makes in Python, and finds the same problems."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_web import NODE, Node, decode_arrays, encode
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import trueline._core.feeds
from trueline._core.errors import FeedError
from trueline._core.feed_columns import timestamp_micros
from trueline._core.feeds import Feeds
from trueline._core.values import RawFeature

pytestmark = pytest.mark.skipif(NODE is None, reason="NOT TESTED HERE: no node; install Debian's package nodejs")
SCRIPTS = Path(trueline._core.__file__).parent / "js"


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node("feeds_worker.mjs", str(SCRIPTS)) as process:
        yield process


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
WHOLE = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1), st.integers(-(2**70), 2**70))
BROKEN = st.floats().filter(lambda v: not v.is_integer())
DAYS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "float64": st.one_of(st.floats(), WHOLE),
    "int64": WHOLE,
    "bool": st.booleans(),
    "utf8": TEXT,
    "timestamp": st.one_of(WHOLE, DAYS.map(datetime.isoformat)),
}
# what JavaScript takes for one value and Python for two is left out: a whole float, long decimal text
ODD = st.one_of(st.none(), st.booleans(), BROKEN, TEXT, st.lists(st.one_of(BROKEN, st.none(), TEXT), max_size=2))


@st.composite
def features(draw: st.DrawFn) -> list[RawFeature]:
    made = []
    for name in draw(st.lists(st.sampled_from(["a", "b", "ключ", "__proto__", "toString", "x y"]), unique=True)):
        kind = draw(st.sampled_from(["scalar", "fixed", "ragged"]))
        size = draw(st.integers(1, 3)) if kind == "fixed" else None
        made.append(RawFeature(name, draw(st.sampled_from(sorted(VALUES))), kind, size, draw(st.booleans())))
    return made


def value_of(feature: RawFeature) -> st.SearchStrategy[Any]:
    one = VALUES[feature.dtype]
    if feature.kind == "fixed":
        return st.lists(one, min_size=feature.size, max_size=feature.size)
    return st.lists(one, max_size=4) if feature.kind == "ragged" else st.one_of(one, one.map(lambda v: [v]))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[RawFeature], list[Any]]:
    """Features, and rows that mostly fit them."""
    chosen = draw(features())
    spoiled = draw(st.booleans())
    rows: list[Any] = []
    for _ in range(draw(st.integers(0, 5))):
        row = {}
        for f in chosen:
            pick = draw(st.integers(0, 9))
            if pick == 0 and (f.optional or spoiled):
                continue
            good = pick > 1 if spoiled else pick > 1 or not f.optional
            row[f.name] = draw(value_of(f) if good else ODD if spoiled else st.none())
        if spoiled and draw(st.integers(0, 7)) == 0:
            row["stranger"] = 1
        rows.append(row if not spoiled or draw(st.integers(0, 15)) else draw(st.sampled_from([None, 3, "row", [1]])))
    return chosen, rows


def places(problems: tuple[str, ...] | list[str]) -> set[str]:
    """Row, field and the type that was expected; what was got is called by each language's own name."""
    return {p.partition(", got ")[0] for p in problems}


@pytest.fixture(autouse=True, scope="module")
def every_problem() -> Iterator[None]:
    """Python's errors keep twenty problems; here all are compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trueline._core.feeds, "_MAX_PROBLEMS", 10**6)
        yield


def compare(node: Node, chosen: list[RawFeature], given: list[Any], **asked: Any) -> None:
    answer = node.ask({"ask": "feeds", "features": [f.to_json() for f in chosen], **asked})
    if "problems" in answer:
        with pytest.raises(FeedError) as caught:
            Feeds(chosen).from_rows(given)
        assert places(answer["problems"]) == places(caught.value.problems)
        return
    expected = Feeds(chosen).from_rows(given)
    found = decode_arrays(answer["arrays"])
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].shape == array.shape, name
        assert found[name].dtype == array.dtype, name
        same = found[name].tobytes() == array.tobytes() if array.dtype == np.float64 else None
        if array.dtype == np.float64 and np.isnan(array).any():
            same = np.array_equal(found[name], array, equal_nan=True)
        assert np.array_equal(found[name], array) if same is None else same, name


COUNT = RawFeature("n", "int64")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
@example(case=([RawFeature("a", "float64"), RawFeature("b", "utf8", "ragged")], []))
@example(case=([], [{}, {}]))
@example(case=([COUNT], [{"n": 2**63 - 1}, {"n": -(2**63)}, {"n": 2**53 + 1}, {"n": -0}]))
@example(case=([COUNT], [{"n": 2**63}, {"n": True}, {"n": "1"}, {"n": [2]}, {"n": [[2]]}, {"n": [None]}, {"n": []}]))
@example(case=([RawFeature("a", "float64")], [{"a": 10**400}, {"a": -(10**400)}, {"a": -0.0}, {"a": math.nan}]))
def test_the_same_arrays_and_the_same_problems(node: Node, case: tuple[list[RawFeature], list[Any]]) -> None:
    chosen, rows = case
    compare(node, chosen, rows, rows=encode(rows))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_json_text_keeps_every_digit(node: Node, case: tuple[list[RawFeature], list[Any]]) -> None:
    """`parseRows` and Python's json read the same rows out of one text, integers beyond 2^53 included."""
    chosen, rows = case
    finite = json.loads(json.dumps(rows), parse_constant=lambda _: 0.5)
    compare(node, chosen, finite, text=json.dumps(finite, ensure_ascii=False))


def test_every_problem_is_told_and_twenty_are_listed(node: Node) -> None:
    chosen = [RawFeature(f"f{i}", "bool", optional=False) for i in range(7)]
    rows: list[Any] = [{}, {"f0": 1, "fnord": 2}, {f"f{i}": "x" for i in range(7)}, 5]
    compare(node, chosen, rows, rows=encode(rows))
    answer = node.ask({"ask": "feeds", "features": [f.to_json() for f in chosen], "rows": encode(rows)})
    assert len(answer["problems"]) == 2 + 4 * 7
    assert answer["problems"][2] == "row 1, field 'f0': expected bool, got number 1"
    message = answer["message"].splitlines()
    assert message[0] == "the data does not fit the model's signature"
    assert message[1:3] == [
        "  - row 1: unknown field 'fnord'",
        "  - row 3: expected an object of named values, got number",
    ]
    assert message[-2:] == ["  - and 10 more", "Hint: There is: f0, f1, f2, f3, f4, f5, f6."]


@pytest.mark.parametrize(
    ("dtype", "value", "taken"),
    [
        ("int64", '"9223372036854775807"', 2**63 - 1),  # JSON made by programs that know no wider number
        ("int64", '"-9007199254740993"', -(2**53) - 1),
        ("int64", "5.0", 5),  # one kind of number
        ("timestamp", '"1000000000000000000"', 10**18),
        ("int64", '"12"', None),
        ("int64", '"9223372036854775808"', None),
        ("int64", "1e300", None),
        ("int64", "9007199254740993.0", None),  # its digits are lost
        ("utf8", r'"a\u0000b"', None),
        ("utf8", r'"\ud800"', None),
    ],
)
def test_what_javascript_takes_otherwise(node: Node, dtype: Any, value: str, taken: int | None) -> None:
    feature = RawFeature("n", dtype)
    answer = node.ask({"ask": "feeds", "features": [feature.to_json()], "text": f'[{{"n": {value}}}]'})
    if taken is None:
        assert answer["problems"][0].startswith(f"row 0, field 'n': expected {dtype}, got ")
    else:
        assert decode_arrays(answer["arrays"])["n"].tolist() == [taken]


CLOCKS = st.sampled_from(["", "T10", " 1011", "T10:11", "é10:11:12", "T101112", "T10:11:12.5", "T10:11:12,1234567"])
DATES = st.one_of(
    st.dates().map(lambda d: d.isoformat()),
    st.dates().map(lambda d: d.strftime("%Y%m%d").zfill(8)),
    st.builds("{:04d}-W{:02d}-{}".format, st.integers(0, 9999), st.integers(0, 54), st.integers(0, 8)),
    st.builds("{:04d}W{:02d}".format, st.integers(1, 9999), st.integers(1, 53)),
    st.builds("{:04d}-{:02d}-{:02d}".format, st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32)),
)
ZONES = st.sampled_from(["", "Z", "+01", "-0130", "+23:59", "-01:02:03.5", "+24:00", "z", "+1"])
TIMES = st.lists(st.builds("{}{}{}".format, DATES, CLOCKS, ZONES), max_size=30)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TIMES)
@example(texts=["", "2020", "2020-01-01T", "2020-01-01T24:00", "2020-01-01T10:60", "2020-01-01T10:1112", "9999-W52-7"])
@example(texts=["2020-02-30", "1900-02-29", "2000-02-29", "0001-01-01", "2020-W01-10:00", "2020-W53-1", "2021-W53-1"])
@example(texts=["2020-0101", "202001-01", "2020-W1", " 2020-01-01", "2020-01-01 ", "+2020-01-01", "２０２０-01-01"])
def test_times_are_read_as_python_reads_them(node: Node, texts: list[str]) -> None:
    def micros(text: str) -> str | None:
        try:
            return str(timestamp_micros(text))
        except ValueError:
            return None

    assert node.ask({"ask": "times", "texts": texts})["times"] == [micros(t) for t in texts]
