"""The expression language: equal to Python where no value is missing, SQL's logic where one is, closed to all else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline._core.errors import ExprError
from trueline._core.expr import parse

BATCH = pa.record_batch(
    {"a": [1, None, 3], "odd name": ["x", "yy", None], "f": [1.5, 2.0, None], "b": [True, None, False]}
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a > 1", [False, None, True]),
        ("a in [1, 3]", [True, None, True]),
        ("a not in (1,)", [False, None, True]),
        ("a is None", [False, True, False]),
        ("a is not None", [True, False, True]),
        ('len(col("odd name")) == 2', [False, True, None]),
        ("a > 0 or True", [True, True, True]),
        ("a > 0 and False", [False, False, False]),
        ("1 < a <= 3", [False, None, True]),
        ("not b", [False, None, True]),
        ('startswith(col("odd name"), "y")', [False, True, None]),
        ('lower(col("odd name")) == "x"', [True, False, None]),
        ("a // 0", [None, None, None]),
        ("abs(-a) + f", [2.5, None, None]),
        ("'x'", ["x", "x", "x"]),
    ],
)
def test_values(text: str, expected: list[Any]) -> None:
    assert parse(text).evaluate(BATCH).to_pylist() == expected


def test_a_filter_keeps_what_is_true() -> None:
    assert parse("a >= 1").filter(BATCH).num_rows == 2
    assert parse("not (a > 1)").filter(BATCH).column("a").to_pylist() == [1]
    with pytest.raises(ExprError, match="not true or false"):
        parse("a + 1").filter(BATCH)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')", "a.b", "a if b else c", "lambda: 1", "f'{a}'", "a in b", "[1]", "a[0]", "(a := 1)",
        "print(a)", "a ** 9", "a @ b", "a << 1", "~a", "a is 1", "len()", "len(a, b)", "len(a=1)", "len(*a)", "col(a)",
        "", "a >", "a; b", "import os", "a" * 10_001, "-" * 500 + "a", "b'x'", "1j", "startswith(a, b)", "await a",
    ],
)  # fmt: skip
def test_what_is_outside_the_language_is_refused(text: str) -> None:
    with pytest.raises(ExprError):
        parse(text)


def test_errors_name_what_exists() -> None:
    with pytest.raises(ExprError, match="Did you mean 'odd name'"):
        parse('col("odd nam") == "x"').evaluate(BATCH)
    with pytest.raises(ExprError, match=r"int64.*string"):
        parse("a > 'x'").evaluate(BATCH)
    assert parse("a + f > a").columns == ("a", "f")


NUMBERS = st.integers(-50, 50)


@st.composite
def expressions(draw: Any, depth: int = 3) -> str:
    if depth == 0:
        return draw(st.sampled_from(["x", "y", "3", "0", "(-7)"]))
    left, right = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    op = draw(st.sampled_from(["+", "-", "*", "//", "%"]))
    return f"({left} {op} {right})"


@given(expressions(), NUMBERS, NUMBERS, st.sampled_from(["<", "<=", "==", "!=", ">", ">="]))
def test_arithmetic_is_pythons(text: str, x: int, y: int, compare: str) -> None:
    batch = pa.record_batch({"x": [x], "y": [y]})
    try:
        expected = eval(text, {"x": x, "y": y})
    except ZeroDivisionError:
        assert parse(text).evaluate(batch).to_pylist() == [None]
        return
    assert parse(text).evaluate(batch).to_pylist() == [expected]
    assert parse(f"{text} {compare} x").evaluate(batch).to_pylist() == [eval(f"{expected} {compare} {x}")]


@given(st.text(max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        expr = parse(text)
    except ExprError:
        return
    assert isinstance(expr.columns, tuple)


def test_dotted_names_are_names_where_asked_for() -> None:
    """`a.b` is one column name; nothing is looked up inside a value, and without the option dots stay refused."""
    batch = pa.record_batch({"num_stats.mean": [1.0, 3.0], "a": [1, 2]})
    found = parse("num_stats.mean > 2 and a == 2", dotted=True)
    assert found.columns == ("num_stats.mean", "a")
    assert found.evaluate(batch).to_pylist() == [False, True]
    with pytest.raises(ExprError, match="Attribute is not part"):
        parse("num_stats.mean > 2")
    for text in ("'x'.upper", "len(a).real", "a.b()", "a[0].b", "(a + 1).real"):
        with pytest.raises(ExprError):
            parse(text, dotted=True)
    with pytest.raises(ExprError, match=r"'a\.__class__' does not exist"):
        parse("a.__class__ == 'x'", dotted=True).evaluate(batch)


def test_times_are_compared_with_iso_text() -> None:
    """Text in quotes is a time where a column of times stands on the other side; in a list as well."""
    times = [datetime(2026, 1, 1), None, datetime(2026, 1, 3, 12)]
    batch = pa.record_batch({"ts": pa.array(times, pa.timestamp("us")), "word": ["2026-01-02", "x", "2026-01-03"]})
    expected = {
        "ts < '2026-01-03'": [True, None, False],
        "'2026-01-02' < ts": [False, None, True],
        "'2026-01-01' <= ts <= '2026-01-03T12:00:00'": [True, None, True],
        "ts != '2026-01-03 12:00'": [True, None, False],
        "ts in ['2026-01-01']": [True, None, False],
        "word == '2026-01-02'": [True, False, False],
    }
    assert {text: parse(text).evaluate(batch).to_pylist() for text in expected} == expected
    for text in ("ts > 'yesterday'", "ts > '2026-01-01T00:00Z'", "ts > 5"):
        with pytest.raises(ExprError, match="cannot be computed"):
            parse(text).evaluate(batch)
