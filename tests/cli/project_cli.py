"""A small project as people have it, a pipeline file and a neighbour, and commands on it in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["make_project", "started", "until"]

_COMMAND = "import sys; from trueline.cli import main; sys.exit(main(sys.argv[1:]))"
STEPS = '''
"""What the nodes do."""

import time
from pathlib import Path

from trueline.pipeline import component


def beside(*parts: str) -> Path:
    """A file beside this one; as its whole name stands nowhere, it is no part of what a node reads."""
    return Path(__file__).parent / ".".join(parts)


@component
def first(n: int, times: int) -> list:
    with beside("first", "runs").open("a") as runs:
        runs.write("x")
    return [times] * n


@component
def slow(xs: list) -> int:
    """Waits until the file `go` is there."""
    beside("slow", "begun").write_text("x")
    while not beside("go").exists():
        time.sleep(0.02)
    return sum(xs)


@component
def last(x: int, divisor: int = 1) -> float:
    return x / divisor


@component
def clock(x: int) -> float:
    return time.time()
'''
LINE = """
from pathlib import Path

from steps import clock, first, last, slow

from trueline.pipeline import Pipeline, RuntimeParameter


def create_pipeline(n: int = 2, divisor: int = 1, note: str = "") -> Pipeline:
    made = first(n=n, times=RuntimeParameter("times", int, default=3))
    summed = slow(xs=made.outputs["result"])
    end = last(x=summed.outputs["result"], divisor=divisor)
    return Pipeline("line", [made, summed, end, clock(x=1)], root=Path(__file__).parent / "out")
"""


def make_project(folder: Path, *, go: bool = True) -> Path:
    """Writes the project; returns its pipeline file. Without `go` the node `slow` waits for the file ``go``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "steps.py").write_text(STEPS)
    (folder / "line.py").write_text(LINE)
    if go:
        (folder / "go").touch()
    return folder / "line.py"


def started(*arguments: str) -> subprocess.Popen[str]:
    """``trueline ...`` in a process of its own."""
    command = [sys.executable, "-c", _COMMAND, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Waits for something to be so."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "it did not come to be"
        time.sleep(0.02)
