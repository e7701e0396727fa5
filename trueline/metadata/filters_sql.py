"""Expressions of filters as those of SQLAlchemy, types checked; every value is bound, none is written into the SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import sqlalchemy as sa

from trueline._core.errors import did_you_mean
from trueline.metadata.filters_fields import VALUE_COLUMNS, ValueType
from trueline.metadata.filters_functions import FUNCTIONS, compared, divided, like
from trueline.metadata.filters_scope import Scope, Typed, owner_of
from trueline.metadata.filters_tree import Call, Literal, Name, Node

__all__ = ["Compiler"]

Sql = sa.ColumnElement[Any]
_COMPARE = ("=", "!=", "<", "<=", ">", ">=")
_ARITHMETIC = ("+", "-", "*", "/")
_NUMBERS = (ValueType.INT, ValueType.DOUBLE)
_BOUND: dict[type, tuple[ValueType, sa.types.TypeEngine[Any]]] = {
    bool: (ValueType.BOOL, sa.Boolean()),
    int: (ValueType.INT, sa.BigInteger()),
    float: (ValueType.DOUBLE, sa.Double()),
    str: (ValueType.STRING, sa.Text()),
}


class Compiler:
    """Makes conditions of the parts of a filter that share a scope."""

    def __init__(self, scope: Scope, dialect: str) -> None:
        self.scope = scope
        self.top: Node | None = None
        self.either: Callable[..., Sql] = sa.func.coalesce
        self.filter = scope.filter
        self.dialect = dialect

    def part(self, node: Node) -> Sql:
        """A part that must hold for itself: there a missing value may as well count as false."""
        self.top = node
        return self.predicate(node)

    def predicate(self, node: Node) -> Sql:
        """A node as a condition."""
        value = self.value(node)
        if value.kind is ValueType.ANY:
            value = self.as_type(value, ValueType.BOOL)
        if value.kind is not ValueType.BOOL:
            raise self.filter.error(node.at, f"this gives {value.kind.value}, not true or false")
        return value.sql

    def value(self, node: Node) -> Typed:
        """A node as a typed expression."""
        if isinstance(node, Literal):
            if node.value is None:
                return Typed(sa.null(), ValueType.NULL)
            kind, bound = _BOUND[type(node.value)]
            return Typed(sa.literal(node.value, bound), kind)
        if isinstance(node, Name):
            return self.scope.typed(node)
        return self.call(node)

    def call(self, node: Call) -> Typed:
        op, args = node.op, node.args
        # Of a property's int and double one is null. OR lets each use its index, but knows no difference of false and
        # unknown, which matters as soon as something is made of the answer.
        self.either = sa.or_ if node is self.top and op != "not_in" else sa.func.coalesce
        if op in ("and", "or"):
            join = sa.and_ if op == "and" else sa.or_
            return _bool(join(*(self.predicate(arg) for arg in args)))
        if op == "not":
            return _bool(sa.not_(self.predicate(args[0])))
        if op in _COMPARE:
            return _bool(self.comparison(op, args[0], args[1]))
        if op in ("in", "not_in"):
            return _bool(self.membership(op, args[0], args[1:]))
        if op == "between":
            low = self.comparison(">=", args[0], args[1])
            return _bool(sa.and_(low, self.comparison("<=", args[0], args[2])))
        if op == "like":
            return _bool(self.like(args[0], args[1]))
        if op == "is_null":
            return _bool(self.is_null(self.value(args[0])))
        if op in ("is_true", "is_false"):
            found = self.predicate(args[0])
            return _bool(sa.func.coalesce(found if op == "is_true" else sa.not_(found), sa.literal(False, sa.Boolean)))
        if op in _ARITHMETIC or op == "neg":
            return self.arithmetic(node)
        return self.function(node)

    def comparison(self, op: str, left: Node, right: Node) -> Sql:
        if self.states_of(left):
            return self.enumerated(op, left, [right], right.at)
        if self.states_of(right):
            return self.enumerated(op, right, [left], right.at)
        return self.compare(op, self.value(left), self.value(right), right.at)

    def compare(self, op: str, left: Typed, right: Typed, at: int) -> Sql:
        """Compares two values; a property of unknown type is read as what it is compared with."""
        if left.kind is ValueType.ANY and right.kind is ValueType.ANY:
            raise self.filter.error(
                at, "of two properties at least one must say its type, as in properties['p'].int_value"
            )
        if right.kind is ValueType.ANY:
            flipped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(op, op)
            return self.compare(flipped, right, left, at)
        if ValueType.NULL in (left.kind, right.kind):
            word = "is None" if self.filter.python else "IS NULL"
            raise self.filter.error(at, f"nothing is equal to NULL; ask with {word}")
        if left.kind is ValueType.ANY:
            columns = [name for name, kind in VALUE_COLUMNS.items() if _fit(kind, right.kind)]
            assert left.row is not None
            tests = [self.compare_sql(op, left.row.c[column], right) for column in columns]
            return left.found(tests[0] if len(tests) == 1 else self.either(*tests))
        if not _fit(left.kind, right.kind):
            raise self.filter.error(at, f"{left.kind.value} cannot be compared with {right.kind.value}")
        return self.compare_sql(op, left.sql, right)

    def compare_sql(self, op: str, left: Sql, right: Typed) -> Sql:
        return compared(self.dialect, op, left, right.sql, right.kind is ValueType.STRING)

    def states_of(self, node: Node) -> type[IntEnum] | None:
        if isinstance(node, Name) and owner_of(self.filter, self.scope.kind, node) is not None:
            return self.scope.typed(node).states
        return None

    def enumerated(self, op: str, left: Node, others: Sequence[Node], at: int) -> Sql:
        """A state or event type compared with words. In the text `!=` lets a missing state through, as the client
        of ML Metadata does; in Python a missing state is UNKNOWN, as the records show it."""
        column = self.value(left)
        assert column.states is not None
        if op not in ("=", "!=", "in", "not_in"):
            raise self.filter.error(at, f"the words {', '.join(column.states.__members__)} have no order")
        words = [self.word(column.states, node) for node in others]
        sql = sa.func.coalesce(column.sql, 0) if self.filter.python else column.sql
        if op in ("=", "in"):
            return sql == words[0] if len(words) == 1 else sql.in_(words)
        differs = sql != words[0] if len(words) == 1 else sql.not_in(words)
        return differs if self.filter.python else sa.or_(differs, sql.is_(None))

    def word(self, states: type[IntEnum], node: Node) -> Sql:
        """A bare word of an enumeration, or another column of the same one."""
        if isinstance(node, Name) and self.states_of(node) is states:
            return self.scope.typed(node).sql
        written = node.parts[0] if isinstance(node, Name) and len(node.parts) == 1 else None
        if isinstance(node, Literal) and isinstance(node.value, str) and self.filter.python:
            written = node.value
        if written is None:
            raise self.filter.error(node.at, f"this is compared with a word: {', '.join(states.__members__)}")
        if written not in states.__members__:
            hint = did_you_mean(written, states.__members__)
            raise self.filter.error(node.at, f"there is no word {written!r} here", hint)
        return sa.literal(int(states[written]), sa.BigInteger())

    def membership(self, op: str, left: Node, options: Sequence[Node]) -> Sql:
        if self.states_of(left):
            return self.enumerated(op, left, options, left.at)
        value = self.value(left)
        given = [(option, self.value(option)) for option in options]
        tests = [self.compare("=", value, it, node.at) for node, it in given if it.kind is not ValueType.NULL]
        plain = value.kind not in (ValueType.ANY, ValueType.NULL) and self.dialect != "mysql"
        if plain and len(tests) > 1:
            tests = [value.sql.in_([it.sql for _, it in given if it.kind is not ValueType.NULL])]
        if len(given) > len([it for _, it in given if it.kind is not ValueType.NULL]):
            tests.append(sa.null())
        found = sa.or_(*tests)
        return sa.not_(found) if op == "not_in" else found

    def like(self, left: Node, right: Node) -> Sql:
        text, pattern = self.text(left), self.text(right)
        if isinstance(right, Literal) and isinstance(right.value, str):
            slashes = len(right.value) - len(right.value.rstrip("\\"))
            if slashes % 2:
                raise self.filter.error(right.at, "the pattern ends with a lone backslash")
        return like(self.dialect, text, pattern)

    def is_null(self, value: Typed) -> Sql:
        if value.kind is not ValueType.ANY:
            return value.sql.is_(None)
        assert value.row is not None
        filled = sa.or_(*(value.row.c[name].is_not(None) for name in (*VALUE_COLUMNS, "proto_value")))
        return sa.not_(sa.func.coalesce(value.found(filled), sa.literal(False, sa.Boolean)))

    def text(self, node: Node) -> Sql:
        return self.argument(node, ValueType.STRING).sql

    def argument(self, node: Node, wanted: ValueType) -> Typed:
        value = self.value(node)
        if value.kind is ValueType.ANY:
            value = self.as_type(value, wanted)
        if not _fit(value.kind, wanted):
            raise self.filter.error(node.at, f"this is {value.kind.value}, but {wanted.value} is needed")
        return value

    def as_type(self, value: Typed, wanted: ValueType) -> Typed:
        assert value.row is not None
        columns = [value.row.c[name] for name, kind in VALUE_COLUMNS.items() if _fit(kind, wanted)]
        return Typed(value.found(columns[0] if len(columns) == 1 else sa.func.coalesce(*columns)), wanted)

    def arithmetic(self, node: Call) -> Typed:
        args = [self.argument(arg, ValueType.DOUBLE) for arg in node.args]
        both = ValueType.INT if all(arg.kind is ValueType.INT for arg in args) else ValueType.DOUBLE
        if node.op == "neg":
            return Typed(-args[0].sql, both)
        left, right = args[0].sql, args[1].sql
        if node.op == "/":
            return Typed(divided(left, right), ValueType.DOUBLE)
        return Typed({"+": left + right, "-": left - right, "*": left * right}[node.op], both)

    def function(self, node: Call) -> Typed:
        if node.op not in FUNCTIONS:
            raise self.filter.error(node.at, f"there is no function {node.op}", did_you_mean(node.op, FUNCTIONS))
        function, count = FUNCTIONS[node.op], len(node.args)
        least = len(function.takes)
        if count < least or (count > least and not function.variadic):
            raise self.filter.error(node.at, f"{node.op} takes {least} argument(s), got {count}")
        takes = [*function.takes, *[function.takes[-1]] * (count - least)]
        args = [
            self.value(arg) if wanted is None else self.argument(arg, wanted)
            for arg, wanted in zip(node.args, takes, strict=True)
        ]
        kinds = {arg.kind for arg in args} - {ValueType.NULL}
        if None in takes and (ValueType.ANY in kinds or not (len(kinds) == 1 or kinds == set(_NUMBERS))):
            raise self.filter.error(node.at, f"the arguments of {node.op} are not of one type")
        gives = function.gives or (kinds.pop() if len(kinds) == 1 else ValueType.DOUBLE)
        return Typed(function.build(self.dialect, *(arg.sql for arg in args)), gives)


def _bool(sql: Sql) -> Typed:
    return Typed(sql, ValueType.BOOL)


def _fit(left: ValueType, right: ValueType) -> bool:
    return left is right or (left in _NUMBERS and right in _NUMBERS)
