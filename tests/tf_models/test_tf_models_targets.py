"""SavedModel and LiteRT made from artifacts alone: raw features in TensorFlow, numbers on a device; the gates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

tf = pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")

import keras  # noqa: E402
from keras_cases import DENSE, IDS, KERAS_CASES, SPECIES  # noqa: E402
from sklearn.linear_model import LinearRegression  # noqa: E402

import trueline.transform as tlt  # noqa: E402
from trueline._core.errors import ModelError, ParityError  # noqa: E402
from trueline.engine.base import Dataset  # noqa: E402
from trueline.models import Fitted, Model  # noqa: E402
from trueline.models.litert import save_litert  # noqa: E402
from trueline.models.saved_model import save_saved_model  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Keras runs on another back end here"),
]
CASES = {c.name: c for c in KERAS_CASES}
NUMBERS = ["length", "depth", "mass", "ringed"]


def built(line: Any, uri: Path, name: str) -> Model:
    """A Keras case as an artifact."""
    case = CASES[name]
    features = [f for names in case.fitted.get("inputs", {"x": DENSE}).values() for f in names]
    return line.build(Fitted(case.make(), **case.fitted), uri, case.label, features)


@pytest.mark.parametrize("name", ["binary-sigmoid", "logits-int-labels", "two-inputs", "embedding", "own-layer"])
def test_a_saved_model_from_the_artifact_alone_takes_raw_features(line: Any, tmp_path: Path, name: str) -> None:
    model = built(line, tmp_path / "m", name)
    line.transform.save(str(tmp_path / "transform"))
    told = save_saved_model(
        str(tmp_path / "m"), str(tmp_path / "saved/1"), transform=str(tmp_path / "transform"), sample=line.table
    )
    assert told["rows compared"] == line.table.num_rows
    assert told["largest difference"] < 1e-5
    served = tf.saved_model.load(str(tmp_path / "saved/1")).signatures["serving_default"]
    row = line.table.slice(3, 1).to_pylist()[0]
    specs = served.structured_input_signature[1]
    given = {}
    for key, spec in specs.items():
        base = key.removesuffix("__present")
        blank = {tf.string: "", tf.bool: False}.get(spec.dtype, 0)
        value = row[base] is not None if key != base else (blank if row[base] is None else row[base])
        given[key] = tf.constant([value], spec.dtype)
    found, expected = served(**given), model.predict(line.table.slice(3, 1))
    for output in model.runtime.outputs:
        wanted = expected.column(output["name"]).to_pylist()
        values = found[output["name"]].numpy()
        if output["dtype"] == "utf8":
            assert [v.decode() for v in values] == wanted
        elif output["dtype"] in ("int64", "bool"):
            assert values.tolist() == wanted
        else:
            np.testing.assert_allclose(values, np.array(wanted), rtol=1e-5, atol=1e-5)


def example(row: dict[str, Any]) -> bytes:
    """A raw row as a serialised tf.Example; what is missing is left out."""
    features = {}
    for name, value in row.items():
        if isinstance(value, bool | int):
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))
        elif isinstance(value, float):
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        elif isinstance(value, str):
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def test_serialised_examples_give_the_same(line: Any, tmp_path: Path) -> None:
    model = built(line, tmp_path / "m", "two-inputs")
    told = save_saved_model(model, str(tmp_path / "saved"), transform=line.transform, sample=line.table)
    assert told["signatures"] == ["serving_default", "serving_examples"]
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_examples"]
    rows = line.table.slice(0, 40)
    texts = [example(row) for row in rows.to_pylist()]
    found = served(examples=tf.constant(texts))
    np.testing.assert_allclose(found["probabilities"].numpy(), model.predict_proba(rows), rtol=1e-4, atol=1e-4)


def test_missing_floats_reach_the_network_as_nan(line: Any, tmp_path: Path) -> None:
    function = tf.function(lambda x: tf.reduce_sum(tf.where(tf.math.is_nan(x), 9.0 * tf.ones_like(x), x), 1))
    model = line.build(Fitted(function), tmp_path / "m", "tips", NUMBERS)
    assert line.table.column("length").null_count
    told = save_saved_model(model, str(tmp_path / "saved"), transform=line.transform, sample=line.table)
    assert told["largest difference"] < 1e-5
    assert save_litert(model, str(tmp_path / "lite"), sample=line.table)["largest difference"] < 1e-5


@pytest.mark.parametrize("name", ["softmax-text-labels", "binary-loss-from-logits", "two-inputs", "image"])
def test_litert_and_its_account_of_the_preprocessing(line: Any, tmp_path: Path, name: str) -> None:
    model = built(line, tmp_path / "m", name)
    told = save_litert(str(tmp_path / "m"), str(tmp_path / "lite"), sample=line.table)
    assert told["rows compared"] == line.table.num_rows
    account = json.loads((tmp_path / "lite/host_preprocessing.json").read_text())
    session = onnxruntime.InferenceSession(str(tmp_path / "lite/transform.onnx"))
    arrays = model.runtime.graph.feeds.from_arrow(line.table)
    wanted = {i.name: arrays[i.name] for i in session.get_inputs()}
    inputs = model.info["inputs"]
    x = (
        line.fn_args("importance", [f for i in inputs for f in i["features"]])
        .train.arrays({i["name"]: i["features"] for i in inputs})
        .x
    )
    for spec in account["inputs"]:
        found = session.run([f"network:{spec['name']}"], wanted)[0]
        np.testing.assert_allclose(found, x[spec["name"]], rtol=1e-6)
        assert sum(c["columns"] for c in spec["features"]) == spec["shape"][1] == found.shape[1]
        assert str(found.dtype) == spec["dtype"]
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(tmp_path / "lite/model.tflite"))
    runner = interpreter.get_signature_runner("serving_default")
    given = {s["tensor"]: x[s["name"]][:1] for s in account["inputs"]}
    output = account["outputs"][0]["name"]
    expected = np.array(model.predict(line.table.slice(0, 1)).column(output).to_pylist())
    np.testing.assert_allclose(runner(**given)[output], expected, rtol=1e-5, atol=1e-5)
    assert "serving_default" in (tmp_path / "lite/README.md").read_text()


def test_the_targets_refuse_by_name_and_write_nothing(line: Any, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    linear = line.build(line.fit(LinearRegression(), "tips", DENSE), tmp_path / "linear", "tips", DENSE)
    model = built(line, tmp_path / "m", "regression")
    other = tlt.analyze(tlt.trace(lambda x: {"depth": x["depth"]}, line.transform.raw_features()), line_data(line))
    with pytest.raises(ModelError, match="a sklearn model has no TensorFlow form, which the SavedModel is made of"):
        save_saved_model(linear, out, transform=line.transform, sample=line.table)
    with pytest.raises(ModelError, match="a sklearn model has no TensorFlow form, which LiteRT is made of"):
        save_litert(linear, out, sample=line.table)
    with pytest.raises(ModelError, match="give raw rows as sample"):
        save_litert(model, out)
    with pytest.raises(ModelError, match="give transform="):
        save_saved_model(model, out, sample=line.table)
    with pytest.raises(ModelError, match="not the transform that the model was trained on"):
        save_saved_model(model, out, transform=other, sample=line.table)
    binary = built(line, tmp_path / "binary", "binary-sigmoid").with_decision(str(tmp_path / "decided"), threshold=0.3)
    for save in (save_saved_model, save_litert):
        with pytest.raises(ModelError, match="no place for the threshold and calibration"):
            save(binary, out, sample=line.table)
    assert not (tmp_path / "out").exists()


def line_data(line: Any) -> Dataset:
    """The raw rows in blocks."""
    return Dataset.from_table(line.table, 100)


def test_other_weights_in_native_are_caught_by_the_gate(line: Any, tmp_path: Path) -> None:
    model = built(line, tmp_path / "m", "regression")
    other = CASES["regression"].make()
    other.layers[-1].set_weights([w + 1 for w in other.layers[-1].get_weights()])
    line.build(Fitted(other), tmp_path / "other", "tips", DENSE)
    name = "native/weights.safetensors"
    (tmp_path / "m" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    for save, more in ((save_litert, {}), (save_saved_model, {"transform": line.transform})):
        with pytest.raises(ParityError, match=r"differs from model\.onnx on \d+ of 600 rows; nothing was written"):
            save(model, str(tmp_path / "out"), sample=line.table, **more)
    assert not (tmp_path / "out").exists()


def test_a_configuration_that_names_code_is_not_read(line: Any, tmp_path: Path) -> None:
    from trueline.models.exporters.keras_native import load_keras

    model = built(line, tmp_path / "m", "softmax-text-labels")
    config, weights = (model.native().read(n) for n in ("config.json", "weights.safetensors"))
    assert load_keras(config, weights).count_params() > 0
    evil = json.loads(config)
    evil["config"]["layers"][1] = {
        "module": "os",
        "class_name": "system",
        "config": {"command": f"touch {tmp_path / 'ran'}"},
        "registered_name": None,
    }
    with pytest.raises(ModelError, match=r"more than Keras' own layers(.|\n)*system \(os\)"):
        load_keras(json.dumps(evil).encode(), weights)
    code = keras.Sequential([keras.layers.Input((4,)), keras.layers.Lambda(lambda x: x * 2), keras.layers.Dense(1)])
    lambdas = line.build(Fitted(code), tmp_path / "lambda", "tips", DENSE)
    assert lambdas.native().files == ("graph.pb", "network.json")
    with pytest.raises(ModelError, match="no valid safetensors"):
        load_keras(config, weights[:40])
    assert not (tmp_path / "ran").exists()


def test_text_layers_and_unfitted_models_are_refused(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    text = keras.Sequential([keras.layers.Input((4,), dtype="string"), keras.layers.StringLookup(vocabulary=["a"])])
    cases = [
        (Fitted(text), r"has layers of text(.|\n)*StringLookup(.|\n)*preprocessing_fn"),
        (Fitted(keras.Sequential([keras.layers.Dense(1)])), "has no weights yet"),
        (
            Fitted(CASES["two-inputs"].make(), {"dense": DENSE, "codes": IDS}, classes=SPECIES),
            "has the inputs ids, dense|has the inputs dense, ids",
        ),
        (
            Fitted(keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])),
            r"takes rows of shape \[3\]; its features make 4",
        ),
    ]
    for fitted, message in cases:
        with pytest.raises(ModelError, match=message):
            line.build(fitted, tmp_path / "n", "tips", DENSE + IDS if fitted.inputs else DENSE)
    assert nothing_written()
