"""Fixtures: models on disk, base directories, servers as processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving_helpers import Process, publish, taxi_graph, write_model


@pytest.fixture(scope="session")
def taxi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model over fare and company."""
    return write_model(tmp_path_factory.mktemp("models") / "taxi", taxi_graph())


@pytest.fixture(scope="session")
def taxi_other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with another bias: its answers tell it apart."""
    return write_model(tmp_path_factory.mktemp("models") / "taxi_other", taxi_graph(bias=2.0))


@pytest.fixture
def base(tmp_path: Path, taxi: Path) -> Path:
    """A base directory with version 1."""
    publish(taxi, tmp_path / "base", 1)
    return tmp_path / "base"


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts servers as processes; all are ended after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(base: Path | None, *arguments: str, name: str = "taxi", wait: bool = True) -> Process:
        ready, log = tmp_path / f"ready-{len(started)}.json", tmp_path / f"log-{len(started)}.txt"
        models = ["--model", f"{name}={base}"] if base is not None else []
        command = [sys.executable, "-m", "trueline.serving", *models, "--port", "0"]
        with log.open("wb") as handle:
            popen = subprocess.Popen(
                [*command, "--poll-seconds", "0.05", "--ready-file", str(ready), *arguments],
                stdout=handle,
                stderr=subprocess.STDOUT,
            )
        started.append(popen)
        deadline = time.monotonic() + 30
        while wait and not ready.exists():
            assert popen.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        port = json.loads(ready.read_text())["port"] if wait else 0
        return Process(popen, f"http://127.0.0.1:{port}", port, log)

    yield start
    for popen in started:
        if popen.poll() is None:
            popen.kill()
        popen.wait()
