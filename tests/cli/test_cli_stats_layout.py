"""Tables of figures in a narrow terminal: columns go and say so; names and figures are whole."""

from __future__ import annotations

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from trueline.cli import stats_layout
from trueline.cli.stats_layout import Sheet, print_sheet

HEADINGS = ("feature", "present", "top", "min", "max")
ROWS = [
    ("trip_start_timestamp", "15,002", "Taxi Affiliation Services", "1.35e+09", "1.483e+09"),
    ("x", "1", "", "", ""),
]


def _printed(monkeypatch: pytest.MonkeyPatch, width: int, rows: list[tuple[str, ...]] = ROWS) -> str:
    out = io.StringIO()
    monkeypatch.setattr(stats_layout, "table_console", lambda: Console(file=out, width=width))
    print_sheet(Sheet("t", HEADINGS, rows, frozenset({"feature"}), frozenset({"top"}), ("present", "min")))
    return out.getvalue()


def test_all_of_it_where_there_is_room(monkeypatch):
    out = _printed(monkeypatch, 200)
    assert all(cell in out for row in ROWS for cell in row)
    assert "Left out" not in out


def test_words_are_shortened_first_then_columns_go_in_their_order(monkeypatch):
    out = _printed(monkeypatch, 68)
    assert "Taxi Affiliatio…" in out
    assert "15,002" in out
    out = _printed(monkeypatch, 64)
    assert "15,002" not in out
    assert "1.35e+09" in out
    assert "Left out for want of room: present." in out
    assert "Left out for want of room: present, min." in _printed(monkeypatch, 52)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(50, 120), st.lists(st.floats(allow_nan=False), min_size=1, max_size=4))
def test_no_figure_is_ever_cut(monkeypatch, width, numbers):
    rows = [("name", "", "", "", f"{number:.6g}") for number in numbers]
    out = _printed(monkeypatch, width, rows)
    assert all(row[-1] in out.split() for row in rows)


def test_names_are_no_markup(monkeypatch):
    assert "[red]x" in _printed(monkeypatch, 80, [("[red]x", "1", "[b]", "", "")])
