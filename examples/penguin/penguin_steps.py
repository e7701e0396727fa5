"""A host step: plain Python on columns, where the graph's own operations do not reach.

It stands in an importable module of its own, because every process of the line (and a server, if its operator allows
the module by name) imports it by that name; code never travels inside a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

__all__ = ["days_into_season"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def days_into_season(laid: Sequence[datetime | date | int | str | None], *, month: int = 11) -> list[float | None]:
    """Days between the first of the breeding season's month and the day the first egg was seen.

    Args:
        laid: a day each, as a datetime, ISO text or microseconds since 1970 (UTC); None where nobody looked.
        month: the month in which the season starts; eggs seen in an earlier month belong to last year's season.
    """
    return [None if value is None else _days(_moment(value), month) for value in laid]


def _moment(value: datetime | date | int | str) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, int):
        return _EPOCH + timedelta(microseconds=value)
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _days(moment: datetime, month: int) -> float:
    year = moment.year if moment.month >= month else moment.year - 1
    return (moment - datetime(year, month, 1, tzinfo=UTC)) / timedelta(days=1)
