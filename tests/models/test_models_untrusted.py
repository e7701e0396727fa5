"""A model directory of a stranger: whatever lies in it, loading and predicting runs its ONNX graph and nothing else."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from trueline._core.errors import ArtifactError, ModelError, TruelineError
from trueline._core.manifest import write_manifest
from trueline._core.model_files import external_files, read_file
from trueline._core.runtime import ModelRuntime
from trueline.models import Model


@pytest.fixture
def folder(logistic: Model, tmp_path: Path) -> Path:
    """A copy to be tampered with."""
    made = tmp_path / "foreign"
    shutil.copytree(logistic.uri, made)
    return made


def sealed(folder: Path) -> str:
    """The folder with a manifest that fits what lies there now: a stranger can write one too."""
    (folder / "MANIFEST.json").unlink(missing_ok=True)
    write_manifest(str(folder), "Model", 1)
    return str(folder)


def told(folder: Path, change: Callable[[dict[str, Any]], None], name: str = "model.json") -> str:
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))
    return sealed(folder)


def with_graph(folder: Path, change: Callable[[onnx.ModelProto], None]) -> str:
    graph = onnx.load(folder / "model.onnx", load_external_data=False)
    change(graph)
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    return sealed(folder)


class _Bomb:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


PLANTED = "from pathlib import Path; Path('exploded').touch()\n"


def test_planted_files_are_data(folder: Path, line: Any, tmp_path: Path) -> None:
    """In a process of its own, started in the folder's parent, with everything allowed that installed code may do."""
    (folder / "native").mkdir(exist_ok=True)
    for place in (folder, folder / "native"):
        for name in ("model.pkl", "model.joblib", "weights.pt", "model.bin"):
            (place / name).write_bytes(pickle.dumps(_Bomb()))
        for name in ("sitecustomize.py", "usercustomize.py", "conftest.py", "model.py", "__init__.py", "setup.py"):
            (place / name).write_text(PLANTED)
        (place / "evil.pth").write_text("import pathlib; pathlib.Path('exploded').touch()\n")
    uri = sealed(folder)
    code = (
        "from trueline.models import Model; "
        f"m = Model.load({uri!r}, allow_host=None); m._repr_html_(); n = m.native(); n.contents(); "
        "print(m.predict([{'depth': 17.0, 'mass': 4000}]).num_rows, 'model.pkl' in n.files, 'conftest.py' in n.files)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.split() == ["1", "True", "True"], done.stderr
    assert not list(tmp_path.rglob("exploded"))


EVIL = ["os:system", "subprocess:run", "builtins:exec", "posix:system", "runpy:run_path", "pickle:loads", "ctypes:CDLL"]


@pytest.mark.parametrize("function", EVIL)
def test_host_steps_of_the_standard_library_never_run(folder: Path, tmp_path: Path, function: str) -> None:
    step = {"output": "x", "inputs": ["island"], "function": function, "dtype": "utf8", "params": {}}
    uri = told(folder, lambda c: c.update(steps=[step]), "host.json")
    with pytest.raises(ModelError, match=r"not allowed here: \w+"):
        Model.load(uri)
    command = f"touch {tmp_path / 'exploded'}"
    for allowed in (None, [function.partition(":")[0]]):
        with pytest.raises(TruelineError):
            Model.load(uri, allow_host=allowed).predict([{"island": command, "depth": 1.0, "mass": 1}])
    assert not (tmp_path / "exploded").exists()


def test_the_error_says_exactly_what_to_pass(folder: Path) -> None:
    step = {"output": "x", "inputs": ["island"], "function": "my_package.text:clean", "dtype": "utf8"}
    uri = told(folder, lambda c: c.update(steps=[step]), "host.json")
    with pytest.raises(ModelError, match=r"allow_host=\['my_package\.text'\]") as caught:
        Model.load(uri)
    assert "--allow-host my_package.text" in str(caught.value)
    with pytest.raises(ModelError, match="not allowed"):
        ModelRuntime.load(uri)


def test_host_steps_of_the_label_are_held_to_the_same_list(folder: Path, line: Any) -> None:
    """They run when labels are asked for, which an evaluation does."""
    step = {"output": "x", "inputs": ["species"], "function": "my_package:clean", "dtype": "utf8"}
    uri = told(folder, lambda c: c["targets"].update(host=[step]))
    model = Model.load(uri)
    with pytest.raises(ModelError, match=r"not allowed here: my_package"):
        model.targets(line.table)


def test_an_evaluation_takes_over_what_the_model_was_allowed(folder: Path, line: Any) -> None:
    from trueline.engine.base import Dataset
    from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec, evaluate

    step = {"output": "x", "inputs": ["species"], "function": "models_host_code:letters", "dtype": "int64"}
    uri = told(folder, lambda c: c["targets"].update(host=[step]))
    config = EvalConfig(metrics_specs=[MetricsSpec(metrics=[MetricConfig("ExampleCount")])])
    with pytest.raises(TruelineError, match="not allowed"):
        evaluate(Model.load(uri), Dataset.from_table(line.table), config)


LOCATIONS = ["/etc/passwd", "../secret", "secret", "native/../../secret", "model.json", "file:///etc/passwd"]


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("place", ["initializer", "attribute", "subgraph", "function"])
def test_a_graph_that_asks_for_other_files_is_refused_before_it_is_loaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str, place: str
) -> None:
    """Wherever the tensor hides, also where the current folder would make the path a real file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    tensor = TensorProto(name="stolen", dims=[4], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location

    def change(graph: onnx.ModelProto) -> None:
        constant = helper.make_node("Constant", [], ["stolen"])
        attribute = constant.attribute.add()
        attribute.name, attribute.type = "value", onnx.AttributeProto.TENSOR
        attribute.t.CopyFrom(tensor)
        inner = helper.make_graph([constant], "inner", [], [])
        if place == "initializer":
            graph.graph.initializer.append(tensor)
        elif place == "attribute":
            graph.graph.node.append(constant)
        elif place == "subgraph":
            graph.graph.node.append(helper.make_node("If", ["c"], ["o"], then_branch=inner, else_branch=inner))
        else:
            graph.functions.append(helper.make_function("d", "F", [], ["stolen"], [constant], []))

    with pytest.raises(ModelError, match="asks for weights in other files"):
        Model.load(with_graph(folder, change))


def test_the_word_location_in_data_is_no_external_file(folder: Path, line: Any, logistic: Model) -> None:
    """Vocabularies hold any word; only the key of an external tensor counts."""

    def change(graph: onnx.ModelProto) -> None:
        graph.graph.initializer.append(
            TensorProto(name="w", dims=[1], data_type=TensorProto.STRING, string_data=[b"location"])
        )
        entry = graph.metadata_props.add()
        entry.key, entry.value = "location", "Dream"

    model = Model.load(with_graph(folder, change))
    np.testing.assert_array_equal(model.predict_proba(line.table), logistic.predict_proba(line.table))


def test_odd_encodings_do_not_hide_a_file() -> None:
    """A length may be written with more bytes than it needs; what does not parse at all is refused as well."""
    entry = b"\x0a\x88\x80\x00location\x12\x83\x00sec"
    tensor = b"\x6a" + bytes([len(entry)]) + entry
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    assert external_files(b"\x3a" + bytes([len(graph)]) + graph) == ["sec"]
    assert external_files(b"\x3a\xff\xff\x01location") == ["(a graph that does not parse)"]
    assert external_files(b"no such thing") == []


def test_operators_of_other_domains_do_not_load(folder: Path) -> None:
    def change(graph: onnx.ModelProto) -> None:
        graph.graph.node[0].domain = "com.evil"
        graph.opset_import.append(helper.make_opsetid("com.evil", 1))

    with pytest.raises(ModelError, match=r"com\.evil"):
        Model.load(with_graph(folder, change))


def test_tensors_that_are_declared_huge_do_not_load(folder: Path) -> None:
    def declared(graph: onnx.ModelProto) -> None:
        graph.graph.initializer[0].dims[:] = [1 << 40]

    with pytest.raises(ModelError, match="cannot load the graph"):
        Model.load(with_graph(folder, declared))


def test_constants_made_huge_end_in_an_error(folder: Path) -> None:
    """A thousand times the memory of any machine: the allocation is refused, at loading or at the first row."""

    def made(graph: onnx.ModelProto) -> None:
        graph.graph.initializer.append(
            TensorProto(name="n", dims=[1], data_type=TensorProto.INT64, int64_data=[1 << 50])
        )
        graph.graph.node.insert(0, helper.make_node("ConstantOfShape", ["n"], ["huge"]))
        graph.graph.node.append(helper.make_node("ReduceSum", ["huge"], ["total"], keepdims=0))
        graph.graph.output.append(helper.make_tensor_value_info("total", TensorProto.FLOAT, []))

    with pytest.raises(Exception, match=r"(?i)alloc|memory|cannot load"):
        Model.load(with_graph(folder, made)).predict([{"depth": 1.0, "mass": 1}])


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "native/../../secret"])
def test_a_manifest_cannot_name_files_elsewhere(folder: Path, path: str) -> None:
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    manifest["files"].append({"path": path, "size": 1, "sha256": "0" * 64})
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="outside the artifact"):
        Model.load(str(folder))
    with pytest.raises(ModelError, match="no path within the model"):
        read_file(str(folder), path)


@pytest.mark.parametrize("name", ["model.json", "model.onnx", "host.json", "targets.onnx", "native/weights"])
def test_links_out_of_the_folder_are_not_followed(folder: Path, tmp_path: Path, line: Any, name: str) -> None:
    """Contents and manifest fit: what is refused is where the file lies."""
    elsewhere = tmp_path / "elsewhere"
    (folder / "native").mkdir(exist_ok=True)
    if (folder / name).exists():
        shutil.move(folder / name, elsewhere)
    else:
        elsewhere.write_bytes(b"weights")
    (folder / name).symlink_to(elsewhere)
    uri = sealed(folder)
    with pytest.raises(ModelError, match="leads out of the model's folder"):
        _use_all(Model.load(uri), line)


def _use_all(model: Model, line: Any) -> None:
    model.targets(line.table)
    model.native().contents()


def test_links_within_the_folder_and_to_it_are_fine(folder: Path, tmp_path: Path, line: Any) -> None:
    """As deployments make them: the folder is a link, and so are its files, to a neighbour inside."""
    (folder / "data").mkdir()
    shutil.move(folder / "model.onnx", folder / "data" / "graph")
    (folder / "model.onnx").symlink_to(Path("data") / "graph")
    sealed(folder)
    os.symlink(folder, tmp_path / "current")
    assert Model.load(str(tmp_path / "current")).predict(line.table).num_rows == line.table.num_rows


@pytest.mark.parametrize("text", ["[]", "null", '"x"', '{"format": 1}', '{"format": 1, "signature": 3}'])
def test_descriptions_of_another_form_are_refused(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text)
    with pytest.raises(ModelError):
        Model.load(sealed(folder))
