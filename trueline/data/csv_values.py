"""From a block's text to its values: cells of a fixed type, cells whose class was guessed, cells that are lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.data.cells import FIXED_TYPES, arrow_type_of_class, classify, convert, convert_fixed, join
from trueline.data.csv_text import TextRows
from trueline.data.source import Reject
from trueline.data.widening import CLASS_MARK

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Columns", "Values", "classes_of_schema"]


@dataclass(frozen=True)
class Values:
    """A block's values.

    Attributes:
        arrays: one a column; None where some value does not fit the classes.
        positions: each row's place among the block's records.
        records: how many records the block has, bad ones included.
        rejects: the bad ones, in order, by their place in the block.
        classes: what the cells ask for, joined with what was asked for before.
    """

    arrays: list[pa.Array] | None
    positions: np.ndarray[Any, np.dtype[np.int64]]
    records: int
    rejects: list[Reject]
    classes: Mapping[str, str]


@dataclass(frozen=True)
class Columns:
    """How the text of each column becomes values.

    Attributes:
        names: the columns.
        fixed: types that a caller fixed, keys of `FIXED_TYPES`, by column.
        multivalent: columns whose cells are lists.
        separator: between a list's values.
        dictionaries: whether text comes as dictionary arrays.
    """

    names: Sequence[str]
    fixed: Mapping[str, str] = field(default_factory=dict)
    multivalent: frozenset[str] = frozenset()
    separator: str | None = None
    dictionaries: bool = False

    def guess(self, rows: TextRows) -> dict[str, str]:
        """The class of each column's cells; fixed columns have none. Rows that break a fixed type do not count."""
        kept, _, _ = self._fixed(rows)
        texts = dict(zip(self.names, kept.columns, strict=True))
        return {n: _class_of(self._cells(n, texts[n])) for n in self.names if n not in self.fixed}

    def values(self, rows: TextRows, classes: Mapping[str, str]) -> Values:
        """The block's values as columns of these classes (of all columns that are not fixed)."""
        kept, rejects, fixed = self._fixed(rows)
        arrays: list[pa.Array] = []
        wider, fits = dict(classes), True
        for name, text in zip(self.names, kept.columns, strict=True):
            if name in self.fixed:
                arrays.append(self._finished(name, fixed[name]))
                continue
            cells = self._cells(name, text)
            found = _converted(cells, wider[name])
            if found is None:
                before = arrow_type_of_class(wider[name])
                wider[name] = join(wider[name], _class_of(cells))
                fits &= arrow_type_of_class(wider[name]) == before
                found = _converted(cells, wider[name])
            arrays.append(self._finished(name, found))
        return Values(arrays if fits else None, kept.positions, rows.records, rejects, wider)

    def schema(self, classes: Mapping[str, str]) -> pa.Schema:
        """The columns' types, marked with their classes; null where no value was seen."""
        import pyarrow as pa

        fields = []
        for name in self.names:
            if name in self.fixed:
                found, mark = arrow_type_of_class(FIXED_TYPES[self.fixed[name]]), None
            else:
                found = pa.null() if classes[name] == "null" else arrow_type_of_class(classes[name])
                mark = {CLASS_MARK: classes[name].encode()}
            if name in self.multivalent:
                fields.append(pa.field(name, pa.list_(pa.field("item", found, metadata=mark))))
            else:
                fields.append(pa.field(name, found, metadata=mark))
        return pa.schema(fields)

    def _cells(self, name: str, text: pa.Array) -> pa.Array | _Lists:
        return _Lists.of(text, self.separator) if name in self.multivalent and self.separator else text

    def _finished(self, name: str, values: pa.Array) -> pa.Array:
        import pyarrow.types as t

        return values.dictionary_encode() if self.dictionaries and t.is_string(values.type) else values

    def _fixed(self, rows: TextRows) -> tuple[TextRows, list[Reject], dict[str, pa.Array]]:
        """The rows that keep to the fixed types, all rejects in order, and the values of the fixed columns."""
        values: dict[str, pa.Array] = {}
        bad: dict[int, tuple[str, str]] = {}
        for name, column in zip(self.names, rows.columns, strict=True):
            if name in self.fixed:
                cells = self._cells(name, column)
                values[name], wrong = _fixed_values(cells, self.fixed[name])
                for place in wrong:
                    bad.setdefault(place, (name, column[place].as_py()))
        if not bad:
            return rows, rows.rejects, values
        found = rows.lines([int(rows.positions[place]) for place in bad])
        rejects = [*rows.rejects]
        for place, (name, text) in bad.items():
            record = int(rows.positions[place])
            rejects.append(Reject(record, name, f"no {self.fixed[name]}", text, found[record]))
        rejects.sort(key=lambda r: r.record)
        import pyarrow as pa

        keep = np.setdiff1d(np.arange(len(rows.positions)), list(bad))
        kept = [column.take(pa.array(keep)) for column in rows.columns]
        texts = dict(zip(self.names, kept, strict=True))
        values = {n: _fixed_values(self._cells(n, texts[n]), t)[0] for n, t in self.fixed.items() if n in texts}
        return TextRows(kept, rows.positions[keep], rows.records, [], rows.lines), rejects, values


