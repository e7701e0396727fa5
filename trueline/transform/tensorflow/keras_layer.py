"""The transform as a Keras layer on TensorFlow: the raw features in, the transformed features out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from trueline._core.errors import TransformError
from trueline.transform.graph import Graph
from trueline.transform.tensorflow.module import Program, chosen_outputs, import_tensorflow

if TYPE_CHECKING:
    from trueline.transform.output import TransformOutput

__all__ = ["layer_class", "transform_features_layer"]


@cache
def layer_class() -> Any:
    """The class `TransformFeaturesLayer`, registered with Keras as ``trueline>TransformFeaturesLayer``.

    Call it before `keras.saving.load_model` reads a ``.keras`` file that holds such a layer.

    Raises:
        TransformError: TensorFlow is not installed, or Keras runs on another backend.
    """
    import_tensorflow()
    import keras

    if keras.backend.backend() != "tensorflow":
        raise TransformError(
            f"Keras runs on {keras.backend.backend()}, which has no text and no layers of text",
            hint="set KERAS_BACKEND=tensorflow; for other frameworks use TransformOutput.transform.",
        )

    class TransformFeaturesLayer(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
        """A layer without weights over a dict of raw features; see `to_tf_module` for the tensors that it takes.

        Args:
            graph: JSON of a bound graph.
            outputs: names of the outputs wanted.
        """

        def __init__(self, graph: str, outputs: Sequence[str], **options: Any) -> None:
            super().__init__(**{"trainable": False, "autocast": False, **options})
            self._convert_input_args = False  # text, sparse and ragged tensors stay what they are
            self._allow_non_tensor_positional_args = True
            self._graph_json, self._output_names = graph, list(outputs)
            bound = Graph.from_json(json.loads(graph))
            self._program = Program(bound, [(name, bound.output(name)) for name in outputs])
            self._hashed: list[Any] = []

        def call(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
            """The transformed features by name."""
            found = self._program.transform(inputs)
            tables = list(self._program.hashed.values())
            self._hashed.extend(tables[len(self._hashed) :])  # the layer owns them, so that they are saved with it
            return found

        def get_config(self) -> dict[str, Any]:
            """What makes the layer again."""
            return {**super().get_config(), "graph": self._graph_json, "outputs": self._output_names}

    return keras.saving.register_keras_serializable("trueline")(TransformFeaturesLayer)


def transform_features_layer(output: TransformOutput, outputs: Sequence[str] | None = None) -> Any:
    """The transform as a Keras layer that is not trained, as TensorFlow Transform's ``TransformFeaturesLayer``.

    Args:
        output: an analysed transform.
        outputs: names of the outputs wanted; all by default.

    Raises:
        TransformError: as `to_tf_module`, and where Keras does not run on TensorFlow.
    """
    chosen = [name for name, _ in chosen_outputs(output, outputs)]
    graph = json.dumps(output.graph.to_json(), allow_nan=False)
    return layer_class()(graph, chosen, name="transform")
