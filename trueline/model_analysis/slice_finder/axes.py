"""Axes of the lattice: how the rows of a column fall into cells, and which sets of cells are conditions of slices.

A column of numbers or times is cut at quantiles; NaN and missing have cells of their own. A column of few different
values has a cell a value, one for missing, and one for all values beyond `max_values`. A column of lists makes one axis
a value: rows whose list holds it, as slices by a column of lists do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Axis", "Condition", "cells_of", "conditions_of"]

Ints = npt.NDArray[np.int64]
Value: TypeAlias = str | int | float | bool


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        column: its column.
        kind: ``"number"``, ``"time"``, ``"value"`` or ``"member"``.
        edges: of numbers and times (microseconds of UTC), the boundaries between buckets, ascending.
        values: of values, those that have a cell; of a member, the one value.
        floats: whether NaN may occur.
        empty: whether missing values are conditions of this axis; of a column of lists only its first axis has them.
    """

    column: str
    kind: str
    edges: tuple[float, ...] = ()
    values: tuple[Value, ...] = ()
    floats: bool = False
    empty: bool = True

    @property
    def buckets(self) -> int:
        """Cells of buckets or values; after them stand NaN, missing, and all others."""
        return len(self.edges) + 1 if self.kind in ("number", "time") else len(self.values)

    @property
    def ordered(self) -> bool:
        """Whether neighbouring cells make ranges."""
        numbers = self.kind == "value" and bool(self.values) and not isinstance(self.values[0], str | bool)
        return numbers or self.kind in ("number", "time")

    @property
    def cells(self) -> int:
        """All cells; every row lies in one."""
        return self.buckets + 3

    def to_json(self) -> dict[str, Any]:
        """JSON values alone; floats as their shortest exact text, for infinities are none."""
        return {
            "column": self.column, "kind": self.kind, "edges": [repr(e) for e in self.edges],
            "values": list(self.values), "floats": self.floats, "empty": self.empty,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Axis:
        """The axis that `to_json` described."""
        edges = tuple(float(e) for e in data["edges"])
        return cls(data["column"], data["kind"], edges, tuple(data["values"]), data["floats"], data["empty"])


@dataclass(frozen=True)
class Condition:
    """Rows whose cell on one axis is from `first` up to `last`, both included."""

    axis: Axis
    first: int
    last: int

    def holds(self, other: Condition) -> bool:
        """Whether all rows of the other lie in this one too."""
        return self.axis == other.axis and self.first <= other.first and other.last <= self.last

    @cached_property
    def _place(self) -> str:
        """``bucket``, ``nan`` or ``missing``."""
        beyond = self.first - self.axis.buckets
        return "bucket" if beyond < 0 else ("nan", "missing")[beyond]

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Of a range: from (included) and up to (not included); None where it is open."""
        edges = self.axis.edges
        return (edges[self.first - 1] if self.first else None, edges[self.last] if self.last < len(edges) else None)

    @property
    def name(self) -> str:
        """How it is written: ``education=Masters``, ``20 <= age < 40``, ``age is missing``."""
        column = self.axis.column
        if self._place != "bucket":
            return f"{column} is {'missing' if self._place == 'missing' else 'NaN'}"
        if self.axis.kind in ("value", "member"):
            own = [str(v).lower() if isinstance(v, bool) else str(v) for v in self._values]
            return f"{column}={own[0]}" if len(own) == 1 else f"{column} in [{', '.join(own)}]"
        low, high = (None if edge is None else self._edge_text(edge) for edge in self.bounds)
        if low is None:
            return f"{column} < {high}" if high is not None else f"{column} is there"
        return f"{column} >= {low}" if high is None else f"{low} <= {column} < {high}"

    @property
    def pair(self) -> tuple[str, Value] | None:
        """(column, value) where a slicing spec can ask for it so, else None."""
        return (self.axis.column, self.axis.values[self.first]) if self._is_value else None

    @property
    def _is_value(self) -> bool:
        return self._place == "bucket" and self.axis.kind in ("value", "member") and self.first == self.last

    @property
    def _values(self) -> tuple[Value, ...]:
        return self.axis.values[self.first : self.last + 1]

    @property
    def expression(self) -> str | None:
        """The same in trueline's expression language, where `pair` is None."""
        if self._is_value:
            return None
        column = _column_text(self.axis.column)
        if self._place == "missing":
            return f"{column} is None"
        if self._place == "nan":
            return f"{column} != {column}"
        if self.axis.kind == "value" and self.axis.floats:  # -0.0 equals 0.0, but is not in a list that holds it
            return f"({' or '.join(f'{column} == {value!r}' for value in self._values)})"
        if self.axis.kind == "value":
            return f"{column} in [{', '.join(map(repr, self._values))}]"
        low, high = self.bounds
        parts = [] if low is None else [f"{column} >= {self._literal(low)}"]
        parts += [] if high is None else [f"{column} < {self._literal(high)}"]
        return " and ".join(parts) if parts else f"{column} == {column}"

    def _edge_text(self, edge: float) -> str:
        if self.axis.kind == "time":
            return _time_text(edge)
        return str(int(edge)) if edge == int(edge) and abs(edge) < 1e15 else f"{edge:.6g}"

    def _literal(self, edge: float) -> str:
        if self.axis.kind == "time":
            return json.dumps(_time_text(edge))
        return str(int(edge)) if edge == int(edge) and abs(edge) < 2**53 else repr(edge)


def _column_text(name: str) -> str:
    from keyword import iskeyword

    plain = name.isidentifier() and name.isascii() and not iskeyword(name)
    return name if plain else f"col({json.dumps(name, ensure_ascii=False)})"


def _time_text(micros: float) -> str:
    return str(np.datetime64(int(micros), "us")).replace("T", " ")


def conditions_of(axis: Axis, ranges: bool) -> list[Condition]:
    """All conditions of an axis: single cells; of numbers and times also runs of neighbouring buckets or values.

    Args:
        axis: the axis.
        ranges: True for every run, False for those alone that begin with the first bucket or end with the last.
    """
    n = axis.buckets
    single = [Condition(axis, i, i) for i in range(n)]
    if axis.ordered:
        runs = [(i, j) for i in range(n) for j in range(i + 1, n) if (i, j) != (0, n - 1)]
        single += [Condition(axis, i, j) for i, j in runs if ranges or i == 0 or j == n - 1]
    beyond = [n] if axis.floats else []
    beyond += [n + 1] if axis.empty else []
    return single + [Condition(axis, i, i) for i in beyond]


def cells_of(axes: Sequence[Axis], batch: pa.RecordBatch) -> list[Ints]:
    """The cell of every row on every axis, int64 ``[N]`` each."""
    import pyarrow as pa

    found, members = [], {}
    for axis in axes:
        column = batch.column(batch.schema.get_field_index(axis.column))
        if axis.kind == "member":
            if axis.column not in members:
                members[axis.column] = _flat(column)
            found.append(_member_cells(axis, column, *members[axis.column]))
        elif axis.kind == "value" and pa.types.is_dictionary(column.type):
            found.append(_dictionary_cells(axis, column))
        else:
            found.append((_value_cells if axis.kind == "value" else _number_cells)(axis, column))
    return found


def _missing(column: pa.Array) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return found


def _number_cells(axis: Axis, column: pa.Array) -> Ints:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if axis.kind == "time":
        column = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64())
    numbers = pc.cast(column, pa.float64(), safe=False).fill_null(math.nan).to_numpy(zero_copy_only=False)
    cells: Ints = np.searchsorted(np.array(axis.edges), numbers, side="right").astype(np.int64)
    cells[np.isnan(numbers)] = axis.buckets
    if column.null_count:
        cells[_missing(column)] = axis.buckets + 1
    return cells


