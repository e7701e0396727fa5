"""Python values as Arrow columns of a type: what fits, what needs a wider type, and what no type holds."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import DataError
from trueline.data.tables_kinds import NULL_NAMES, column_type, joined_type, kind_of, shown_value, value_place

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Misfit", "as_text", "column_array", "typed_column"]

_NATIVE = frozenset({"null", "bool", "int", "float", "text", "bytes"})
"""Kinds that pyarrow takes as they are."""


class Misfit(Exception):  # noqa: N818 - a message to the reader of the rows, not an error
    """A column's values do not fit its type; `wider` is the type that holds both."""

    def __init__(self, wider: pa.DataType) -> None:
        self.wider = wider
        super().__init__(str(wider))


def typed_column(
    values: Sequence[Any], target: pa.DataType, name: str, place: str, first_row: int = 0, *, declared: bool = False
) -> pa.Array:
    """A column of a type that was found in other rows, or declared.

    Raises:
        Misfit: when the values need a wider type, which it names.
        DataError: when no type holds both, or a declared one does not hold them: naming column and row.
    """
    if declared:
        return _declared(values, target, name, place, first_row)
    found = column_type(values, name, place, first_row)
    wider = joined_type(target, found)
    if wider is None:
        row = first_row + next(i for i, v in enumerate(values) if kind_of(type(v)) != "null")
        raise DataError(
            f"the values turn from {target} to {found}",
            where=value_place(place, name, row),
            hint="turn the column into one type, or declare it as text.",
        )
    if wider != target:
        raise Misfit(wider)
    return column_array(values, target, name, place, first_row)


def column_array(values: Sequence[Any], target: pa.DataType, name: str, place: str, first_row: int = 0) -> pa.Array:
    """A column of values whose kinds join to `target`.

    Raises:
        DataError: a value that the type cannot hold (a whole number beyond int64, or beyond float64's digits beside
            floats), naming column and row.
    """
    import pyarrow as pa

    plain = values
    if not {kind_of(t) for t in set(map(type, values))} <= _NATIVE:
        plain = [_plain(v) for v in values]
    elif any(t is not type(None) and t.__name__ in NULL_NAMES for t in set(map(type, values))):
        plain = [None if kind_of(type(v)) == "null" else v for v in values]
    try:
        return pa.array(plain, type=target)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        row = _first_bad(plain, lambda part: pa.array(part, type=target))
        raise DataError(
            f"the value {shown_value(values[row])} cannot be held as {target}",
            where=value_place(place, name, first_row + row),
            hint="declare the column as text to keep every digit." if str(target) in ("int64", "double") else None,
        ) from error


def _first_bad(values: Sequence[Any], build: Callable[[Sequence[Any]], Any]) -> int:
    """The position of the first value that cannot be built into a column, by halving."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            build(values[low:middle])
        except Exception:
            high = middle
        else:
            low = middle
    return low


def _plain(value: Any) -> Any:
    """The value as pyarrow takes it, lists and objects included."""
    convert = _CONVERT.get(kind_of(type(value)))
    return value if convert is None else convert(value)


def _plain_time(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return value.astype("datetime64[us]").item()
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "null": lambda value: None,
    "decimal": float,
    "label": str,
    "bytes": bytes,
    "time": _plain_time,
    "date": lambda value: dt.datetime(value.year, value.month, value.day),
    "list": lambda value: [_plain(v) for v in value],
    "struct": lambda value: {k: _plain(v) for k, v in value.items()},
}


def _declared(values: Sequence[Any], target: pa.DataType, name: str, place: str, first_row: int) -> pa.Array:
    """A column of a declared type; text is made of any single value, and of objects and lists as JSON."""
    import pyarrow as pa

    if target == pa.string():
        texts = [None if kind_of(type(v)) == "null" else as_text(v) for v in values]
        return column_array(texts, target, name, place, first_row)
    found = column_type(values, name, place, first_row)
    if joined_type(target, found) != target:
        row = first_row + next(i for i, v in enumerate(values) if kind_of(type(v)) != "null")
        raise DataError(f"values of type {found} stand where {target} is declared", where=value_place(place, name, row))
    return column_array(values, target, name, place, first_row)


def as_text(value: Any) -> str:
    """A value as text: ISO 8601 for times, JSON for objects, lists and bools, digits as they are for numbers."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if kind_of(type(value)) in ("struct", "list", "bool"):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8")
    return str(value)
