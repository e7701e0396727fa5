"""The wire form of tf.Example and tf.SequenceExample taken apart by numpy, level by level, for many records at once.

Only the shape that every writer of these messages gives is known here: each field once and in order, numbers packed,
nothing unknown. A record of any other shape, allowed or broken, is marked odd and left to the protobuf library.

    Example            1: Features
    SequenceExample    1: Features   2: FeatureLists
    Features           1: entry*     entry: 1: name  2: Feature
    FeatureLists       1: entry*     entry: 1: name  2: FeatureList
    FeatureList        1: Feature*
    Feature            1: BytesList | 2: FloatList | 3: Int64List, or nothing
    lists              1: the values: each on its own for bytes, packed for numbers
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]
    Flags = NDArray[np.bool_]

__all__ = ["BYTES", "FLOAT", "INT64", "PADDING", "UNSET", "Fields", "Spans", "entries", "features", "fields", "sole"]

PADDING = 16
"""Bytes that must follow the last message in the buffer, so that a length may be read at its very end."""
UNSET, BYTES, FLOAT, INT64 = 0, 1, 2, 3
_FEW = 8
"""With so few messages left in the race, one is read after the other."""


@dataclass(frozen=True)
class Spans:
    """Ranges of bytes, in the order of the buffer.

    Attributes:
        start: int64 ``[n]``.
        end: int64 ``[n]``.
    """

    start: Ints
    end: Ints

    def take(self, index: Ints | Flags) -> Spans:
        """Some of them."""
        return Spans(self.start[index], self.end[index])


@dataclass(frozen=True)
class Fields:
    """The fields of messages, in the order of the buffer.

    Attributes:
        owner: int64 ``[n]``, the message that each field stands in.
        tag: uint8 ``[n]``, field number and wire type.
        span: the contents.
        odd: bool ``[messages]``, where a message is not a row of fields with a length; its fields are not listed.
    """

    owner: Ints
    tag: Bytes
    span: Spans
    odd: Flags


def _field(buffer: Bytes, at: Ints, end: Ints) -> tuple[Bytes, Ints, Ints, Flags]:
    """The field at each place: tag, start and end of the contents, and whether it has a length and stays within."""
    tag = buffer.take(at)
    byte = buffer.take(at + 1)
    length = byte.astype(np.int64)
    start = at + 2
    good = (tag & 7) == 2
    if (byte & 0x80).any():
        long = np.flatnonzero(byte & 0x80)
        length[long] &= 0x7F
        for shift in (7, 14, 21, 28):
            byte = buffer.take(start[long])
            length[long] |= (byte & np.int64(0x7F)) << shift
            start[long] += 1
            long = long[(byte & 0x80) != 0]
            if not long.size:
                break
        good[long] = False
    stop = start + length
    good &= stop <= end
    if not good.all():  # whatever is read of these must lie in the buffer
        start, stop = np.where(good, start, end), np.where(good, stop, end)
    return tag, start, stop, good


def sole(buffer: Bytes, outer: Spans) -> tuple[Bytes, Spans, Flags]:
    """The one field that fills each message: tag, contents, and whether there is exactly that."""
    tag, start, stop, good = _field(buffer, outer.start, outer.end)
    return tag, Spans(start, stop), good & (stop == outer.end)


def fields(buffer: Bytes, outer: Spans) -> Fields:
    """All fields of each message."""
    count = outer.start.size
    odd = np.zeros(count, bool)
    at, live = outer.start.copy(), np.flatnonzero(outer.start < outer.end)
    steps: list[tuple[Ints, Bytes, Ints, Ints]] = []
    while live.size > _FEW:
        tag, start, stop, good = _field(buffer, at[live], outer.end[live])
        if not good.all():
            odd[live[~good]] = True
            live, tag, start, stop = live[good], tag[good], start[good], stop[good]
        steps.append((live, tag, start, stop))
        at[live] = stop
        live = live[stop < outer.end[live]]
    steps.extend(_rest(buffer, at, outer.end, live, odd))
    if not steps:
        none = np.zeros(0, np.int64)
        return Fields(none, np.zeros(0, np.uint8), Spans(none, none), odd)
    owner, tags, starts, stops = (np.concatenate(part) for part in zip(*steps, strict=True))
    order = np.argsort(starts, kind="stable") if len(steps) > 1 else slice(None)
    owner, tags, starts, stops = owner[order], tags[order], starts[order], stops[order]
    if odd.any():
        keep = ~odd[owner]
        owner, tags, starts, stops = owner[keep], tags[keep], starts[keep], stops[keep]
    return Fields(owner, tags, Spans(starts, stops), odd)


def _rest(buffer: Bytes, at: Ints, end: Ints, live: Ints, odd: Flags) -> list[tuple[Ints, Bytes, Ints, Ints]]:
    """The remaining fields of a few messages, which may be very many: byte by byte in plain Python."""
    steps = []
    for message in live.tolist():
        place, stop = int(at[message]), int(end[message])
        raw = buffer[place : stop + PADDING].tobytes()
        found: list[tuple[int, int, int]] = []
        cursor, size = 0, stop - place
        while cursor < size:
            tag, length, shift, head = raw[cursor], 0, 0, cursor + 1
            while raw[head] & 0x80 and shift < 28:
                length |= (raw[head] & 0x7F) << shift
                shift, head = shift + 7, head + 1
            length |= raw[head] << shift
            contents = head + 1
            cursor = contents + length
            if tag & 7 != 2 or raw[head] & 0x80 or cursor > size:
                odd[message] = True
                break
            found.append((tag, contents + place, cursor + place))
        if found and not odd[message]:
            table = np.array(found, np.int64)
            owner = np.full(len(found), message, np.int64)
            steps.append((owner, table[:, 0].astype(np.uint8), table[:, 1], table[:, 2]))
    return steps


def entries(buffer: Bytes, outer: Spans) -> tuple[Ints, Spans, Spans, Flags]:
    """The entries of each map: the map's number, the name's bytes, the value's bytes; and which maps are odd."""
    listed = fields(buffer, outer)
    tag, start, stop, good = _field(buffer, listed.span.start, listed.span.end)
    good &= (tag == 0x0A) & (listed.tag == 0x0A) & (stop < listed.span.end)
    value_tag, value, exact = sole(buffer, Spans(stop, listed.span.end))
    good &= exact & (value_tag == 0x12)
    odd = listed.odd.copy()
    if not good.all():
        odd[listed.owner[~good]] = True
        good &= ~odd[listed.owner]
        name, value = Spans(start, stop).take(good), value.take(good)
        return listed.owner[good], name, value, odd
    return listed.owner, Spans(start, stop), value, odd


def features(buffer: Bytes, outer: Spans) -> tuple[Bytes, Spans, Flags]:
    """Each Feature's kind and the contents of its list: packed numbers, or the BytesList itself; and which are odd.

    The contents of a list without values have no bytes.
    """
    unset = outer.start == outer.end
    tag, values, good = sole(buffer, outer)
    kind = np.where(unset, 0, tag >> 3).astype(np.uint8)
    odd = ~unset & (~good | (kind < BYTES) | (kind > INT64))
    numbers = np.flatnonzero((kind >= FLOAT) & ~odd & (values.start < values.end))
    inner_tag, packed, exact = sole(buffer, values.take(numbers))
    odd[numbers] |= ~exact | (inner_tag != 0x0A)
    start, end = np.where(unset, outer.end, values.start), np.where(unset, outer.end, values.end)
    start[numbers], end[numbers] = packed.start, packed.end
    floats = (kind == FLOAT) & ~odd
    odd |= floats & ((end - start) % 4 != 0)
    return kind, Spans(start, end), odd
