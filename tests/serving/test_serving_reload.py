"""The file of models while a server runs: read again when it changes, on SIGHUP; wrong files change nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving_helpers import Process, publish, until, write_model

from trueline._core.errors import TruelineError
from trueline.serving.config_file import read_config_file
from trueline.serving.manager import ModelManager
from trueline.serving.options import ServerOptions
from trueline.serving.reload import ConfigFile

Events = list[tuple[str, Mapping[str, Any]]]


def put(file: Path, *models: str) -> None:
    """Writes a file of models at once."""
    part = file.with_suffix(".part")
    part.write_text("model_config_list {" + "".join(f"config {{ {model} }}" for model in models) + "}")
    os.replace(part, file)


def model(name: str, base: Path, more: str = "") -> str:
    return f'name: "{name}" base_path: "{base}" model_platform: "tensorflow" {more}'


def test_a_file_that_changes_is_applied_and_a_wrong_one_is_not(base: Path, tmp_path: Path, taxi: Path) -> None:
    file, events = tmp_path / "models.config", []
    second = tmp_path / "second"
    put(file, model("taxi", base))

    async def main() -> None:
        def on_event(name: str, facts: Mapping[str, Any]) -> None:
            events.append((name, facts))

        options = ServerOptions(poll_seconds=0, retry_seconds=0.05)
        manager = ModelManager(read_config_file(str(file)), options, on_event)
        manager.start()
        await until(lambda: manager.ready)
        followed = ConfigFile(str(file), manager, options, on_event)
        polling = asyncio.ensure_future(followed.poll(0.02))
        await asyncio.sleep(0.1)
        assert [name for name, _ in events] == ["available"], "an unchanged file is not applied"
        table = manager.table
        put(file, model("taxi", base), "name: 7")
        await until(lambda: any(name == "configuration_failed" for name, _ in events))
        file.unlink()
        await asyncio.sleep(0.1)
        put(file, model("taxi", base), model("new", second))
        await until(lambda: any("does not exist" in facts.get("error", "") for _, facts in events))
        assert manager.table is table
        publish(taxi, second, 4)  # the file is tried again though it did not change
        await until(lambda: "new" in manager.table)
        assert sorted(manager.config.by_name) == ["new", "taxi"]
        polling.cancel()
        publish(taxi, base, 2)
        await followed.reload()  # an unchanged file is a look at every source
        assert sorted(manager.table["taxi"].versions) == [2]
        file.write_text("{")
        with pytest.raises(TruelineError, match="in text format"):
            await followed.reload()
        await manager.stop()

    asyncio.run(main())
    first = next(facts for name, facts in events if name == "configuration_failed")
    assert "line 1, column" in first["error"]


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a server on a file of models as a process."""
    started: list[subprocess.Popen[bytes]] = []

    def start(file: Path, *arguments: str) -> Process:
        ready, log = tmp_path / "ready.json", tmp_path / "log.txt"
        command = [sys.executable, "-m", "trueline.serving", "--model_config_file", str(file), "--port", "0"]
        with log.open("wb") as handle:
            command += ["--poll-seconds", "0.05", "--ready-file", str(ready), *arguments]
            started.append(subprocess.Popen(command, stdout=handle, stderr=subprocess.STDOUT))
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert started[-1].poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        port = json.loads(ready.read_text())["port"]
        return Process(started[-1], f"http://127.0.0.1:{port}", port, log)

    yield start
    for popen in started:
        if popen.poll() is None:
            popen.kill()
        popen.wait()


def eventually(server: Process, name: str, count: int = 1) -> list[dict[str, Any]]:
    """Waits for events of a name."""
    deadline = time.monotonic() + 20
    while len(found := [e for e in server.events() if e["event"] == name]) < count:
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.02)
    return found


def test_sighup_and_the_poll_reload_a_server_without_a_failed_request(
    base: Path, tmp_path: Path, taxi: Path, taxi_other: Path, follow: Callable[..., Process]
) -> None:
    file = tmp_path / "models.config"
    for number in (1, 2, 3):
        publish(taxi_other, tmp_path / "second", number)
    put(file, model("taxi", base))
    server = follow(file, "--model_config_file_poll_wait_seconds", "0.1")
    policy = "model_version_policy { all {} } version_labels { key: 'stable' value: 2 }"
    with httpx.Client(base_url=server.url) as client:

        def ask(path: str) -> int:
            return client.post(f"/v1/models/{path}:predict", json={"instances": [{}]}).status_code

        assert (ask("taxi"), ask("second")) == (200, 404)
        put(file, model("taxi", base), model("second", tmp_path / "second", policy))
        server.popen.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while ask("second") != 200:
            assert ask("taxi") == 200
            assert time.monotonic() < deadline, server.log.read_text()
        assert ask("second/labels/stable") == 200
        assert ask("second/versions/1") == 200
        write_model(tmp_path / "broken" / "1", b"no graph")
        put(file, model("taxi", base), model("broken", tmp_path / "broken"))
        assert "did not become available" in eventually(server, "configuration_failed")[0]["error"]
        assert (ask("taxi"), ask("second"), ask("broken")) == (200, 200, 404)
        put(file, model("second", tmp_path / "second"))
        eventually(server, "unloaded", 3)
        assert (ask("taxi"), ask("second")) == (404, 200)
        assert ask("second/labels/stable") == 400
    assert server.stop() == 0
