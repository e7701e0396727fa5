"""Containers as components. Without a daemon a stand-in for the outside tool `docker` runs the commands, see
`fake_docker`; `test_a_real_container` is for machines with a daemon."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from container_lines import handle, line, shell

from trueline._core.errors import ArtifactError, ConfigError, EngineError
from trueline.metadata import MetadataStore
from trueline.metadata.run_control import request_cancel
from trueline.pipeline import ExecutionContext, Resources, Secret, create_container_component
from trueline.pipeline.artifacts import JsonValue, Schema
from trueline.pipeline.container_run import command_line, execute, find_tool
from trueline.pipeline.placeholders import exec_property, input, output
from trueline.runners import LocalRunner

HERE = Path(__file__).parent


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the stand-in notes what it was asked; it is the only `docker` on the path."""
    home = tmp_path / "docker"
    home.mkdir()
    tool = home / "docker"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{HERE / "fake_docker.py"}" "$@"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("FAKE_DOCKER", str(home))
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")
    return home


def calls(home: Path, verb: str) -> list[list[str]]:
    found = [json.loads(text) for text in (home / "calls.jsonl").read_text().splitlines()]
    return [arguments for arguments in found if arguments[0] == verb]


def flags(arguments: list[str], name: str) -> list[str]:
    return [arguments[i + 1] for i, text in enumerate(arguments) if text == name]


def wait_for(what: Any) -> Any:
    for _ in range(400):
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_container_reads_its_input_and_fills_its_output(docker: Path, root: Path) -> None:
    result = LocalRunner().run(line(root, steps=7))
    assert result.ok, result.message
    assert result.nodes["read"].found == {"result": '{"rows": 3} 7\n'}
    (called,) = calls(docker, "run")
    node = result.nodes["Copy"]
    read, written = flags(called, "--mount")
    assert read.endswith(",readonly")
    assert written == f"type=bind,source={node.outputs['schema'][0].uri},target={node.outputs['schema'][0].uri}"
    assert flags(called, "--name") == [f"trueline-{node.execution_id}-{result.run_id}"]
    assert flags(called, "--user") == [f"{os.getuid()}:{os.getgid()}"]
    assert "--rm" in called
    assert not flags(called, "--network")
    assert "steps 7" in Path(node.log or "").read_text()
    assert not calls(docker, "kill")
    again = LocalRunner().run(line(root, steps=7))
    assert again.nodes["Copy"].state == "CACHED"


def test_secrets_and_limits_reach_the_container_but_no_command_line_and_no_log(
    docker: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "s3cr3t-t0ken")
    kind = shell('echo "it is $TOKEN of $MODE"; test "$UNNAMED" = "" && echo "$TOKEN" | wc -c > "$2/schema.pbtxt"')
    monkeypatch.setenv("UNNAMED", "stays outside")
    settings = {
        "environment": {"TOKEN": Secret("VAULT_TOKEN"), "MODE": "test"},
        "resources": Resources(cpu=0.5, memory="1.5Gi", gpu=1),
    }
    result = LocalRunner().run(line(root, kind, settings))
    assert result.ok, result.message
    assert str(result.nodes["read"].found["result"]).strip() == "13"
    (called,) = calls(docker, "run")
    assert flags(called, "--env") == ["TOKEN", "MODE"]
    assert (flags(called, "--cpus"), flags(called, "--memory"), flags(called, "--gpus")) == (
        ["0.5"],
        ["1610612736"],
        ["1"],
    )
    assert "it is *** of test" in Path(result.nodes["Copy"].log or "").read_text()
    kept = b"".join(path.read_bytes() for place in (root, docker) for path in place.rglob("*") if path.is_file())
    assert b"s3cr3t-t0ken" not in kept


def test_a_container_that_fails_says_its_last_lines(docker: Path, root: Path) -> None:
    result = LocalRunner().run(line(root, shell("seq 30; echo no such column >&2; exit 4")))
    message = result.nodes["Copy"].message or ""
    assert "the container ended with status 4" in message
    assert "  - no such column" in message
    assert "  - 12\n" in message
    assert "  - 11\n" not in message
    assert result.nodes["read"].state == "SKIPPED"
    assert not calls(docker, "kill")


@pytest.mark.slow
def test_a_container_ends_with_its_time_and_with_a_cancelled_run(docker: Path, root: Path) -> None:
    hanging = shell("echo begun; sleep 60")
    result = LocalRunner().run(line(root, hanging, {"timeout": 2.5}))
    assert "timed out after 2.5 s" in (result.nodes["Copy"].message or "")
    (first,) = calls(docker, "run")
    name = flags(first, "--name")[0]
    pid = int((docker / f"{name}.pid").read_text())
    wait_for(lambda: not is_there(pid))
    assert calls(docker, "kill") == [["kill", name]]
    pipeline = line(root, hanging)
    canceller = threading.Thread(target=cancel_second, args=(docker, pipeline.metadata))
    canceller.start()
    assert LocalRunner().run(pipeline, run_id="second").status == "CANCELED"
    canceller.join()
    begun = [int(path.read_text()) for path in docker.glob("*.pid")]
    assert len(begun) == 2
    wait_for(lambda: not any(is_there(pid) for pid in begun))


