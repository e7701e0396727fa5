"""Host steps over Arrow columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ModelError
from trueline._core.feed_columns import column_from_list
from trueline._core.host import HostStep, run_host_steps
from trueline._core.values import arrow_type_of, widen, widened_type

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["python_values", "with_host_columns"]

_SHOWN = 5


def python_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """A column as Python values: None for missing, int microseconds for a timestamp."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def _widened(name: str, column: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in the contract's type, as `widen` makes it."""
    import pyarrow as pa

    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    made = [widen(pa.RecordBatch.from_arrays([chunk], [name])).column(0) for chunk in chunks]
    return pa.chunked_array(made, None if made else widened_type(column.type))


def with_host_columns(
    data: pa.RecordBatch | pa.Table, steps: Sequence[HostStep], allow: Collection[str] | None = None
) -> pa.Table:
    """The rows with one more column ``host:<output>`` per step.

    Raises:
        ModelError: a step that fails, or returns values of another type than declared, naming the step.
    """
    import pyarrow as pa

    names = {n for step in steps for n in step.inputs if n in data.schema.names}
    # what a client sends may be narrower than what the transform saw: a date, a decimal, a time in nanoseconds
    columns = {n: python_values(_widened(n, data.column(n))) for n in names}
    made = run_host_steps(steps, columns, data.num_rows, allow)
    table = data if isinstance(data, pa.Table) else pa.Table.from_batches([data])
    for step in steps:
        try:
            array = pa.array(made[step.feature.name], arrow_type_of(step.feature))
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, OverflowError) as error:
            raise ModelError(
                f"host step {step.output!r} ({step.function}) must return {step.dtype}: {error}",
                problems=column_from_list(step.feature, made[step.feature.name])[1][:_SHOWN],
            ) from error
        table = table.append_column(step.feature.name, array)
    return table
