"""Columns of labels, predictions and weights as arrays: numbers, places among classes, and lists of one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["class_places", "column_matrix", "column_numbers", "numbers_and_presence"]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def column_numbers(column: pa.Array | pa.ChunkedArray, name: str) -> Floats:
    """A column as float64 ``[N]`` with NaN for what is missing.

    Raises:
        DataError: the column holds no numbers.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        cast = pc.cast(column, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"column {name!r} of type {column.type} holds no numbers: {error}") from error
    values: Floats = cast.fill_null(float("nan")).to_numpy(zero_copy_only=False)
    return values


def numbers_and_presence(batch: pa.RecordBatch, name: str) -> tuple[Floats, Bools]:
    """A column of a batch as `column_numbers`, and where it is there ``[N]``.

    Raises:
        DataError: the column holds no numbers.
    """
    column = batch.column(batch.schema.get_field_index(name))
    present: Bools = column.is_valid().to_numpy(zero_copy_only=False)
    return column_numbers(column, name), present


def column_matrix(batch: pa.RecordBatch, name: str, classes: int) -> Floats:
    """A column of lists as ``[N, C]``; rows that are missing or of another length become NaN.

    Raises:
        DataError: the column holds no lists.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = batch.column(batch.schema.get_field_index(name))
    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        raise DataError(
            f"column {name!r} of type {column.type} holds no lists of probabilities",
            hint="a multi-class prediction is one list a row, in the order of the classes.",
        )
    lengths = pc.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False)
    parents = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
    flat = pc.cast(pc.list_flatten(column), pa.float64()).fill_null(float("nan")).to_numpy(zero_copy_only=False)
    out = np.full((batch.num_rows, classes), np.nan)
    right = lengths == classes
    out[right] = flat[right[parents]].reshape(-1, classes)
    return out


def class_places(labels: npt.NDArray[Any], classes: Sequence[Any]) -> Floats:
    """Places of labels ``[N]`` among the classes; NaN for a value that is none."""
    places = np.full(len(labels), np.nan)
    for place, value in enumerate(classes):
        places[np.asarray(labels == value, dtype=bool)] = place
    return places
