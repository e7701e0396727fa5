"""TensorFlow modules, functions and loaded SavedModels: every task, several inputs, missing values, refusals, bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")

from trueline._core.errors import ModelError, ParityError  # noqa: E402
from trueline.models import Fitted  # noqa: E402
from trueline.models.exporters.tf_graph import graph_function  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

DENSE = ["length_filled", "depth", "mass", "ringed"]
IDS = ["island", "tip_bucket"]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]


class Net(tf.Module):
    """Two layers; the first has a constant that no variable holds."""

    def __init__(self, outputs: int, features: int = 4) -> None:
        super().__init__()
        rng = np.random.default_rng(outputs)
        self.first = tf.Variable(rng.normal(size=(features, 8)).astype(np.float32))
        self.last = tf.Variable(rng.normal(size=(8, outputs)).astype(np.float32))
        self.shift = tf.constant(rng.normal(size=8).astype(np.float32))

    @tf.function
    def __call__(self, x: Any) -> Any:
        return tf.tanh(x @ self.first + self.shift) @ self.last


class Embedded(tf.Module):
    """Ids and numbers, called by name; not traced by the user."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(4)
        self.table = tf.Variable(rng.normal(size=(8, 3)).astype(np.float32))
        self.last = tf.Variable(rng.normal(size=(10, 3)).astype(np.float32))

    def __call__(self, dense: Any, ids: Any) -> Any:
        flat = tf.reshape(tf.gather(self.table, ids), [-1, 6])
        return tf.concat([dense, flat], 1) @ self.last


def arrays_of(line: Any, features: list[str], inputs: Any = None) -> Any:
    """All rows as the model takes them."""
    return line.fn_args("importance", features).train.arrays(inputs).x


def main_output(model: Any, table: Any) -> Any:
    """The main output of the artifact."""
    found = model.predict(table).column(model.runtime.outputs[0]["name"])
    return np.array(found.to_pylist(), np.float64)


TASKS = [
    pytest.param(1, "big_tipper", "binary", {"output": "logits"}, id="binary"),
    pytest.param(3, "species", "multiclass", {"output": "logits", "classes": SPECIES}, id="multiclass-text"),
    pytest.param(1, "tips", "regression", {}, id="regression"),
    pytest.param(1, "tips", "ranking", {"output": "score"}, id="ranking"),
    pytest.param(5, None, "embedding", {"output": "embedding"}, id="embedding"),
]


@pytest.mark.parametrize(("outputs", "label", "task", "said"), TASKS)
def test_every_task_agrees_with_tensorflow_in_any_batch(
    line: Any, tmp_path: Path, outputs: int, label: Any, task: str, said: Any
) -> None:
    net = Net(outputs)
    model = line.build(Fitted(net, **said), tmp_path / "m", label, DENSE)
    assert (model.task, model.info["framework"]) == (task, "tensorflow")
    own = net(tf.constant(arrays_of(line, DENSE))).numpy().astype(np.float64)
    if task == "binary":
        own = 1 / (1 + np.exp(-own))
        own = np.concatenate([1 - own, own], 1)
    if task == "multiclass":
        own = np.exp(own) / np.exp(own).sum(1, keepdims=True)
    for start, size in ((0, line.table.num_rows), (3, 1), (5, 7)):
        found = main_output(model, line.table.slice(start, size))
        np.testing.assert_allclose(found.reshape(size, -1), own[start : start + size], rtol=1e-5, atol=1e-5)


def test_a_plain_call_with_ids_is_called_by_the_names_of_its_arguments(line: Any, tmp_path: Path) -> None:
    net, inputs = Embedded(), {"ids": IDS, "dense": DENSE}
    model = line.build(Fitted(net, inputs, "logits", SPECIES), tmp_path / "m", "species", DENSE + IDS)
    assert [i["name"] for i in model.info["inputs"]] == ["dense", "ids"]
    x = arrays_of(line, DENSE + IDS, inputs)
    own = tf.nn.softmax(net(tf.constant(x["dense"]), tf.constant(x["ids"]))).numpy()
    np.testing.assert_allclose(model.predict_proba(line.table), own, rtol=1e-5, atol=1e-5)
    with pytest.raises(ModelError, match=r"Embedded\.__call__ takes dense, ids; the inputs are numbers, ids"):
        line.build(
            Fitted(net, {"numbers": DENSE, "ids": IDS}, "logits", SPECIES), tmp_path / "n", "species", DENSE + IDS
        )


