"""Signatures of rows: rows of one signature in a column are judged alike.

The signature of a plain column is the class of its value, of a list its length and the classes that it holds, of
anything deeper its whole structure with classes in the place of values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.arrow_numpy import from_numpy, is_valid, to_numpy
from trueline.data_validation.example_level_leaves import LeafReader

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Signatures", "lengths_of", "signatures_of"]

Codes = npt.NDArray[np.int64]
_MOST_CLASSES = 40  # of a list: a bit each beside the length
_LENGTH_BITS = 22
_ALONE = -2


@dataclass(frozen=True)
class Signatures:
    """The signatures of the rows of a batch.

    Attributes:
        codes: int64, each row's signature as a number that means nothing outside this batch.
        names: number -> the signature, equal for equal rows of any batch; a number that is not in it stands for
            a single row that is judged for itself.
    """

    codes: Codes
    names: Callable[[int], Hashable | None]

    def present(self) -> npt.NDArray[np.int64]:
        """The numbers that occur."""
        low = int(self.codes.min()) if len(self.codes) else 0
        high = int(self.codes.max()) if len(self.codes) else 0
        if high - low < 4 * len(self.codes) + 1024:
            return np.flatnonzero(np.bincount(self.codes - low)) + low
        return np.unique(self.codes)


def signatures_of(column: pa.Array, readers: Mapping[tuple[str, ...], LeafReader], path: tuple[str, ...]) -> Signatures:
    """The signatures of a column's rows.

    Args:
        column: the column, plain, dictionary-encoded, or nested.
        readers: of each feature in the column, by path.
        path: of the column.
    """
    import pyarrow.types as t

    kind = column.type
    if t.is_struct(kind) or (_is_list(kind) and (_is_list(kind.value_type) or t.is_struct(kind.value_type))):
        return _structures(column, readers, path)
    reader = readers[path]
    if not _is_list(kind):
        return _plain(column, reader)
    return _flat_lists(column, reader) if reader.sets else _structures(column, readers, path)


def _is_list(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind))


def _plain(column: pa.Array, reader: LeafReader) -> Signatures:
    valid = is_valid(column)
    codes = np.zeros(len(column), np.int64)
    found, names = reader.read(column if column.null_count == 0 else column.drop_null())
    codes[valid] = found + 1
    return Signatures(codes, lambda code: "missing" if code == 0 else names[code - 1])


def _flat_lists(column: pa.Array, reader: LeafReader) -> Signatures:
    """Length, whether values are missing in it, and a bit for each class of value."""
    lengths = lengths_of(column)
    values, owners = _elements(column, lengths)
    valid = is_valid(values)
    found, names = reader.read(values if values.null_count == 0 else values.drop_null())
    if len(names) > _MOST_CLASSES:
        found, names = _renumbered(found, names)
    if len(names) > _MOST_CLASSES or (len(lengths) and int(lengths.max()) >> _LENGTH_BITS):
        return Signatures(_each_alone(len(column)), lambda code: None)
    bits = np.full(len(values), 1 << len(names), np.int64)
    bits[valid] = np.int64(1) << found
    masks = np.zeros(len(column), np.int64)
    np.bitwise_or.at(masks, owners, bits)
    width = len(names) + 1
    codes = np.where(lengths < 0, -1, (lengths << width) | masks)
    if reader.longest is not None:
        long = np.flatnonzero(lengths > reader.longest)
        codes[long] = _ALONE - long

    def name(code: int) -> Hashable | None:
        if code <= _ALONE:
            return None
        held = tuple(sorted((str(n) for i, n in enumerate(names) if code >> i & 1)))
        return "missing" if code == -1 else (code >> width, bool(code >> len(names) & 1), held)

    return Signatures(codes, name)


def _renumbered(found: Codes, names: Sequence[Hashable]) -> tuple[Codes, Sequence[Hashable]]:
    """Only the classes that occur."""
    used, codes = np.unique(found, return_inverse=True)
    return codes.astype(np.int64), [names[int(code)] for code in used]


def _each_alone(rows: int) -> Codes:
    return np.asarray(_ALONE - np.arange(rows, dtype=np.int64))


def lengths_of(column: pa.Array) -> Codes:
    """Values in each row: of a list its length, of anything else 1; -1 where it is missing."""
    import pyarrow.compute as pc

    valid = is_valid(column)
    if not _is_list(column.type):
        return np.where(valid, 1, -1).astype(np.int64)
    lengths = np.full(len(column), -1, np.int64)
    lengths[valid] = to_numpy(pc.list_value_length(column).drop_null())
    return lengths


def _elements(column: pa.Array, lengths: Codes) -> tuple[pa.Array, Codes]:
    """The values of all lists, and the row of each."""
    import pyarrow.compute as pc

    return pc.list_flatten(column), np.repeat(np.arange(len(column)), np.maximum(lengths, 0))


def _structures(column: pa.Array, readers: Mapping[tuple[str, ...], LeafReader], path: tuple[str, ...]) -> Signatures:
    """The whole structure of each row, as text; a row with more values than its reader takes is judged alone."""
    tables: list[_Table] = []
    coded = _with_classes(column, readers, path, tables)
    numbers: dict[str, int] = {}
    names: list[str] = []
    codes = np.empty(len(column), np.int64)
    for row, value in enumerate(coded.to_pylist()):
        counts = [0] * len(tables)
        text = repr(_named(value, tables, counts))
        if any(table.longest is not None and n > table.longest for n, table in zip(counts, tables, strict=True)):
            codes[row] = _ALONE - row
            continue
        code = numbers.setdefault(text, len(names))
        if code == len(names):
            names.append(text)
        codes[row] = code
    return Signatures(codes, lambda code: names[code] if code >= 0 else None)


@dataclass(frozen=True)
class _Table:
    """The classes of one feature in a structure, and the most values of it that are put into classes."""

    names: Sequence[Hashable]
    longest: int | None


def _with_classes(
    column: pa.Array,
    readers: Mapping[tuple[str, ...], LeafReader],
    path: tuple[str, ...],
    tables: list[_Table],
) -> pa.Array:
    """The same structure with numbers of classes as values: ``(table << 40) + class``."""
    import pyarrow as pa
    import pyarrow.types as t

    kind, missing = column.type, from_numpy((~is_valid(column)).view(np.uint8)).cast(pa.bool_())
    if t.is_struct(kind):
        fields = [
            _with_classes(column.field(i), readers, (*path, kind.field(i).name), tables) for i in range(kind.num_fields)
        ]
        if not fields:
            return column
        return pa.StructArray.from_arrays(fields, names=[f.name for f in kind], mask=missing)
    if _is_list(kind):
        lengths = lengths_of(column)
        inner = _with_classes(_elements(column, lengths)[0], readers, path, tables)
        offsets = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))]).astype(np.int64)
        return pa.LargeListArray.from_arrays(from_numpy(offsets), inner, mask=missing)
    valid = is_valid(column)
    found, names = readers[path].read(column if column.null_count == 0 else column.drop_null())
    codes = np.zeros(len(column), np.int64)
    codes[valid] = found + (len(tables) << _TABLE_BITS)
    tables.append(_Table(names, readers[path].longest))
    return pa.array(codes, mask=~valid) if not valid.all() else from_numpy(codes)


_TABLE_BITS = 40


def _named(value: Any, tables: Sequence[_Table], counts: list[int]) -> Any:
    """The structure with the classes' names, which mean the same in every batch; counts the values of each table."""
    if isinstance(value, list):
        return [_named(item, tables, counts) for item in value]
    if isinstance(value, dict):
        return {key: _named(item, tables, counts) for key, item in value.items()}
    if value is None:
        return None
    table, code = value >> _TABLE_BITS, value & ((1 << _TABLE_BITS) - 1)
    counts[table] += 1
    return (tables[table].names[code],)
