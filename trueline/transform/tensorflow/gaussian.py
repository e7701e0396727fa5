"""TensorFlow lowering of `trueline.transform.operations.gaussian`: the inverse of Tukey's HH transformation."""

from __future__ import annotations

from typing import Any

from trueline.transform.tensorflow.base import Lowering, PresenceRule, constant, payloads, sealed

__all__ = ["LOWERINGS", "PRESENCE"]

_STEPS = 6
_LOW = -80.0


def _lambert(log: Any) -> Any:
    """Lambert's W of ``exp(log)`` by Newton's method on ``w + ln w = log``."""
    import tensorflow as tf

    one, low = constant(1.0, log), constant(_LOW, log)
    log = tf.where(log < low, low, log)
    large = log > one
    grown = sealed(tf.exp(tf.where(large, one, log)))
    start = sealed(log - tf.math.log(tf.where(large, log, one)))
    w = tf.where(large, start, sealed(grown / sealed(one + grown)))
    for _ in range(_STEPS):
        step = sealed(one + sealed(log - tf.math.log(w)))
        w = sealed(sealed(w * step) / sealed(one + w))
    return w


def _inverse(y: Any, left: Any, right: Any) -> Any:
    import tensorflow as tf

    zero = constant(0.0, y)
    negative = y < zero
    h = tf.where(negative, left, right)
    size = tf.abs(y)
    square = sealed(sealed(h * size) * size)
    far = sealed(tf.math.log(h) + sealed(constant(2.0, y) * tf.math.log(size)))
    w = _lambert(tf.where(tf.math.is_inf(square), far, tf.math.log(square)))
    root = sealed(tf.sqrt(sealed(w / h)))
    shrunk = sealed(y * sealed(tf.exp(sealed(w * constant(-0.5, y)))))
    inner = tf.where(w > constant(1.0, y), tf.where(negative, -root, root), shrunk)
    return tf.where(tf.math.is_inf(y), y, inner) + zero


LOWERINGS: dict[str, Lowering] = {"inverse_tukey_hh": payloads(_inverse)}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
