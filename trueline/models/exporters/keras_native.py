"""A Keras model's own form in an artifact: its configuration as JSON and its weights as safetensors.

A ``.keras`` file is not written: it holds the same, and loading one may import any module that its configuration
names. Here only layers of Keras itself come back, through `load_keras`, with Keras' safe mode on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trueline._core.errors import ModelError, first_line
from trueline.models.exporters.keras_graph import Packed
from trueline.models.exporters.weights import load_tensors, save_tensors
from trueline.models.inputs import ModelInput

__all__ = ["CONFIG", "GRAPH", "WEIGHTS", "keras_files", "load_keras"]

CONFIG, WEIGHTS, GRAPH = "config.json", "weights.safetensors", "graph.pb"
_PLAIN = ("__keras_tensor__", "__tuple__", "__numpy__", "__tensor__", "__slice__", "__ellipsis__")
"""Keras' own marks of values that JSON does not have."""
_FORBIDDEN = ("Lambda", "__lambda__", "function", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")
_ROWS = 5


def keras_files(model: Any, packed: Packed, inputs: Sequence[ModelInput]) -> tuple[dict[str, bytes], str]:
    """Files for ``native/`` and a note; they are read back and must predict the same before they are kept."""
    import keras

    try:
        config = json.dumps(_config(model), sort_keys=True).encode()
        weights = save_tensors({_key(i): np.asarray(w) for i, w in enumerate(model.get_weights())})
        _check_same(model, load_keras(config, weights), packed, inputs)
    except Exception as error:
        why = f"its configuration does not make it again without its own code ({_reason(error)})"
        if keras.backend.backend() != "tensorflow":
            return {}, f"{why}; the weights are in the ONNX graph"
        from trueline.models.exporters.tf_graph import frozen_graph

        graph = frozen_graph(lambda *tensors: model(packed(tensors), training=False), inputs)
        return {GRAPH: graph}, f"{why}; a frozen TensorFlow graph, in0, in1, ... to out"
    return {CONFIG: config, WEIGHTS: weights}, "Keras configuration and weights; no .keras file, which may run code"


def load_keras(config: bytes, weights: bytes) -> Any:
    """The model of `keras_files`, on the back end that Keras runs on.

    Raises:
        ModelError: a configuration that names anything but Keras' own classes, or weights that do not fit.
    """
    import keras

    try:
        made = json.loads(config)
    except ValueError as error:
        raise ModelError(f"the Keras configuration is not JSON: {error}") from error
    if problems := sorted(set(_foreign(made))):
        raise ModelError("the Keras configuration names more than Keras' own layers", problems=problems)
    try:
        model = keras.saving.deserialize_keras_object(made, safe_mode=True)
        arrays = load_tensors(weights)
        model.set_weights([arrays[_key(i)] for i in range(len(arrays))])
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"the Keras model cannot be made again: {first_line(error)}") from error
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def _reason(error: Exception) -> str:
    named = getattr(error, "problems", None)
    return ", ".join(named) if named else first_line(error)


def _config(model: Any) -> dict[str, Any]:
    """The configuration without what only training needs."""
    import keras

    made: dict[str, Any] = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    made.pop("compile_config", None)
    return made


def _key(at: int) -> str:
    return f"{at:05d}"


def _foreign(value: Any) -> list[str]:
    """What a configuration names that is not Keras' own, or that may hold code."""
    found: list[str] = []
    if isinstance(value, Mapping):
        kind, module = value.get("class_name"), value.get("module")
        own = isinstance(module, str) and (module + ".").startswith("keras.")
        registered = value.get("registered_name") not in (None, kind)
        if kind is not None and kind not in _PLAIN and (kind in _FORBIDDEN or registered or not own):
            found.append(f"{kind} ({module or value.get('registered_name') or 'no module'})")
        for inner in value.values():
            found += _foreign(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            found += _foreign(inner)
    return found


def _check_same(model: Any, again: Any, packed: Packed, inputs: Sequence[ModelInput]) -> None:
    """Both give the same on some rows."""
    from keras import ops

    rng = np.random.default_rng(0)
    arrays = [
        np.zeros((_ROWS, i.width), np.int32)
        if i.dtype == "int64"
        else rng.standard_normal((_ROWS, i.width)).astype(np.float32)
        for i in inputs
    ]
    tensors = packed([ops.convert_to_tensor(a) for a in arrays])
    own, found = (ops.convert_to_numpy(m(tensors, training=False)) for m in (model, again))
    if not np.allclose(own, found, 1e-6, 1e-6, equal_nan=True):
        raise ModelError("it predicts otherwise after it was read back")
