"""Schedules: when cron says, against counting minutes; what is passed over; what ends a schedule and what does not."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError
from trueline.cli import main
from trueline.cli.cron import parse_cron
from trueline.cli.schedule import Every, keep_running, times_of

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


@st.composite
def items(draw, low, high, names=()):
    """A part of a field as text, and the numbers that it stands for."""
    kind = draw(st.sampled_from(["number", "range", "step", "range step", "name"] if names else ["number", "range"]))
    a = draw(st.integers(low, high))
    b = draw(st.integers(a, high))
    step = draw(st.integers(1, 20))
    if kind == "name":
        return names[a - low], {a}
    if kind == "number":
        return str(a), {a}
    if kind == "range":
        return f"{a}-{b}", set(range(a, b + 1))
    if kind == "step":
        return f"*/{step}", set(range(low, high + 1, step))
    return f"{a}-{b}/{step}", set(range(a, b + 1, step))


def fields(low, high, names=(), last=None):
    listed = st.lists(items(low, high, names), min_size=1, max_size=3).map(
        lambda parts: (",".join(text for text, _ in parts), set().union(*(found for _, found in parts)))
    )
    return st.one_of(st.just(("*", set(range(low, (last or high) + 1)))), listed)


@settings(max_examples=60, deadline=None)
@given(
    fields(0, 59),
    fields(0, 23),
    fields(1, 28, last=31),
    fields(1, 12, MONTHS),
    fields(0, 6, DAYS),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),
)
def test_the_next_time_is_the_one_that_counting_minutes_finds(minute, hour, day, month, weekday, start):
    cron = parse_cron(" ".join(text for text, _ in (minute, hour, day, month, weekday)))
    either = not day[0].startswith("*") and not weekday[0].startswith("*")

    def due(at: datetime) -> bool:
        days = (at.day in day[1], (at.weekday() + 1) % 7 in weekday[1])
        right = any(days) if either else all(days)
        return at.minute in minute[1] and at.hour in hour[1] and at.month in month[1] and right

    found = cron.next_time(start)
    assert found is not None
    assert found > start
    assert due(found)
    first = start.replace(second=0, microsecond=0)
    window = [first + timedelta(minutes=n) for n in range(1, 1500)]
    counted = next((at for at in window if due(at)), None)
    assert found == counted if counted is not None else found > window[-1]
    # Nothing between, however far away: no minute of the days before the one found.
    assert not any(due(found - timedelta(minutes=n)) for n in range(1, 1500) if found - timedelta(minutes=n) > start)


@pytest.mark.parametrize(
    ("text", "start", "wanted"),
    [
        ("0 3 * * *", "2026-05-01T03:00", "2026-05-02T03:00"),
        ("*/15 8-9 * * mon-fri", "2026-05-01T09:45", "2026-05-04T08:00"),
        ("0 0 29 feb *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 0 29 2 *", "2097-01-01T00:00", "2104-02-29T00:00"),
        ("0 12 13 * fri", "2026-05-01T12:00", "2026-05-08T12:00"),
        ("0 0 * * 7", "2026-05-01T00:00", "2026-05-03T00:00"),
        ("0 0 * * fri-sun", "2026-05-02T00:00", "2026-05-03T00:00"),
        ("0 0 * * 0-0", "2026-05-01T00:00", "2026-05-03T00:00"),
        ("5/20 * * * *", "2026-05-01T00:25", "2026-05-01T00:45"),
        ("@monthly", "2026-12-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_times_that_people_write(text, start, wanted):
    assert parse_cron(text).next_time(datetime.fromisoformat(start)) == datetime.fromisoformat(wanted)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("* * * *", "has 4 fields"),
        ("60 * * * *", "60 is not between 0 and 59"),
        ("* * 0 * *", "0 is not between 1 and 31"),
        ("* * * * fry", "Did you mean 'fri'"),
        ("*/0 * * * *", "'0' is no step"),
        ("22-3 * * * *", "ends before it begins"),
        ("0 0 30 feb *", "never comes"),
        ("1,,2 * * * *", "is no number"),
        ("٣ * * * *", "is no number"),
    ],
)
def test_what_is_no_time_says_why(text, said):
    with pytest.raises(ConfigError, match=said):
        parse_cron(text)


def test_all_problems_of_an_expression_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_cron("61 25 x * *")
    assert len(caught.value.problems) == 3


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", BERLIN)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def local(stamp: float) -> str:
    return datetime.fromtimestamp(stamp).astimezone().isoformat()[:22]


@pytest.mark.usefixtures("berlin")
def test_the_night_in_which_clocks_are_put_back_has_the_hourly_job_twice_and_the_daily_once():
    before = datetime.fromisoformat("2026-10-25T02:45+02:00").timestamp()
    hourly, daily = parse_cron("30 * * * *"), parse_cron("30 2 * * *")
    assert local(hourly.after(before)) == "2026-10-25T02:30:00+01"
    assert local(daily.after(before)) == "2026-10-26T02:30:00+01"
    assert local(daily.after(before + 3600)) == "2026-10-26T02:30:00+01"


@pytest.mark.usefixtures("berlin")
def test_a_time_that_the_clock_leaves_out_comes_when_it_has_jumped():
    before = datetime.fromisoformat("2026-03-29T01:00+01:00").timestamp()
    daily = parse_cron("30 2 * * *")
    first = daily.after(before)
    assert local(first) == "2026-03-29T03:30:00+02"
    assert local(daily.after(first)) == "2026-03-30T02:30:00+02"


class Clock:
    """A clock that only waiting and working move."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        assert 0 < seconds <= 30
        self.time += seconds


