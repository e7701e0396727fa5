"""Several processes under load: hot swaps, killed workers, versions that fail in one of them or end their process."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from front_helpers import Authority
from serving_helpers import Process, publish, taxi_graph, write_model
from serving_worker_helpers import Load, kill, told, wait_for, worker_pids

from trueline._core.values import RawFeature
from trueline.serving import Retries

pytestmark = pytest.mark.slow
Start = Callable[..., Process]


def hosted_model(folder: Path, function: str) -> Path:
    """The taxi model, whose fare goes through a function of the host first."""
    step = {"output": "fare", "inputs": ["fare"], "function": function, "dtype": "float64"}
    graph = taxi_graph(bias=2.0)
    for node in graph.graph.node:
        for i, name in enumerate(node.input):
            if name in ("fare", "fare:present"):
                node.input[i] = f"host:{name}"
    for value in graph.graph.input:
        if value.name.startswith("fare"):
            value.name = f"host:{value.name}"
    return write_model(
        folder, graph, steps=[step], feeds=[RawFeature("host:fare", "float64"), RawFeature("company", "utf8")]
    )


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Writes modules that servers can import."""
    (tmp_path / "modules").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))

    def write(name: str, text: str) -> None:
        (tmp_path / "modules" / f"{name}.py").write_text(text + "\ndef same(values):\n    return values\n")

    return write


def test_50_hot_swaps_under_load_fail_nothing_and_never_go_back(
    base: Path, taxi: Path, taxi_other: Path, start_server: Start
) -> None:
    """Whoever saw a version gets that one or a newer one, on whatever connection, from whatever worker."""
    server = start_server(base, "--workers", "2")
    models = (taxi, taxi_other)
    with Load(server.url, 6) as load, Load(server.url, 2, Retries(attempts=1), fresh=True) as fresh:
        for version in range(2, 52):
            publish(models[version % 2], base, version)
            wait_for(lambda v=version: load.newest == v)
            shutil.rmtree(base / str(version - 1))
    assert load.failures == fresh.failures == []
    assert load.backwards == fresh.backwards == []
    assert load.newest == 51
    flips = told(server, "available")
    assert len(flips) == 51
    held = [e["pause_ms"] for e in flips if e["held"]]
    print(
        f"\n{load.answers + fresh.answers} answers, pauses ms: median {sorted(held)[len(held) // 2]}, max {max(held)}"
    )
    assert len(held) == 51
    assert server.stop() == 0


def test_20_killed_workers_under_load_fail_no_client_that_asks_again(base: Path, start_server: Start) -> None:
    """Without asking again only the requests fail whose connection was cut: at most one for each thread and kill."""
    server = start_server(base, "--workers", "2")
    chance = random.Random(20)
    with Load(server.url, 6) as load, Load(server.url, 3, plain=True) as once:
        for count in range(20):
            wait_for(lambda: "trueline_workers 2" in metrics(server))
            time.sleep(0.2)
            kill(worker_pids(server)[chance.randrange(2)])
            wait_for(lambda n=count + 1: len(told(server, "worker_ended", signal="SIGKILL")) == n)
        wait_for(lambda: "trueline_workers 2" in metrics(server))
    print(f"\n{load.answers} answers asked again where needed; {len(once.failures)} of {once.answers} failed without")
    assert load.failures == []
    assert len(once.failures) <= 60
    assert load.answers > 500
    assert server.stop() == 0


def metrics(server: Process) -> str:
    with httpx.Client(transport=httpx.HTTPTransport(retries=3)) as client:
        try:
            return client.get(f"{server.url}/metrics").text
        except httpx.TransportError:
            return ""  # the worker that was asked was just killed


def test_kills_and_swaps_together(base: Path, taxi: Path, taxi_other: Path, start_server: Start) -> None:
    """Versions come while workers go: every one of them is served in the end, and nobody is sent back."""
    server = start_server(base, "--workers", "3", "--retry-seconds", "1")
    models = (taxi, taxi_other)
    chance = random.Random(3)
    with Load(server.url, 4) as load:
        for version in range(2, 8):
            publish(models[version % 2], base, version)
            time.sleep(chance.uniform(0.0, 0.4))
            kill(worker_pids(server)[chance.randrange(3)])
            wait_for(lambda v=version: load.newest == v, 60)
    assert load.failures == []
    assert load.backwards == []
    wait_for(lambda: "trueline_workers 3" in metrics(server))
    assert len({httpx.get(f"{server.url}/v1/models/taxi").text for _ in range(9)}) == 1
    assert server.stop() == 0


