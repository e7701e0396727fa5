"""Functions on times: parts of the calendar, differences, truncation, epochs, text to time, local time, cycles.

A timestamp is an int64 of microseconds since 1970-01-01T00:00 UTC; every function is exact for all of them, also before
1970. Parts are those of UTC: for another zone's, call `to_local` first. Missing times have missing parts.
"""

from __future__ import annotations

from trueline._core.errors import did_you_mean
from trueline.transform.column import Column
from trueline.transform.functions import as_float, concat, tracer_of
from trueline.transform.functions_maths import cyclical
from trueline.transform.functions_missing import coalesce
from trueline.transform.operations import RuleError
from trueline.transform.operations.time_formats import fixed_formats
from trueline.transform.operations.times import PARTS, UNITS

__all__ = [
    "cyclical_time",
    "date_difference",
    "day",
    "day_of_year",
    "epoch_seconds",
    "from_epoch",
    "hour",
    "is_weekend",
    "iso_year",
    "microsecond",
    "minute",
    "month",
    "parse_date",
    "parse_time",
    "quarter",
    "second",
    "time_difference",
    "time_part",
    "truncate_time",
    "week",
    "weekday",
    "year",
]

_MICROSECONDS = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
}

_CYCLES: dict[str, tuple[str, int, float]] = {
    "quarter": ("quarter", 1, 4.0),
    "month": ("month", 1, 12.0),
    "week": ("week", 1, 53.0),
    "day": ("day", 1, 31.0),
    "day_of_year": ("day_of_year", 1, 365.25),
    "weekday": ("weekday", 0, 7.0),
    "hour": ("hour", 0, 24.0),
    "minute": ("minute", 0, 60.0),
    "second": ("second", 0, 60.0),
}
"""By name: the part, its first value, and its period."""


def time_part(x: Column, part: str) -> Column:
    """A part of the time, int64.

    Args:
        x: timestamps; also vectors and lists of them.
        part: ``year``, ``quarter`` (1 to 4), ``month`` (1 to 12), ``day`` (1 to 31), ``hour``, ``minute``, ``second``,
            ``microsecond``, ``weekday`` (Monday 0 to Sunday 6, as Python counts), ``day_of_year`` (1 to 366), ``week``
            (ISO 8601, 1 to 53) with its ``iso_year``, or months, weeks (from Mondays) and days since that of
            1970-01-01: ``epoch_month``, ``epoch_week``, ``epoch_day``.

    Raises:
        TransformError: for another part, or a column that is no timestamp.
    """
    if part not in PARTS:
        raise x.tracer.error(f"there is no part {part!r} of a time", did_you_mean(part, PARTS))
    with x.tracer.scope("time_part"):
        return x.tracer.op("time_part", _time(x), part=part)


def _time(x: Column) -> Column:
    if x.dtype != "timestamp":
        hint = {
            "utf8": "make times of the texts: tlt.parse_time(x).",
            "int64": 'say what the numbers count: tlt.from_epoch(x, "second"), or tlt.cast(x, "timestamp") if they are '
            "microseconds.",
        }
        raise x.tracer.error(f"{x.tracer.describe(x)} is no timestamp", hint.get(x.dtype))
    return x


def year(x: Column) -> Column:
    """The year, int64; the calendar is the Gregorian one for all times, with a year 0."""
    with x.tracer.scope("year"):
        return time_part(x, "year")


def quarter(x: Column) -> Column:
    """The quarter of the year, 1 to 4."""
    with x.tracer.scope("quarter"):
        return time_part(x, "quarter")


def month(x: Column) -> Column:
    """The month, 1 to 12."""
    with x.tracer.scope("month"):
        return time_part(x, "month")


def day(x: Column) -> Column:
    """The day of the month, 1 to 31."""
    with x.tracer.scope("day"):
        return time_part(x, "day")


def hour(x: Column) -> Column:
    """The hour of the day, 0 to 23."""
    with x.tracer.scope("hour"):
        return time_part(x, "hour")


