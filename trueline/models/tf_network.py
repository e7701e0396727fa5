"""The network of an artifact as a TensorFlow function, made again from its native files without the trained object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, ParityError
from trueline.models.contract import OUTPUT_NAMES, Output
from trueline.models.outputs import LABEL

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.models.model import Model

__all__ = ["NetworkInput", "TfNetwork", "check_equal", "main_output", "network_of", "sample_rows"]

_FRAMEWORKS = ("keras", "tensorflow")
_FACTS, _GRAPH, _CONFIG, _WEIGHTS = "network.json", "graph.pb", "config.json", "weights.safetensors"
_ABSOLUTE = _RELATIVE = 1e-5
_MAY_CHANGE = 1e-4


@dataclass(frozen=True)
class NetworkInput:
    """One tensor ``[N, width]`` that the network takes."""

    name: str
    dtype: str
    width: int


@dataclass(frozen=True)
class TfNetwork:
    """A network in TensorFlow.

    Attributes:
        inputs: what it takes, in order.
        output: what it returns means.
        function: from the tensors in order to the raw output.
        owner: what must be kept alive and saved with the function.
    """

    inputs: tuple[NetworkInput, ...]
    output: Output
    function: Callable[..., Any]
    owner: Any

    def main(self, tensors: Sequence[Any]) -> Any:
        """The main output as ``model.onnx`` gives it: float32 probabilities ``[N, C]``, ``[N]`` or ``[N, D]``."""
        import tensorflow as tf

        raw = tf.cast(self.function(*tensors), tf.float32)
        if self.output in ("prediction", "score"):
            return tf.reshape(raw, [-1])
        if raw.shape.rank == 2 and raw.shape[1] != 1:
            return tf.nn.softmax(raw) if self.output == "logits" else raw
        flat = tf.reshape(raw, [-1, 1])
        if self.output == "embedding":
            return flat
        second = tf.sigmoid(flat) if self.output == "logits" else flat
        return tf.concat([1.0 - second, second], 1)


def network_of(model: Model, target: str) -> TfNetwork:
    """The network of a Keras or TensorFlow model.

    Args:
        model: the artifact; only graph data, a configuration of Keras' own layers and weights are read.
        target: what is made of it, for errors.

    Raises:
        ModelError: a model of another framework, one without native files or with a decision, and files that do not
            parse.
    """
    files, framework = model.native().files, model.info["framework"]
    if framework not in _FRAMEWORKS:
        raise ModelError(
            f"a {framework} model has no TensorFlow form, which {target} is made of",
            where=model.uri,
            hint="use --to server or --to onnx: ONNX Runtime runs the same graph, on phones too.",
        )
    if _FACTS not in files:
        raise ModelError(
            f"{target} cannot be made: {model.native().note or 'there are no native files'}", where=model.uri
        )
    if model.info.get("decision"):
        raise ModelError(
            f"{target} has no place for the threshold and calibration that the model was given",
            where=model.uri,
            hint="export the model that they were given to, and apply them to its probabilities where it runs.",
        )
    inputs, output = _facts(model)
    try:
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise ModelError(f"{target} needs TensorFlow", hint="pip install 'trueline[tensorflow,keras]'") from error
    if _GRAPH in files:
        from trueline.models.exporters.tf_graph import graph_function

        function = graph_function(model.native().read(_GRAPH), len(inputs))
        return TfNetwork(inputs, output, function, function)
    return _keras_network(model, inputs, output, target)


def _facts(model: Model) -> tuple[tuple[NetworkInput, ...], Output]:
    try:
        facts = json.loads(model.native().read(_FACTS))
        inputs = tuple(NetworkInput(str(i["name"]), str(i["dtype"]), int(i["width"])) for i in facts["inputs"])
        if facts["output"] not in (*OUTPUT_NAMES.values(), "logits") or {i.dtype for i in inputs} - {
            "int64",
            "float32",
        }:
            raise ValueError(f"output {facts['output']!r} or a type is not known")
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"native/{_FACTS} does not say what the network is: {error}", where=model.uri) from error
    return inputs, facts["output"]


def _keras_network(model: Model, inputs: tuple[NetworkInput, ...], output: Output, target: str) -> TfNetwork:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"Keras runs on {keras.backend.backend()} here; {target} is made of TensorFlow",
            hint="set KERAS_BACKEND=tensorflow before the program starts; the weights are the same.",
        )
    from trueline.models.exporters.keras import packer
    from trueline.models.exporters.keras_native import load_keras

    network = load_keras(model.native().read(_CONFIG), model.native().read(_WEIGHTS))
    packed = packer(network, [i.name for i in inputs])
    return TfNetwork(inputs, output, lambda *tensors: network(packed(tensors), training=False), network)


def main_output(model: Model) -> str:
    """The name of the model's main output."""
    return str(OUTPUT_NAMES[model.info["task"]])


def sample_rows(sample: pa.Table | None, target: str) -> pa.Table:
    """The rows on which a target is compared.

    Raises:
        ModelError: there are none.
    """
    if sample is None or sample.num_rows == 0:
        raise ModelError(
            f"{target} is compared with model.onnx before it is written: give raw rows as sample",
            hint="trueline export ... --sample FILE, or sample=a table of some real rows.",
        )
    return sample


def check_equal(model: Model, sample: pa.Table, found: Mapping[str, npt.NDArray[Any]], target: str) -> float:
    """Compares a target's main output, and label where it has one, with ``model.onnx`` on the sample.

    Returns:
        The largest absolute difference of a score.

    Raises:
        ParityError: with the worst row and both values.
    """
    name = main_output(model)
    table = model.predict(sample)
    own = np.array(table.column(name).to_pylist(), np.float64)
    theirs = np.asarray(found[name], np.float64)
    if own.shape != theirs.shape:
        raise ParityError(f"{target} gives {name} of shape {list(theirs.shape)}, model.onnx {list(own.shape)}")
    same = np.isnan(own) & np.isnan(theirs)
    difference = np.where(same | (own == theirs), 0.0, np.nan_to_num(np.abs(own - theirs), nan=np.inf))
    beyond = difference > _ABSOLUTE + _RELATIVE * np.abs(np.nan_to_num(own))
    if beyond.any():
        row = int(np.argmax(np.where(beyond, difference, -1).reshape(len(own), -1).max(1)))
        raise ParityError(
            f"{target} differs from model.onnx on {int(beyond.reshape(len(own), -1).any(1).sum())} of {len(own)} rows; "
            "nothing was written",
            problems=[f"row {row} of the sample: model.onnx says {own[row]}, {target} {theirs[row]}"],
        )
    if LABEL in found:
        _check_labels(table.column(LABEL).to_pylist(), list(found[LABEL]), target)
    return float(difference.max(initial=0.0))


def _check_labels(own: list[Any], theirs: list[Any], target: str) -> None:
    changed = [i for i, (a, b) in enumerate(zip(own, theirs, strict=True)) if a != b]
    if len(changed) > max(1, int(_MAY_CHANGE * len(own))):
        first = changed[0]
        raise ParityError(
            f"{len(changed)} of {len(own)} rows have another label in {target}; nothing was written",
            problems=[f"row {first} of the sample: {own[first]!r} became {theirs[first]!r}"],
        )