def begins(takes, every=60.0, codes=(), **options):
    """Times at which runs began, that take so many seconds each; then somebody presses Ctrl-C."""
    clock, begun = Clock(), []

    def once() -> int:
        if len(begun) == len(takes):
            raise KeyboardInterrupt
        begun.append(clock.time - 1000)
        clock.time += takes[len(begun) - 1]
        code = codes[len(begun) - 1] if len(begun) <= len(codes) else 0
        if isinstance(code, Exception):
            raise code
        return code

    ended: object = None
    try:
        ended = keep_running(once, Every(every, 1000.0), now=clock.now, wait=clock.wait, **options)
    except KeyboardInterrupt:
        ended = "interrupted"
    return begun, ended


def test_runs_begin_at_the_interval_however_long_they_take():
    assert begins([1, 59, 5]) == ([0, 60, 120], "interrupted")


def test_what_became_due_while_a_run_was_under_way_is_passed_over_and_said(capsys):
    assert begins([150, 1, 60.0, 1])[0] == [0, 180, 240, 360]
    told = capsys.readouterr().err
    assert "(2 times passed over: the run of" in told
    assert "(1 time passed over: the run of" in told


def test_failures_go_on_unless_asked_not_to(capsys):
    codes = [1, ConfigError("being edited"), 3, 0]
    assert begins([1] * 4, codes=codes) == ([0, 60, 120, 180], "interrupted")
    assert "being edited" in capsys.readouterr().err
    assert begins([1] * 4, codes=[0, 3], stop_on_failure=True) == ([0, 60], 3)
    assert begins([1] * 4, codes=[0, ConfigError("no")], stop_on_failure=True) == ([0, 60], 2)


def test_a_program_that_reads_along_gets_an_error_as_a_line_of_json(capsys):
    assert begins([1], codes=[ConfigError("being edited")], quiet=True)[0] == [0]
    said = capsys.readouterr()
    (told,) = [json.loads(line) for line in said.out.splitlines()]
    assert (told["error"]["message"], told["exit_code"]) == ("being edited", 2)
    assert "being edited" in said.err
    assert "Next run" not in said.err


@pytest.mark.parametrize("text", ["0s", "1", "h", "-1h", "1.5h", "1 hour", "١h"])
def test_an_interval_that_is_none(text):
    with pytest.raises(ConfigError, match="no time to wait"):
        times_of(text, None)


def test_intervals_and_cron_exclude_each_other():
    assert times_of("90s", None).seconds == 90
    assert times_of("2 d", None).seconds == 172_800
    with pytest.raises(ConfigError, match="two ways"):
        times_of("1h", "@daily")


def test_the_pipeline_file_is_read_anew_before_each_run(tmp_path, capsys):
    """The file counts how often it was loaded: the first run succeeds, the second does not, and ends the schedule."""
    (tmp_path / "line.py").write_text(
        "from pathlib import Path\n"
        "from trueline.pipeline import Pipeline, component\n"
        "HERE = Path(__file__).parent\n"
        "with (HERE / 'loads').open('a') as loads:\n"
        "    loads.write('x')\n"
        "@component\n"
        "def step(loads: int) -> int:\n"
        "    return 1 // (2 - loads)\n"
        "pipeline = Pipeline('line', [step(loads=(HERE / 'loads').stat().st_size)], root=HERE / 'out')\n"
    )
    begun = time.monotonic()
    assert main(["run", str(tmp_path / "line.py"), "--every", "1s", "--stop-on-failure", "--json"]) == 1
    assert 0.9 < time.monotonic() - begun < 30
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(r["status"], r["exit_code"]) for r in results] == [("COMPLETE", 0), ("FAILED", 1)]
    assert Path(tmp_path / "loads").read_text() == "xx"


@pytest.mark.parametrize("more", [["--stop-on-failure"], ["--every", "1h", "--pdb", "step"]])
def test_options_that_do_not_go_together(tmp_path, more):
    assert main(["run", str(tmp_path / "line.py"), *more]) == 2