def minute(x: Column) -> Column:
    """The minute of the hour, 0 to 59."""
    with x.tracer.scope("minute"):
        return time_part(x, "minute")


def second(x: Column) -> Column:
    """The second of the minute, 0 to 59."""
    with x.tracer.scope("second"):
        return time_part(x, "second")


def microsecond(x: Column) -> Column:
    """The microsecond of the second, 0 to 999,999."""
    with x.tracer.scope("microsecond"):
        return time_part(x, "microsecond")


def weekday(x: Column) -> Column:
    """The day of the week, Monday 0 to Sunday 6."""
    with x.tracer.scope("weekday"):
        return time_part(x, "weekday")


def day_of_year(x: Column) -> Column:
    """The day of the year, 1 to 366."""
    with x.tracer.scope("day_of_year"):
        return time_part(x, "day_of_year")


def week(x: Column) -> Column:
    """The week of ISO 8601, 1 to 53: week 1 holds the year's first Thursday; its year is `iso_year`."""
    with x.tracer.scope("week"):
        return time_part(x, "week")


def iso_year(x: Column) -> Column:
    """The year that the ISO week belongs to; around New Year it may differ from `year`."""
    with x.tracer.scope("iso_year"):
        return time_part(x, "iso_year")


def is_weekend(x: Column) -> Column:
    """Whether it is a Saturday or a Sunday, bool."""
    with x.tracer.scope("is_weekend"):
        return time_part(x, "weekday") >= 5


def _unit(x: Column, unit: str) -> int:
    if unit not in _MICROSECONDS:
        raise x.tracer.error(f"there is no unit {unit!r} of a fixed length", did_you_mean(unit, _MICROSECONDS))
    return _MICROSECONDS[unit]


def epoch_seconds(x: Column, *, whole: bool = False) -> Column:
    """Seconds since 1970-01-01T00:00 UTC: float64 (exact to the microsecond for years 1684 to 2255), or int64 rounded
    down where `whole`."""
    with x.tracer.scope("epoch_seconds"):
        count = _time(x).cast("int64")
        return count // 1_000_000 if whole else as_float(count) / 1e6


def from_epoch(x: Column, unit: str = "second") -> Column:
    """The time that lies so many units after 1970-01-01T00:00 UTC; missing where it has no int64 of microseconds.

    Args:
        x: int64 or float64; of floats the microsecond is rounded, NaN and infinities are missing.
        unit: ``microsecond``, ``millisecond``, ``second``, ``minute``, ``hour``, ``day`` or ``week``.
    """
    with x.tracer.scope("from_epoch"):
        size = _unit(x, unit)
        if x.dtype == "float64":
            rounded = x.tracer.op("round", x * float(size))
            return rounded.cast("int64").cast("timestamp")
        if size == 1:
            return x.cast("timestamp")
        most = (2**63 - 1) // size
        fits = (x >= -most) & (x <= most)
        return x.tracer.op("missing_if", (x * size).cast("timestamp"), ~fits)


def truncate_time(x: Column, unit: str = "day") -> Column:
    """The time at which its unit began, a timestamp.

    Times in the first 367 days of the int64 range (about the year -290,307) count as the last of them.

    Args:
        x: timestamps.
        unit: ``second``, ``minute``, ``hour``, ``day``, ``week`` (Monday), ``month``, ``quarter`` or ``year``.
    """
    if unit not in UNITS:
        raise x.tracer.error(f"there is no unit {unit!r} of time", did_you_mean(unit, UNITS))
    with x.tracer.scope("truncate_time"):
        return x.tracer.op("truncate_time", _time(x), unit=unit)


def time_difference(a: Column, b: Column, unit: str = "second") -> Column:
    """How long after `b` time `a` lies, float64, negative if before it; differences above 292,000 years wrap.

    Args:
        a: timestamps.
        b: timestamps.
        unit: ``microsecond``, ``millisecond``, ``second``, ``minute``, ``hour``, ``day`` or ``week``.
    """
    with tracer_of(a, b).scope("time_difference"):
        size = _unit(a, unit)
        return as_float(_time(a).cast("int64") - _time(b).cast("int64")) / float(size)


