"""Ctrl-C, SIGTERM and time-outs against real processes: runs end soon and properly, nothing of them stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from signal_nodes import line

from trueline.metadata import ExecutionState, MetadataStore, RunStore
from trueline.runners import LocalRunner

SCRIPT = Path(__file__).with_name("signal_nodes.py")


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Started:
    """A run in a process of its own, at the point where its node sleeps."""

    def __init__(self, folder: Path, isolation: str) -> None:
        self.folder, self.root = folder, folder / "root"
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(self.root), isolation],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        pids = folder / "pids"
        wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        self.node, self.child = map(int, pids.read_text().split())

    def end(self) -> tuple[float, str]:
        """Waits for the end: (seconds, what it said)."""
        began = time.monotonic()
        _, said = self.process.communicate(timeout=60)
        return time.monotonic() - began, said

    def states(self) -> tuple[str, dict[str, str]]:
        store = MetadataStore(str(self.root / "metadata.db"))
        record = RunStore(store).run("run")
        store.close()
        return record.status, {node.node_id: node.state for node in record.nodes}

    def resumed(self) -> None:
        """The run can be taken up again, and then nothing half-written is left."""
        (self.folder / "go").touch()
        result = LocalRunner().resume(str(self.root / "metadata.db"), "run")
        assert result.ok
        assert result.nodes["stubborn"].state == result.nodes["after"].state == "COMPLETE"
        store = MetadataStore(str(self.root / "metadata.db"))
        assert RunStore(store).open_executions("run") == []
        assert [e for e in store.executions() if e.state is ExecutionState.RUNNING] == []
        folders = {str(path) for path in self.root.glob("*/*/*") if ".trueline" not in path.parts}
        assert folders == {artifact.uri for artifact in store.artifacts()}
        store.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Started]]:
    begun: list[Started] = []

    def begin(isolation: str) -> Started:
        begun.append(Started(tmp_path, isolation))
        return begun[-1]

    yield begin
    for one in begun:
        for pid in (one.process.pid, one.node, one.child):
            if pid != os.getpid() and alive(pid):
                os.kill(pid, signal.SIGKILL)
        one.process.wait()
        assert one.process.stderr is not None
        one.process.stderr.close()


CANCELED = {"stubborn": "CANCELED", "after": "CANCELED", "farewell": "COMPLETE"}


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)], ids=["SIGTERM", "SIGINT"]
)
def test_a_signal_ends_the_node_that_ignores_it_and_all_that_it_started(
    start: Callable[[str], Started], number: int
) -> None:
    run = start("process")
    os.kill(run.process.pid, number)
    seconds, said = run.end()
    assert seconds < 20
    assert run.process.returncode != 0
    assert "KeyboardInterrupt: run run was interrupted" in said
    assert run.states() == ("CANCELED", CANCELED)
    assert (run.folder / "farewell").exists(), "nodes for the end ran"
    assert not alive(run.node)
    assert not alive(run.child)
    assert list(run.root.glob("stubborn/model/*")) == []
    run.resumed()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_node_in_a_thread_is_left_behind_after_a_moment(start: Callable[[str], Started], number: int) -> None:
    run = start("thread")
    os.kill(run.process.pid, number)
    seconds, said = run.end()
    assert seconds < 20
    assert "KeyboardInterrupt" in said
    assert run.states() == ("CANCELED", CANCELED)
    run.resumed()
    store = MetadataStore(str(run.root / "metadata.db"))
    assert [e.state for e in store.executions() if e.type.endswith(".stubborn")] == [
        ExecutionState.CANCELED,
        ExecutionState.COMPLETE,
    ]
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_second_ctrl_c_ends_at_once(start: Callable[[str], Started], isolation: str) -> None:
    run = start(isolation)
    os.kill(run.process.pid, signal.SIGINT)
    time.sleep(0.3)
    os.kill(run.process.pid, signal.SIGINT)
    seconds, said = run.end()
    assert seconds < 5
    assert "interrupted twice" in said
    assert run.states()[0] == "CANCELED"
    if isolation == "process":
        wait_for(lambda: not alive(run.node) and not alive(run.child), 5)
    run.resumed()


@pytest.mark.slow
def test_what_a_node_started_ends_with_a_launcher_that_is_killed(start: Callable[[str], Started]) -> None:
    run = start("process")
    run.process.kill()
    wait_for(lambda: not alive(run.node) and not alive(run.child), 5)
    run.resumed()


@pytest.mark.slow
def test_what_a_node_started_ends_with_a_node_that_is_killed(start: Callable[[str], Started]) -> None:
    run = start("process")
    os.kill(run.node, signal.SIGKILL)
    wait_for(lambda: not alive(run.child), 5)
    run.end()
    assert run.states() == ("FAILED", {"stubborn": "FAILED", "after": "SKIPPED", "farewell": "COMPLETE"})
    run.resumed()


@pytest.mark.slow
def test_a_node_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    result = LocalRunner().run(line(tmp_path / "root", timeout=3))
    assert result.nodes["stubborn"].state == "FAILED"
    assert result.nodes["stubborn"].message == "timed out after 3 s"
    assert result.nodes["after"].state == "SKIPPED"
    assert list((tmp_path / "root").glob("stubborn/model/*")) == []
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    assert not any(map(alive, pids))
