"""TensorFlow lowerings of `trueline.transform.operations.vectors`: slices, counts of ids, matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.base import (
    Lowering,
    PresenceRule,
    TfValue,
    column,
    constant,
    inside,
    sealed,
    tf_dtype,
)
from trueline.transform.tensorflow.lists import limited

__all__ = ["LOWERINGS", "PRESENCE"]

_BLOCK = 256
"""Products of a row that a matrix product holds at once."""


def _slice(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    places = range(values[0].type.size or 0)[slice(attrs["start"], attrs["stop"], attrs["step"])]
    return tf.gather(values[0].data, list(places), axis=-1)


def _multi_hot(values: Sequence[TfValue], attrs: Attrs) -> Any:
    """Ones added at each id; what is no element or no id of the range goes to a last column that is cut off."""
    import tensorflow as tf

    x, depth = values[0], int(attrs["depth"])
    valid = tf.logical_and(x.data >= 0, x.data < depth)
    if x.lengths is not None:
        valid = tf.logical_and(valid, inside(x.data, limited(x)))
    shape = tf.shape(x.data, out_type=tf.int64)
    targets = tf.where(valid, x.data, tf.constant(depth, tf.int64))
    rows = tf.broadcast_to(column(tf.range(shape[0])), shape)
    ones = tf.fill(tf.reshape(tf.size(targets), [1]), tf.constant(1.0, tf_dtype("float64")))
    places = tf.reshape(tf.stack([rows, targets], axis=2), [-1, 2])
    counts = tf.scatter_nd(places, ones, tf.stack([shape[0], tf.constant(depth + 1, tf.int64)]))[:, :depth]
    return counts if attrs["counts"] else tf.minimum(counts, tf.ones_like(counts))


def _matmul(values: Sequence[TfValue], attrs: Attrs) -> Any:
    """Sums from the first row of the matrix to the last, which tf.matmul does not promise."""
    import tensorflow as tf

    x, columns = values[0], int(attrs["columns"])
    matrix = np.array(values[1].data.values, np.float64).reshape(x.type.size or 0, columns)
    rows = tf.shape(x.data)[:1]
    total = tf.broadcast_to(constant(0.0, x.data), tf.concat([rows, [1, columns]], 0))
    step = max(_BLOCK // columns, 1)
    for low in range(0, len(matrix), step):
        part = tf.expand_dims(x.data[:, low : low + step], 2)
        products = sealed(part * constant(matrix[low : low + step], x.data))
        total = tf.cumsum(tf.concat([total, products], axis=1), axis=1)[:, -1:]
    return tf.squeeze(total, 1)


LOWERINGS: dict[str, Lowering] = {"vector_slice": _slice, "multi_hot": _multi_hot, "matmul": _matmul}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
