"""The finest groups of a batch: one code a row for each combination of the sensitive columns' values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.model_analysis.slice_buckets import bucket_codes, bucket_names

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Cell", "cell_codes", "group_column_problem"]

Cell: TypeAlias = tuple[Any, ...]
"""A value for each sensitive column: a text, an integer, a bool, or None where it is missing."""
Ints: TypeAlias = npt.NDArray[np.int64]


def group_column_problem(name: str, of: pa.DataType, bucketed: bool) -> str | None:
    """Why a column cannot make groups, or None."""
    import pyarrow.types as t

    if t.is_dictionary(of):
        of = of.value_type
    number = t.is_integer(of) or t.is_floating(of) or t.is_decimal(of)
    if bucketed:
        return None if number else f"column {name!r} is {of}: buckets are of numbers"
    text = t.is_string(of) or t.is_large_string(of) or t.is_string_view(of)
    if text or t.is_integer(of) or t.is_boolean(of) or t.is_null(of):
        return None
    if number:
        return f"column {name!r} is {of}, and each of its numbers would be a group: give buckets={{{name!r}: [...]}}"
    return f"column {name!r} is {of}: groups are made of texts, integers and booleans"


def cell_codes(
    batch: pa.RecordBatch, columns: Sequence[str], buckets: Mapping[str, Sequence[float]]
) -> tuple[Ints, list[Cell]]:
    """The cell of each row ``[N]``, and the cells."""
    parts = [_column(batch.column(batch.schema.get_field_index(c)), c, buckets.get(c)) for c in columns]
    whole = np.zeros(batch.num_rows, np.int64)
    for codes, values in parts:
        whole = whole * (len(values) + 1) + codes
    found, first, place = np.unique(whole, return_index=True, return_inverse=True)
    cells = [tuple(values[codes[row]] for codes, values in parts) for row in first]
    assert len(found) == len(cells)
    return place.reshape(-1).astype(np.int64), cells


def _column(column: pa.Array, name: str, bounds: Sequence[float] | None) -> tuple[Ints, list[Any]]:
    """The code of each row's value, and the values; None stands last."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if problem := group_column_problem(name, column.type, bounds is not None):
        raise DataError(problem)
    if bounds is not None:
        names = list(bucket_names(bounds))
        numbers = pc.cast(column, pa.float64())
        codes = bucket_codes(numbers.fill_null(0.0).to_numpy(zero_copy_only=False), bounds)
        missing = numbers.is_null().to_numpy(zero_copy_only=False)
        return np.where(missing, len(names), codes), [*names, None]
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64), [None]
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    indices = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False).astype(np.int64)
    return indices, [*values, None]
