"""Structs of Thrift's compact protocol, read with bounds: what Parquet's footer and page headers are written in."""

from __future__ import annotations

from typing import Any

__all__ = ["Compact"]

_DEPTH = 24
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)
_LONGEST_VARINT = 10


class Compact:
    """A reader over a buffer; whatever does not hold together is a ValueError.

    Args:
        data: the buffer.
        at: where the first struct begins.

    Attributes:
        at: where the next byte is read.
    """

    __slots__ = ("_data", "at")

    def __init__(self, data: memoryview, at: int = 0) -> None:
        self._data = data
        self.at = at

    def _byte(self) -> int:
        if not 0 <= self.at < len(self._data):
            raise ValueError("a struct that ends too early")
        self.at += 1
        return self._data[self.at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(_LONGEST_VARINT):
            byte = self._byte()
            value |= (byte & 0x7F) << (7 * shift)
            if byte < 0x80:
                return value
        raise ValueError("a number of more than 64 bits")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The fields of a struct by number: int, bool, bytes, list, dict of a struct; None for other types."""
        if depth > _DEPTH:
            raise ValueError("a struct that is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while True:
            head = self._byte()
            if not head:
                return fields
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 0x0F
            fields[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _DOUBLE:
            self._bytes(8)
        elif kind == _MAP:
            self._skip_map(depth)
        else:
            raise ValueError(f"a field of type {kind}")
        return None

    def _bytes(self, length: int) -> bytes:
        start = self.at
        if start + length > len(self._data):
            raise ValueError("a struct that ends too early")
        self.at = start + length
        return bytes(self._data[start : self.at])

    def _list(self, depth: int) -> list[Any]:
        if depth > _DEPTH:
            raise ValueError("a struct that is nested too deeply")
        head = self._byte()
        count = self._varint() if head >> 4 == 15 else head >> 4
        return [self._value(head & 0x0F, depth + 1) for _ in range(count)]

    def _skip_map(self, depth: int) -> None:
        if depth > _DEPTH:
            raise ValueError("a struct that is nested too deeply")
        count = self._varint()
        kinds = self._byte() if count else 0
        for _ in range(count):
            self._value(kinds >> 4, depth + 1)
            self._value(kinds & 0x0F, depth + 1)
