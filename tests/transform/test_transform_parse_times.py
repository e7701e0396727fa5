"""Texts of times: what they mean, and what is no time; formats that cannot be."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_transform import assert_same, by_onnx, by_oracle, graph_of, in_batches
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError

EPOCH = dt.datetime(1970, 1, 1)
MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999))
TAME = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def micros(moment: dt.datetime) -> int:
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def texts(values: list[str | None]) -> pa.Table:
    return pa.table({"s": pa.array(values, pa.string())})


def listed(value: Any) -> list[Any]:
    there = np.ones(len(value.data), bool) if value.present is None else value.present
    return [v if p else None for v, p in zip(value.data.tolist(), there.tolist(), strict=True)]


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
