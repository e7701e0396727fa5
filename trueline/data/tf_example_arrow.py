"""Features become Arrow columns of a given type; what the type must be to hold them is found out here too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.data.tf_example_decode import SEQUENCE, Decoded, Occurrences, Steps
from trueline.data.tf_example_types import OPEN_MARK, join_types, named_type
from trueline.data.tf_example_values import Values
from trueline.data.tf_example_wire import BYTES, FLOAT, INT64

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["Columns", "columns_of"]

_NOT_UTF8 = "the bytes are no UTF-8"
_MANY = "more than one value where the schema says one"


@dataclass
class Columns:
    """One batch as columns.

    Attributes:
        schema: the given schema, grown to hold the batch.
        batch: the rows; None when the schema had to grow.
        bad: row -> (column, reason): rows that a fixed type, or the type seen before, does not let in.
    """

    schema: pa.Schema
    batch: pa.RecordBatch | None
    bad: dict[int, tuple[str, str]] = field(default_factory=dict)


def columns_of(found: Decoded, schema: pa.Schema, fixed: Mapping[str, str]) -> Columns:
    """The rows of `found` in the types of `schema`, or a wider schema where they do not fit it.

    Args:
        found: records taken apart.
        schema: columns seen so far, sorted by name.
        fixed: types that do not grow, by column.
    """
    import pyarrow as pa

    bad: dict[int, tuple[str, str]] = {}
    types = {f.name: f.type for f in schema}
    grown = dict(types)
    arrays = {}
    size = found.records.size
    for name, places in found.columns.items():
        start = named_type(fixed[name]) if name in fixed else types.get(name, pa.null())
        column = _Column(name, places.rows, places.index, found.values, name in fixed, bad)
        grown[name], arrays[name] = column.build(start, size)
    if found.steps is not None:
        before = types.get(SEQUENCE, pa.struct([]))
        grown[SEQUENCE], arrays[SEQUENCE] = _sequence(found.lists, found.steps, before, size, bad)
    if grown != types:
        fields = [pa.field(name, grown[name]) for name in sorted(grown)]
        return Columns(pa.schema(fields, metadata={OPEN_MARK: b"1"}), None, bad)
    columns = [arrays[f.name] if f.name in arrays else pa.nulls(size, f.type) for f in schema]
    return Columns(schema, pa.RecordBatch.from_arrays(columns, schema=schema), bad)


def _base(arrow_type: pa.DataType) -> pa.DataType:
    import pyarrow.types as t

    return arrow_type.value_type if t.is_list(arrow_type) else arrow_type


def _seen_base(values: Values, index: Ints, base: pa.DataType) -> tuple[pa.DataType, Ints]:
    """The base type joined with what is seen, and the positions in `index` of features that do not go with it."""
    import pyarrow as pa
    import pyarrow.types as t

    kinds = values.kind[index]
    filled = values.count[index] > 0
    if t.is_null(base):
        first = kinds[filled][:1]
        if first.size:
            base = {BYTES: pa.string(), FLOAT: pa.float64(), INT64: pa.int64()}[int(first[0])]
    wrong = filled & ((kinds == BYTES) != (t.is_string(base) or t.is_binary(base)))
    if t.is_int64(base) and bool((filled & (kinds == FLOAT)).any()):
        base = pa.float64()
    return base, np.flatnonzero(wrong)


def _flat(values: Values, index: Ints, base: pa.DataType) -> tuple[pa.Array, Ints]:
    """Values of the features in the base type, as far as they need one array, and where each feature's begin."""
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_null(base):
        return pa.nulls(0), values.first[index]
    if t.is_string(base) or t.is_binary(base):
        return values.flat[BYTES], values.first[index]
    if not t.is_floating(base):
        return values.flat[INT64], values.first[index]
    ints = values.kind[index] == INT64
    if not ints.any():
        return values.flat[FLOAT], values.first[index]
    joined = pa.concat_arrays([values.flat[FLOAT], values.flat[INT64].cast(pa.float64(), safe=False)])
    return joined, values.first[index] + np.where(ints, len(values.flat[FLOAT]), 0)


def _gathered(flat: pa.Array, first: Ints, counts: Ints) -> pa.Array:
    """The values of some features, one after the other."""
    import pyarrow as pa

    ends = np.cumsum(counts)
    return flat.take(pa.array(np.repeat(first - (ends - counts), counts) + np.arange(ends[-1] if ends.size else 0)))


def _not_utf8(values: pa.Array) -> Ints:
    """Which bytes values are no text."""

    def is_text(value: bytes | None) -> bool:
        try:
            return value is None or value.decode() is not None
        except UnicodeDecodeError:
            return False

    return np.array([i for i, v in enumerate(values.to_pylist()) if not is_text(v)], np.int64)


