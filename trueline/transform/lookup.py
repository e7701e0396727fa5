"""Tables that are frozen into the model: `take` reads them by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from trueline._core.values import DType
from trueline.transform.column import Column

__all__ = ["take"]


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
