"""Time: calendar parts of a timestamp and truncation, exact for every int64 of microseconds since 1970, UTC.

The oracle computes with numpy's datetime64, the lowering with whole-number arithmetic: two roads that share nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trueline.transform.graph import ValueType
from trueline.transform.operations.base import (
    ALL,
    Array,
    Attrs,
    Operation,
    RuleError,
    Value,
    Wire,
    broadcast,
    expect,
    scalars_only,
)
from trueline.transform.operations.calendar import DAY, HOUR, MINUTE, SECOND, civil_from_days, days_from_civil
from trueline.transform.operations.integers import Ints

if TYPE_CHECKING:
    from trueline.transform.emitter import Emitter

__all__ = ["FIRST", "OPERATIONS", "PARTS", "PART_FORMULAS", "UNITS", "UNIT_FORMULAS"]

_LOWEST = -(2**63)
FIRST = _LOWEST + 367 * DAY
"""Truncated to its year, a time before this would not be an int64 any more: it counts as this time, which lies in the
year -290307."""


def _days(us: Ints) -> Ints:
    return us // DAY


def _weekday(days: Ints) -> Ints:
    return (days + 3) % 7  # 1970-01-01 was a Thursday


def _thursday(us: Ints) -> Ints:
    """The day that an ISO week is numbered by."""
    days = _days(us)
    return days - _weekday(days) + 3


PART_FORMULAS: dict[str, Callable[[Ints], Ints]] = {
    "year": lambda us: civil_from_days(_days(us)).year,
    "quarter": lambda us: (civil_from_days(_days(us)).month + 2).div(3),
    "month": lambda us: civil_from_days(_days(us)).month,
    "day": lambda us: civil_from_days(_days(us)).day,
    "hour": lambda us: (us % DAY).div(HOUR),
    "minute": lambda us: (us % HOUR).div(MINUTE),
    "second": lambda us: (us % MINUTE).div(SECOND),
    "microsecond": lambda us: us % SECOND,
    "weekday": lambda us: _weekday(_days(us)),
    "day_of_year": lambda us: civil_from_days(_days(us)).day_of_year,
    "week": lambda us: (civil_from_days(_thursday(us)).day_of_year + 6).div(7),
    "iso_year": lambda us: civil_from_days(_thursday(us)).year,
    "epoch_month": lambda us: civil_from_days(_days(us)).year * 12 + civil_from_days(_days(us)).month - 23_641,
    "epoch_week": lambda us: (_days(us) + 3) // 7,
    "epoch_day": _days,
}
"""Whole-number arithmetic of every part, for tensors of ONNX and of TensorFlow."""
PARTS = tuple(PART_FORMULAS)
"""Parts of a timestamp; those that begin with ``epoch_`` are counted from that of 1970-01-01."""


def _numpy(us: Array, unit: str) -> Array:
    """The times in a unit of datetime64; the lowest int64 is numpy's NaT and stands for the next microsecond."""
    return np.maximum(us, _LOWEST + 1).astype("M8[us]").astype(f"M8[{unit}]")


def _counted(us: Array, unit: str) -> Array:
    return _numpy(us, unit).astype(np.int64)


def _since(us: Array, fine: str, coarse: str) -> Array:
    """How many fine units have passed since the coarse one began."""
    return np.asarray(_counted(us, fine) - _numpy(us, coarse).astype(f"M8[{fine}]").astype(np.int64))


def _np_weekday(us: Array) -> Array:
    return np.asarray((_counted(us, "D") + 3) % 7)


def _np_thursday(us: Array) -> Array:
    return np.asarray(_counted(us, "D") - _np_weekday(us) + 3).astype("M8[D]")


