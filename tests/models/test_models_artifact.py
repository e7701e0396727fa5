"""The artifact: what lies on disk, what it predicts from, what it refuses, and that loading it runs no code."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from trueline._core.errors import ArtifactError, FeedError, ModelError
from trueline._core.manifest import write_manifest
from trueline.models import Model

FILLED = ["length_filled", "depth", "mass", "island_hot", "ringed"]


def test_files_and_description(logistic: Model) -> None:
    files = sorted(p.name for p in Path(logistic.uri).rglob("*") if p.is_file())
    assert files == ["MANIFEST.json", "host.json", "model.json", "model.onnx", "model.skops", "targets.onnx"]
    info = json.loads((Path(logistic.uri) / "model.json").read_text())
    assert (info["format"], info["name"], info["framework"]) == (1, "penguins", "sklearn")
    assert (info["label"], info["weight"], info["features"]) == ("species", None, FILLED)
    assert [f["name"] for f in info["signature"]["inputs"]] == ["length", "depth", "mass", "island", "ringed"]
    assert info["signature"]["outputs"] == [
        {"name": "probabilities", "dtype": "float32", "shape": [None, 3], "meaning": "class_probabilities"},
        {"name": "label", "dtype": "utf8", "shape": [None], "meaning": "class"},
    ]
    assert info["versions"].keys() >= {"scikit-learn", "skl2onnx", "onnx", "onnxruntime", "trueline"}


def test_graph_has_one_opset_a_domain_unique_names_and_its_feeds(logistic: Model) -> None:
    graph = onnx.load(Path(logistic.uri) / "model.onnx")
    domains = [o.domain for o in graph.opset_import]
    assert len(domains) == len(set(domains))
    assert {o.domain: o.version for o in graph.opset_import}[""] == 20
    assert {o.domain: o.version for o in graph.opset_import}["ai.onnx.ml"] >= 3
    names = [n.name for n in graph.graph.node]
    assert len(names) == len(set(names))
    assert not graph.graph.value_info
    (feeds,) = [p.value for p in graph.metadata_props if p.key == "trueline.feeds"]
    assert json.loads(feeds) == logistic.info["feeds"]


def test_the_same_training_gives_the_same_bytes(line: Any, tmp_path: Path) -> None:
    fitted = line.fit(HistGradientBoostingClassifier(max_iter=5), "big_tipper", FILLED)
    a = line.build(fitted, tmp_path / "a", "big_tipper", FILLED)
    b = line.build(fitted, tmp_path / "b", "big_tipper", FILLED)
    assert a.runtime.manifest is not None
    assert b.runtime.manifest is not None
    assert a.runtime.manifest.fingerprint == b.runtime.manifest.fingerprint


def test_rows_columns_and_arrow_agree_and_the_label_column_is_not_asked_for(line: Any, logistic: Model) -> None:
    wanted = ["length", "depth", "mass", "island", "ringed"]
    part = line.table.select(wanted).slice(0, 20)
    from_arrow = logistic.predict_proba(line.table.slice(0, 20))
    np.testing.assert_array_equal(logistic.predict_proba(part), from_arrow)
    np.testing.assert_array_equal(logistic.predict_proba(part.to_pylist()), from_arrow)
    np.testing.assert_array_equal(logistic.predict_proba(part.to_pydict()), from_arrow)
    assert "species" not in [f.name for f in logistic.runtime.inputs]
    assert logistic.predict(part.to_pylist()).column_names == ["probabilities", "label"]
    assert logistic.predict(line.table.slice(0, 0)).num_rows == 0


def test_bad_requests_are_named(logistic: Model) -> None:
    with pytest.raises(FeedError, match=r"unknown field 'lenght'(.|\n)*Did you mean 'length'"):
        logistic.predict([{"lenght": 1.0, "depth": 1.0, "mass": 1}])
    with pytest.raises(FeedError, match="'depth': expected float64, got no value"):
        logistic.predict([{"mass": 3000}])
    with pytest.raises(ModelError, match="cannot predict for a str"):
        logistic.predict("rows")


def test_targets_give_label_presence_and_weight(line: Any, tmp_path: Path) -> None:
    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    model = line.build(fitted, tmp_path / "m", "species", FILLED, weight="importance")
    label, weight = model.targets(line.table)
    assert label.equals(line.table.column("species").combine_chunks())
    assert label.null_count > 0
    np.testing.assert_array_equal(weight, line.table.column("importance").to_numpy().astype(np.float32))
    assert [f["name"] for f in model.info["targets"]["feeds"]] == ["species", "importance"]
    columns = line.table.select(["species", "importance"])
    for form in (line.table.to_pandas(), columns.to_pylist(), columns.to_pydict()):
        again, heavy = model.targets(form)
        assert again.equals(label)
        np.testing.assert_array_equal(heavy, weight)


def test_a_label_that_is_always_there_and_named_as_an_output(tmp_path: Path) -> None:
    """A raw column called ``label`` does not collide with the targets' output of that name."""
    import trueline.transform as tlt
    from trueline._core.values import RawFeature
    from trueline.engine.base import Dataset
    from trueline.models import build_model

    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.normal(size=50), "label": rng.integers(0, 3, 50)})
    features = [RawFeature("a", "float64", optional=False), RawFeature("label", "int64", optional=False)]
    dataset = Dataset.from_table(table)
    transform = tlt.analyze(tlt.trace(lambda i: {"a": i["a"], "label": i["label"]}, features), dataset)
    x = table.column("a").to_numpy().astype(np.float32)[:, None]
    fitted = LogisticRegression().fit(x, table.column("label").to_numpy())
    model = build_model(fitted, uri=str(tmp_path / "m"), transform=transform, label="label", sample=table)
    label, weight = model.targets(table)
    assert label.to_pylist() == table.column("label").to_pylist()
    assert (label.null_count, weight) == (0, None)


