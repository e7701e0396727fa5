"""The server as a process: real sockets, swaps under load, slow clients, large bodies, an orderly end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from serving_helpers import Process, publish, taxi_graph, write_model

from trueline._core.errors import ServingError
from trueline._core.runtime import ModelRuntime
from trueline.serving import Client, RequestError

Start = Callable[..., Process]
LIGHT = ["pyarrow", "onnx", "sqlalchemy", "fsspec", "pandas", "torch", "sklearn"]


def send_raw(port: int, data: bytes, seconds: float = 10.0) -> bytes:
    """Everything the server answers to raw bytes until it closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


def test_the_client_gets_what_the_model_says(base: Path, taxi: Path, start_server: Start) -> None:
    server = start_server(base)
    rows = [{"fare": 3.5, "company": "Flash"}, {"fare": None}, {"company": "x"}]
    own = ModelRuntime.load(str(taxi)).predict_rows(rows)
    with Client(server.url, "taxi") as client:
        assert client.wait_ready(10) == 1
        by_rows = client.predict(rows=rows, request_id="my-1")
        assert (by_rows.version, by_rows.request_id) == (1, "my-1")
        assert np.array_equal(np.array(by_rows.outputs["probabilities"], np.float32), own["probabilities"])
        assert by_rows.outputs["label"] == own["label"].tolist()
        by_columns = client.predict(columns={"fare": np.array([3.5, np.inf]), "company": ["Flash", None]}, version=1)
        assert by_columns.outputs["label"] == [True, True]
        assert client.predict(rows=[{}, {}]).outputs["label"] == [False, False]
        assert client.status()[0]["state"] == "AVAILABLE"
        assert client.predict(rows=[{}]).outputs.keys() == {"probabilities", "label"}
        assert client.metadata()["trueline"]["task"] == "binary"
        with pytest.raises(RequestError) as caught:
            client.predict(rows=[{"fare": "x"}])
        assert caught.value.status == 400
        assert "row 0, field 'fare'" in str(caught.value)
        with pytest.raises(RequestError) as caught:
            client.status(version=9)
        assert caught.value.status == 404
        with pytest.raises(ServingError, match="not ready within"):
            client.wait_ready(0.1, version=9)
    assert server.stop() == 0
    with Client(server.url, "taxi") as client, pytest.raises(ServingError, match="does not answer"):
        client.predict(rows=[{}])


def test_the_ready_file_and_the_events_tell_the_bound_port(base: Path, start_server: Start, tmp_path: Path) -> None:
    server = start_server(base)
    ready = json.loads((tmp_path / "ready-0.json").read_text())
    assert ready == {"host": "127.0.0.1", "port": server.port, "pid": server.popen.pid, "models": ["taxi"]}
    assert server.stop() == 0
    assert [e["event"] for e in server.events()] == ["listening", "available", "ready", "draining", "stopped"]
    assert not (tmp_path / "ready-0.json").exists()


def test_swaps_over_real_connections_fail_no_request(
    base: Path, taxi: Path, taxi_other: Path, start_server: Start
) -> None:
    """16 kept connections without pause while 5 versions come and go: over 200 requests, none fails."""
    server = start_server(base)
    models = (taxi, taxi_other)

    async def main() -> tuple[int, list[str], dict[int, set[bool]]]:
        seen: dict[int, set[bool]] = {}
        failures: list[str] = []
        count = 0
        stop = asyncio.Event()

        async def one(client: httpx.AsyncClient) -> None:
            nonlocal count
            while not stop.is_set():
                answer = await client.post("/v1/models/taxi:predict", json={"instances": [{}]})
                count += 1
                if answer.status_code != 200:
                    failures.append(answer.text)
                else:
                    labels = {p["label"] for p in answer.json()["predictions"]}
                    seen.setdefault(int(answer.headers["x-model-version"]), set()).update(labels)

        limits = httpx.Limits(max_connections=16)
        async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=30) as client:
            tasks = [asyncio.ensure_future(one(client)) for _ in range(16)]
            for version in range(1, 7):
                if version > 1:
                    publish(models[(version - 1) % 2], base, version)
                deadline = time.monotonic() + 20
                while version not in seen or count < 60 * (version - 1):
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.02)
            stop.set()
            await asyncio.gather(*tasks)
        return count, failures, seen

    count, failures, seen = asyncio.run(main())
    assert failures == []
    assert count >= 200
    assert len(seen) == 6
    assert all(labels == {version % 2 == 0} for version, labels in seen.items())
    assert server.stop() == 0
    assert [e["version"] for e in server.events() if e["event"] == "unloaded"] == [1, 2, 3, 4, 5]


def test_slow_clients_are_cut_off_and_others_served(base: Path, start_server: Start) -> None:
    server = start_server(base, "--read-seconds", "0.5")
    head = b"POST /v1/models/taxi:predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    started = time.monotonic()
    for sent in (b"", head[:30], head, head + b'{"instances"'):
        answers: list[bytes] = []
        thread = threading.Thread(target=lambda s=sent, a=answers: a.append(send_raw(server.port, s)))
        thread.start()
        with Client(server.url, "taxi") as client:
            assert client.predict(rows=[{}]).version == 1
        thread.join(8)
        assert answers, "the server kept a connection that sends nothing"
        assert answers[0].startswith(b"HTTP/1.1 408 ")
        assert b'{"error":"the request was not sent within 0.5 seconds"}' in answers[0]
    assert time.monotonic() - started < 20
    with Client(server.url, "taxi") as client:
        client.predict(rows=[{}])
        time.sleep(1.2)  # an idle kept connection is no slow client
        client._idle[-1].getpeername()
        assert client.predict(rows=[{}]).version == 1
    assert server.stop() == 0