def _np_week(us: Array) -> Array:
    thursday = _np_thursday(us)
    return np.asarray((thursday - thursday.astype("M8[Y]")).astype(np.int64) // 7 + 1)


_ORACLES: dict[str, Callable[[Array], Array]] = {
    "year": lambda us: _counted(us, "Y") + 1970,
    "quarter": lambda us: _since(us, "M", "Y") // 3 + 1,
    "month": lambda us: _since(us, "M", "Y") + 1,
    "day": lambda us: _since(us, "D", "M") + 1,
    "hour": lambda us: _since(us, "h", "D"),
    "minute": lambda us: _since(us, "m", "h"),
    "second": lambda us: _since(us, "s", "m"),
    "microsecond": lambda us: us - us // SECOND * SECOND,
    "weekday": _np_weekday,
    "day_of_year": lambda us: _since(us, "D", "Y") + 1,
    "week": _np_week,
    "iso_year": lambda us: _np_thursday(us).astype("M8[Y]").astype(np.int64) + 1970,
    "epoch_month": lambda us: _counted(us, "M"),
    "epoch_week": lambda us: (_counted(us, "D") + 3) // 7,
    "epoch_day": lambda us: _counted(us, "D"),
}


def _part_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "timestamp")
    if attrs["part"] not in PARTS:
        raise RuleError(f"there is no part {attrs['part']!r} of a time; parts: {', '.join(PARTS)}")
    return broadcast(types, "int64")


def _np_part(values: Sequence[Value], attrs: Attrs) -> Array:
    return np.asarray(_ORACLES[attrs["part"]](values[0].data), dtype=np.int64)


def _onnx_part(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    return PART_FORMULAS[attrs["part"]](Ints(em, wires[0].data)).name


def _month_start(us: Ints) -> Ints:
    return _days(us) - civil_from_days(_days(us)).day + 1


def _quarter_start(us: Ints) -> Ints:
    civil = civil_from_days(_days(us))
    return days_from_civil(us.em, civil.year, (civil.month - 1).div(3) * 3 + 1, 1)


UNIT_FORMULAS: dict[str, Callable[[Ints], Ints]] = {
    "year": lambda us: (_days(us) - civil_from_days(_days(us)).day_of_year + 1) * DAY,
    "quarter": lambda us: _quarter_start(us) * DAY,
    "month": lambda us: _month_start(us) * DAY,
    "week": lambda us: (_days(us) - _weekday(_days(us))) * DAY,
    "day": lambda us: us - us % DAY,
    "hour": lambda us: us - us % HOUR,
    "minute": lambda us: us - us % MINUTE,
    "second": lambda us: us - us % SECOND,
}
"""Whole-number arithmetic of every truncation, of times from `FIRST` on."""
UNITS = tuple(UNIT_FORMULAS)
"""Units that times can be truncated to; weeks begin on Monday."""
_NUMPY_UNITS = {"year": "Y", "month": "M", "day": "D", "hour": "h", "minute": "m", "second": "s"}


def _truncate_rule(types: Sequence[ValueType], attrs: Attrs) -> ValueType:
    expect(types, "timestamp")
    scalars_only(types)
    if attrs["unit"] not in UNITS:
        raise RuleError(f"there is no unit {attrs['unit']!r} of time; units: {', '.join(UNITS)}")
    return ValueType("timestamp")


def _np_truncate(values: Sequence[Value], attrs: Attrs) -> Array:
    us, unit = np.maximum(values[0].data, FIRST), attrs["unit"]
    if unit in _NUMPY_UNITS:
        found = _numpy(us, _NUMPY_UNITS[unit])
    elif unit == "week":
        found = (_counted(us, "D") - _np_weekday(us)).astype("M8[D]")
    else:
        months = _counted(us, "M")
        found = (months - months % 3).astype("M8[M]")
    return found.astype("M8[us]").astype(np.int64)


def _onnx_truncate(em: Emitter, wires: Sequence[Wire], attrs: Attrs) -> str:
    us = em.node("Max", wires[0].data, em.constant(FIRST, "int64"))
    return UNIT_FORMULAS[attrs["unit"]](Ints(em, us)).name


OPERATIONS = (
    Operation("time_part", _part_rule, _np_part, _onnx_part, ALL),
    Operation("truncate_time", _truncate_rule, _np_truncate, _onnx_truncate, ALL),
)
"""Rows of the table of operations."""
