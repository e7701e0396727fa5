"""Overload: what is too much is refused at once, what was accepted is finished, and slow clients harm nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from front_helpers import PATH, ROW, connected, read_answer, request_bytes
from serving_helpers import Process, running

Start = Callable[..., Process]


def test_a_full_queue_refuses_at_once_and_what_was_accepted_is_answered(base: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}, max_queue_rows=16, max_batch_rows=8) as (app, client):
            version = app.manager.table["taxi"].default
            assert version is not None
            assert version.live is not None
            gate, batch = threading.Event(), version.live.batcher
            batch._inline_rows = 0
            run, batch._run = batch._run, lambda packed: (gate.wait(10), run(packed))[1]
            began = asyncio.ensure_future(client.post(PATH, content=ROW))
            await asyncio.sleep(0.05)
            accepted = [asyncio.ensure_future(client.post(PATH, content=ROW)) for _ in range(16)]
            await asyncio.sleep(0.05)
            times = []
            for _ in range(100):
                start = time.perf_counter()
                refused = await client.post(PATH, content=b"not even parsed")
                times.append(time.perf_counter() - start)
                assert refused.status_code == 503
                assert refused.headers["retry-after"] == "1"
            assert sorted(times)[98] < 0.1
            assert app.service.metrics.loads() == {("taxi", 1): (16, 17)}
            gate.set()
            assert [(await a).status_code for a in (began, *accepted)] == [200] * 17
            text = (await client.get("/metrics")).text
            assert 'trueline_rejected_total{reason="queue"} 100.0' in text
            assert 'trueline_queue_rows{model="taxi",version="1"} 0.0' in text

    asyncio.run(main())


def test_requests_that_wait_to_be_parsed_are_bounded(base: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}, max_parsing_requests=2) as (app, client):
            gate = threading.Event()
            blocks = [app.service._workers.submit(gate.wait, 10) for _ in range(2)]
            body = json.dumps({"instances": [{"fare": 1.0, "company": "x" * 100}] * 2000}).encode()
            waiting = [asyncio.ensure_future(client.post(PATH, content=body)) for _ in range(2)]
            late = asyncio.ensure_future(asyncio.sleep(0.05))
            await late
            refused = await client.post(PATH, content=body)
            assert refused.status_code == 503
            assert (await client.post(PATH, content=ROW)).status_code == 200
            gate.set()
            assert [(await w).status_code for w in waiting] == [200, 200]
            assert all(b.result() for b in blocks)
            assert app.bodies.held == 0

    asyncio.run(main())


def test_many_large_slow_bodies_cannot_fill_the_memory_and_others_are_answered(base: Path, start_server: Start) -> None:
    limit = 8 * 1024 * 1024
    server = start_server(base, "--max-inflight-bytes", str(limit), "--read-seconds", "30", "--write-seconds", "30")
    process = psutil.Process(server.popen.pid)
    before = process.memory_info().rss
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 15000000\r\n\r\n".encode()
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        statuses = []
        for connection in slow:
            connection.settimeout(5)
            connection.sendall(head + b" " * 1_000_000)
        time.sleep(0.5)
        for connection in slow:
            connection.setblocking(False)
            try:
                statuses.append(int(connection.recv(4096).split()[1]))
            except BlockingIOError:
                statuses.append(0)
        assert 4 <= statuses.count(0) <= 12, statuses  # those that fit go on reading
        assert statuses.count(503) == 40 - statuses.count(0)
        assert process.memory_info().rss - before < 6 * limit
        for _ in range(20):
            start = time.perf_counter()
            assert httpx.post(server.url + PATH, content=ROW).status_code == 200
            assert time.perf_counter() - start < 1
    finally:
        for connection in slow:
            connection.close()
    deadline = time.monotonic() + 10
    body = json.dumps({"instances": [{"fare": 1.0, "company": "x" * 700}] * 9000}).encode()
    while httpx.post(server.url + PATH, content=body).status_code != 200:  # the memory is there again
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert server.stop() == 0


def test_heads_are_bounded_and_so_are_connections(base: Path, start_server: Start) -> None:
    server = start_server(base, "--max-header-bytes", "4096", "--max-connections", "8")
    for sent in (
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 5000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % i for i in range(2000)) + b"\r\n",
    ):
        with connected(server.port) as connection:
            connection.sendall(sent)
            assert read_answer(connection)[0] == 431
    with connected(server.port) as connection:  # without an end, piece for piece
        sent = 0
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nx: ")
            for _ in range(200):
                connection.sendall(b"a" * 1000)
                sent += 1000
                time.sleep(0.001)
        assert sent < 100_000
    with connected(server.port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-fits: " + b"a" * 3000 + b"\r\n\r\n")
        assert read_answer(connection)[0] == 200
        connection.sendall(request_bytes(body=ROW + b" " * 100_000))  # a body is no head
        assert read_answer(connection)[0] == 200
    time.sleep(0.1)
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(8)]
    time.sleep(0.1)
    with connected(server.port) as connection:
        assert read_answer(connection)[0] == 503
    for one in held:
        one.close()
    time.sleep(0.1)
    text = httpx.get(server.url + "/metrics").text
    assert 'trueline_rejected_total{reason="connections"} 1.0' in text
    assert 'trueline_rejected_total{reason="header"} 3.0' in text
    assert server.stop() == 0


def test_a_client_that_does_not_take_its_answer_is_cut_off(base: Path, start_server: Start) -> None:
    server = start_server(base, "--write-seconds", "0.5", "--max-rows", "200000", "--max-queue-rows", "300000")
    body = json.dumps({"inputs": {"fare": [1.5] * 100_000}}).encode()
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", server.port))
        stuck.sendall(request_bytes(body=body))
        deadline = time.monotonic() + 15
        while 'reason="slow_reader"} 1.0' not in httpx.get(server.url + "/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        taken = b""
        with contextlib.suppress(ConnectionError):
            while piece := stuck.recv(65536):
                taken += piece
        head, _, got = taken.partition(b"\r\n\r\n")
        assert f"content-length: {len(got)}\r\n" not in head.decode()  # it had to end before the answer did
    with httpx.Client(base_url=server.url) as client:  # one that reads gets all of it
        assert len(client.post(PATH, content=body).json()["outputs"]["label"]) == 100_000
    assert server.stop() == 0


@pytest.mark.slow
def test_under_overload_refusals_are_quick_and_accepted_requests_finish(base: Path, start_server: Start) -> None:
    """Four times the clients that a slow model can serve, for six seconds."""
    server = start_server(
        base, "--inline-micros", "0", "--max-batch-rows", "64", "--max-queue-rows", "256", "--read-seconds", "30"
    )
    body = json.dumps({"instances": [{"fare": 1.5, "company": "Flash"}] * 64}).encode()
    times: dict[int, list[float]] = {}

    async def client(until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while time.monotonic() < until:
            start = time.monotonic()
            writer.write(request_bytes(body=body))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0]))
            status = int(head.split()[1])
            times.setdefault(status, []).append(time.monotonic() - start)
            if status == 503:
                await asyncio.sleep(0.02)
        writer.close()

    async def main() -> None:
        await asyncio.gather(*(client(time.monotonic() + 6) for _ in range(64)))

    asyncio.run(main())
    print({status: (len(found), sorted(found)[int(len(found) * 0.99)]) for status, found in times.items()})
    assert set(times) <= {200, 503}
    assert len(times[200]) > 50
    if 503 in times:
        assert sorted(times[503])[int(len(times[503]) * 0.99)] < 1
    assert httpx.get(server.url + "/readyz").status_code == 200
    assert server.stop() == 0
