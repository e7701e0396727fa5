"""The values of a tensor as those of a feature, by the value contract: which types are taken, and what they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.feed_columns import timestamp_micros

__all__ = ["CONVERSIONS", "WrongValueError", "kind_of"]

Array = npt.NDArray[Any]
_TEXT = 60


class WrongValueError(Exception):
    """A value that a feature cannot have: what came, and its place in the flat tensor if it is one value's fault."""

    def __init__(self, got: str, place: int | None = None) -> None:
        super().__init__(got)
        self.got = got
        self.place = place


def kind_of(array: Array) -> str:
    """An array's type and shape, for errors."""
    name = "strings" if array.dtype.kind == "O" else array.dtype.name
    return f"{name} of shape {list(array.shape)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _TEXT else text[: _TEXT - 3] + "..."


def _floats(numpy_type: Any) -> Callable[[Array, Array | None], Array]:
    def convert(values: Array, present: Array | None) -> Array:
        if values.dtype.kind not in "fiu":
            raise WrongValueError(kind_of(values))
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, as it does from JSON
            return values.astype(numpy_type, copy=False)

    return convert


def _whole(values: Array, present: Array | None) -> Array:
    if values.dtype.kind not in "iu":
        raise WrongValueError(kind_of(values))
    if values.dtype == np.uint64 and values.size and values.max() > np.iinfo(np.int64).max:
        place = int(values.ravel().argmax())
        raise WrongValueError(f"{values.ravel()[place]}, beyond 64 bits", place)
    return values.astype(np.int64, copy=False)


def _bools(values: Array, present: Array | None) -> Array:
    if values.dtype.kind != "b":
        raise WrongValueError(kind_of(values))
    return values


def _strings(values: Array, present: Array | None) -> Array:
    if values.dtype.kind != "O":
        raise WrongValueError(kind_of(values))
    return values


def _texts(values: Array, present: Array | None) -> Array:
    flat = _strings(values, present).ravel().tolist()
    if present is None:
        try:
            texts = list(map(bytes.decode, flat))
        except UnicodeDecodeError:
            pass  # which one it is, is looked for below
        else:
            made = np.empty(len(texts), object)
            made[:] = texts
            return made.reshape(values.shape)
    return _each(values, bytes.decode, present, "bytes that are no UTF-8")


def _times(values: Array, present: Array | None) -> Array:
    if values.dtype.kind != "O":
        return _whole(values, present)
    made = _each(values, lambda value: timestamp_micros(value.decode("utf-8")), present, "text that is no ISO time")
    return made.astype(np.int64)


def _each(values: Array, convert: Callable[[bytes], Any], present: Array | None, wrong: str) -> Array:
    """Every value converted; those of rows where the feature is missing are not looked at, and become 0."""
    out = np.zeros(values.size, object)
    width = values.shape[1] if values.ndim > 1 else 1
    for place, value in enumerate(values.ravel().tolist()):
        if present is not None and not present[place // width]:
            continue
        try:
            out[place] = convert(value)
        except (ValueError, OverflowError):
            raise WrongValueError(f"{wrong}: {_shown(value)}", place) from None
    return out.reshape(values.shape)


CONVERSIONS: Mapping[str, Callable[[Array, Array | None], Array]] = {
    "float64": _floats(np.float64),
    "float32": _floats(np.float32),
    "int64": _whole,
    "bool": _bools,
    "utf8": _texts,
    "bytes": _strings,
    "timestamp": _times,
}
"""By a feature's type what its values become; given the rows where it is there, or None for all of them."""
