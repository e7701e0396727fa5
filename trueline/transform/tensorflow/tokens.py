"""TensorFlow lowerings of text to lists of texts: split, tokenize, characters, and n-grams of lists.

TensorFlow has no operation that finds all matches of a pattern. Matches are marked on both sides by a byte that no
UTF-8 text holds, and the text is split at the marks: every second part is a match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from trueline._core.errors import TransformError
from trueline.transform.operations.base import Attrs
from trueline.transform.operations.strings import WHITESPACE, quoted
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, column
from trueline.transform.tensorflow.distinct import kept_cells
from trueline.transform.tensorflow.lists import limited, positions

__all__ = ["LOWERINGS", "PRESENCE", "greedy_is_longest"]

_MARK = b"\xff"
_CLASS = r"\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]"
_ATOM = rf"(?:\\[dDsSwW]|\\[pP](?:[A-Z]|\{{[A-Za-z_]+\}})|\\[^A-Za-z0-9]|{_CLASS}|[^\\\[\]().*+?{{}}|^$])"
_SIMPLE = re.compile(rf"(?:{_ATOM}(?:\{{\d+\}})?)*{_ATOM}(?:[+]|\{{\d+,\d*\}}|\{{\d+\}})?")


def greedy_is_longest(pattern: str) -> bool:
    """Whether the first match that RE2 prefers is surely the longest: only the last piece varies in length.

    >>> [greedy_is_longest(p) for p in (r"[a-z']+", r"\\d{3}-\\w+", "a|ab", "a?ab", "x+?")]
    [True, True, False, False, False]
    """
    return _SIMPLE.fullmatch(pattern) is not None


def _padded(ragged: Any) -> tuple[Any, Any]:
    return ragged.to_tensor(""), ragged.row_lengths()


def _matches(texts: Any, pattern: str) -> tuple[Any, Any]:
    """All matches of a pattern as lists."""
    import tensorflow as tf

    marked = tf.strings.regex_replace(texts, f"({pattern})", _MARK + rb"\1" + _MARK)
    parts, counts = _padded(tf.strings.split(marked, _MARK))
    return parts[:, 1::2], counts // 2


def _split(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    import tensorflow as tf

    texts = values[0].data
    if attrs["delimiter"] is None:
        return _matches(texts, f"[^{quoted(WHITESPACE)}]+")
    parts, counts = _padded(tf.strings.split(texts, attrs["delimiter"]))
    blank = tf.fill(tf.shape(texts), "")  # of "" Python makes one part, TensorFlow none
    return tf.concat([parts, column(blank)], axis=1), tf.maximum(counts, tf.ones_like(counts))


def _tokenize(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    pattern = attrs["pattern"]
    if not greedy_is_longest(pattern):
        raise TransformError(
            f"tokenize takes the longest matches of {pattern!r}, and TensorFlow finds the first alternative's",
            hint="write a pattern in which only the last piece varies in length, such as [a-z']+, or use to_onnx.",
        )
    return _matches(values[0].data, pattern)


def _characters(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    import tensorflow as tf

    return _padded(tf.strings.unicode_split(values[0].data, "UTF-8"))


def _ngrams(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    """All runs of all lengths, place by place; those that fit in the list are drawn together."""
    import tensorflow as tf

    x, (low, high) = values[0], attrs["ngram_range"]
    ends, run, runs, fits = x.data, x.data, [], []
    for n in range(1, high + 1):
        if n > 1:
            ends = tf.concat([ends, column(tf.fill(tf.shape(x.data)[:1], ""))], axis=1)[:, 1:]
            run = tf.strings.join([run, ends], attrs["separator"])
        if n >= low:
            runs.append(run)
            fits.append(positions(x.data) + n <= column(limited(x)))
    shape = tf.stack([tf.shape(x.data)[0], tf.shape(x.data)[1] * len(runs)])
    cells, kept = (tf.reshape(tf.stack(parts, axis=2), shape) for parts in (runs, fits))
    return kept_cells(cells, kept)


LOWERINGS: dict[str, Lowering] = {
    "split": _split,
    "tokenize": _tokenize,
    "characters": _characters,
    "ngrams": _ngrams,
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {}
"""Presence by operation, where it is not that of all inputs."""
