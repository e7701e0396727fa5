"""Versions from other places than a folder: an S3 endpoint, ``memory://``, plugs; local copies and their end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from serving_helpers import publish, running, until

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline.serving.config import AllVersions, Latest, ModelConfig, ServerConfig
from trueline.serving.copies import Copies
from trueline.serving.manager import ModelManager
from trueline.serving.options import ServerOptions
from trueline.serving.scan import Candidate, scan_base
from trueline.serving.sources import RemoteDirectory


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    moto_server = pytest.importorskip("moto.server")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of its own, reached as a user would: by environment variables alone."""
    pytest.importorskip("s3fs")
    import fsspec

    settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**settings, "FSSPEC_S3_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(fsspec.config.conf, "s3", {})
    fsspec.config.set_conf_env(fsspec.config.conf)
    fsspec.filesystem("s3").clear_instance_cache()
    bucket = f"b{uuid.uuid4().hex}"
    fsspec.filesystem("s3").mkdir(bucket)
    yield f"s3://{bucket}"
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.fixture(params=["s3", "memory"])
def remote(request: pytest.FixtureRequest) -> str:
    """A base in each kind of store."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/models/taxi"
    return f"memory://{uuid.uuid4().hex}/taxi"


def copies_in(cache: Path) -> list[str]:
    """What lies in the folders of copies, the locks aside."""
    return sorted(p.name for p in cache.glob("trueline-models-*/*") if p.name != "lock")


def test_versions_of_an_object_store_are_copied_served_swapped_and_removed(
    remote: str, taxi: Path, taxi_other: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    store.copy_tree(str(taxi), f"{remote}/1")
    store.write_text(f"{remote}/readme.txt", "no version")
    store.write_text(f"{remote}/tmp/x", "no version either")

    async def main() -> None:
        async with running({"taxi": remote}, cache_dir=str(cache), poll_seconds=0.1) as (app, client):  # type: ignore[dict-item]
            answer = await client.post("/v1/models/taxi:predict", json={"instances": [{}]})
            assert (answer.json()["predictions"][0]["label"], answer.headers["x-model-version"]) == (False, "1")
            assert copies_in(cache) == ["1"]
            names = sorted(os.listdir(taxi_other), key=lambda n: (n != "MANIFEST.json", n))
            for name in names:  # the manifest first: the version is whole only with its last file
                store.write_bytes(f"{remote}/2/{name}", (taxi_other / name).read_bytes())
                if name != names[-1]:
                    await app.manager.refresh("taxi")
                    assert app.manager.table["taxi"].default.number == 1
            await until(lambda: app.manager.table["taxi"].default.number == 2)
            answer = await client.post("/v1/models/taxi:predict", json={"instances": [{}]})
            assert answer.json()["predictions"][0]["label"] is True
            await until(lambda: copies_in(cache) == ["2"])
        await until(lambda: os.listdir(cache) == [])

    asyncio.run(main())


def test_a_version_that_changed_on_its_way_is_not_served_and_leaves_no_copy(
    remote: str, taxi: Path, tmp_path: Path
) -> None:
    store.copy_tree(str(taxi), f"{remote}/1")
    store.copy_tree(str(taxi), f"{remote}/2")
    data = (taxi / "model.onnx").read_bytes()
    store.write_bytes(f"{remote}/2/model.onnx", data[:-1] + bytes([data[-1] ^ 1]))
    events: list[tuple[str, Mapping[str, Any]]] = []

    async def main() -> None:
        config = ServerConfig((ModelConfig("taxi", remote),))
        options = ServerOptions(poll_seconds=-1, cache_dir=str(tmp_path))
        manager = ModelManager(config, options, lambda name, facts: events.append((name, facts)))
        await manager.refresh("taxi")
        assert sorted(manager.table["taxi"].versions) == [1]
        assert "model.onnx has other contents than were written" in manager.tracked["taxi"][2].error
        assert len(copies_in(tmp_path)) == 1
        store.remove_tree(remote)
        await manager.refresh("taxi")
        assert "does not exist" in manager.scan_errors["taxi"]
        assert sorted(manager.table["taxi"].versions) == [1]
        await manager.stop()
        await until(lambda: os.listdir(tmp_path) == [])

    asyncio.run(main())
    assert [name for name, _ in events] == ["load_failed", "available", "scan_failed"]


def test_a_manifest_that_names_paths_outside_copies_nothing_there(tmp_path: Path) -> None:
    base = f"memory://{uuid.uuid4().hex}/taxi"
    store.write_text(f"{base}/1/MANIFEST.json", '{"format": 1, "kind": "Model", "format_version": 1, "files": '
                     '[{"path": "../../evil", "size": 1, "sha256": ""}], "fingerprint": ""}')  # fmt: skip
    assert RemoteDirectory(base).scan() == {}
    copies = Copies(str(tmp_path / "cache"))
    with pytest.raises(ArtifactError, match="outside the artifact"):
        copies.fetch(Candidate(1, f"{base}/1", "x"))
    copies.close()
    assert not list(tmp_path.rglob("evil"))


def test_an_unchanged_store_is_listed_and_not_read(monkeypatch: pytest.MonkeyPatch, taxi: Path) -> None:
    base = f"memory://{uuid.uuid4().hex}/taxi"
    for number in ("1", "007"):
        store.copy_tree(str(taxi), f"{base}/{number}")
    source = RemoteDirectory(base)
    first = source.scan()
    assert sorted(first) == [1, 7] == sorted(scan_base(base))
    monkeypatch.setattr(store, "open_uri", None)
    assert source.scan() == first


def test_the_copies_of_a_killed_server_are_removed_by_the_next_one(tmp_path: Path, taxi: Path) -> None:
    code = """
