"""Points in time stand in the table of statistics as dates, not as the microseconds that are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline.cli.app import run_command


def test_times_are_shown_as_dates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{day}-0{day}-2026,2026-01-0{day} 12:00:00,{day}" for day in (1, 2, 3)]
    path = tmp_path / "rides.csv"
    path.write_text("\n".join(["id,started,n", *rows]) + "\n")
    assert run_command(["stats", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("2026-01-02 12:00") == 2, "mean and median"
    assert "2026-01-01 12:00" in shown
    assert "e+15" not in shown
    assert run_command(["stats", str(path), "--compare", str(path)]) == 0
    assert capsys.readouterr().out.count("2026-01-02 12:00") == 2, "the mean of both"
