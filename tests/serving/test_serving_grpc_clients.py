"""TensorFlow Serving's official Python stubs talk to the server: every method of both services."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_grpc_helpers import regression_model
from serving_helpers import Process, publish

from trueline._core.runtime import ModelRuntime

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venvs" / "serving_clients" / "bin" / "python"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="scripts/serving_clients_env.sh makes the environment of the stubs"),
]


def test_official_stubs(
    base: Path, taxi: Path, taxi_other: Path, tmp_path: Path, start_server: Callable[..., Process]
) -> None:
    publish(taxi_other, base, 2)
    regression_model(tmp_path / "fares" / "1")
    arguments = ["--model", f"fares={tmp_path / 'fares'}", "--num-versions", "2", "--grpc-port", "0"]
    server = start_server(base, *arguments, "--grpc-reload-root", str(tmp_path))
    port = next(e for e in server.events() if e["event"] == "listening")["grpc_port"]
    after = f"taxi={base},more={tmp_path / 'fares'}"
    command = [str(PYTHON), str(ROOT / "tests/serving/tfs_clients/stubs_client.py"), f"127.0.0.1:{port}", "1"]
    done = subprocess.run([*command, "fares", after], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)

    columns = {"fare": [3.5, -20.0], "company": ["Flash", "Other"]}
    own = ModelRuntime.load(str(taxi)).predict_columns(columns)
    assert told["predict"]["model"] == ["taxi", 1, "serving_default"]
    assert np.array(told["predict"]["probabilities"], np.float32).tobytes() == own["probabilities"].tobytes()
    assert told["predict"]["label"] == own["label"].tolist()
    scores = np.array([[score for _, score in row] for row in told["classify"]], np.float32)
    assert scores.tobytes() == own["probabilities"].tobytes()
    assert [[label for label, _ in row] for row in told["classify"]] == [["false", "true"]] * 2
    assert told["regress"] == [3.5, -20.0]
    other = ModelRuntime.load(str(taxi_other)).predict_columns(columns)["probabilities"]
    for result in told["multi_inference"]:
        assert np.array([[s for _, s in row] for row in result], np.float32).tobytes() == other.tobytes()
    assert told["metadata"] == {"fare": "DT_DOUBLE", "company": "DT_STRING"}
    assert told["status"] == [[2, "AVAILABLE", ""], [1, "AVAILABLE", ""]]
    assert told["refusals"] == {
        "unknown model": "NOT_FOUND",
        "unknown label": "INVALID_ARGUMENT",
        "unknown signature": "FAILED_PRECONDITION",
        "no model": "INVALID_ARGUMENT",
    }
    assert told["reload"] == [0, ""]
    assert server.stop() == 0