def cancel_second(docker: Path, metadata: str) -> None:
    """Asks for the run's end once its container is there."""
    wait_for(lambda: len(list(docker.glob("*.pid"))) == 2)
    store = MetadataStore(metadata)
    request_cancel(store, "second")
    store.close()


@pytest.mark.slow
def test_a_container_does_not_outlive_a_launcher_that_was_killed(docker: Path, root: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from container_lines import line, shell\n"
        "from trueline.runners import LocalRunner\n"
        "if __name__ == '__main__': LocalRunner().run(line(Path(sys.argv[1]), shell('sleep 60')))\n"
    )
    (HERE_SCRIPT := root.parent / "launch.py").write_text(script)
    child = subprocess.Popen([sys.executable, str(HERE_SCRIPT), str(root)], env={**os.environ, "PYTHONPATH": str(HERE)})
    (place,) = wait_for(lambda: list(docker.glob("*.pid")))
    pid = int(wait_for(place.read_text))
    assert is_there(pid)
    child.kill()
    child.wait()
    wait_for(lambda: not is_there(pid))


def test_no_tool_and_no_daemon_are_said(docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_tool() == str(docker / "docker")
    (docker / "no-daemon").touch()
    monkeypatch.setenv("PATH", str(docker))
    with pytest.raises(EngineError, match=r"docker cannot be used[\s\S]*Cannot connect to the Docker daemon"):
        find_tool()
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(EngineError, match="neither docker nor podman"):
        find_tool()


def context(tmp_path: Path, **changes: Any) -> ExecutionContext:
    params = {"container_image": "busybox", "container_command": ["true"], **changes.pop("params", {})}
    return ExecutionContext(**{"inputs": {}, "outputs": {}, "params": params, "run_id": "r 1/x", **changes})


def test_an_artifact_elsewhere_is_refused(docker: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"s3://bucket/data.*local folders alone"):
        execute(context(tmp_path, inputs={"data": [handle("s3://bucket/data")]}))
    assert not (docker / "calls.jsonl").exists()


def test_command_lines(tmp_path: Path) -> None:
    folder = tmp_path / 'a,b "c"'
    mounts = [f'type=bind,"source={folder}"']
    made = command_line(context(tmp_path, params={"container_network": "none"}), "/x/podman", "n", mounts)
    assert flags(made, "--network") == ["none"]
    assert flags(made, "--mount") == mounts
    assert made[-3:] == ["--entrypoint", "true", "busybox"]
    with pytest.raises(ConfigError, match=r"command\[0\] came to \[1\]"):
        command_line(context(tmp_path, params={"container_command": [[1]]}), "docker", "n", [])
    with pytest.raises(ConfigError, match="image came to '--privileged'"):
        command_line(context(tmp_path, params={"container_image": "--privileged"}), "docker", "n", [])
    with pytest.raises(ConfigError, match="memory is 'much'"):
        command_line(context(tmp_path, params={"container_resources": {"memory": "much"}}), "docker", "n", [])


def test_odd_folders_are_mounted_whole(docker: Path, tmp_path: Path) -> None:
    assert LocalRunner().run(line(tmp_path / 'a,b "c" = d')).ok
    assert len(calls(docker, "run")) == 1


def test_all_that_is_wrong_with_a_component_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        create_container_component(
            name="no name",
            image="",
            command=["x", input("dat").uri, output("nothing").uri + exec_property("stepz"), 3],  # type: ignore[list-item]
            inputs={"data": JsonValue, "container_image": JsonValue},
            outputs={"data": Schema, "odd": str},  # type: ignore[dict-item]
            parameters={"steps": int, "when": complex},
        )
    told = str(caught.value)
    for part in ("Python takes", "image is ''", "'odd'", "'when' has the type complex", "'data' is named twice"):
        assert part in told
    for part in (
        "'container_image' is a name",
        "the input 'dat'",
        "the output 'nothing'",
        "'stepz'",
        "command[3] is 3",
    ):
        assert part in told


def test_wrong_arguments_are_reported_by_the_pipeline(root: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        line(root, steps="many", stepz=3)
    assert "argument 'steps' takes int, but was given 'many'" in str(caught.value)
    assert "no argument 'stepz'. Did you mean 'steps'?" in str(caught.value)


def _daemon() -> str | None:
    for tool in ("docker", "podman"):
        if shutil.which(tool) and subprocess.run([tool, "info"], capture_output=True, timeout=60).returncode == 0:
            return tool
    return None


@pytest.mark.slow
def test_a_real_container(root: Path) -> None:
    """What no stand-in shows: an image, a read-only input, a user that owns what was written."""
    if _daemon() is None:
        pytest.skip("NOT TESTED: no docker or podman daemon answers here, so that no real container was run")
    result = LocalRunner().run(line(root, steps=7))
    assert result.ok, result.message
    assert result.nodes["read"].found == {"result": '{"rows": 3} 7\n'}
    written = Path(result.nodes["Copy"].outputs["schema"][0].uri) / "schema.pbtxt"
    assert written.stat().st_uid == os.getuid()
    refused = LocalRunner().run(line(root, shell('echo x > "$1/value"')))
    assert "Read-only file system" in (refused.nodes["Copy"].message or "")
