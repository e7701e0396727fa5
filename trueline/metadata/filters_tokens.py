"""The words of ML Metadata's filter text: names, numbers, texts and signs, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal as OneOf

from trueline.metadata.filters_tree import MAX_TEXT, Filter

__all__ = ["KEYWORDS", "Token", "tokens"]

KEYWORDS = ("AND", "OR", "NOT", "IN", "LIKE", "BETWEEN", "IS", "NULL", "TRUE", "FALSE")

_SPACE = re.compile(r"(?:\s+|--[^\n]*|#[^\n]*|/\*(?s:.*?)\*/)+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_AFTER_DOT = re.compile(r"[A-Za-z0-9_]+")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?")
_TEXT = re.compile(
    r"([rR]?)(?:'''((?:\\.|[^\\])*?)'''|\"\"\"((?:\\.|[^\\])*?)\"\"\"|'((?:\\.|[^'\\\n])*)'|\"((?:\\.|[^\"\\\n])*)\")",
    re.DOTALL,
)
_QUOTED = re.compile(r"`((?:\\.|[^`\\\n])+)`")
_SIGN = re.compile(r"<=|>=|<>|!=|[=<>(),.+\-*/]")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"} | {c: c for c in "\\?'\"`"}

Kind = OneOf["keyword", "name", "number", "text", "sign", "end"]


@dataclass(frozen=True)
class Token:
    """One word: a keyword or sign as `value` in capitals, a name, or the value of a literal; `at` is its offset."""

    kind: Kind
    value: str | int | float
    at: int


def tokens(text: str) -> list[Token]:
    """The words of a filter text, the last of kind ``end``.

    Raises:
        MetadataError: a character, number or escape that has no meaning, with its place.
    """
    filter_ = Filter(text, None)
    if len(text) > MAX_TEXT:
        raise filter_.error(MAX_TEXT, f"a filter has at most {MAX_TEXT} characters, this one {len(text)}")
    found: list[Token] = []
    at = 0
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        if at >= len(text):
            return [*found, Token("end", "", at)]
        token, at = _next(filter_, text, at, bool(found) and found[-1].value == "." and found[-1].kind == "sign")
        found.append(token)


def _next(filter_: Filter, text: str, at: int, after_dot: bool) -> tuple[Token, int]:
    if after_dot and (match := _AFTER_DOT.match(text, at)):  # properties.1a.int_value: a property of any name
        return Token("name", match[0], at), match.end()
    if match := _TEXT.match(text, at):
        body = next(group for group in match.groups()[1:] if group is not None)
        return Token("text", body if match[1] else _unescaped(filter_, body, at), at), match.end()
    if match := _QUOTED.match(text, at):
        return Token("name", _unescaped(filter_, match[1], at), at), match.end()
    if match := _WORD.match(text, at):
        upper = match[0].upper()
        return (Token("keyword", upper, at) if upper in KEYWORDS else Token("name", match[0], at)), match.end()
    if (match := _NUMBER.match(text, at)) and not _WORD.match(text, match.end()):
        return Token("number", _number(filter_, match[0], at), at), match.end()
    if match := _SIGN.match(text, at):
        return Token("sign", match[0], at), match.end()
    problem = "the text is never closed" if text[at] in "'\"`" else f"{text[at]!r} has no meaning here"
    raise filter_.error(at, problem, "texts stand in quotes, odd names in backquotes.")


def _number(filter_: Filter, written: str, at: int) -> int | float:
    if not re.fullmatch(r"0[xX][0-9a-fA-F]+|\d+", written):
        return float(written)
    value = int(written, 16 if written[:2] in ("0x", "0X") else 10) if len(written) < 25 else 2**64
    if value >= 2**63:
        raise filter_.error(at, f"{written[:30]} does not fit 64 bits")
    return value


def _unescaped(filter_: Filter, body: str, at: int) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code in _SIMPLE:
            return _SIMPLE[code]
        digits = code[1:] if code[0] in "xuU" else code
        if len(digits) < 2 or (number := int(digits, 8 if code == digits else 16)) > 0x10FFFF:
            raise filter_.error(at, f"the escape \\{code} has no meaning", "a backslash itself is written \\\\.")
        return chr(number)

    return _ESCAPE.sub(one, body)
