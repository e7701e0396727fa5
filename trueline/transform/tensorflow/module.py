"""The transform as a `tf.Module` and as a SavedModel with a signature over raw features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import TransformError
from trueline._core.values import RawFeature
from trueline.transform.graph import Graph
from trueline.transform.tensorflow.base import Lowering, TfValue, owning, tf_dtype
from trueline.transform.tensorflow.evaluate import check_lowerings, evaluate, finished
from trueline.transform.tensorflow.inputs import value_type, values_of
from trueline.transform.tensorflow.names import LENGTH_SUFFIX, PRESENT_SUFFIX, signature_names
from trueline.transform.tensorflow.table import TENSORFLOW

if TYPE_CHECKING:
    from trueline.transform.output import TransformOutput

__all__ = [
    "Program",
    "chosen_outputs",
    "import_tensorflow",
    "input_specs",
    "save_saved_model",
    "serving_function",
    "to_tf_module",
]


def import_tensorflow() -> Any:
    """The module tensorflow.

    Raises:
        TransformError: it is not installed; with the command that installs it.
    """
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        raise TransformError("TensorFlow is not installed", hint="pip install 'trueline[tensorflow]'") from error
    return tf


def chosen_outputs(output: TransformOutput, outputs: Sequence[str] | None) -> list[tuple[str, int]]:
    """Name and node index of the outputs wanted, all by default.

    Raises:
        TransformError: naming the outputs that exist.
    """
    if outputs is None:
        return list(output.graph.outputs)
    return [(name, output.graph.output(name)) for name in outputs]


class Program:
    """What a bound graph computes for some of its outputs.

    Args:
        graph: a bound graph.
        outputs: name and node index of the outputs wanted.
        lowerings: by operation.

    Raises:
        TransformError: host steps or operations without a TensorFlow lowering, all of them.
    """

    def __init__(
        self, graph: Graph, outputs: Sequence[tuple[str, int]], lowerings: Mapping[str, Lowering] = TENSORFLOW
    ) -> None:
        roots = [i for _, i in outputs]
        check_lowerings(graph, roots)
        self.graph = graph
        self._lowerings = lowerings
        self.outputs = tuple(outputs)
        names = graph.input_names(roots)
        self.features = tuple(f for f in graph.features if f.name in names)
        self.hashed: dict[Any, Any] = {}
        """Hash tables over vocabularies, made when first asked for; whoever saves the functions must own them."""

    def run(self, columns: Mapping[str, TfValue], *, final: bool = True) -> dict[str, TfValue]:
        """The outputs' values; with `final` as the transform's outputs are (float32, blanks), else as computed."""
        with owning(self.hashed):
            found = evaluate(self.graph, columns, [i for _, i in self.outputs], self._lowerings)
        return {name: finished(found[i]) if final else found[i] for name, i in self.outputs}

    def transform(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """What the module's and the layer's call give."""
        import tensorflow as tf

        out: dict[str, Any] = {}
        for name, value in self.run(values_of(self.features, features)).items():
            ragged = value.lengths is not None
            out[name] = tf.RaggedTensor.from_tensor(value.data, lengths=value.lengths) if ragged else value.data
            if value.present is not None:
                out[name + PRESENT_SUFFIX] = value.present
        return out


def input_specs(features: Sequence[RawFeature], names: Mapping[str, str]) -> dict[str, Any]:
    """The signature's inputs by the signature's names."""
    import tensorflow as tf

    specs: dict[str, Any] = {}
    for f in features:
        name, shape = names[f.name], {"scalar": [None], "fixed": [None, f.size], "ragged": [None, None]}[f.kind]
        specs[name] = tf.TensorSpec(shape, tf_dtype(f.dtype), name)
        if f.kind == "ragged":
            specs[name + LENGTH_SUFFIX] = tf.TensorSpec([None], tf.int64, name + LENGTH_SUFFIX)
        if f.optional:
            specs[name + PRESENT_SUFFIX] = tf.TensorSpec([None], tf.bool, name + PRESENT_SUFFIX)
    return specs


def serving_function(program: Program) -> Any:
    """The flat function of the signature: plain tensors in, plain tensors out."""
    import tensorflow as tf

    ins = signature_names(f.name for f in program.features)
    outs = signature_names(name for name, _ in program.outputs)

    def serving_default(**tensors: Any) -> dict[str, Any]:
        columns = {
            f.name: TfValue(
                tensors[ins[f.name]],
                tensors.get(ins[f.name] + PRESENT_SUFFIX),
                tensors.get(ins[f.name] + LENGTH_SUFFIX),
                value_type(f),
            )
            for f in program.features
        }
        flat: dict[str, Any] = {}
        for name, value in program.run(columns).items():
            flat[outs[name]] = value.data
            if value.lengths is not None:
                flat[outs[name] + LENGTH_SUFFIX] = value.lengths
            if value.present is not None:
                flat[outs[name] + PRESENT_SUFFIX] = value.present
        return flat

    function = tf.function(serving_default, autograph=False)
    return function.get_concrete_function(**input_specs(program.features, ins))


def to_tf_module(output: TransformOutput, outputs: Sequence[str] | None = None) -> Any:
    """The transform as a `tf.Module`.

    The module has

    * ``module.transform(features)``, a `tf.function` over a dict of tensors by feature name. A scalar is a tensor
      ``[N]`` or ``[N, 1]``; a vector ``[N, size]``; a list a `tf.RaggedTensor`, or ``[N, K]`` where all rows are of
      one length. What may be missing is a `tf.SparseTensor` or `tf.RaggedTensor` with one value or none a row, or a
      dense tensor beside a bool ``<name>__present``; an optional feature that is not given is missing in all rows. A
      row without entries is a missing list in a `tf.SparseTensor` and an empty list in a `tf.RaggedTensor`. Narrower
      numbers are widened. The result has the outputs by name (lists ragged, the rest dense) and bool
      ``<name>__present`` for those that may be missing.
    * ``module.serving_default``, a concrete function over plain tensors by keyword: the feature's name (what is no
      letter, digit or underscore is written ``_``, see ``module.input_names``), ``<name>__present`` for what may be
      missing, ``<name>__length`` for lists, which are padded ``[N, K]``. The result has names of the same kind.
    * ``module.input_names`` and ``module.output_names``: the signature's name by feature and by output.

    Floats are float32 in the result, as everywhere; what is missing is 0, "" or False there.

    Args:
        output: an analysed transform.
        outputs: names of the outputs wanted; all by default.

    Raises:
        TransformError: TensorFlow is not installed; a host step or an operation that TensorFlow cannot compute.
    """
    tf = import_tensorflow()
    program = Program(output.graph, chosen_outputs(output, outputs))
    module = tf.Module(name="transform")
    module.serving_default = serving_function(program)
    module.transform = tf.function(program.transform, autograph=False, reduce_retracing=True)
    module.input_names = signature_names(f.name for f in program.features)
    module.output_names = signature_names(name for name, _ in program.outputs)
    module.hashed = list(program.hashed.values())
    return module


def save_saved_model(output: TransformOutput, directory: str, outputs: Sequence[str] | None = None) -> None:
    """Writes a SavedModel with the signature ``serving_default`` of `to_tf_module`; vocabularies lie inside it.

    Args:
        output: an analysed transform.
        directory: a path that TensorFlow can write to; made where it is not there.
        outputs: names of the outputs wanted; all by default.

    Raises:
        TransformError: as `to_tf_module`.
    """
    tf = import_tensorflow()
    module = to_tf_module(output, outputs)
    tf.saved_model.save(module, directory, signatures={"serving_default": module.serving_default})
