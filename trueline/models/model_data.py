"""The forms of data that a model predicts for: Arrow, rows, columns, DataFrames, numpy matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ModelError
from trueline._core.values import RawFeature, arrow_type_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Rows", "as_table", "frame_library", "is_arrow", "matrix_columns", "tabular"]

Rows = Any
"""An Arrow table or batch, a DataFrame of pandas or polars, a list of ``{name: value}`` rows, or a dict of columns."""
_FORMS = "give an Arrow table, a DataFrame of pandas or polars, a list of rows or a dict of columns."


def is_arrow(data: Any) -> bool:
    """Whether it is an Arrow table or batch."""
    return hasattr(data, "schema") and hasattr(data, "num_rows")


def frame_library(data: Any) -> str | None:
    """``pandas`` or ``polars`` for a DataFrame of theirs; neither is imported."""
    kinds = {(k.__module__.partition(".")[0], k.__name__) for k in type(data).__mro__}
    return next((lib for lib in ("pandas", "polars") if (lib, "DataFrame") in kinds), None)


def tabular(data: Any, features: Sequence[RawFeature]) -> pa.Table | pa.RecordBatch | None:
    """Arrow rows for Arrow and DataFrames; None for any other form.

    pandas marks missing values of integer and bool columns by making them float or object columns: such columns take
    the signature's type where all their values fit it.
    """
    if is_arrow(data):
        return data
    library = frame_library(data)
    if library is None:
        return None
    import pyarrow as pa

    wanted = {f.name: f for f in features}
    if library == "polars":
        table = data.to_arrow()
        return pa.table({n: _plain(table.column(n), wanted.get(n)) for n in table.column_names})
    names = [n for n in data.columns if n in wanted or n == "__row__"]
    arrays = [_pandas_column(data[n], wanted.get(n)) for n in names]
    return pa.table(dict(zip(names, arrays, strict=True))) if names else pa.table({"__rows__": [None] * len(data)})


def _plain(column: pa.ChunkedArray, feature: RawFeature | None) -> Any:
    """polars' large and view types as the signature has them, where they hold the same."""
    import pyarrow as pa

    if feature is None or column.type == arrow_type_of(feature):
        return column
    try:
        return column.cast(arrow_type_of(feature))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column


def _pandas_column(series: Any, feature: RawFeature | None) -> Any:
    import pyarrow as pa

    try:
        made = pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ModelError(f"column {series.name!r} cannot be read: {error}") from error
    array = made if isinstance(made, pa.ChunkedArray) else pa.chunked_array([made])
    return _plain(array, feature)


def matrix_columns(data: Any, features: Sequence[RawFeature]) -> dict[str, list[Any]]:
    """Columns from a numpy matrix ``[N, F]`` whose columns are the raw features in the signature's order.

    Tools that explain models hand such matrices around; NaN is a missing value where one may be missing, and whole
    floats stand for integers and bools.

    Raises:
        ModelError: another number of columns.
    """
    matrix = np.asarray(data)
    if matrix.ndim != 2 or matrix.shape[1] != len(features):
        raise ModelError(
            f"a matrix of shape {list(matrix.shape)} where {len(features)} columns are needed",
            problems=[f.name for f in features],
        )
    return {f.name: [_value(v, f) for v in matrix[:, i].tolist()] for i, f in enumerate(features)}


def _value(value: Any, feature: RawFeature) -> Any:
    if not isinstance(value, float):
        return value
    if np.isnan(value) and feature.optional:
        return None
    if feature.dtype in ("float32", "float64"):
        return value
    if feature.dtype == "bool" and value in (0.0, 1.0):
        return bool(value)
    return int(value) if value.is_integer() and feature.dtype in ("int64", "timestamp") else value


def as_table(data: Rows, features: Sequence[RawFeature]) -> pa.Table:
    """Any form as an Arrow table of the signature's columns, in its order and types; absent columns are all missing.

    Raises:
        ModelError: a form or a value that does not fit.
    """
    import pyarrow as pa

    table = tabular(data, features)
    if table is not None:
        table = table if isinstance(table, pa.Table) else pa.Table.from_batches([table])
        columns: dict[str, Any] = {n: table.column(n) for n in table.column_names}
        rows = table.num_rows
    else:
        columns = dict(python_columns(data, features))
        rows = max((len(v) for v in columns.values()), default=0)
    made = {}
    for f in features:
        given = columns.get(f.name, [None] * rows)
        try:
            made[f.name] = _plain(given, f) if isinstance(given, pa.ChunkedArray) else pa.array(given, arrow_type_of(f))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise ModelError(f"column {f.name!r} does not fit the signature's {f.dtype}: {error}") from error
    return pa.table(made)


def python_columns(data: Rows, features: Sequence[RawFeature]) -> Mapping[str, Any]:
    """A dict of columns from rows, columns or a matrix.

    Raises:
        ModelError: another form.
    """
    if isinstance(data, Mapping):
        return data
    if isinstance(data, np.ndarray):
        return matrix_columns(data, features)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return {f.name: [row.get(f.name) for row in data] for f in features}
    raise ModelError(f"cannot predict for a {type(data).__name__}", hint=_FORMS)
