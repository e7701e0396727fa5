"""Many records of tf.Example or tf.SequenceExample as columns of features: which rows have one, and its values.

The usual shape is taken apart by numpy (`trueline.data.tf_example_wire`); a record of another shape is first written
anew by the protobuf library, and what that cannot read either is a bad record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.data.tf_example_values import Values, values_of
from trueline.data.tf_example_wire import PADDING, Spans, entries, features, fields, sole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]
    Flags = NDArray[np.bool_]

__all__ = ["SEQUENCE", "Decoded", "Occurrences", "Steps", "decode"]

SEQUENCE = "##SEQUENCE##"
"""The column of a SequenceExample's feature lists, as TensorFlow Data Validation's paths name it."""


@dataclass(frozen=True)
class Occurrences:
    """Where one feature occurs.

    Attributes:
        rows: int64 ``[n]``, ascending: the records that have it.
        index: int64 ``[n]``: its number in `Values`; of a feature list: its number in `Steps`.
    """

    rows: Ints
    index: Ints


@dataclass(frozen=True)
class Steps:
    """The features of feature lists.

    Attributes:
        offsets: int64 ``[lists + 1]``: which of `values` are each list's steps.
        values: the steps' values.
    """

    offsets: Ints
    values: Values


@dataclass(frozen=True)
class Decoded:
    """Records taken apart.

    Attributes:
        records: int64 ``[rows]``: which of the given records each row is, ascending.
        columns: the occurrences of each feature, by name, sorted.
        values: their values.
        lists: the occurrences of each feature list, by name, sorted.
        steps: what they hold; None for Examples.
        bad: why a record could not be read, by its number.
    """

    records: Ints
    columns: Mapping[str, Occurrences]
    values: Values
    lists: Mapping[str, Occurrences] = field(default_factory=dict)
    steps: Steps | None = None
    bad: Mapping[int, str] = field(default_factory=dict)


def decode(data: Bytes, starts: Ints, lengths: Ints, *, sequence: bool = False) -> Decoded:
    """The records ``data[start:start + length]``, taken apart.

    Args:
        data: uint8 ``[bytes]``.
        starts: int64 ``[records]``, ascending.
        lengths: int64 ``[records]``.
        sequence: whether the records are SequenceExamples.
    """
    buffer = np.concatenate([data, np.zeros(PADDING, np.uint8)])
    outer = Spans(starts, starts + lengths)
    found, odd = _attempt(buffer, outer, sequence)
    if not odd.any():
        return found
    buffer, outer, kept, bad = _rewritten(buffer, outer, odd)
    found, odd = _attempt(buffer, outer, sequence)
    for index in np.flatnonzero(odd).tolist():
        bad[int(kept[index])] = (
            "the record is in a form that cannot be read"
            if sequence
            else "the record has feature lists: it is a tf.SequenceExample, read it with payload='sequence_example'"
        )
    if odd.any():
        kept, outer = kept[~odd], outer.take(~odd)
        found, _ = _attempt(buffer, outer, sequence)
    return Decoded(kept, found.columns, found.values, found.lists, found.steps, bad)


def _rewritten(buffer: Bytes, outer: Spans, odd: Flags) -> tuple[Bytes, Spans, Ints, dict[int, str]]:
    """The records with the odd ones in canonical form; those that protobuf cannot read are left out."""
    from trueline.data.tf_example_proto import canonical

    parts, kept, bad = [], [], {}
    for index, (start, end) in enumerate(zip(outer.start.tolist(), outer.end.tolist(), strict=True)):
        record = buffer[start:end].tobytes()
        if odd[index]:
            try:
                record = canonical(record)
            except ValueError as error:
                bad[index] = f"the record is no tf.Example: {error}"
                continue
        parts.append(record)
        kept.append(index)
    ends = np.cumsum(np.array([len(p) for p in parts], np.int64), dtype=np.int64)
    begins = ends - np.array([len(p) for p in parts], np.int64)
    joined = np.frombuffer(b"".join([*parts, bytes(PADDING)]), np.uint8)
    return joined, Spans(begins, ends), np.array(kept, np.int64), bad


def _attempt(buffer: Bytes, outer: Spans, sequence: bool) -> tuple[Decoded, Flags]:
    """The records of the usual shape, and which are of another."""
    odd = np.zeros(outer.start.size, bool)
    if sequence:
        context, lists = _halves(buffer, outer, odd)
    else:
        tag, context, good = sole(buffer, outer)
        empty = outer.start == outer.end
        odd |= ~empty & (~good | (tag != 0x0A))
        context = Spans(np.where(empty | odd, outer.end, context.start), np.where(empty | odd, outer.end, context.end))
        lists = None
    owner, name, value, odd_maps = entries(buffer, context)
    odd |= odd_maps
    kinds, payload, odd_features = features(buffer, value)
    values, odd_values = values_of(buffer, kinds, payload, odd_features)
    odd[owner[odd_features | odd_values]] = True
    columns = _by_name(buffer, owner, name, odd)
    rows = np.arange(outer.start.size)
    if lists is None:
        return Decoded(rows, columns, values), odd
    found, steps = _feature_lists(buffer, lists, odd)
    if SEQUENCE in columns:
        odd[columns[SEQUENCE].rows] = True
    return Decoded(rows, columns, values, found, steps), odd


def _halves(buffer: Bytes, outer: Spans, odd: Flags) -> tuple[Spans, Spans]:
    """Each SequenceExample's context and feature lists; without bytes where there is none."""
    listed = fields(buffer, outer)
    odd |= listed.odd
    out = []
    for tag in (0x0A, 0x12):
        chosen = np.flatnonzero(listed.tag == tag)
        owners = listed.owner[chosen]
        start, end = outer.end.copy(), outer.end.copy()
        start[owners], end[owners] = listed.span.start[chosen], listed.span.end[chosen]
        odd[owners[1:][owners[1:] == owners[:-1]]] = True
        out.append(Spans(start, end))
    odd[listed.owner[(listed.tag != 0x0A) & (listed.tag != 0x12)]] = True
    return out[0], out[1]


