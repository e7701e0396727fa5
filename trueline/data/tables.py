"""Tables in memory in the contract's types: pandas, polars, pyarrow, duckdb, and all that speaks Arrow's C interface.

No table library is imported for it: a table hands its columns over by ``__arrow_c_stream__`` or ``__arrow_c_array__``.

What pandas means: a column on numpy (``float64``) has one mark, NaN, for "missing" and for "not a number", and hands it
over as missing. Columns on nullable or Arrow types (``Float64``, ``double[pyarrow]``) have both, and keep both. The
index is no column of the data and is left out; `reset_index()` makes it one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import DataError, SchemaError, TruelineError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TableBatches", "table_batches", "to_arrow_table"]

_BATCH_ROWS = 65_536
_PLACE = "the table"


@dataclass(frozen=True)
class TableBatches:
    """A table's rows as they come; a table that is a stream can be run through once.

    Attributes:
        schema: the columns in the contract's types.
        batches: the rows in order, in those types.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches


def table_batches(table: Any, *, nan_is_missing: bool = True, batch_rows: int = _BATCH_ROWS) -> TableBatches:
    """The rows of a table in memory, in the contract's types, at most `batch_rows` at a time.

    Args:
        table: a pandas (2.2 or later) or polars DataFrame, a pyarrow Table, RecordBatch or RecordBatchReader, a duckdb
            relation, or anything else with ``__arrow_c_stream__`` or ``__arrow_c_array__``.
        nan_is_missing: whether NaN in a float column of pandas on numpy is missing, as pandas and TFDV's DataFrame
            reader have it; otherwise it stays the value NaN. NaN elsewhere is always a value.
        batch_rows: rows of a batch, at most.

    Raises:
        DataError: what is no table, or an object column whose values have several types, naming column and row.
        SchemaError: columns that have no place in the value contract, or the same name twice; all at once.
    """
    from trueline.engine.blocks import widened_schema

    reader = _reader(table, nan_is_missing)
    kept = [i for i, name in enumerate(reader.schema.names) if name not in _index_columns(reader.schema)]
    import pyarrow as pa

    raw = pa.schema([reader.schema.field(i) for i in kept])
    schema = widened_schema(raw, _PLACE)
    return TableBatches(schema, _widened(reader, kept, schema, batch_rows))


def to_arrow_table(table: Any, *, nan_is_missing: bool = True) -> pa.Table:
    """A table in memory as a pyarrow Table in the contract's types; arguments and errors as in `table_batches`."""
    import pyarrow as pa

    found = table_batches(table, nan_is_missing=nan_is_missing, batch_rows=1 << 62)
    return pa.Table.from_batches(list(found), schema=found.schema)


def _widened(reader: Any, kept: list[int], schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    from trueline._core.values import widen

    done = 0
    try:
        for batch in reader:
            columns = [_decoded(batch.column(i)) for i in kept]
            narrow = pa.RecordBatch.from_arrays(columns, names=schema.names) if kept else batch.select([])
            for start in range(0, narrow.num_rows, batch_rows):
                wide = widen(narrow.slice(start, batch_rows))
                done += wide.num_rows
                yield pa.RecordBatch.from_arrays(wide.columns, schema=schema) if kept else wide
    except SchemaError as error:
        raise SchemaError(error.message, where=f"{_PLACE}, {error.where}, after row {done}") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"the rows cannot be read: {_first_line(error)}", where=f"{_PLACE}, after row {done}"
        ) from error


def _decoded(column: pa.Array) -> pa.Array:
    """Categories of polars' string views as plain text, which pyarrow can take values of."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type) or not pa.types.is_string_view(column.type.value_type):
        return column
    return pa.DictionaryArray.from_arrays(column.indices, column.dictionary.cast(pa.string()))


def _reader(table: Any, nan_is_missing: bool) -> Any:
    """A pyarrow RecordBatchReader over the table's own columns."""
    import pyarrow as pa

    from trueline.data.tables_pandas import is_pandas, pandas_reader

    try:
        if is_pandas(table):
            return pandas_reader(table, nan_is_missing)
        if isinstance(table, pa.RecordBatchReader):
            return table
        if hasattr(table, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(table)
        if hasattr(table, "__arrow_c_array__"):
            batch = pa.record_batch(table)
            return pa.RecordBatchReader.from_batches(batch.schema, [batch])
    except TruelineError:
        raise
    except (pa.ArrowException, TypeError, ValueError, OverflowError, NotImplementedError) as error:
        raise DataError(
            f"the {_kind(table)} cannot be taken as a table: {_first_line(error)}",
            where=_PLACE,
            hint="a table has named columns of one length; a single column is none.",
        ) from error
    raise DataError(
        f"a {_kind(table)} is no table that Arrow can read",
        where=_PLACE,
        hint=(
            "collect() a lazy frame first."
            if hasattr(table, "collect")
            else "give a pandas (2.2 or later) or polars DataFrame, a pyarrow Table or RecordBatchReader, or a duckdb "
            "relation; rows of Python values become one with pyarrow.Table.from_pylist."
        ),
    )


def _index_columns(schema: pa.Schema) -> frozenset[str]:
    """The columns that pandas appends for its index."""
    note = (schema.metadata or {}).get(b"pandas")
    if note is None:
        return frozenset()
    try:
        listed = json.loads(note).get("index_columns", [])
    except (ValueError, AttributeError):
        return frozenset()
    return frozenset(name for name in listed if isinstance(name, str))


def _kind(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__.partition('.')[0]} {kind.__qualname__}".removeprefix("builtins ")


def _first_line(error: BaseException) -> str:
    return "; ".join(str(part).partition("\n")[0] for part in error.args) or type(error).__name__
