"""TFMA's `slice_keys_sql`, in the forms that have a counterpart here, as key columns and a condition.

    SELECT STRUCT(column [AS name], ...) [FROM example.column, ...] [WHERE condition]
    condition = column op literal, column [NOT] IN (literal, ...), column IS [NOT] NULL, AND, OR, NOT, ( )
    op        = <> != < <= > >=

Columns may be written ``example.column`` or in backticks, keywords in any case. A condition ``column = literal`` that
must hold for the whole is a key column with one value, as TFMA's documentation describes it; what is left of the
condition stands in the slice's key as an expression, so that slices of different rows never share a name.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from trueline._core.errors import ConfigError
from trueline.model_analysis.slice_parts import KeyPart, SpecParts

__all__ = ["UNDERSTOOD", "parts_from_sql"]

UNDERSTOOD = (
    "SELECT STRUCT(column [AS name], ...) [FROM example.column, ...] [WHERE condition], with conditions of =, !=, <, "
    "<=, >, >=, IN (...), IS [NOT] NULL, AND, OR, NOT and literals"
)
_MAX_TEXT, _MAX_DEPTH = 10_000, 50
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])|(?P<word>[A-Za-z_]\w*)|`(?P<quoted>[^`]+)`"
    r"|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<sign><>|!=|<=|>=|[(),.=<>;]))",
    re.ASCII,
)
_OPERATORS = {"=": "==", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "`": "`"}
_RESERVED = {"select", "struct", "from", "where", "as", "and", "or", "not", "in", "is", "null", "true", "false"}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class _Condition:
    """A condition as an expression; `equal` where it is ``column = literal``, `parts` where it is an AND of several."""

    text: str
    columns: tuple[str, ...]
    equal: tuple[str, str] | None = None
    parts: tuple[_Condition, ...] = ()


@lru_cache(maxsize=256)
def parts_from_sql(text: str) -> SpecParts:
    """What the text means.

    Raises:
        ConfigError: it is outside the forms above, with the place.
    """
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _MAX_TEXT:
            raise ConfigError(f"slice_keys_sql has {len(text)} characters, at most {_MAX_TEXT} are read")
        self.tokens = self._tokens()
        self.next = 0

    def _tokens(self) -> list[_Token]:
        tokens, at = [], 0
        end = len(self.text.rstrip())
        while at < end:
            match = _TOKEN.match(self.text, at)
            if match is None or match.lastgroup is None:
                raise self.fail("this is not understood", at)
            kind = match.lastgroup
            tokens.append(_Token(kind, match.group(kind), match.start(kind)))
            at = match.end()
        return [*tokens, _Token("end", "", len(self.text))]

    def fail(self, why: str, at: int | None = None) -> ConfigError:
        place = self.tokens[self.next].at if at is None else at
        found = self.text[place : place + 30].split("\n")[0].strip() or "the end of the text"
        return ConfigError(
            f"{why}, at {found!r}" if found != "the end of the text" else f"{why}, at {found}",
            where=f"slice_keys_sql, character {place + 1}",
            hint=f"what is understood: {UNDERSTOOD}.",
        )

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def accept(self, *words: str) -> bool:
        """Steps over these keywords or signs if they come next."""
        for offset, word in enumerate(words):
            token = self.tokens[min(self.next + offset, len(self.tokens) - 1)]
            if token.kind not in ("word", "sign") or token.text.lower() != word:
                return False
        self.next += len(words)
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.fail(f"{word.upper()} is expected")

    def query(self) -> SpecParts:
        self.expect("select")
        self.expect("struct")
        self.expect("(")
        items = [self.item()]
        while self.accept(","):
            items.append(self.item())
        self.expect(")")
        source = self.source() if self.accept("from") else None
        condition = self.either(0) if self.accept("where") else None
        self.accept(";")
        if self.token.kind != "end":
            raise self.fail("the end is expected")
        self.check(items, source, condition)
        return _parts(items, condition)

    def item(self) -> tuple[str, str]:
        column = self.column()
        return column, self.name() if self.accept("as") else column

    def source(self) -> list[str]:
        """The columns of FROM; each must be one of ``example``."""
        columns = []
        while True:
            if not self.accept("example", "."):
                raise self.fail("FROM takes example.column")
            columns.append(self.name())
            if not self.accept(","):
                return columns

    def check(self, items: list[tuple[str, str]], source: list[str] | None, condition: _Condition | None) -> None:
        names = [name for _, name in items]
        problems = [f"STRUCT has {name!r} {n} times" for name, n in Counter(names).items() if n > 1]
        problems += [f"STRUCT takes column {c!r} {n} times" for c, n in Counter(c for c, _ in items).items() if n > 1]
        used = {column for column, _ in items} | set(condition.columns if condition else ())
        if source is not None:
            problems += [f"column {c!r} is not in FROM; write example.{c} there" for c in sorted(used - set(source))]
            problems += [f"FROM names {c!r}, which nothing uses" for c in sorted(set(source) - used)]
        if problems:
            raise ConfigError("slice_keys_sql cannot work", problems=problems, hint=f"understood: {UNDERSTOOD}.")

    def name(self) -> str:
        token = self.token
        if token.kind == "quoted" or (token.kind == "word" and token.text.lower() not in _RESERVED):
            self.next += 1
            return token.text
        raise self.fail("a name is expected")

    def column(self) -> str:
        self.accept("example", ".")
        return self.name()

    def either(self, depth: int) -> _Condition:
        return self.joined("or", depth)

    def joined(self, word: str, depth: int) -> _Condition:
        """Conditions with AND or OR between them."""
        if depth > _MAX_DEPTH:
            raise self.fail(f"conditions are more than {_MAX_DEPTH} levels deep")
        parts = [self.joined("and", depth) if word == "or" else self.negated(depth)]
        while self.accept(word):
            parts.append(self.joined("and", depth) if word == "or" else self.negated(depth))
        if len(parts) == 1:
            return parts[0]
        return _Condition(
            f" {word} ".join(f"({p.text})" if p.parts or " or " in p.text else p.text for p in parts),
            tuple(column for p in parts for column in p.columns),
            parts=tuple(parts) if word == "and" else (),
        )

    def negated(self, depth: int) -> _Condition:
        if self.accept("not"):
            inner = self.negated(depth + 1) if depth < _MAX_DEPTH else self.either(depth + 1)
            return _Condition(f"not ({inner.text})", inner.columns)
        if self.accept("("):
            inner = self.either(depth + 1)
            self.expect(")")
            return inner
        return self.comparison()

    def comparison(self) -> _Condition:
        if self.token.kind in ("number", "text") or self.token.text.lower() in ("true", "false"):
            value, literal = self.literal()
            operator = self.operator()
            column = self.column()
            operator = _TURNED.get(operator, operator)
        else:
            column = self.column()
            special = self.special(column)
            if special is not None:
                return special
            operator = self.operator()
            value, literal = self.literal()
        equal = (column, value) if operator == "==" else None
        return _Condition(f"{_reference(column)} {operator} {literal}", (column,), equal)

    def special(self, column: str) -> _Condition | None:
        """IS NULL and IN."""
        name = _reference(column)
        for words, text in ((("is", "null"), "is None"), (("is", "not", "null"), "is not None")):
            if self.accept(*words):
                return _Condition(f"{name} {text}", (column,))
        for words, text in ((("in", "("), "in"), (("not", "in", "("), "not in")):
            if self.accept(*words):
                options = [self.literal()[1]]
                while self.accept(","):
                    options.append(self.literal()[1])
                self.expect(")")
                return _Condition(f"{name} {text} [{', '.join(options)}]", (column,))
        return None

    def operator(self) -> str:
        operator = _OPERATORS.get(self.token.text) if self.token.kind == "sign" else None
        if operator is None:
            raise self.fail("a comparison is expected")
        self.next += 1
        return operator

    def literal(self) -> tuple[str, str]:
        """A literal's plain text, and the same as the expression language writes it."""
        token = self.token
        if token.kind == "number":
            self.next += 1
            text = token.text.removeprefix("+")
            return text, re.sub(r"^(-?)0+(?=\d)", r"\1", text)
        if token.kind == "text":
            value = self.unescaped(token)
            self.next += 1
            return value, repr(value)
        if token.kind == "word" and token.text.lower() in ("true", "false"):
            self.next += 1
            return token.text.lower(), token.text.lower().capitalize()
        raise self.fail("a number, a text in quotes, TRUE or FALSE is expected")

    def unescaped(self, token: _Token) -> str:
        def one(match: re.Match[str]) -> str:
            if match.group(1) not in _ESCAPES:
                raise self.fail(f"there is no escape {match.group()!r}", token.at)
            return _ESCAPES[match.group(1)]

        return re.sub(r"\\(.)", one, token.text[1:-1], flags=re.DOTALL)


