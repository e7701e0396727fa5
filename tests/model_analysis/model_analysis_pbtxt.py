"""A reader of protocol buffer text format without message types: nested dicts of lists; for golden cases alone."""

from __future__ import annotations

import re
from typing import Any

TOKEN = re.compile(
    r'\s*(?:([A-Za-z_][\w.]*)|(-?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|inf|nan))|"((?:[^"\\]|\\.)*)"|([{}:\[\],<>]))'
)


def parse_pbtxt(text: str) -> dict[str, list[Any]]:
    """``a { b: 1 } a { }`` -> ``{"a": [{"b": [1.0]}, {}]}``."""
    tokens = []
    end = 0
    for match in TOKEN.finditer(text):
        assert match.start() == end, text[end : end + 40]
        tokens.append(match.groups())
        end = match.end()
    assert not text[end:].strip(), text[end:]
    value, rest = message(tokens, 0)
    assert rest == len(tokens)
    return value


def message(tokens: list[tuple[str | None, ...]], at: int) -> tuple[dict[str, list[Any]], int]:
    out: dict[str, list[Any]] = {}
    while at < len(tokens) and tokens[at][3] != "}":
        name = tokens[at][0]
        assert name is not None
        at += 1
        if tokens[at][3] == ":":
            at += 1
        if tokens[at][3] == "{":
            value, at = message(tokens, at + 1)
            assert tokens[at][3] == "}"
            out.setdefault(name, []).append(value)
        else:
            word, number, string, _ = tokens[at]
            out.setdefault(name, []).append(scalar(word, number, string))
        at += 1
    return out, at


def scalar(word: str | None, number: str | None, string: str | None) -> Any:
    if number is not None:
        return float(number)
    if string is not None:
        return string.encode().decode("unicode_escape")
    return {"true": True, "false": False, "nan": float("nan"), "inf": float("inf")}.get(word or "", word)


def one(record: dict[str, list[Any]], name: str, default: Any = None) -> Any:
    """The single value of a field."""
    return record.get(name, [default])[0]
