"""Tables of keys and values: read from a dict, pandas, Arrow, CSV or Parquet, and checked.

Imports `trueline._core` alone at the top: the server reads live tables with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import DataError, did_you_mean
from trueline._core.values import DType, raw_feature_of, widened_type

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KeyedTable", "ValueColumn", "keyed_table", "read_files", "read_table"]

_BLANK: dict[str, Any] = {"float64": 0.0, "int64": 0, "timestamp": 0, "bool": False, "utf8": ""}
_SHOWN = 5


@dataclass(frozen=True)
class ValueColumn:
    """The values of one column by row.

    Attributes:
        values: Python values, times as int microseconds, rows of vectors as lists; a blank where there is none.
        nulls: which rows have no value; None if all have one.
        dtype: their type.
        width: the length of its vectors, None for single values.
    """

    values: list[Any]
    nulls: list[bool] | None
    dtype: DType
    width: int | None = None

    @property
    def shape(self) -> tuple[str, int | None]:
        """Type and width: what two versions of a table must agree in."""
        return self.dtype, self.width


@dataclass(frozen=True)
class KeyedTable:
    """Distinct keys in the order of the table, and the value columns."""

    keys: list[Any]
    key_dtype: DType
    columns: dict[str, ValueColumn]


def read_table(table: Any, key_column: str | None, key_dtype: str) -> pa.Table:
    """Arrow's form of a table.

    Args:
        table: an Arrow table or batch, a pandas frame, or the path or URI of a ``.csv`` or ``.parquet`` file.
        key_column: the column of keys, which a CSV file's texts are not guessed for.
        key_dtype: the type that the keys must have.

    Raises:
        DataError: for anything else, and for files that cannot be read.
    """
    import pyarrow as pa

    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if isinstance(table, str | os.PathLike):
        return read_files([os.fspath(table)], key_column, key_dtype)
    if hasattr(table, "to_arrow"):
        return table.to_arrow()
    if type(table).__module__.partition(".")[0] == "pandas":
        return pa.Table.from_pandas(table, preserve_index=False)
    raise DataError(
        f"a {type(table).__name__} is no table of keys and values",
        hint="give a dict, an Arrow table, a pandas or polars frame, or the path of a .csv or .parquet file.",
    )


def read_files(uris: Sequence[str], key_column: str | None, key_dtype: str) -> pa.Table:
    """The rows of CSV and Parquet files, one behind the other; see `read_table`."""
    import pyarrow as pa

    tables = [_read_file(uri, key_column, key_dtype) for uri in uris]
    try:
        return pa.concat_tables(tables) if len(tables) > 1 else tables[0]
    except pa.ArrowInvalid as error:
        raise DataError(f"the files of the table have different columns: {error}", where=uris[0]) from error


def _read_file(uri: str, key_column: str | None, key_dtype: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    kind = uri.rpartition(".")[2].lower()
    if kind not in ("csv", "parquet"):
        raise DataError(f"{uri} is no table: only .csv and .parquet files are read")
    if not store.exists(uri):
        raise DataError(f"{uri} does not exist")
    content = pa.BufferReader(store.read_bytes(uri))
    try:
        if kind == "parquet":
            return pq.read_table(content)
        guessed = pacsv.read_csv(content)
        key = key_column or guessed.schema.names[0]
        key_type = pa.string() if key_dtype == "utf8" else pa.int64()
        if key not in guessed.schema.names or guessed.schema.field(key).type == key_type:
            return guessed
        # a key such as 007 is text where texts are looked up
        content.seek(0)
        return pacsv.read_csv(content, convert_options=pacsv.ConvertOptions(column_types={key: key_type}))
    except pa.ArrowInvalid as error:
        raise DataError(f"the table cannot be read: {error}", where=uri) from error


def keyed_table(
    table: Any, key_dtype: str, key_column: str | None, value_columns: Sequence[str] | None, where: str = "the table"
) -> KeyedTable:
    """Keys and values out of any form of table.

    Args:
        table: as `read_table` takes it, or a dict of key to value.
        key_dtype: ``utf8`` or ``int64``.
        key_column: the column of keys; by default the first one.
        value_columns: the columns of values; by default all others.
        where: what messages call the table.

    Raises:
        DataError: keys that are missing, of another type or not distinct, columns that are not there, and values that
            have no place in the graph.
    """
    if isinstance(table, Mapping):
        table = _from_dict(table, where)
    arrow = read_table(table, key_column, key_dtype)
    names = list(arrow.schema.names)
    if len(names) < 2 or len(set(names)) != len(names):
        raise DataError(
            f"a table needs distinct columns, one of keys and at least one of values; it has {names}", where=where
        )
    key = names[0] if key_column is None else key_column
    wanted = [n for n in names if n != key] if value_columns is None else list(value_columns)
    for name in (key, *wanted):
        if name not in names:
            raise DataError(f"the table has no column {name!r}", where=where, hint=did_you_mean(name, names))
    columns = {n: _values(arrow.column(n), f"{where}, column {n!r}") for n in wanted}
    return KeyedTable(_keys(arrow.column(key), key_dtype, f"{where}, column {key!r}"), _as_dtype(key_dtype), columns)


def _as_dtype(key_dtype: str) -> DType:
    return "int64" if key_dtype == "int64" else "utf8"


def _from_dict(table: Mapping[Any, Any], where: str) -> pa.Table:
    import pyarrow as pa

    try:
        return pa.table({"key": pa.array(list(table)), "value": pa.array(list(table.values()))})
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise DataError(f"the keys or the values of a dict must be of one type: {error}", where=where) from error


def _widened(column: Any, where: str) -> Any:
    """A chunked column in the value contract's type."""
    import pyarrow as pa

    try:
        target = widened_type(column.type)
        return column if column.type == target else column.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, DataError) as error:
        raise DataError(str(error), where=where) from error


