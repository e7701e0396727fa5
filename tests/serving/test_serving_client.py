"""The clients against the real server: every call, several threads and tasks, a server that dies and comes back."""

from __future__ import annotations

import asyncio
import datetime
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from serving_client_helpers import asked
from serving_helpers import publish

from trueline._core.errors import ServingError
from trueline.serving import AsyncClient, Client, RequestError, Retries
from trueline.serving.errors import Code

ROWS = [{"fare": 20.0, "company": "Flash"}, {"fare": None, "company": "Other"}]
EXPECTED = [1 / (1 + math.exp(-3)), 0.5]


def test_every_call_of_both_clients(base, taxi_other, start_server):
    publish(taxi_other, base, 2)
    server = start_server(base, "--num-versions", "2")
    for kind in ("sync", "async"):

        def ask(name, *args, kind=kind, **more):
            return asked(kind, server.url, [("wait_ready", (20,), {"version": 2}), (name, args, more)])

        first = ask("predict", ROWS, version=1, request_id="mine")
        assert [row[1] for row in first.outputs["probabilities"]] == pytest.approx(EXPECTED, abs=1e-6)
        assert (first.version, first.request_id) == (1, "mine")
        columns = ask("predict", None, {"fare": np.array([20.0, 0.0]), "company": ["Flash", "Other"]}, version=1)
        assert columns.outputs == first.outputs
        assert ask("predict", ROWS).version == 2
        table = ask("predict_table", pa.Table.from_pylist(ROWS), version=1)
        assert table.table.column("probabilities").to_pylist() == [
            [np.float32(v) for v in row] for row in first.outputs["probabilities"]
        ]
        assert table.version == 1
        apart = ask("predict", [*ROWS, {"fare": "x"}], version=1, on_error="row")
        assert apart.outputs["label"] == [*first.outputs["label"], None]
        assert list(apart.errors) == [2]
        assert "expected float64" in apart.errors[2]
        classes = ask("classify", ROWS, version=1)
        assert [dict(row)["true"] for row in classes.results] == pytest.approx(EXPECTED, abs=1e-6)
        shared = ask("classify", [{"fare": 20.0}], context={"company": "Flash"}, version=1)
        assert shared.results[0] == classes.results[0]
        with pytest.raises(RequestError) as caught:
            ask("regress", ROWS)
        assert caught.value.code is Code.INVALID_ARGUMENT
        assert {s["version"]: s["state"] for s in ask("status")} == {"1": "AVAILABLE", "2": "AVAILABLE"}
        assert ask("metadata", 1)["model_spec"]["version"] == "1"
        with pytest.raises(RequestError, match="label") as caught:
            ask("predict", ROWS, label="canary")
        with pytest.raises(RequestError) as caught:
            ask("predict", [{"fare": datetime.date(2026, 1, 1)}])
        assert "expected float64" in str(caught.value)
        with pytest.raises(ServingError, match="not ready within"):
            ask("wait_ready", 0.1, version=9)

    with Client(server.url, "taxi", connections=4) as client, ThreadPoolExecutor(8) as pool:
        fares = [float(i) for i in range(200)]
        found = list(pool.map(lambda fare: client.predict([{"fare": fare}], version=1), fares))
        assert [f.outputs["probabilities"][0][1] for f in found] == pytest.approx(
            [1 / (1 + math.exp(-fare / 10)) for fare in fares], abs=1e-6
        )
        assert len(client._idle) <= 4

    async def many():
        async with AsyncClient(server.url, "taxi") as client:
            found = await asyncio.gather(*(client.predict([{"fare": fare}], version=1) for fare in fares))
            slow = asyncio.create_task(client.predict(ROWS))
            await asyncio.sleep(0)
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
            return [f.outputs["probabilities"][0][1] for f in found], await client.predict(ROWS, version=1)

    values, after = asyncio.run(many())
    assert values == [f.outputs["probabilities"][0][1] for f in found]
    assert after.outputs == first.outputs


def test_a_server_that_is_killed_and_comes_back_is_asked_again(base, start_server):
    server = start_server(base)
    retries = Retries(attempts=200, first_seconds=0.05, longest_seconds=0.2)
    with Client(server.url, "taxi", retries=retries) as client:
        before = client.predict(ROWS)
        server.popen.kill()
        server.popen.wait()
        starter = threading.Thread(target=lambda: (time.sleep(0.3), start_server(base, "--port", str(server.port))))
        starter.start()
        client.wait_ready(30)  # for a moment the server is up and knows no model: 404, which is no fault to retry
        again = client.predict(ROWS)
        starter.join()
    assert again.outputs == before.outputs
