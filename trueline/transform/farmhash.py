"""FarmHash's Fingerprint64 and SipHash-2-4 of UTF-8 texts, as TensorFlow's hash buckets have them.

FarmHash is G. Pike's (2014, its portable 64-bit part), SipHash J.-P. Aumasson's and D. J. Bernstein's (2012). All texts
of one class of lengths are hashed together: unsigned 64-bit numbers of numpy wrap as both ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["fingerprint64", "siphash64"]

U64 = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_K0, _K1, _K2 = (np.uint64(k) for k in (0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F))
_PAD = 64


def _u(value: int) -> np.uint64:
    return np.uint64(value)


def _rotate(v: U64, shift: int) -> U64:
    """To the right."""
    return (v >> _u(shift)) | (v << _u(64 - shift))


def _mix(v: U64) -> U64:
    return v ^ (v >> _u(47))


def _pair(u: U64, v: U64, mul: U64) -> U64:
    """128 bits to 64."""
    return _mix((v ^ _mix((u ^ v) * mul)) * mul) * mul


@dataclass(frozen=True)
class _Texts:
    """Bytes of texts one behind the other, with room behind, and where each begins and how long it is."""

    words: U64
    starts: Ints
    lengths: Ints

    def at(self, place: Ints | int) -> U64:
        """Eight bytes from a place within each text on, little-endian."""
        found: U64 = self.words[self.starts + place]
        return found

    def half(self, place: Ints | int) -> U64:
        """Four bytes."""
        return self.at(place) & _u(0xFFFFFFFF)

    def byte(self, place: Ints | int) -> U64:
        """One byte."""
        return self.at(place) & _u(0xFF)

    @property
    def size(self) -> U64:
        """The lengths, unsigned."""
        return self.lengths.astype(np.uint64)

    def only(self, rows: npt.NDArray[Any]) -> _Texts:
        """Some of the texts."""
        return _Texts(self.words, self.starts[rows], self.lengths[rows])


def _texts(texts: Sequence[str] | npt.NDArray[Any]) -> _Texts:
    encoded = [t.encode("utf-8") for t in texts]
    lengths = np.fromiter((len(e) for e in encoded), np.int64, len(encoded))
    data = np.frombuffer(b"".join(encoded) + b"\0" * _PAD, np.uint8)
    words: U64 = np.ndarray((len(data) - 7,), np.dtype("<u8"), buffer=data.data, strides=(1,))
    return _Texts(words, np.cumsum(lengths) - lengths, lengths)


def fingerprint64(texts: Sequence[str] | npt.NDArray[Any]) -> U64:
    """The fingerprint of each text's UTF-8 bytes, uint64 ``[N]``.

    >>> fingerprint64(["1footrue"]).astype("int64").tolist()
    [-1541654101129638711]
    """
    given = _texts(texts)
    out = np.zeros(len(given.lengths), np.uint64)
    with np.errstate(over="ignore"):
        for least, most, function in _CLASSES:
            rows = np.flatnonzero((given.lengths >= least) & (given.lengths <= most))
            if len(rows):
                out[rows] = function(given.only(rows))
    return out


def _empty(s: _Texts) -> U64:
    return np.full(len(s.lengths), _K2)


def _to_3(s: _Texts) -> U64:
    y = s.byte(0) + (s.byte(s.lengths >> 1) << _u(8))
    z = s.size + (s.byte(s.lengths - 1) << _u(2))
    return _mix(y * _K2 ^ z * _K0) * _K2


def _to_7(s: _Texts) -> U64:
    return _pair(s.size + (s.half(0) << _u(3)), s.half(s.lengths - 4), _K2 + s.size * _u(2))


def _to_16(s: _Texts) -> U64:
    mul = _K2 + s.size * _u(2)
    a, b = s.at(0) + _K2, s.at(s.lengths - 8)
    return _pair(_rotate(b, 37) * mul + a, (_rotate(a, 25) + b) * mul, mul)


def _to_32(s: _Texts) -> U64:
    mul = _K2 + s.size * _u(2)
    a, b = s.at(0) * _K1, s.at(8)
    c, d = s.at(s.lengths - 8) * mul, s.at(s.lengths - 16) * _K2
    return _pair(_rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + _K2, 18) + c, mul)


def _to_64(s: _Texts) -> U64:
    mul = _K2 + s.size * _u(2)
    a, b = s.at(0) * _K2, s.at(8)
    c, d = s.at(s.lengths - 8) * mul, s.at(s.lengths - 16) * _K2
    y = _rotate(a + b, 43) + _rotate(c, 30) + d
    z = _pair(y, a + _rotate(b + _K2, 18) + c, mul)
    e, f = s.at(16) * mul, s.at(24)
    g, h = (y + s.at(s.lengths - 32)) * mul, (z + s.at(s.lengths - 24)) * mul
    return _pair(_rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g, mul)


def _weak(s: _Texts, place: Ints | int, a: U64, b: U64) -> tuple[U64, U64]:
    """Two words from 32 bytes and two seeds."""
    w, x, y, z = (s.at(place + 8 * i) for i in range(4))
    a = a + w
    b = _rotate(b + a + z, 21)
    c = a
    a = a + x + y
    b = b + _rotate(a, 44)
    return a + z, b + c


@dataclass
class _Long:
    """What 64 bytes at a time change: x, y, z, v and w, one number for each text."""

    x: U64
    y: U64
    z: U64
    v0: U64
    v1: U64
    w0: U64
    w1: U64

    def step(self, s: _Texts, place: Ints | int, k: U64 | np.uint64, nine: np.uint64) -> None:
        """Takes in the 64 bytes from a place on."""
        x = _rotate(self.x + self.y + self.v0 + s.at(place + 8), 37) * k
        y = _rotate(self.y + self.v1 + s.at(place + 48), 42) * k
        x = x ^ (self.w1 * nine)
        y = y + self.v0 * nine + s.at(place + 40)
        z = _rotate(self.z + self.w0, 33) * k
        self.v0, self.v1 = _weak(s, place, self.v1 * k, x + self.w0)
        self.w0, self.w1 = _weak(s, place + 32, z + self.w1, y + s.at(place + 16))
        self.x, self.y, self.z = z, y, x

    def take(self, rows: npt.NDArray[Any]) -> _Long:
        return _Long(*(getattr(self, name)[rows] for name in _NAMES))

    def put(self, rows: npt.NDArray[Any], part: _Long) -> None:
        for name in _NAMES:
            getattr(self, name)[rows] = getattr(part, name)


_NAMES = ("x", "y", "z", "v0", "v1", "w0", "w1")


def _long(s: _Texts) -> U64:
    count, seed = len(s.lengths), _u(81)
    zeros = np.zeros(count, np.uint64)
    y = zeros + (seed * _K1 + _u(113))
    h = _Long(seed * _K2 + s.at(0), y, _mix(y * _K2 + _u(113)) * _K2, zeros, zeros.copy(), zeros.copy(), zeros.copy())
    blocks = (s.lengths - 1) // 64
    for block in range(int(blocks.max())):
        rows = np.flatnonzero(blocks > block)
        part = h.take(rows)
        part.step(s.only(rows), 64 * block, _K1, _u(1))
        h.put(rows, part)
    mul = _K1 + ((h.z & _u(0xFF)) << _u(1))
    h.w0 = h.w0 + ((s.lengths - 1) & 63).astype(np.uint64)
    h.v0 = h.v0 + h.w0
    h.w0 = h.w0 + h.v0
    h.step(s, s.lengths - 64, mul, _u(9))
    left = _pair(h.v0, h.w0, mul) + _mix(h.y) * _K0 + h.z
    return _pair(left, _pair(h.v1, h.w1, mul) + h.x, mul)


_CLASSES: tuple[tuple[int, int | float, Callable[[_Texts], U64]], ...] = (
    (0, 0, _empty),
    (1, 3, _to_3),
    (4, 7, _to_7),
    (8, 16, _to_16),
    (17, 32, _to_32),
    (33, 64, _to_64),
    (65, np.inf, _long),
)


def siphash64(texts: Sequence[str] | npt.NDArray[Any], key: tuple[int, int]) -> U64:
    """SipHash-2-4 of each text's UTF-8 bytes, uint64 ``[N]``.

    Args:
        texts: the texts.
        key: its two halves, each below 2**64.
    """
    given = _texts(texts)
    k0, k1 = _u(key[0]), _u(key[1])
    zeros = np.zeros(len(given.lengths), np.uint64)
    marks = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    v = [zeros + (k ^ _u(m)) for k, m in zip((k0, k1, k0, k1), marks, strict=True)]
    whole = given.lengths // 8
    with np.errstate(over="ignore"):
        for word in range(int(whole.max(initial=-1)) + 1):
            rows = np.flatnonzero(whole >= word)
            part = given.only(rows)
            left = np.minimum(part.lengths - 8 * word, 8)
            m = part.at(8 * word)
            last = (m & _below(left)) | (part.size << _u(56))
            m = np.where(left == 8, m, last)
            new = [x[rows] for x in v]
            new[3] = new[3] ^ m
            _rounds(new, 2)
            new[0] = new[0] ^ m
            for x, y in zip(v, new, strict=True):
                x[rows] = y
        v[2] = v[2] ^ _u(0xFF)
        _rounds(v, 4)
    found: U64 = v[0] ^ v[1] ^ v[2] ^ v[3]
    return found


def _below(count: Ints) -> U64:
    """A mask of the lowest bytes; 8 bytes count as none, for the last word holds at most 7."""
    return (_u(1) << ((count.astype(np.uint64) & _u(7)) * _u(8))) - _u(1)


def _rounds(v: list[U64], count: int) -> None:
    for _ in range(count):
        v[0] = v[0] + v[1]
        v[2] = v[2] + v[3]
        v[1] = _rotate(v[1], 51) ^ v[0]
        v[3] = _rotate(v[3], 48) ^ v[2]
        v[0] = _rotate(v[0], 32)
        v[2] = v[2] + v[1]
        v[0] = v[0] + v[3]
        v[1] = _rotate(v[1], 47) ^ v[2]
        v[3] = _rotate(v[3], 43) ^ v[0]
        v[2] = _rotate(v[2], 32)
