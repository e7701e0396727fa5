"""Times: parts agree with Python's datetime, and far times repeat them with the calendar's cycle."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_transform import assert_same, by_onnx, by_oracle, graph_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline.transform.operations.times import PARTS, UNITS

EPOCH = dt.datetime(1970, 1, 1)
LOW, HIGH = -(2**63), 2**63 - 1
CYCLE = 146_097 * 86_400_000_000
"""400 years: after them weekdays and leap years come again."""
MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999))
TAME = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def micros(moment: dt.datetime) -> int:
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def times(values: list[int | None]) -> pa.Table:
    return pa.table({"t": pa.array(values, pa.timestamp("us"))})


def listed(value: Any) -> list[Any]:
    there = np.ones(len(value.data), bool) if value.present is None else value.present
    return [v if p else None for v, p in zip(value.data.tolist(), there.tolist(), strict=True)]


PYTHON: dict[str, Callable[[dt.datetime], int]] = {
    "year": lambda m: m.year,
    "quarter": lambda m: (m.month - 1) // 3 + 1,
    "month": lambda m: m.month,
    "day": lambda m: m.day,
    "hour": lambda m: m.hour,
    "minute": lambda m: m.minute,
    "second": lambda m: m.second,
    "microsecond": lambda m: m.microsecond,
    "weekday": lambda m: m.weekday(),
    "day_of_year": lambda m: m.timetuple().tm_yday,
    "week": lambda m: m.isocalendar().week,
    "iso_year": lambda m: m.isocalendar().year,
    "epoch_month": lambda m: (m.year - 1970) * 12 + m.month - 1,
    "epoch_week": lambda m: ((m.date() - dt.timedelta(days=m.weekday())) - dt.date(1969, 12, 29)).days // 7,
    "epoch_day": lambda m: (m.date() - EPOCH.date()).days,
}
ALL_PARTS = graph_of(lambda x: {p: tlt.time_part(x["t"], p) for p in PARTS}, times([]))
ALL_UNITS = graph_of(lambda x: {u: tlt.truncate_time(x["t"], u) for u in UNITS}, times([]))


def test_parts_are_all_compared_with_python() -> None:
    assert set(PYTHON) == set(PARTS)


@TAME
@given(st.lists(MOMENTS, min_size=1, max_size=20))
@example([dt.datetime(2024, 2, 29), dt.datetime(1900, 3, 1), dt.datetime(2000, 12, 31), dt.datetime(2021, 1, 3)])
@example([dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), EPOCH, dt.datetime(2016, 1, 3), dt.datetime(2018, 12, 31)])
def test_parts_are_those_of_python(moments: list[dt.datetime]) -> None:
    table = times([micros(m) for m in moments])
    found, expected = by_onnx(ALL_PARTS, table), by_oracle(ALL_PARTS, table)
    for part, python in PYTHON.items():
        assert found[part].data.tolist() == [python(m) for m in moments], part
        assert_same(found[part], expected[part])


def test_parts_repeat_every_400_years_over_the_whole_range() -> None:
    """Times out of Python's reach equal those 400 years apart that lie within it, but for the year."""
    rng = np.random.default_rng(0)
    far = np.concatenate([rng.integers(LOW, HIGH, 500), [LOW, LOW + 1, HIGH, HIGH - 1]])
    cycles = far // CYCLE - 2
    near = far - cycles * CYCLE
    wide, tame = by_onnx(ALL_PARTS, times(far.tolist())), by_onnx(ALL_PARTS, times(near.tolist()))
    for part in PARTS:
        moved = {"year": 400, "iso_year": 400, "epoch_month": 4800, "epoch_week": 20_871, "epoch_day": 146_097}
        np.testing.assert_array_equal(wide[part].data, tame[part].data + cycles * moved.get(part, 0), part)


