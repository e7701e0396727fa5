"""``--pdb`` where a run is taken up and where a node is carried out again: at a terminal, with answers typed to it."""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path

import pytest

from trueline.cli import main

pty = pytest.importorskip("pty")

LINE = """
import os
from pathlib import Path

from trueline.pipeline import Pipeline, Secret, component


@component
def divide(by: int, key: str) -> float:
    print("divides with", key)
    return 10 / by


def create_pipeline() -> Pipeline:
    return Pipeline("line", [divide(by=0, key=Secret("DEBUGGER_TEST_KEY"))], root=Path(__file__).parent / "out")
"""
SECRET = "hush-0815-hush"


@pytest.fixture
def failed(tmp_path, monkeypatch, capsys):
    """The database of a run that failed."""
    monkeypatch.setenv("DEBUGGER_TEST_KEY", SECRET)
    (tmp_path / "line.py").write_text(LINE)
    assert main(["run", str(tmp_path / "line.py")]) == 1
    capsys.readouterr()
    return str(tmp_path / "out" / "metadata.db")


def at_a_terminal(*arguments: str, answers: tuple[str, ...], seconds: float = 60.0) -> tuple[int, str]:
    """What stands on the terminal in the end; each answer is typed at a prompt of the debugger."""
    pid, terminal = pty.fork()
    if pid == 0:
        # A process of its own from here on: the test runner's has threads and captured streams.
        command = "import sys; from trueline.cli import main; sys.exit(main(sys.argv[1:]))"
        os.execv(sys.executable, [sys.executable, "-c", command, *arguments])
    shown, left, last = "", list(answers), time.monotonic() + seconds
    try:
        while time.monotonic() < last:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                shown += os.read(terminal, 4096).decode(errors="replace")
            except OSError:  # the other end is closed
                break
            if left and shown.rstrip(" ").endswith("(Pdb)"):
                os.write(terminal, f"{left.pop(0)}\n".encode())
    finally:
        os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code, shown


@pytest.mark.parametrize("command", [["resume", "latest", "--pdb", "divide"], ["replay", "latest", "divide", "--pdb"]])
def test_the_debugger_opens_where_it_failed(failed, command, tmp_path):
    code, shown = at_a_terminal(*command, "--metadata", failed, answers=("p 'by', by, 40 + 2", "q"))
    assert code == 1
    assert "ZeroDivisionError" in shown
    assert "line.py(11)divide()" in shown
    assert "('by', 0, 42)" in shown
    assert "divides with ***" in shown, "under the debugger a node speaks to the terminal, without its secrets"
    assert SECRET not in shown
    assert SECRET not in "".join(path.read_text() for path in Path(tmp_path).rglob("*.log"))