import os, sys
from trueline.serving.copies import Copies
from trueline.serving.scan import Candidate
Copies(sys.argv[1]).fetch(Candidate(1, sys.argv[2], "x"))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path), str(taxi)], check=False, timeout=60)
    assert copies_in(tmp_path) == ["1"]
    living = Copies(str(tmp_path))
    copy = living.fetch(Candidate(1, str(taxi), "x"))
    assert copies_in(tmp_path) == ["1"]
    other = Copies(str(tmp_path))
    other.fetch(Candidate(1, str(taxi), "x"))
    assert copies_in(tmp_path) == ["1", "1"], "what a living server uses stays"
    other.close()
    assert Path(copy, "MANIFEST.json").is_file()
    living.close()
    assert os.listdir(tmp_path) == []


def test_a_full_disk_keeps_the_old_version_and_leaves_no_half_copy(tmp_path: Path, taxi: Path) -> None:
    code = """
import asyncio, resource, sys
from trueline._core import store
from trueline.serving.config import ServerConfig
from trueline.serving.manager import ModelManager
from trueline.serving.options import ServerOptions
async def main(model, cache):
    options = ServerOptions(poll_seconds=-1, cache_dir=cache)
    manager = ModelManager(ServerConfig.of({"taxi": "memory://m/taxi"}), options)
    store.copy_tree(model, "memory://m/taxi/1")
    await manager.refresh("taxi")
    store.copy_tree(model, "memory://m/taxi/2")
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    await manager.refresh("taxi")
    print(sorted(manager.table["taxi"].versions), "cannot be copied here" in manager.tracked["taxi"][2].error)
    answer = manager.table["taxi"].default.live.runtime.predict_rows([{}])
    print(answer["label"].tolist())
asyncio.run(main(*sys.argv[1:]))
"""
    words = [sys.executable, "-c", code, str(taxi), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "[1] True\n[False]\n", done.stdout + done.stderr
    assert copies_in(tmp_path) == ["1"]


def test_a_plug_brings_versions_from_anywhere(taxi: Path, taxi_other: Path) -> None:
    class Chosen:
        """One version at a time, whatever its number."""

        def __init__(self, text: str) -> None:
            self.text = text
            self.now: dict[int, Candidate] = {}

        def scan(self) -> Mapping[int, Candidate]:
            if not self.now:
                raise LookupError(f"nothing chosen of {self.text}")
            return self.now

    made: list[Chosen] = []

    def make(text: str) -> Chosen:
        made.append(Chosen(text))
        return made[-1]

    async def main() -> None:
        config = ServerConfig((ModelConfig("taxi", "chosen:by@hand", Latest()),))
        manager = ModelManager(config, ServerOptions(poll_seconds=-1), plugs={"chosen": make})
        await manager.refresh("taxi")
        assert manager.scan_errors["taxi"] == "LookupError: nothing chosen of by@hand"
        made[0].now = {1700: Candidate(1700, str(taxi), "a")}
        await manager.refresh("taxi")
        assert sorted(manager.table["taxi"].versions) == [1700]
        made[0].now = {12: Candidate(12, str(taxi_other), "b")}
        await manager.refresh("taxi")  # a lower number may follow a higher one
        assert sorted(manager.table["taxi"].versions) == [12]
        await manager.apply(ServerConfig((ModelConfig("taxi", "chosen:by@hand", AllVersions()),)))
        assert len(made) == 1, "the same source is asked on"
        await manager.stop()

    asyncio.run(main())


def test_a_server_of_local_models_loads_no_fsspec(base: Path) -> None:
    code = """
import asyncio, sys
from trueline.serving import create_app
async def main():
    app = create_app({"taxi": sys.argv[1]})
    await app.startup()
    while not app.ready:
        await asyncio.sleep(0.01)
    await app.shutdown()
asyncio.run(main())
print([m for m in ("fsspec", "sqlalchemy", "google.protobuf", "click") if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(base)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


def test_publish_and_scan_agree(tmp_path: Path, taxi: Path) -> None:
    """The helper's base is seen the same as a folder and as a URL of this machine."""
    publish(taxi, tmp_path / "base", 3)
    assert sorted(scan_base(f"file://{tmp_path}/base")) == sorted(scan_base(str(tmp_path / "base"))) == [3]
