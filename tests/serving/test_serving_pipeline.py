"""``trueline serve``: the newest blessed model of a pipeline, a file of models, a folder; and what people are told."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from serving_helpers import publish, write_model

sys.path.insert(0, str(Path(__file__).parents[1]))
from registry_world import World

from trueline._core import store as files
from trueline._core.errors import MetadataError
from trueline._core.manifest import read_manifest
from trueline.cli.serve import serve
from trueline.cli.serve_pipeline import PipelineModels, plugs_of
from trueline.metadata import Artifact, ArtifactState
from trueline.metadata.model_releases import release
from trueline.metadata.promotion import promote
from trueline.serving.config import ModelConfig, ServerConfig
from trueline.serving.manager import ModelManager
from trueline.serving.options import ServerOptions


class Real(World):
    """Runs whose Trainer puts out a model that a server can load: the folder `model`."""

    model: Path

    def _artifact(
        self, node: str, key: str, place: int, kind: str, contents: Mapping[str, str], properties: Mapping[str, Any]
    ) -> Artifact:
        if kind != "Model":
            return super()._artifact(node, key, place, kind, contents, properties)
        uri = files.join(self.root, node, key, str(place))
        shutil.copytree(self.model, uri)
        custom = {**properties, "__fingerprint__": read_manifest(uri).fingerprint}
        return Artifact(kind, uri, ArtifactState.LIVE, custom_properties=custom)


@pytest.fixture
def world(tmp_path: Path, taxi: Path) -> Iterator[Real]:
    made = Real(tmp_path)
    made.model = taxi
    yield made
    made.store.close()


def only(source: PipelineModels) -> tuple[int, str]:
    """The number and folder of what is to be served."""
    ((number, candidate),) = source.scan().items()
    assert number == candidate.number
    return number, candidate.uri


def test_the_newest_blessed_model_is_served_by_the_number_of_its_push_or_its_execution(
    world: Real, taxi_other: Path
) -> None:
    first = world.run(push="serving")
    source = PipelineModels("taxi", world.url)
    version = int(next((Path(world.root) / ".." / "serving").resolve().iterdir()).name)
    assert only(source) == (version, world.uri(first["model"]))
    world.run(span=2, blessed=False)
    world.run(span=3, blessed=None, push=None)
    world.run("other", span=4)
    world.run(span=5, sample=10)
    assert only(source) == (version, world.uri(first["model"])), "unblessed, unjudged, foreign and sampled do not count"
    world.model = taxi_other
    second = world.run(span=6, push=None)
    number, uri = only(source)
    assert uri == world.uri(second["model"])
    execution = next(e.execution_id for e in world.store.events(artifact_ids=[second["model"]]))
    assert number == execution < version
    world.push(world.last, second, "serving")
    assert only(source)[0] > version, "once it is pushed it goes by that number"
    world.judge(world.last, second, False, {"auc": 0.5})
    assert only(source) == (version, world.uri(first["model"])), "blessed once and refused later is refused"


def test_an_alias_names_the_model(world: Real, taxi_other: Path) -> None:
    first = world.run()
    world.model = taxi_other
    second = world.run(span=2)
    for done in (first, second):
        release(world.store, done["model"])
    source = PipelineModels("taxi@champion", world.url)
    with pytest.raises(MetadataError, match="has no release 'champion'"):
        source.scan()
    promote(world.store, "taxi", "1.0.0", alias="champion")
    assert only(source)[1] == world.uri(first["model"])
    assert only(PipelineModels("taxi@1.0.1", world.url))[1] == world.uri(second["model"])
    promote(world.store, "taxi", "1.0.1", alias="champion")
    assert only(source)[1] == world.uri(second["model"])


def test_what_is_not_there_is_told_and_what_was_served_is_served_on(world: Real, tmp_path: Path) -> None:
    done = world.run(push=None)
    with pytest.raises(MetadataError, match=r"no pipeline 'taxo'.*\n.*Did you mean 'taxi'"):
        PipelineModels("taxo", world.url).scan()
    with pytest.raises(MetadataError):
        PipelineModels("taxi", str(tmp_path / "none.db")).scan()

    async def main() -> None:
        config = ServerConfig((ModelConfig("t", "pipeline:taxi"),))
        manager = ModelManager(config, ServerOptions(poll_seconds=-1), plugs=plugs_of(world.url))
        await manager.refresh("t")
        (number,) = manager.table["t"].versions
        world.judge(world.last, done, False, {"auc": 0.5})
        await manager.refresh("t")
        assert "no model of pipeline 'taxi' is blessed" in manager.scan_errors["t"]
        assert list(manager.table["t"].versions) == [number]
        await manager.stop()

    asyncio.run(main())


def run(*arguments: str) -> Any:
    return CliRunner().invoke(serve, list(arguments), standalone_mode=False)


def test_one_thing_is_served(tmp_path: Path) -> None:
    folder = str(tmp_path)
    for words in (
        [],
        [folder, "--pipeline", "p"],
        ["--config", "f", "--pipeline", "p"],
        ["--config", "f", "--name", "x"],
    ):
        assert run(*words).exception.exit_code == 2
    assert "no such folder" in str(run(str(tmp_path / "none")).exception)


Serve = Callable[..., tuple["subprocess.Popen[str]", Path, Path]]


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Serve]:
    """Starts ``trueline serve`` as a process; its standard output and standard error are files."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], Path, Path]:
        out, err = tmp_path / f"out-{len(started)}", tmp_path / f"err-{len(started)}"
        with out.open("w") as told, err.open("w") as errors:
            line = [
                sys.executable,
                "-c",
                "from trueline.cli import main; raise SystemExit(main())",
                "serve",
                *arguments,
            ]
            line += ["--port", "0"]
            started.append(subprocess.Popen(line, stdout=told, stderr=errors, text=True, cwd=tmp_path))
        return started[-1], out, err

    yield start
    for popen in started:
        if popen.poll() is None:
            popen.kill()
        popen.wait()


