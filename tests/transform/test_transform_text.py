"""Text against Python's own functions: white space, places, numbers, cases, tokens, n-grams; and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_transform import by_onnx, by_oracle, graph_of
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import RawFeature
from trueline.transform.operations.parsing import INTEGER
from trueline.transform.operations.unicode_case import DISPUTED, LATER, simple_case

WORDS = [
    "",
    " ",
    "a",
    "B",
    "é",
    "日本",
    "\0",
    "\n",
    "\t",
    "\u3000",
    "\x85",
    "\x1c",
    "_",
    "-",
    "12",
    "ß",
    "👍🏽",
    "e\u0301",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map("".join)


def computed(function: Callable[[Any], Any], values: list[Any], kind: pa.DataType | None = None) -> list[Any]:
    """The function of a column by ONNX Runtime, as Python values; the oracle says the same."""
    table = pa.table({"x": pa.array(values, kind or pa.string())})
    graph = graph_of(lambda x: {"y": function(x["x"])}, table)
    found, expected = (plain(f(graph, table)["y"]) for f in (by_onnx, by_oracle))
    np.testing.assert_equal(found, expected)
    return found


def plain(value: Any) -> list[Any]:
    rows = value.data.tolist()
    if value.lengths is not None:
        rows = [row[:n] for row, n in zip(rows, value.lengths.tolist(), strict=True)]
    there = [True] * len(rows) if value.present is None else value.present.tolist()
    return [row if t else None for row, t in zip(rows, there, strict=True)]


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_text_is_stripped_and_split_as_python_does(texts: list[str]) -> None:
    assert computed(tlt.strip, texts) == [t.strip() for t in texts]
    assert computed(lambda x: tlt.rstrip(x, "a日 "), texts) == [t.rstrip("a日 ") for t in texts]
    assert computed(lambda x: tlt.split(x, None), texts) == [t.split() for t in texts]
    assert computed(lambda x: tlt.split(x, "a"), texts) == [t.split("a") for t in texts]
    assert computed(tlt.length, texts) == [len(t) for t in texts]
    assert computed(lambda x: tlt.contains(x, "日"), texts) == ["日" in t for t in texts]
    assert computed(lambda x: tlt.starts_with(x, "\0"), texts) == [t.startswith("\0") for t in texts]
    assert computed(lambda x: tlt.ends_with(x, "-"), texts) == [t.endswith("-") for t in texts]
    assert computed(tlt.is_empty, texts) == [t == "" for t in texts]


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, max_size=4), st.integers(-6, 6), st.none() | st.integers(1, 5))
def test_parts_of_text_are_pythons_slices(texts: list[str], start: int, length: int | None) -> None:
    assert computed(lambda x: tlt.substring(x, start, length), texts) == [t[start:][:length] for t in texts]


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 511, 512, 513, 543, 544, 545, 1024, 5000])
def test_length_at_the_edges_of_its_pieces(size: int) -> None:
    """Beside shorter and longer texts, and with characters of one to four bytes."""
    texts = [c * size for c in "aé日👍"] + ["", "a" * (size + 1), "日" * 40]
    assert computed(tlt.length, texts) == [len(t) for t in texts]


def test_long_texts_lose_a_thousand_characters_and_no_more() -> None:
    long = "".join(chr(0x4E00 + i) for i in range(2500))
    for start, length in [(1000, 1000), (-1000, None), (999, 1), (1000, None)]:
        assert computed(lambda x, s=start, n=length: tlt.substring(x, s, n), [long]) == [long[start:][:length]]


@pytest.mark.parametrize("start", [1001, -1001])
def test_parts_beyond_the_limit_are_refused(start: int) -> None:
    with pytest.raises(TransformError, match="start must lie between -1000 and 1000"):
        tlt.trace(lambda x: {"y": tlt.substring(x["t"], start)}, [RawFeature("t", "utf8")])


def test_numbers_that_would_fail_a_batch_are_missing() -> None:
    """ONNX Runtime's conversion throws for what overflows or underflows: such a text is no number here."""
    hostile = [
        "9" * 400,
        "0." + "0" * 400 + "1",
        "1e999",
        "1e-400",
        "4.9e-324",
        "inf",
        "nan",
        "0x10",
        "1_0",
        "1e",
        "",
        ".",
    ]
    assert computed(tlt.parse_number, hostile) == [None] * len(hostile)
    edge = ["9" * 200 + "e99", "." + "0" * 199 + "1e-99", "-1.5e3", "+.5", "5.", "007"]
    assert computed(tlt.parse_number, edge) == [float(t) for t in edge]
    assert computed(lambda x: tlt.parse_number(x, 0.0), ["a", "1"]) == [0.0, 1.0]
    lists = [["1", "x"], [], None]
    assert computed(lambda x: tlt.parse_number(x, -1), lists, pa.list_(pa.string())) == [[1.0, -1.0], [], None]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.integers(-(2**64), 2**64).map(str)
        | st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**18, 10**19]).map(str)
        | st.from_regex(r"[+-]?0*[0-9]{0,20}", fullmatch=True).filter(lambda t: t.isascii()),
        max_size=8,
    )
)
def test_whole_numbers_are_exact_to_64_bits(texts: list[str]) -> None:
    def value(text: str) -> int | None:
        number = int(text) if re.fullmatch("[+-]?[0-9]+", text) else 2**70
        return number if -(2**63) <= number < 2**63 else None

    assert computed(tlt.parse_int, texts) == [value(t) for t in texts]
    assert [re.fullmatch(INTEGER, t) is not None for t in texts] == [value(t) is not None for t in texts]


