"""MurmurHash3 (x86, 32 bits) in TensorFlow operations: the numbers of ONNX Runtime's contrib operation."""

from __future__ import annotations

from typing import Any

__all__ = ["murmur3_32", "murmur3_bucket"]

_C1, _C2, _MASK = 0xCC9E2D51, 0x1B873593, 0xFFFFFFFF


def _masked(x: Any) -> Any:
    import tensorflow as tf

    return tf.bitwise.bitwise_and(x, tf.constant(_MASK, tf.int64))


def _right(x: Any, by: int) -> Any:
    import tensorflow as tf

    return tf.bitwise.right_shift(x, tf.constant(by, tf.int64))


def _rotated(x: Any, by: int) -> Any:
    import tensorflow as tf

    left = tf.bitwise.left_shift(x, tf.constant(by, tf.int64))
    return tf.bitwise.bitwise_or(_masked(left), _right(x, 32 - by))


def _times(x: Any, factor: int) -> Any:
    """The product's low 32 bits; both factors are below 2**32, so that wrapping at 64 bits does no harm."""
    return _masked(x * factor)


def _mixed(k: Any) -> Any:
    return _times(_rotated(_times(k, _C1), 15), _C2)


def _words(texts: Any) -> tuple[Any, Any]:
    """The UTF-8 bytes of texts ``[M]`` as little-endian 32-bit words in int64 ``[M, W]``, and the byte counts."""
    import tensorflow as tf

    sizes = tf.strings.length(texts)
    longest = tf.reduce_max(tf.concat([sizes, [0]], 0))
    width = (longest // 4 + 1) * 4
    octets = tf.cast(tf.io.decode_raw(texts, tf.uint8, fixed_length=width), tf.int64)
    quads = tf.reshape(octets, [-1, width // 4, 4])
    return tf.reduce_sum(quads * tf.constant([1, 1 << 8, 1 << 16, 1 << 24], tf.int64), axis=2), tf.cast(sizes, tf.int64)


def murmur3_32(texts: Any) -> Any:
    """The unsigned 32-bit hashes (seed 0) of texts of any shape, as int64."""
    import tensorflow as tf

    words, sizes = _words(tf.reshape(texts, [-1]))
    blocks = sizes // 4

    def step(i: Any, h: Any) -> tuple[Any, Any]:
        mixed = tf.bitwise.bitwise_xor(h, _mixed(words[:, i]))
        body = _masked(_times(_rotated(mixed, 13), 5) + 0xE6546B64)
        # behind a text's end stand zero bytes, so that its last word, if cut, is that of the tail
        tail = tf.where(sizes % 4 > 0, mixed, h)
        whole = tf.cast(i, tf.int64)
        return i + 1, tf.where(whole < blocks, body, tf.where(tf.equal(whole, blocks), tail, h))

    start = (tf.constant(0), tf.zeros_like(sizes))
    count = tf.shape(words)[1]
    _, h = tf.while_loop(
        lambda i, h: i < count, step, start, shape_invariants=(tf.TensorShape([]), tf.TensorShape([None]))
    )
    h = tf.bitwise.bitwise_xor(h, sizes)
    h = _times(tf.bitwise.bitwise_xor(h, _right(h, 16)), 0x85EBCA6B)
    h = _times(tf.bitwise.bitwise_xor(h, _right(h, 13)), 0xC2B2AE35)
    return tf.reshape(tf.bitwise.bitwise_xor(h, _right(h, 16)), tf.shape(texts))


def murmur3_bucket(texts: Any, buckets: int) -> Any:
    """MurmurHash3 modulo the number of buckets, as int64."""
    return murmur3_32(texts) % buckets
