"""Opening nested Arrow columns: lists flattened, structs entered, weights carried along to what lies inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trueline.data_validation.arrow_numpy import is_valid, to_numpy

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["column_of", "flatten", "list_lengths"]

Floats = npt.NDArray[np.float64]


def column_of(batch: pa.RecordBatch, path: tuple[str, ...], weights: Floats | None) -> tuple[pa.Array, Floats | None]:
    """The column of a path and the weights of its entries.

    For a field of a struct: one entry for each struct that the level above holds, with the weight of its row.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = batch.column(path[0])
    for step in path[1:]:
        if pa.types.is_struct(column.type) and column.null_count:  # a plain struct is a list of one: a null holds none
            weights = None if weights is None else weights[is_valid(column)]
            column = column.drop_null()
        while not pa.types.is_struct(column.type):
            if weights is not None:
                present = weights[is_valid(column)] if column.null_count else weights
                weights = np.repeat(present, list_lengths(column))
            column = flatten(column)
        column = pc.struct_field(column, step)
    return column, weights


def flatten(values: pa.Array) -> pa.Array:
    """What lies in the lists, those that are null left out."""
    import pyarrow.compute as pc

    return pc.list_flatten(values)


def list_lengths(values: pa.Array) -> npt.NDArray[np.int64]:
    """Lengths of the lists that are not null."""
    import pyarrow.compute as pc

    lengths = pc.list_value_length(values)
    return to_numpy(lengths.drop_null() if lengths.null_count else lengths).astype(np.int64, copy=False)
