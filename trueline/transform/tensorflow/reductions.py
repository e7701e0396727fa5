"""TensorFlow lowerings of `trueline.transform.operations.reductions`: one value out of a row's elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.base import (
    Lowering,
    PresenceRule,
    TfValue,
    all_present,
    column,
    constant,
    inside,
    sealed,
)

__all__ = ["LOWERINGS", "PRESENCE", "elements", "running_sums"]

_LEAST, _GREATEST = -(2**63), 2**63 - 1


def elements(value: TfValue, filling: Any) -> Any:
    """The cells ``[N, K]``, `filling` where no element is."""
    import tensorflow as tf

    if value.lengths is None:
        return value.data
    return tf.where(inside(value.data, value.lengths), value.data, constant(filling, value.data))


def _started(cells: Any, first: Any) -> Any:
    """The cells behind a first column of one value, so that there is always one."""
    import tensorflow as tf

    start = tf.broadcast_to(constant(first, cells), tf.shape(cells)[:1])
    return tf.concat([column(start), cells], axis=1)


def running_sums(cells: Any) -> Any:
    """The sums ``[N]`` of rows, from the first cell to the last, starting with 0."""
    import tensorflow as tf

    return tf.cumsum(_started(cells, 0), axis=1)[:, -1]


def _sum(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return running_sums(elements(values[0], 0))


def _mean(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x = values[0]
    total = sealed(_sum(values, attrs))
    if x.lengths is None:
        return total / constant(float(x.type.size or 0), total)
    return total / tf.cast(x.lengths, total.dtype)


def _extreme(least: bool) -> Lowering:
    def lowering(values: Sequence[TfValue], attrs: Attrs) -> Any:
        import tensorflow as tf

        reduce = tf.reduce_min if least else tf.reduce_max
        if values[0].data.dtype.is_integer:
            edge = _GREATEST if least else _LEAST
            return reduce(_started(elements(values[0], edge), edge), axis=1)
        far = float("inf") if least else float("-inf")
        cells = _started(elements(values[0], far), far)
        nan = tf.math.is_nan(cells)
        found = sealed(reduce(tf.where(nan, constant(far, cells), cells), axis=1) + constant(0.0, cells))
        return tf.where(tf.reduce_any(nan, axis=1), constant(float("nan"), cells), found)

    return lowering


def _logic(every: bool) -> Lowering:
    def lowering(values: Sequence[TfValue], attrs: Attrs) -> Any:
        import tensorflow as tf

        return (tf.reduce_all if every else tf.reduce_any)(elements(values[0], every), axis=1)

    return lowering


def _not_empty(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x = values[0]
    return x.present if x.lengths is None else all_present([x.present, tf.greater(x.lengths, 0)])


LOWERINGS: dict[str, Lowering] = {
    "row_sum": _sum,
    "row_mean": _mean,
    "row_min": _extreme(least=True),
    "row_max": _extreme(least=False),
    "row_any": _logic(every=False),
    "row_all": _logic(every=True),
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = dict.fromkeys(("row_mean", "row_min", "row_max"), _not_empty)
"""Presence by operation, where it is not that of all inputs."""
