"""The Pusher pushes what every blessing allows, all at once or not at all, and the same model only once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trueline._core.errors import ArtifactError
from trueline._core.manifest import read_manifest, write_manifest
from trueline.components import Pusher
from trueline.components.pusher import execute, push_model, pushed_versions
from trueline.pipeline import Importer, Pipeline
from trueline.pipeline.artifacts import Model
from trueline.runners import LocalRunner

MODEL = {"model.onnx": b"graph", "model.json": b"{}", "native/trees.json": b"[]"}
BLESSINGS = ["model_blessing", "infra_blessing"]


def blessing(artifact, name, *, blessed, model, reason=""):
    kind = {"model_blessing": "ModelBlessing", "infra_blessing": "InfraBlessing"}[name]
    return artifact(kind, {}, 50, blessed=blessed, current_model_fingerprint=model, reason=reason)


def pusher_context(context, model, destination, given, needs=tuple(BLESSINGS)):
    inputs = {"model": [model], **{name: [given[name]] if name in given else [] for name in BLESSINGS}}
    params = {"push_destination": str(destination), "needs": list(needs)}
    return context(params, inputs, {"pushed_model": "PushedModel"})


def test_a_blessed_model_is_pushed_whole_under_a_whole_number(artifact, context, tmp_path):
    model = artifact("Model", MODEL, 7)
    given = {name: blessing(artifact, name, blessed=1, model=model.fingerprint) for name in BLESSINGS}
    ctx = pusher_context(context, model, tmp_path / "serving", given)
    execute(ctx)
    (version,) = pushed_versions(str(tmp_path / "serving"))
    copied = tmp_path / "serving" / str(version)
    assert read_manifest(str(copied), "sha256").fingerprint == read_manifest(model.uri).fingerprint
    assert [path.name for path in (tmp_path / "serving").iterdir()] == [str(version)]
    assert ctx.gate is None
    assert ctx.outputs["pushed_model"].properties == {
        "pushed": 1,
        "pushed_destination": str(tmp_path / "serving"),
        "pushed_version": str(version),
    }
    assert ctx.found == {"pushed": True, "version": str(version)}


@pytest.mark.parametrize("closed", BLESSINGS)
@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"blessed": 0, "model": "same", "reason": "The AUC is too low."}, "the AUC is too low."),
        ({"blessed": 0, "model": "same"}, "says no"),
        ({"blessed": 1, "model": "f0"}, "speaks of another model"),
        (None, "is not there"),
    ],
)
def test_any_blessing_that_does_not_say_yes_closes_the_gate(artifact, context, tmp_path, closed, state, said):
    model = artifact("Model", MODEL, 7)
    given = {name: blessing(artifact, name, blessed=1, model=model.fingerprint) for name in BLESSINGS if name != closed}
    if state is not None:
        named = model.fingerprint if state["model"] == "same" else state["model"]
        given[closed] = blessing(artifact, closed, **{**state, "model": named})
    ctx = pusher_context(context, model, tmp_path / "serving", given)
    execute(ctx)
    assert not (tmp_path / "serving").exists()
    assert ctx.gate.startswith("Nothing was pushed: ")
    assert said in ctx.gate
    assert ctx.outputs["pushed_model"].properties == {"pushed": 0}
    record = json.loads(Path(ctx.outputs["pushed_model"].path("pushed.json")).read_text())
    assert record == {"pushed": False, "reason": ctx.gate}


def test_deleting_the_pushed_version_breaks_the_artifact(artifact, context, tmp_path):
    """So the cache sees it, and the next run pushes again instead of believing that a model is there."""
    ctx = pusher_context(context, artifact("Model", MODEL, 7), tmp_path / "serving", {}, needs=())
    execute(ctx)
    out = ctx.outputs["pushed_model"].uri
    write_manifest(out, "PushedModel")
    read_manifest(out, "sha256")
    shutil.rmtree(tmp_path / "serving")
    with pytest.raises(ArtifactError, match="is gone"):
        read_manifest(out, "size")


def test_without_wired_blessings_the_model_is_pushed(artifact, context, tmp_path):
    ctx = pusher_context(context, artifact("Model", MODEL, 7), tmp_path / "serving", {}, needs=())
    execute(ctx)
    assert len(pushed_versions(str(tmp_path / "serving"))) == 1


def test_the_same_model_is_not_pushed_twice_and_another_gets_a_higher_version(artifact, tmp_path):
    destination = str(tmp_path / "serving")
    one, two = artifact("Model", MODEL, 1), artifact("Model", {**MODEL, "model.onnx": b"other"}, 2)
    first, new = push_model(one.uri, destination)
    assert new
    assert push_model(one.uri, destination) == (first, False)
    second, new = push_model(two.uri, destination)
    assert new
    assert second > first
    # Going back to the first model is a new version: servers take the highest.
    third, new = push_model(one.uri, destination)
    assert new
    assert pushed_versions(destination) == [first, second, third]


def test_a_line_that_goes_back_to_an_earlier_model_pushes_it_again(tmp_path, artifact):
    """The Pusher's own cache entry says "pushed", and servers take the newest version: by then another one."""
    one, two = artifact("Model", MODEL, 1), artifact("Model", {**MODEL, "model.onnx": b"other"}, 2)
    destination = tmp_path / "serving"

    def push(model):
        found = Importer(source_uri=model.uri, artifact_type=Model, node_id="Candidate").outputs["result"]
        pushed = Pusher(model=found, push_destination=destination)
        return LocalRunner().run(Pipeline("line", [pushed], root=tmp_path / "root")).nodes["Pusher"]

    def newest():
        return read_manifest(str(destination / str(pushed_versions(str(destination))[-1])), "sha256").fingerprint

    assert [push(model).state for model in (one, one, two, two)] == ["COMPLETE", "CACHED", "COMPLETE", "CACHED"]
    first, second = pushed_versions(str(destination))
    assert newest() == two.fingerprint
    back = push(one)
    assert back.state == "COMPLETE"
    assert back.cached_reason == f"version {second} in {destination} has replaced version {first}"
    assert newest() == one.fingerprint
    assert push(one).state == "CACHED"


