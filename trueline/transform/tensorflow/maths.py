"""TensorFlow lowerings of logarithms, trigonometric and hyperbolic functions, the error function and signs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, constant, math_op, payloads, sealed

__all__ = ["LOWERINGS", "PRESENCE"]


def _log_by(base: float) -> Lowering:
    def lowering(values: Sequence[TfValue], attrs: Attrs) -> Any:
        import tensorflow as tf

        return sealed(tf.math.log(values[0].data)) / constant(math.log(base), values[0].data)

    return lowering


def _sign(x: Any) -> Any:
    import tensorflow as tf

    zero = constant(0, x)
    sign = tf.cast(x > zero, x.dtype) - tf.cast(x < zero, x.dtype)
    return tf.where(tf.math.is_nan(x), x, sign) if x.dtype.is_floating else sign


def _erf(x: Any) -> Any:
    """From 6 on it is 1 in float64; TensorFlow's kernel makes NaN of infinity."""
    import tensorflow as tf

    far = tf.abs(x) > constant(6.0, x)
    return tf.where(far, tf.sign(x), tf.math.erf(tf.where(far, tf.zeros_like(x), x)))


_NAMES = ("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "expm1", "sinh", "cosh", "tanh", "asinh", "acosh")
LOWERINGS: dict[str, Lowering] = {
    **{name: math_op(name) for name in (*_NAMES, "atanh")},
    "erf": payloads(_erf),
    "log2": _log_by(2.0),
    "log10": _log_by(10.0),
    "sign": payloads(_sign),
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
