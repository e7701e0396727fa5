"""TensorFlow lowerings of `trueline.transform.operations.buckets`: boundaries by place and key, interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trueline.transform.operations import buckets
from trueline.transform.operations.base import Array, Attrs
from trueline.transform.tensorflow.base import (
    Lowering,
    PresenceRule,
    TfValue,
    boundaries_like,
    column,
    constant,
    sealed,
)

__all__ = ["LOWERINGS", "PRESENCE"]


def _int(value: int) -> Any:
    import tensorflow as tf

    return tf.constant(value, tf.int64)


def _count(x: Any, padded: Array, offsets: Any) -> Any:
    """How many boundaries of its row of the flattened, padded table each value is not below: binary search."""
    import tensorflow as tf

    table = boundaries_like(padded.ravel(), x)
    position = tf.zeros_like(x, tf.int64)
    step = (padded.shape[1] + 1) // 2
    while step:
        probe = tf.gather(table, position + (step - 1) + offsets)
        position += tf.where(x < probe, _int(0), _int(step))
        step //= 2
    return position


def _by_place(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x, places = values[0].data, int(values[0].type.size or 1)
    table = buckets.place_table(values[1].data.values, places)
    padded = buckets.padded_rows(table)
    offsets = tf.constant(np.arange(places, dtype=np.int64) * padded.shape[1])
    return tf.minimum(_count(x, padded, offsets), _int(table.shape[1]))


def _by_key(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x, index = values[0].data, values[1].data
    table = buckets.key_table(values[2].data.values, attrs)
    nowhere = tf.fill(tf.shape(x), _int(-1))
    if not len(table):
        return nowhere
    if values[1].type.kind == "scalar" and values[0].type.kind != "scalar":
        index = column(index)
    known = tf.logical_and(index >= _int(0), index < _int(len(table)))
    padded = buckets.padded_rows(table)
    offsets = tf.where(known, index, _int(0)) * padded.shape[1]
    return tf.where(known, tf.minimum(_count(x, padded, offsets), _int(table.shape[1])), nowhere)


def _interpolate(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x = values[0].data
    finite, half, reciprocal = buckets.segments(values[1].data.values)
    position = tf.minimum(_count(x, buckets.padded_rows(finite[None]), _int(0)), _int(len(finite)))
    way = sealed(sealed(x * constant(0.5, x)) - tf.gather(constant(half, x), position))
    inner = sealed(way * tf.gather(constant(reciprocal, x), position))
    bucket = tf.cast(position - 1, x.dtype)
    unit = sealed(sealed(inner + bucket) * constant(1.0 / max(len(finite) - 1, 1), x))
    unit = tf.where(tf.equal(position, _int(len(finite))), constant(1.0, x), unit)
    unit = tf.where(tf.equal(position, _int(0)), constant(0.0, x), unit)
    return sealed(tf.where(tf.math.is_nan(x), constant(0.5, x), unit) + constant(0.0, x))


def _size(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return _int(len(values[0].data.values))


LOWERINGS: dict[str, Lowering] = {
    "apply_buckets_by_place": _by_place,
    "apply_buckets_by_key": _by_key,
    "interpolate_buckets": _interpolate,
    "table_size": _size,
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