def test_a_damaged_version_in_the_way_is_never_overwritten(artifact, tmp_path):
    destination = tmp_path / "serving"
    model = artifact("Model", MODEL, 1)
    first, _ = push_model(model.uri, str(destination))
    (destination / str(first) / "model.onnx").write_bytes(b"grapX")
    (destination / str(first + 10**6)).mkdir()
    second, new = push_model(model.uri, str(destination))
    assert new
    assert second == first + 10**6 + 1
    assert (destination / str(first) / "model.onnx").read_bytes() == b"grapX"


def test_a_changed_model_is_refused(artifact, tmp_path):
    model = artifact("Model", MODEL, 1)
    (Path(model.uri) / "model.onnx").write_bytes(b"grapX")
    with pytest.raises(ArtifactError, match="other contents"):
        push_model(model.uri, str(tmp_path / "serving"))
    assert not (tmp_path / "serving").exists()


def test_a_push_that_dies_half_way_leaves_no_version(artifact, tmp_path):
    """The process is killed while it copies: a server that polls the folder sees nothing that it could load."""
    model, destination = artifact("Model", MODEL, 1), tmp_path / "serving"
    script = (
        "import os, signal, sys\n"
        "from trueline._core import store\n"
        "from trueline.components import pusher\n"
        "copy = store.copy_tree\n"
        "def dies(source, target):\n"
        "    copy(source, target)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.copy_tree = dies\n"
        "pusher.push_model(sys.argv[1], sys.argv[2])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, model.uri, str(destination)])
    assert done.returncode == -9
    assert pushed_versions(str(destination)) == []
    assert all(not name.isdigit() for name in os.listdir(destination))
    version, new = push_model(model.uri, str(destination))
    assert new
    assert pushed_versions(str(destination)) == [version]
    assert os.listdir(destination) == [str(version)], "the next push removes the dead one's copy"


def test_pushes_at_the_same_time_get_versions_of_their_own(artifact, tmp_path):
    """Two lines, or two runs of one, push into one folder: none fails, none takes another's version or copy."""
    models = [artifact("Model", {**MODEL, "model.onnx": bytes([i]) * 100_000}, i) for i in range(6)]
    destination, start = str(tmp_path / "serving"), threading.Barrier(6)

    def push(model):
        start.wait()
        return push_model(model.uri, destination)[0]

    with ThreadPoolExecutor(6) as pool:
        versions = list(pool.map(push, models))
    assert sorted(versions) == pushed_versions(destination)
    for version, model in zip(versions, models, strict=True):
        assert read_manifest(f"{destination}/{version}", "sha256").fingerprint == model.fingerprint


def test_a_remote_destination_gets_its_manifest_last(artifact):
    fsspec = pytest.importorskip("fsspec")
    model, destination = artifact("Model", MODEL, 1), "memory://push/taxi"
    version, _ = push_model(model.uri, destination)
    assert pushed_versions(destination) == [version]
    memory = fsspec.filesystem("memory")
    assert memory.exists(f"/push/taxi/{version}/native/trees.json")
    memory.rm("/push", recursive=True)
