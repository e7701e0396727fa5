"""TensorFlow lowerings of `trueline.transform.operations.strings`: strip, length, substring, by code points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.transform.operations.base import Attrs
from trueline.transform.operations.strings import WHITESPACE, quoted
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue

__all__ = ["LOWERINGS", "PRESENCE", "code_points"]

_SIDES = {"both": r"\A[{0}]+|[{0}]+\z", "left": r"\A[{0}]+", "right": r"[{0}]+\z"}


def code_points(texts: Any) -> Any:
    """How many there are in each text, as int64."""
    import tensorflow as tf

    return tf.cast(tf.strings.length(texts, unit="UTF8_CHAR"), tf.int64)


def _strip(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    characters = quoted(WHITESPACE if attrs["characters"] is None else attrs["characters"])
    return tf.strings.regex_replace(values[0].data, _SIDES[attrs["side"]].format(characters), "")


def _length(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return code_points(values[0].data)


def _substring(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    texts, start = values[0].data, tf.constant(int(attrs["start"]), tf.int64)
    count = code_points(texts)
    begin = tf.minimum(count, start) if attrs["start"] >= 0 else tf.maximum(count + start, tf.zeros_like(count))
    length = count if attrs["length"] is None else tf.fill(tf.shape(count), tf.constant(attrs["length"], tf.int64))
    return tf.strings.substr(texts, begin, length, unit="UTF8_CHAR")


LOWERINGS: dict[str, Lowering] = {"strip": _strip, "text_length": _length, "substring": _substring}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
