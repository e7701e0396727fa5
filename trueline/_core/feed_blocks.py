"""The fast road of `Feeds`: scalar features as one block for each type, without a Python object for each feature.

Values of one type are gathered feature after feature into one sequence, their types checked by one set, and made one
array ``[F, N]`` whose rows are the features' arrays. Whatever does not fit (a list of one, a time as text, a wrong
type) goes through `feed_columns`, feature by feature, so that rules and messages stand in one place; the plan answers
None where something is wrong, and `Feeds` then looks for every problem at leisure.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.feed_columns import ACCEPTED, FILL, LENGTH, column_from_list
from trueline._core.values import PRESENT, RawFeature

__all__ = ["Arrays", "BlockPlan", "Packed", "merge_packed", "present_for"]

Arrays = dict[str, npt.NDArray[Any]]
_NONE = type(None)
_SHARED_ROWS = 4096
_FROM_BUFFER = {"float64": "d", "int64": "q", "timestamp": "q"}


@dataclass(frozen=True, slots=True)
class Packed:
    """Validated data of `rows` rows, compact: what requests are put together from.

    Attributes:
        rows: how many rows.
        blocks: one array ``[F, rows]`` for each type of scalar feature, in the plan's order.
        present: for each block a bool array ``[F, rows]``, or None where no value is missing.
        lists: arrays of fixed and ragged features by input name.
        unread: arrays of raw columns that host steps alone read, by input name; None where there are none. They are
            for who keeps what was asked, and are not merged.
    """

    rows: int
    blocks: tuple[npt.NDArray[Any], ...]
    present: tuple[npt.NDArray[np.bool_] | None, ...]
    lists: Arrays = field(default_factory=dict)
    unread: Arrays | None = None


def present_for(rows: int, value: bool) -> npt.NDArray[np.bool_]:
    """A read-only bool array that is the same for every feature; kept for small batches."""
    return _shared(rows, value) if rows <= _SHARED_ROWS else _constant(rows, value)


def _constant(rows: int, value: bool) -> npt.NDArray[np.bool_]:
    flags = np.full(rows, value)
    flags.flags.writeable = False
    return flags


_shared = lru_cache(256)(_constant)


class _Block:
    """The scalar features of one type, `start` to `stop` in the plan's order."""

    def __init__(self, dtype: str, features: Sequence[RawFeature], start: int) -> None:
        self.dtype = dtype
        self.features = tuple(features)
        self.start, self.stop = start, start + len(self.features)
        self.names = [f.name for f in self.features]
        self.marks = [f.name + PRESENT for f in self.features if f.optional]
        self.optional = np.array([f.optional for f in self.features])
        self.all_optional = bool(self.optional.all())
        self.accepted = ACCEPTED[dtype]
        self.accepted_or_none = self.accepted | {_NONE}
        self.fill, self.numpy_type = FILL[dtype]
        self.code = _FROM_BUFFER.get(dtype)

    def pack(self, flat: Sequence[Any], rows: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None] | None:
        """The block and its presence from values feature after feature; None when something is wrong."""
        types = set(map(type, flat))
        if not types <= self.accepted_or_none:
            return self._pack_slowly(flat, rows)
        present = None
        if _NONE in types:
            present = np.array([v is not None for v in flat]).reshape(-1, rows)
            if not self.all_optional and not present[~self.optional].all():
                return None
            fill = self.fill
            filled: Sequence[Any] = [fill if v is None else v for v in flat]
        else:
            filled = flat
        try:
            values = np.frombuffer(array(self.code, filled), self.numpy_type) if self.code else self._plain(filled)
        except OverflowError:
            return self._pack_slowly(flat, rows)
        return values.reshape(-1, rows), present

    def _plain(self, flat: Sequence[Any]) -> npt.NDArray[Any]:
        if self.numpy_type is object:
            values = np.empty(len(flat), object)
            values[:] = flat
            return values
        return np.array(flat, self.numpy_type)

    def _pack_slowly(
        self, flat: Sequence[Any], rows: int
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None] | None:
        values, marks = [], []
        for i, feature in enumerate(self.features):
            given = list(flat[i * rows : (i + 1) * rows])
            column, problems = column_from_list(feature, given)
            if problems or not (feature.optional or column.present.all()):
                return None
            values.append(column.values)
            marks.append(column.present)
        return np.stack(values), np.stack(marks)

    def unpack(self, arrays: Arrays, block: npt.NDArray[Any], present: npt.NDArray[np.bool_] | None, rows: int) -> None:
        arrays.update(zip(self.names, block, strict=True))
        if present is None:
            arrays.update(dict.fromkeys(self.marks, present_for(rows, True)))
        else:
            marked = present if self.all_optional else present[self.optional]
            arrays.update(zip(self.marks, marked, strict=True))