def classes_of_schema(schema: pa.Schema) -> dict[str, str]:
    """The class of each column of a schema: as it is marked, or the first whose values have its type."""
    import pyarrow as pa

    known = {pa.null(): "null", pa.int64(): "int", pa.float64(): "float", pa.bool_(): "bool"}
    known |= {pa.timestamp("us"): "timestamp"}
    found = {}
    for item in schema:
        value = item.type.value_field if pa.types.is_list(item.type) else item
        mark = (value.metadata or {}).get(CLASS_MARK)
        found[item.name] = mark.decode() if mark is not None else known.get(value.type, "utf8")
    return found


@dataclass(frozen=True)
class _Lists:
    """Cells that are lists: a string array of all values, and which cell each stands in."""

    values: pa.Array
    offsets: pa.Array
    missing: pa.Array

    @classmethod
    def of(cls, text: pa.Array, separator: str) -> _Lists:
        import pyarrow.compute as pc

        split = pc.split_pattern(text, separator)
        return cls(split.flatten(), split.offsets, pc.is_null(text))

    @property
    def said(self) -> pa.Array:
        """The values, empty ones as nulls: they say nothing about a column's class."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.if_else(pc.equal(self.values, ""), pa.scalar(None, pa.string()), self.values)

    def array(self, values: pa.Array) -> pa.Array:
        """These values as lists, without the null ones."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ends = np.concatenate([[0], np.cumsum(pc.is_valid(values).to_numpy(zero_copy_only=False))])
        offsets = ends[self.offsets.to_numpy(zero_copy_only=False)]
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values.drop_null(), mask=self.missing)


def _class_of(cells: pa.Array | _Lists) -> str:
    return classify(cells.said if isinstance(cells, _Lists) else cells)


def _converted(cells: pa.Array | _Lists, name: str) -> pa.Array | None:
    if not isinstance(cells, _Lists):
        return convert(cells, name)
    import pyarrow as pa

    if name == "utf8":
        return cells.array(cells.values)
    found = convert(cells.said, name)
    if found is None:
        return None
    return pa.nulls(len(cells.missing), pa.list_(pa.string())) if name == "null" else cells.array(found)


def _fixed_values(cells: pa.Array | _Lists, type_name: str) -> tuple[pa.Array, list[int]]:
    """The values and the rows of cells that do not convert; then the values are of no use."""
    if not isinstance(cells, _Lists):
        return convert_fixed(cells, type_name, len(cells))
    text = cells.values if type_name == "utf8" else cells.said
    found, wrong = convert_fixed(text, type_name, len(text))
    if found is not None:
        return cells.array(found), []
    offsets = cells.offsets.to_numpy(zero_copy_only=False)
    return None, sorted({int(np.searchsorted(offsets, w, side="right")) - 1 for w in wrong})
