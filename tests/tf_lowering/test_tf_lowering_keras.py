"""The Keras layer: the same values, in a model that is saved, and with sizes that the layers that follow know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

tf = pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")

from helpers_tf_signature import arrow_column, column_of, dense_features, raw_table  # noqa: E402
from helpers_transform import graph_of  # noqa: E402

import trueline.transform as tlt  # noqa: E402
from trueline.transform.output import TransformOutput  # noqa: E402

# TensorFlow's tensors take no notice of numpy 2's `copy`
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
TABLE = raw_table(300)


def preprocessing(x: Any) -> dict[str, Any]:
    fare = tlt.fill_missing(x["fare"], 0.0)
    return {
        "third": (fare - 11.3) / 3.0,
        "company": tlt.apply_vocabulary(x["company"], ["taxi", "Ä", "a"], num_oov_buckets=5),
        "vector": tlt.concat([fare, x["Trip Miles"]]) * 2.0,
    }


def test_keras_layer_trains_and_comes_back_in_a_fresh_process(tmp_path: Path) -> None:
    """The layer stands before a Keras model over raw features; the whole is saved and loaded without other files."""
    import keras

    names = ["third", "company", "vector"]
    table = TABLE.select(["fare", "Trip Miles", "company"])
    output = TransformOutput(graph_of(lambda x: {n: preprocessing(x)[n] for n in names}, table), {})
    layer = output.transform_features_layer()
    assert not layer.trainable
    assert not layer.weights
    features = dense_features(table)
    found, expected = layer(features), output.oracle(table)
    for name in names:
        assert column_of(found, name) == arrow_column(expected, name), name
    inputs = {k: keras.Input(v.shape[1:], dtype=v.dtype.name, name=k) for k, v in features.items()}
    made = layer(inputs)
    joined = keras.layers.Concatenate()([made["vector"], keras.ops.expand_dims(made["third"], 1)])
    model = keras.Model(inputs, keras.layers.Dense(1)(joined))
    before = model(features).numpy()
    model.save(tmp_path / "model.keras")
    program = """
import sys
import keras, numpy as np, tensorflow as tf
from trueline.transform.tensorflow.keras_layer import layer_class
layer_class()
arrays = np.load(sys.argv[1] + "/in.npz")
given = {k: tf.constant(arrays[k].tolist() if arrays[k].dtype.kind == "S" else arrays[k]) for k in arrays.files}
np.save(sys.argv[1] + "/out.npy", keras.saving.load_model(sys.argv[1] + "/model.keras")(given).numpy())
"""
    np.savez(
        tmp_path / "in.npz",
        **{k: v.numpy().astype("S200") if v.dtype == tf.string else v.numpy() for k, v in features.items()},
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), before)


def test_sizes_of_vectors_are_known_to_the_layers_that_follow() -> None:
    """Lists go in as ragged tensors; what was padded, counted and cut has its size in the symbolic result."""
    import keras

    table = pa.table({"l": pa.array([[1.0, 2.0, 3.0], [4.0], None], pa.list_(pa.float64())), "w": ["a b", "b", None]})

    def preprocessing(x: Any) -> dict[str, Any]:
        ids = tlt.apply_vocabulary(tlt.tokenize(x["w"], "[a-z]+"), ["a", "b"])
        return {"pad": tlt.pad(x["l"], 2), "hot": tlt.multi_hot(ids, 2)}

    output = TransformOutput(graph_of(preprocessing, table), {})
    layer = output.transform_features_layer()
    inputs = {
        "l": keras.Input((None,), dtype="float64", name="l", ragged=True),
        "w": keras.Input((), dtype="string", name="w"),
    }
    made = layer(inputs)
    assert (made["pad"].shape, made["hot"].shape) == ((None, 2), (None, 2))
    features = {"l": tf.ragged.constant([[1.0, 2.0, 3.0], [4.0], []], tf.float64), "w": tf.constant(["a b", "b", ""])}
    found = layer(features)
    assert found["pad"].numpy().tolist() == [[1.0, 2.0], [4.0, 0.0], [0.0, 0.0]]
    assert found["hot"].numpy().tolist() == [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
