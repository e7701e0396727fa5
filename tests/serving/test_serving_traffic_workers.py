"""Traffic and prediction log with several processes: one key, one version; one log; nothing lost at a clean stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from serving_feedback_helpers import PREDICT, ROW, logged
from serving_helpers import publish

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="workers share a socket")]


def test_processes_share_traffic_alike_and_log_all(base: Path, taxi_other: Path, tmp_path: Path) -> None:
    publish(taxi_other, base, 2)
    models = tmp_path / "models.toml"
    models.write_text(
        f"""
[[models]]
name = "taxi"
base = "{base}"
policy = "all"
labels = {{ stable = 1, canary = 2 }}
traffic = {{ split = {{ stable = 50, canary = 50 }}, shadow = {{ to = "canary", fraction = 0.5 }} }}
"""
    )
    ready, log, out = tmp_path / "ready.json", tmp_path / "log", tmp_path / "out.txt"
    command = [sys.executable, "-m", "trueline.serving", "--model-config-file", str(models), "--port", "0"]
    command += ["--workers", "2", "--ready-file", str(ready), "--prediction-log", str(log)]
    with out.open("wb") as handle:
        server = subprocess.Popen(command, stdout=handle, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert time.monotonic() < deadline, out.read_text()
            assert server.poll() is None, out.read_text()
            time.sleep(0.05)
        url = f"http://127.0.0.1:{json.loads(ready.read_text())['port']}"
        versions: dict[int, set[str]] = {}
        for connection in range(6):  # each connection is one process's
            with httpx.Client(base_url=url) as client:
                for i in range(30):
                    headers = {"x-routing-key": f"key-{i}", "x-request-id": f"{connection}-{i}"}
                    answer = client.post(PREDICT, json=ROW, headers=headers)
                    assert answer.status_code == 200
                    versions.setdefault(i, set()).add(answer.headers["x-model-version"])
        assert all(len(found) == 1 for found in versions.values()), "one key, one version, whatever process answers"
        assert Counter(next(iter(found)) for found in versions.values()).keys() == {"1", "2"}
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
    rows = logged(log).to_pylist()
    assert len([r for r in rows if r["__role"] == "champion"]) == 180
    challenged = [r for r in rows if r["__role"] == "challenger"]
    assert challenged
    assert {r["__version"] for r in challenged} == {2}
