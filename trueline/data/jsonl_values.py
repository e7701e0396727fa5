"""From parsed JSON values to columns: the shape that values ask for, and the values as an array of a shape."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.rowid import ROW_COLUMN
from trueline.data.cells import convert_fixed
from trueline.data.jsonl_types import NULL, TEXT, Shape, join_shapes

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Constant", "Digits", "array_of", "exact_object", "fixed_array", "needs_digits", "parse_object", "shape_of"]

_MAX_INT = 2**63
_MAX_DIGITS = 4000
_MAX_DEPTH = 64


class Digits(str):
    """A number as it is written."""


class Constant(float):
    """``NaN``, ``Infinity`` or ``-Infinity``: a float by its own name, not by overflow."""


class _RefusedError(ValueError):
    """A line that is JSON, but no row."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise _RefusedError(f"the key {twice!r} stands there twice")
    return found


def _integer(digits: str) -> int | Digits:
    return int(digits) if len(digits) <= _MAX_DIGITS else Digits(digits)


_PLAIN = json.JSONDecoder(object_pairs_hook=_object, parse_constant=Constant)
_HUGE = json.JSONDecoder(object_pairs_hook=_object, parse_constant=Constant, parse_int=_integer)
_EXACT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=Digits, parse_int=Digits, parse_float=Digits)


def parse_object(text: str) -> dict[str, Any]:
    """One line's object.

    Raises:
        ValueError: for a line that is no JSON object, saying why.
    """
    try:
        return _checked(_PLAIN.decode(text), text)
    except (json.JSONDecodeError, _RefusedError):
        raise
    except RecursionError as error:
        raise _RefusedError("nested too deep") from error
    except ValueError:  # more digits than Python turns to a number
        return _checked(_HUGE.decode(text), text)


def exact_object(text: str) -> dict[str, Any]:
    """One line's object with all numbers as they are written, for a line that `parse_object` takes."""
    found: dict[str, Any] = _EXACT.decode(text)
    return found


def _checked(value: Any, text: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise _RefusedError(f"no JSON object but {_NAMES.get(type(value), 'a number')}")
    if ROW_COLUMN in value:
        raise _RefusedError(f"{ROW_COLUMN!r} is a name of trueline's own")
    if text.count("[") + text.count("{") > _MAX_DEPTH and _depth(value) > _MAX_DEPTH:
        raise _RefusedError("nested too deep")
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise _RefusedError("half a surrogate pair is no text") from error
    return value


def _depth(value: Any) -> int:
    """How deep the lists and objects go."""
    depth, level = 0, [value]
    while level:
        inner = [v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)]
        depth, level = depth + 1, [v for values in inner for v in values]
    return depth


_NAMES: Mapping[type, str] = {list: "a list", str: "a string", bool: "a bool", type(None): "null"}


def shape_of(values: Sequence[Any]) -> Shape:
    """The shape that a column's values ask for together."""
    found = NULL
    for kind in set(map(type, values)):
        of_kind = [v for v in values if type(v) is kind]
        found = join_shapes(found, _SHAPES[kind](of_kind))
    return found


def _shape_of_ints(values: Sequence[int]) -> Shape:
    low, high = min(values), max(values)
    if low < -_MAX_INT or high >= _MAX_INT:
        return TEXT
    if low > -(2**53) and high < 2**53:
        return Shape("int")
    return Shape("wide" if any(int(float(v)) != v for v in values) else "int")


def _shape_of_floats(values: Sequence[float]) -> Shape:
    return TEXT if any(map(math.isinf, values)) else Shape("float")  # 1e400 is no infinity


def _shape_of_lists(values: Sequence[list[Any]]) -> Shape:
    return Shape("list", shape_of([v for one in values for v in one]))


def _shape_of_objects(values: Sequence[dict[str, Any]]) -> Shape:
    names = sorted({n for one in values for n in one})
    if not names:
        return NULL  # {} says nothing
    return Shape("struct", fields={n: shape_of([one[n] for one in values if n in one]) for n in names})


_SHAPES: Mapping[type, Callable[[Any], Shape]] = {
    type(None): lambda _: NULL,
    bool: lambda _: Shape("bool"),
    int: _shape_of_ints,
    float: _shape_of_floats,
    Constant: lambda _: Shape("float"),
    str: lambda _: TEXT,
    Digits: lambda _: TEXT,
    list: _shape_of_lists,
    dict: _shape_of_objects,
}


