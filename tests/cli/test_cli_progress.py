"""The live table: every node with its state, its time and what it found; without a terminal one line a node."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from trueline.cli.format import duration, found_text
from trueline.cli.progress import Progress
from trueline.pipeline.results import NodeResult, RunEvent


def events():
    """A run of two nodes, the second of which fails."""
    yield RunEvent("run_started", "r", 0)
    yield RunEvent("node_started", "r", 0, "Reader")
    yield RunEvent("node_found", "r", 0, "Reader", {"rows": 5})
    done = NodeResult("Reader", "COMPLETE", 1.25, {"rows": 15002, "splits": {"train": 2, "eval": 1}})
    yield RunEvent("node_finished", "r", 0, "Reader", done.found, done)
    yield RunEvent("node_started", "r", 0, "Checker[x]")
    broken = NodeResult("Checker[x]", "FAILED", 0.5, {}, "no luck")
    yield RunEvent("node_finished", "r", 0, "Checker[x]", {}, broken)
    yield RunEvent("run_finished", "r", 0)


def text_of(renderable) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(renderable)
    return console.file.getvalue()


def test_the_table_follows_the_run():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with Progress(["Reader", "Checker[x]", "Writer"], console) as progress:
        tables = []
        for event in events():
            progress.on_event(event)
            tables.append(text_of(progress.table()))
    assert tables[0].count("pending") == 3
    assert "running" in tables[1]
    assert "rows 5" in tables[2]
    last = tables[-1].splitlines()
    assert next(line for line in last if "Reader" in line).split()[:4] == ["Reader", "complete", "1.25", "s"]
    assert "rows 15,002, splits (train 2, eval 1)" in tables[-1]
    assert "failed" in next(line for line in last if "Checker[x]" in line)
    assert "pending" in next(line for line in last if "Writer" in line)
    # What is on the terminal at the end is the last table.
    assert "rows 15,002" in console.file.getvalue()


def test_without_a_terminal_each_finished_node_is_one_line():
    console = Console(file=io.StringIO(), width=60)
    with Progress(["Reader", "Checker[x]"], console) as progress:
        for event in events():
            progress.on_event(event)
    lines = console.file.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [["Reader", "complete"], ["Checker[x]", "failed"]]
    assert lines[0].endswith("rows 15,002, splits (train 2, eval 1)")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ({}, ""),
        (None, ""),
        ({"anomalies": 0, "features": [], "note": ""}, "anomalies 0"),
        ({"blessed": True, "auc": 0.95421}, "blessed yes, auc 0.9542"),
        ({"parity_max_diff": 2.5e-07, "names": ["a", "b"]}, "parity max diff 2.5e-07, names a, b"),
    ],
)
def test_findings_on_one_line(found, text):
    assert found_text(found) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.123, "0.12 s"), (59.99, "59.99 s"), (185.2, "3 min 05 s")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