def date_difference(a: Column, b: Column, unit: str = "day") -> Column:
    """How many calendar days (weeks, months, quarters, years) after `b`'s that of `a` is, int64: 1 from 23:59 to 0:01.

    Args:
        a: timestamps.
        b: timestamps.
        unit: ``day``, ``week`` (from Mondays), ``month``, ``quarter`` or ``year``.
    """
    units = ("day", "week", "month", "quarter", "year")
    if unit not in units:
        raise a.tracer.error(f"there is no calendar unit {unit!r}", did_you_mean(unit, units))
    with tracer_of(a, b).scope("date_difference"):
        return _count(a, unit) - _count(b, unit)


def _count(x: Column, unit: str) -> Column:
    if unit == "year":
        return time_part(x, "year")
    if unit == "quarter":
        return time_part(x, "epoch_month") // 3
    return time_part(x, f"epoch_{unit}")


def parse_time(x: Column, format: str = "iso") -> Column:
    """The times that texts are, as timestamps; missing where a text is none, also for days such as 31 February.

    Args:
        x: scalar text.
        format: ``iso``: ISO 8601's ``2024-01-31`` and ``2024-01-31T10:20:30.123456+02:00``, with ``T`` or a blank,
            seconds, fraction (1 to 9 digits, cut to microseconds, behind a point or a comma) and offset (``Z``,
            ``+hh:mm``, ``+hhmm``, ``+hh``) optional, years 0001 to 9999; a time without an offset is one in UTC.
            Otherwise a format of `strptime` whose fields all have their full number of digits: ``%Y`` (4), ``%y``
            (2; 69 to 99 are 1969 to 1999), ``%m``, ``%b`` (Jan, JAN or jan), ``%d``, ``%j`` (3), ``%H``, or ``%I``
            with ``%p`` (AM, PM, am, pm), ``%M``, ``%S``, ``%f`` (6), ``%%``; all other characters stand for
            themselves. So ``%d/%m/%Y`` does not read 1/2/2024; ``%-d/%-m/%Y`` does: ``%-m``, ``%-d``, ``%-H`` and
            ``%-I`` have one digit or two.

    Raises:
        TransformError: for a format with other fields, or without a year.
    """
    with x.tracer.scope("parse_time"):
        if not isinstance(format, str) or "%-" not in format:
            return x.tracer.op("parse_time", x, format=format)
        try:
            formats = fixed_formats(format)
        except RuleError as error:
            raise x.tracer.error(str(error)) from None
        return coalesce(*(x.tracer.op("parse_time", x, format=f) for f in formats))


def parse_date(x: Column, format: str = "%Y-%m-%d") -> Column:
    """`parse_time` of texts that are dates: the timestamp of midnight UTC."""
    with x.tracer.scope("parse_date"):
        return parse_time(x, format)


def cyclical_time(x: Column, part: str) -> Column:
    """A part of the time as a place on a circle: a float64 vector of sine and cosine, so that 23 h lies next to 0 h.

    The angle is 2 pi (part - first value) / period; see `cyclical` for its exactness.

    Args:
        x: timestamps.
        part: ``hour`` (period 24), ``time_of_day`` (24 hours, to the microsecond), ``minute``, ``second`` (60),
            ``weekday`` (7), ``day`` (31), ``day_of_year`` (365.25), ``week`` (53), ``month`` (12) or ``quarter`` (4).
    """
    with x.tracer.scope("cyclical_time"):
        if part == "time_of_day":
            passed, period = _time(x).cast("int64") % _MICROSECONDS["day"], float(_MICROSECONDS["day"])
        elif part in _CYCLES:
            name, first, period = _CYCLES[part]
            passed = time_part(x, name) - first
        else:
            raise x.tracer.error(f"there is no cycle {part!r}", did_you_mean(part, [*_CYCLES, "time_of_day"]))
        return concat(list(cyclical(as_float(passed), period)))
