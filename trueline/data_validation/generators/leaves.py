"""Reaching a feature's values in a batch: through structs and lists, with the row that each value belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Entries", "Leaf", "entries_at", "is_listlike", "leaf_at", "leaf_kind"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """A feature's column where it stands: one entry a row, or one a value of the struct around it.

    Attributes:
        array: the entries, lists included.
        rows: which row of the batch each entry belongs to, ascending.
        batch_rows: rows of the batch.
    """

    array: pa.Array
    rows: Ints
    batch_rows: int

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which entries are null."""
        return np.asarray(self.array.is_null().to_numpy(zero_copy_only=False), np.bool_)

    @property
    def lengths(self) -> Ints:
        """How many values each entry has at its first list level: 0 for null, 1 for a value outside lists."""
        if is_listlike(self.array.type):
            return _lengths(self.array)
        return (~self.missing).astype(np.int64)


@dataclass(frozen=True)
class Leaf:
    """The innermost values of a feature without nulls.

    Attributes:
        values: the values; dictionaries decoded.
        rows: which row of the batch each value belongs to, ascending.
        places: which entry of the column each value belongs to, ascending.
        kind: see `leaf_kind`.
        entries: the column that they come from.
    """

    values: pa.Array
    rows: Ints
    places: Ints
    kind: str
    entries: Entries


def entries_at(batch: pa.RecordBatch, path: Sequence[str]) -> Entries | None:
    """The column at a path, or None where the batch has no such column or field."""
    import pyarrow.compute as pc
    import pyarrow.types as t

    position = batch.schema.get_field_index(path[0])
    if position < 0:
        return None
    array, rows = batch.column(position), np.arange(batch.num_rows, dtype=np.int64)
    for step in path[1:]:
        array, rows = _flattened(array, rows)
        if not t.is_struct(array.type) or array.type.get_field_index(step) < 0:
            return None
        array = pc.struct_field(array, [array.type.get_field_index(step)])
    return Entries(array, rows, batch.num_rows)


def leaf_at(batch: pa.RecordBatch, path: Sequence[str]) -> Leaf | None:
    """The values at a path, or None where there is no such column, or one that is null throughout by its type."""
    import pyarrow as pa
    import pyarrow.types as t

    entries = entries_at(batch, path)
    if entries is None:
        return None
    values, places = _flattened(entries.array, np.arange(len(entries.rows), dtype=np.int64))
    if t.is_null(values.type) or t.is_struct(values.type):
        return None
    if values.null_count:
        kept = values.is_valid()
        values, places = values.filter(kept), places[kept.to_numpy(zero_copy_only=False)]
    if t.is_dictionary(values.type):
        values = values.dictionary_decode()
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return Leaf(values, entries.rows[places], places, leaf_kind(values.type), entries)


def leaf_kind(arrow_type: pa.DataType) -> str:
    """``int``, ``float``, ``bool``, ``time``, ``text`` (strings and bytes) or ``other``."""
    import pyarrow.types as t

    tests = (
        ("bool", t.is_boolean),
        ("int", t.is_integer),
        ("float", t.is_floating),
        ("float", t.is_decimal),
        ("time", t.is_temporal),
        ("text", t.is_string),
        ("text", t.is_large_string),
        ("text", t.is_string_view),
        ("text", t.is_binary),
        ("text", t.is_large_binary),
        ("text", t.is_fixed_size_binary),
    )
    return next((kind for kind, test in tests if test(arrow_type)), "other")


def is_listlike(arrow_type: pa.DataType) -> bool:
    """Whether an Arrow type is a list of any layout."""
    import pyarrow.types as t

    return bool(t.is_list(arrow_type) or t.is_large_list(arrow_type) or t.is_fixed_size_list(arrow_type))


def _lengths(array: pa.Array) -> Ints:
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False), np.int64)


def _flattened(array: pa.Array, rows: Ints) -> tuple[pa.Array, Ints]:
    """The values inside all list levels, and their rows."""
    import pyarrow.compute as pc

    while is_listlike(array.type):
        rows = np.repeat(rows, _lengths(array))
        array = pc.list_flatten(array)
    return array, rows
