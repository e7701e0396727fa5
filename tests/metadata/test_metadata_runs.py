"""Run state: what was asked for, what is alive, what is found again by a part of its name."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from trueline._core.errors import MetadataError
from trueline.metadata import MetadataStore, RunStore
from trueline.metadata.liveness import HEARTBEAT_TIMEOUT

PLAN = '{"nodes": [{"id": "b"}, {"id": "a"}]}'


@pytest.fixture
def runs(store: MetadataStore) -> RunStore:
    return RunStore(store)


def change(path: Path, **values: object) -> None:
    connection = sqlite3.connect(path)
    assignments = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE trueline_run SET {assignments}", tuple(values.values()))
    connection.commit()
    connection.close()


def test_a_run_from_start_to_end(runs: RunStore) -> None:
    runs.start("2026-a", "p", PLAN, {"n": 1}, ["a", "b"])
    record = runs.run("2026-a")
    assert (record.status, record.alive, record.pid) == ("RUNNING", True, os.getpid())
    assert [(n.node_id, n.state) for n in record.nodes] == [("b", "PENDING"), ("a", "PENDING")], "in the plan's order"
    runs.set_node("2026-a", "a", state="FAILED", started=1000, finished=3500, found={"rows": 2}, message="no")
    runs.finish("2026-a", "FAILED", "a: no")
    record = runs.run("2026-")
    assert (record.status, record.params, record.message) == ("FAILED", {"n": 1}, "a: no")
    node = runs.node("latest", "a")
    assert (node.seconds, node.found, node.message) == (2.5, {"rows": 2}, "no")


def test_lists_and_names(runs: RunStore) -> None:
    with pytest.raises(MetadataError, match="no runs yet"):
        runs.run("latest")
    runs.start("r1", "p", PLAN, {}, ["a"])
    runs.start("r2", "q", PLAN, {}, ["a"])
    assert {r.run_id for r in runs.runs()} == {"r1", "r2"}
    assert [r.run_id for r in runs.runs(pipeline="q")] == ["r2"]
    with pytest.raises(MetadataError, match="2 runs begin with 'r'"):
        runs.run("r")
    with pytest.raises(MetadataError, match="There is: r1, r2"):
        runs.run("r3")
    with pytest.raises(MetadataError, match="has no node 'z'"):
        runs.node("r1", "z")


def test_a_run_id_is_given_once(runs: RunStore) -> None:
    runs.start("r", "p", PLAN, {}, ["a"])
    with pytest.raises(MetadataError, match="there is a run 'r' already"):
        runs.start("r", "p", PLAN, {}, ["a"])


def test_a_run_is_dead_when_its_process_is_gone(runs: RunStore, path: Path) -> None:
    runs.start("r", "p", PLAN, {}, ["a"])
    assert runs.dead_runs() == []
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    change(path, pid=gone.pid)
    assert [r.run_id for r in runs.dead_runs()] == ["r"]


def test_a_process_number_that_was_given_out_again_does_not_count(runs: RunStore, path: Path) -> None:
    runs.start("r", "p", PLAN, {}, ["a"])
    change(path, pid_started="another boot")
    assert [r.run_id for r in runs.dead_runs()] == ["r"]


def test_runs_of_another_machine_live_by_their_heartbeat(runs: RunStore, path: Path) -> None:
    runs.start("r", "p", PLAN, {}, ["a"])
    change(path, host="elsewhere", pid=1)
    assert runs.dead_runs() == []
    (record,) = runs.runs()
    change(path, heartbeat=record.started - HEARTBEAT_TIMEOUT - 1000)
    assert [r.run_id for r in runs.dead_runs()] == ["r"]
    runs.beat("r")
    assert runs.dead_runs() == []
