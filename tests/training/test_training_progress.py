"""What a person sees of a training: lines now and then, facts for the table, nothing for what is quick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from trueline._core.errors import ConfigError
from trueline.training.progress import Progress


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_ten_seconds_with_rate_and_rest(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    for _ in Progress(range(1500), clock=clock):
        clock.now += 0.0625
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 9
    assert lines[0] == "training: 160 of 1,500, 16 a second, 1 min 24 s left"
    assert lines[-1].startswith("training: 1,4")


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(Progress(iter("abc"))) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_a_table_is_told_once_a_second_and_later_every_five() -> None:
    clock, told = Clock(), []
    bar: Progress[int] = Progress(total=20_000, report=lambda facts: told.append((clock.now, dict(facts))), clock=clock)
    for _ in range(20_000):
        clock.now += 0.01
        bar.update()
    assert 60 + 140 / 5 - 3 < len(told) < 60 + 140 / 5 + 3
    at, facts = told[9]
    assert at == pytest.approx(110, abs=0.2)
    assert facts["step"].endswith(" of 20,000")
    assert facts["rate"] == pytest.approx(100, rel=0.01)
    assert facts["remaining"].startswith("3 min 1")


def test_what_an_earlier_run_did_counts_for_the_total_but_not_for_the_rate() -> None:
    clock = Clock()
    bar: Progress[int] = Progress(range(50), done=50, clock=clock)
    for _ in bar:
        clock.now += 1
    assert (bar.total, bar.done, bar.remaining()) == (100, 100, 0)
    bar = Progress(total=100, done=50, clock=clock)
    assert bar.remaining() is None
    clock.now += 10
    bar.update(5)
    assert bar.remaining() == pytest.approx(90)


def test_without_a_total_only_the_rate_is_known() -> None:
    clock, told = Clock(), list[Mapping[str, Any]]()
    bar: Progress[int] = Progress(report=told.append, clock=clock)
    clock.now += 2
    bar.update(8)
    assert told == [{"step": "8", "rate": 4.0, "remaining": ""}]
    with pytest.raises(ConfigError, match="no steps to go through"):
        next(iter(bar))


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert sum(Progress(range(5), name="fitting")) == 10
    shown = capsys.readouterr().err
    assert "fitting" in shown
    assert "5/5" in shown
