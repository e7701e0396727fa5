"""Local time of seconds since 1970, as logs and CSV files have them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import TransformError

SUMMER, WINTER = datetime(2026, 7, 1, 3, 30, tzinfo=UTC), datetime(2026, 1, 1, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize(("unit", "factor"), [("second", 1), ("millisecond", 1000), ("microsecond", 1_000_000)])
def test_numbers_since_1970_become_the_clock_of_a_zone(unit: Any, factor: int) -> None:
    """As the timestamps of the same instants do; in Chicago it is 5 hours earlier in summer, 6 in winter."""
    times = [SUMMER, None, WINTER]
    table = pa.table(
        {
            "epoch": pa.array([None if t is None else int(t.timestamp()) * factor for t in times], pa.int64()),
            "time": pa.array(times, pa.timestamp("us", "UTC")),
        }
    )
    made, output = tlt.analyze_and_transform(
        table,
        lambda c: {
            "epoch": tlt.to_local(c["epoch"], "America/Chicago", unit=unit),
            "time": tlt.to_local(c["time"], "America/Chicago"),
            "hour": tlt.hour(tlt.to_local(c["epoch"], "America/Chicago", unit=unit)),
        },
    )
    assert made["epoch"].to_pylist() == made["time"].to_pylist()
    assert made["hour"].to_pylist() == [22, None, 21]
    assert len(output.host_steps()) == 2


def test_numbers_beyond_the_calendar_are_missing() -> None:
    table = pa.table({"epoch": pa.array([2**62, -(2**62)], pa.int64())})
    made, _ = tlt.analyze_and_transform(table, lambda c: {"t": tlt.to_local(c["epoch"], "UTC", unit="second")})
    assert made["t"].to_pylist() == [None, None]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda c: tlt.to_local(c["n"], "UTC"),
        lambda c: tlt.to_local(c["text"], "UTC"),
        lambda c: tlt.to_local(c["time"], "UTC", unit="second"),
        lambda c: tlt.to_local(c["x"], "UTC", unit="second"),
    ],
)
def test_what_is_no_time_is_told_with_the_way_there(wrong: Any) -> None:
    table = pa.table(
        {"n": [1], "text": ["2026-01-01"], "x": [1.5], "time": pa.array([SUMMER], pa.timestamp("us", "UTC"))}
    )
    with pytest.raises(TransformError, match="is no timestamp") as refused:
        tlt.analyze_and_transform(table, lambda c: {"t": wrong(c)})
    assert 'unit="second"' in str(refused.value)