@dataclass
class _Column:
    """One feature's values in a batch."""

    name: str
    rows: Ints
    index: Ints
    values: Values
    fixed: bool
    bad: dict[int, tuple[str, str]]

    def _reject(self, positions: Ints, reason: str) -> None:
        for row in self.rows[positions].tolist():
            self.bad.setdefault(row, (self.name, reason))
        keep = np.ones(self.rows.size, bool)
        keep[positions] = False
        self.rows, self.index = self.rows[keep], self.index[keep]

    def build(self, start: pa.DataType, size: int) -> tuple[pa.DataType, pa.Array | None]:
        """The column's type, grown from `start`, and its array of `size` rows."""
        import pyarrow as pa
        import pyarrow.types as t

        base, wrong = _seen_base(self.values, self.index, _base(start))
        if wrong.size:
            kinds = "bytes" if t.is_integer(base) or t.is_floating(base) else "numbers"
            self._reject(wrong, f"{kinds} in a column of {base}")
        if self.fixed:
            base = self._hold_fixed(_base(start))
        as_list = t.is_list(start)
        many = np.flatnonzero(self.values.count[self.index] > 1)
        if many.size and not as_list:
            if self.fixed:
                self._reject(many, _MANY)
            else:
                as_list = True
        array = self._array(base, as_list, size)
        if t.is_string(base):
            array, base = self._text(array, as_list)
            if array is None:
                return self.build(start, size)
        return (pa.list_(base) if as_list else base), array

    def _hold_fixed(self, base: pa.DataType) -> pa.DataType:
        import pyarrow.types as t

        floats = (self.values.kind[self.index] == FLOAT) & (self.values.count[self.index] > 0)
        if t.is_int64(base) and floats.any():
            self._reject(np.flatnonzero(floats), "floats in a column of int64")
        return base

    def _text(self, array: pa.Array, as_list: bool) -> tuple[pa.Array | None, pa.DataType]:
        """The array as text; as bytes where it is none; None after rows were rejected for it."""
        import pyarrow as pa

        try:
            return array.cast(pa.list_(pa.string()) if as_list else pa.string()), pa.string()
        except pa.ArrowInvalid:
            if not self.fixed:
                return array, pa.binary()
        flat, first = _flat(self.values, self.index, pa.binary())
        counts = self.values.count[self.index]
        owners = np.repeat(np.arange(counts.size), counts)
        self._reject(np.unique(owners[_not_utf8(_gathered(flat, first, counts))]), _NOT_UTF8)
        return None, pa.string()

    def _array(self, base: pa.DataType, as_list: bool, size: int) -> pa.Array:
        """``[size]``: a feature that is absent or of no kind is null; without values it is an empty list, or null."""
        import pyarrow as pa

        flat, first = _flat(self.values, self.index, base)
        counts = self.values.count[self.index]
        if not as_list:
            one = counts == 1
            place = np.zeros(size, np.int64)
            missing = np.ones(size, bool)
            place[self.rows[one]], missing[self.rows[one]] = first[one], False
            return flat.take(pa.array(place, mask=missing)) if len(flat) else pa.nulls(size, flat.type)
        there = self.values.kind[self.index] != 0
        lengths, missing = np.zeros(size, np.int64), np.ones(size, bool)
        lengths[self.rows], missing[self.rows[there]] = counts, False
        return _list_array(_gathered(flat, first, counts), lengths, missing)


def _list_array(values: pa.Array, lengths: Ints, missing: Any) -> pa.Array:
    import pyarrow as pa

    offsets = np.zeros(lengths.size + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(missing))


def _sequence(
    lists: Mapping[str, Occurrences], steps: Steps, before: pa.DataType, size: int, bad: dict[int, tuple[str, str]]
) -> tuple[pa.DataType, pa.Array | None]:
    """The struct of feature lists: each a list of steps, each step a list of values; a step of no kind is null."""
    import pyarrow as pa

    types = {f.name: f.type for f in before}
    grown, arrays = dict(types), {}
    for name, places in lists.items():
        start = types.get(name, pa.list_(pa.list_(pa.null())))
        first, last = steps.offsets[places.index], steps.offsets[places.index + 1]
        counts = last - first
        index = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        inner_bad: dict[int, tuple[str, str]] = {}
        column = _Column(f"{SEQUENCE}.{name}", np.arange(index.size), index, steps.values, False, inner_bad)
        inner, values = column.build(start.value_type, index.size)
        owners = np.repeat(places.rows, counts)
        bad.update({int(owners[step]): why for step, why in inner_bad.items() if int(owners[step]) not in bad})
        lengths, missing = np.zeros(size, np.int64), np.ones(size, bool)
        lengths[places.rows], missing[places.rows] = counts, False
        grown[name] = join_types(start, pa.list_(inner))
        arrays[name] = _list_array(values, lengths, missing)
    if grown != types:
        return pa.struct([pa.field(name, grown[name]) for name in sorted(grown)]), None
    children = [arrays[f.name] if f.name in arrays else pa.nulls(size, f.type) for f in before]
    if not children:
        return before, pa.array([{}] * size, before)
    return before, pa.StructArray.from_arrays(children, fields=list(before))
