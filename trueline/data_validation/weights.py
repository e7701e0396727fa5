"""The weights of rows: read from a column of the data, one number a row, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError, did_you_mean
from trueline.data_validation.arrow_numpy import is_valid, to_numpy

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["row_weights", "weight_problems", "weight_tables"]

Floats = npt.NDArray[np.float64]


def weight_problems(arrow_schema: pa.Schema, columns: Iterable[str]) -> list[str]:
    """What is wrong with these columns as weights, one sentence each: unknown, or no numbers."""
    import pyarrow.types as t

    problems = []
    for name in dict.fromkeys(columns):
        if name not in arrow_schema.names:
            problems.append(f"there is no column {name!r}: {did_you_mean(name, arrow_schema.names)}")
            continue
        found = kind = arrow_schema.field(name).type
        while t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
            kind = kind.value_type
        if not (t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind)):
            problems.append(f"column {name!r} holds {found}: a weight is a number")
    return problems


def weight_tables(batch: pa.RecordBatch, columns: Iterable[str]) -> Mapping[str, Floats]:
    """The weights of a batch's rows by column name, each read once."""
    return {name: row_weights(batch.column(name), name) for name in dict.fromkeys(columns)}


def row_weights(column: pa.Array, name: str) -> Floats:
    """The weight of each row.

    Args:
        column: numbers, or lists of exactly one number.
        name: for messages.

    Raises:
        DataError: for a row that is missing, has no or several numbers, or a weight that is negative, NaN or infinite;
            the row is counted from 0 in its block.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    while pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        lengths = to_numpy(pc.fill_null(pc.list_value_length(column), 0))
        _refuse(lengths != 1, lengths, name, "values")
        column = pc.list_flatten(column)
    if column.null_count:
        _refuse(~is_valid(column), np.zeros(len(column), np.int64), name, "values")
    weights = np.asarray(to_numpy(column), np.float64)
    _refuse(~(np.isfinite(weights) & (weights >= 0.0)), weights, name, "as its weight")
    return weights


def _refuse(wrong: npt.NDArray[np.bool_], found: npt.NDArray[Any], name: str, what: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows) == 0:
        return
    row = int(rows[0])
    more = f", and {len(rows) - 1} more rows of this block are wrong" if len(rows) > 1 else ""
    raise DataError(
        f"row {row} of the block has {found[row]} {what} in the weight column {name!r}{more}",
        hint="a weight is one finite number a row that is not negative: fill or filter the column first.",
    )
