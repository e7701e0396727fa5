"""TensorFlow lowerings of text to lists of texts: split, tokenize, characters; n-grams and crosses of lists.

TensorFlow has no operation that finds all matches of a pattern. Matches are marked on both sides by a byte that no
UTF-8 text holds, and the text is split at the marks: every second part is a match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from trueline._core.errors import TransformError
from trueline.transform.operations.base import Attrs
from trueline.transform.operations.strings import WHITESPACE, quoted
from trueline.transform.tensorflow.base import Lowering, PresenceRule, TfValue, all_present, column, joined, pattern_of
from trueline.transform.tensorflow.distinct import kept_cells
from trueline.transform.tensorflow.lists import limited, positions

__all__ = ["LOWERINGS", "PRESENCE", "greedy_is_longest"]

_MARK = b"\xff"
_CLASS = r"\[\^?+\]?+(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*+\]"
_ATOM = rf"(?:\\[dDsSwW]|\\[pP](?:[A-Z]|\{{[A-Za-z_]+\}})|\\[^A-Za-z0-9]|{_CLASS}|[^\\\[\]()*+?{{}}|^$])"
_RUN = rf"(?:{_ATOM}(?:\{{\d+\}})?)*{_ATOM}(?:[+*?]|\{{\d+(?:,\d*)?\}})?"
_RUNS = re.compile(rf"(?:{_RUN})(?:\|(?:{_RUN}))*")


@lru_cache(maxsize=256)
def _starts(atom: str) -> frozenset[str]:
    """The characters that one piece of a pattern takes."""
    every = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    return frozenset(re.findall(atom, every, re.ASCII))


def greedy_is_longest(pattern: str) -> bool:
    """Whether the first match that RE2 prefers is surely the longest.

    It is where only the last piece varies in length, and alternatives begin with different characters.

    >>> [greedy_is_longest(p) for p in (r"[a-z']+", r"\\d{3}-\\w+", r"[a-z]+|\\d+", "a|ab", "a?ab", "x+?", "(a)")]
    [True, True, True, False, False, False, False]
    """
    if _RUNS.fullmatch(pattern) is None:
        return False
    runs, at = [], 0
    while at < len(pattern):
        found = re.compile(_RUN).match(pattern, at)
        assert found is not None
        runs.append(found[0])
        at = found.end() + 1
    if len(runs) == 1:
        return True
    if re.search(r"\[:|\\[pP]", pattern):  # classes that Python's expressions do not have
        return False
    starts = [_starts(m[0]) for r in runs if (m := re.match(_ATOM, r))]
    return sum(map(len, starts)) == len(frozenset().union(*starts))


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


def _checked(attrs: Attrs) -> str:
    pattern = pattern_of(attrs)
    if not greedy_is_longest(pattern):
        raise TransformError(
            f"the longest matches of {pattern!r} are wanted, and TensorFlow prefers the first alternative's",
            hint="write a pattern in which only the last piece of each alternative varies in length, and whose "
            "alternatives begin with different characters, such as [a-z']+|[0-9]+; or use to_onnx.",
        )
    return pattern


def _tokenize(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    return _matches(values[0].data, _checked(attrs))


def _find(values: Sequence[TfValue], attrs: Attrs) -> Any:
    import tensorflow as tf

    x, pattern = values[0].data, _checked(attrs)
    found = tf.strings.regex_replace(x, rf"\A(?s:.*?)({pattern})(?s:.*)\z", r"\1")
    return tf.where(_holds(x, pattern), found, "")


def _holds(texts: Any, pattern: str) -> Any:
    import tensorflow as tf

    return tf.strings.regex_full_match(texts, f"(?s:.*)(?:{pattern})(?s:.*)")


def _find_present(values: Sequence[TfValue], attrs: Attrs) -> Any:
    return all_present([values[0].present, _holds(values[0].data, _checked(attrs))])


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
            run = joined([run, ends], attrs["separator"])
        if n >= low:
            runs.append(run)
            fits.append(positions(x.data) + n <= column(limited(x)))
    shape = tf.stack([tf.shape(x.data)[0], tf.shape(x.data)[1] * len(runs)])
    cells, kept = (tf.reshape(tf.stack(parts, axis=2), shape) for parts in (runs, fits))
    return kept_cells(cells, kept)


def _cross(values: Sequence[TfValue], attrs: Attrs) -> tuple[Any, Any]:
    """Each element of one list with each of the other; the pairs of real elements are drawn together."""
    import tensorflow as tf

    left, right = (v.data for v in values)
    shape = tf.stack([tf.shape(left)[0], tf.shape(left)[1], tf.shape(right)[1]])
    whole = [tf.broadcast_to(left[:, :, None], shape), tf.broadcast_to(right[:, None, :], shape)]
    first, second = (positions(v.data) < column(limited(v)) for v in values)
    flat = tf.stack([shape[0], shape[1] * shape[2]])
    kept = tf.reshape(tf.logical_and(first[:, :, None], second[:, None, :]), flat)
    return kept_cells(tf.reshape(joined(whole, attrs["separator"]), flat), kept)


LOWERINGS: dict[str, Lowering] = {
    "split": _split,
    "tokenize": _tokenize,
    "characters": _characters,
    "ngrams": _ngrams,
    "find": _find,
    "cross_lists": _cross,
}
"""Payloads by operation."""
PRESENCE: dict[str, PresenceRule] = {"find": _find_present}
"""Presence by operation, where it is not that of all inputs."""
