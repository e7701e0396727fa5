"""One column of Python values (JSON, mostly) to an array, by the value contract's rules.

float64 takes int and float, never bool or text; int64 takes int only, so 1.0 is refused; bool takes true and false;
utf8 takes text; timestamp takes int microseconds or ISO text. A list of one value is taken for a scalar, as clients
of TensorFlow Serving send it.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.values import RawFeature

__all__ = ["ACCEPTED", "FILL", "LENGTH", "Column", "column_from_list", "timestamp_micros"]

LENGTH = ":length"
"""Suffix of the input that holds the lengths of a ragged feature's lists."""

FILL: dict[str, tuple[Any, Any]] = {
    "float64": (0.0, np.float64),
    "float32": (0.0, np.float32),
    "int64": (0, np.int64),
    "bool": (False, np.bool_),
    "utf8": ("", object),
    "bytes": (b"", object),
    "timestamp": (0, np.int64),
}
"""What stands in the place of a missing value, and the array's type, by dtype."""


@dataclass(frozen=True)
class Column:
    """Values ``[N]`` or ``[N, K]``, presence ``[N]``, and for a ragged column its lengths ``[N]``."""

    values: npt.NDArray[Any]
    present: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.int64] | None = None


def timestamp_micros(value: Any) -> int:
    """Microseconds since 1970 UTC of an int, a datetime or ISO text; naive times are taken as UTC.

    Raises:
        ValueError: for anything else.
    """
    if type(value) is int:
        return value
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    raise ValueError(f"{value!r} is no time")


_INT64 = range(-(2**63), 2**63)
ACCEPTED: dict[str, frozenset[type]] = {
    "float64": frozenset({float, int}),
    "float32": frozenset({float, int}),
    "int64": frozenset({int}),
    "bool": frozenset({bool}),
    "utf8": frozenset({str}),
    "bytes": frozenset({bytes}),
    "timestamp": frozenset({int}),
}
"""The Python types that are taken as they are, by dtype; exactly these, so that true is no int."""
_CONVERT: dict[str, Callable[[Any], Any]] = {"timestamp": timestamp_micros}
_NONE = type(None)
_BUFFERS = {"float64": "d", "float32": "d", "int64": "q", "timestamp": "q"}
_BUFFER_TYPES = {"d": np.float64, "q": np.int64}


def _wrong(feature: RawFeature, row: int, value: Any, why: str = "") -> str:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"row {row}, field {feature.name!r}: expected {feature.dtype}, got {type(value).__name__} {shown}{why}"


def _convert_one(feature: RawFeature, row: int, value: Any, problems: list[str]) -> Any:
    """A value that the fast path did not take: a list of one, a time as text, an error."""
    if isinstance(value, list) and len(value) == 1 and feature.kind == "scalar":
        value = value[0]
    if value is None or type(value) in ACCEPTED[feature.dtype]:
        return value
    convert = _CONVERT.get(feature.dtype)
    if convert is not None:
        try:
            return convert(value)
        except ValueError:
            pass
    problems.append(_wrong(feature, row, value))
    return None


def _checked(feature: RawFeature, values: list[Any], row_of: Callable[[int], int]) -> tuple[list[Any], list[str]]:
    """The values with every type right, and what is wrong with the others (which become None)."""
    problems: list[str] = []
    accepted = ACCEPTED[feature.dtype]
    if not set(map(type, values)) <= accepted | {_NONE}:
        values = [_convert_one(feature, row_of(i), v, problems) for i, v in enumerate(values)]
    if feature.dtype in ("int64", "timestamp"):
        for i, v in enumerate(values):
            if v is not None and v not in _INT64:
                problems.append(_wrong(feature, row_of(i), v, ", beyond 64 bits"))
                values = [*values[:i], None, *values[i + 1 :]]
    elif feature.dtype in ("float64", "float32"):
        values = [_float(v) if type(v) is int else v for v in values]
    return values, problems


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _array(dtype: str, values: list[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    fill, numpy_type = FILL[dtype]
    count = len(values)
    if None in values:
        present = np.fromiter((v is not None for v in values), bool, count)
        values = [fill if v is None else v for v in values]
    else:
        present = np.ones(count, bool)
    if numpy_type is object:
        texts = np.empty(count, object)
        texts[:] = values
        return texts, present
    return np.array(values, numpy_type), present


def column_from_list(feature: RawFeature, values: list[Any]) -> tuple[Column, list[str]]:
    """The column that `values` (None = missing) make, and every problem by row and field."""
    if feature.kind == "scalar":
        checked, problems = _checked(feature, values, lambda i: i)
        made, present = _array(feature.dtype, checked)
        return Column(made, present), problems
    quick = _fixed_quickly(feature, values) if feature.kind == "fixed" else None
    return _lists(feature, values) if quick is None else (quick, [])


def _fixed_quickly(feature: RawFeature, values: list[Any]) -> Column | None:
    """The column of lists that are all there, of the right length and types; None for anything else."""
    if set(map(type, values)) != {list} or set(map(len, values)) != {feature.size}:
        return None
    flat: list[Any] = values[0] if len(values) == 1 else list(chain.from_iterable(values))
    if not flat or not set(map(type, flat)) <= ACCEPTED[feature.dtype]:
        return None
    code, numpy_type = _BUFFERS.get(feature.dtype), FILL[feature.dtype][1]
    try:
        made = np.frombuffer(array(code, flat), _BUFFER_TYPES[code]) if code else _array(feature.dtype, flat)[0]
    except OverflowError:
        return None
    out = made.astype(numpy_type, copy=False).reshape(len(values), -1)
    return Column(out, np.ones(len(values), bool))


def _lists(feature: RawFeature, values: list[Any]) -> tuple[Column, list[str]]:
    problems: list[str] = []
    rows: list[list[Any] | None] = []
    for i, value in enumerate(values):
        if value is None:
            rows.append(None)
        elif not isinstance(value, list):
            problems.append(_wrong(feature, i, value, ": a list is needed"))
            rows.append(None)
        elif feature.kind == "fixed" and len(value) != feature.size:
            problems.append(_wrong(feature, i, value, f": {feature.size} values are needed"))
            rows.append(None)
        else:
            rows.append(value)
    width = feature.size or 0 if feature.kind == "fixed" else max((len(r) for r in rows if r), default=0)
    owners = [i for i, r in enumerate(rows) for _ in (r or ())]
    flat, wrong = _checked(feature, [v for r in rows for v in (r or ())], owners.__getitem__)
    problems += wrong
    problems += [
        _wrong(feature, owners[i], None, ": no missing values inside a list") for i, v in enumerate(flat) if v is None
    ]
    flat_array, _ = _array(feature.dtype, flat)
    fill, numpy_type = FILL[feature.dtype]
    out = np.full((len(rows), width), fill, numpy_type)
    lengths = np.array([len(r or ()) for r in rows], np.int64)
    out[np.arange(width)[None, :] < lengths[:, None]] = flat_array
    present = np.array([r is not None for r in rows], bool)
    return Column(out, present, lengths if feature.kind == "ragged" else None), problems