def test_leakage_is_reported_with_both_paths(line: Any, tmp_path: Path) -> None:
    features = ["depth", "tip_bucket"]
    model = line.build(line.fit(LogisticRegression(), "big_tipper", features), tmp_path / "m", "big_tipper", features)
    (leak,) = model.info["leakage"]
    assert (leak["feature"], leak["raw"]) == ("tip_bucket", "tips")
    assert (leak["path"][0], leak["path"][-1]) == ("tips", "tip_bucket")
    assert (leak["label_path"][0], leak["label_path"][-1]) == ("tips", "big_tipper")
    assert len(leak["path"]) > 2


def test_features_that_cannot_enter_a_model_are_all_named(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    with pytest.raises(ModelError) as caught:
        line.build(LinearRegression(), tmp_path / "m", "tips", ["island_text", "island_gap", "depht", "tips", "mass"])
    text = str(caught.value)
    assert "'island_text' is utf8" in text
    assert "'island_gap' is int64 and may be missing" in text
    assert "fill_missing" in text
    assert "vocabulary" in text
    assert "Did you mean 'depth'" in text
    assert "'tips' is both a feature and the label" in text
    assert nothing_written()


def test_a_weight_that_may_be_missing_is_refused(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    with pytest.raises(ModelError, match="weight 'tips' may be missing"):
        line.build(fitted, tmp_path / "m", "species", FILLED, weight="tips")
    assert nothing_written()


def test_a_finished_artifact_is_not_overwritten(line: Any, logistic: Model) -> None:
    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    with pytest.raises(ModelError, match="finished artifact already"):
        line.build(fitted, Path(logistic.uri), "species", FILLED)


class _Bomb:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


def test_loading_a_foreign_folder_runs_no_code(
    logistic: Model, line: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pickles are never opened, names of code in the description are never imported, changed files are refused."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "foreign"
    shutil.copytree(logistic.uri, folder)
    (folder / "native" / "model.pkl").write_bytes(pickle.dumps(_Bomb()))
    (folder / "model.pkl").write_bytes(pickle.dumps(_Bomb()))
    info = json.loads((folder / "model.json").read_text())
    info["framework"] = info["loader"] = "os:abort"
    (folder / "model.json").write_text(json.dumps(info))
    with pytest.raises(ArtifactError, match=r"model\.json has"):
        Model.load(str(folder))
    (folder / "MANIFEST.json").unlink()
    write_manifest(str(folder), "Model", 1)
    model = Model.load(str(folder))
    np.testing.assert_array_equal(model.predict_proba(line.table), logistic.predict_proba(line.table))
    assert not (tmp_path / "exploded").exists()
    (folder / "MANIFEST.json").unlink()
    with pytest.raises(ArtifactError, match="never finished"):
        Model.load(str(folder))


DAMAGE = [
    pytest.param("model.json", b"{", id="no-json"),
    pytest.param("model.json", b'{"format": 99}', id="newer-format"),
    pytest.param("model.onnx", b"not onnx", id="no-graph"),
]


@pytest.mark.parametrize(("name", "content"), DAMAGE)
def test_damaged_files_are_refused_by_name_of_folder(
    logistic: Model, tmp_path: Path, name: str, content: bytes
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(logistic.uri, folder)
    (folder / name).write_bytes(content)
    (folder / "MANIFEST.json").unlink()
    write_manifest(str(folder), "Model", 1)
    with pytest.raises(ModelError):
        Model.load(str(folder))


def test_html_escapes_what_users_named(logistic: Model) -> None:
    logistic = Model(logistic.runtime)
    logistic.info = {**logistic.info, "name": "<script>told"}
    assert "<script>told" not in logistic._repr_html_()
    assert "&lt;script&gt;told" in logistic._repr_html_()


def test_external_data_outside_the_folder_is_not_read(logistic: Model, tmp_path: Path) -> None:
    """A graph that asks for weights in another file does not load."""
    folder = tmp_path / "external"
    shutil.copytree(logistic.uri, folder)
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    graph = onnx.load(folder / "model.onnx")
    (tensor,) = [i for i in graph.graph.initializer if i.name == "input/nan"] or [graph.graph.initializer[0]]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", str(tmp_path / "secret")), ("offset", "0")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    (folder / "MANIFEST.json").unlink()
    write_manifest(str(folder), "Model", 1)
    with pytest.raises(ModelError):
        Model.load(str(folder))
