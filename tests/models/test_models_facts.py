"""What a model says of itself, and the forms of data that it takes."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from trueline._core.errors import FeedError, ModelError
from trueline._core.values import RawFeature
from trueline.models import Model, Tolerance
from trueline.models.contract import Head
from trueline.models.signature import example_value, signature

FILLED = ["length_filled", "depth", "mass", "island_hot", "ringed"]
ABOUT = {"description": "<b>Who</b> is it?", "licence": "MIT", "intended_use": "tests", "owner": "us"}


@pytest.fixture(scope="module")
def model(line: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    training = {"seed": 7, "auc": np.float32(0.5), "lr": float("nan"), "sizes": (1, np.int64(2)), "by": {"a": None}}
    uri = tmp_path_factory.mktemp("facts") / "m"
    return line.build(fitted, uri, "species", FILLED, about=ABOUT, training=training)


def test_about_and_training_are_kept(model: Model) -> None:
    again = Model.load(model.uri)
    assert again.about == ABOUT
    assert again.training == {"seed": 7, "auc": 0.5, "lr": "nan", "sizes": [1, 2], "by": {"a": None}}
    assert again.framework == "sklearn"
    assert {"scikit-learn", "onnx", "onnxruntime", "trueline"} <= set(again.versions)
    assert len(again.transform_hash) == 64
    assert again.parity["rows"] == 600
    assert again.decision is None


def test_about_of_another_form_is_refused_at_once(line: Any, tmp_path: Path) -> None:
    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    with pytest.raises(ModelError, match="Did you mean 'licence'") as caught:
        line.build(fitted, tmp_path / "m", "species", FILLED, about={"license": "MIT", "owner": 3})
    assert len(caught.value.problems) == 2
    with pytest.raises(ModelError, match="what JSON cannot"):
        line.build(fitted, tmp_path / "m", "species", FILLED, training={"model": object()})


def test_every_input_has_an_example_of_one_real_row(model: Model, line: Any) -> None:
    inputs = {f["name"]: f for f in model.info["signature"]["inputs"]}
    row = {n: f["example"] for n, f in inputs.items()}
    rows = line.table.select(list(inputs)).to_pylist()
    assert row in rows
    assert all(v is not None for v in row.values())
    assert [f["shape"] for f in inputs.values()] == [[None]] * 5
    assert {n: f["optional"] for n, f in inputs.items() if not f["optional"]} == {"depth": False, "mass": False}
    at = rows.index(row)
    np.testing.assert_allclose(model.predict_proba([row]), model.predict_proba(line.table)[at : at + 1], rtol=1e-5)


def test_examples_are_json_whatever_the_value() -> None:
    assert example_value("x" * 500) == "x" * 120
    assert example_value(b"\x00\xff") == {"b64": base64.b64encode(b"\x00\xff").decode()}
    assert example_value([float("inf"), 1.5, None]) == [None, 1.5, None]
    assert len(example_value(list(range(1000)))) == 64
    assert example_value(datetime(2024, 5, 1, 12)) == "2024-05-01T12:00:00"
    assert example_value(date(2024, 5, 1)) == "2024-05-01"
    features = [RawFeature("v", "float64", "fixed", 2), RawFeature("w", "utf8", "ragged"), RawFeature("gone", "int64")]
    table = pa.table({"v": pa.array([None, [1.0, 2.0]], pa.list_(pa.float64(), 2)), "w": [["a"], ["b", "c"]]})
    made = signature(Head("embedding", size=3), features, table)
    assert [f["example"] for f in made["inputs"]] == [[1.0, 2.0], ["b", "c"], None]
    assert [f["shape"] for f in made["inputs"]] == [[None, 2], [None, None], [None]]
    assert made["outputs"] == [{"name": "embedding", "dtype": "float32", "shape": [None, 3], "meaning": "embedding"}]
    json.dumps(made, allow_nan=False)


def test_all_forms_of_data_give_the_same(model: Model, line: Any) -> None:
    polars = pytest.importorskip("polars")
    names = [f.name for f in model.runtime.inputs]
    table = line.table.slice(0, 50)
    expected = model.predict_proba(table)
    plain = table.select(names)
    forms = {
        "batch": table.combine_chunks().to_batches()[0],
        "rows": plain.to_pylist(),
        "columns": plain.to_pydict(),
        "pandas": table.to_pandas(),
        "pandas of arrow": table.to_pandas(types_mapper=__import__("pandas").ArrowDtype),
        "polars": polars.from_arrow(table),
    }
    for name, data in forms.items():
        np.testing.assert_array_equal(model.predict_proba(data), expected, err_msg=name)
        assert model.predict(data).column("label").to_pylist() == model.predict(table).column("label").to_pylist()
    assert model.predict(table.to_pandas()).column("__row__").to_pylist() == table.column("__row__").to_pylist()
    assert model.predict(polars.from_arrow(table)).column("__row__").to_pylist()[0] == table["__row__"][0].as_py()


def test_pandas_columns_that_became_floats_or_objects_for_their_gaps(line: Any, tmp_path: Path) -> None:
    """An int64 column with a gap is float64 in pandas, a bool one an object column; a fraction is no integer."""
    fitted = line.fit(LogisticRegression(max_iter=300), "big_tipper", ["mass", "ringed"])
    model = line.build(fitted, tmp_path / "m", "big_tipper", ["mass", "ringed"])
    frame = line.table.slice(0, 20).to_pandas()[["mass", "ringed"]]
    frame["mass"] = frame["mass"].astype("float64")
    np.testing.assert_array_equal(model.predict_proba(frame), model.predict_proba(line.table.slice(0, 20)))
    frame.loc[3, "mass"] = 0.5
    with pytest.raises((FeedError, ModelError), match="mass"):
        model.predict(frame)
    with pytest.raises((FeedError, ModelError), match="mass"):
        model.predict(frame.drop(columns="mass"))


@pytest.mark.parametrize("data", [3, "text", None, b"bytes"])
def test_other_forms_are_refused(model: Model, data: Any) -> None:
    with pytest.raises(ModelError, match="cannot predict for a"):
        model.predict(data)


def test_the_notebook_view_says_it_all_and_escapes(model: Model) -> None:
    html = model._repr_html_()
    assert "&lt;b&gt;Who" in html
    assert "<b>Who" not in html
    for said in ("species", "sklearn", "600 rows", "Intended use: tests", "required", "&quot;", "Trained with"):
        assert said in html
    assert "http" not in html.replace("http://www.w3.org", "")


def test_native_files_are_bytes(model: Model) -> None:
    native = model.native()
    assert native.note
    assert all(native.contents()[name] == Path(native.path(name)).read_bytes() for name in native.files)
    with pytest.raises(ModelError, match="no native file 'weights'"):
        native.read("weights")


def test_a_wider_tolerance_is_said_in_the_artifact(line: Any, tmp_path: Path) -> None:
    fitted = line.fit(LogisticRegression(max_iter=300), "species", FILLED)
    made = line.build(fitted, tmp_path / "m", "species", FILLED, tolerance=Tolerance(1e-3))
    assert made.parity["tolerance"]["absolute"] == 1e-3
