"""A batch's columns as codes: each column, bucketed column or condition that slices it is encoded once.

An axis gives every row a code: 0 for a row that is in none of its slices (a missing value, a false condition), and
``1 + i`` for the i-th of its values. A list column gives a row several codes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.slice_buckets import bucket_codes, bucket_names, bucket_problems

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Axis", "Codes", "SliceValue", "bucket_axis", "combine", "compact", "condition_axis", "value_axis"]

SliceValue: TypeAlias = str | int | float | bool | None
Codes: TypeAlias = npt.NDArray[np.int64]
_SMALL = 1 << 12  # up to so many combinations are kept, whether they occur or not
_TABLE = 1 << 21  # up to so many are renumbered by a table, more by a hash


@dataclass(frozen=True, eq=False)
class Axis:
    """One way in which rows are told apart.

    Attributes:
        name: the column, or the text of the condition.
        codes: int64 ``[N]``; for a list column ``[L]``, without zeros.
        values: what the codes 1, 2, ... mean; all different.
        rows: None where each row has one code; else int64 ``[L]``, ascending: the row of each of `codes`.
    """

    name: str
    codes: Codes
    values: tuple[SliceValue, ...]
    rows: Codes | None = None

    @property
    def size(self) -> int:
        """Number of codes, 0 included."""
        return len(self.values) + 1

    def only(self, places: Sequence[int]) -> Axis:
        """The axis of some of its values alone, given by their places in `values`."""
        table = np.zeros(self.size, dtype=np.int64)
        table[np.asarray(places, dtype=np.int64) + 1] = np.arange(1, len(places) + 1)
        codes = table[self.codes]
        values = tuple(self.values[p] for p in places)
        if self.rows is None:
            return Axis(self.name, codes, values)
        here = codes > 0
        return Axis(self.name, codes[here], values, self.rows[here])


def value_axis(batch: pa.RecordBatch, name: str) -> Axis:
    """The distinct values of a column.

    Raises:
        ConfigError: there is no such column, or its type has no values that could be told apart.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column, rows = _flat(_column(batch, name))
    if pa.types.is_null(column.type):
        return _axis(name, batch.num_rows, np.zeros(len(column), dtype=np.int64), (), rows)
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())  # Arrow has no arithmetic for the half
    if pa.types.is_floating(column.type):
        column = pc.add(column, pa.scalar(0.0, column.type))  # -0.0 and 0.0 are one value
    if not pa.types.is_dictionary(column.type):
        try:
            column = column.dictionary_encode()
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
            raise _unusable(name, column.type, "it has no plain values", "slice by one of its fields.") from error
    indices = column.indices
    codes = (indices.fill_null(-1) if indices.null_count else indices).to_numpy(zero_copy_only=False)
    codes = codes.astype(np.int64) + 1
    values, renumber = _distinct(_plain_values(column.dictionary))
    if renumber is not None:
        codes = renumber[codes]
    return _axis(name, batch.num_rows, codes, values, rows)


def bucket_axis(batch: pa.RecordBatch, name: str, boundaries: Sequence[float]) -> Axis:
    """The buckets of a numeric column.

    Raises:
        ConfigError: there is no such column, it is not numeric, or the boundaries cannot be used.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    problems = bucket_problems(boundaries)
    if problems:
        raise ConfigError(f"the buckets of {name!r} cannot be used", problems=problems)
    column, rows = _flat(_column(batch, name))
    kinds = pa.types
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    usable = kinds.is_integer(column.type) or kinds.is_floating(column.type) or kinds.is_decimal(column.type)
    if not (usable or kinds.is_null(column.type)):
        raise _unusable(name, column.type, "buckets need numbers", "slice by its values or by an expression.")
    missing = column.is_null().to_numpy(zero_copy_only=False)
    numbers = pc.fill_null(column.cast(pa.float64(), safe=False), 0.0).to_numpy(zero_copy_only=False)
    codes = np.where(missing, 0, 1 + bucket_codes(numbers, boundaries))
    return _axis(name, batch.num_rows, codes, bucket_names(boundaries), rows)


def condition_axis(batch: pa.RecordBatch, expression: Any) -> Axis:
    """Where a condition is true; unknown is not true.

    Raises:
        ExprError: the condition cannot be computed on this batch, or gives neither true nor false.
    """
    hit = expression.mask(batch).to_numpy(zero_copy_only=False)
    return Axis(expression.text, hit.astype(np.int64), (None,))


def combine(axes: Sequence[Axis], rows: int, limit: int | None = None) -> tuple[Codes, list[Codes]] | None:
    """One code for each row out of its codes on several axes with one code a row.

    Args:
        axes: the axes.
        rows: number of rows.
        limit: give up above so many different combinations.

    Returns:
        Codes ``[N]`` of the combinations that occur, and for each axis its code in each combination; None above the
        limit.
    """
    codes, count = np.zeros(rows, dtype=np.int64), 1
    coordinates: list[Codes] = []
    for axis in axes:
        total = count * axis.size
        codes = codes * axis.size + axis.codes if coordinates else axis.codes
        if total <= _SMALL or not coordinates:
            kept = np.arange(total)
        else:
            codes, kept = compact(codes, total)
        coordinates = [*(c[kept // axis.size] for c in coordinates), kept % axis.size]
        count = len(kept)
    codes, kept = compact(codes, count)
    if limit is not None and len(kept) > limit:
        return None
    return codes, [c[kept] for c in coordinates]


def compact(codes: Codes, count: int) -> tuple[Codes, Codes]:
    """Numbers the codes that occur from 0, and says which those are, without a sort.

    Args:
        codes: below `count`.
        count: where it is small a table does it, else a hash.
    """
    if count > _TABLE:
        return _hash(codes)
    seen = np.zeros(count, dtype=bool)
    seen[codes] = True
    kept = np.flatnonzero(seen)
    if len(kept) == count:
        return codes, kept
    return (np.cumsum(seen) - 1)[codes], kept


def _hash(codes: Codes) -> tuple[Codes, Codes]:
    """By Arrow's hash table, in the order of first occurrence."""
    import pyarrow as pa

    encoded = pa.array(codes).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_numpy()


