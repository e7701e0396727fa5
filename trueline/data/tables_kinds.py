"""Which Arrow type Python values have: rows of a database driver, of a user's function, an object column of pandas.

Each value has a kind, and a column's type is the join of its values' kinds. Whole numbers and decimals join with floats
(as float64), dates with times. Nothing else joins: 1 and "1" in one column are an error that names the row, since to
guess there would change what the data says. A declared type settles it: text is then made of any single value.
"""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NULL_NAMES", "column_type", "joined_type", "kind_of", "shown_value", "value_place"]

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
NULL_NAMES = ("NaTType", "NAType")
_NUMBERS = frozenset({"int", "float", "decimal"})
_TIMES = frozenset({"time", "date"})
_TEXTS = frozenset({"text", "label"})


def kind_of(python_type: type[Any]) -> str:
    """The kind of a Python type's values; ``other`` for those that have no place in a column."""
    kind = _KNOWN.get(python_type)
    if kind is None:
        kind = next((kind for types, kind in _KINDS if issubclass(python_type, types)), "other")
        kind = "null" if python_type.__name__ in NULL_NAMES else kind
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
        raise DataError(what, where=value_place(place, name, first_row), hint="give it as JSON text instead.")
    return pa.struct([(k, column_type([v.get(k) for v in present], f"{name}.{k}", place, first_row)) for k in keys])


def value_place(place: str, name: str, row: int) -> str:
    """Where a value stands, for errors."""
    return f"{place}, row {row}, column {name!r}"


def _mixed(values: Sequence[Any], name: str, place: str, first_row: int) -> DataError:
    """The error that names the first value which does not join with those before it."""
    group: frozenset[str] | None = None
    first = ""
    for offset, value in enumerate(values):
        kind = kind_of(type(value))
        if kind == "null":
            continue
        where = value_place(place, name, first_row + offset)
        if kind in ("other", "interval"):
            what = (
                f"a value of Python type {type(value).__module__}.{type(value).__qualname__} has no place in a column"
            )
            return DataError(
                what, where=where, hint="turn it into text, a number or a timestamp first; a query can CAST it."
            )
        if group is None:
            group, first = next((g for g in (_NUMBERS, _TIMES, _TEXTS) if kind in g), frozenset({kind})), kind
        elif kind not in group:
            what = f"the value {shown_value(value)} is {_NAMES[kind]}; those before it are {_NAMES[first]}"
            return DataError(what, where=where, hint="turn the column into one type, or declare it as text.")
    return DataError("the values have several types", where=value_place(place, name, first_row))


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


def shown_value(value: Any) -> str:
    """A value for errors, shortened."""
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