def _value_cells(axis: Axis, column: pa.Array) -> Ints:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        column = pc.add(column, pa.scalar(0.0, column.type))  # -0.0 and 0.0 are one value
    wanted = pa.array(axis.values, column.type)
    places = pc.index_in(column, value_set=wanted, skip_nulls=True)
    cells: Ints = places.fill_null(axis.buckets + 2).to_numpy(zero_copy_only=False).astype(np.int64)
    if axis.floats:
        cells[pc.is_nan(column).fill_null(False).to_numpy(zero_copy_only=False)] = axis.buckets
    if column.null_count:
        cells[_missing(column)] = axis.buckets + 1
    return cells


def _dictionary_cells(axis: Axis, column: pa.Array) -> Ints:
    if not len(column.dictionary):
        return np.full(len(column), axis.buckets + 1, dtype=np.int64)
    by_code = _value_cells(axis, column.dictionary)
    codes = column.indices.fill_null(0).to_numpy(zero_copy_only=False)
    cells: Ints = by_code[codes]
    if column.indices.null_count:
        cells[_missing(column.indices)] = axis.buckets + 1
    return cells


def _flat(column: pa.Array) -> tuple[Any, Ints]:
    """The values of a column of lists, and the row of each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)
    return pc.list_flatten(column), rows


def _member_cells(axis: Axis, column: pa.Array, values: pa.Array, rows: Ints) -> Ints:
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = np.full(len(column), axis.buckets + 2, dtype=np.int64)
    hits = pc.equal(values, pa.scalar(axis.values[0], values.type)).fill_null(False).to_numpy(zero_copy_only=False)
    cells[rows[hits]] = 0
    if column.null_count:
        cells[_missing(column)] = axis.buckets + 1
    return cells
