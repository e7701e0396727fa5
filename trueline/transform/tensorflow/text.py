"""TensorFlow lowerings of `trueline.transform.operations.text`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, inside, joined, pattern_of
from trueline.transform.tensorflow.lists import limited, positions
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
    whole = [tf.broadcast_to(p, shape) for p in parts]
    return joined(whole, attrs["separator"])


def _reduce_join(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x = values[0]
    later = tf.strings.join([tf.constant(attrs["separator"]), x.data])
    cells = tf.where(positions(x.data) > 0, later, x.data)
    return tf.strings.reduce_join(tf.where(inside(x.data, limited(x)), cells, ""), axis=1)


def _hash(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return murmur3_bucket(values[0].data, int(attrs["buckets"]))


def _farm(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    return tf.strings.to_hash_bucket_fast(values[0].data, int(attrs["buckets"]))


def _sip(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    key = [int(half) - (int(half) >> 63 << 64) for half in attrs["key"]]  # the attribute is of int64
    return tf.strings.to_hash_bucket_strong(values[0].data, int(attrs["buckets"]), key)


def _farm_vocabulary(values: Sequence[TfValue], attrs: Attrs) -> Any:
    """As TensorFlow Transform's: out-of-vocabulary buckets by FarmHash, of whole numbers by that of their digits."""
    import tensorflow as tf

    x, table = values[0].data, values[1].data
    texts = x if x.dtype == tf.string else tf.strings.as_string(x)
    found = table.positions(x)
    unknown = tf.strings.to_hash_bucket_fast(texts, int(attrs["oov"])) + len(table.values)
    return tf.where(found < 0, unknown, found)


def _regex_replace(values: Sequence[TfValue], attrs: Attrs) -> Any:
    """Texts with a NUL character stay as they are, here as in onnxruntime-extensions."""
    import tensorflow as tf

    x = values[0].data
    made = tf.strings.regex_replace(x, attrs["pattern"], attrs["rewrite"], replace_global=bool(attrs["replace_all"]))
    return tf.where(tf.strings.regex_full_match(x, r"(?s:.*)\x00(?s:.*)"), x, made)


def _matches(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    return tf.strings.regex_full_match(values[0].data, pattern_of(attrs))


LOWERINGS: dict[str, Lowering] = {
    "lower": _case("lower"),
    "upper": _case("upper"),
    "join": _join,
    "reduce_join": _reduce_join,
    "hash_bucket": _hash,
    "farm_bucket": _farm,
    "sip_bucket": _sip,
    "farm_vocabulary": _farm_vocabulary,
    "regex_replace": _regex_replace,
    "matches": _matches,
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
