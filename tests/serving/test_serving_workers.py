"""Several processes on one port: one status, one set of metrics, versions that change in all of them at once."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from serving_helpers import Process, publish, write_model
from serving_worker_helpers import Load, alive, kill, told, wait_for, worker_pids

from trueline._core.errors import ConfigError
from trueline.serving.command import asked
from trueline.serving.place import Place
from trueline.serving.server import serve_models

Start = Callable[..., Process]


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def counted(server: Process, name: str) -> float:
    """A metric's samples added up, asked on a connection of its own: any worker answers."""
    lines = get(f"{server.url}/metrics").splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def spread(port: int, pids: list[int], connections: int = 40) -> list[int]:
    """How many of so many connections that come at once each process takes."""

    def sockets(pid: int) -> int:
        return sum(link.readlink().name.startswith("socket:") for link in Path(f"/proc/{pid}/fd").iterdir())

    before = [sockets(pid) for pid in pids]
    with contextlib.ExitStack() as stack:
        for _ in range(connections):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        wait_for(lambda: sum(map(sockets, pids)) - sum(before) == connections)
        return [sockets(pid) - old for pid, old in zip(pids, before, strict=True)]


def test_two_workers_start_answer_change_together_and_stop(
    base: Path, taxi: Path, taxi_other: Path, start_server: Start, tmp_path: Path
) -> None:
    """From 1 to 2 under load, past a version that fails: no request fails and no answer goes back to an old version."""
    server = start_server(base, "--workers", "2", "--retry-seconds", "60")
    ready = json.loads((tmp_path / "ready-0.json").read_text())
    assert (ready["pid"], ready["workers"], ready["port"]) == (server.popen.pid, 2, server.port)
    pids = worker_pids(server)
    assert len(set(pids.values()) | {server.popen.pid}) == 3
    assert min(spread(server.port, list(pids.values()))) >= 4
    with Load(server.url, 4) as load, Load(server.url, 2, fresh=True) as fresh:
        wait_for(lambda: load.answers > 20)
        write_model(base / "2", b"no graph")
        wait_for(lambda: told(server, "load_failed", version=2))
        publish(taxi_other, base, 3)
        wait_for(lambda: load.newest == 3 and fresh.newest == 3)
        seen = load.answers
        wait_for(lambda: load.answers > seen + 20)
    assert load.failures == fresh.failures == []
    assert load.backwards == fresh.backwards == []
    assert load.seen | fresh.seen == {1, 3}
    assert len(told(server, "load_failed")) == 1  # the second worker did not even try
    flips = told(server, "available")
    assert [(e["version"], e["workers"], e["held"]) for e in flips] == [(1, 2, True), (3, 2, True)]
    wait_for(lambda: len(told(server, "unloaded", version=1)) == 2)
    wait_for(lambda: '"AVAILABLE"' not in get(f"{server.url}/v1/models/taxi/versions/2"))
    statuses = {get(f"{server.url}/v1/models/taxi") for _ in range(12)}
    assert len(statuses) == 1
    states = {s["version"]: s for s in json.loads(statuses.pop())["model_version_status"]}
    assert {number: s["state"] for number, s in states.items()} == {"1": "END", "2": "END", "3": "AVAILABLE"}
    assert "ONNX Runtime cannot load the graph" in states["2"]["status"]["error_message"]
    assert {counted(server, "trueline_requests_total") for _ in range(4)} == {load.answers + fresh.answers}
    assert counted(server, "trueline_workers") == 2
    assert server.stop() == 0
    wait_for(lambda: not any(map(alive, pids.values())))
    assert [e["event"] for e in server.events()][-2:] == ["draining", "stopped"]
    assert not (tmp_path / "ready-0.json").exists()


def test_a_killed_worker_is_replaced_and_none_outlives_the_supervisor(base: Path, start_server: Start) -> None:
    """kill -9 of a worker: others answer, its counts stay, another comes. kill -9 of the supervisor: all end."""
    server = start_server(base, "--workers", "2")
    pids = worker_pids(server)
    with Load(server.url, 4) as load:
        wait_for(lambda: load.answers > 50)
    before = wait_for(lambda: (c := counted(server, "trueline_requests_total")) == load.answers and c)
    with Load(server.url, 4) as load:
        kill(pids[0])
        ended = wait_for(lambda: told(server, "worker_ended", worker=0, signal="SIGKILL"))
        wait_for(lambda: counted(server, "trueline_workers") == 2)
    assert load.failures == []
    assert ended[0]["pid"] == pids[0]
    assert counted(server, "trueline_requests_total") >= before
    assert counted(server, "trueline_worker_restarts_total") == 1
    new = worker_pids(server)
    assert new[0] != pids[0]
    assert new[1] == pids[1]
    server.popen.kill()
    server.popen.wait()
    wait_for(lambda: not any(map(alive, new.values())))


def test_what_several_processes_cannot_share_is_refused(base: Path) -> None:
    for place, text in (
        (Place(workers=0), "workers: expected 1 or more, got 0"),
        (Place(workers=2, grpc_socket="/x"), "several processes cannot listen on one Unix socket"),
    ):
        with pytest.raises(ConfigError, match=text):
            serve_models({"taxi": str(base)}, place)
    assert asked(["--model", f"taxi={base}", "--workers", "3"], {}).place.workers == 3


def test_sigterm_while_the_workers_start_ends_all(base: Path, start_server: Start) -> None:
    server = start_server(base, "--workers", "2", wait=False)
    wait_for(lambda: len(worker_pids(server)) == 2)
    pids = worker_pids(server)
    server.popen.send_signal(signal.SIGTERM)
    assert server.popen.wait(20) == 0
    wait_for(lambda: not any(map(alive, pids.values())))


def test_the_supervisor_loads_no_heavy_library(base: Path) -> None:
    code = "import sys, trueline.serving.workers; print([m for m in sys.argv[1].split(',') if m in sys.modules])"
    heavy = "pyarrow,onnx,sqlalchemy,fsspec,pandas,grpc"
    command = [sys.executable, "-c", code, heavy]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.stdout == "[]\n", result.stdout + result.stderr
