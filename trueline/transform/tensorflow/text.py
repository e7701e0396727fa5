"""TensorFlow lowerings of `trueline.transform.operations.text`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.operations.parsing import NUMBER
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, all_present
from trueline.transform.tensorflow.murmur import murmur3_bucket

__all__ = ["LOWERINGS", "PRESENCE"]


def _case(name: str) -> Lowering:
    def lowering(values: Sequence[TfValue], attrs: Attrs) -> Any:
        import tensorflow as tf

        return getattr(tf.strings, name)(values[0].data)  # ASCII letters alone, where no encoding is named

    return lowering


def _join(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    parts = [v.data for v in values]
    shape = tf.shape(parts[0])
    for part in parts[1:]:
        shape = tf.broadcast_dynamic_shape(shape, tf.shape(part))
    return tf.strings.join([tf.broadcast_to(p, shape) for p in parts], attrs["separator"])


def _hash(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return murmur3_bucket(values[0].data, int(attrs["buckets"]))


def _farm(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    return tf.strings.to_hash_bucket_fast(values[0].data, int(attrs["buckets"]))


def _matches(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    return tf.strings.regex_full_match(values[0].data, attrs["pattern"])


def _is_number(texts: Any) -> Any:
    import tensorflow as tf

    return tf.strings.regex_full_match(texts, NUMBER)


def _parse(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x = values[0].data
    return tf.strings.to_number(tf.where(_is_number(x), x, "0"), tf.float64)


LOWERINGS: dict[str, Lowering] = {
    "lower": _case("lower"),
    "upper": _case("upper"),
    "join": _join,
    "hash_bucket": _hash,
    "farm_bucket": _farm,
    "matches": _matches,
    "parse_number": _parse,
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {
    "parse_number": lambda values, attrs: all_present([values[0].present, _is_number(values[0].data)]),
}
"""Presence by operation, where it is not that of all inputs."""
