"""Classes of single values: two values of one class are judged alike by every rule of a schema.

That is what makes it fast to judge every row on its own: the rules are asked once for each class, not for each row. A
class is finer than the rules need, never coarser: where rules look at more than a few bounds, every value is a class of
its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.arrow_numpy import to_numpy
from trueline.data_validation.inference import parse_int
from trueline.data_validation.text import LONG

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LeafReader"]

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LeafReader:
    """Puts the values of one feature into classes.

    Attributes:
        kind: a key of the table of readers; ``value``: every value is a class of its own.
        bounds: least and greatest value that the schema allows, None for none.
        known: the values of the string domain.
        sets: whether a list is judged by which classes it holds, not by how many of each.
        longest: lists of more values are not put into classes, each is judged alone.
    """

    kind: str = "plain"
    bounds: tuple[Any, Any] = (None, None)
    known: tuple[str, ...] = ()
    sets: bool = True
    longest: int | None = None

    def read(self, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
        """The class of each value, as a place in the list of classes; values hold no nulls."""
        if self.kind == "plain":
            return np.zeros(len(values), np.int64), ("any",)
        return _READERS[self.kind](self, values)


def _floats(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    """Where a number lies in the single precision of a `FloatDomain`, and whether it is a number."""
    low, high = reader.bounds
    wide = np.asarray(to_numpy(values), np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = wide.astype(np.float32).astype(np.float64)
        codes = np.zeros(len(wide), np.int64)
        if low is not None:
            codes += narrow < low
        if high is not None:
            codes += 2 * (narrow > high)
        codes += 4 * np.isnan(wide) + 8 * np.isinf(wide) + 16 * np.isinf(narrow) + 32 * np.signbit(wide)
    return codes, range(64)


def _integers(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    low, high = reader.bounds
    rounded = np.asarray(to_numpy(values), np.int64).astype(np.float64)  # as statistics hold them
    found = np.where(rounded < 2.0**63, rounded, 0.0).astype(np.int64)
    found[rounded >= 2.0**63] = 2**63 - 1
    codes = np.zeros(len(found), np.int64)
    if low is not None:
        codes += found < low
    if high is not None:
        codes += 2 * (found > high)
    return codes, range(4)


def _strings(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    """Whether a text is in the domain, long, or no text at all."""
    known = frozenset(text.encode() for text in reader.known)

    def classify(value: str | bytes) -> int:
        data = _data(value)
        return int(data in known) + 2 * (len(data) > LONG) + 4 * (isinstance(value, bytes) and not _is_text(value))

    return _by_distinct(values, classify), range(8)


def _int_texts(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    def classify(value: str | bytes) -> int:
        number = None if len(_data(value)) > LONG else parse_int(_label(value))
        return _beyond(number, reader.bounds) + 4 * (number is None)

    return _by_distinct(values, classify), range(8)


def _float_texts(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    """As `_floats`, of the numbers that texts spell."""
    low, high = reader.bounds

    def classify(value: str | bytes) -> int:
        try:
            number = float(_label(value)) if len(_data(value)) <= LONG else None
        except ValueError:
            number = None
        if number is None:
            return 64
        with np.errstate(over="ignore"):
            narrow = float(np.float32(number))
        odd = 4 * math.isnan(number) + 8 * math.isinf(number) + 16 * math.isinf(narrow)
        return _beyond(narrow, (low, high)) + odd + 32 * (math.copysign(1.0, number) < 0)

    return _by_distinct(values, classify), range(65)


def _booleans(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    """0, 1, or what else a number is."""
    found = np.asarray(to_numpy(values), np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = found.astype(np.float32)
    codes = (found == 0) + 2 * (found == 1) + 4 * np.isnan(found) + 8 * np.isinf(narrow) + 16 * np.isinf(found)
    return np.asarray(codes + 32 * np.signbit(found), np.int64), range(64)


def _sizes(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    """Whether a value has more bytes than allowed."""
    return _by_distinct(values, lambda value: int(len(_data(value)) > reader.bounds[1])), range(2)


def _data(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _by_distinct(values: pa.Array, classify: Callable[[Any], int]) -> Codes:
    """The class of each value, asked once for each distinct one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
    found = np.fromiter((classify(value) for value in encoded.dictionary.to_pylist()), np.int64)
    return found[to_numpy(encoded.indices)] if len(found) else np.zeros(len(values), np.int64)


def _beyond(number: float | None, bounds: tuple[Any, Any]) -> int:
    low, high = bounds
    if number is None:
        return 0
    return int(low is not None and number < low) + 2 * int(high is not None and number > high)


def _label(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _is_text(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _values(reader: LeafReader, values: pa.Array) -> tuple[Codes, Sequence[Hashable]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
    distinct = encoded.dictionary
    if pa.types.is_temporal(distinct.type):
        distinct = distinct.cast(pa.int64())
    # The text of a float tells 0.0 from -0.0 and equals itself where it is NaN.
    names = [repr(v) if isinstance(v, float) else v for v in distinct.to_pylist()]
    return to_numpy(encoded.indices).astype(np.int64), names


_READERS: Mapping[str, Callable[[LeafReader, Any], tuple[Codes, Sequence[Hashable]]]] = {
    "floats": _floats,
    "integers": _integers,
    "strings": _strings,
    "int_texts": _int_texts,
    "float_texts": _float_texts,
    "booleans": _booleans,
    "sizes": _sizes,
    "value": _values,
}
