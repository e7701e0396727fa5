"""The values of features: packed numbers decoded, bytes sliced, all features of a batch of records at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.data.tf_example_wire import BYTES, FLOAT, INT64, Spans, fields

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]
    Flags = NDArray[np.bool_]

__all__ = ["Values", "binary_array", "values_of"]

_VARINT_MAX = 10


@dataclass(frozen=True)
class Values:
    """Features and what they hold.

    Attributes:
        kind: uint8 ``[n]``, of `trueline.data.tf_example_wire`: UNSET, BYTES, FLOAT or INT64.
        count: int64 ``[n]``, how many values each has.
        first: int64 ``[n]``, where its values begin among those of its kind.
        flat: the values by kind: Arrow ``binary``, ``double`` and ``int64`` arrays.
    """

    kind: Bytes
    count: Ints
    first: Ints
    flat: dict[int, pa.Array]


def binary_array(buffer: Bytes, spans: Spans) -> pa.Array:
    """The ranges of the buffer as an Arrow binary array of its own memory.

    Args:
        buffer: uint8, less than 2 GiB and one block.
        spans: ranges that neither overlap nor go back.
    """
    import pyarrow as pa

    offsets = np.empty(2 * spans.start.size + 1, np.int32)
    offsets[0] = 0
    offsets[1::2], offsets[2::2] = spans.start, spans.end
    with_gaps = pa.Array.from_buffers(
        pa.binary(), offsets.size - 1, [None, pa.py_buffer(offsets), pa.py_buffer(buffer)]
    )
    return with_gaps.take(pa.array(np.arange(1, offsets.size - 1, 2)))


def values_of(buffer: Bytes, kind: Bytes, spans: Spans, odd: Flags) -> tuple[Values, Flags]:
    """The values of features.

    Args:
        buffer: uint8.
        kind: uint8 ``[n]``.
        spans: the contents of each list, as `trueline.data.tf_example_wire.features` gives them.
        odd: bool ``[n]``: features that are left out.

    Returns:
        the values, and bool ``[n]``: which lists are in no shape that is known here.
    """
    import pyarrow as pa

    count, first = np.zeros(kind.size, np.int64), np.zeros(kind.size, np.int64)
    wrong = np.zeros(kind.size, bool)
    flat: dict[int, Any] = {}
    usable = ~odd
    for code, read in ((BYTES, _byte_values), (FLOAT, _float_values), (INT64, _int_values)):
        chosen = np.flatnonzero((kind == code) & usable)
        flat[code], counts, bad = read(buffer, spans.take(chosen))
        count[chosen], wrong[chosen] = counts, bad
        first[chosen] = np.cumsum(counts) - counts
    flat[FLOAT], flat[INT64] = pa.array(flat[FLOAT]), pa.array(flat[INT64])
    return Values(kind, count, first, flat), wrong


def _byte_values(buffer: Bytes, spans: Spans) -> tuple[Any, Ints, Flags]:
    listed = fields(buffer, spans)
    bad = listed.odd.copy()
    bad[listed.owner[listed.tag != 0x0A]] = True
    counts = np.bincount(listed.owner, minlength=spans.start.size).astype(np.int64)
    return binary_array(buffer, listed.span), counts, bad


def _contents(buffer: Bytes, spans: Spans) -> Bytes:
    """The ranges' bytes one after the other."""
    array = binary_array(buffer, spans)
    data = array.buffers()[2]
    if data is None:
        return np.zeros(0, np.uint8)
    ends = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]


def _float_values(buffer: Bytes, spans: Spans) -> tuple[Any, Ints, Flags]:
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        values = _contents(buffer, spans).view("<f4").astype(np.float64)
    return values, (spans.end - spans.start) // 4, np.zeros(spans.start.size, bool)


def _int_values(buffer: Bytes, spans: Spans) -> tuple[Any, Ints, Flags]:
    lengths = spans.end - spans.start
    cut = (lengths > 0) & (buffer.take(np.maximum(spans.end - 1, 0)) >= 0x80)
    if cut.any():  # the number would go on into the next feature: leave these out, and look at the others
        keep = np.flatnonzero(~cut)
        values, kept_counts, kept_bad = _int_values(buffer, spans.take(keep))
        counts, bad = np.zeros(cut.size, np.int64), cut
        counts[keep], bad[keep] = kept_counts, kept_bad
        return values, counts, bad
    raw = _contents(buffer, spans)
    ends = np.flatnonzero(raw < 0x80)
    begins = np.empty_like(ends)
    begins[:1], begins[1:] = 0, ends[:-1] + 1
    sizes = ends - begins + 1
    edges = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    bounds = np.searchsorted(ends, edges)
    counts = np.diff(bounds)
    bad = np.zeros(lengths.size, bool)
    wrong = np.flatnonzero((sizes > _VARINT_MAX) | ((sizes == _VARINT_MAX) & (raw[ends] > 1)))
    bad[np.searchsorted(edges, ends[wrong], side="right") - 1] = True
    return _varints(raw, begins, np.minimum(sizes, _VARINT_MAX)), counts, bad


def _varints(raw: Bytes, begins: Ints, sizes: Ints) -> Ints:
    """The numbers of which each begins at a place and has so many bytes of seven bits, the lowest first."""
    out = (raw[begins] & np.uint8(0x7F)).astype(np.uint64)
    longer = np.flatnonzero(sizes > 1)
    for position in range(1, _VARINT_MAX):
        if not longer.size:
            break
        out[longer] |= (raw[begins[longer] + position] & np.uint64(0x7F)) << np.uint64(7 * position)
        longer = longer[sizes[longer] > position + 1]
    return out.view(np.int64)
