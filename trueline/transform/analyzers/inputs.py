"""What an analyzer's state is given of a block: its inputs' values, row by row or element by element, nothing missing.

Rows in which any input is missing are left out. The first input sets the elements: a scalar column beside a column of
lists or vectors stands for the same value of each of its row's elements; lists beside lists must be of equal length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import TransformError
from trueline.transform.codes import distinct_codes
from trueline.transform.operations.base import Coded, Value, both_present, inside

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Inputs", "PlainColumn"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PlainColumn:
    """A raw scalar column as Arrow has it, nulls included: the short way that needs no numpy array."""

    array: pa.Array


class Inputs:
    """The inputs of one state over one block.

    Args:
        columns: of each input its value ``[N]``, ``[N, size]`` or lists, or a `PlainColumn`, or a `Coded` value.
            Constants are no inputs here: a state is given them when it is made.
        names: of each input, for messages.
        row_ids: ``__row__`` of the block's rows, or None where the data has none.
    """

    def __init__(
        self, columns: Sequence[Value | PlainColumn | Coded], names: Sequence[str] = (), row_ids: Array | None = None
    ) -> None:
        self._columns = list(columns)
        self._names = list(names) or [f"input {i}" for i in range(len(columns))]
        self._row_ids = row_ids
        self._values: dict[int, Value] = {}

    def __len__(self) -> int:
        return len(self._columns)

    def _value(self, i: int) -> Value:
        if i not in self._values:
            self._values[i] = _value(self._columns[i])
        return self._values[i]

    @cached_property
    def _kept(self) -> npt.NDArray[np.bool_] | None:
        """Rows in which no input is missing; None for all."""
        return both_present([_present(c) for c in self._columns])

    def _rows_of(self, i: int) -> Value:
        value, kept = self._value(i), self._kept
        if kept is None:
            return value
        return Value(value.data[kept], None, None if value.lengths is None else value.lengths[kept])

    @property
    def rows(self) -> int:
        """Rows in which no input is missing."""
        return int(self._kept.sum()) if self._kept is not None else len(self._value(0).data)

    @property
    def row_ids(self) -> Array:
        """``__row__`` of those rows, int64.

        Raises:
            TransformError: the data has no such column.
        """
        if self._row_ids is None:
            raise TransformError(
                "this analyzer needs to know which row is which, and the data has no column '__row__'",
                hint="ingested data has it; for a table, add an int64 column '__row__' of distinct numbers.",
            )
        return self._row_ids if self._kept is None else self._row_ids[self._kept]

    def matrix(self, i: int = 0) -> Array:
        """Scalars or vectors of input `i` as ``[rows, size]``; a scalar column has size 1."""
        data = self._rows_of(i).data
        return data[:, None] if data.ndim == 1 else data

    def lists(self, i: int = 0) -> tuple[Array, Array]:
        """All elements of input `i` one behind the other, and how many each row has (int64)."""
        value = self._rows_of(i)
        if value.lengths is not None:
            return value.data[inside(value.data, value.lengths)], value.lengths
        width = 1 if value.data.ndim == 1 else value.data.shape[1]
        return value.data.ravel(), np.full(len(value.data), width, np.int64)

    def elements(self, i: int = 0) -> Array:
        """Input `i` for each element of input 0, as a numpy array; text as objects.

        Raises:
            TransformError: lists of different lengths in a row.
        """
        if i == 0:
            return self.lists(0)[0]
        lengths = self.lists(0)[1]
        values, own = self.lists(i)
        if np.array_equal(own, lengths):
            return values
        if self._rows_of(i).data.ndim == 1:
            return np.repeat(values, lengths)
        row = int(np.flatnonzero(own != lengths)[0])
        raise TransformError(
            f"{self._names[0]} has {lengths[row]} values and {self._names[i]} has {own[row]} in the same row",
            hint="what belongs to each value must come as a list of the same length, or as one value a row.",
        )

    def numbers(self) -> Array:
        """The elements of input 0, the short way where it is the only one and a raw column."""
        if len(self._columns) == 1 and isinstance(self._columns[0], PlainColumn):
            array: Array = self.arrow(0).to_numpy(zero_copy_only=False)
            return array
        return self.elements(0)

    def arrow(self, i: int = 0) -> pa.Array:
        """As `elements`, as an Arrow array without nulls; of text it may be a dictionary array."""
        import pyarrow as pa

        column = self._columns[i]
        if len(self._columns) == 1 and isinstance(column, Coded) and column.distinct.data.ndim == 1:
            return _dictionary(column, self._kept)
        if len(self._columns) == 1 and isinstance(column, PlainColumn):
            return column.array.drop_null() if column.array.null_count else column.array
        data = self.elements(i)
        return pa.array(np.ascontiguousarray(data), pa.string() if data.dtype == object else None, from_pandas=False)

    def encoded(self, i: int, *, rows: bool = False) -> tuple[pa.Array, Array]:
        """The distinct values of input `i`, and of each element of input 0 the place of its own among them.

        Args:
            i: which input: text or integers.
            rows: places by row instead, where input `i` has one value a row.
        """
        import pyarrow as pa

        column, ready = self._columns[i], rows
        if isinstance(column, PlainColumn):
            array = column.array if self._kept is None else column.array.filter(pa.array(self._kept))
        elif isinstance(column, Coded) and column.distinct.data.ndim == 1:
            array = _dictionary(column, self._kept)
        elif self._rows_of(i).data.ndim == 2:
            array, ready = self.arrow(i), True
        else:
            data = self._rows_of(i).data
            array = pa.array(np.ascontiguousarray(data), pa.string() if data.dtype == object else None)
        words, places = distinct_codes(array)
        if not ready and not isinstance(self._columns[0], PlainColumn) and self._rows_of(0).data.ndim == 2:
            places = np.repeat(places, self.lists(0)[1])
        return words, places


def _present(column: Value | PlainColumn | Coded) -> npt.NDArray[np.bool_] | None:
    if isinstance(column, Value):
        return column.present
    if isinstance(column, Coded):
        known = column.distinct.present
        return None if known is None else known[column.places]
    array = column.array
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False)) if array.null_count else None


def _dictionary(column: Coded, kept: npt.NDArray[np.bool_] | None) -> pa.Array:
    """Codes into the distinct values, of the rows that are kept."""
    import pyarrow as pa

    value, places = column.distinct, column.places if kept is None else column.places[kept]
    data = value.data
    words = pa.array(data, pa.string() if data.dtype == object else None, from_pandas=False)
    return pa.DictionaryArray.from_arrays(pa.array(places), words)


def _value(column: Value | PlainColumn | Coded) -> Value:
    if isinstance(column, Value):
        return column
    if isinstance(column, Coded):
        return column.gathered()
    array, present = column.array, _present(column)
    if str(array.type).startswith("dictionary"):
        array = array.cast(array.type.value_type)
    if array.null_count:
        import pyarrow.compute as pc

        blank: Any = {"string": "", "bool": False}.get(str(array.type), 0)
        array = pc.fill_null(array, blank)
    return Value(array.to_numpy(zero_copy_only=False), present)