class BlockPlan:
    """How the features of a model are gathered, worked out once.

    Args:
        features: the model's features.
    """

    def __init__(self, features: Sequence[RawFeature]) -> None:
        by_type: dict[str, list[RawFeature]] = {}
        for feature in features:
            if feature.kind == "scalar":
                by_type.setdefault(feature.dtype, []).append(feature)
        self.blocks: list[_Block] = []
        for dtype, members in by_type.items():
            self.blocks.append(_Block(dtype, members, self.blocks[-1].stop if self.blocks else 0))
        self.lists = [f for f in features if f.kind != "scalar"]
        self.names = [n for b in self.blocks for n in b.names] + [f.name for f in self.lists]
        self._known = frozenset(self.names)
        self._get = _getter(self.names)

    def pack_rows(self, rows: Sequence[Any], extra: frozenset[str] = frozenset()) -> Packed | None:
        """The packed rows, or None when anything about them is wrong or out of the ordinary."""
        if not rows or set(map(type, rows)) != {dict} or not self.names:
            return None
        exact = set(map(len, rows)) == {len(self.names)}
        try:
            picked = list(map(self._get, rows))
        except KeyError:
            exact = False
            picked = [tuple(map(row.get, self.names)) for row in rows]
        if not exact:
            known = self._known | extra if extra else self._known
            if not all(row.keys() <= known for row in rows):
                return None
        if len(rows) == 1:
            flat: Sequence[Any] = picked[0]
        elif len(self.names) == 1:
            flat = list(chain.from_iterable(picked))
        else:
            flat = list(chain.from_iterable(zip(*picked, strict=True)))
        return self._pack(flat, len(rows))

    def pack_lists(self, lists: Mapping[str, list[Any]], rows: int) -> Packed | None:
        """The packed columns, each a list of `rows` values; an absent one is all missing. None as above."""
        if not rows:
            return None
        absent = [None] * rows
        return self._pack(list(chain.from_iterable([lists.get(n, absent) for n in self.names])), rows)

    def _pack(self, flat: Sequence[Any], rows: int) -> Packed | None:
        blocks, present = [], []
        for block in self.blocks:
            packed = block.pack(flat[block.start * rows : block.stop * rows], rows)
            if packed is None:
                return None
            blocks.append(packed[0])
            present.append(packed[1])
        lists: Arrays = {}
        start = (self.blocks[-1].stop if self.blocks else 0) * rows
        for feature in self.lists:
            given = list(flat[start : start + rows])
            start += rows
            column, problems = column_from_list(feature, given)
            if problems or (not feature.optional and None in given):
                return None
            lists[feature.name] = column.values
            if column.lengths is not None:
                lists[feature.name + LENGTH] = column.lengths
            if feature.optional:
                lists[feature.name + PRESENT] = column.present
        return Packed(rows, tuple(blocks), tuple(present), lists)

    def pack_arrays(self, arrays: Mapping[str, npt.NDArray[Any]], rows: int) -> Packed:
        """The packed form of arrays that are already validated; further arrays are left out."""
        blocks, present = [], []
        for block in self.blocks:
            blocks.append(np.stack([arrays[n] for n in block.names]))
            ones = present_for(rows, True)
            present.append(np.stack([arrays.get(n + PRESENT, ones) for n in block.names]))
        names = [f.name + end for f in self.lists for end in ("", LENGTH, PRESENT)]
        return Packed(rows, tuple(blocks), tuple(present), {n: arrays[n] for n in names if n in arrays})

    def unpack(self, packed: Packed) -> Arrays:
        """One array for each input of the graph."""
        arrays: Arrays = {}
        for block, values, present in zip(self.blocks, packed.blocks, packed.present, strict=True):
            block.unpack(arrays, values, present, packed.rows)
        if packed.lists:
            arrays.update(packed.lists)
        return arrays


def _getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) == 1:
        (name,) = names
        return lambda row: (row[name],)
    get: Callable[[Mapping[str, Any]], tuple[Any, ...]] = itemgetter(*names) if names else lambda row: ()
    return get


def merge_packed(parts: Sequence[Packed]) -> Packed:
    """Several packed requests of one plan as one; the second axis of ragged features is padded to the longest."""
    blocks = tuple(np.concatenate(columns, axis=1) for columns in zip(*(p.blocks for p in parts), strict=True))
    present = tuple(_joined_presence(parts, i) for i in range(len(blocks)))
    lists = {name: _joined([p.lists[name] for p in parts]) for name in parts[0].lists}
    return Packed(sum(p.rows for p in parts), blocks, present, lists)


def _joined_presence(parts: Sequence[Packed], block: int) -> npt.NDArray[np.bool_] | None:
    if all(p.present[block] is None for p in parts):
        return None
    flags = []
    for part in parts:
        marks = part.present[block]
        flags.append(np.ones(part.blocks[block].shape, bool) if marks is None else marks)
    return np.concatenate(flags, axis=1)


def _joined(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    if arrays[0].ndim == 1 or len({a.shape[1] for a in arrays}) == 1:
        return np.concatenate(arrays)
    out = np.full(
        (sum(map(len, arrays)), max(a.shape[1] for a in arrays)),
        "" if arrays[0].dtype == object else 0,
        arrays[0].dtype,
    )
    start = 0
    for part in arrays:
        out[start : start + len(part), : part.shape[1]] = part
        start += len(part)
    return out