def _parts(items: list[tuple[str, str]], condition: _Condition | None) -> SpecParts:
    """Key columns with one value out of the equalities that must hold; the rest is an expression."""
    names = dict(items)
    values: dict[str, str] = {}
    rest = []
    for part in _all_of(condition) if condition else []:
        if part.equal is not None and part.equal[0] not in values:
            values[part.equal[0]] = part.equal[1]
        else:
            rest.append(part.text)
    for column in values:
        names.setdefault(column, column)
    if len(set(names.values())) < len(names):
        raise ConfigError(
            "slice_keys_sql gives one name to two columns of the slice's key: " + ", ".join(sorted(names.values())),
            hint="choose another name after AS.",
        )
    keys = sorted((KeyPart(name, column, values.get(column)) for column, name in names.items()), key=lambda k: k.name)
    if len(rest) > 1:
        rest = [f"({text})" if " or " in text else text for text in rest]
    return SpecParts(tuple(keys), " and ".join(rest) or None)


def _all_of(condition: _Condition) -> list[_Condition]:
    """The conditions that must all hold, ANDs within ANDs flattened."""
    if not condition.parts:
        return [condition]
    return [one for part in condition.parts for one in _all_of(part)]


def _reference(column: str) -> str:
    """A column in the expression language."""
    plain = column.isascii() and column.isidentifier() and not keyword.iskeyword(column)
    return column if plain else f"col({column!r})"
