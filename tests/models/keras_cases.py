"""Keras models by task and form, for each back end: what they are made of, and what the artifact must then say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from trueline.models import Fitted, Model
from trueline.models.exporters.keras_native import load_keras

DENSE = ["length_filled", "depth", "mass", "ringed"]
IDS = ["island", "tip_bucket"]
SPECIES = ["Adelie", "Chinstrap", "Gentoo"]


@dataclass(frozen=True)
class Case:
    """A model, its label, and what the artifact says of it.

    Attributes:
        make: the model, built.
        fitted: what `Fitted` is told besides.
        native: the names of its native files.
    """

    name: str
    label: str | None
    task: str
    make: Callable[[], Any]
    fitted: dict[str, Any]
    native: tuple[str, ...] = ("config.json", "network.json", "weights.safetensors")


def _body(*last: Any) -> Any:
    """Numbers through batch statistics and dropout, which evaluation mode must switch off."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            layers.Input((4,)),
            layers.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 3.0, 4.0]),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            *last,
        ]
    )
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma + 0.5, beta - 0.1, mean + 0.2, variance * 2.0])
    return model


def _from_logits() -> Any:
    model = _body(layers.Dense(1))
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def _two_inputs() -> Any:
    keras.utils.set_random_seed(3)
    ids, dense = layers.Input((2,), dtype="int64", name="ids"), layers.Input((4,), name="dense")
    flat = layers.Flatten()(layers.Embedding(8, 3)(ids))
    hidden = layers.Dense(8, activation="tanh", name="hidden")(layers.Concatenate()([dense, flat]))
    return keras.Model({"ids": ids, "dense": dense}, layers.Dense(3, activation="softmax", name="last")(hidden))


def _recurrent() -> Any:
    keras.utils.set_random_seed(4)
    ids = layers.Input((2,), dtype="int64", name="ids")
    embedded = layers.Embedding(8, 3, mask_zero=True)(ids)
    return keras.Model(ids, layers.Dense(1)(layers.LSTM(5)(embedded)))


def _image() -> Any:
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            layers.Input((4,)),
            layers.Reshape((2, 2, 1)),
            layers.Conv2D(3, 2, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


class Wide(keras.Model):
    """A subclass: nothing but its call says what it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.last = layers.Dense(6, activation="relu"), layers.Dense(1)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.last(self.hidden(inputs))


class Scale(layers.Layer):
    """A layer of the user's own."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor * 2.0


def _subclass() -> Any:
    keras.utils.set_random_seed(6)
    model = Wide()
    model(np.zeros((2, 4), np.float32))
    return model


def _graph_native() -> tuple[str, ...]:
    return ("graph.pb", "network.json") if keras.backend.backend() == "tensorflow" else ()


KERAS_CASES = (
    Case("binary-sigmoid", "big_tipper", "binary", lambda: _body(layers.Dense(1, activation="sigmoid")), {}),
    Case("binary-loss-from-logits", "big_tipper", "binary", _from_logits, {}),
    Case(
        "softmax-text-labels",
        "species",
        "multiclass",
        lambda: _body(layers.Dense(3, activation="softmax")),
        {"classes": SPECIES},
    ),
    Case("logits-int-labels", "grade", "multiclass", lambda: _body(layers.Dense(3)), {"classes": [0, 10, 20]}),
    Case("regression", "tips", "regression", lambda: _body(layers.Dense(1)), {}),
    Case("ranking", "tips", "ranking", lambda: _body(layers.Dense(1)), {"output": "score"}),
    Case(
        "embedding",
        None,
        "embedding",
        lambda: _body(layers.Dense(5), layers.UnitNormalization()),
        {"output": "embedding"},
    ),
    Case(
        "two-inputs", "species", "multiclass", _two_inputs, {"inputs": {"dense": DENSE, "ids": IDS}, "classes": SPECIES}
    ),
    Case("lstm-masked", "tips", "regression", _recurrent, {"inputs": {"ids": IDS}}),
    Case("image", "species", "multiclass", _image, {"classes": SPECIES}),
    Case("subclass", "tips", "regression", _subclass, {"output": "prediction"}, _graph_native()),
    Case("own-layer", "tips", "regression", lambda: _body(Scale(), layers.Dense(1)), {}, _graph_native()),
)


def own_output(model: Any, arrays: Any) -> Any:
    """What Keras itself predicts."""
    from keras import ops

    given = {n: a.astype(np.int32) if a.dtype == np.int64 else a for n, a in arrays.items()}
    called = given if len(given) > 1 else next(iter(given.values()))
    return np.asarray(ops.convert_to_numpy(model(called, training=False)), np.float64)


def check_case(line: Any, uri: Path, case: Case) -> Model:
    """Builds the artifact, through the gate; compares it with Keras, in batches of 1 and 7 too; reads native files."""
    network = case.make()
    features = [f for names in case.fitted.get("inputs", {"x": DENSE}).values() for f in names]
    model = line.build(Fitted(network, **case.fitted), uri, case.label, features)
    assert (model.task, model.info["framework"]) == (case.task, "keras")
    assert model.info["versions"]["backend"].startswith(keras.backend.backend())
    inputs = case.fitted.get("inputs", {"x": features})
    arrays = line.fn_args("importance", features).train.arrays(inputs).x
    arrays = arrays if isinstance(arrays, dict) else {"x": arrays}
    own = own_output(network, arrays)
    if case.name in ("binary-loss-from-logits", "logits-int-labels"):
        own = 1 / (1 + np.exp(-own)) if own.shape[1] == 1 else np.exp(own) / np.exp(own).sum(1, keepdims=True)
    for start, size in ((0, line.table.num_rows), (3, 1), (5, 7)):
        found = model.predict(line.table.slice(start, size))
        column = found.column(model.runtime.outputs[0]["name"]).to_pylist()
        wanted = own[start : start + size]
        if case.task == "binary":
            wanted = np.concatenate([1 - wanted, wanted], 1)
        np.testing.assert_allclose(np.array(column).reshape(wanted.shape), wanted, rtol=2e-5, atol=2e-5)
    native = {p.name: p.read_bytes() for p in (uri / "native").iterdir()} if (uri / "native").exists() else {}
    assert tuple(sorted(native)) == case.native, model.info["native"]
    if "config.json" in native:
        again = load_keras(native["config.json"], native["weights.safetensors"])
        np.testing.assert_allclose(own_output(again, arrays), own_output(network, arrays), rtol=1e-6, atol=1e-6)
    return model
