"""Batch inference gives the bits of the model's own prediction, on any engine, and leaves nothing when it fails."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import trueline.transform as tlt
from trueline._core.errors import ArtifactError, ConfigError, DataError, ModelError
from trueline._core.manifest import read_manifest
from trueline._core.values import RawFeature
from trueline.engine import Dataset, LocalEngine
from trueline.models import Fitted, Model, Predictions, build_model, predict_dataset
from trueline.models.bulk_graph import BulkGraph

FEATURES = ["length_filled", "depth", "mass", "island", "island_hot", "ringed"]


@pytest.fixture(scope="module")
def model(line: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A three-class model that reads text as an id and as a vector."""
    from sklearn.ensemble import GradientBoostingClassifier

    fitted = line.fit(GradientBoostingClassifier(n_estimators=5, random_state=0), "species", FEATURES)
    return line.build(fitted, tmp_path_factory.mktemp("bulk") / "model", "species", FEATURES, name="penguins")


def files_of(folder: Path) -> dict[str, bytes]:
    """The bytes of every file."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_predictions_are_the_models_own_and_keep_the_rows_ids(line: Any, model: Model, tmp_path: Path) -> None:
    made = predict_dataset(model, line.table, str(tmp_path / "out"))
    own = model.predict(line.table)
    found = made.table()
    assert found.schema.names == ["__row__", "probabilities", "label"]
    assert found.to_pydict() == own.to_pydict()
    assert (made.num_rows(), made.splits, made.model["name"]) == (line.table.num_rows, ("all",), "penguins")
    assert made.model["fingerprint"] == read_manifest(model.uri).fingerprint
    assert read_manifest(made.uri, "sha256").fingerprint
    with pytest.raises(ArtifactError, match=r"no split 'train'"):
        made.table("train")


def test_every_engine_and_number_of_shards_gives_the_same_bytes(line: Any, model: Model, tmp_path: Path) -> None:
    path = str(tmp_path / "rows.parquet")
    pq.write_table(line.table, path, row_group_size=130)
    dataset = Dataset.from_parquet(path)
    engines = [LocalEngine(1), LocalEngine(3), LocalEngine(2, processes=True)]
    found = []
    for i, engine in enumerate(engines):
        with engine:
            predict_dataset(model, dataset.deal(i + 1), str(tmp_path / f"out{i}"), engine=engine)
        found.append(files_of(tmp_path / f"out{i}"))
    assert found[0] == found[1] == found[2]
    assert Predictions.open(str(tmp_path / "out0")).table().to_pydict() == model.predict(line.table).to_pydict()


@pytest.mark.parametrize("coded", [False, True])
def test_text_on_its_distinct_values_gives_the_same_bits(line: Any, model: Model, coded: bool) -> None:
    """Missing and unseen texts, words that no row uses, and a dictionary with a word twice."""
    graph = BulkGraph((Path(model.uri) / "model.onnx").read_bytes(), model.runtime.graph.feeds)
    assert graph.text == ("island",)
    words = pa.array(["Dream", "nowhere", "Biscoe", "Dream", "unused", ""])
    codes = pa.array([[0, 1, 2, 3, None, 5][i % 6] for i in range(line.table.num_rows)], pa.int32())
    column = pa.DictionaryArray.from_arrays(codes, words)
    table = line.table.set_column(4, "island", column if coded else column.dictionary_decode())
    (batch,) = table.combine_chunks().to_batches()
    found = graph.run(batch)
    plain = model.runtime.predict_arrow(table.set_column(4, "island", column.dictionary_decode()))
    for name, values in plain.items():
        assert np.array_equal(found[name], values), name


def test_wide_rows_are_predicted_in_pieces(line: Any, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    import trueline.models.bulk_graph as module

    monkeypatch.setattr(module, "_MOST_VALUES", 1)
    monkeypatch.setattr(module, "_FEWEST_ROWS", 64)
    graph = BulkGraph((Path(model.uri) / "model.onnx").read_bytes(), model.runtime.graph.feeds)
    found, own = graph.run(line.table), model.runtime.predict_arrow(line.table)
    np.testing.assert_array_equal(found["probabilities"], own["probabilities"])


def test_columns_are_chosen_renamed_and_joined(line: Any, model: Model, tmp_path: Path) -> None:
    made = predict_dataset(
        model, line.table, str(tmp_path / "a"), columns=["guess", "depth", "island"], rename={"label": "guess"}
    )
    table = made.table()
    assert table.schema.names == ["__row__", "guess", "depth", "island"]
    assert table.column("island").to_pylist() == line.table.column("island").to_pylist()
    every = predict_dataset(model, line.table, str(tmp_path / "b"), columns=["*", "label"]).table()
    assert every.schema.names == [*line.table.schema.names, "label"]
    with pytest.raises(ConfigError, match=r"no column 'lable'(.|\n)*Did you mean 'label'"):
        predict_dataset(model, line.table, str(tmp_path / "c"), columns=["lable"])
    with pytest.raises(ConfigError, match=r"no output 'x'"):
        predict_dataset(model, line.table, str(tmp_path / "c"), rename={"x": "y"})
    with pytest.raises(ConfigError, match=r"two columns 'species'"):
        predict_dataset(model, line.table, str(tmp_path / "c"), columns=["*", "species"], rename={"label": "species"})
    assert not (tmp_path / "c").exists()


def test_splits_keep_their_names(line: Any, model: Model, tmp_path: Path) -> None:
    splits = {"train": line.table.slice(0, 400), "eval": line.table.slice(400)}
    made = predict_dataset(model, splits, str(tmp_path / "out"))
    assert [made.num_rows(s) for s in ("train", "eval")] == [400, 200]
    assert made.table("eval").to_pydict() == model.predict(line.table.slice(400)).to_pydict()
    with pytest.raises(ConfigError, match="bad name"):
        predict_dataset(model, {"../x": line.table}, str(tmp_path / "bad"))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "arrow"])
def test_every_kind_of_source_gives_the_same(line: Any, model: Model, tmp_path: Path, ending: str) -> None:
    """Cells of text files are read in the model's types: whole numbers in a float column are floats."""
    import json

    import pyarrow.csv as pc

    table = line.table.select(["length", "depth", "mass", "island", "ringed"]).slice(0, 50)
    table = table.set_column(1, "depth", pa.array(np.floor(table.column("depth").to_numpy())))
    path = tmp_path / f"rows.{ending}"
    if ending == "csv":
        pc.write_csv(table, path)
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        pq.write_table(table, path)
    data = table if ending == "arrow" else str(path)
    made = predict_dataset(model.uri, data, str(tmp_path / "out"))
    assert made.table().to_pydict() == model.predict(table).to_pydict()


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_text_files_hold_numbers_of_32_bits_too(tmp_path: Path, ending: str) -> None:
    import pyarrow.csv as pc
    from sklearn.tree import DecisionTreeRegressor

    size = np.random.default_rng(0).normal(0, 1, 60).astype(np.float32)
    table = pa.table({"size": size, "y": size.astype(np.float64) * 3})
    features = [RawFeature("size", "float32", optional=False), RawFeature("y", "float64", optional=False)]
    transform = tlt.analyze(tlt.trace(lambda i: {"size": i["size"], "y": i["y"]}, features), Dataset.from_table(table))
    fitted = Fitted(DecisionTreeRegressor(random_state=0).fit(size[:, None], table.column("y").to_numpy()))
    model = build_model(fitted, uri=str(tmp_path / "m"), transform=transform, label="y", sample=table)
    path = tmp_path / f"rows.{ending}"
    if ending == "csv":
        pc.write_csv(table, path)
    else:
        path.write_text("".join(f'{{"size": {value}}}\n' for value in size.tolist()))
    made = predict_dataset(model, str(path), str(tmp_path / "out"))
    assert made.table().column("prediction").to_pylist() == model.predict(table).column("prediction").to_pylist()