def _keys(column: Any, key_dtype: str, where: str) -> list[Any]:
    found = _widened(column, where)
    name = raw_feature_of(_field(found)).dtype if len(found) else key_dtype
    if name != key_dtype or str(found.type).startswith("list"):
        raise DataError(
            f"its keys are {found.type}, the column that is looked up is {key_dtype}",
            where=where,
            hint="cast the column with tlt.cast, or the table's keys.",
        )
    keys: list[Any] = found.to_pylist()
    if None in keys:
        raise DataError(f"row {keys.index(None)} has no key", where=where)
    if len(set(keys)) != len(keys):
        seen: set[Any] = set()
        twice = list(dict.fromkeys(k for k in keys if k in seen or seen.add(k)))  # type: ignore[func-returns-value]
        more = f" and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
        raise DataError(
            f"keys stand there more than once: {', '.join(map(repr, twice[:_SHOWN]))}{more}",
            where=where,
            hint="a lookup gives one value: aggregate the table, or drop the duplicates.",
        )
    return keys


def _field(column: Any) -> Any:
    import pyarrow as pa

    return pa.field("column", column.type)


def _values(column: Any, where: str) -> ValueColumn:
    import pyarrow as pa

    found = _widened(column, where)
    if pa.types.is_struct(found.type) or pa.types.is_binary(found.type):
        raise DataError(f"values of type {found.type} have no place in a graph", where=where)
    feature = raw_feature_of(_field(found))
    if feature.dtype == "timestamp":
        plain = pa.int64() if feature.kind == "scalar" else pa.list_(pa.int64())
        found = found.cast(plain)
    values = found.to_pylist()
    nulls = [v is None for v in values] if None in values else None
    width = None
    if feature.kind != "scalar":
        widths = {len(v) for v in values if v is not None}
        if len(widths) != 1 or 0 in widths or any(v is not None and None in v for v in values):
            raise DataError("vectors must be of one length, at least 1, without missing elements", where=where)
        width = widths.pop()
    blank = _BLANK[feature.dtype] if width is None else [_BLANK[feature.dtype]] * width
    return ValueColumn([blank if v is None else v for v in values], nulls, feature.dtype, width)
