"""TensorFlow lowerings of `trueline.transform.operations.logic`."""

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
    math_op,
    payloads,
    select,
    tf_dtype,
)

__all__ = ["LOWERINGS", "PRESENCE"]

_INT_LOW, _INT_HIGH = -9223372036854775808.0, 9223372036854775808.0


def _where_present(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    condition, yes, no = values
    if yes.present is None and no.present is None:
        return condition.present
    if condition.type.kind != "scalar" or any(v.lengths is not None for v in values):
        return all_present([v.present for v in values])
    true = tf.constant(True)
    chosen = tf.where(
        condition.data, true if yes.present is None else yes.present, true if no.present is None else no.present
    )
    return all_present([condition.present, chosen])


def _fill(values: Sequence[TfValue], attrs: Attrs) -> Any:
    x, other = values
    if x.present is None:
        return x.data
    return select(column(x.present) if x.data.shape.rank == 2 else x.present, x.data, other.data)


def _fill_present(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x, other = values
    if x.present is None or other.present is None:
        return None
    return tf.logical_or(x.present, other.present)


def _is_missing(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x = values[0]
    if x.present is not None:
        return tf.logical_not(x.present)
    return tf.fill(tf.shape(x.data)[:1], False)


def _in_range(x: Any) -> Any:
    import tensorflow as tf

    return tf.logical_and(x >= constant(_INT_LOW, x), x < constant(_INT_HIGH, x))


def _cast(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x, to, source = values[0].data, attrs["to"], values[0].type.dtype
    if to == source or {to, source} == {"int64", "timestamp"}:
        return x
    if to == "utf8":
        return tf.where(x, "true", "false") if source == "bool" else tf.strings.as_string(x)
    if to == "bool":  # NaN is true, as in numpy
        return tf.not_equal(x, constant(0, x))
    if to == "int64" and x.dtype.is_floating:
        x = tf.where(_in_range(x), x, tf.zeros_like(x))
    wanted = tf_dtype(to)
    return tf.cast(x, wanted)


def _cast_present(values: Sequence[TfValue], attrs: Attrs) -> Any:
    x = values[0]
    if attrs["to"] == "int64" and x.data.dtype.is_floating:
        return all_present([x.present, _in_range(x.data)])
    return x.present


def _unless(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x, condition = values
    holds = all_present([condition.data, condition.present])
    stays = tf.broadcast_to(tf.logical_not(holds), tf.shape(x.data)[:1])
    return all_present([x.present, stays])


LOWERINGS: dict[str, Lowering] = {
    "equal": math_op("equal"),
    "not_equal": math_op("not_equal"),
    "less": math_op("less"),
    "less_equal": math_op("less_equal"),
    "greater": math_op("greater"),
    "greater_equal": math_op("greater_equal"),
    "and": math_op("logical_and"),
    "or": math_op("logical_or"),
    "xor": math_op("logical_xor"),
    "not": math_op("logical_not"),
    "where": payloads(select),
    "fill_missing": _fill,
    "is_missing": _is_missing,
    "is_nan": math_op("is_nan"),
    "cast": _cast,
    "missing_if": lambda values, attrs: values[0].data,
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {
    "where": _where_present,
    "fill_missing": _fill_present,
    "is_missing": lambda values, attrs: None,
    "cast": _cast_present,
    "missing_if": _unless,
}
"""Presence by operation, where it is not that of all inputs."""