def test_a_version_that_fails_in_one_worker_is_served_by_none(
    tmp_path: Path, base: Path, start_server: Start, module: Callable[[str, str], None]
) -> None:
    """The first worker loads it, the second cannot: the old one goes on in both, until it loads in both."""
    flag = tmp_path / "flag"
    module("only_one", f"import os\nos.close(os.open({str(flag)!r}, os.O_CREAT | os.O_EXCL))")
    server = start_server(base, "--workers", "2", "--allow-host", "only_one", "--retry-seconds", "10")
    with Load(server.url, 4) as load:
        hosted_model(base / "2", "only_one:same")
        failed = wait_for(lambda: told(server, "load_failed", version=2))
        assert "FileExistsError" in failed[0]["error"]
        wait_for(lambda: '"END"' in httpx.get(f"{server.url}/v1/models/taxi/versions/2").text)
        reports = {httpx.get(f"{server.url}/v1/models/taxi/versions/2").text for _ in range(8)}
        assert len(reports) == 1
        report = json.loads(reports.pop())["model_version_status"][0]
        assert report["state"] == "END"
        assert "FileExistsError" in report["status"]["error_message"]
        assert load.newest == 1
        flag.unlink()
        wait_for(lambda: load.newest == 2)
    assert load.failures == []
    assert load.backwards == []
    assert server.stop() == 0


def test_a_version_that_ends_its_process_takes_one_worker_at_a_time(
    base: Path, start_server: Start, module: Callable[[str, str], None]
) -> None:
    """Two workers end over it, one after the other; then it counts as failed, and the old version is served on."""
    module("deadly", "import os\nos.kill(os.getpid(), 9)")
    server = start_server(base, "--workers", "2", "--allow-host", "deadly", "--retry-seconds", "60")
    with Load(server.url, 4) as load:
        hosted_model(base / "2", "deadly:same")
        failed = wait_for(lambda: told(server, "load_failed", version=2))
        assert "2 worker processes ended while they loaded it" in failed[0]["error"]
        wait_for(lambda: "trueline_workers 2" in metrics(server))
    assert load.failures == []
    assert load.newest == 1
    assert server.stop() == 0


def test_a_worker_that_is_told_to_end_answers_first_and_is_replaced(base: Path, start_server: Start) -> None:
    """SIGTERM of one worker, as an operator may send it: nothing fails, not even without asking again."""
    server = start_server(base, "--workers", "2")
    with Load(server.url, 3) as load, Load(server.url, 3, plain=True, fresh=True) as fresh:
        wait_for(lambda: load.answers > 20)
        os.kill(worker_pids(server)[0], signal.SIGTERM)
        wait_for(lambda: told(server, "worker_ended", worker=0, status=0))
        wait_for(lambda: "trueline_workers 2" in metrics(server))
    assert load.failures == fresh.failures == []
    assert server.stop() == 0


def test_sigterm_answers_what_is_in_flight_in_every_worker(
    tmp_path: Path, start_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests of a second, over TLS, begun in both workers; then the end, and certificates that were read by both."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    hosted_model(tmp_path / "slow" / "1", "serving_helpers:sleep_for")
    authority = Authority()
    cert, key = authority.issue(tmp_path / "tls", "server")
    trusted = ssl.create_default_context(cadata=authority.pem())
    arguments = ("--workers", "2", "--allow-host", "serving_helpers", "--tls-cert", cert, "--tls-key", key)
    server = start_server(tmp_path / "slow", *arguments)
    url = server.url.replace("http:", "https:") + "/v1/models/taxi:predict"
    answers: list[int] = []

    def ask() -> None:
        answers.append(httpx.post(url, json={"instances": [{"fare": 1.0}]}, verify=trusted, timeout=20).status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.6)
    server.popen.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(30)
    assert answers == [200] * 6
    assert server.popen.wait(20) == 0


def test_workers_that_cannot_start_end_the_server_after_a_while(base: Path, start_server: Start) -> None:
    """What is served lies nowhere any more, and no worker is left that has it: pauses, an event, status 1."""
    server = start_server(base, "--workers", "2", "--poll-seconds", "100")
    pids = worker_pids(server)
    shutil.rmtree(base / "1")
    for pid in pids.values():
        kill(pid)
    assert server.popen.wait(120) == 1
    failed = told(server, "worker_failed")
    assert failed
    assert failed[0]["model"] == "taxi"
    assert told(server, "crash_loop")[0]["failed_starts"] == 9
    pauses = [e["restart_in_seconds"] for e in told(server, "worker_ended")]
    assert max(pauses) > 5
