"""TFMA's SQL slice keys: what is understood means the same rows, everything else is refused with its place."""

from __future__ import annotations

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from trueline._core.errors import ConfigError, TruelineError
from trueline.model_analysis import SlicingSpec
from trueline.model_analysis.slice_parts import KeyPart, SpecParts, spec_columns, spec_parts
from trueline.model_analysis.slices import group_rows, slice_name, spec_matches
from trueline.model_analysis.slices_sql import parts_from_sql

TABLE = pa.RecordBatch.from_pydict(
    {
        "gender": ["f", "m", "f", "m", None],
        "country": ["USA", "USA", "FR", "USA", "USA"],
        "age": [10, 20, 30, None, 50],
        "odd name": ["it's", "b", "c", "d", "e"],
        "ok": [True, False, True, True, True],
    }
)


def rows(sql: str) -> dict[str, list[int]]:
    (grouping,) = group_rows(TABLE, [SlicingSpec(slice_keys_sql=sql)])
    out: dict[str, list[int]] = {}
    for row, code in zip(grouping.rows.tolist(), grouping.codes.tolist(), strict=True):
        key = grouping.keys[code]
        assert spec_matches(SlicingSpec(slice_keys_sql=sql), key)
        out.setdefault(slice_name(key), []).append(row)
    return out


@pytest.mark.parametrize(
    ("sql", "want"),
    [
        ("SELECT STRUCT(gender) FROM example.gender", {"gender=f": [0, 2], "gender=m": [1, 3]}),
        ("select struct(example.gender as g);", {"g=f": [0, 2], "g=m": [1, 3]}),
        (
            "SELECT STRUCT(gender, country) FROM example.gender, example.country WHERE country = 'USA'",
            {"country=USA, gender=f": [0], "country=USA, gender=m": [1, 3]},
        ),
        (
            "SELECT\n  STRUCT(gender)\nFROM example.gender, example.age\nWHERE age = 30",
            {"age=30, gender=f": [2]},
        ),
        ("SELECT STRUCT(gender) WHERE 15 <= age", {"age >= 15, gender=m": [1], "age >= 15, gender=f": [2]}),
        (
            "SELECT STRUCT(gender) WHERE age < 15 OR age > 25 AND ok = TRUE",
            {"age < 15 or (age > 25 and ok == True), gender=f": [0, 2]},
        ),
        ("SELECT STRUCT(ok) WHERE NOT (age IN (10, 20)) AND gender IS NOT NULL",
         {"not (age in [10, 20]) and gender is not None, ok=true": [2]}),
        ("SELECT STRUCT(ok) WHERE age IS NULL", {"age is None, ok=true": [3]}),
        ("SELECT STRUCT(`odd name`) WHERE `odd name` = 'it\\'s'", {"odd name=it's": [0]}),
        ('SELECT STRUCT(gender) WHERE `odd name` <> "it\'s" AND age NOT IN (20)',
         {"col('odd name') != \"it's\" and age not in [20], gender=f": [2]}),
        ("SELECT STRUCT(country) WHERE (ok = FALSE)", {"country=USA, ok=false": [1]}),
        ("SELECT STRUCT(country) WHERE ok = FALSE AND ok = TRUE", {}),
    ],
)  # fmt: skip
def test_understood_sql_gives_its_rows(sql: str, want: dict[str, list[int]]) -> None:
    assert rows(sql) == want


def test_sql_as_plain_parts_is_the_same_slice_as_without_sql() -> None:
    sql = SlicingSpec(slice_keys_sql="SELECT STRUCT(gender) FROM example.gender, example.age WHERE age = 30")
    assert spec_parts(sql) == spec_parts(SlicingSpec(["gender"], {"age": "30"}))
    assert spec_columns([sql]) == ("age", "gender")
    assert parts_from_sql("SELECT STRUCT(a AS b)") == SpecParts((KeyPart("b", "a"),))


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("", "character 1: SELECT is expected, at the end of the text"),
        ("SELECT gender", "character 8: STRUCT is expected, at 'gender'"),
        ("SELECT STRUCT('male' AS x) FROM example", "character 15: a name is expected"),
        ("SELECT STRUCT(a) FROM other.a", "character 23: FROM takes example.column"),
        ("SELECT STRUCT(a) FROM example.a x", "character 33: the end is expected"),
        ("SELECT STRUCT(a) WHERE 'm' IN UNNEST(example.a)", "a comparison is expected"),
        ("SELECT STRUCT(a) WHERE LOWER(a) = 'x'", "a comparison is expected, at \"(a) = 'x'\""),
        ("SELECT STRUCT(a) WHERE a = b", "a number, a text in quotes, TRUE or FALSE is expected"),
        ("SELECT STRUCT(a) WHERE a LIKE 'x%'", "a comparison is expected"),
        ("SELECT STRUCT(a) WHERE a = 'x", "this is not understood"),
        ("SELECT STRUCT(a) WHERE a = '\\q'", "there is no escape"),
        ("SELECT STRUCT(a, b AS a)", "STRUCT has 'a' 2 times"),
        ("SELECT STRUCT(a, a AS b)", "STRUCT takes column 'a' 2 times"),
        ("SELECT STRUCT(a AS b) WHERE b = 1", "one name to two columns"),
        ("SELECT STRUCT(a) FROM example.b", "column 'a' is not in FROM"),
        ("SELECT STRUCT(a) FROM example.a, example.b", "FROM names 'b', which nothing uses"),
        ("SELECT STRUCT(a) GROUP BY a", "the end is expected"),
        ("SELECT STRUCT(a) WHERE " + "(" * 5000, "levels deep"),
        ("SELECT STRUCT(a) WHERE " + "NOT " * 2000 + "a = 1", "levels deep"),
        ("SELECT STRUCT(a)" + " " * 10_000, "at most 10000 are read"),
    ],
)
def test_other_sql_is_refused_and_says_what_is_understood(sql: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parts_from_sql(sql)
    assert text in str(caught.value)
    if "at most" not in text:
        assert "SELECT STRUCT(column [AS name], ...)" in str(caught.value) or "after AS" in str(caught.value)


WORDS = st.sampled_from(
    ["SELECT", "STRUCT", "(", ")", "a", "b", ",", "FROM", "example", ".", "WHERE", "=", "<", "1", "'x'", "AND", "OR",
     "NOT", "IN", "IS", "NULL", "TRUE", "AS", "`c d`", ";", "-1.5e3", "00", "'"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=14), st.text(max_size=4))
def test_any_sql_is_a_spec_or_an_error_of_ours(words: list[str], odd: str) -> None:
    for sql in (" ".join(words), "SELECT STRUCT(a) WHERE " + " ".join(words) + odd):
        try:
            names = spec_columns([SlicingSpec(slice_keys_sql=sql)])
        except TruelineError:
            continue
        assert names or not sql
