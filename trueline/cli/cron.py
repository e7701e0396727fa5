"""Cron expressions: five fields (minute, hour, day of the month, month, day of the week) in local time.

A field is ``*``, a number, a range ``a-b``, a step ``*/n`` or ``a-b/n``, or a list of these; months and days of the
week also go by their first three letters, and Sunday is 0 or 7. Where both days are restricted, either is enough, as
in POSIX's ``crontab``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from trueline._core.errors import ConfigError, did_you_mean

__all__ = ["Cron", "parse_cron"]

_MONTHS = {
    name: i
    for i, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)
}
_DAYS = {name: i for i, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * sun",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_LONGEST = 366 * 8 + 1
"""Days from one 29th of February to the next, where a year in between is no leap year."""


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: Mapping[str, int]


_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of the month", 1, 31, {}),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS),
)


@dataclass(frozen=True)
class Cron:
    """The minutes at which something is due.

    Attributes:
        text: as it was written.
        minutes, hours, days, months, weekdays: what is allowed; Sunday is 0.
        either: whether a day is right where one of day and weekday is, not both.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def matches(self, moment: datetime) -> bool:
        """Whether a minute is one of them."""
        return moment.minute in self.minutes and moment.hour in self.hours and self._on(moment.date())

    def _on(self, day: date) -> bool:
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        right = by_day or by_weekday if self.either else by_day and by_weekday
        return right and day.month in self.months

    def next_time(self, moment: datetime) -> datetime | None:
        """The first of them after a moment, both on this machine's clock, without a zone; None where there is none."""
        start = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        for ahead in range(_LONGEST + 1):
            day = start.date() + timedelta(days=ahead)
            if not self._on(day):
                continue
            for hour in sorted(self.hours):
                if ahead == 0 and hour < start.hour:
                    continue
                earliest = start.minute if ahead == 0 and hour == start.hour else 0
                minute = min((m for m in self.minutes if m >= earliest), default=None)
                if minute is not None:
                    return datetime(day.year, day.month, day.day, hour, minute)
        return None

    def after(self, stamp: float) -> float:
        """The first of them after a time, both in seconds since 1970.

        When clocks are put back, what is due every hour is due in the repeated hour too, and anything else once; what
        is due in an hour that is left out comes when the clock has jumped.
        """
        if len(self.hours) == 24:
            minute = stamp - stamp % 60
            for ahead in range(1, 121):
                if self.matches(datetime.fromtimestamp(minute + 60 * ahead)):
                    return minute + 60 * ahead
        moment: datetime | None = datetime.fromtimestamp(stamp)
        while moment is not None:
            moment = self.next_time(moment)
            if moment is not None and moment.timestamp() > stamp:
                return moment.timestamp()
        raise ConfigError(f"{self.text!r} never comes")


def parse_cron(text: str) -> Cron:
    """The times that an expression stands for.

    Raises:
        ConfigError: all that is wrong with it, or a day that never comes, such as the 30th of February.
    """
    parts = _NICKNAMES.get(text.strip().lower(), text).split()
    if len(parts) != len(_FIELDS):
        raise ConfigError(
            f"{text!r} has {len(parts)} fields; a cron expression has {len(_FIELDS)}",
            hint="minute hour day month weekday, as in '30 3 * * mon-fri'; or @hourly, @daily, @weekly, @monthly.",
        )
    problems: list[str] = []
    read = [_read(part, of, problems) for part, of in zip(parts, _FIELDS, strict=True)]
    if problems:
        raise ConfigError(f"{text!r} is no cron expression", problems=problems)
    weekdays = frozenset(day % 7 for day in read[4])
    either = not parts[2].startswith("*") and not parts[4].startswith("*")
    cron = Cron(text, read[0], read[1], read[2], read[3], weekdays, either)
    if cron.next_time(datetime(2024, 1, 1)) is None:
        raise ConfigError(f"{text!r} never comes: no such month has such a day")
    return cron


def _read(part: str, of: _Field, problems: list[str]) -> frozenset[int]:
    found: set[int] = set()
    for item in part.split(","):
        try:
            found.update(_item(item, of))
        except ValueError as error:
            problems.append(f"{of.name} {item!r}: {error}")
    return frozenset(found)


def _item(item: str, of: _Field) -> range:
    span, slash, step = item.partition("/")
    if slash and (not step.isascii() or not step.isdecimal() or int(step) < 1):
        raise ValueError(f"{step!r} is no step: a number from 1 on is needed")
    if span == "*":
        low, high = of.low, of.high if of.high != 7 else 6
    else:
        first, dash, last = span.partition("-")
        low = _number(first, of)
        high = _number(last, of) if dash else of.high if slash else low
        if of.high == 7 and high == 0 < low:
            high = 7
    if low > high:
        raise ValueError(f"the range ends before it begins: write it as two, {first}-{of.high},{of.low}-{last}")
    return range(low, high + 1, int(step) if slash else 1)


def _number(text: str, of: _Field) -> int:
    if text.lower() in of.names:
        return of.names[text.lower()]
    if not text.isascii() or not text.isdecimal():
        named = f" or {', '.join(of.names)}. {did_you_mean(text, of.names)}" if of.names else ""
        raise ValueError(f"{text!r} is no number from {of.low} to {of.high}{named}")
    if not of.low <= int(text) <= of.high:
        raise ValueError(f"{text} is not between {of.low} and {of.high}")
    return int(text)
