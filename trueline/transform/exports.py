"""The forms in which a `TransformOutput` leaves the house: browser, scikit-learn, TensorFlow, LiteRT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from trueline.transform.output import TransformOutput
    from trueline.transform.sklearn_estimator import FrozenTransformer

__all__ = ["TransformExports"]


class TransformExports:
    """What `TransformOutput` can be turned into; each framework is imported when it is asked for."""

    @property
    def _whole(self) -> TransformOutput:
        return cast("TransformOutput", self)

    def save_web(self, uri: str, outputs: Sequence[str] | None = None, *, runtime: str | None = None) -> None:
        """Writes a folder that runs the graph in a browser; see `trueline.transform.web_export.save_web`.

        Raises:
            TransformError: listing every operation and host step that a browser cannot run.
        """
        from trueline.transform.web_export import save_web

        save_web(self._whole, uri, outputs, runtime=runtime)

    def as_transformer(
        self, outputs: Sequence[str] | None = None, *, dtype: Literal["float32", "float64"] = "float32"
    ) -> FrozenTransformer:
        """The graph as a fitted scikit-learn transformer; `trueline.transform.as_transformer` makes one to fit."""
        from trueline.transform.sklearn_transformer import frozen_transformer

        return frozen_transformer(self._whole, outputs, dtype=dtype)

    def to_tf_module(self, outputs: Sequence[str] | None = None) -> Any:
        """The transform as a `tf.Module`; see `trueline.transform.tensorflow.to_tf_module`."""
        from trueline.transform.tensorflow.module import to_tf_module

        return to_tf_module(self._whole, outputs)

    def save_saved_model(self, directory: str, outputs: Sequence[str] | None = None) -> None:
        """Writes a TensorFlow SavedModel over raw features; see `trueline.transform.tensorflow.save_saved_model`."""
        from trueline.transform.tensorflow.module import save_saved_model

        save_saved_model(self._whole, directory, outputs)

    def transform_features_layer(self, outputs: Sequence[str] | None = None) -> Any:
        """A Keras layer without weights; see `trueline.transform.tensorflow.transform_features_layer`."""
        from trueline.transform.tensorflow.keras_layer import transform_features_layer

        return transform_features_layer(self._whole, outputs)

    def to_litert(self, outputs: Sequence[str] | None = None) -> bytes:
        """A LiteRT model of the outputs that are made of numbers; see `trueline.transform.tensorflow.to_litert`."""
        from trueline.transform.tensorflow.litert import to_litert

        return to_litert(self._whole, outputs)