def floored(moment: dt.datetime, unit: str) -> dt.datetime:
    day = dt.datetime(moment.year, moment.month, moment.day)
    starts = {
        "year": dt.datetime(moment.year, 1, 1),
        "quarter": dt.datetime(moment.year, (moment.month - 1) // 3 * 3 + 1, 1),
        "month": dt.datetime(moment.year, moment.month, 1),
        "day": day,
        "hour": day.replace(hour=moment.hour),
        "minute": day.replace(hour=moment.hour, minute=moment.minute),
        "second": moment.replace(microsecond=0),
    }
    return day - dt.timedelta(days=moment.weekday()) if unit == "week" else starts[unit]


@TAME
@given(st.lists(MOMENTS, min_size=1, max_size=20))
def test_truncated_times_begin_their_unit(moments: list[dt.datetime]) -> None:
    table = times([micros(m) for m in moments])
    found, expected = by_onnx(ALL_UNITS, table), by_oracle(ALL_UNITS, table)
    for unit in UNITS:
        assert found[unit].data.tolist() == [micros(floored(m, unit)) for m in moments], unit
        assert_same(found[unit], expected[unit])


def test_truncation_at_the_ends_of_the_range() -> None:
    table = times([LOW, LOW + 400 * 86_400_000_000, HIGH])
    found, expected = by_onnx(ALL_UNITS, table), by_oracle(ALL_UNITS, table)
    for unit in UNITS:
        assert_same(found[unit], expected[unit])
        assert found[unit].data[1] <= LOW + 400 * 86_400_000_000


def test_epochs_and_differences() -> None:
    a, b = dt.datetime(2024, 3, 1, 0, 1), dt.datetime(2023, 12, 31, 23, 59)
    table = pa.table({"a": pa.array([a, b, None], pa.timestamp("us")), "b": pa.array([b, a, a], pa.timestamp("us"))})

    def preprocessing(x: Any) -> dict[str, Any]:
        units = ("day", "week", "month", "quarter", "year")
        return {
            "hours": tlt.time_difference(x["a"], x["b"], "hour"),
            **{u: tlt.date_difference(x["a"], x["b"], u) for u in units},
            "seconds": tlt.epoch_seconds(x["b"]),
            "whole": tlt.epoch_seconds(x["a"], whole=True),
            "back": tlt.from_epoch(tlt.epoch_seconds(x["a"]), "second"),
        }

    found = by_onnx(graph_of(preprocessing, table), table)
    hours = (a - b).total_seconds() / 3600
    assert listed(found["hours"]) == [hours, -hours, None]
    assert {u: listed(found[u])[0] for u in ("day", "week", "month", "quarter", "year")} == {
        "day": 61, "week": 9, "month": 3, "quarter": 1, "year": 1,
    }  # fmt: skip
    assert listed(found["seconds"])[0] == micros(b) / 1e6
    assert listed(found["whole"]) == [micros(a) // 10**6, micros(b) // 10**6, None]
    assert listed(found["back"]) == [micros(a), micros(b), None]


def test_numbers_beyond_time_are_missing() -> None:
    table = pa.table(
        {
            "n": [0, -1, 106_751_991, 106_751_992, -106_751_992, LOW, None],
            "f": [0.5, -0.5, 1e300, np.nan, np.inf, -1e-7, None],
        }
    )
    graph = graph_of(lambda x: {"n": tlt.from_epoch(x["n"], "day"), "f": tlt.from_epoch(x["f"])}, table)
    found = by_onnx(graph, table)
    day = 86_400_000_000
    assert listed(found["n"]) == [0, -day, 106_751_991 * day, None, None, None, None]
    assert listed(found["f"]) == [500_000, -500_000, None, None, None, 0, None]


def test_mistakes_name_what_to_do() -> None:
    table = pa.table({"s": ["a"], "n": [1], "f": [1.0], "t": pa.array([0], pa.timestamp("us"))})
    for function, problem in [
        (lambda x: tlt.year(x["s"]), "tlt.parse_time"),
        (lambda x: tlt.year(x["n"]), "from_epoch"),
        (lambda x: tlt.hour(x["f"]), "is no timestamp"),
        (lambda x: tlt.time_part(x["t"], "weekdays"), "weekday"),
        (lambda x: tlt.truncate_time(x["t"], "decade"), "no unit 'decade'"),
        (lambda x: tlt.from_epoch(x["n"], "month"), "no unit 'month'"),
        (lambda x: tlt.date_difference(x["t"], x["t"], "hour"), "no calendar unit 'hour'"),
    ]:
        with pytest.raises(TransformError, match=problem):
            graph_of(lambda x, function=function: {"y": function(x)}, table)


def test_served_times_as_required_columns_stay_required() -> None:
    table = times([0])
    graph = graph_of(lambda x: {"d": tlt.truncate_time(x["t"], "day"), "w": tlt.weekday(x["t"])}, table, optional=False)
    assert not any(graph.nodes[i].type.optional for _, i in graph.outputs)


def test_hours_lie_on_a_circle() -> None:
    table = times([0, 6 * 3_600_000_000, -1, None])
    names = ("hour", "weekday", "time_of_day", "month")
    graph = graph_of(lambda x: {n: tlt.cyclical_time(x["t"], n) for n in names}, table)
    found = by_onnx(graph, table)
    np.testing.assert_allclose(
        found["hour"].data[:3], [[0, 1], [1, 0], [np.sin(-np.pi / 12), np.cos(np.pi / 12)]], atol=1e-12
    )
    np.testing.assert_allclose(found["time_of_day"].data[2], [0, 1], atol=1e-9)
    np.testing.assert_allclose(found["weekday"].data[0], [np.sin(6 * np.pi / 7), np.cos(6 * np.pi / 7)], atol=1e-12)
    np.testing.assert_allclose(found["month"].data[2], [-0.5, np.sqrt(3) / 2], atol=1e-12)  # December
    assert listed(found["hour"])[3] is None
    with pytest.raises(TransformError, match="no cycle 'houre'"):
        graph_of(lambda x: {"y": tlt.cyclical_time(x["t"], "houre")}, table)


def test_fields_of_one_digit_or_two() -> None:
    """``%-m`` and its like read what people type: 7/4/2013 and 07/04/2013, and nothing that is no day."""
    texts = ["7/4/2013", "07/04/2013", "12/31/2013", "7/29/2013 9:05", "2/30/2013", "13/1/2013", "0/1/2013", "7-4-2013"]
    table = pa.table({"x": texts})
    out, _ = tlt.analyze_and_transform(table, lambda x: {"d": tlt.parse_date(x["x"], "%-m/%-d/%Y")})
    found = [None if v is None else v.strftime("%Y-%m-%d") for v in out["d"].to_pylist()]
    assert found == ["2013-07-04", "2013-07-04", "2013-12-31", None, None, None, None, None]
    clock, _ = tlt.analyze_and_transform(table, lambda x: {"t": tlt.parse_time(x["x"], "%-m/%-d/%Y %-H:%M")})
    assert [v is not None for v in clock["t"].to_pylist()] == [i == 3 for i in range(len(texts))]
    assert clock["t"][3].as_py().hour == 9
    with pytest.raises(TransformError, match="fields of one digit or two: %-m, %-d, %-H, %-I"):
        tlt.analyze_and_transform(table, lambda x: {"d": tlt.parse_date(x["x"], "%-Y")})
