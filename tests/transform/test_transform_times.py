"""Times: parts agree with Python's datetime, far times with the calendar's cycle, texts of times with their meaning."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_transform import assert_same, by_onnx, by_oracle, graph_of, in_batches
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


def texts(values: list[str | None]) -> pa.Table:
    return pa.table({"s": pa.array(values, pa.string())})


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


ISO = {
    "2024-01-31": dt.datetime(2024, 1, 31),
    "2024-02-29": dt.datetime(2024, 2, 29),
    "2023-02-29": None,
    "1900-02-29": None,
    "2000-02-29": dt.datetime(2000, 2, 29),
    "2024-02-31": None,
    "2024-04-31": None,
    "2024-13-01": None,
    "2024-00-10": None,
    "2024-01-00": None,
    "0000-01-01": None,
    "0001-01-01": dt.datetime(1, 1, 1),
    "9999-12-31T23:59:59.999999": dt.datetime(9999, 12, 31, 23, 59, 59, 999_999),
    "1969-12-31 23:59:59.5": dt.datetime(1969, 12, 31, 23, 59, 59, 500_000),
    "2024-01-31T10:20": dt.datetime(2024, 1, 31, 10, 20),
    "2024-01-31T10:20Z": dt.datetime(2024, 1, 31, 10, 20),
    "2024-01-31T10:20+02": dt.datetime(2024, 1, 31, 8, 20),
    "2024-01-31T10:20-0230": dt.datetime(2024, 1, 31, 12, 50),
    "2024-01-31T10:20:30+02:45": dt.datetime(2024, 1, 31, 7, 35, 30),
    "2024-01-31T10:20:30.1-23:59": dt.datetime(2024, 2, 1, 10, 19, 30, 100_000),
    "2024-01-31T10:20:30.123456789Z": dt.datetime(2024, 1, 31, 10, 20, 30, 123_456),
    "2024-01-31T10:20:30,12+00:00": dt.datetime(2024, 1, 31, 10, 20, 30, 120_000),
    "2024-01-31T10:20:30.1234567890": None,
    "2024-01-31T24:00": None,
    "2024-01-31T10:60": None,
    "2024-01-31T10:20:60": None,
    "2024-01-31T10:20+24:00": None,
    "2024-01-31T10:20.5": None,
    "2024-01-31T10": None,
    "2024-01-31Z": None,
    "2024-01-31 ": None,
    " 2024-01-31": None,
    "2024-1-31": None,
    "20240131": None,
    "2024-01-31\n": None,
    "٢٠٢٤-٠١-٣١": None,
    "-2024-01-31": None,
    "": None,
    "abc": None,
    "x" * 5000: None,
}


def test_texts_of_iso_8601() -> None:
    table = texts([*ISO, None])
    graph = graph_of(lambda x: {"t": tlt.parse_time(x["s"])}, table)
    expected = [None if m is None else micros(m) for m in ISO.values()] + [None]
    for text, have, want in zip([*ISO, None], listed(by_onnx(graph, table)["t"]), expected, strict=True):
        assert have == want, text
    assert listed(by_oracle(graph, table)["t"]) == expected
    assert listed(in_batches(graph, table, 1)["t"]) == expected


OFFSETS = st.sampled_from(["", "Z", "+02:30", "-0001", "+14", "-23:59", "+00:00"])


@st.composite
def iso_texts(draw: st.DrawFn) -> str:
    moment = draw(MOMENTS)
    text = draw(st.sampled_from([moment.isoformat("T"), moment.isoformat(" "), moment.isoformat("T", "minutes")]))
    text += draw(OFFSETS)
    if draw(st.booleans()):
        return text
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.sampled_from(["", "0", "9", "-", ":", ".", "+", "Z", " ", "日"])) + text[at + 1 :]


@TAME
@given(st.lists(st.none() | iso_texts(), min_size=1, max_size=20))
def test_texts_near_iso_8601_are_read_alike(values: list[str | None]) -> None:
    """ONNX Runtime, the oracle and, for what it takes as well, `datetime.fromisoformat`."""
    table = texts(values)
    graph = graph_of(lambda x: {"t": tlt.parse_time(x["s"])}, table)
    found = by_onnx(graph, table, dictionary=False)["t"]
    assert_same(found, by_oracle(graph, table)["t"])
    for text, have in zip(values, listed(found), strict=True):
        if have is not None and text is not None:
            moment = dt.datetime.fromisoformat(text)
            offset = moment.utcoffset() or dt.timedelta()
            assert have == micros(moment.replace(tzinfo=None)) - offset // dt.timedelta(microseconds=1), text


FORMATS = [
    ("%Y-%m-%d", "2024-02-29", dt.datetime(2024, 2, 29)),
    ("%d/%m/%Y", "31/01/2024", dt.datetime(2024, 1, 31)),
    ("%d/%m/%Y", "1/1/2024", None),
    ("%d/%m/%Y", "30/02/2024", None),
    ("%m/%d/%Y %H:%M", "01/31/2024 23:05", dt.datetime(2024, 1, 31, 23, 5)),
    ("%m/%d/%Y %I:%M:%S %p", "01/31/2016 12:15:09 AM", dt.datetime(2016, 1, 31, 0, 15, 9)),
    ("%m/%d/%Y %I:%M:%S %p", "01/31/2016 12:15:09 pm", dt.datetime(2016, 1, 31, 12, 15, 9)),
    ("%m/%d/%Y %I:%M:%S %p", "01/31/2016 13:15:09 PM", None),
    ("%d-%b-%y", "05-AUG-68", dt.datetime(2068, 8, 5)),
    ("%d-%b-%y", "05-Aug-69", dt.datetime(1969, 8, 5)),
    ("%d-%b-%y", "05-aUg-69", None),
    ("%Y%m%d%H%M%S%f", "20240131102030123456", dt.datetime(2024, 1, 31, 10, 20, 30, 123_456)),
    ("%Y.%j", "2024.366", dt.datetime(2024, 12, 31)),
    ("%Y.%j", "2023.366", None),
    ("%Y.%j", "2023.000", None),
    ("%Y.%j", "2023.399", None),
    ("%Y", "1850", dt.datetime(1850, 1, 1)),
    ("%Y", "0000", None),
    ("100%% [%Y] (日).*", "100% [1850] (日).*", dt.datetime(1850, 1, 1)),
    ("100%% [%Y] (日).*", "100% [1850] (日)xx", None),
    ("%H %Y\\", "23 2000\\", dt.datetime(2000, 1, 1, 23)),
]


@pytest.mark.parametrize(("time_format", "text", "moment"), FORMATS)
def test_fixed_formats(time_format: str, text: str, moment: dt.datetime | None) -> None:
    table = texts([text, None, "", "0" * len(text), text + " ", text[:-1], text])
    graph = graph_of(lambda x: {"t": tlt.parse_time(x["s"], time_format)}, table)
    expected = None if moment is None else micros(moment)
    found = listed(by_onnx(graph, table)["t"])
    assert (found[0], found[-1]) == (expected, expected)
    assert found[1:3] == found[4:6] == [None, None]
    assert found == listed(by_oracle(graph, table)["t"])
    if moment is not None:
        assert dt.datetime.strptime(text, time_format) == moment  # what Python reads


@pytest.mark.parametrize(
    ("time_format", "problem"),
    [
        ("%Y-%q", "'%q'; fields: %Y"),
        ("%Y-%Y", "twice"),
        ("%m-%d", "no year"),
        ("%Y-%d", "a day without a month"),
        ("%Y %I", "both %I and %p"),
        ("%Y%y", "both %Y and %y"),
        ("%Y %", "'%'"),
        ("ISO", "no year"),
    ],
)
def test_formats_that_cannot_be_are_refused(time_format: str, problem: str) -> None:
    with pytest.raises(TransformError, match=problem):
        graph_of(lambda x: {"t": tlt.parse_time(x["s"], time_format)}, texts([]))


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
