"""The types of text cells: which type a column of a CSV file has, and the values in it.

Each value has a class, and a column's class is the join of its values' classes, so it does not matter how the rows were
cut up, nor which file they came from::

    null --- int ------ float -----+--- utf8       every other pair joins to utf8
          \\- wide int -------------/
          \\- bool, timestamp, zoned timestamp --/

An empty cell is null and says nothing. A whole number is *wide* when float64 cannot hold it (above 2**53, mostly):
joined with floats it becomes text, so no digit is lost silently; whole numbers beyond int64 are text for the same
reason. Numbers with leading zeros (``007``) or a plus sign are identifiers: text. ``nan`` and ``inf`` are floats,
``true`` and ``false`` bools, ISO 8601 dates and times timestamps (those with a zone are turned to UTC). Blanks around a
number, bool or time do not count; text keeps its blanks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trueline.data.cells_digits import changes_digits, large, loses_digits, odd_start, words_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CLASSES", "FIXED_TYPES", "arrow_type_of_class", "classify", "convert", "convert_fixed", "join"]

CLASSES = ("null", "int", "wide", "float", "bool", "timestamp", "zoned", "utf8")
_JOINS = {
    frozenset({"int", "wide"}): "wide",
    frozenset({"int", "float"}): "float",
}
FIXED_TYPES = {"utf8": "utf8", "int64": "int", "float64": "float", "bool": "bool", "timestamp": "timestamp"}
"""Types that a caller may fix, and the class that stands for each."""
_HEAD = 32
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")


def join(one: str, two: str) -> str:
    """The class of a column that holds values of both classes; associative and commutative."""
    if one == two or two == "null":
        return one
    if one == "null":
        return two
    return _JOINS.get(frozenset({one, two}), "utf8")


def arrow_type_of_class(name: str) -> pa.DataType:
    """The Arrow type of a column of a class; a column of nothing but nulls is text."""
    import pyarrow as pa

    return {
        "int": pa.int64(),
        "wide": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "timestamp": pa.timestamp("us"),
        "zoned": pa.timestamp("us"),
    }.get(name, pa.string())


def _cast(array: pa.Array, target: Any) -> pa.Array | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        if len(array) > 4 * _HEAD:
            pc.cast(array.slice(0, _HEAD), target)  # a failure costs a message a value: tell most of them early
        return pc.cast(array, target)
    except pa.ArrowInvalid:
        return None


def _any(mask: Any) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(mask).as_py())


def _int_values(text: pa.Array) -> pa.Array | None:
    import pyarrow as pa

    values = _cast(text, pa.int64())
    return None if values is None or odd_start(text, whole=True) else values


def _float_values(text: pa.Array) -> pa.Array | None:
    import pyarrow as pa

    values = _cast(text, pa.float64())
    if values is None or odd_start(text, whole=False):
        return None
    return None if large(values) and changes_digits(text, values) else values


def _bool_values(text: pa.Array) -> pa.Array | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    true = pc.is_in(text, words_of(*_TRUE))
    known = pc.or_(true, pc.is_in(text, words_of(*_FALSE)))
    if int(pc.sum(known).as_py() or 0) != len(text) - text.null_count:
        return None
    return pc.if_else(pc.is_valid(text), true, pa.nulls(1, pa.bool_())[0])


def _timestamp_values(text: pa.Array) -> pa.Array | None:
    import pyarrow as pa

    return _cast(text, pa.timestamp("us"))


def _zoned_values(text: pa.Array) -> pa.Array | None:
    import pyarrow as pa

    values = _cast(text, pa.timestamp("us", "UTC"))
    return None if values is None else values.cast(pa.timestamp("us"))


_READERS: dict[str, Callable[[Any], Any]] = {
    "int": _int_values,
    "wide": _int_values,
    "float": _float_values,
    "bool": _bool_values,
    "timestamp": _timestamp_values,
    "zoned": _zoned_values,
}


def _trimmed(text: pa.Array) -> pa.Array | None:
    """The cells without blanks around them, or None when there are none."""
    import pyarrow.compute as pc

    blank = [test(text, character) for test in (pc.starts_with, pc.ends_with) for character in (" ", "\t")]
    return pc.utf8_trim(text, " \t") if any(map(_any, blank)) else None


def _read(text: pa.Array, reader: Callable[[Any], Any]) -> pa.Array | None:
    """The values that a reader finds, with and then without the blanks around the cells."""
    values = reader(text)
    if values is not None:
        return values
    trimmed = _trimmed(text)
    return None if trimmed is None else reader(trimmed)


def classify(text: pa.Array) -> str:
    """The class of a string array: the join of its values' classes."""
    if text.null_count == len(text):
        return "null"
    trimmed = _trimmed(text)
    text = text if trimmed is None else trimmed
    for name in ("int", "float", "bool", "timestamp", "zoned"):
        values = _READERS[name](text)
        if values is not None:
            return "wide" if name == "int" and loses_digits(values) else name
    return "utf8"