def test_lists_of_numbers_need_a_default() -> None:
    with pytest.raises(TransformError, match="say which number a text that is none is"):
        tlt.trace(lambda x: {"y": tlt.parse_number(x["t"])}, [RawFeature("t", "utf8", "ragged")])


def test_case_of_every_character() -> None:
    """All code points that have a counterpart or that C libraries disagree on, and their neighbours."""
    cased = {c for c in range(1, 0x20000) if not 0xD800 <= c < 0xE000 and chr(c).lower() + chr(c).upper() != chr(c) * 2}
    codes = sorted((cased | DISPUTED | {c + 1 for c in cased}) - LATER - set(range(0xD800, 0xE000)))
    texts = [chr(c) for c in codes]
    for function, upper in ((tlt.lower, False), (tlt.upper, True)):
        found = computed(lambda x, f=function: f(x, unicode=True), texts)
        wrong = [(hex(c), f) for c, f in zip(codes, found, strict=True) if f != simple_case(chr(c), upper)]
        assert not wrong
    later = [chr(c) for c in sorted(LATER)]
    assert computed(lambda x: tlt.upper(x, unicode=True), later) == later
    assert computed(lambda x: tlt.lower(x, unicode=True), ["STRASSE ÀÉÎ İΣ Ⓐ", ""]) == ["strasse àéî iσ ⓐ", ""]
    assert computed(lambda x: tlt.upper(x, unicode=True), ["straße ⓐ ŉ ᾳ", "ß"]) == ["STRAßE Ⓐ ŉ ᾼ", "ß"]


def test_tokens() -> None:
    """Words of any script, marks with their letters; the longest match; all rows empty; missing stays missing."""
    texts = ["Hello, wörld! हिन्दी 日本", "", "?!", None]
    assert computed(tlt.tokenize, texts) == [["Hello", "wörld", "हिन्दी", "日本"], [], [], None]
    assert computed(lambda x: tlt.tokenize(x, r"\w+"), ["wörld"]) == [["w", "rld"]]
    assert computed(lambda x: tlt.tokenize(x, "."), ["a\nb"]) == [["a", "b"]]
    assert computed(lambda x: tlt.tokenize(x, "a|ab|b?c"), ["abcac"]) == [["ab", "c", "a", "c"]]
    assert computed(tlt.tokenize, ["", "..."]) == [[], []]
    assert computed(tlt.characters, ["e\u0301👍", ""]) == [["e", "\u0301", "👍"], []]
    assert computed(lambda x: tlt.regex_extract(x, "[0-9]+"), ["ab12c3", "x", None]) == ["12", None, None]


@pytest.mark.parametrize("pattern", ["x*", r"\b", "^", "a|", "(?:)", r"\B|a", "a{0}", r"$|\w"])
def test_patterns_that_match_nothing_at_all_are_no_tokens(pattern: str) -> None:
    with pytest.raises(TransformError, match="matches the empty text, which is no token"):
        tlt.trace(lambda x: {"y": tlt.tokenize(x["t"], pattern)}, [RawFeature("t", "utf8")])


