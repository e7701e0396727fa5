"""ML Metadata's filter text, parsed by hand: the part of ZetaSQL that its client understands.

or    = and {OR and}        and = not {AND not}        not = NOT not | test
test  = sum [ (= | != | <> | < | <= | > | >=) sum | [NOT] IN (sum, ..) | [NOT] LIKE sum
            | [NOT] BETWEEN sum AND sum ] | sum IS [NOT] (NULL | TRUE | FALSE)
sum   = product {(+ | -) product}      product = sign {(* | /) sign}      sign = - sign | value
value = literal | path | function(or, ..) | (or)        path = name {. name}
"""

from __future__ import annotations

from trueline.metadata.filters_tokens import Token, tokens
from trueline.metadata.filters_tree import MAX_DEPTH, Call, Filter, Literal, Name, Node

__all__ = ["parse_text"]

_COMPARE = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}
_HINT = "a filter is a condition such as state = LIVE AND properties.span.int_value >= 3."


def parse_text(text: str) -> Filter:
    """Parses a filter query; an empty one lets every node through.

    Raises:
        MetadataError: INVALID_ARGUMENT, with the place in the text.
    """
    parser = _Parser(text)
    if parser.ended():
        return Filter(text, None)
    root = parser.any_of(0)
    if not parser.ended():
        raise parser.unexpected()
    return Filter(text, root)


class _Parser:
    def __init__(self, text: str) -> None:
        self.filter = Filter(text, None)
        self.tokens = tokens(text)
        self.next = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def ended(self) -> bool:
        return self.token.kind == "end"

    def unexpected(self) -> Exception:
        token = self.token
        found = "the text ends too early" if self.ended() else f"{token.value!r} is not expected"
        return self.filter.error(token.at, found, _HINT)

    def took(self, *values: str) -> Token | None:
        """The next word if it is one of these signs or keywords."""
        token = self.token
        if token.kind in ("sign", "keyword") and token.value in values:
            self.next += 1
            return token
        return None

    def take(self, value: str) -> Token:
        taken = self.took(value)
        if taken is None:
            raise self.unexpected()
        return taken

    def deeper(self, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise self.filter.error(self.token.at, f"more than {MAX_DEPTH} levels deep")
        return depth + 1

    def any_of(self, depth: int) -> Node:
        parts = [self.all_of(depth)]
        at = parts[0].at
        while self.took("OR"):
            parts.append(self.all_of(depth))
        return parts[0] if len(parts) == 1 else Call("or", tuple(parts), at)

    def all_of(self, depth: int) -> Node:
        parts = [self.inverse(depth)]
        at = parts[0].at
        while self.took("AND"):
            parts.append(self.inverse(depth))
        return parts[0] if len(parts) == 1 else Call("and", tuple(parts), at)

    def inverse(self, depth: int) -> Node:
        if token := self.took("NOT"):
            return Call("not", (self.inverse(self.deeper(depth)),), token.at)
        return self.test(depth)

    def test(self, depth: int) -> Node:
        left = self.sum(depth)
        if self.token.kind == "sign" and self.token.value in _COMPARE:
            token = self.token
            self.next += 1
            return Call(_COMPARE[str(token.value)], (left, self.sum(depth)), token.at)
        if token_is := self.took("IS"):
            return self.is_what(left, token_is.at)
        negated = self.took("NOT")
        if token_in := self.took("IN"):
            return Call("not_in" if negated else "in", (left, *self.listed(depth)), token_in.at)
        found: Node | None = None
        if like := self.took("LIKE"):
            found = Call("like", (left, self.sum(depth)), like.at)
        elif between := self.took("BETWEEN"):
            low = self.sum(depth)
            self.take("AND")
            found = Call("between", (left, low, self.sum(depth)), between.at)
        if found is None:
            if negated:
                raise self.unexpected()
            return left
        return Call("not", (found,), found.at) if negated else found

    def is_what(self, left: Node, at: int) -> Node:
        negated = self.took("NOT")
        word = self.took("NULL", "TRUE", "FALSE")
        if word is None:
            raise self.unexpected()
        found = Call(f"is_{str(word.value).lower()}", (left,), at)
        return Call("not", (found,), at) if negated else found

    def listed(self, depth: int) -> list[Node]:
        self.take("(")
        parts = [self.sum(self.deeper(depth))]
        while self.took(","):
            parts.append(self.sum(depth + 1))
        self.take(")")
        return parts

    def sum(self, depth: int) -> Node:
        left = self.product(depth)
        while token := self.took("+", "-"):
            depth = self.deeper(depth)  # each step nests the tree
            left = Call(str(token.value), (left, self.product(depth)), token.at)
        return left

    def product(self, depth: int) -> Node:
        left = self.signed(depth)
        while token := self.took("*", "/"):
            depth = self.deeper(depth)
            left = Call(str(token.value), (left, self.signed(depth)), token.at)
        return left

    def signed(self, depth: int) -> Node:
        if token := self.took("-"):
            inner = self.signed(self.deeper(depth))
            if isinstance(inner, Literal) and type(inner.value) in (int, float):
                return Literal(-inner.value, token.at)  # type: ignore[operator]
            return Call("neg", (inner,), token.at)
        return self.value(depth)

    def value(self, depth: int) -> Node:
        token = self.token
        if word := self.took(*_CONSTANTS):
            return Literal(_CONSTANTS[str(word.value)], word.at)
        if self.took("("):
            inner = self.any_of(self.deeper(depth))
            self.take(")")
            return inner
        if token.kind in ("number", "text"):
            self.next += 1
            return Literal(token.value, token.at)
        return self.path(depth)

    def path(self, depth: int) -> Node:
        first, parts = self.token, []
        while True:
            if self.token.kind != "name":
                raise self.unexpected()
            parts.append(str(self.token.value))
            self.next += 1
            if not self.took("."):
                break
        if len(parts) == 1 and self.took("("):
            self.next -= 1
            return Call(parts[0].upper(), tuple(self.arguments(depth)), first.at)
        return Name(tuple(parts), first.at)

    def arguments(self, depth: int) -> list[Node]:
        self.take("(")
        if self.took(")"):
            return []
        parts = [self.any_of(self.deeper(depth))]
        while self.took(","):
            parts.append(self.any_of(depth + 1))
        self.take(")")
        return parts
