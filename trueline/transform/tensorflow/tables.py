"""TensorFlow lowerings of `trueline.transform.operations.tables`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, boundaries_like, column, tf_dtype
from trueline.transform.tensorflow.murmur import murmur3_bucket

__all__ = ["LOWERINGS", "PRESENCE"]


def _vocabulary(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x, table = values[0].data, values[1].data
    oov, default = int(attrs["oov"]), int(attrs["default"])
    found = table.positions(x)
    if oov:
        texts = x if x.dtype == tf.string else tf.strings.as_string(x)
        unknown = murmur3_bucket(texts, oov) + len(table.values)
    else:
        unknown = tf.constant(default, tf.int64)
    return tf.where(found < 0, unknown, found)


def _passed(x: Any, boundaries: Sequence[float]) -> Any:
    """How many boundaries are not above x, by an unrolled binary search; NaN passes all."""
    import tensorflow as tf

    position = tf.zeros_like(x, tf.int64)
    if not boundaries:
        return position
    steps = len(boundaries).bit_length()
    padded = list(boundaries) + [float("inf")] * (2**steps - 1 - len(boundaries))
    table = boundaries_like(padded, x)
    for step in (2**k for k in reversed(range(steps))):
        probe = tf.gather(table, position + (step - 1))
        position += tf.where(x < probe, tf.constant(0, tf.int64), tf.constant(step, tf.int64))
    return tf.minimum(position, tf.constant(len(boundaries), tf.int64))


def _buckets(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return _passed(values[0].data, values[1].data.values)


def _one_hot(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    classes = tf.range(int(attrs["depth"]), dtype=tf.int64)
    return tf.cast(tf.equal(column(values[0].data), classes), tf_dtype("float64"))


def _concat(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    return tf.concat([v.data if v.type.kind == "fixed" else column(v.data) for v in values], axis=1)


def _element(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    source, index = values[0], int(attrs["index"])
    if source.type.kind == "table":
        return tf.constant(source.data.values[index], tf_dtype(source.type.dtype))
    return source.data[:, index]


def _repeat(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    value, rows = values[0], tf.shape(values[1].data)[:1]
    if value.type.kind == "scalar":
        return tf.broadcast_to(value.data, rows)
    flat = tf.reshape(tf.constant(value.data.values, tf_dtype(value.type.dtype)), [-1])
    return tf.broadcast_to(flat, tf.concat([rows, tf.shape(flat)], 0))


LOWERINGS: dict[str, Lowering] = {
    "apply_vocabulary": _vocabulary,
    "apply_buckets": _buckets,
    "one_hot": _one_hot,
    "concat": _concat,
    "element": _element,
    "repeat": _repeat,
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {"repeat": lambda values, attrs: None}
"""Presence by operation, where it is not that of all inputs."""