@pytest.mark.parametrize(("pattern", "told"), [("(?=a)", "no RE2 pattern"), ("(", "no RE2 pattern"), (r"\C", "bytes")])
def test_patterns_of_other_languages_are_refused(pattern: str, told: str) -> None:
    with pytest.raises(TransformError, match=told):
        tlt.trace(lambda x: {"y": tlt.tokenize(x["t"], pattern)}, [RawFeature("t", "utf8")])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.none() | st.lists(st.sampled_from(WORDS), max_size=9), max_size=5), st.integers(1, 4), st.integers(0, 5)
)
def test_ngrams_in_upstreams_order(rows: list[list[str] | None], low: int, more: int) -> None:
    def expected(row: list[str]) -> list[str]:
        sizes = range(low, low + more + 1)
        return ["+".join(row[i : i + n]) for i in range(len(row)) for n in sizes if i + n <= len(row)]

    kind, bounds = pa.list_(pa.string()), (low, low + more)
    wanted = [None if row is None else expected(row) for row in rows]
    assert computed(lambda x: tlt.ngrams(x, bounds, "+"), rows, kind) == wanted
    once = [None if row is None else list(dict.fromkeys(row)) for row in wanted]
    assert computed(lambda x: tlt.bag_of_words(x, bounds, "+"), rows, kind) == once
    assert computed(tlt.word_count, rows, kind) == [None if row is None else len(row) for row in rows]
    assert computed(lambda x: tlt.reduce_join(x, "é"), rows, kind) == [None if r is None else "é".join(r) for r in rows]


@pytest.mark.parametrize("bounds", [(0, 2), (3, 2), (1, 65), (-1, 1)])
def test_ranges_of_ngrams_are_checked(bounds: tuple[int, int]) -> None:
    with pytest.raises(TransformError, match="invalid ngram_range"):
        tlt.trace(lambda x: {"y": tlt.ngrams(x["t"], bounds)}, [RawFeature("t", "utf8", "ragged")])


def test_tables_of_values() -> None:
    texts = ["a", "b", "", None]
    assert computed(lambda x: tlt.map_values(x, {"a": "z", "": "none"}), texts) == ["z", "b", "none", None]
    assert computed(lambda x: tlt.map_values(x, {"a": "z"}, "other"), texts) == ["z", "other", "other", None]
    assert computed(lambda x: tlt.map_values(x, {"a": 3, "": 4}), texts) == [3, None, 4, None]
    assert computed(lambda x: tlt.map_values(x, {"a": 3, "b": 0.5}, 0), texts) == [3.0, 0.5, 0.0, None]
    for mapping, told in [({}, "to "), ({"a": "x", "b": 1}, "int.*str"), ({1: "a"}, "from .'int'")]:
        with pytest.raises(TransformError, match=told):
            tlt.trace(lambda x, m=mapping: {"y": tlt.map_values(x["t"], m)}, [RawFeature("t", "utf8")])


def test_a_list_is_made_of_a_text_column_alone() -> None:
    for function in (tlt.tokenize, tlt.split, tlt.characters):
        with pytest.raises(TransformError, match="it takes a scalar column of text"):
            tlt.trace(lambda x, f=function: {"y": f(x["t"])}, [RawFeature("t", "utf8", "ragged")])
        with pytest.raises(TransformError, match="it takes utf8, not float64"):
            tlt.trace(lambda x, f=function: {"y": f(x["t"])}, [RawFeature("t", "float64")])


def test_lists_are_crossed_element_by_element() -> None:
    table = pa.table({"a": [["x", "y"], [], None], "b": [["1", "2"], ["3"], ["4"]], "c": ["!", "?", "."]})
    graph = graph_of(lambda x: {"y": tlt.cross(x["a"], x["c"], x["b"], separator="-")}, table)
    wanted = [["x-!-1", "x-!-2", "y-!-1", "y-!-2"], [], None]
    assert plain(by_onnx(graph, table)["y"]) == plain(by_oracle(graph, table)["y"]) == wanted


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: tlt.split(x, 5), "delimiter is 5: a text is needed"),
        (lambda x: tlt.strip(x, ""), "characters must name at least one character"),
        (lambda x: tlt.contains(x, None), "text is None: a text is needed"),
        (lambda x: tlt.parse_int(x, 2**63), "default is 9223372036854775808: a whole number of 64 bits"),
        (lambda x: tlt.parse_number(x, "1"), "default is '1': a number is needed"),
        (lambda x: tlt.map_values(x, {"a": 2**63}), "a value of the mapping is 9223372036854775808"),
        (lambda x: tlt.map_values(x, {"\ud800": "a"}), "a text without surrogates is needed"),
        (lambda x: tlt.ngrams(tlt.split(x), 3), "ngram_range is 3: a pair of whole numbers is needed"),
        (lambda x: tlt.substring(x, 0, 1.5), "length is 1.5: a whole number"),
        (lambda x: tlt.regex_replace(x, "a", 5), "rewrite is 5: a text is needed"),
    ],
)
def test_arguments_are_checked_at_the_users_line(function: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(TransformError, match=told) as caught:
        tlt.trace(lambda x: {"y": function(x["t"])}, [RawFeature("t", "utf8")])
    assert Path(__file__).name in str(caught.value)
