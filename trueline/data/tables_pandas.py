"""pandas' own ways, without importing pandas: names that are no text, object columns, and NaN on numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["is_pandas", "pandas_reader"]

_OLD = "pandas 2.2 or later hands its columns to Arrow."


def is_pandas(table: Any) -> bool:
    """Whether it is a DataFrame of pandas; asked by name, so that pandas is not imported."""
    return any(k.__module__.split(".")[0] == "pandas" and k.__name__ == "DataFrame" for k in type(table).__mro__)


def pandas_reader(frame: Any, nan_is_missing: bool) -> Any:
    """A pyarrow RecordBatchReader over a DataFrame's columns, its index left out.

    Raises:
        DataError: an object column that Arrow cannot hold, naming column and row; an old pandas.
    """
    import pyarrow as pa

    if not hasattr(frame, "__arrow_c_stream__"):
        raise DataError("this DataFrame cannot be read", where="the table", hint=_OLD)
    frame = frame.reset_index(drop=True)
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        raise DataError(f"two columns have the same name: {', '.join(map(repr, twice))}", where="the table")
    frame = frame.set_axis(names, axis=1)
    own = {i: _own_column(frame, i, names[i], nan_is_missing) for i in range(len(names))}
    rest = [names[i] for i, column in own.items() if column is None]
    if len(rest) == len(names):
        return pa.RecordBatchReader.from_stream(frame)
    found = dict(zip(rest, pa.RecordBatchReader.from_stream(frame[rest]).read_all().columns, strict=False))
    columns = [found[names[i]] if column is None else column for i, column in own.items()]
    joined = pa.Table.from_arrays(columns, names=names)
    return pa.RecordBatchReader.from_batches(joined.schema, joined.to_batches())


def _own_column(frame: Any, position: int, name: str, nan_is_missing: bool) -> pa.Array | None:
    """The column where pandas' own hand-over will not do: object columns, and NaN that is to stay."""
    import pyarrow as pa

    dtype = frame.dtypes.iloc[position]
    if not isinstance(dtype, np.dtype):
        return None
    if dtype.kind == "O":
        return _object_column(list(frame.iloc[:, position]), name, nan_is_missing)
    if dtype.kind == "f" and not nan_is_missing:
        return pa.array(frame.iloc[:, position].to_numpy())
    return None


def _object_column(values: Sequence[Any], name: str, nan_is_missing: bool) -> pa.Array:
    """A column of Python values; NaN beside anything but numbers is always pandas' mark for missing."""
    from trueline.data.tables_kinds import column_type, kind_of
    from trueline.data.tables_values import column_array

    numbers = {kind_of(t) for t in set(map(type, values))} <= {"null", "int", "float", "decimal"}
    plain = values
    if nan_is_missing or not numbers:
        plain = [None if isinstance(v, float) and v != v else v for v in values]
    target = column_type(plain, name, "the table")
    return column_array(plain, target, name, "the table")
