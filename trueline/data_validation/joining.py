"""Equal byte strings joined, the counts of each added up.

Short strings are compared as a few 64-bit words: two hundred thousand of them are hashed, sorted and compared without
one random access into text, which is what takes time otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.arrow_numpy import take, to_numpy

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["joined"]

Counts = npt.NDArray[Any]  # int64, or float64 where they are weights
Words = npt.NDArray[np.uint64]

_MAX_WORDS = 6
_P1, _P2 = np.uint64(0x9E3779B185EBCA87), np.uint64(0xC2B2AE3D27D4EB4F)
_MASKS = np.array([(1 << (8 * k)) - 1 for k in range(9)], np.uint64)
"""How many bytes of a little-endian word belong to a string -> the bits to keep."""


def joined(values: pa.Array, counts: Counts) -> tuple[pa.Array, Counts]:
    """Distinct values, and the sums of their counts.

    Args:
        values: Arrow binary without nulls.
        counts: of each; those of one string are summed in the order of their places.
    """
    if len(counts) < 2:
        return values, counts
    words = _words_of(values)
    found = None if words is None else _groups(words)
    if found is None:
        return _joined_by_table(values, counts)
    order, starts = found
    return take(values, order[starts]), np.add.reduceat(counts[order], starts)


def _groups(words: list[Words]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """An order in which equal strings are neighbours, first come first, and where each group of them begins.

    The place of a string stands in the low bits of its hash, so that plain numbers are sorted, at a fifth of the cost
    of an argsort. None where different strings share what is left of a hash.
    """
    n = len(words[0])
    low = np.uint64((1 << n.bit_length()) - 1)
    packed = (_hashes(words) & ~low) | np.arange(n, dtype=np.uint64)
    packed.sort()
    order = (packed & low).view(np.int64)
    packed >>= np.uint64(n.bit_length())
    alike = packed[1:] == packed[:-1]
    new = np.zeros(n, np.bool_)
    new[0] = True
    for word in words:
        ordered = word[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    if (alike & new[1:]).any():
        return None
    return order, np.flatnonzero(new)


def _hashes(words: list[Words]) -> Words:
    """A hash of each string for this process alone; equal words give equal hashes."""
    found = words[0] * _P1
    for word in words[1:]:
        found ^= found >> np.uint64(32)
        found += word
        found *= _P2
    found ^= found >> np.uint64(29)
    found *= _P1
    found ^= found >> np.uint64(32)
    return found


def _words_of(values: pa.Array) -> list[Words] | None:
    """Each string's bytes as little-endian words padded with zeros, and its length where they differ.

    None where the longest takes more words than is sensible.
    """
    n = len(values)
    _, offsets_buffer, data_buffer = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32, count=n + 1, offset=values.offset * 4)
    lengths = np.diff(offsets)
    longest = int(lengths.max())
    count = max(1, -(-longest // 8))
    if count > _MAX_WORDS:
        return None
    first, last = int(offsets[0]), int(offsets[-1])
    text = np.zeros(last - first + 8 * count, np.uint8)
    if last > first:
        text[: last - first] = np.frombuffer(data_buffer, np.uint8, count=last - first, offset=first)
    if int(lengths.min()) == longest:
        return [_words_at(text, n, longest, 8 * k) & _MASKS[min(longest - 8 * k, 8)] for k in range(count)]
    return [*_gathered(text, offsets[:-1] - first, lengths, count), lengths.astype(np.uint64)]


def _words_at(text: npt.NDArray[np.uint8], n: int, step: int, start: int) -> Words:
    """The words at `start`, `start + step` and so on."""
    return np.ndarray((n,), np.dtype("<u8"), buffer=text, offset=start, strides=(step,))


def _gathered(text: npt.NDArray[np.uint8], starts: Any, lengths: Any, count: int) -> list[Words]:
    every = _words_at(text, len(text) - 7, 1, 0)
    return [every[starts + 8 * k] & _MASKS[np.clip(lengths - 8 * k, 0, 8)] for k in range(count)]


def _joined_by_table(values: pa.Array, counts: Counts) -> tuple[pa.Array, Counts]:
    import pyarrow.compute as pc

    both = pc.dictionary_encode(values)
    summed = np.zeros(len(both.dictionary), counts.dtype)
    np.add.at(summed, to_numpy(both.indices), counts)
    return both.dictionary, summed
