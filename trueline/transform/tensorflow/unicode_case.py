"""TensorFlow lowerings of `trueline.transform.operations.unicode_case`: code point by code point, from a table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.operations.unicode_case import simple_case
from trueline.transform.tensorflow.base import Lowering, PresenceRule, Table, TfValue

__all__ = ["LOWERINGS", "PRESENCE"]


@lru_cache(maxsize=2)
def _changed(upper: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The code points that have another case, and what they become."""
    pairs = [(c, ord(simple_case(chr(c), upper))) for c in (*range(0xD800), *range(0xE000, 0x20000))]
    pairs = [(old, new) for old, new in pairs if old != new]
    return tuple(old for old, _ in pairs), tuple(new for _, new in pairs)


def _case(upper: bool) -> Lowering:
    def lowering(values: Sequence[TfValue], attrs: Attrs) -> Any:
        import tensorflow as tf

        x = values[0].data
        old, new = _changed(upper)
        points = tf.strings.unicode_decode(tf.reshape(x, [-1]), "UTF-8")
        place = Table(old, "int64").positions(tf.cast(points.flat_values, tf.int64))
        other = tf.gather(tf.constant(new, tf.int32), tf.maximum(place, tf.zeros_like(place)))
        made = points.with_flat_values(tf.where(place < 0, points.flat_values, other))
        return tf.reshape(tf.strings.unicode_encode(made, "UTF-8"), tf.shape(x))

    return lowering


LOWERINGS: dict[str, Lowering] = {"lower_unicode": _case(upper=False), "upper_unicode": _case(upper=True)}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
