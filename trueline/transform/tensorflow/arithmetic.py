"""TensorFlow lowerings of `trueline.transform.operations.arithmetic`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.base import (
    Lowering,
    PresenceRule,
    TfValue,
    all_present,
    constant,
    math_op,
    payloads,
    sealed,
    select,
)

__all__ = ["LOWERINGS", "PRESENCE", "safe_mod"]


def _safe_divisor(b: Any) -> tuple[Any, Any]:
    """A divisor with 0 and -1 replaced by 1 (0 is an error, -1 faults), and where it was -1."""
    import tensorflow as tf

    minus_one = tf.equal(b, constant(-1, b))
    bad = tf.logical_or(minus_one, tf.equal(b, constant(0, b)))
    return tf.where(bad, tf.ones_like(b), b), minus_one


def _float_mod(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """C's fmod, Python's remainder, and whether the two differ by one divisor."""
    import tensorflow as tf

    zero = constant(0.0, a)
    c_mod = sealed(tf.raw_ops.TruncateMod(x=a, y=b))
    nonzero = tf.not_equal(c_mod, zero)
    moved = tf.logical_and(nonzero, tf.math.logical_xor(b < zero, c_mod < zero))
    python = tf.where(moved, sealed(c_mod + b), tf.where(nonzero, c_mod, tf.zeros_like(c_mod)))
    return c_mod, python, moved


def safe_mod(a: Any, b: Any) -> Any:
    """Python's remainder of int64; of a divisor 0 it is 0."""
    import tensorflow as tf

    return tf.math.floormod(a, _safe_divisor(b)[0])


def _mod(a: Any, b: Any) -> Any:
    return safe_mod(a, b) if a.dtype.is_integer else _float_mod(a, b)[1]


def _floor_divide(a: Any, b: Any) -> Any:
    import tensorflow as tf

    if a.dtype.is_integer:
        safe, minus_one = _safe_divisor(b)
        return tf.where(minus_one, -a, tf.math.floordiv(a, safe))
    zero, one = constant(0.0, a), constant(1.0, a)
    c_mod, _, moved = _float_mod(a, b)
    quotient = sealed(sealed(a - c_mod) / b)
    quotient = tf.where(moved, sealed(quotient - one), quotient)
    floor = tf.floor(quotient)
    far = sealed(quotient - floor) > constant(0.5, a)
    rounded = tf.where(far, sealed(floor + one), floor)
    return sealed(tf.where(tf.not_equal(b, zero), rounded, sealed(a / b)) + zero)


def _divisor_present(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    there = all_present([v.present for v in values])
    dividend, divisor = values[0].data, values[1]
    literal = divisor.type.literal if divisor.type.constant else None
    if not divisor.data.dtype.is_integer or (literal is not None and literal != 0):
        return there
    nonzero = tf.not_equal(divisor.data, constant(0, divisor.data))
    return all_present(
        [there, tf.broadcast_to(nonzero, tf.broadcast_dynamic_shape(*map(tf.shape, (dividend, nonzero))))]
    )


def _pick(first: Callable[[Any, Any], Any]) -> Lowering:
    def pick(a: Any, b: Any) -> Any:
        import tensorflow as tf

        chosen = first(a, b)
        if a.dtype.is_floating:
            chosen = tf.logical_or(chosen, tf.math.is_nan(a))
        return select(chosen, a, b)

    return payloads(pick)


def _divide(a: Any, b: Any) -> Any:
    return a / b


def _round(x: Any) -> Any:
    import tensorflow as tf

    return tf.math.rint(x)


def _log1p(x: Any) -> Any:
    """Kahan's form, as the ONNX lowering has it; the kernel loses the sign and the smallness of tiny x."""
    import tensorflow as tf

    one = constant(1.0, x)
    u = sealed(one + x)
    less = sealed(u - one)
    tiny = tf.equal(u, one)
    corrected = sealed(tf.math.log(u)) * sealed(x / tf.where(tiny, one, less))
    return tf.where(tiny, x, tf.where(tf.equal(u, x), tf.math.log(x), corrected))


def _sigmoid(x: Any) -> Any:
    import tensorflow as tf

    one = constant(1.0, x)
    return one / sealed(one + sealed(tf.exp(sealed(-x))))


LOWERINGS: dict[str, Lowering] = {
    "add": math_op("add"),
    "subtract": math_op("subtract"),
    "multiply": math_op("multiply"),
    "divide": payloads(_divide),
    "floor_divide": payloads(_floor_divide),
    "mod": payloads(_mod),
    "power": math_op("pow"),
    "negate": math_op("negative"),
    "absolute": math_op("abs"),
    "minimum": _pick(lambda a, b: a < b),
    "maximum": _pick(lambda a, b: a > b),
    "sqrt": math_op("sqrt"),
    "floor": math_op("floor"),
    "ceil": math_op("ceil"),
    "round": payloads(_round),
    "exp": math_op("exp"),
    "log": math_op("log"),
    "log1p": payloads(_log1p),
    "sigmoid": payloads(_sigmoid),
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {"floor_divide": _divisor_present, "mod": _divisor_present}
"""Presence by operation, where it is not that of all inputs."""