def convert(text: pa.Array, name: str) -> pa.Array | None:
    """The values of a string array as a column of a class, or None when some value does not fit the class."""
    import pyarrow as pa

    if name == "utf8":
        return text
    if name == "null":
        return text if text.null_count == len(text) else None
    if text.null_count == len(text):
        return pa.nulls(len(text), arrow_type_of_class(name))
    values = _read(text, _READERS[name])
    if name == "int" and values is not None and loses_digits(values):
        return None
    return values


def convert_fixed(text: pa.Array, type_name: str, limit: int) -> tuple[pa.Array | None, list[int]]:
    """The values of a column whose type the caller fixed; leading zeros and plus signs are no matter there.

    Args:
        text: the cells.
        type_name: a key of `FIXED_TYPES`.
        limit: after so many rows that do not convert no more are looked for.

    Returns:
        The values, or None and the positions of the cells that do not convert.
    """
    reader = _FIXED_READERS[type_name]
    values = _read(text, reader)
    if values is not None:
        return values, []
    trimmed = _trimmed(text)
    text = text if trimmed is None else trimmed
    sure, rest = _surely_bad(text, type_name)
    found: list[int] = []
    _find_bad(text.take(rest), reader, 0, found, limit)
    return None, sorted([*sure, *(rest[n].as_py() for n in found)])[:limit]


def _surely_bad(text: pa.Array, type_name: str) -> tuple[list[int], pa.Array]:
    """The places of cells that cannot convert by their looks, and those of all others: looks are cheap to tell."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    good = pc.fill_null(pc.match_substring_regex(text, _LOOKS[type_name]), fill_value=True)
    looks = good.to_numpy(zero_copy_only=False)
    return np.flatnonzero(~looks).tolist(), pa.array(np.flatnonzero(looks))


def _find_bad(text: pa.Array, reader: Callable[[Any], Any], start: int, bad: list[int], limit: int) -> None:
    """Halves what does not convert until single cells are left."""
    if len(bad) >= limit or reader(text) is not None:
        return
    if len(text) == 1:
        bad.append(start)
        return
    half = len(text) // 2
    _find_bad(text.slice(0, half), reader, start, bad, limit)
    _find_bad(text.slice(half), reader, start + half, bad, limit)


def _fixed_int(text: pa.Array) -> pa.Array | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = _cast(text, pa.int64())
    if values is None:
        plain = pc.replace_substring_regex(text, r"^\+", "")
        values = _cast(plain, pa.int64())
    odd = values is not None and odd_start(text, whole=True)
    return None if odd and _any(pc.match_substring_regex(text, "[xX]")) else values


def _fixed_float(text: pa.Array) -> pa.Array | None:
    import pyarrow as pa

    return _cast(text, pa.float64())


def _fixed_timestamp(text: pa.Array) -> pa.Array | None:
    values = _timestamp_values(text)
    return _zoned_values(text) if values is None else values


_LOOKS = {
    "utf8": "",
    "int64": r"^[+-]*(0[xX])?[0-9a-fA-F]+$",
    "float64": r"^[+-]?([0-9.][0-9.eE+-]*|[iInN].*)$",
    "bool": r"^[tTfF]",
    "timestamp": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}",
}
"""What a cell of a fixed type looks like at least; not all that looks so converts."""
_FIXED_READERS: dict[str, Callable[[Any], Any]] = {
    "utf8": lambda text: text,
    "int64": _fixed_int,
    "float64": _fixed_float,
    "bool": _bool_values,
    "timestamp": _fixed_timestamp,
}