def needs_digits(values: Sequence[Any], shape: Shape) -> bool:
    """Whether some value that is no string goes into a text column, so that its own digits are asked for."""
    if shape.kind == "utf8" or shape.fixed in ("utf8", "json"):
        return not set(map(type, values)) <= {str, Digits, type(None)} or shape.fixed == "json"
    if shape.item is not None:
        return needs_digits([v for one in values if isinstance(one, list) for v in one], shape.item)
    if shape.kind == "struct":
        objects = [one for one in values if isinstance(one, dict)]
        return any(needs_digits([one.get(n) for one in objects], s) for n, s in shape.fields.items())
    return False


def _text(value: Any, *, quoted: bool) -> str:
    """A value's JSON text; a string without quotes where it is the whole value."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if quoted else value
    if isinstance(value, dict):
        pairs = (f"{json.dumps(k, ensure_ascii=False)}: {_text(v, quoted=True)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(v, quoted=True) for v in value) + "]"
    return json.dumps(value)


def array_of(values: Sequence[Any], shape: Shape) -> pa.Array:
    """The values as an array; all of them fit the shape, and text has its own digits where `needs_digits` asks.

    Raises:
        UnicodeError: for a string that is no Unicode text (half a surrogate pair).
    """
    import pyarrow as pa

    if shape.kind not in ("struct", "utf8") and dict in set(map(type, values)):
        values = [None if isinstance(v, dict) else v for v in values]
    if shape.item is not None:
        offsets = np.cumsum([0, *(0 if v is None else len(v) for v in values)], dtype=np.int32)
        inner = array_of([v for one in values if one is not None for v in one], shape.item)
        return pa.ListArray.from_arrays(pa.array(offsets), inner, mask=_missing(values))
    if shape.kind == "struct":
        columns = {n: array_of([None if v is None else v.get(n) for v in values], s) for n, s in shape.fields.items()}
        return pa.StructArray.from_arrays(list(columns.values()), names=list(columns), mask=_missing(values))
    return _scalars(values, shape.kind)


def _missing(values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    return pa.array([v is None for v in values], pa.bool_())


def _scalars(values: Sequence[Any], kind: str) -> pa.Array:
    import pyarrow as pa

    if kind == "utf8":
        return pa.array([v if v is None else _text(v, quoted=False) for v in values], pa.string())
    if kind in ("int", "wide"):
        return pa.array([v if v is None else int(v) for v in values], pa.int64())
    if kind == "float":
        return pa.array([v if v is None else float(v) for v in values], pa.float64())
    return pa.array(values, pa.bool_()) if kind == "bool" else pa.nulls(len(values), pa.string())


def fixed_array(values: Sequence[Any], name: str) -> tuple[pa.Array | None, list[int]]:
    """The values of a column of a fixed type, or None and the places of those that do not convert."""
    import pyarrow as pa

    bad = [n for n, v in enumerate(values) if v is not None and not _FITS[name](v)]
    if bad and name == "timestamp":  # text that is no time is bad too: all places are told at once
        odd = set(bad)
        bad += _timestamps([None if n in odd else v for n, v in enumerate(values)])[1]
    if bad:
        return None, sorted(bad)
    if name in ("utf8", "json"):
        return pa.array([v if v is None else _text(v, quoted=name == "json") for v in values], pa.string()), []
    if name == "timestamp":
        return _timestamps(values)
    kinds = {"int64": "int", "float64": "float", "bool": "bool"}
    return _scalars(values, kinds[name]), []


def _timestamps(values: Sequence[Any]) -> tuple[pa.Array | None, list[int]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.array([v if isinstance(v, str) and not isinstance(v, Digits) else None for v in values], pa.string())
    found, bad = convert_fixed(text, "timestamp", len(values))
    if found is None:
        return None, bad
    numbers = [int(v) if isinstance(v, int | Digits) else None for v in values]
    return pc.coalesce(found, pa.array(numbers, pa.int64()).cast(pa.timestamp("us"))), []


def _whole(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | Digits):
        return False
    try:
        return -_MAX_INT <= int(value) < _MAX_INT
    except ValueError:
        return False


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | Digits):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "utf8": lambda _: True,
    "json": lambda _: True,
    "int64": _whole,
    "float64": _number,
    "bool": lambda v: isinstance(v, bool),
    "timestamp": lambda v: _whole(v) or (isinstance(v, str) and not isinstance(v, Digits)),
}
