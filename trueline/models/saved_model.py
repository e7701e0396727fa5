"""A SavedModel for TensorFlow Serving: raw features in, predictions out; for models of Keras and TensorFlow.

The transform's own lowering to TensorFlow and the network are one graph. Before anything is written, it answers on
real rows as ``model.onnx`` does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core import store
from trueline._core.errors import ModelError
from trueline._core.feeds import LENGTH, Feeds
from trueline._core.values import PRESENT, RawFeature
from trueline.models.model import Model
from trueline.models.outputs import LABEL
from trueline.models.tf_network import TfNetwork, check_equal, main_output, network_of, sample_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.transform import TransformOutput

__all__ = ["save_saved_model"]

_TARGET = "the SavedModel"
_CHUNK = 4096
_IN_EXAMPLES = {
    "utf8": "string",
    "bytes": "string",
    "int64": "int64",
    "bool": "int64",
    "float32": "float32",
    "float64": "float32",
}
"""Raw types that a tf.Example can hold, and the type that it holds them in."""


def save_saved_model(
    model: Model | str, uri: str, *, transform: TransformOutput | str | None = None, sample: pa.Table | None = None
) -> dict[str, Any]:
    """Writes a SavedModel with signatures over raw features.

    ``serving_default`` takes a tensor for every raw feature by its name, ``<name>__present`` for what may be missing
    and ``<name>__length`` for lists, as `TransformOutput.to_tf_module` does; it gives what ``model.onnx`` gives:
    ``probabilities`` and ``label``, ``prediction``, ``score`` or ``embedding``. ``serving_examples`` takes serialised
    ``tf.Example`` as ``examples``, where every raw feature is of a type that these can hold.

    Args:
        model: the artifact, or its folder.
        uri: an empty or absent folder. TensorFlow Serving wants it named by a number, such as ``models/taxi/1``.
        transform: the transform that the model was trained on, or its folder; its hash must be the model's.
        sample: raw rows on which the two are compared.

    Returns:
        The rows compared, the largest difference, and the signatures.

    Raises:
        ModelError: a model of another framework, no sample, no transform or another than the model's.
        TransformError: operations and host steps that TensorFlow cannot compute.
        ParityError: the SavedModel answers otherwise; nothing is written.
    """
    loaded = model if isinstance(model, Model) else Model.load(model)
    network = network_of(loaded, _TARGET)
    rows = sample_rows(sample, _TARGET)
    made, signatures, feeds = _module(loaded, network, _transform_of(loaded, transform))
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(made, folder, signatures=signatures)
        served = tf.saved_model.load(folder).signatures["serving_default"]
        difference = check_equal(loaded, rows, _answers(served, feeds, made.input_names, rows), _TARGET)
        _copy(folder, uri)
    return {"rows compared": rows.num_rows, "largest difference": difference, "signatures": sorted(signatures)}


def _transform_of(model: Model, transform: TransformOutput | str | None) -> TransformOutput:
    """The transform, which must be the one in the model."""
    from trueline.transform import TransformOutput

    if transform is None:
        raise ModelError(
            "a SavedModel over raw features is made of the transform, which the model's folder does not hold",
            hint="give transform=, the TransformGraph artifact that the model was trained on.",
        )
    found = TransformOutput.load(transform) if isinstance(transform, str) else transform
    if found.content_hash != model.info["transform"]:
        raise ModelError(
            "this is not the transform that the model was trained on",
            problems=[f"the model's has hash {model.info['transform']}, this one {found.content_hash}"],
        )
    return found


def _module(model: Model, network: TfNetwork, transform: TransformOutput) -> tuple[Any, dict[str, Any], Feeds]:
    """The module, its signatures, and what the first of them is fed with."""
    import tensorflow as tf

    from trueline.transform.tensorflow.base import TfValue
    from trueline.transform.tensorflow.inputs import value_type, values_of
    from trueline.transform.tensorflow.module import Program, input_specs
    from trueline.transform.tensorflow.names import LENGTH_SUFFIX, PRESENT_SUFFIX, signature_names

    names = list(dict.fromkeys(n for i in model.info["inputs"] for n in i["features"]))
    program = Program(transform.graph, [(n, transform.graph.output(n)) for n in names])
    outputs = {f.name: f for f in transform.outputs}
    ins = signature_names(f.name for f in program.features)

    def answer(columns: Mapping[str, Any]) -> dict[str, Any]:
        values = program.run(columns)
        tensors = [_assembled(i, values, outputs) for i in model.info["inputs"]]
        return _labelled(model, network.main(tensors))

    def serving_default(**tensors: Any) -> dict[str, Any]:
        columns = {}
        for f in program.features:
            name = ins[f.name]
            present, length = tensors.get(name + PRESENT_SUFFIX), tensors.get(name + LENGTH_SUFFIX)
            columns[f.name] = TfValue(tensors[name], present, length, value_type(f))
        return answer(columns)

    module = tf.Module(name="model")
    function = tf.function(serving_default, autograph=False)
    signatures = {"serving_default": function.get_concrete_function(**input_specs(program.features, ins))}
    if all(f.dtype in _IN_EXAMPLES for f in program.features):
        parse = _parser(program.features)
        examples = tf.function(lambda examples: answer(values_of(program.features, parse(examples))), autograph=False)
        signatures["serving_examples"] = examples.get_concrete_function(tf.TensorSpec([None], tf.string, "examples"))
    module.input_names, module.owned = ins, [network.owner, *program.hashed.values()]
    module.functions = list(signatures.values())
    return module, signatures, Feeds(program.features)


def _assembled(spec: Mapping[str, Any], values: Mapping[str, Any], outputs: Mapping[str, RawFeature]) -> Any:
    """One input ``[N, width]``: features in order, NaN where a float is missing, as `merge_model` does."""
    import tensorflow as tf

    parts = []
    for name in spec["features"]:
        size = outputs[name].size or 1
        part = tf.reshape(tf.cast(values[name].data, tf.as_dtype(spec["dtype"])), [-1, size])
        present = values[name].present
        if present is not None and outputs[name].dtype in ("float32", "float64"):
            part = tf.where(tf.reshape(present, [-1, 1]), part, tf.constant(np.nan, tf.float32))
        parts.append(part)
    return tf.concat(parts, 1)


def _labelled(model: Model, main: Any) -> dict[str, Any]:
    import tensorflow as tf

    found = {main_output(model): main}
    if model.classes is not None:
        found[LABEL] = tf.gather(tf.constant(model.classes), tf.argmax(main, axis=1))
        if found[LABEL].dtype == tf.int32:
            found[LABEL] = tf.gather(tf.constant(model.classes, tf.int64), tf.argmax(main, axis=1))
    return found


def _parser(features: tuple[RawFeature, ...]) -> Any:
    """From serialised examples to sparse tensors by feature."""
    import tensorflow as tf

    kinds = {f.name: tf.io.VarLenFeature(tf.as_dtype(_IN_EXAMPLES[f.dtype])) for f in features}
    flags = {f.name for f in features if f.dtype == "bool"}

    def parse(examples: Any) -> dict[str, Any]:
        found = tf.io.parse_example(examples, kinds)
        return {n: tf.cast(v, tf.bool) if n in flags else v for n, v in found.items()}

    return parse


def _answers(served: Any, feeds: Feeds, names: Mapping[str, str], rows: pa.Table) -> dict[str, npt.NDArray[Any]]:
    """What the signature gives for raw rows; text as str."""
    parts = [served(**_tensors(feeds, names, rows.slice(start, _CHUNK))) for start in range(0, rows.num_rows, _CHUNK)]
    found = {n: np.concatenate([p[n].numpy() for p in parts]) for n in parts[0]}
    return {n: np.array([b.decode() for b in v], object) if v.dtype == object else v for n, v in found.items()}


def _tensors(feeds: Feeds, names: Mapping[str, str], rows: pa.Table) -> dict[str, Any]:
    import tensorflow as tf

    from trueline.transform.tensorflow.base import tf_dtype
    from trueline.transform.tensorflow.names import LENGTH_SUFFIX, PRESENT_SUFFIX

    arrays = feeds.from_arrow(rows)
    found = {}
    for f in feeds.features:
        for suffix, theirs, dtype in (
            ("", "", tf_dtype(f.dtype)),
            (PRESENT, PRESENT_SUFFIX, tf.bool),
            (LENGTH, LENGTH_SUFFIX, tf.int64),
        ):
            array = arrays.get(f.name + suffix)
            if array is not None:
                found[names[f.name] + theirs] = tf.constant(array, dtype, array.shape)
    return found


def _copy(folder: str, uri: str) -> None:
    for root, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                store.write_bytes(store.join(uri, os.path.relpath(path, folder).replace(os.sep, "/")), file.read())