def test_the_signature_of_a_loaded_saved_model_and_functions_are_models(line: Any, tmp_path: Path) -> None:
    class Served(tf.Module):
        """A signature per feature, as trainers in TensorFlow write it: rank one, float64, two outputs."""

        @tf.function(
            input_signature=[tf.TensorSpec([None], tf.float64, "depth"), tf.TensorSpec([None, 1], tf.int32, "island")]
        )
        def serve(self, depth: Any, island: Any) -> Any:
            rank = tf.cast(island[:, 0], tf.float64)
            return {"score": depth * 2.0 + rank, "note": depth}

    served = Served()
    tf.saved_model.save(served, str(tmp_path / "saved"), signatures={"serving_default": served.serve})
    loaded, inputs = tf.saved_model.load(str(tmp_path / "saved")), {"depth": ["depth"], "island": ["island"]}
    model = line.build(Fitted(loaded, inputs, "score"), tmp_path / "m", "tips", ["depth", "island"])
    x = arrays_of(line, ["depth", "island"], inputs)
    own = x["depth"][:, 0].astype(np.float64) * 2 + x["island"][:, 0]
    np.testing.assert_allclose(main_output(model, line.table), own, rtol=1e-5, atol=1e-5)
    with pytest.raises(ModelError, match=r"gives note, score: which of them"):
        line.build(Fitted(loaded, inputs), tmp_path / "n", "tips", ["depth", "island"])
    with pytest.raises(ModelError, match="the inputs are x"):
        line.build(Fitted(loaded, output="score"), tmp_path / "n", "tips", ["depth", "island"])
    function = tf.function(lambda x: tf.reduce_sum(x, 1))
    summed = line.build(Fitted(function), tmp_path / "f", "tips", DENSE)
    concrete = function.get_concrete_function(tf.TensorSpec([None, 4], tf.float32, "x"))
    again = line.build(Fitted(concrete), tmp_path / "c", "tips", DENSE)
    own = arrays_of(line, DENSE).sum(1)
    for made in (summed, again):
        np.testing.assert_allclose(main_output(made, line.table), own, rtol=1e-5, atol=1e-5)


def test_gelu_travels_though_the_converter_has_no_erfc(line: Any, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(3)
    features = ["length_filled", "depth", "mass"]
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, "gelu"), keras.layers.Dense(1)])
    model = line.build(Fitted(network, output="prediction"), tmp_path / "m", "importance", features)
    x, _, _ = line.fn_args("importance", features).train.arrays()
    own = np.asarray(network(x)).reshape(-1)
    np.testing.assert_allclose(model.predict(line.table).column("prediction").to_numpy(), own, atol=1e-5)


def test_missing_values_travel_through_alike(line: Any, tmp_path: Path) -> None:
    function = tf.function(lambda x: tf.reduce_sum(tf.where(tf.math.is_nan(x), 9.0 * tf.ones_like(x), x), 1))
    model = line.build(Fitted(function), tmp_path / "m", "tips", ["length", "depth"])
    x = arrays_of(line, ["length", "depth"])
    assert np.isnan(x).any()
    np.testing.assert_allclose(main_output(model, line.table), np.where(np.isnan(x), 9, x).sum(1), rtol=1e-5)
    net = Net(1, 2)
    plain = line.build(Fitted(net), tmp_path / "n", "tips", ["length", "depth"])
    np.testing.assert_array_equal(np.isnan(main_output(plain, line.table)), np.isnan(x).any(1))


def test_the_same_weights_give_the_same_bytes_and_the_native_graph_predicts(line: Any, tmp_path: Path) -> None:
    first = line.build(Fitted(Net(3), output="logits", classes=SPECIES), tmp_path / "a", "species", DENSE)
    line.build(Fitted(Net(3), output="logits", classes=SPECIES), tmp_path / "b", "species", DENSE)
    for name in ("model.onnx", "native/graph.pb"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    again = graph_function((tmp_path / "a/native/graph.pb").read_bytes(), 1)
    x = tf.constant(arrays_of(line, DENSE))
    np.testing.assert_array_equal(again(x).numpy(), Net(3)(x).numpy())
    assert first.info["native"].startswith("a frozen TensorFlow graph")


def test_a_graph_that_touches_files_is_not_read() -> None:
    def reads(x: Any) -> Any:
        return tf.identity(tf.strings.length(tf.io.read_file("/nowhere")) + tf.cast(x, tf.int32), name="out")

    graph = tf.function(reads, input_signature=[tf.TensorSpec([None, 1], tf.float32, "in0")]).get_concrete_function()
    content = graph.graph.as_graph_def().SerializeToString()
    with pytest.raises(ModelError, match="touch files or run Python: ReadFile"):
        graph_function(content, 0)
    with pytest.raises(ModelError, match="no TensorFlow graph"):
        graph_function(b"\xff\xff\xff", 0)


class TextInside(tf.Module):
    """Text operations inside the network."""

    def __call__(self, x: Any) -> Any:
        return tf.cast(tf.strings.length(tf.strings.as_string(x)), tf.float32)[:, 0]


def test_what_cannot_travel_is_refused_by_name(line: Any, tmp_path: Path, nothing_written: Any) -> None:
    cases: list[tuple[Any, str]] = [
        (Fitted(TextInside()), r"TextInside\.__call__ "),
        (Fitted(tf.Module()), r"a Module without __call__ or a signature"),
        (Fitted(Net(3)), "the model predicts 3 numbers a row"),
        (Fitted(tf.function(lambda x: {"a": x, "b": x})), r"gives a, b: which of them"),
        (Fitted(Net(1, 3)), r"Net\.__call__ fails on x float32\[3, 4\]"),
    ]
    for fitted, message in cases:
        with pytest.raises((ModelError, ParityError), match=message):
            line.build(fitted, tmp_path / "m", "tips", DENSE)
    assert nothing_written()
