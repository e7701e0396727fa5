"""Cases of the operations on text and on lists of tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trueline.transform as tlt

Case = tuple[str, tuple[str, ...], Callable[..., Any]]


def spaced(x: Any) -> Any:
    """The text with white space of many kinds around it."""
    return tlt.join(" \u3000\n", x, "\x85 ")


CASES: list[Case] = [
    *[("strip", (t,), tlt.strip) for t in ("utf8", "list<utf8>", "vector<utf8>")],
    ("strip", ("utf8",), lambda a: tlt.strip(spaced(a))),
    ("strip", ("utf8",), lambda a: tlt.lstrip(spaced(a))),
    ("strip", ("utf8",), lambda a: tlt.rstrip(spaced(a))),
    ("strip", ("utf8",), lambda a: tlt.strip(tlt.join("-]^", a, "\\-"), r"^]-\a")),
    *[("text_length", (t,), tlt.text_length) for t in ("utf8", "list<utf8>", "vector<utf8>")],
    ("text_length", ("utf8",), lambda a: tlt.text_length(tlt.join(a, "日" * 1055))),
    ("substring", ("utf8",), lambda a: tlt.substring(a, 1)),
    ("substring", ("utf8",), lambda a: tlt.substring(a, 0, 2)),
    ("substring", ("utf8",), lambda a: tlt.substring(a, 2, 1)),
    ("substring", ("utf8",), lambda a: tlt.substring(a, -2)),
    ("substring", ("list<utf8>",), lambda a: tlt.substring(a, -3, 2)),
    ("matches", ("utf8",), lambda a: tlt.contains(a, "a")),
    ("matches", ("list<utf8>",), lambda a: tlt.starts_with(a, "é\0")),
    ("matches", ("utf8",), lambda a: tlt.ends_with(a, "")),
    ("split", ("utf8",), lambda a: tlt.split(a, None)),
    ("split", ("utf8",), lambda a: tlt.split(spaced(a), "")),
    ("split", ("utf8",), tlt.split),
    ("split", ("utf8",), lambda a: tlt.split(tlt.join(a, a, separator=","), ",")),
    ("split", ("utf8",), lambda a: tlt.split(tlt.join("a", a, "a"), "aa")),
    ("tokenize", ("utf8",), tlt.tokenize),
    ("tokenize", ("utf8",), lambda a: tlt.tokenize(tlt.join(a, " ab-abc", a), "a|ab|-a")),
    ("tokenize", ("utf8",), lambda a: tlt.tokenize(a, r"(?i)\b[a-z]+?|\d")),
    ("characters", ("utf8",), tlt.characters),
    ("ngrams", ("list<utf8>",), tlt.ngrams),
    ("ngrams", ("list<utf8>",), lambda a: tlt.ngrams(a, (1, 3))),
    ("ngrams", ("list<utf8>",), lambda a: tlt.ngrams(a, (2, 5), "")),
    ("ngrams", ("list<utf8>",), lambda a: tlt.ngrams(a, (3, 3), "-")),
    ("ngrams", ("utf8",), lambda a: tlt.char_ngrams(a, (2, 3))),
    ("parse_number", ("utf8",), lambda a: tlt.parse_number(a, -1.5)),
    ("parse_number", ("list<utf8>",), lambda a: tlt.parse_number(a, default=0.0)),
    ("parse_number", ("vector<utf8>",), lambda a: tlt.parse_number(tlt.substring(a, 0, 1), default=float("nan"))),
    ("parse_int", ("utf8",), tlt.parse_int),
    ("parse_int", ("utf8",), lambda a: tlt.parse_int(tlt.join("-00", a), default=7)),
    ("parse_int", ("list<utf8>",), lambda a: tlt.parse_int(a, default=-1)),
    ("map_values", ("utf8",), lambda a: tlt.map_values(a, {"a": "b", "": "empty", "日本": "é\0x"})),
    ("map_values", ("list<utf8>",), lambda a: tlt.map_values(a, {"a": "b", "12": ""}, "other")),
    ("map_values", ("utf8",), lambda a: tlt.map_values(a, {"a": 1, "": 2.5})),
    ("map_values", ("vector<utf8>",), lambda a: tlt.map_values(a, {"a": 1, "Ä": 2}, -1)),
    ("map_values", ("utf8",), lambda a: tlt.map_values(a, {"a": True, "A": False})),
    ("find", ("utf8",), lambda a: tlt.regex_extract(a, "[a-z]|[0-9.]+|日本?")),
    *[
        ("regex_replace", (t,), lambda a: tlt.regex_replace(a, "([a-z])|[0-9]", r"<\1>"))
        for t in ("utf8", "list<utf8>", "vector<utf8>")
    ],
    ("regex_replace", ("utf8",), lambda a: tlt.regex_replace(a, "x*", "\\\\", replace_all=False)),
    ("reduce_join", ("list<utf8>",), tlt.reduce_join),
    ("reduce_join", ("list<utf8>",), lambda a: tlt.reduce_join(tlt.ngrams(a, (1, 4), "+"), "é\0")),
    ("reduce_join", ("utf8",), lambda a: tlt.reduce_join(tlt.characters(a), "")),
    *[("lower_unicode", (t,), lambda a: tlt.lower(tlt.join(a, "ßⓐⒶ"), unicode=True)) for t in ("utf8", "list<utf8>")],
    *[("upper_unicode", (t,), lambda a: tlt.upper(tlt.join(a, "ßⓐⒶ"), unicode=True)) for t in ("utf8", "list<utf8>")],
    ("lower_unicode", ("vector<utf8>",), lambda a: tlt.lower(a, unicode=True)),
    ("upper_unicode", ("utf8",), lambda a: tlt.upper(a, unicode=True)),
    ("cross_lists", ("list<utf8>", "list<utf8>"), tlt.cross),
    ("cross_lists", ("list<utf8>", "utf8", "list<int64>"), lambda a, b, c: tlt.cross(a, b, c, separator="")),
    ("cross_lists", ("list<utf8>", "utf8"), lambda a, b: tlt.cross(a, tlt.split(b), hash_buckets=9)),
]
