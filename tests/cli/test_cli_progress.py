"""The live table: every node with its state, its time and what it found; without a terminal one line a node."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from rich.console import Console

from trueline.cli.format import duration, found_text
from trueline.cli.progress import Progress
from trueline.cli.run import conclude
from trueline.pipeline.results import NodeResult, RunEvent, RunResult


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


def test_without_a_terminal_a_node_says_when_it_begins_and_how_it_ended():
    console = Console(file=io.StringIO(), width=60)
    with Progress(["Reader", "Checker[x]"], console) as progress:
        for event in events():
            progress.on_event(event)
    lines = console.file.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["Reader", "running"], ["Reader", "complete"], ["Checker[x]", "running"], ["Checker[x]", "failed"],
    ]  # fmt: skip
    assert lines[1].endswith("rows 15,002, splits (train 2, eval 1)")


def test_without_a_terminal_a_node_that_takes_long_says_that_it_still_runs():
    console = Console(file=io.StringIO(), width=60)
    with Progress(["Trainer"], console, every=0.05) as progress:
        progress.on_event(RunEvent("node_started", "r", 0, "Trainer"))
        deadline = time.monotonic() + 5
        while console.file.getvalue().count("still running") < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        done = NodeResult("Trainer", "COMPLETE", 0.2)
        progress.on_event(RunEvent("node_finished", "r", 0, "Trainer", {}, done))
        told = console.file.getvalue()
        time.sleep(0.15)
        # What has ended is not told of again.
        assert console.file.getvalue() == told
    lines = told.splitlines()
    assert lines[0].split() == ["Trainer", "running"]
    assert lines[1].split()[:3] == ["Trainer", "still", "running"]
    assert lines[-1].split()[:2] == ["Trainer", "complete"]


def more_events():
    """A retry, an approval, a loop that grows, an omitted node; and a kind that does not exist yet."""
    yield RunEvent("run_started", "r1", 0)
    yield RunEvent("node_started", "r1", 0, "Trainer")
    told = {"attempt": 2, "attempts": 3, "wait": 1.5}
    yield RunEvent("node_retry", "r1", 0, "Trainer", told, message="OSError: no luck\nmore")
    yield RunEvent("node_started", "r1", 0, "Pusher")
    yield RunEvent("node_retry", "r1", 0, "Pusher", message="attempt 1 of 2 failed: disk full; the next in 1 s")
    yield RunEvent("nodes_added", "r1", 0, "Loop", nodes=("Loop[0]", "Loop[1]"))
    yield RunEvent("node_waiting", "r1", 0, "Approve", message="Is it good?")
    yield RunEvent("node_finished", "r1", 0, "Left", {}, NodeResult("Left", "OMITTED"))
    unknown: Any = "moon_rose"
    yield RunEvent(unknown, "r1", 0, "Trainer")


@pytest.mark.parametrize("terminal", [True, False])
def test_retries_approvals_loops_and_omitted_nodes_are_told(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=140)
    with Progress(["Trainer", "Loop", "Approve", "Left"], console) as progress:
        for event in more_events():
            progress.on_event(event)
        shown = text_of(progress.table())
        lines = {line.split()[0]: line for line in shown.splitlines()[1:]}
        done = NodeResult("Trainer", "COMPLETE", 2.0, {"rows": 3}, attempt=2)
        progress.on_event(RunEvent("node_finished", "r1", 0, "Trainer", {}, done))
    assert list(lines) == ["Trainer", "Loop[0]", "Loop[1]", "Approve", "Left", "Pusher"]
    assert lines["Pusher"].endswith("attempt 1 of 2 failed: disk full; the next in 1 s")
    assert "running (attempt 2)" in lines["Trainer"]
    assert "attempt 2 of 3 in 1.50 s: OSError: no luck" in lines["Trainer"]
    assert "waiting" in lines["Approve"]
    assert "Is it good? (trueline approve r1 Approve)" in lines["Approve"]
    assert lines["Left"].split() == ["Left", "omitted"]
    assert "at attempt 2; rows 3" in console.file.getvalue()


def broken_off(console: Console, run_id: str, error: BaseException) -> None:
    """A run that begins and then ends with an error."""
    with Progress(["Trainer"], console) as progress:
        progress.on_event(RunEvent("run_started", run_id, 0))
        raise error


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_that_is_stopped_says_its_id_and_how_to_go_on(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=60)
    with pytest.raises(KeyboardInterrupt):
        broken_off(console, "20260101-120000-abcdef", KeyboardInterrupt())
    last = console.file.getvalue().splitlines()[-1]
    assert last.endswith(
        "Run 20260101-120000-abcdef was stopped. What had finished is kept; "
        "go on with: trueline resume 20260101-120000-abcdef"
    )


def test_a_run_that_was_canceled_from_outside_says_the_same_and_an_error_does_not():
    console = Console(file=io.StringIO(), width=60)
    with Progress(["Trainer"], console) as progress:
        progress.on_event(RunEvent("run_finished", "r9", 0, status="CANCELED"))
    assert "trueline resume r9" in console.file.getvalue()
    console = Console(file=io.StringIO(), width=60)
    with pytest.raises(ValueError, match="bad"):
        broken_off(console, "r9", ValueError("bad"))
    assert "resume" not in console.file.getvalue()


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


def test_a_question_that_says_how_to_answer_says_it_once():
    console = Console(file=io.StringIO(), width=200)
    with Progress(["ask"], console) as progress:
        message = "Good?: trueline approve r1 ask, or --reject"
        progress.on_event(RunEvent("node_waiting", "r1", 0, "ask", message=message))
    assert console.file.getvalue().count("trueline approve") == 1


def test_a_cancelled_run_does_not_list_what_the_table_showed_nor_logs_that_are_not_there(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    nodes = {
        "a": NodeResult("a", "CANCELED", message="the run was cancelled", log=str(tmp_path / "a.log")),
        "b": NodeResult("b", "FAILED", message="broken", log=str(tmp_path / "b.log")),
    }
    conclude(RunResult("r1", "CANCELED", nodes, "cancelled"), console)
    said = console.file.getvalue()
    assert "b failed: broken" in said
    assert "a canceled" not in said
    assert "log:" not in said
