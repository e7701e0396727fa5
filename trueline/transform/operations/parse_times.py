"""`parse_time`: times out of text. The characters of every text become numbers, and fields are sums of their columns.

ONNX has no way to cut texts, and a cast of what is no number ends the whole batch: texts that do not match the format's
pattern are emptied first, and the Tokenizer then gives one character per column, always as many as the format is wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline.transform.emitter import ML_DOMAIN, MS_DOMAIN
from trueline.transform.graph import ValueType
from trueline.transform.operations.base import (
    Array,
    Attrs,
    Operation,
    Presence,
    Value,
    Wire,
    both_present,
    expect,
    scalars_only,
)
from trueline.transform.operations.calendar import DAY, HOUR, MINUTE, SECOND, days_from_civil, is_leap
from trueline.transform.operations.integers import Ints
from trueline.transform.operations.time_formats import (
    ISO,
    ISO_PATTERN,
    MONTHS,
    Format,
    microseconds,
    parsed_format,
)

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["MONTH_NUMBERS", "OPERATIONS", "checked_day"]

_ISO_WIDTH = 36
_DOT, _PLUS, _MINUS, _COLON, _NOTHING = -1, -2, -3, -4, -5
_CODES = {**{str(d): d for d in range(10)}, ".": _DOT, ",": _DOT, "+": _PLUS, "-": _MINUS, ":": _COLON}
_MONTH_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
MONTH_NUMBERS = {s: i + 1 for i, m in enumerate(MONTHS) for s in (m, m.upper(), m.lower())}
"""The month of each spelling."""


def _rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "utf8")
    scalars_only(types)
    if attrs["format"] != ISO:
        parsed_format(attrs["format"])
    return ValueType("timestamp")


def _read(values: Sequence[Value], attrs: Attrs) -> list[int | None]:
    return [microseconds(text, attrs["format"]) for text in values[0].data.ravel().tolist()]


def _numpy(values: Sequence[Value], attrs: Attrs) -> Array:
    found = [0 if v is None else v for v in _read(values, attrs)]
    return np.array(found, np.int64).reshape(values[0].data.shape)


def _np_present(values: Sequence[Value], attrs: Attrs) -> npt.NDArray[np.bool_] | None:
    there = np.array([v is not None for v in _read(values, attrs)], np.bool_).reshape(values[0].data.shape)
    return both_present([values[0].present, there])


@dataclass(frozen=True)
class _Parsed:
    """Microseconds, and a bool tensor that says which texts are times."""

    microseconds: Ints
    valid: str


@dataclass(frozen=True)
class _Characters:
    """One character per column: as texts ``[N, width]`` and as codes."""

    em: Emitter
    texts: str
    codes: Ints
    matched: str

    def number(self, start: int, count: int) -> Ints:
        """The number that digits at that place are."""
        return self.digits(start, count).weighted(tuple(10**k for k in reversed(range(count))))

    def digits(self, start: int, count: int) -> Ints:
        """Columns of digits; whatever is no digit is 0."""
        columns = self.codes.columns(start, count)
        return Ints(self.em, self.em.node("Max", columns.name, self.em.constant(0, "int64")))

    def code(self, at: int) -> Ints:
        """One column of codes, ``[N]``."""
        return self.codes.columns(at, 1).row_sum()

    def word(self, start: int, count: int) -> str:
        """Characters put together again."""
        columns = [
            self.em.node("Gather", self.texts, self.em.constant(start + i, "int64"), axis=1) for i in range(count)
        ]
        word = columns[0]
        for column in columns[1:]:
            word = self.em.node("StringConcat", word, column)
        return word


def _characters(em: Emitter, x: str, pattern: str, width: int) -> _Characters:
    matched = em.node("RegexFullMatch", x, pattern=pattern)
    kept = em.node("Where", matched, x, em.constant("", "utf8"))
    # the Tokenizer's output is as wide as the longest text: one of full width stands behind and is cut off again
    padded = em.node("Concat", kept, em.constant(["0" * width], "utf8"), axis=0)
    split = em.node("Tokenizer", padded, domain=MS_DOMAIN, mark=0, pad_value="", mincharnum=1, tokenexp=".")
    texts = em.node("Slice", split, em.ints(0), em.ints(-1), em.ints(0))
    keys, values = list(_CODES), list(_CODES.values())
    codes = em.node(
        "LabelEncoder", texts, domain=ML_DOMAIN, keys_strings=keys, values_int64s=values, default_int64=_NOTHING
    )
    return _Characters(em, texts, Ints(em, codes), matched)


def checked_day(em: Emitter | None, year: Ints, month: Ints, day: Ints) -> tuple[Ints, Ints]:
    """Days since 1970-01-01, and 1 where there is such a day."""
    # months of texts that did not match are 0 or arbitrary digits
    safe = (month.at_least(13) + month.less(0)).pick(0, month)
    most = safe.of_table(_MONTH_DAYS) + safe.equals(2) * is_leap(year)
    valid = day.less(most + 1) * year.at_least(1)
    return days_from_civil(em, year, month, day), valid


def _fixed(em: Emitter, x: str, layout: Format) -> _Parsed:
    characters = _characters(em, x, layout.pattern, layout.width)
    zero = characters.code(0) * 0

    def number(directive: str, default: int) -> Ints:
        start = layout.places.get(directive)
        return zero + default if start is None else characters.number(start, layout.widths[directive])

    year = number("%Y", 0)
    if "%y" in layout.places:
        short = number("%y", 0)
        year = short + 2000 - short.at_least(69) * 100
    month = number("%m", 1)
    if "%b" in layout.places:
        word = characters.word(layout.places["%b"], 3)
        keys, values = list(MONTH_NUMBERS), list(MONTH_NUMBERS.values())
        found = em.node("LabelEncoder", word, domain=ML_DOMAIN, keys_strings=keys, values_int64s=values)
        month = Ints(em, found)
    hour = number("%H", 0)
    if "%I" in layout.places:
        letter = characters.word(layout.places["%p"], 1)
        late = em.node(
            "LabelEncoder", letter, domain=ML_DOMAIN, keys_strings=["P", "p"], values_int64s=[12, 12], default_int64=0
        )
        hour = number("%I", 0) % 12 + Ints(em, late)
    days, valid = checked_day(em, year, month, number("%d", 1))
    if "%j" in layout.places:
        ordinal = number("%j", 1)
        days, valid = days + ordinal - 1, valid * ordinal.at_least(1) * ordinal.less(is_leap(year) + 366)
    clock = hour * HOUR + number("%M", 0) * MINUTE + number("%S", 0) * SECOND + number("%f", 0)
    return _Parsed(days * DAY + clock, em.node("And", characters.matched, valid.mask()))


def _iso_fraction(characters: _Characters, has_seconds: Ints) -> Ints:
    """Microseconds behind the point: the digits up to the first character that is none."""
    start, count = 20, 6
    codes = characters.codes.columns(start, count)
    em = characters.em
    ended = em.node("CumSum", codes.less(0).name, em.constant(1, "int64"))
    running = Ints(em, ended).equals(0)
    digits = characters.digits(start, count) * running
    weights = tuple(10 ** (count - 1 - k) for k in range(count))
    return digits.weighted(weights) * has_seconds * characters.code(start - 1).equals(_DOT)


def _iso_offset(characters: _Characters) -> Ints:
    """Minutes east of UTC: two digits of hours behind the sign, then, if there are any, two of minutes."""
    em, start, count = characters.em, 16, _ISO_WIDTH - 16
    codes = characters.codes.columns(start, count)
    places = Ints(em, em.ints(*range(1, count + 1)))
    minus = codes.equals(_MINUS)
    signs = codes.equals(_PLUS) + minus
    sign_at = (signs * places).row_sum()
    behind = places - Ints(em, em.column(sign_at.name))
    near = Ints(em, em.node("Max", behind.name, em.constant(0, "int64")))
    near = Ints(em, em.node("Min", near.name, em.constant(6, "int64")))
    colon = (codes.equals(_COLON) * behind.equals(3)).row_sum()
    digits = characters.digits(start, count)
    with_colon = (digits * near.of_table((0, 600, 60, 0, 10, 1, 0))).row_sum()
    without = (digits * near.of_table((0, 600, 60, 10, 1, 0, 0))).row_sum()
    minutes = colon.pick(with_colon, without) * sign_at.at_least(1)
    return minutes - minutes * minus.row_sum() * 2


def _iso(em: Emitter, x: str) -> _Parsed:
    characters = _characters(em, x, ISO_PATTERN, _ISO_WIDTH)
    days, valid = checked_day(em, characters.number(0, 4), characters.number(5, 2), characters.number(8, 2))
    has_seconds = characters.code(16).equals(_COLON)
    clock = characters.number(11, 2) * HOUR + characters.number(14, 2) * MINUTE
    clock = clock + characters.number(17, 2) * SECOND * has_seconds + _iso_fraction(characters, has_seconds)
    moment = days * DAY + clock - _iso_offset(characters) * MINUTE
    return _Parsed(moment, em.node("And", characters.matched, valid.mask()))


def _parsed(em: Emitter, x: str, time_format: str) -> _Parsed:
    return _iso(em, x) if time_format == ISO else _fixed(em, x, parsed_format(time_format))


def _onnx(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return _parsed(em, wires[0].data, attrs["format"]).microseconds.name


def _onnx_present(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str | None:
    return em.all_of([wires[0].present, _parsed(em, wires[0].data, attrs["format"]).valid])


PARSED = Presence(lambda types, attrs: True, _np_present, _onnx_present)
"""Missing where the text is no time of the format."""

OPERATIONS = (Operation("parse_time", _rule, _numpy, _onnx, PARSED),)
"""Rows of the table of operations."""
