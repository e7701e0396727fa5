"""Tables frozen into the model: `take` reads them by position, `lookup` by key; and live ones, read by a host step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from trueline._core.errors import TruelineError
from trueline._core.values import DType
from trueline.transform.column import Column
from trueline.transform.hoststeps import host
from trueline.transform.lookup_tables import KeyedTable, ValueColumn, keyed_table
from trueline.transform.mappers_vocabulary import apply_vocabulary

__all__ = ["lookup", "lookup_version", "take"]

_MOST_CELLS = 2_000_000
"""Keys times values; a graph is JSON and ONNX that every reader loads whole."""
_LIVE = "trueline.transform.host_library"


def take(index: Column, table: Column | Sequence[Any], *, default: Any = None, width: int | None = None) -> Column:
    """The value, or the row, of a constant table at each position.

    Args:
        index: int64 positions, counted from 0; a list or vector of positions gives a list or vector of values.
        table: a list of numbers, booleans or texts; a list of lists of equal length for rows, which come back as
            vectors; or what an analyzer gave.
        default: the value outside the table, or one per place of a row; None: missing. Vectors and lists of positions
            need one, because elements are never missing.
        width: the length of the rows where `table` is an analyzer's matrix; else it is read from `table`.

    Raises:
        TransformError: for an empty list, mixed types, rows of different lengths, or a default of another type.
    """
    tracer = index.tracer
    with tracer.scope("take"):
        if not isinstance(table, Column):
            table, width = _table(index, table)
        if table.dtype == "float64" and isinstance(default, int) and not isinstance(default, bool):
            default = float(default)
        return tracer.op("take", index, table, default=default, width=width)


def _table(index: Column, values: Sequence[Any]) -> tuple[Column, int | None]:
    """A literal table as a constant, and the length of its rows."""
    rows = [list(v) if isinstance(v, list | tuple) else [v] for v in values]
    nested = {isinstance(v, list | tuple) for v in values}
    widths = {len(r) for r in rows}
    if len(nested) != 1 or len(widths) != 1 or 0 in widths:
        raise index.tracer.error("a table is a non-empty list of values, or of rows of one length of at least 1")
    dtype = dtype_of(index, [v for r in rows for v in r])
    width = widths.pop() if True in nested else None
    return index.tracer.table(rows if width else [r[0] for r in rows], dtype), width


def dtype_of(column: Column, values: Sequence[Any]) -> DType:
    """The one type of literals: whole numbers among floats are floats.

    Raises:
        TransformError: naming the values that do not fit together.
    """
    names: dict[type, str] = {bool: "bool", int: "int64", float: "float64", str: "utf8"}
    found = {names.get(type(v), type(v).__name__): v for v in values}
    if set(found) == {"int64", "float64"}:
        return "float64"
    if len(found) != 1 or next(iter(found)) not in names.values():
        listed = ", ".join(f"{v!r} ({name})" for name, v in sorted(found.items()))
        raise column.tracer.error(f"the values of a table must be of one type, bool, int, float or str: {listed}")
    return cast(DType, next(iter(found)))


def lookup(
    key: Column,
    table: Any = None,
    value_column: str | Sequence[str] | None = None,
    *,
    key_column: str | None = None,
    default: Any = None,
    source: str | None = None,
    live: bool = False,
    poll_seconds: float = 60.0,
) -> Any:
    """What a table says of each key: enrichment by a keyed table.

    The table's content becomes part of the graph, so that training and serving see the same one, everywhere that ONNX
    Runtime runs. With ``live=True`` nothing is frozen: a host step reads the newest version of the table when rows
    come, in this process and in a server whose operator allows ``trueline.transform.host_library``.

    Args:
        key: texts or int64; missing keys have missing values.
        table: a dict of key to value; an Arrow table, a pandas or polars frame; or the path of a ``.csv`` or
            ``.parquet`` file. Values are numbers, booleans, texts, times, or vectors of one length.
        value_column: a column of values, or several; by default all but the keys'. Of a dict: leave it out.
        key_column: the column of keys; by default the first one.
        default: for unknown keys and where the table itself has no value; None: missing. For several columns a dict
            of column to default.
        source: for a live table, the folder of its versions: subfolders ``1``, ``2``, ... with CSV or Parquet files and
            a ``MANIFEST.json``, as `write_lookup_version` writes them. `key` must be a raw column then.
        live: see above.
        poll_seconds: how often, at most, a live table's folder is looked at for a newer version; at least 1.

    Returns:
        The column, or, for several value columns, a dict of them by name.

    Raises:
        TransformError: keys that stand twice, missing or of another type than `key`, columns that are not there, and
            tables of more than two million cells.
    """
    if live != (source is not None) or (table is None) == (source is None):
        raise key.tracer.error(
            "a lookup has a table, or a source with live=True",
            'tlt.lookup(key, {"a": 1.0}) or tlt.lookup(key, source="folder", live=True).',
        )
    with key.tracer.scope("lookup"):
        wanted = [value_column] if isinstance(value_column, str) else value_column
        if source is not None:
            found = _live(key, source, key_column, wanted, default, poll_seconds)
        else:
            found = _frozen(key, table, key_column, wanted, default)
        single = isinstance(value_column, str) or (value_column is None and len(found) == 1)
        return next(iter(found.values())) if single else found


def _default_of(key: Column, name: str, default: Any, single: bool) -> Any:
    if isinstance(default, Mapping):
        return default.get(name)
    if default is not None and not single:
        raise key.tracer.error("several value columns need a dict of defaults", f"default={{{name!r}: ...}}.")
    return default


def _frozen(
    key: Column, table: Any, key_column: str | None, wanted: Sequence[str] | None, default: Any
) -> dict[str, Column]:
    key = key.cast("int64", implied=True) if key.dtype == "bool" else key
    if key.dtype not in ("utf8", "int64"):
        raise key.tracer.error(f"keys are texts or integers, not {key.tracer.describe(key)}")
    try:
        content = keyed_table(table, key.dtype, key_column, wanted)
    except TruelineError as error:
        raise key.tracer.error(
            f"lookup of {key.tracer.describe(key)}: {error.where}: {error.message}", error.hint
        ) from error
    cells = len(content.keys) * (1 + sum(c.width or 1 for c in content.columns.values()))
    if cells > _MOST_CELLS:
        raise key.tracer.error(
            f"the table has {cells:,} cells; at most {_MOST_CELLS:,} can be frozen into a model",
            "take fewer keys or columns, or make it a live table: source=..., live=True.",
        )
    place = apply_vocabulary(key, content.keys)
    return {
        name: _taken(key, place, content, column, _default_of(key, name, default, len(content.columns) == 1))
        for name, column in content.columns.items()
    }


def _taken(key: Column, place: Column, content: KeyedTable, column: ValueColumn, default: Any) -> Column:
    tracer = key.tracer
    if column.dtype == "float64" and type(default) is int:
        default = float(default)
    values = column.values
    if column.nulls is not None and default is not None:
        row = [default] * column.width if column.width is not None and not isinstance(default, list) else default
        values = [row if null else value for value, null in zip(values, column.nulls, strict=True)]
    found = tracer.op("take", place, tracer.table(values, column.dtype), default=default, width=column.width)
    if column.nulls is None or default is not None:
        return found
    absent = tracer.op("take", place, tracer.table(column.nulls, "bool"), default=False, width=None)
    return tracer.op("missing_if", found, absent)


def _live(
    key: Column, source: str, key_column: str | None, wanted: Sequence[str] | None, default: Any, poll_seconds: float
) -> dict[str, Column]:
    from trueline.transform.live_tables import load_newest

    if poll_seconds < 1:
        raise key.tracer.error(f"poll_seconds must be at least 1, it is {poll_seconds}")
    try:
        loaded = load_newest(source, key_column, key.dtype, None if wanted is None else list(wanted))
    except TruelineError as error:
        raise key.tracer.error(f"{error.where or source}: {error.message}", error.hint) from error
    columns = loaded.table.columns
    params: dict[str, Any] = {
        "source": source,
        "key_column": key_column,
        "key_dtype": key.dtype,
        "poll_seconds": float(poll_seconds),
    }
    return {
        name: host(
            f"{_LIVE}:live_lookup",
            key,
            dtype=column.dtype,
            name=_step_name(source, name, key),
            kind="scalar" if column.width is None else "fixed",
            size=column.width,
            value_column=name,
            value_dtype=column.dtype,
            width=column.width,
            default=_default_of(key, name, default, len(columns) == 1),
            **params,
        )
        for name, column in columns.items()
    }


def _step_name(source: str, name: str, key: Column) -> str:
    stem = re.sub(r"[^\w]+", "_", source.rstrip("/").rpartition("/")[2])
    read = "_".join(sorted(key.tracer.graph.input_names([key.index]))).replace(":", "_")
    return f"{stem}_{name}_{read}"


def lookup_version(key: Column, source: str, *, key_column: str | None = None, poll_seconds: float = 60.0) -> Column:
    """The version of a live table that is in use, int64, in every row; arguments as for `lookup`.

    It is read right before or after the values: while a version is being exchanged the two may differ by one.
    """
    return host(
        f"{_LIVE}:live_version",
        key,
        dtype="int64",
        name=_step_name(source, "version", key),
        source=source,
        key_column=key_column,
        key_dtype=key.dtype,
        poll_seconds=float(poll_seconds),
    )
