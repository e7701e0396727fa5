"""The transform in TensorFlow: a module, a SavedModel, a Keras layer and a LiteRT model of one bound graph.

TensorFlow itself is imported inside the functions that need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.transform.tensorflow.base import TfValue
    from trueline.transform.tensorflow.keras_layer import transform_features_layer
    from trueline.transform.tensorflow.litert import to_litert
    from trueline.transform.tensorflow.module import save_saved_model, to_tf_module
    from trueline.transform.tensorflow.table import PRESENCE, TENSORFLOW

__all__ = [
    "PRESENCE",
    "TENSORFLOW",
    "TfValue",
    "save_saved_model",
    "to_litert",
    "to_tf_module",
    "transform_features_layer",
]

_HOMES = {
    "PRESENCE": "table",
    "TENSORFLOW": "table",
    "TfValue": "base",
    "save_saved_model": "module",
    "to_litert": "litert",
    "to_tf_module": "module",
    "transform_features_layer": "keras_layer",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
