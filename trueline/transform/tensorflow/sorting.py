"""TensorFlow lowerings of `trueline.transform.operations.sorting`: each row's elements in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.operations.sorting import behind_all
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, column, constant
from trueline.transform.tensorflow.lists import limited, positions, width

__all__ = ["LOWERINGS", "PRESENCE"]


def _sort(values: Sequence[TfValue], attrs: Attrs) -> Any:
    """What is no element, and NaN, is sorted as a number that stands behind all others."""
    import tensorflow as tf

    x, descending = values[0], bool(attrs["descending"])
    cells, floats = x.data, x.data.dtype.is_floating
    last = constant(behind_all("float64" if floats else "int64", descending), cells)
    length = column(limited(x)) if x.lengths is not None else width(cells)
    there = positions(cells) < length
    proper = tf.logical_and(there, tf.logical_not(tf.math.is_nan(cells))) if floats else there
    zero = constant(0, cells)
    cells = tf.where(cells == zero, zero, cells)
    cells = tf.sort(tf.where(proper, cells, last), axis=1, direction="DESCENDING" if descending else "ASCENDING")
    if not floats:
        return cells
    count = tf.reduce_sum(tf.cast(proper, tf.int64), axis=1, keepdims=True)
    return tf.where(positions(cells) < count, cells, constant(float("nan"), cells))


LOWERINGS: dict[str, Lowering] = {"sort": _sort}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
