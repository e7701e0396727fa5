"""Durations and times of day of a table in memory: counted in microseconds; the value contract has no such types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.errors import SchemaError
from trueline._core.values import WIDENED_FROM

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["countable"]


def countable(table: pa.Table) -> pa.Table:
    """The table with durations and times of day, also in lists, as int64 microseconds; parts of one are cut off.

    The fields' metadata say what they were, and the statistics say it in the custom statistic ``arrow_type``. Other
    columns stay as they are.

    Raises:
        SchemaError: for a time beyond int64's microseconds, naming the column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns, fields, changed = [], [], False
    for field, column in zip(table.schema, table.columns, strict=True):
        if source := _source(field.type):
            micro = pa.time64("us") if source == b"time" else pa.duration("us")
            exact = "[ns]" not in str(field.type)  # nanoseconds are cut; what does not fit is an error
            try:
                column = pc.cast(column, _with_leaf(field.type, micro), safe=exact)
            except pa.ArrowInvalid as error:
                raise SchemaError(str(error), where=f"column {field.name!r}") from error
            column = pc.cast(column, _with_leaf(field.type, pa.int64()))
            field, changed = pa.field(field.name, column.type, metadata={WIDENED_FROM: source}), True
        columns.append(column)
        fields.append(field)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields)) if changed else table


def _source(arrow_type: pa.DataType) -> bytes:
    import pyarrow.types as t

    while _is_list(arrow_type):
        arrow_type = arrow_type.value_type
    return b"time" if t.is_time(arrow_type) else b"duration" if t.is_duration(arrow_type) else b""


def _is_list(arrow_type: pa.DataType) -> bool:
    import pyarrow.types as t

    return bool(t.is_list(arrow_type) or t.is_large_list(arrow_type) or t.is_fixed_size_list(arrow_type))


def _with_leaf(arrow_type: pa.DataType, leaf: pa.DataType) -> pa.DataType:
    """The same lists around another type; fixed sizes become any size."""
    import pyarrow as pa

    return pa.list_(_with_leaf(arrow_type.value_type, leaf)) if _is_list(arrow_type) else leaf
