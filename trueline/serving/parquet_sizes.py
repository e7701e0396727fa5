"""What the pages of a Parquet body declare of themselves, read before any of them is unpacked.

The footer's own sums are a claim of whoever wrote it; what a reader allocates stands in the header of each page
(``PageHeader`` of ``parquet.thrift``, Thrift's compact protocol). The headers are read here, with bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["DELTA_BYTE_ARRAY", "Page", "pages"]

DELTA_BYTE_ARRAY = 7
"""An encoding in which a value repeats the beginning of the one before: a few bytes for any length."""

_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_DEPTH = 16
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)
_LONGEST_VARINT = 10


@dataclass(frozen=True)
class Page:
    """What one page declares.

    Attributes:
        unpacked: its bytes when unpacked.
        values: how many values a data page holds, 0 for other pages.
        encoding: of its values, as a number of Parquet's, or -1.
    """

    unpacked: int
    values: int
    encoding: int


class _Thrift:
    """A reader of Thrift's compact protocol that keeps numbers and structs and skips the rest."""

    __slots__ = ("_data", "at")

    def __init__(self, data: memoryview, at: int) -> None:
        self._data = data
        self.at = at

    def _byte(self) -> int:
        if not 0 <= self.at < len(self._data):
            raise ValueError("a page header that ends too early")
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
        """The fields of a struct by number."""
        if depth > _DEPTH:
            raise ValueError("a page header that is nested too deeply")
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
            self._byte()
        elif kind == _DOUBLE:
            self.at += 8
        elif kind == _BINARY:
            length = self._varint()  # moves `at` itself
            self.at += length
        elif kind in (_LIST, _SET):
            self._skip_list(depth)
        elif kind == _MAP:
            self._skip_map(depth)
        else:
            raise ValueError(f"a field of type {kind}")
        return None

    def _skip_list(self, depth: int) -> None:
        head = self._byte()
        count = self._varint() if head >> 4 == 15 else head >> 4
        for _ in range(count):
            self._value(head & 0x0F, depth + 1)

    def _skip_map(self, depth: int) -> None:
        count = self._varint()
        kinds = self._byte() if count else 0
        for _ in range(count):
            self._value(kinds >> 4, depth + 1)
            self._value(kinds & 0x0F, depth + 1)


def pages(data: memoryview, start: int, end: int, values: int) -> Iterator[Page]:
    """What each page of a column chunk declares, in the order in which a reader comes to them.

    Args:
        data: the file.
        start: where the first page begins.
        end: where the chunk ends.
        values: how many values the chunk holds; a reader stops when it has them.

    Raises:
        ValueError: pages that do not hold together.
    """
    if not 0 <= start <= end <= len(data):
        raise ValueError("a column outside the file")
    at, seen = start, 0
    while at < end and seen < values:
        reader = _Thrift(data, at)
        page, packed = _page(reader.struct())
        seen += page.values
        yield page
        at = reader.at + packed


def _page(header: dict[int, Any]) -> tuple[Page, int]:
    kind, unpacked, packed = (header.get(i) for i in (1, 2, 3))
    if not (isinstance(unpacked, int) and isinstance(packed, int)) or min(unpacked, packed) < 0:
        raise ValueError("a page without sizes")
    if kind in (_DATA, _DATA_V2):
        inner = header.get(5 if kind == _DATA else 8)
        count, encoding = (inner.get(1), inner.get(2 if kind == _DATA else 4)) if isinstance(inner, dict) else (0, 0)
        if not (isinstance(count, int) and isinstance(encoding, int)) or count < 0:
            raise ValueError("a data page without a number of values")
        return Page(unpacked, count, encoding), packed
    inner = header.get(7)
    encoding = inner.get(2) if kind == _DICTIONARY and isinstance(inner, dict) else -1
    return Page(unpacked, 0, encoding if isinstance(encoding, int) else -1), packed
