"""What nodes that run as threads print goes to their own logs, without secrets, and to nobody else's."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TextIO

import output_nodes
import pytest
from output_nodes import hold, meet, speak, third_time

from trueline.pipeline import Component, Pipeline, Secret
from trueline.pipeline.node_output import node_output, shown_output
from trueline.runners import LocalRunner

SECRET = "hush-4711-hush"


def run(root: Path, *nodes: Component, isolation: str = "thread") -> dict[str, str]:
    """Each node's log."""
    line = Pipeline("line", list(nodes), root=root)
    result = LocalRunner(isolation=isolation).run(line)  # type: ignore[arg-type]
    assert result.ok
    return {node: Path(found.log).read_text() for node, found in result.nodes.items()}


@contextmanager
def handler_of_before() -> Iterator[logging.StreamHandler[TextIO]]:
    """A handler that holds the stream itself, made before any run."""
    handler = logging.StreamHandler(sys.stderr)
    logger = logging.getLogger("somebody")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


@pytest.mark.parametrize("isolation", ["thread", "main"])
def test_what_a_node_prints_is_in_its_log_without_secrets(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    isolation: str,
) -> None:
    monkeypatch.setenv("OUTPUT_TEST_KEY", SECRET)
    before = sys.stdout, sys.stderr, threading.Thread.start, sys.breakpointhook
    with handler_of_before() as handler:
        log = run(root, speak(word="ann", key=Secret("OUTPUT_TEST_KEY")), isolation=isolation)["speak"]
        assert handler.stream is sys.stderr
    for said in ("prints", "warns", "logs", "writes bytes", "in a pool", "in a thread's thread"):
        assert f"ann {said} ***\n" in log, said
    assert "ann starts a program\n" in log
    assert "no end of line\n" in log
    assert SECRET not in log
    assert capsys.readouterr() == ("", "")
    assert before == (sys.stdout, sys.stderr, threading.Thread.start, sys.breakpointhook)


def test_nodes_at_the_same_time_have_their_own_lines(root: Path) -> None:
    logs = run(root, meet(word="ann", node_id="ann"), meet(word="bob", node_id="bob"))
    for one, other in (("ann", "bob"), ("bob", "ann")):
        assert f"{one} one\n" in logs[one]
        assert f"{one} two\n" in logs[one]
        assert f"{other} " not in logs[one].replace(f"node {other}", "")


def test_two_runs_at_once_and_others_who_speak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs: dict[str, dict[str, str]] = {}
    output_nodes.TOGETHER.clear()
    stream = sys.stdout
    runs = [
        threading.Thread(target=lambda name=name: logs.update({name: run(tmp_path / name, hold())}))  # type: ignore[misc]
        for name in ("one", "two")
    ]
    for thread in runs:
        thread.start()
    assert output_nodes.TOGETHER.wait(20)
    print("somebody else")
    for thread in runs:
        thread.join()
    assert [log["hold"].count("held\n") for log in logs.values()] == [1, 1]
    assert capsys.readouterr().out == "somebody else\n"
    assert sys.stdout is stream


def test_the_number_of_the_attempt(root: Path) -> None:
    node = third_time().with_settings(retries=2, backoff=0)
    log = run(root, node)["third_time"]
    assert [line for line in log.splitlines() if line.startswith("attempt ")] == ["attempt 1", "attempt 2", "attempt 3"]


# -- the parts ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def text() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(text: io.StringIO) -> logging.Logger:
    made = logging.Logger("node")
    made.addHandler(logging.StreamHandler(text))
    return made


def test_a_secret_in_two_pieces_is_found_and_a_progress_bar_is_not_kept_back(
    log: logging.Logger, text: io.StringIO
) -> None:
    with node_output(log, {SECRET}):
        sys.stdout.write(SECRET[:5])
        sys.stdout.write(f"{SECRET[5:]}\n")
        assert text.getvalue() == "***\n"
        sys.stderr.write("\r10%")
        sys.stderr.flush()
        assert text.getvalue() == "***\n\r10%"
        assert not sys.stdout.isatty()
        print("\udcff")
    assert text.getvalue() == "***\n\r10%\\udcff\n"


def test_a_node_within_a_node_and_a_changed_stream(log: logging.Logger, text: io.StringIO) -> None:
    inner, told = logging.Logger("inner"), io.StringIO()
    inner.addHandler(logging.StreamHandler(told))
    stream, mine = sys.stdout, io.StringIO()
    with node_output(log, set()):
        print("outer")
        with node_output(inner, set()):
            print("inner")
        with redirect_stdout(mine):
            with node_output(inner, set()):
                print("inner too")
            print("to whom the outer node said")
        print("outer again")
    assert (text.getvalue(), told.getvalue()) == ("outer\nouter again\n", "inner\ninner too\n")
    assert mine.getvalue() == "to whom the outer node said\n"
    assert sys.stdout is stream


def test_a_thread_that_outlives_its_node_speaks_to_the_terminal_without_secrets(
    log: logging.Logger, text: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    go = threading.Event()

    def late() -> None:
        go.wait(20)
        print(f"late {SECRET}")

    with node_output(log, set()):  # another node, so that the stand-ins stay
        with node_output(log, {SECRET}):
            thread = threading.Thread(target=late)
            thread.start()
        go.set()
        thread.join()
    assert capsys.readouterr().out == "late ***\n"
    assert text.getvalue() == ""


def test_output_that_is_shown_too(log: logging.Logger, text: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    with shown_output(), node_output(log, {SECRET}):
        print(f"seen {SECRET}")
    assert text.getvalue() == capsys.readouterr().out == "seen ***\n"


def test_a_full_disk_is_no_error(log: logging.Logger) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails too
    with node_output(log, set()):
        log.handlers[0].setStream(full)  # type: ignore[attr-defined]
        print("lost")
    with suppress(OSError):
        full.close()


def test_breakpoint_brings_the_terminal_back(
    log: logging.Logger, text: io.StringIO, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hook() -> None:
        print("(the debugger asks)")

    monkeypatch.setattr(sys, "breakpointhook", hook)
    with node_output(log, {SECRET}):
        print("before")
        breakpoint()
        print(f"after {SECRET}")
    assert text.getvalue() == "before\n"
    assert capsys.readouterr().out == "(the debugger asks)\nafter ***\n"
    assert sys.breakpointhook is hook