def test_large_bodies_and_broken_requests_do_not_disturb_the_server(base: Path, start_server: Start) -> None:
    server = start_server(base, "--max-body-bytes", "100000")
    with Client(server.url, "taxi") as client:
        with pytest.raises(RequestError) as caught:
            client.predict(rows=[{"company": "x" * 1_000_000}])
        assert caught.value.status == 413
        assert client.predict(rows=[{}]).version == 1
    wanted = (
        b"POST /v1/models/taxi:predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 999999999\r\n\r\n"
    )
    assert send_raw(server.port, wanted, 3).startswith(b"HTTP/1.1 413 ")
    for junk in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 1000):
        assert b"200 OK" not in send_raw(server.port, junk + b"\r\n\r\n", 1)
    upgrade = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    send_raw(server.port, upgrade, 0.5)
    with Client(server.url, "taxi") as client:
        assert client.predict(rows=[{}]).version == 1
    assert server.stop() == 0


def slow_model(folder: Path) -> Path:
    """A host step sleeps for the seconds that it is given."""
    from onnx import TensorProto, helper

    from trueline._core.values import RawFeature

    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Cast", ["host:h"], ["prediction"], to=TensorProto.FLOAT)],
        "g",
        [info("host:h", TensorProto.DOUBLE, ["N"]), info("host:h:present", TensorProto.BOOL, ["N"])],
        [info("prediction", TensorProto.FLOAT, ["N"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    step = {"output": "h", "inputs": ["s"], "function": "serving_helpers:sleep_for", "dtype": "float64"}
    outputs = [{"name": "prediction", "dtype": "float32", "shape": [None], "meaning": "prediction"}]
    feature = RawFeature("s", "float64")
    return write_model(folder, model, [feature], outputs, steps=[step], feeds=[RawFeature("host:h", "float64")])


def test_sigterm_answers_what_is_in_flight_and_ends_with_0(
    tmp_path: Path, start_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    slow_model(tmp_path / "slow" / "1")
    server = start_server(tmp_path / "slow", "--allow-host", "serving_helpers")
    answers: list[Any] = []

    def ask() -> None:
        with Client(server.url, "taxi") as client:
            answers.append(client.predict(columns={"s": [1.0]}).outputs)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    server.popen.send_signal(signal.SIGTERM)
    time.sleep(0.25)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=2).close()
    for thread in threads:
        thread.join(20)
    assert answers == [{"prediction": [1.0]}, {"prediction": [1.0]}]
    assert server.popen.wait(20) == 0


def test_readiness_turns_false_before_the_listening_ends(base: Path, start_server: Start) -> None:
    server = start_server(base, "--drain-delay", "1.0")
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    server.popen.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert httpx.get(f"{server.url}/readyz").status_code == 503
    with Client(server.url, "taxi") as client:
        assert client.predict(rows=[{}]).version == 1
    assert server.popen.wait(20) == 0


def test_fail_fast_ends_with_1_and_says_why(tmp_path: Path, start_server: Start) -> None:
    write_model(tmp_path / "broken" / "1", b"no graph")
    server = start_server(tmp_path / "broken", "--fail-fast", wait=False)
    assert server.popen.wait(30) == 1
    failed = [e for e in server.events() if e["event"] == "load_failed"]
    assert "ONNX Runtime cannot load the graph" in failed[0]["error"]


def test_a_wrong_command_line_is_refused_in_one_go(base: Path, start_server: Start) -> None:
    server = start_server(base, "--max-rows", "0", "--read-seconds", "-1", wait=False)
    assert server.popen.wait(30) == 2
    text = server.log.read_text()
    assert "max_rows: expected more than 0" in text
    assert "read_seconds: expected more than 0" in text
    taken = start_server(base)
    second = start_server(base, "--port", str(taken.port), wait=False)
    assert second.popen.wait(30) == 2
    assert f"cannot listen on 127.0.0.1 port {taken.port}" in second.log.read_text()


def test_the_server_loads_no_heavy_library_even_when_it_serves(base: Path) -> None:
    code = """
import asyncio, sys
import trueline.serving
first = set(sys.modules)
from trueline.serving import create_app, Client, validate_in_server, serve
import trueline.serving.server
async def main(base):
    app = create_app({"taxi": base})
    await app.startup()
    while not app.ready:
        await asyncio.sleep(0.01)
    sent = []
    async def receive():
        return {"type": "http.request", "body": b'{"instances": [{"fare": 1, "company": "Flash"}, {"fare": NaN}]}'}
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "method": "POST", "raw_path": b"/v1/models/taxi:predict", "headers": []}
    await app(scope, receive, send)
    await app.shutdown()
    assert sent[0]["status"] == 200, sent
asyncio.run(main(sys.argv[1]))
heavy = sys.argv[2].split(",")
print([m for m in heavy if m in first], [m for m in heavy if m in sys.modules], "numpy" in first)
"""
    command = [sys.executable, "-c", code, str(base), ",".join(LIGHT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.stdout == "[] [] False\n", result.stdout + result.stderr


def test_the_public_names_are_what_the_room_says() -> None:
    import trueline.serving as room

    assert sorted(room.__all__) == room.__all__ == dir(room)
    for name in room.__all__:
        assert getattr(room, name).__name__ == name
    assert taxi_graph().graph.name == "taxi"
