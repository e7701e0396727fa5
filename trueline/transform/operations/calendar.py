"""The proleptic Gregorian calendar in whole-number arithmetic, for every int64 of microseconds.

The formulas count years from 1 March and group them in eras of 400 years of 146,097 days (Howard Hinnant,
"chrono-Compatible Low-Level Date Algorithms").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trueline.transform.operations.integers import Ints

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["DAY", "HOUR", "MINUTE", "SECOND", "Civil", "civil_from_days", "days_from_civil", "is_leap"]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
"""Microseconds."""
_ERA = 146_097
_TO_EPOCH = 719_468
"""Days from 1 March of year 0 to 1 January 1970."""


@dataclass(frozen=True)
class Civil:
    """Year, month (1 to 12), day of the month, and day of the year (from 1)."""

    year: Ints
    month: Ints
    day: Ints
    day_of_year: Ints


def is_leap(year: Ints) -> Ints:
    """1 for leap years, else 0."""
    return (year % 4).equals(0) - (year % 100).equals(0) + (year % 400).equals(0)


def civil_from_days(days: Ints) -> Civil:
    """The date of a number of days since 1970-01-01."""
    shifted = days + _TO_EPOCH
    era = shifted // _ERA
    day_of_era = shifted - era * _ERA
    year_of_era = (day_of_era - day_of_era.div(1460) + day_of_era.div(36_524) - day_of_era.div(_ERA - 1)).div(365)
    from_march = day_of_era - (year_of_era * 365 + year_of_era.div(4) - year_of_era.div(100))
    month_from_march = (from_march * 5 + 2).div(153)
    day = from_march - (month_from_march * 153 + 2).div(5) + 1
    month = (month_from_march + 2) % 12 + 1
    early = month.less(3)
    year = year_of_era + era * 400 + early
    day_of_year = early.pick(from_march - 305, from_march + is_leap(year) + 60)
    return Civil(year, month, day, day_of_year)


def days_from_civil(em: Emitter | None, year: Ints, month: Ints, day: Ints | int) -> Ints:
    """Days since 1970-01-01 of a date."""
    early = month.less(3)
    year = year - early
    era = year // 400
    year_of_era = year - era * 400
    from_march = ((month + 9) % 12 * 153 + 2).div(5) + day - 1
    day_of_era = year_of_era * 365 + year_of_era.div(4) - year_of_era.div(100) + from_march
    return era * _ERA + day_of_era - _TO_EPOCH
