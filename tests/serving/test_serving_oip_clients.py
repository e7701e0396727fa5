"""KServe's own client and Triton's talk to the server, each in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving_helpers import Process, publish

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venvs" / "kserve" / "bin" / "python"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="scripts/kserve_env.sh makes the environment of the clients"),
]
ROWS = [{"fare": 3.5, "company": "Flash"}, {"fare": -7.0, "company": "Zürich"}]


@pytest.fixture
def server(tmp_path: Path, taxi: Path, start_server: Callable[..., Process]) -> Process:
    publish(taxi, tmp_path / "served", 3)
    return start_server(tmp_path / "served", "--grpc-port", "0")


def heard(server: Process, script: str) -> Any:
    """What a client's script says of the server."""
    port = next(e["grpc_port"] for e in server.events() if e["event"] == "listening")
    command = [str(PYTHON), "-I", str(ROOT / "tests/serving/oip_clients" / script), server.url, str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def own(server: Process) -> tuple[list[Any], list[bool]]:
    """What the v1 API says of the same rows."""
    rows = httpx.post(f"{server.url}/v1/models/taxi:predict", json={"instances": ROWS}).json()["predictions"]
    return [row["probabilities"] for row in rows], [row["label"] for row in rows]


def test_kserve_client(server: Process) -> None:
    """JSON and binary over HTTP, typed and raw over gRPC: the same answer four times, that of the v1 API."""
    told = heard(server, "kserve_client.py")
    assert [told[k] for k in ("live", "ready", "model ready", "unknown ready")] == [True, True, True, False]
    assert [told[k] for k in ("grpc live", "grpc ready", "grpc model ready")] == [True] * 3
    probabilities, label = own(server)
    for way in ("rest json", "rest binary", "grpc typed", "grpc raw"):
        answer = told[way]
        assert (answer["id"], answer["model"]) == ("r-1", "taxi"), way
        assert answer["outputs"]["probabilities"][:2] == ["FP32", [2, 2]]
        assert answer["outputs"]["probabilities"][2] == [pytest.approx(row, rel=1e-6) for row in probabilities], way
        assert answer["outputs"]["label"] == ["BOOL", [2], label], way
    assert list(told["rest out"]["outputs"]) == ["probabilities"]
    assert told["rest out"]["outputs"] == {"probabilities": told["rest json"]["outputs"]["probabilities"]}
    assert "no rows" in told["rest error"]
    assert "400" in told["rest error"]


def test_triton_client(server: Process) -> None:
    """Metadata, binary tensors both ways, a version, classes and errors, over HTTP and gRPC."""
    told = heard(server, "triton_client.py")
    probabilities, label = own(server)
    for way in ("http", "grpc"):
        answer = told[way]
        assert [answer[k] for k in ("live", "ready", "model ready")] == [True] * 3, way
        assert answer["server"]["name"] == "trueline"
        inputs = [(t["name"], t["datatype"], [int(n) for n in t["shape"]]) for t in answer["metadata"]["inputs"]]
        assert inputs == [("fare", "FP64", [-1]), ("company", "BYTES", [-1])]
        assert answer["all"]["probabilities"] == [pytest.approx(row, rel=1e-6) for row in probabilities]
        assert answer["all"]["label"] == label
        assert [text.partition(":")[2] for text in answer["classes"]] == ["1:true", "0:false"]
        assert "no model 'bus'" in answer["error"]
