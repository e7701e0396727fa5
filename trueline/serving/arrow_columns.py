"""Arrow columns as a model's features want them, and a model's outputs as Arrow columns.

Types are compared first, then how much a column becomes when it is spread out: dictionaries, views and lists can hold
a long value once and name it a thousand times. Only then are values cast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import FeedError, SchemaError
from trueline._core.values import RawFeature, arrow_type_of, widened_type
from trueline.serving.errors import Code, RequestError
from trueline.serving.options import ServerOptions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["fitted_table", "table_of_outputs"]


def fitted_table(features: Sequence[RawFeature], table: pa.Table, options: ServerOptions) -> pa.Table:
    """The table's columns in the features' own types.

    Raises:
        FeedError: columns of another type, by name, with what was expected and what came.
        RequestError: 413, for columns that become too large when they are spread out.
    """
    import pyarrow as pa

    by_name = {f.name: f for f in features if f.name in table.schema.names}
    if not by_name:
        return table
    table = table.select(list(by_name))
    problems = [
        f"column {name!r}: expected {arrow_type_of(by_name[name])}, got {_shown(kind)}"
        for name, kind in zip(table.schema.names, table.schema.types, strict=True)
        if not _fits(by_name[name], kind)
    ]
    if problems:
        raise FeedError("the data does not fit the model's signature", problems=problems[:20])
    _check_spread(table, options)
    columns: dict[str, Any] = {}
    for name in table.schema.names:
        try:
            columns[name] = _cast(by_name[name], table.column(name))
        except pa.ArrowException as error:
            target, got = arrow_type_of(by_name[name]), _shown(table.schema.field(name).type)
            problems.append(f"column {name!r}: expected {target}, got {got}: {str(error)[:200]}")
    if problems:
        raise FeedError("the data does not fit the model's signature", problems=problems[:20])
    return pa.table(columns)


def _shown(kind: pa.DataType) -> str:
    """A type as its sender knows it: text of Parquet is read as a dictionary."""
    import pyarrow.types as t

    if _is_list(kind):
        return f"list<{_shown(kind.value_type)}>"
    return str(kind.value_type if t.is_dictionary(kind) else kind)


def _value_type(feature: RawFeature, kind: pa.DataType) -> pa.DataType | None:
    """The type of a column's values, those of its lists for a feature of lists; None where that is not to be had."""
    import pyarrow.types as t

    if feature.kind != "scalar" and not t.is_null(kind):
        if not (t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)):
            return None
        kind = kind.value_type
    return kind.value_type if t.is_dictionary(kind) else kind


def _fits(feature: RawFeature, kind: pa.DataType) -> bool:
    import pyarrow.types as t

    value = _value_type(feature, kind)
    if value is None:
        return False
    if t.is_null(value):
        return True
    try:
        wide = widened_type(value)
    except SchemaError:
        return False
    target = arrow_type_of(RawFeature(feature.name, feature.dtype))
    numeric = feature.dtype in ("float64", "float32") and (t.is_floating(wide) or t.is_integer(wide))
    return wide == target or numeric


def _check_spread(table: pa.Table, options: ServerOptions) -> None:
    cells = text = 0
    for column in table.columns:
        for chunk in column.chunks:
            values = chunk
            if hasattr(chunk, "values") and hasattr(chunk, "flatten") and _is_list(chunk.type):
                cells += len(chunk.values)
                if cells > options.max_cells:
                    raise _too_large(f"its lists have more than {options.max_cells} values")
                values = chunk.values
            text += _text_bytes(values)
            if text > options.max_body_bytes:
                raise _too_large(f"its text has more than {options.max_body_bytes} bytes")


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow.types as t

    return bool(t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind))


def _text_bytes(array: pa.Array) -> int:
    """The bytes of text or bytes when every value stands for itself; 0 for other types."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    if isinstance(array, pa.DictionaryArray):
        lengths = _lengths(array.dictionary)
        if lengths is None:
            return 0
        return int(pc.sum(pc.cast(pc.take(lengths, array.indices), pa.int64())).as_py() or 0)
    if t.is_fixed_size_binary(array.type):
        return int(array.type.byte_width) * len(array)
    lengths = _lengths(array)
    return 0 if lengths is None else int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0)


def _lengths(array: pa.Array) -> pa.Array | None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    kind = array.type
    if t.is_string_view(kind) or t.is_binary_view(kind):
        views = np.frombuffer(array.buffers()[1], np.int32).reshape(-1, 4)
        return pa.array(views[array.offset : array.offset + len(array), 0].astype(np.int64))
    if t.is_string(kind) or t.is_large_string(kind) or t.is_binary(kind) or t.is_large_binary(kind):
        return pc.binary_length(array)
    return None


def _cast(feature: RawFeature, column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    target = arrow_type_of(feature)
    if t.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.cast(column, options=pc.CastOptions(pa.timestamp("us", "UTC"), allow_time_truncate=True))
    if column.type == target:
        return column
    exact = pc.CastOptions(target, allow_time_truncate=True, allow_float_truncate=True, allow_decimal_truncate=True)
    return pc.cast(column, options=exact)


def table_of_outputs(described: Sequence[Mapping[str, Any]], outputs: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
    """One column for each output: a list of fixed size for what has more than one value a row."""
    import pyarrow as pa

    dtypes = {str(o["name"]): o.get("dtype") for o in described}
    return pa.table({name: _column(array, dtypes.get(name)) for name, array in outputs.items()})


def _column(array: npt.NDArray[Any], dtype: Any) -> pa.Array:
    import pyarrow as pa

    text = pa.string() if dtype == "utf8" and array.dtype == object else None
    if text is not None and any(isinstance(v, bytes) for v in array.flat):
        text = pa.binary()
    column = pa.array(np.ascontiguousarray(array).reshape(-1), text)
    for size in reversed(array.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column


def _too_large(why: str) -> RequestError:
    return RequestError(
        Code.RESOURCE_EXHAUSTED, f"the request body is too large: {why}", hint="send fewer rows.", status=413
    )
