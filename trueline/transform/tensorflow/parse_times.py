"""TensorFlow lowering of `trueline.transform.operations.parse_times`: times out of texts.

TensorFlow can cut texts: every field of a text that matches is a group of a regular expression, or a substring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from trueline.transform.operations.base import Attrs
from trueline.transform.operations.calendar import DAY, HOUR, MINUTE, SECOND, is_leap
from trueline.transform.operations.integers import Ints
from trueline.transform.operations.parse_times import MONTH_NUMBERS, checked_day
from trueline.transform.operations.time_formats import ISO, ISO_PATTERN, Format, parsed_format
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, all_present
from trueline.transform.tensorflow.integers import TfInts

__all__ = ["LOWERINGS", "PRESENCE"]

_ISO_FIELDS = (
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?(Z|[+-][0-9:]+)?)?"
)
"""Year, month, day, hour, minute, second, fraction and offset of texts that are known to be times."""


@dataclass(frozen=True)
class _Parsed:
    """Microseconds, and a bool tensor that says which texts are times."""

    microseconds: Ints
    valid: Any


def _number(digits: Any) -> Ints:
    """Texts of digits as numbers; an empty one is 0."""
    import tensorflow as tf

    return cast(Ints, TfInts(tf.strings.to_number(tf.strings.join(["0", digits]), tf.int64)))


def _start(digits: Any, width: int) -> Any:
    """The first digits, zeros behind them where there are fewer."""
    import tensorflow as tf

    return tf.strings.substr(tf.strings.join([digits, "0" * width]), 0, width)


def _data(ints: Ints) -> Any:
    return cast(TfInts, ints).data


def _moment(days: Ints, valid: Ints, clock: Ints, matched: Any) -> _Parsed:
    return _Parsed(days * DAY + clock, all_present([matched, valid.mask()]))


def _iso(x: Any) -> _Parsed:
    import tensorflow as tf

    matched = tf.strings.regex_full_match(x, ISO_PATTERN)
    kept = tf.where(matched, x, "0000-00-00")
    field = [tf.strings.regex_replace(kept, _ISO_FIELDS, rf"\{k}") for k in range(1, 9)]
    days, valid = checked_day(None, _number(field[0]), _number(field[1]), _number(field[2]))
    clock = _number(field[3]) * HOUR + _number(field[4]) * MINUTE + _number(field[5]) * SECOND
    clock = clock + _number(_start(field[6], 6))
    offset = _start(tf.strings.regex_replace(field[7], "[^0-9]", ""), 4)
    minutes = _number(tf.strings.substr(offset, 0, 2)) * 60 + _number(tf.strings.substr(offset, 2, 2))
    minus = tf.cast(tf.strings.regex_full_match(field[7], "-.*"), tf.int64)
    east = minutes - minutes * cast(Ints, TfInts(minus)) * 2
    return _moment(days, valid, clock - east * MINUTE, matched)


def _fixed(x: Any, layout: Format) -> _Parsed:
    import tensorflow as tf

    matched = tf.strings.regex_full_match(x, layout.pattern)
    kept = tf.where(matched, x, "0" * layout.width)
    zero = cast(Ints, TfInts(tf.zeros_like(x, tf.int64)))

    def text(directive: str, count: int) -> Any:
        return tf.strings.substr(kept, layout.places[directive], count, unit="UTF8_CHAR")

    def number(directive: str, default: int) -> Ints:
        if directive not in layout.places:
            return zero + default
        return _number(text(directive, layout.widths[directive]))

    year = number("%Y", 0)
    if "%y" in layout.places:
        short = number("%y", 0)
        year = short + 2000 - short.at_least(69) * 100
    month = number("%m", 1)
    if "%b" in layout.places:
        same = tf.equal(tf.expand_dims(text("%b", 3), -1), list(MONTH_NUMBERS))
        numbers = tf.constant(list(MONTH_NUMBERS.values()), tf.int64)
        month = cast(Ints, TfInts(tf.reduce_sum(tf.cast(same, tf.int64) * numbers, axis=-1)))
    hour = number("%H", 0)
    if "%I" in layout.places:
        late = tf.strings.regex_full_match(text("%p", 1), "[Pp]")
        hour = number("%I", 0) % 12 + cast(Ints, TfInts(tf.cast(late, tf.int64))) * 12
    days, valid = checked_day(None, year, month, number("%d", 1))
    if "%j" in layout.places:
        ordinal = number("%j", 1)
        days, valid = days + ordinal - 1, valid * ordinal.at_least(1) * ordinal.less(is_leap(year) + 366)
    clock = hour * HOUR + number("%M", 0) * MINUTE + number("%S", 0) * SECOND + number("%f", 0)
    return _moment(days, valid, clock, matched)


def _parsed(x: Any, time_format: str) -> _Parsed:
    return _iso(x) if time_format == ISO else _fixed(x, parsed_format(time_format))


def _parse(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return _data(_parsed(values[0].data, attrs["format"]).microseconds)


def _present(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return all_present([values[0].present, _parsed(values[0].data, attrs["format"]).valid])


LOWERINGS: dict[str, Lowering] = {"parse_time": _parse}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {"parse_time": _present}
"""Presence by operation, where it is not that of all inputs."""
