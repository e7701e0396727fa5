"""Protobuf's text format over a table of fields, without protobuf: a strict reader, each problem with line and column.

The grammar is that of https://protobuf.dev/reference/protobuf/textformat-spec/ without extensions and ``Any``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.proto_scalars import SCALARS, Token, plain_value, unescaped

__all__ = ["MAX_TEXT", "Field", "Message", "Types", "place_in", "read_text"]

MAX_TEXT, MAX_PROBLEMS = 4_000_000, 50
_SPACE = re.compile(r"(?:[ \t\n\r\v\f]+|#[^\n]*)*+")
_TOKEN = re.compile(
    r"(?P<word>[A-Za-z_]\w*)|(?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?)(?![\w.]))"
    r"|(?P<string>\"(?:[^\"\\\n]|\\[^\n])*+\"|'(?:[^'\\\n]|\\[^\n])*+')|(?P<sign>[{}<>\[\]:;,./-])",
    re.ASCII,
)
_CLOSING = {"{": "}", "<": ">", "[": "]"}


@dataclass(frozen=True)
class Field:
    """One field of a message.

    Attributes:
        kind: a scalar (a name in `SCALARS`), or the name of an enum, a wrapper or a message.
        many: it may be repeated; its value is a list.
        key: of a map, the kind of its keys; its value is a dict.
        oneof: of the fields with the same word here only one may be given.
    """

    kind: str
    many: bool = False
    key: str | None = None
    oneof: str = ""


@dataclass(frozen=True)
class Types:
    """What a reader knows of a family of messages.

    Attributes:
        messages: the fields by name, by message.
        enums: the numbers by name, by enum.
        wrappers: messages with one field ``value`` that are read as bare values: the value's kind by name.
    """

    messages: Mapping[str, Mapping[str, Field]]
    enums: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    wrappers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def fields_of(self, message: str) -> Mapping[str, Field]:
        """The fields of a message, a wrapper, or a map's entry."""
        if message in self.wrappers:
            return {"value": Field(self.wrappers[message])}
        if "|" in message:
            _, key, kind = message.split("|")
            return {"key": Field(key), "value": Field(kind)}
        return self.messages[message]

    def default_of(self, kind: str) -> Any:
        """What protobuf takes for a value that is not given."""
        if kind in SCALARS:
            return {"string": "", "bool": False}.get(kind, 0)
        return Message()


class Message(dict[str, Any]):
    """The fields of a message that are set.

    Attributes:
        places: by field the offsets in the text of its values, one after the other; of a field with one value one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, list[int]] = {}


def place_in(text: str, at: int) -> str:
    """An offset as people count."""
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"


class _SyntaxError(Exception):
    """The text cannot be read any further."""


def read_text(text: str, message: str, types: Types) -> Message:
    """The fields that are set, by name: messages as dicts, repeated fields as lists, maps as dicts, wrappers bare.

    Args:
        text: a message in text format.
        message: its type, a name in `Types.messages`.
        types: the messages.

    Raises:
        ConfigError: with all problems, each with line and column.
    """
    if len(text) > MAX_TEXT:
        raise ConfigError(f"the text has {len(text)} characters, at most {MAX_TEXT} are read")
    reader = _Reader(text.removeprefix("\ufeff"), types)
    try:
        tree = reader.message(message, None)
    except _SyntaxError:
        tree = Message()
    if reader.problems:
        raise ConfigError(f"this is no {message} in text format", problems=reader.listed())
    return tree


class _Reader:
    def __init__(self, text: str, types: Types) -> None:
        self.text = text
        self.types = types
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
            out.append(f"{place_in(self.text, at)}: {why}")
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

    def message(self, name: str, opened: Token | None) -> Message:
        """The fields up to the closing bracket, or up to the end of the text."""
        if self.start:
            self.start = False
            self.step()
        tree = Message()
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

    def field(self, message: str, tree: Message, places: dict[str, str]) -> None:
        name = self.token
        if name.kind != "word":
            if name.text == "[":
                raise self.fail("extensions and Any have no place here")
            raise self.fail(f"the name of a field of {message} is expected, not {self.shown()!r}")
        self.step()
        fields = self.types.fields_of(message)
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
        marks = tree.places.setdefault(name.text, [])
        if field.key is not None:
            self.map(name, field, colon, tree.setdefault(name.text, {}), marks)
        elif field.many:
            tree.setdefault(name.text, []).extend(self.values(name, field, colon, marks))
        else:
            if name.text in tree:
                self.problem(f"{name.text!r} of {message} is given twice", name.at)
            marks.append(self.token.at)
            tree[name.text] = self.value(name, field.kind, colon)

    def values(self, name: Token, field: Field, colon: bool, marks: list[int]) -> list[Any]:
        """One value, or the values of a list in brackets."""
        opened = self.token
        if not self.accept("["):
            marks.append(opened.at)
            return [self.value(name, field.kind, colon)]
        if not colon and field.kind not in self.types.messages:
            self.problem(f"':' is missing after {name.text!r}", name.at)
        found: list[Any] = []
        if self.accept("]"):
            return found
        while True:
            marks.append(self.token.at)
            found.append(self.value(name, field.kind, True))
            if self.accept("]"):
                return found
            if not self.accept(","):
                raise self.fail(f"',' or ']' is expected in the list of {name.text!r} of {self.line(opened.at)}")

    def line(self, at: int) -> str:
        return f"line {self.text.count(chr(10), 0, at) + 1}"

    def map(self, name: Token, field: Field, colon: bool, into: dict[Any, Any], marks: list[int]) -> None:
        """Entries ``{ key: ... value: ... }`` of a map."""
        entry_type = f"{name.text} entry|{field.key}|{field.kind}"
        for entry in self.values(name, Field(entry_type, many=True), colon, marks):
            if not isinstance(entry, dict):
                continue
            key = entry.get("key", "" if field.key == "string" else 0)
            if key in into:
                self.problem(f"{name.text!r} has the key {key!r} twice", name.at)
            into[key] = entry.get("value", self.types.default_of(field.kind))

    def value(self, name: Token, kind: str, colon: bool) -> Any:
        """A scalar or a message; None where it is not what the field takes."""
        if kind in SCALARS or kind in self.types.enums:
            if not colon:
                self.problem(f"':' is missing after {name.text!r}", name.at)
            return self.scalar(name, kind)
        opened = self.token
        if not self.accept("{", "<"):
            self.problem(f"{name.text!r} takes a message in {{}}, not {self.shown()!r}", opened.at)
            self.skip_value()
            return Message()
        tree = self.message(kind, opened)
        inner = self.types.wrappers.get(kind)
        return tree if inner is None else tree.get("value", self.types.default_of(inner))

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
            value = plain_value(kind, token, minus, self.types.enums) if kind != "string" else None
            if value is not None:
                return value
            shown = ("-" if minus else "") + token.text
        else:
            raise self.fail(f"{name.text!r} needs a value, not {self.shown()!r}")
        choices = f" ({', '.join(self.types.enums[kind])})" if kind in self.types.enums else ""
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