def wait_for(process: subprocess.Popen[str], file: Path, text: str) -> str:
    deadline = time.monotonic() + 40
    while text not in file.read_text():
        assert process.poll() is None, file.read_text()
        assert time.monotonic() < deadline, file.read_text()
        time.sleep(0.02)
    return file.read_text()


def events(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]


def test_people_are_told_that_nothing_answers_yet_and_the_first_version_is_taken(
    tmp_path: Path, taxi: Path, command: Serve
) -> None:
    base = tmp_path / "taxi"
    base.mkdir()
    process, out, err = command(str(base), "--poll-seconds", "0.1")
    text = wait_for(process, err, "The server waits for one.")
    assert text == f"No version of taxi answers: there is no complete version in {base}. The server waits for one.\n"
    publish(write_model(tmp_path / "broken", b"no graph"), base, 1)
    wait_for(process, err, "Version 1 of taxi does not load: ONNX Runtime cannot load the graph")
    publish(taxi, base, 2)
    wait_for(process, out, '"ready"')
    port = next(e for e in events(out) if e["event"] == "ready")["port"]
    assert httpx.post(f"http://127.0.0.1:{port}/v1/models/taxi:predict", json={"instances": [{}]}).status_code == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_fail_fast_ends_with_1_and_the_reason(tmp_path: Path, command: Serve) -> None:
    base = tmp_path / "taxi"
    base.mkdir()
    process, _, err = command(str(base), "--fail-fast")
    assert process.wait(40) == 1
    assert err.read_text() == f"No version of taxi answers: there is no complete version in {base}\n"


@pytest.mark.slow
def test_a_pipeline_is_served_and_followed(world: Real, taxi_other: Path, command: Serve) -> None:
    world.run(push=None)
    process, out, err = command("--pipeline", "taxi", "--metadata", world.url, "--poll-seconds", "0.1", "--json")
    wait_for(process, out, '"ready"')
    port = next(e for e in events(out) if e["event"] == "ready")["port"]
    ask = f"http://127.0.0.1:{port}/v1/models/taxi:predict"
    assert httpx.post(ask, json={"instances": [{}]}).json()["predictions"][0]["label"] is False
    world.model = taxi_other
    world.run(span=2)
    wait_for(process, out, '"unloaded"')
    assert httpx.post(ask, json={"instances": [{}]}).json()["predictions"][0]["label"] is True
    assert "Serving taxi from pipeline:taxi" in err.read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