def test_data_that_does_not_fit_is_refused_before_anything_is_written(line: Any, model: Model, tmp_path: Path) -> None:
    wrong = line.table.drop_columns(["island"]).append_column("iland", line.table.column("island"))
    wrong = wrong.set_column(3, "mass", pa.array(["heavy"] * wrong.num_rows))
    with pytest.raises(DataError, match=r"(?s)'island' \(utf8\) is not there. Did you mean 'iland'.*'mass': expected"):
        predict_dataset(model, wrong, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    without = line.table.drop_columns(["island"])
    made = predict_dataset(model, without, str(tmp_path / "out"), allow_missing_columns=True)
    assert made.table().to_pydict() == model.predict(without).to_pydict()
    with pytest.raises(DataError, match=r"'depth' \(float64\) is not there"):
        predict_dataset(model, line.table.drop_columns(["depth"]), str(tmp_path / "no"), allow_missing_columns=True)


def test_rows_that_lack_a_required_value_are_named_and_nothing_stays(line: Any, model: Model, tmp_path: Path) -> None:
    depth = line.table.column("depth").to_pylist()
    for row in (450, 471):
        depth[row] = None
    table = line.table.set_column(2, "depth", pa.array(depth, pa.float64()))
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"2 rows(.|\n)*source 2 record 451: 'depth' is missing"):
        predict_dataset(model, Dataset.from_table(table, 100), str(out))
    assert not out.exists()
    plain = table.drop_columns(["__row__"])
    (tmp_path / "kept").mkdir()
    with pytest.raises(DataError, match=re.escape("row 451: 'depth' is missing")):
        predict_dataset(model, Dataset.from_table(plain, 100), str(tmp_path / "kept"))
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_folder_that_holds_something_is_not_written_into(line: Any, model: Model, tmp_path: Path) -> None:
    predict_dataset(model, line.table.slice(0, 5), str(tmp_path / "out"))
    before = files_of(tmp_path / "out")
    with pytest.raises(ConfigError, match="holds predictions already"):
        predict_dataset(model, line.table, str(tmp_path / "out"))
    assert files_of(tmp_path / "out") == before


