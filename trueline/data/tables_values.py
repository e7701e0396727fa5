"""Python values as Arrow columns: rows of a database driver, of a user's function, of an object column of pandas.

Each value has a kind, and a column's type is the join of its values' kinds. Whole numbers and decimals join with floats
(as float64), dates with times. Nothing else joins: 1 and "1" in one column are an error that names the row, since to
guess there would change what the data says. A declared type settles it: text is then made of any single value.
"""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Misfit", "as_text", "column_array", "column_type", "joined_type", "kind_of", "typed_column"]

_KINDS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((type(None),), "null"),
    ((bool, np.bool_), "bool"),
    ((np.timedelta64, dt.timedelta), "interval"),
    ((int, np.integer), "int"),
    ((float, np.floating), "float"),
    ((decimal.Decimal,), "decimal"),
    ((str,), "text"),
    ((uuid.UUID, ipaddress._IPAddressBase), "label"),
    ((bytes, bytearray, memoryview), "bytes"),
    ((dt.datetime, np.datetime64), "time"),
    ((dt.date,), "date"),
    ((Mapping,), "struct"),
    ((list, tuple, np.ndarray), "list"),
)
_KNOWN: dict[type[Any], str] = {}
_MAX_KNOWN = 4096
_NULL_NAMES = ("NaTType", "NAType")
_NUMBERS = frozenset({"int", "float", "decimal"})
_TIMES = frozenset({"time", "date"})
_TEXTS = frozenset({"text", "label"})
_NATIVE = frozenset({"null", "bool", "int", "float", "text", "bytes"})
"""Kinds that pyarrow takes as they are."""


class Misfit(Exception):  # noqa: N818 - a message to the reader of the rows, not an error
    """A column's values do not fit its type; `wider` is the type that holds both."""

    def __init__(self, wider: pa.DataType) -> None:
        self.wider = wider
        super().__init__(str(wider))


def kind_of(python_type: type[Any]) -> str:
    """The kind of a Python type's values; ``other`` for those that have no place in a column."""
    kind = _KNOWN.get(python_type)
    if kind is None:
        kind = next((kind for types, kind in _KINDS if issubclass(python_type, types)), "other")
        kind = "null" if python_type.__name__ in _NULL_NAMES else kind
        if len(_KNOWN) < _MAX_KNOWN:
            _KNOWN[python_type] = kind
    return kind


def _scalar_types() -> dict[str, pa.DataType]:
    import pyarrow as pa

    return {
        "bool": pa.bool_(),
        "int": pa.int64(),
        "float": pa.float64(),
        "decimal": pa.float64(),
        "text": pa.string(),
        "label": pa.string(),
        "bytes": pa.binary(),
        "time": pa.timestamp("us"),
        "date": pa.timestamp("us"),
    }


def column_type(values: Sequence[Any], name: str, place: str, first_row: int = 0) -> pa.DataType:
    """The type of a column of Python values; ``null`` when there is none.

    Args:
        values: the values, None for missing.
        name: the column's name, for errors.
        place: where the rows come from, for errors.
        first_row: the number of the first value's row, from 0, for errors.

    Raises:
        DataError: values of kinds that do not join, or of no kind: naming column and row.
    """
    import pyarrow as pa

    kinds = {kind_of(t) for t in set(map(type, values))} - {"null"}
    if not kinds:
        return pa.null()
    if kinds == {"list"}:
        return pa.list_(column_type(list(chain.from_iterable(_present(values))), f"{name}[]", place, first_row))
    if kinds == {"struct"}:
        return _struct_type(values, name, place, first_row)
    scalars = _scalar_types()
    types = {scalars[k] for k in kinds if k in scalars}
    if len(types) == 1 and kinds <= scalars.keys():
        return types.pop()
    if kinds <= _NUMBERS:
        return pa.float64()
    raise _mixed(values, name, place, first_row)


