"""A killed ingestion's worker processes end with it: none of them writes into what a later ingestion has finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CODE = """
import sys
from trueline.data import ingest_rows
from trueline.engine import LocalEngine
with LocalEngine(2, processes=True) as engine:
    ingest_rows("slow_rows:rows", sys.argv[1], engine=engine)
"""
ROWS = """
import os, time
def rows():
    with open(os.environ["MARK"], "a") as mark:
        mark.write(f"{os.getpid()}\\n")
    yield from ({"x": n} for n in range(200_000))
    time.sleep(60)
"""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_workers_end_in_the_middle_of_a_block_when_their_parent_is_killed(tmp_path):
    (tmp_path / "slow_rows.py").write_text(ROWS)
    mark = tmp_path / "mark"
    environment = {**os.environ, "MARK": str(mark), "PYTHONPATH": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path / "out")], env=environment)
    try:
        until = time.monotonic() + 30
        pids: list[int] = []
        while time.monotonic() < until and not [p for p in pids if p != parent.pid]:
            time.sleep(0.05)
            pids = [int(p) for p in mark.read_text().split()] if mark.exists() else []
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    workers = [p for p in pids if p != parent.pid]
    assert workers
    until = time.monotonic() + 10
    while time.monotonic() < until and any(map(_alive, workers)):
        time.sleep(0.05)
    assert not any(map(_alive, workers))
    assert not (tmp_path / "out" / "examples.json").exists()