def test_no_rows_give_no_predictions(line: Any, model: Model, tmp_path: Path) -> None:
    made = predict_dataset(model, line.table.slice(0, 0), str(tmp_path / "out"))
    assert made.num_rows() == 0
    assert made.table().schema.names == ["__row__", "probabilities", "label"]


def test_damaged_predictions_are_refused(line: Any, model: Model, tmp_path: Path) -> None:
    predict_dataset(model, line.table.slice(0, 5), str(tmp_path / "out"))
    place = tmp_path / "out" / "inference.json"
    text = place.read_text()
    for wrong in ("{", text.replace('"format": 1', '"format": 9'), text.replace("Split-all/", "../")):
        place.write_text(wrong)
        with pytest.raises(ArtifactError, match=r"damaged|format 9"):
            Predictions.open(str(tmp_path / "out"))
    with pytest.raises(ArtifactError, match="never finished"):
        Predictions.open(str(tmp_path))


def test_a_changed_model_is_refused(line: Any, model: Model, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(model.uri, tmp_path / "model")
    (tmp_path / "model" / "model.onnx").write_bytes(b"not this one")
    with pytest.raises(ArtifactError):
        predict_dataset(str(tmp_path / "model"), line.table, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def host_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, pa.Table]:
    """A model behind a step of Python."""
    from models_host_code import letters
    from sklearn.linear_model import LinearRegression

    table = pa.table({"name": ["ab", None, "aeiou", "xyz"] * 30, "y": np.arange(120, dtype=float)})

    def preprocessing(inputs: Any) -> dict[str, Any]:
        counted = tlt.host(letters, inputs["name"], dtype="int64", name="counted")
        return {"letters": tlt.fill_missing(counted, -1), "y": inputs["y"]}

    features = [RawFeature("name", "utf8"), RawFeature("y", "float64", optional=False)]
    transform = tlt.analyze(tlt.trace(preprocessing, features), Dataset.from_table(table))
    x = np.asarray(transform.transform(table).column("letters")).reshape(-1, 1).astype(np.float32)
    fitted = Fitted(LinearRegression().fit(x, table.column("y").to_numpy()))
    folder = str(tmp_path_factory.mktemp("host") / "model")
    return build_model(fitted, uri=folder, transform=transform, label="y", sample=table), table


@pytest.mark.parametrize("processes", [False, True])
def test_host_steps_run_in_threads_and_processes(
    host_model: tuple[Model, pa.Table], tmp_path: Path, processes: bool
) -> None:
    model, table = host_model
    loaded = Model.load(model.uri, allow_host=None)
    with LocalEngine(2, processes=processes) as engine:
        made = predict_dataset(loaded, Dataset.from_table(table, 50), str(tmp_path / "out"), engine=engine)
    assert made.table().to_pydict() == loaded.predict(table).to_pydict()


def test_host_steps_do_not_run_unless_they_are_allowed(host_model: tuple[Model, pa.Table], tmp_path: Path) -> None:
    model, table = host_model
    with pytest.raises(ModelError, match="models_host_code"):
        predict_dataset(model.uri, table, str(tmp_path / "out"))
    made = predict_dataset(model.uri, table, str(tmp_path / "out"), allow_host=["models_host_code"])
    assert made.num_rows() == table.num_rows


@pytest.mark.parametrize(
    ("function", "output", "label"),
    [("linear", "prediction", "tips"), ("wide", "embedding", None), ("scaled", "probabilities", "species")],
)
def test_python_models_of_every_task_are_predicted_where_they_are_allowed(
    line: Any, tmp_path: Path, function: str, output: Any, label: str | None
) -> None:
    from trueline.models import PythonModel

    code = "models_python_code"
    classes = ["Adelie", "Chinstrap", "Gentoo"] if output == "probabilities" else None
    given = PythonModel(f"{code}:{function}", output=output, classes=classes)
    features = ["depth", "mass"] if label is None else ["length_filled", "depth", "mass"]
    built = line.build(given, tmp_path / "m", label, features)
    made = predict_dataset(built.uri, line.table, str(tmp_path / "out"), allow_host=[code])
    assert made.table().to_pydict() == built.predict(line.table).to_pydict()
    assert made.table().schema.names[1] == output
    with pytest.raises(ModelError, match=code):
        predict_dataset(built.uri, line.table, str(tmp_path / "no"))


def test_a_file_of_other_columns_than_declared_is_refused(line: Any, model: Model, tmp_path: Path) -> None:
    predict_dataset(model, line.table, str(tmp_path / "made"))
    place = tmp_path / "made" / "inference.json"
    content = json.loads(place.read_text())
    content["schema"] = content["schema"][:-1]
    place.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match="other columns"):
        Predictions.open(str(tmp_path / "made")).table()
