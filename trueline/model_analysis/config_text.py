"""Protobuf's text format over the table of fields: a strict reader, each problem with line and column.

The grammar is that of https://protobuf.dev/reference/protobuf/textformat-spec/ without extensions and ``Any``.
"""

from __future__ import annotations

import re
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.config_fields import (
    ENUMS,
    MESSAGES,
    SCALARS,
    WRAPPERS,
    Field,
    Tree,
    default_of,
    fields_of,
)
from trueline.model_analysis.config_scalars import Token, plain_value, unescaped

__all__ = ["read_text"]

MAX_TEXT, MAX_PROBLEMS = 4_000_000, 50
_SPACE = re.compile(r"(?:[ \t\n\r\v\f]+|#[^\n]*)*+")
_TOKEN = re.compile(
    r"(?P<word>[A-Za-z_]\w*)|(?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?)(?![\w.]))"
    r"|(?P<string>\"(?:[^\"\\\n]|\\[^\n])*+\"|'(?:[^'\\\n]|\\[^\n])*+')|(?P<sign>[{}<>\[\]:;,./-])",
    re.ASCII,
)
_CLOSING = {"{": "}", "<": ">", "[": "]"}


class _SyntaxError(Exception):
    """The text cannot be read any further."""


def read_text(text: str, message: str) -> Tree:
    """The fields that are set, by name: messages as dicts, repeated fields as lists, maps as dicts, wrappers bare.

    Args:
        text: a message in text format.
        message: its type, a name in `MESSAGES`.

    Raises:
        ConfigError: with all problems, each with line and column.
    """
    if len(text) > MAX_TEXT:
        raise ConfigError(f"the text has {len(text)} characters, at most {MAX_TEXT} are read")
    reader = _Reader(text.removeprefix("\ufeff"))
    try:
        tree = reader.message(message, None)
    except _SyntaxError:
        tree = {}
    if reader.problems:
        raise ConfigError(f"this is no {message} in text format", problems=reader.listed())
    return tree


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[tuple[int, str]] = []
        self.at = 0
        self.token = Token("sign", "", 0)
        self.start = True

    @property
    def problems(self) -> bool:
        return bool(self.found)

    def listed(self) -> list[str]:
        """The problems in the order of the text, with their places."""
        out = []
        for at, why in sorted(self.found)[:MAX_PROBLEMS]:
            line = self.text.count("\n", 0, at) + 1
            out.append(f"line {line}, column {at - self.text.rfind(chr(10), 0, at)}: {why}")
        if len(self.found) > MAX_PROBLEMS:
            out.append(f"and {len(self.found) - MAX_PROBLEMS} more")
        return out

    def problem(self, why: str, at: int) -> None:
        self.found.append((at, why))

    def fail(self, why: str, at: int | None = None) -> _SyntaxError:
        self.problem(why, self.token.at if at is None else at)
        return _SyntaxError()

    def step(self) -> Token:
        """Gives the token in hand and reads the next."""
        before = self.token
        at = _space_end(self.text, self.at)
        if at >= len(self.text):
            self.token, self.at = Token("end", "", at), at
            return before
        match = _TOKEN.match(self.text, at)
        if match is None or match.lastgroup is None:
            raise self.fail(_unreadable(self.text, at), at)
        self.token, self.at = Token(match.lastgroup, match.group(), at), match.end()
        return before

    def accept(self, *signs: str) -> str | None:
        """Steps over one of these signs, if it comes next."""
        if self.token.kind == "sign" and self.token.text in signs:
            return self.step().text
        return None

    def shown(self) -> str:
        if self.token.kind == "end":
            return "the end of the text"
        return self.token.text if len(self.token.text) <= 40 else self.token.text[:37] + "..."

    def message(self, name: str, opened: Token | None) -> Tree:
        """The fields up to the closing bracket, or up to the end of the text."""
        if self.start:
            self.start = False
            self.step()
        tree: Tree = {}
        places: dict[str, str] = {}
        while True:
            if self.token.kind == "end":
                if opened is not None:
                    raise self.fail(f"{_CLOSING[opened.text]!r} is missing for this {opened.text!r}", opened.at)
                return tree
            if opened is not None and self.accept(_CLOSING[opened.text]):
                return tree
            self.field(name, tree, places)
            self.accept(";", ",")

    def field(self, message: str, tree: Tree, places: dict[str, str]) -> None:
        name = self.token
        if name.kind != "word":
            if name.text == "[":
                raise self.fail("extensions and Any have no place here")
            raise self.fail(f"the name of a field of {message} is expected, not {self.shown()!r}")
        self.step()
        fields = fields_of(message)
        field = fields.get(name.text)
        if field is None:
            known = did_you_mean(name.text, fields, limit=20)
            self.problem(f"{message} has no field {name.text!r}. {known}", name.at)
            self.skip()
            return
        colon = self.accept(":") is not None
        if field.oneof:
            other = places.setdefault(field.oneof, name.text)
            if other != name.text:
                self.problem(f"{name.text!r} and {other!r} of {message} exclude each other", name.at)
        if field.key is not None:
            self.map(name, field, colon, tree.setdefault(name.text, {}))
        elif field.many:
            tree.setdefault(name.text, []).extend(self.values(name, field, colon))
        else:
            if name.text in tree:
                self.problem(f"{name.text!r} of {message} is given twice", name.at)
            tree[name.text] = self.value(name, field.kind, colon)

    def values(self, name: Token, field: Field, colon: bool) -> list[Any]:
        """One value, or the values of a list in brackets."""
        opened = self.token
        if not self.accept("["):
            return [self.value(name, field.kind, colon)]
        if not colon and field.kind not in MESSAGES:
            self.problem(f"':' is missing after {name.text!r}", name.at)
        found: list[Any] = []
        if self.accept("]"):
            return found
        while True:
            found.append(self.value(name, field.kind, True))
            if self.accept("]"):
                return found
            if not self.accept(","):
                raise self.fail(f"',' or ']' is expected in the list of {name.text!r} of {self.line(opened.at)}")

    def line(self, at: int) -> str:
        return f"line {self.text.count(chr(10), 0, at) + 1}"

    def map(self, name: Token, field: Field, colon: bool, into: dict[Any, Any]) -> None:
        """Entries ``{ key: ... value: ... }`` of a map."""
        entry_type = f"{name.text} entry|{field.key}|{field.kind}"
        for entry in self.values(name, Field(entry_type, many=True), colon):
            if not isinstance(entry, dict):
                continue
            key = entry.get("key", "" if field.key == "string" else 0)
            if key in into:
                self.problem(f"{name.text!r} has the key {key!r} twice", name.at)
            into[key] = entry.get("value", default_of(field.kind))

    def value(self, name: Token, kind: str, colon: bool) -> Any:
        """A scalar or a message; None where it is not what the field takes."""
        if kind in SCALARS or kind in ENUMS:
            if not colon:
                self.problem(f"':' is missing after {name.text!r}", name.at)
            return self.scalar(name, kind)
        opened = self.token
        if not self.accept("{", "<"):
            self.problem(f"{name.text!r} takes a message in {{}}, not {self.shown()!r}", opened.at)
            self.skip_value()
            return {}
        tree = self.message(kind, opened)
        return tree.get("value", default_of(WRAPPERS[kind])) if kind in WRAPPERS else tree

    def scalar(self, name: Token, kind: str) -> Any:
        at = self.token.at
        if self.token.kind == "sign" and self.token.text in _CLOSING:
            self.problem(f"{name.text!r} takes one {SCALARS.get(kind, 'name')}, not {self.token.text!r}", at)
            self.skip_value()
            return None
        minus = self.accept("-") is not None
        token = self.token
        if token.kind == "string" and not minus:
            text = self.string()
            if kind == "string":
                return text
            shown = repr(text)
        elif token.kind in ("word", "number"):
            self.step()
            value = plain_value(kind, token, minus) if kind != "string" else None
            if value is not None:
                return value
            shown = ("-" if minus else "") + token.text
        else:
            raise self.fail(f"{name.text!r} needs a value, not {self.shown()!r}")
        choices = f" ({', '.join(ENUMS[kind])})" if kind in ENUMS else ""
        self.problem(f"{name.text!r} takes {SCALARS.get(kind, 'one of the names')}{choices}, not {shown}", at)
        return None

    def string(self) -> str:
        """Texts that follow each other are one."""
        at, raw = self.token.at, b""
        while self.token.kind == "string":
            token = self.step()
            try:
                raw += unescaped(token.text[1:-1])
            except ValueError as error:
                self.problem(str(error), token.at)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            self.problem(f"the text is no UTF-8: {error.reason}", at)
            return ""

    def skip(self) -> None:
        """Steps over the value of an unknown field."""
        self.accept(":")
        self.skip_value()

    def skip_value(self) -> None:
        """Steps over a value of any kind, without looking into it."""
        self.accept("-")
        if self.token.kind == "string":
            while self.token.kind == "string":
                self.step()
            return
        stack: list[Token] = []
        while True:
            token = self.token
            if token.kind == "end":
                raise self.fail(f"{_CLOSING[stack[-1].text]!r} is missing" if stack else "a value is missing",
                                stack[-1].at if stack else None)  # fmt: skip
            if token.kind == "sign" and token.text in _CLOSING:
                stack.append(token)
            elif stack and token.kind == "sign" and token.text == _CLOSING[stack[-1].text]:
                stack.pop()
            elif token.kind == "sign" and (not stack or token.text in _CLOSING.values()):
                raise self.fail(f"a value is expected, not {token.text!r}")
            self.step()
            if not stack:
                return


def _space_end(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _unreadable(text: str, at: int) -> str:
    if text[at] in "\"'":
        return "the text that starts here has no end on its line"
    if text[at].isdigit():
        return "this is no number"
    return f"{text[at]!r} has no place here"