def _present(values: Iterable[Any]) -> Iterable[Any]:
    return (v for v in values if kind_of(type(v)) != "null")


def _struct_type(values: Sequence[Any], name: str, place: str, first_row: int) -> pa.DataType:
    import pyarrow as pa

    present = list(_present(values))
    keys = list(dict.fromkeys(chain.from_iterable(present)))
    if not keys or not all(isinstance(key, str) for key in keys):
        what = "an object without fields has no type" if not keys else "an object's field names must be text"
        raise DataError(what, where=_where(place, name, first_row), hint="give it as JSON text instead.")
    return pa.struct([(k, column_type([v.get(k) for v in present], f"{name}.{k}", place, first_row)) for k in keys])


def _where(place: str, name: str, row: int) -> str:
    return f"{place}, row {row}, column {name!r}"


def _mixed(values: Sequence[Any], name: str, place: str, first_row: int) -> DataError:
    """The error that names the first value which does not join with those before it."""
    group: frozenset[str] | None = None
    first = ""
    for offset, value in enumerate(values):
        kind = kind_of(type(value))
        if kind == "null":
            continue
        where = _where(place, name, first_row + offset)
        if kind in ("other", "interval"):
            what = (
                f"a value of Python type {type(value).__module__}.{type(value).__qualname__} has no place in a column"
            )
            return DataError(what, where=where, hint="turn it into text, a number or a time first.")
        if group is None:
            group, first = next((g for g in (_NUMBERS, _TIMES, _TEXTS) if kind in g), frozenset({kind})), kind
        elif kind not in group:
            what = f"the value {_shown(value)} is {_NAMES[kind]}; those before it are {_NAMES[first]}"
            return DataError(what, where=where, hint="turn the column into one type, or declare it as text.")
    return DataError("the values have several types", where=_where(place, name, first_row))


_NAMES = {
    "bool": "a bool",
    "int": "a whole number",
    "float": "a float",
    "decimal": "a decimal",
    "text": "text",
    "label": "text",
    "bytes": "bytes",
    "time": "a time",
    "date": "a date",
    "struct": "an object",
    "list": "a list",
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


def joined_type(one: pa.DataType, two: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both, None when there is none; null says nothing."""
    import pyarrow as pa
    import pyarrow.types as t

    if one == two or t.is_null(two):
        return one
    if t.is_null(one):
        return two
    if {one, two} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if t.is_list(one) and t.is_list(two):
        inner = joined_type(one.value_type, two.value_type)
        return None if inner is None else pa.list_(inner)
    if t.is_struct(one) and t.is_struct(two):
        return _joined_struct(one, two)
    return None


def _joined_struct(one: pa.DataType, two: pa.DataType) -> pa.DataType | None:
    import pyarrow as pa

    fields = {f.name: f.type for f in one}
    for field in two:
        inner = joined_type(fields.get(field.name, pa.null()), field.type)
        if inner is None:
            return None
        fields[field.name] = inner
    return pa.struct(list(fields.items()))


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
            where=_where(place, name, row),
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
    elif any(t is not type(None) and t.__name__ in _NULL_NAMES for t in set(map(type, values))):
        plain = [None if kind_of(type(v)) == "null" else v for v in values]
    try:
        return pa.array(plain, type=target)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        row = _first_bad(plain, lambda part: pa.array(part, type=target))
        raise DataError(
            f"the value {_shown(values[row])} cannot be held as {target}",
            where=_where(place, name, first_row + row),
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
        raise DataError(f"values of type {found} stand where {target} is declared", where=_where(place, name, row))
    return column_array(values, target, name, place, first_row)


def as_text(value: Any) -> str:
    """A value as text: ISO 8601 for times, JSON for objects, lists and bools, digits as they are for numbers."""
    import json

    if isinstance(value, str):
        return str(value)
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if kind_of(type(value)) in ("struct", "list", "bool"):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8")
    return str(value)