def _axis(name: str, total: int, codes: Codes, values: tuple[SliceValue, ...], rows: Codes | None) -> Axis:
    """An axis; of a list column each row has each value once, and none of the missing ones."""
    if rows is None:
        return Axis(name, codes, values)
    pairs = np.sort(rows * (len(values) + 1) + codes, kind="stable")  # quick, since rows ascend already
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    rows, codes = np.divmod(pairs, len(values) + 1)
    here = codes > 0
    return Axis(name, codes[here], values, rows[here])


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise ConfigError(
            f"slicing names column {name!r}, which the data does not have",
            hint=did_you_mean(name, [n for n in batch.schema.names if not n.startswith("__")]),
        )
    column = batch.column(index)
    return column.storage if hasattr(column, "storage") else column


def _flat(column: pa.Array) -> tuple[pa.Array, Codes | None]:
    """A column's single values and, of a list column, the row of each; lists in lists are flattened too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows: Codes | None = None
    while True:
        kind = column.type
        if pa.types.is_fixed_size_list(kind):
            column = column.cast(pa.list_(kind.value_type))
        elif not any(is_list(kind) for is_list in _list_kinds()):
            return column, rows
        parents = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)
        rows = parents if rows is None else rows[parents]
        column = pc.list_flatten(column)


def _list_kinds() -> tuple[Any, ...]:
    from pyarrow import types

    return types.is_list, types.is_large_list, types.is_list_view, types.is_large_list_view


def _distinct(values: Sequence[SliceValue]) -> tuple[tuple[SliceValue, ...], Codes | None]:
    """The different values, and the new code of each old one where two were the same or one was missing."""
    places: dict[SliceValue, int] = {}
    renumber = np.zeros(len(values) + 1, dtype=np.int64)
    for i, value in enumerate(values, 1):
        if value is not None:
            renumber[i] = places.setdefault(value, len(places) + 1)
    return tuple(places), None if len(places) == len(values) else renumber


def _plain_values(dictionary: pa.Array) -> list[SliceValue]:
    """JSON values that stand for a column's values; None for a missing one."""
    import pyarrow as pa

    if pa.types.is_float32(dictionary.type):
        # the shortest decimal number that is this float: 1.1, not 1.100000023841858
        return [_plain(float(str(v))) for v in dictionary.to_numpy(zero_copy_only=False)]
    if pa.types.is_temporal(dictionary.type) and not pa.types.is_duration(dictionary.type):
        # not through Python's objects: they have no nanoseconds
        return [v if v is None else str(v).replace(" ", "T") for v in dictionary.cast(pa.string()).to_pylist()]
    if pa.types.is_duration(dictionary.type):
        unit = dictionary.type.unit
        return [v if v is None else f"{v} {unit}" for v in dictionary.cast(pa.int64()).to_pylist()]
    return [_plain(v) for v in dictionary.to_pylist()]


def _plain(value: Any) -> SliceValue:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def _unusable(name: str, kind: Any, why: str, hint: str) -> ConfigError:
    return ConfigError(f"column {name!r} of type {kind} cannot slice rows: {why}", hint=hint)
