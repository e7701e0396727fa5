"""TensorFlow lowerings of `trueline.transform.operations.images`: images as vectors in row-major order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trueline.transform.operations.base import Attrs
from trueline.transform.operations.images import axis_neighbours, nearest_pixels
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, constant, sealed

__all__ = ["LOWERINGS", "PRESENCE"]


def _image(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    return tf.reshape(values[0].data, [-1, *attrs["shape"]])


def _flat(image: Any, size: int) -> Any:
    import tensorflow as tf

    return tf.reshape(image, [-1, size])


def _mixed(image: Any, old: int, new: int, axis: int) -> Any:
    """Along one axis, every new pixel between its two neighbours."""
    import tensorflow as tf

    before, behind, part = axis_neighbours(old, new)
    part = part.reshape([-1] + [1] * (3 - axis))
    first = sealed(tf.gather(image, before, axis=axis) * constant(1.0 - part, image))
    return sealed(first + sealed(tf.gather(image, behind, axis=axis) * constant(part, image)))


def _resize(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    (height, width, channels), (new_height, new_width) = attrs["shape"], attrs["size"]
    image = _image(values, attrs)
    if attrs["method"] == "nearest":
        image = tf.gather(image, nearest_pixels(height, new_height), axis=1)
        image = tf.gather(image, nearest_pixels(width, new_width), axis=2)
    else:
        image = _mixed(_mixed(image, width, new_width, 2), height, new_height, 1)
    return _flat(image, new_height * new_width * channels)


def _normalize(values: Sequence[TfValue], attrs: Attrs) -> Any:
    image = _image(values, attrs)
    mean, std = (constant(np.array(attrs[name], np.float64), image) for name in ("mean", "std"))
    return _flat(sealed(image - mean) / std, int(np.prod(attrs["shape"])))


def _crop(values: Sequence[TfValue], attrs: Attrs) -> Any:
    top, left, height, width = attrs["box"]
    part = _image(values, attrs)[:, top : top + height, left : left + width]
    return _flat(part, height * width * attrs["shape"][2])


def _flip(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    flipped = tf.reverse(_image(values, attrs), [2 if attrs["axis"] == "horizontal" else 1])
    return _flat(flipped, int(np.prod(attrs["shape"])))


def _planes(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    return _flat(tf.transpose(_image(values, attrs), [0, 3, 1, 2]), int(np.prod(attrs["shape"])))


LOWERINGS: dict[str, Lowering] = {
    "resize_image": _resize,
    "normalize_image": _normalize,
    "crop_image": _crop,
    "flip_image": _flip,
    "channels_first": _planes,
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
