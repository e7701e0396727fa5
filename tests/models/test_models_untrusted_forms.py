"""A stranger's model.json, host.json and graph in every form: an error of ours or a model that works, and no code."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest

from trueline._core import store
from trueline._core.errors import ArtifactError, ModelError, TruelineError
from trueline._core.manifest import write_manifest
from trueline.models import Model
from trueline.models.export_targets import export_model
from trueline.models.plain_python import python_source, save_python

ODD = (
    None, True, 0, -1, 2**63, 10**30, 1e308, float("nan"), "", "\ud800", "..", "a\0b", "{}", "fixed", "timestamp",
    [], [None], [[]], ["a", "b"], {}, {"name": "x"}, {"name": "x", "dtype": "int64"}, [-1, 3],
)  # fmt: skip


@pytest.fixture
def folder(logistic: Model, tmp_path: Path) -> Path:
    made = tmp_path / "foreign"
    shutil.copytree(logistic.uri, made)
    return made


def sealed(folder: Path) -> str:
    """The folder with a manifest that fits what lies there now: a stranger can write one too."""
    (folder / "MANIFEST.json").unlink(missing_ok=True)
    write_manifest(str(folder), "Model", 1)
    return str(folder)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*way, key)
        yield from places(value[key], (*way, key))


def changed(content: Any, rng: random.Random) -> Any:
    """A copy with one or two entries gone or of another form."""
    made = json.loads(json.dumps(content))
    for _ in range(rng.choice([1, 1, 2])):
        *way, last = rng.choice(list(places(made)))
        at = made
        for key in way:
            at = at[key]
        if rng.random() < 0.3:
            del at[last]
        else:
            at[last] = rng.choice(ODD)
    return made


def use(model: Model, rows: Any, out: Path) -> None:
    model.predict(rows)
    model._repr_html_()
    assert [model.parity, model.about, model.training, model.versions, model.label, repr(model), model.transform_hash]
    model.native().contents()
    for reach in (model.targets, lambda table: model.decision, lambda table: export_model(model, "onnx", str(out))):
        try:
            reach(rows)
        except TruelineError:
            continue


@pytest.mark.parametrize("seed", range(4))
def test_any_form_of_model_json_is_an_error_of_ours_or_a_model(
    folder: Path, line: Any, seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    original = json.loads((folder / "model.json").read_text())
    loaded = refused = 0
    for number in range(50):
        (folder / "model.json").write_text(json.dumps(changed(original, rng)))
        try:
            model = Model.load(sealed(folder))
            loaded += 1
            use(model, line.table.slice(0, 3), tmp_path / str(number))
        except TruelineError:
            refused += 1
    assert loaded >= 5
    assert refused >= 5


def test_every_entry_of_another_form_is_named(folder: Path) -> None:
    content = json.loads((folder / "model.json").read_text())
    content |= {"task": "oracle", "classes": {"a": 1}, "about": ["x"]}
    del content["parity"]
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(ModelError) as caught:
        Model.load(sealed(folder))
    assert [p.split("'")[1] for p in caught.value.problems] == ["task", "classes", "about"]
    (folder / "model.json").write_text(json.dumps(content | {"task": "multiclass", "classes": None, "about": {}}))
    with pytest.raises(ModelError, match="form") as caught:
        Model.load(sealed(folder))
    assert caught.value.problems == ("'parity' is missing: rows and max_difference",)


def test_json_that_is_nested_without_end_is_an_error_of_ours(folder: Path) -> None:
    (folder / "model.json").write_text("[" * 200_000)
    with pytest.raises(ModelError, match="do not parse"):
        Model.load(sealed(folder))


def test_declared_outputs_are_those_of_the_graph(folder: Path) -> None:
    content = json.loads((folder / "model.json").read_text())
    content["signature"]["outputs"][0]["name"] = "prediction"
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"declares the outputs .*'prediction'.* the graph makes"):
        Model.load(sealed(folder))


def _rename(folder: Path, old: str, new: str) -> None:
    graph = onnx.load(folder / "model.onnx")
    for node in graph.graph.node:
        node.output[:] = [new if n == old else n for n in node.output]
        node.input[:] = [new if n == old else n for n in node.input]
    for output in graph.graph.output:
        output.name = new if output.name == old else output.name
    (folder / "model.onnx").write_bytes(graph.SerializeToString())


def test_a_name_of_an_output_is_no_code_in_the_python_file(folder: Path, line: Any, tmp_path: Path) -> None:
    """The file is run when it is compared: a name that ended its docstring was code on this machine."""
    struck = tmp_path / "struck"
    name = f'"""\nopen({str(struck)!r}, "w")\nX = """'
    _rename(folder, "probabilities", name)
    content = json.loads((folder / "model.json").read_text())
    content["signature"]["outputs"][0]["name"] = name
    (folder / "model.json").write_text(json.dumps(content))
    save_python(Model.load(sealed(folder)), str(tmp_path / "made.py"), line.table.slice(0, 20))
    assert not struck.exists()


@pytest.mark.parametrize("given", ["{0}", "{}", "{unknown}", "{0.__class__}"])
def test_braces_in_a_texts_default_are_text(folder: Path, line: Any, tmp_path: Path, given: str) -> None:
    """A text that a lookup falls back to stands in a template; with the text before it, it could become code."""
    from onnx import helper

    struck = tmp_path / "struck"
    code = f'+str(open("{struck}", "w"))+'
    graph = onnx.load(folder / "model.onnx")
    made = [
        helper.make_node("StringConcat", ["island", "tail"], ["joined"]),
        helper.make_node(
            "LabelEncoder", ["joined"], ["looked"], domain="ai.onnx.ml",
            keys_strings=["a"], values_strings=["Dream"], default_string=given,
        ),
    ]  # fmt: skip
    for node in graph.graph.node:
        node.input[:] = ["looked" if n == "island" else n for n in node.input]
    for node in reversed(made):
        graph.graph.node.insert(0, node)
    tail = helper.make_tensor("tail", onnx.TensorProto.STRING, [1], [code.encode()])
    graph.graph.initializer.append(tail)
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    save_python(Model.load(sealed(folder)), str(tmp_path / "made.py"), line.table.slice(0, 20))
    assert not struck.exists()
    assert repr(given) in python_source(Model.load(str(folder)), line.table.slice(0, 1))


def test_what_links_point_to_is_not_given_away_with_a_copy(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    (folder / "native" / "notes.txt").symlink_to(secret)
    model = Model.load(sealed(folder))
    with pytest.raises(ArtifactError, match="links lead out") as caught:
        export_model(model, "server", str(tmp_path / "bundle"))
    assert caught.value.problems == ("native/notes.txt",)
    assert not (tmp_path / "bundle").exists()
    with pytest.raises(ArtifactError):
        store.copy_tree(str(folder), str(tmp_path / "copy"))


def _pipe(folder: Path) -> None:
    (folder / "model.json").unlink()
    os.mkfifo(folder / "model.json")


def _inner(folder: Path) -> None:
    (folder / "model.json").unlink()
    (folder / "model.json").mkdir()


@pytest.mark.parametrize("put", [_pipe, _inner])
def test_a_pipe_or_folder_in_a_files_place_ends_at_once(folder: Path, put: Callable[[Path], None]) -> None:
    put(folder)
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    size = (folder / "model.json").stat().st_size
    manifest["files"] = [f | ({"size": size} if f["path"] == "model.json" else {}) for f in manifest["files"]]
    manifest.pop("fingerprint")
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError):
        Model.load(str(folder))
    from trueline._core.runtime import ModelRuntime

    with pytest.raises(ArtifactError, match="is no file"):
        ModelRuntime.load(str(folder), verify=False)


def test_rows_on_which_a_graph_fails_are_an_error_of_ours(
    folder: Path, line: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    graph = onnx.load(folder / "model.onnx")
    for node in graph.graph.node:
        node.input[:] = ["beyond" if n == "mass" else n for n in node.input]
    far = onnx.helper.make_tensor("far", onnx.TensorProto.INT64, [1], [1 << 40])
    graph.graph.initializer.append(far)
    graph.graph.node.insert(0, onnx.helper.make_node("Add", ["mass", "one"], ["beyond"]))
    graph.graph.node.insert(0, onnx.helper.make_node("Gather", ["mass", "far"], ["one"]))
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    model = Model.load(sealed(folder))
    with pytest.raises(ModelError, match="the graph fails on these rows"):
        model.predict(line.table.slice(0, 3))
    (folder / "model.onnx").write_bytes(b"\x08\x0b\x12\x04ab\xff\xfe")
    with pytest.raises(ModelError, match="ONNX Runtime"):
        Model.load(sealed(folder))
    assert capfd.readouterr().out == "", "nothing is tried again elsewhere, and standard output is the user's"


def test_native_files_are_those_that_the_manifest_vouches_for(folder: Path) -> None:
    (folder / "native" / "added.ubj").write_bytes(b"slipped in later")
    model = Model.load(str(folder))
    assert model.native().files == ("model.skops",)
    with pytest.raises(ModelError, match="no native file 'added"):
        model.native().read("added.ubj")
