"""Whether a number is what its text says: spellings that are no numbers, and digits that float64 cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["changes_digits", "large", "loses_digits", "odd_start", "words_of"]

_ONE_OF = {chars: np.isin(np.arange(256), [ord(c) for c in chars]) for chars in ("0+-", "0123456789xX")}


def words_of(*words: str) -> pa.Array:
    """Text as an Arrow array; from Python values pyarrow makes it too, but imports pandas first: 0.4 CPU seconds."""
    import pyarrow as pa

    ends = np.cumsum([0, *(len(word.encode()) for word in words)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer("".join(words).encode())]
    return pa.Array.from_buffers(pa.string(), len(words), buffers)


def odd_start(text: pa.Array, *, whole: bool) -> bool:
    """Whether some value starts as no canonical number does; looks at the first three bytes of every value.

    That is a leading zero (hexadecimal included) or a plus sign; for `whole` numbers also ``-0`` alone.
    """
    import pyarrow as pa

    _, offset_buffer, data_buffer = text.buffers()
    if data_buffer is None or not data_buffer.size or not len(text):
        return False
    offsets = np.frombuffer(offset_buffer, np.int32, count=len(text) + 1, offset=text.offset * 4)
    data = np.frombuffer(data_buffer, np.uint8)
    last = len(data) - 1
    starts = offsets[:-1] if offsets[-2] <= last else np.minimum(offsets[:-1], last)
    first = data[starts]
    rows = np.flatnonzero(first <= ord("0"))  # signs and zeros, and a few that no number begins with
    rows = rows[_ONE_OF["0+-"][first[rows]] & (offsets[rows + 1] - offsets[rows] > 1)]
    if not len(rows):
        return False
    at, end = offsets[rows], offsets[rows + 1]
    minus = first[rows] == ord("-")
    zero = at + minus
    zeros = data[np.minimum(zero, last)] == ord("0")
    odd = zeros & (zero + 1 < end) & _ONE_OF["0123456789xX"][data[np.minimum(zero + 1, last)]]
    odd |= first[rows] == ord("+")
    if whole:
        odd |= zeros & minus & (zero + 1 == end)
    found = rows[odd]
    if not len(found) or not text.null_count:
        return bool(len(found))
    places = pa.Array.from_buffers(pa.int64(), len(found), [None, pa.py_buffer(found)])
    return bool(text.take(places).null_count < len(found))


def large(values: pa.Array) -> bool:
    """Whether some number may be none that float64 holds exactly: 2**53 and above, infinity included."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = np.float64 if pa.types.is_float64(values.type) else np.int64
    if len(values):
        raw = np.frombuffer(values.buffers()[1], kind, count=len(values), offset=8 * values.offset)
        if raw.min() > -(2**53) and raw.max() < 2**53:  # whatever lies under nulls; with NaN neither holds
            return False
    found = pc.min_max(values)
    low, high = found["min"].as_py(), found["max"].as_py()
    return low is not None and not (low > -(2**53) and high < 2**53)


def changes_digits(text: pa.Array, values: pa.Array) -> bool:
    """Whether the floats are not what the text says: ``1e400`` is no infinity, and long whole numbers lose digits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    infinite = pc.is_inf(values)
    if bool(pc.any(pc.match_substring_regex(text.filter(infinite), "[0-9]")).as_py()):
        return True
    whole = text.filter(pc.greater_equal(pc.binary_length(text), 16))
    whole = whole.filter(pc.match_substring_regex(whole, r"^-?[0-9]+$"))
    if not len(whole):
        return False
    try:
        return loses_digits(pc.cast(whole, pa.int64()))
    except pa.ArrowInvalid:
        return True


def loses_digits(ints: pa.Array) -> bool:
    """Whether float64 cannot hold some of the integers."""
    if not large(ints):
        return False
    whole = ints.drop_null()
    values = np.frombuffer(whole.buffers()[1], np.int64, count=len(whole), offset=8 * whole.offset)
    as_float = values.astype(np.float64)
    inside = as_float < 2.0**63
    return bool((~inside).any() or (as_float[inside].astype(np.int64) != values[inside]).any())
