"""TensorFlow lowerings of `trueline.transform.operations.distinct`: repeated elements of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, column, constant, sealed
from trueline.transform.tensorflow.lists import limited, picked, positions

__all__ = ["LOWERINGS", "PRESENCE", "kept_cells"]


def _numbers(cells: Any) -> tuple[Any, Any]:
    """A number per distinct value, in a flat tensor, and where the elements are NaN."""
    import tensorflow as tf

    nan = None
    if cells.dtype.is_bool:
        cells = tf.cast(cells, tf.int64)
    if cells.dtype.is_floating:
        nan = tf.math.is_nan(cells)
        cells = sealed(tf.where(nan, tf.zeros_like(cells), cells) + constant(0.0, cells))
    return tf.unique(tf.reshape(cells, [-1]), out_idx=tf.int64).idx, nan


def _first(value: TfValue) -> tuple[Any, Any, Any]:
    """Per cell: its place among all cells, the place of its value's first occurrence in the row, whether it counts."""
    import tensorflow as tf

    shape = tf.shape(value.data, out_type=tf.int64)
    count = shape[0] * shape[1]
    own = tf.range(count)
    numbers, nan = _numbers(value.data)
    key = tf.reshape(numbers, shape) + column(tf.range(shape[0])) * count
    there = positions(value.data) < column(limited(value))
    proper = there if nan is None else tf.logical_and(there, tf.logical_not(nan))
    key = tf.where(proper, key, -1 - tf.reshape(own, shape))  # equal to no other
    found, back = tf.unique(tf.reshape(key, [-1]), out_idx=tf.int64)
    first = tf.gather(tf.math.unsorted_segment_min(own, back, tf.size(found, out_type=tf.int64)), back)
    return tf.reshape(own, shape), tf.reshape(first, shape), there


def kept_cells(cells: Any, kept: Any) -> tuple[Any, Any]:
    """The cells that are kept, drawn together to the left of their rows, and how many there are in each."""
    import tensorflow as tf

    lengths = tf.reduce_sum(tf.cast(kept, tf.int64), axis=1)
    order = tf.argsort(tf.cast(tf.logical_not(kept), tf.int32), axis=1, stable=True)
    return picked(cells, positions(cells) < column(lengths), tf.cast(order, tf.int64)), lengths


def _distinct(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    import tensorflow as tf

    own, first, there = _first(values[0])
    return kept_cells(values[0].data, tf.logical_and(there, tf.equal(own, first)))


def _segments(values: Sequence[TfValue], attrs: Attrs) -> Any:
    own, first, _ = _first(values[0])
    return own - first


LOWERINGS: dict[str, Lowering] = {"distinct": _distinct, "segment_indices": _segments}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
