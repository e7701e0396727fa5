"""Signals that the process was told to ignore, and a store that goes away while a cancelled run gives a thread up."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from trueline._core.errors import MetadataError
from trueline.metadata import MetadataStore, RunStore
from trueline.metadata.run_control import request_cancel
from trueline.pipeline import Pipeline, component
from trueline.runners import LocalRunner, execution, local
from trueline.runners.execution import Execution
from trueline.runners.interrupt import Interrupt

GO_ON = threading.Event()


@component
def hang(folder: str) -> int:
    Path(folder, "begun").touch()
    GO_ON.wait(30)
    return 1


@component
def fail_once(folder: str) -> int:
    if not Path(folder, "tried").exists():
        Path(folder, "tried").touch()
        raise OSError("not yet")
    return 1


def test_nohup_holds_while_a_run_is_under_way_and_ctrl_c_still_ends_it():
    asked: list[bool] = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt(lambda: asked.append(True), lambda: False) as interrupt:
            os.kill(os.getpid(), signal.SIGHUP)
            assert (asked, interrupt.received) == ([], False)
            os.kill(os.getpid(), signal.SIGINT)
            assert (asked, interrupt.received) == ([True], True)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_cancelled_run_ends_though_the_store_refuses_the_end_of_a_thread(tmp_path, monkeypatch):
    """The thread is given up, the database does not take the word: the run must not wait for it for ever."""
    monkeypatch.setattr(execution, "_GRACE_SECONDS", 0.1)
    line = Pipeline("hanging", [hang(folder=str(tmp_path))], root=tmp_path / "root")
    given_up = Execution._canceled

    def refuses(self: Execution, node):
        if threading.current_thread().name == "trueline-abandon":
            raise MetadataError("the server has gone away")
        return given_up(self, node)

    monkeypatch.setattr(Execution, "_canceled", refuses)

    def cancel() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        request_cancel(MetadataStore(line.metadata), "run")

    GO_ON.clear()
    threading.Thread(target=cancel).start()
    ended = threading.Timer(20, GO_ON.set)
    ended.start()
    result = LocalRunner().run(line, run_id="run")
    assert not GO_ON.is_set(), "the run waited for the thread"
    ended.cancel()
    GO_ON.set()
    assert result.status == "CANCELED"
    assert "gone away" in (result.nodes["hang"].message or "")
    assert RunStore(MetadataStore(line.metadata)).run("run").status == "CANCELED"


def test_a_taking_up_that_fails_at_its_beginning_leaves_a_run_that_can_be_taken_up(tmp_path, monkeypatch):
    """The process lives on, as that of a notebook does: the run must not seem to be under way in it for ever."""
    line = Pipeline("once", [fail_once(folder=str(tmp_path))], root=tmp_path / "root")
    runner = LocalRunner()
    assert runner.run(line, run_id="run").status == "FAILED"

    def refuses(*arguments: object) -> None:
        raise MetadataError("the server has gone away")

    with monkeypatch.context() as patch:
        patch.setattr(local, "begin_again", refuses)
        with pytest.raises(MetadataError, match="gone away"):
            runner.resume(line.metadata, "run")
    assert runner.resume(line.metadata, "run").status == "COMPLETE"