def _feature_lists(buffer: Bytes, lists: Spans, odd: Flags) -> tuple[dict[str, Occurrences], Steps]:
    owner, name, value, odd_maps = entries(buffer, lists)
    odd |= odd_maps
    listed = fields(buffer, value)
    odd[owner[listed.odd]] = True
    odd[owner[listed.owner[listed.tag != 0x0A]]] = True
    kinds, payload, odd_features = features(buffer, listed.span)
    values, odd_values = values_of(buffer, kinds, payload, odd_features)
    odd[owner[listed.owner[odd_features | odd_values]]] = True
    offsets = np.searchsorted(listed.owner, np.arange(owner.size + 1))
    return _by_name(buffer, owner, name, odd), Steps(offsets, values)


def _by_name(buffer: Bytes, owner: Ints, name: Spans, odd: Flags) -> dict[str, Occurrences]:
    """The occurrences of each name; of a name that stands twice in a record, the last. Odd records are marked."""
    from trueline.data.tf_example_values import binary_array

    if not owner.size:
        return {}
    coded = binary_array(buffer, name).dictionary_encode()
    codes = coded.indices.to_numpy()
    order: Any = np.argsort(codes.astype(np.uint16) if len(coded.dictionary) < 1 << 16 else codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(coded.dictionary) + 1))
    out = {}
    for code, raw in enumerate(coded.dictionary.to_pylist()):
        index = order[bounds[code] : bounds[code + 1]]
        rows = owner[index]
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            odd[rows] = True
            continue
        last = np.append(rows[1:] != rows[:-1], True)
        if not last.all():
            rows, index = rows[last], index[last]
        out[text] = Occurrences(rows, index)
    return dict(sorted(out.items()))
