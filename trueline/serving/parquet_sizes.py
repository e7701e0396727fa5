"""What a Parquet body declares of itself, read before any of it is unpacked.

The footer's own sums are a claim of whoever wrote it; what a reader allocates stands in the header of each page. Both
(``FileMetaData`` and ``PageHeader`` of ``parquet.thrift``) are read here, with bounds: pyarrow's view of a footer ends
the whole process on some that are damaged, so that it is not asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline.serving.thrift_compact import Compact

__all__ = ["DELTA_BYTE_ARRAY", "DICTIONARY_ENCODINGS", "Chunk", "Footer", "Leaf", "Page", "pages", "read_footer"]

DELTA_BYTE_ARRAY = 7
"""An encoding in which a value repeats the beginning of the one before: a few bytes for any length."""

DICTIONARY_ENCODINGS = frozenset({2, 8})
"""Encodings of a data page that name values of the column's dictionary."""

_MAGIC = b"PAR1"
_LARGEST_FOOTER = 1024 * 1024
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_TEXT, _FIXED = 6, 7
_REPEATED = 2
_DEPTH = 32
_PADDING = 100
"""Bytes that a reader looks at beyond a column of old writers, which gave its length too small."""


@dataclass(frozen=True)
class Leaf:
    """A column of values.

    Attributes:
        path: its names from the top, joined by points.
        top: the name of the column that it belongs to.
        text: whether its values are bytes of any length.
        width: bytes of each value where that is fixed, else 0.
        listed: whether a row may hold several values.
    """

    path: str
    top: str
    text: bool
    width: int
    listed: bool


@dataclass(frozen=True)
class Chunk:
    """The values of a column in one row group.

    Attributes:
        leaf: the column.
        rows: rows of the row group.
        values: how many values it holds, missing ones included.
        start: where its first page begins.
        end: where its last page ends.
    """

    leaf: Leaf
    rows: int
    values: int
    start: int
    end: int


@dataclass(frozen=True)
class Footer:
    """What the footer says.

    Attributes:
        rows: rows of the file.
        names: the columns.
        chunks: every column's values in every row group.
    """

    rows: int
    names: tuple[str, ...]
    chunks: tuple[Chunk, ...]


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


def read_footer(data: memoryview) -> Footer:
    """The footer of a file.

    Raises:
        ValueError: a file that does not hold together.
    """
    if len(data) < 12 or bytes(data[:4]) != _MAGIC or bytes(data[-4:]) != _MAGIC:
        raise ValueError("it does not begin and end with PAR1")
    (length,) = struct.unpack_from("<I", data, len(data) - 8)
    if length > min(len(data) - 12, _LARGEST_FOOTER):
        raise ValueError(f"a footer of {length} bytes, in a file of {len(data)}; at most {_LARGEST_FOOTER} are read")
    metadata = Compact(data[len(data) - 8 - length : len(data) - 8]).struct()
    leaves = _leaves(_structs(metadata, 2))
    chunks: list[Chunk] = []
    for group in _structs(metadata, 4):
        columns = _structs(group, 1)
        if len(columns) != len(leaves):
            raise ValueError(f"a row group of {len(columns)} columns in a file of {len(leaves)}")
        rows = _count(group, 3)
        chunks += [_chunk(leaf, column, rows, len(data)) for leaf, column in zip(leaves, columns, strict=True)]
    names = tuple(dict.fromkeys(leaf.top for leaf in leaves))
    if sum(chunk.rows for chunk in chunks if chunk.leaf is leaves[0]) != _count(metadata, 3):
        raise ValueError("the row groups have not the file's rows")
    return Footer(_count(metadata, 3), names, tuple(chunks))


def _structs(fields: Mapping[int, Any], number: int) -> list[dict[int, Any]]:
    found = fields.get(number)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError("a footer without its parts")
    return found


def _count(fields: Mapping[int, Any], number: int) -> int:
    found = fields.get(number)
    if type(found) is not int or found < 0:
        raise ValueError("a footer without its numbers")
    return found


def _leaves(elements: Sequence[Mapping[int, Any]]) -> list[Leaf]:
    """The columns of values of a schema, which is written depth first."""
    leaves: list[Leaf] = []
    rest = iter(elements[1:])

    def walk(names: tuple[str, ...], listed: bool, children: int) -> None:
        if len(names) > _DEPTH:
            raise ValueError("a schema that is nested too deeply")
        for _ in range(children):
            element = next(rest, None)
            if element is None:
                raise ValueError("a schema that ends too early")
            path = (*names, _name(element))
            repeated = listed or element.get(3) == _REPEATED
            if below := element.get(5) or 0:
                walk(path, repeated, below)
            else:
                leaves.append(_leaf(path, repeated, element))

    walk((), False, _count(elements[0], 5) if elements else 0)
    if not leaves:
        raise ValueError("a schema without columns")
    return leaves


def _name(element: Mapping[int, Any]) -> str:
    name = element.get(4)
    if not isinstance(name, bytes):
        raise ValueError("a column without a name")
    return name.decode("utf-8")


def _leaf(path: tuple[str, ...], listed: bool, element: Mapping[int, Any]) -> Leaf:
    width = element.get(2) if element.get(1) == _FIXED else 0
    if type(width) is not int or width < 0:
        raise ValueError(f"column {path[0]!r} has values of {width} bytes")
    return Leaf(".".join(path), path[0], element.get(1) == _TEXT, width, listed)


def _chunk(leaf: Leaf, column: Mapping[int, Any], rows: int, size: int) -> Chunk:
    metadata = column.get(3)
    if not isinstance(metadata, dict) or column.get(1):
        raise ValueError(f"column {leaf.path!r} is not in the file")
    start, packed, values = _count(metadata, 9), _count(metadata, 7), _count(metadata, 5)
    dictionary = metadata.get(11)
    if type(dictionary) is int and 0 < dictionary < start:
        start = dictionary
    if not leaf.listed and values != rows:
        raise ValueError(f"column {leaf.path!r} has {values} values in {rows} rows")
    return Chunk(leaf, rows, values, start, min(start + packed + _PADDING, size))


def pages(data: memoryview, chunk: Chunk) -> Iterator[Page]:
    """What each page of a column chunk declares, in the order in which a reader comes to them.

    Raises:
        ValueError: pages that do not hold together.
    """
    at, seen = chunk.start, 0
    while at < chunk.end and seen < chunk.values:
        reader = Compact(data, at)
        page, packed = _page(reader.struct())
        if not chunk.leaf.listed and page.values > chunk.rows:
            raise ValueError(f"column {chunk.leaf.path!r} has a page of {page.values} values in {chunk.rows} rows")
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
