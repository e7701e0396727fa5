"""Answers over a real socket: head and body arrive whole, also where there is no body and where it is large."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import orjson
import pytest
from serving_helpers import Process

from trueline.serving.codec import dump_outputs, rows_of
from trueline.serving.metrics import Tally


def test_head_small_large_and_refused_answers_on_one_connection(
    base: Path, start_server: Callable[..., Process]
) -> None:
    server = start_server(base)
    row = {"fare": 1.0, "company": "Flash"}
    path = f"{server.url}/v1/models/taxi:predict"
    with httpx.Client(timeout=5) as client:
        for _ in range(2):
            head = client.head(f"{server.url}/healthz")
            assert (head.status_code, head.content) == (200, b"")
            assert client.get(f"{server.url}/healthz").json() == {"status": "ok"}
            for rows in (1, 2, 5000):
                answer = client.post(path, json={"instances": [row] * rows}).json()["predictions"]
                assert answer == [answer[0]] * rows
            assert client.post(path, json={"instances": [{"fare": "x"}]}).status_code == 400
        continued = client.post(path, json={"instances": [row]}, headers={"expect": "100-continue"})
        assert continued.json()["predictions"] == [answer[0]]


@pytest.mark.parametrize("rows", [1, 3])
def test_rows_hold_every_type_of_output(rows: int) -> None:
    outputs = {
        "p": np.full((rows, 2), 0.1, np.float32),
        "f": np.full(rows, 0.1, np.float32),
        "d": np.full(rows, 0.1),
        "i": np.full(rows, 7, np.longlong),
        "b": np.full(rows, True),
        "s": np.full(rows, "null", object),
        "t": np.full((rows, 1), "x", object),
    }
    expected = {"p": [0.1, 0.1], "f": 0.1, "d": 0.1, "i": 7, "b": True, "s": "null", "t": ["x"]}
    assert orjson.loads(dump_outputs("predictions", rows_of(outputs))) == {"predictions": [expected] * rows}
    outputs["d"][0] = np.nan
    assert b'"d":NaN' in dump_outputs("predictions", rows_of(outputs))


def test_a_tally_counts_a_value_at_a_bound_below_it() -> None:
    from prometheus_client.core import HistogramMetricFamily

    tally, family = Tally((1, 2)), HistogramMetricFamily("t", "t", labels=("m",))
    for value in (0.5, 1, 1.5, 2, 9):
        tally.observe(value)
    tally.add_to(family, ("a",))
    found = {(s.name, s.labels.get("le")): s.value for s in family.samples}
    assert found == {
        ("t_bucket", "1.0"): 2,
        ("t_bucket", "2.0"): 4,
        ("t_bucket", "+Inf"): 5,
        ("t_count", None): 5,
        ("t_sum", None): 14,
    }
