"""Deadlines: a request that is late is told so and never run, whoever set the time; others are not held up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from front_helpers import PATH, ROW
from serving_helpers import running

from trueline.serving.asgi import Head, Request
from trueline.serving.batching import Arrays, Batcher
from trueline.serving.errors import Code, RequestError


class Gate:
    """A model that answers when it is let, and remembers what it was asked."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.seen: list[float] = []

    def __call__(self, arrays: Arrays) -> Arrays:
        self.seen += arrays["x"].tolist()
        assert self.event.wait(10)
        return {"y": arrays["x"] * 2}


def merge(parts: Sequence[Arrays]) -> Arrays:
    return {"x": np.concatenate([p["x"] for p in parts])}


def batcher(run: Callable[[Arrays], Arrays], executor: ThreadPoolExecutor, **more: Any) -> Batcher[Arrays]:
    options = {"inline": False, "inline_rows": 8, "max_batch_rows": 8, "max_queue_rows": 100} | more
    return Batcher(run, executor, merge=merge, **options)


def x(value: float) -> Arrays:
    return {"x": np.array([value])}


def test_those_who_wait_too_long_are_told_in_time_and_never_run() -> None:
    async def main() -> None:
        gate, executor = Gate(), ThreadPoolExecutor(1)
        unit = batcher(gate, executor)
        loop = asyncio.get_running_loop()
        now = loop.time()
        running_late = unit.submit(x(0), 1, now + 0.1)
        await asyncio.sleep(0.02)
        late = unit.submit(x(1), 1, now + 0.1)
        patient = [unit.submit(x(2), 1, now + 60), unit.submit(x(3), 1)]
        assert unit.queued_rows == 3
        for future in (running_late, late):
            with pytest.raises(RequestError) as caught:
                await asyncio.wait_for(future, 5)
            assert (caught.value.code, caught.value.status) == (Code.DEADLINE_EXCEEDED, 504)
        assert loop.time() - now < 1
        assert unit.queued_rows == 2
        gate.event.set()
        assert [(await f)["y"].tolist() for f in patient] == [[4], [6]]
        assert gate.seen == [0, 2, 3]
        executor.shutdown()

    asyncio.run(main())


@pytest.mark.parametrize("inline", [True, False])
def test_a_batch_is_made_without_those_that_are_late(inline: bool) -> None:
    async def main() -> None:
        gate, executor = Gate(), ThreadPoolExecutor(1)
        gate.event.set()
        unit = batcher(gate, executor, inline=inline)
        past = asyncio.get_running_loop().time() - 1
        futures = [unit.submit(x(i), 1, past if i % 2 else None) for i in range(4)]
        only_late = await asyncio.gather(*futures, return_exceptions=True)
        assert [type(a).__name__ for a in only_late] == ["dict", "RequestError"] * 2
        assert gate.seen == [0, 2]
        assert unit.queued_rows == 0
        lone = unit.submit(x(9), 1, past)
        with pytest.raises(RequestError):
            await lone
        assert (await unit.submit(x(5), 1))["y"].tolist() == [10]
        executor.shutdown()

    asyncio.run(main())


def test_the_header_asks_for_less_time_and_never_for_more() -> None:
    async def main() -> None:
        async def receive() -> dict[str, Any]:
            return {}

        now = asyncio.get_running_loop().time()
        for value, expected in ((b"250", 0.25), (b"90000", 30), (b"0", 30), (b"-5", 30), (b"x", 30), (b"1e3", 30)):
            scope = {"method": "POST", "path": "/", "headers": [(b"x-request-timeout-ms", value)]}
            deadline = Request(scope, receive, Head.of(scope), 30).deadline
            assert deadline is not None
            assert deadline - now == pytest.approx(expected, abs=0.2), value

    asyncio.run(main())


def test_rest_answers_504_and_the_server_goes_on(base: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}) as (app, client):
            version = app.manager.table["taxi"].default
            assert version is not None
            assert version.live is not None
            gate = Gate()
            batch = version.live.batcher
            batch._inline_rows = 0
            run, batch._run = batch._run, lambda packed: (gate.event.wait(10), run(packed))[1]
            first = asyncio.ensure_future(client.post(PATH, content=ROW))
            await asyncio.sleep(0.05)
            start = time.perf_counter()
            late = await client.post(PATH, content=ROW, headers={"x-request-timeout-ms": "100"})
            assert late.status_code == 504
            assert "deadline" in late.json()["error"]
            assert late.headers["x-model-version"] == "1"
            assert 0.08 < time.perf_counter() - start < 2
            gate.event.set()
            assert (await first).status_code == 200
            assert (await client.post(PATH, content=ROW)).status_code == 200
            text = (await client.get("/metrics")).text
            assert 'trueline_rejected_total{reason="deadline"} 1.0' in text
            assert ':tensorflow:serving:request_count{model_name="taxi",status="DEADLINE_EXCEEDED"} 1' in text

    asyncio.run(main())
