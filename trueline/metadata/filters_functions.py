"""The functions and operators of filters as expressions of SQLAlchemy that mean the same on every database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from trueline.metadata.filters_fields import ValueType

__all__ = ["FUNCTIONS", "Function", "compared", "divided", "like"]

Sql = sa.ColumnElement[Any]
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_ORDER = ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class Function:
    """A function: the types it takes (the last repeated where `variadic`), its result, and how it is built.

    `takes` None stands for any one type, `gives` None for the type of the arguments.
    """

    takes: tuple[ValueType | None, ...]
    gives: ValueType | None
    build: Callable[..., Sql]
    variadic: bool = False
    python: str | None = None


def _length(dialect: str, text: Sql) -> Sql:
    """Characters, where MySQL's LENGTH counts bytes."""
    return sa.func.length(text) if dialect == "sqlite" else sa.func.char_length(text)


def _starts(dialect: str, text: Sql, start: Sql) -> Sql:
    return sa.func.substr(text, 1, _length(dialect, start)) == start


def _ends(dialect: str, text: Sql, end: Sql) -> Sql:
    whole, part = _length(dialect, text), _length(dialect, end)
    return sa.and_(whole >= part, sa.func.substr(text, whole - part + 1) == end)


def _contains(dialect: str, text: Sql, part: Sql) -> Sql:
    where = sa.func.strpos if dialect == "postgresql" else sa.func.instr
    return where(text, part) > 0


def _joined(dialect: str, first: Sql, *rest: Sql) -> Sql:
    for text in rest:
        first = sa.func.concat(first, text) if dialect == "mysql" else first.op("||")(text)
    return first


_TEXT, _BOOL = ValueType.STRING, ValueType.BOOL
FUNCTIONS: dict[str, Function] = {
    "LENGTH": Function((_TEXT,), ValueType.INT, _length, python="len"),
    "LOWER": Function((_TEXT,), _TEXT, lambda _, text: sa.func.lower(text), python="lower"),
    "UPPER": Function((_TEXT,), _TEXT, lambda _, text: sa.func.upper(text), python="upper"),
    "STARTS_WITH": Function((_TEXT, _TEXT), _BOOL, _starts, python="startswith"),
    "ENDS_WITH": Function((_TEXT, _TEXT), _BOOL, _ends, python="endswith"),
    "CONTAINS_SUBSTR": Function((_TEXT, _TEXT), _BOOL, _contains, python="contains"),
    "CONCAT": Function((_TEXT,), _TEXT, _joined, variadic=True),
    "ABS": Function((ValueType.DOUBLE,), None, lambda _, number: sa.func.abs(number), python="abs"),
    "COALESCE": Function((None,), None, lambda _, *values: sa.func.coalesce(*values), variadic=True),
    "IFNULL": Function((None, None), None, lambda _, *values: sa.func.coalesce(*values)),
}


def like(dialect: str, text: Sql, pattern: Sql) -> Sql:
    """LIKE as ML Metadata's client has it on SQLite and MySQL: A to Z match a to z; a backslash escapes."""
    if dialect == "postgresql":
        text, pattern = (sa.func.translate(side, _UPPER, _LOWER) for side in (text, pattern))
    elif dialect == "mysql":
        text, pattern = sa.func.lower(text), sa.func.lower(pattern)
    return text.like(pattern, escape="\\")


def compared(dialect: str, op: str, left: Sql, right: Sql, text: bool) -> Sql:
    """A comparison; texts are put in order by their code points, whatever the database's language is."""
    if text and op in _ORDER and dialect == "postgresql":
        left = sa.collate(left, "C")
    made: dict[str, Callable[[], Sql]] = {
        "=": lambda: left == right,
        "!=": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
    }
    return made[op]()


def divided(left: Sql, right: Sql) -> Sql:
    """A division of decimals; by zero it gives no value."""
    return (left * sa.literal(1.0, sa.Double)) / sa.func.nullif(right, 0)
