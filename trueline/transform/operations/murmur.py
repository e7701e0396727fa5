"""MurmurHash3 (x86, 32 bits, Austin Appleby, public domain), as ONNX Runtime's contrib operation computes it."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["murmur3_32"]

_C1, _C2, _MASK = 0xCC9E2D51, 0x1B873593, 0xFFFFFFFF


def _mix(k: int) -> int:
    k = (k * _C1) & _MASK
    k = ((k << 15) | (k >> 17)) & _MASK
    return (k * _C2) & _MASK


@lru_cache(maxsize=65_536)
def murmur3_32(text: str, seed: int = 0) -> int:
    """The unsigned 32-bit hash of the text's UTF-8 bytes.

    >>> murmur3_32("ab")
    2613040991
    """
    data = text.encode("utf-8")
    h = seed
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        h ^= _mix(int.from_bytes(data[i : i + 4], "little"))
        h = ((h << 13) | (h >> 19)) & _MASK
        h = (h * 5 + 0xE6546B64) & _MASK
    if whole < len(data):
        h ^= _mix(int.from_bytes(data[whole:], "little"))
    h ^= len(data)
    h ^= h >> 16
    h = (h * 0x85EBCA6B) & _MASK
    h ^= h >> 13
    h = (h * 0xC2B2AE35) & _MASK
    return h ^ (h >> 16)
