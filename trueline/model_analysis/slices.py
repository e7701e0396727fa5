"""Which rows belong to which slice: vectorised grouping of an Arrow batch by slicing specs.

A slice key is a tuple of (column, value) pairs sorted by column, ``()`` for the overall slice. An expression stands as
the pair (expression text, None), a bucket as (column, ``"[10, 20)"``). Semantics are TFMA's: a missing value is in no
slice of its column, a list column puts a row into one slice per distinct value, and a row may be in several slices.

Three ways in, all of `SlicedBatch`, which encodes each column of a batch once:

* `group_rows(batch, specs) -> [Grouping(rows, codes, keys)]`: (row, slice) pairs for each spec.
* `cells(batch, specs, limit=65_536) -> Cells(codes, count, members) | None`: one code for each row so that every slice
  is a union of cells; ``members`` holds ``(SliceKey, cell numbers)``. Sum per cell, then add cells up per slice.
  None where a list column slices or there are more cells than `limit`.
* `SlicedBatch(batch, specs).split(limit) -> (Cells | None, [Grouping])`: cells for the specs that can have them,
  groupings for the rest; no slice is in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.config import CrossSlicingSpec, SlicingSpec
from trueline.model_analysis.slice_axes import Axis, SliceValue, bucket_axis, combine, condition_axis, value_axis
from trueline.model_analysis.slice_parts import (
    CrossKey,
    KeyPart,
    SliceKey,
    SpecParts,
    condition,
    key_text,
    parse_key,
    slice_name,
    spec_columns,
    spec_matches,
    spec_parts,
    value_places,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "OVERALL",
    "Cells",
    "CrossKey",
    "Grouping",
    "SliceKey",
    "SlicedBatch",
    "cells",
    "cross_pairs",
    "group_rows",
    "key_text",
    "parse_key",
    "slice_name",
    "spec_columns",
    "spec_matches",
]

Ints: TypeAlias = npt.NDArray[np.int64]
OVERALL: SliceKey = ()
MAX_CELLS = 65_536


@dataclass(frozen=True)
class Grouping:
    """Rows of one batch by slices of one spec; a row stands once for each of its slices.

    Attributes:
        rows: row numbers, int64 ``[L]``.
        codes: index into `keys` for each of `rows`, int64 ``[L]``.
        keys: the slices found, in no particular order.
    """

    rows: Ints
    codes: Ints
    keys: tuple[SliceKey, ...]


@dataclass(frozen=True)
class Cells:
    """Rows of one batch by the finest parts that the slices are made of.

    Attributes:
        codes: int64 ``[N]``: the cell of each row, below `count`.
        count: number of cells; each has at least one row.
        members: every slice that has a row, once, with the numbers of its cells, ascending.
    """

    codes: Ints
    count: int
    members: tuple[tuple[SliceKey, Ints], ...]


def cross_pairs(
    cross_specs: Sequence[CrossSlicingSpec], keys: Iterable[SliceKey]
) -> tuple[list[CrossKey], list[CrossSlicingSpec]]:
    """The pairs of slices that are compared, and the cross specs that have no pair among these slices.

    As in TFMA: every slice of a `baseline_spec` is paired with every slice of the `slicing_specs`, or, where none are
    given, with every slice that is not of the `baseline_spec`. A slice is never paired with itself, and a pair that
    two specs describe is given once.

    Args:
        cross_specs: the configured pairs.
        keys: the slices that were found.
    """
    found = list(keys)
    pairs: dict[CrossKey, None] = {}
    empty = []
    for cross in cross_specs:
        left = [k for k in found if spec_matches(cross.baseline_spec, k)]
        if cross.slicing_specs:
            right = [k for k in found if any(spec_matches(s, k) for s in cross.slicing_specs)]
        else:
            right = [k for k in found if k not in left]
        own = [(a, b) for a in left for b in right if a != b]
        pairs.update(dict.fromkeys(own))
        if not own:
            empty.append(cross)
    return list(pairs), empty


def group_rows(batch: pa.RecordBatch, specs: Sequence[SlicingSpec]) -> list[Grouping]:
    """Groups the rows of a batch by every spec. A slice that two specs describe is given once.

    Raises:
        ConfigError: a spec names a column that the batch does not have or that cannot be sliced as it says.
        ExprError: an expression that cannot be computed on this batch.
    """
    return SlicedBatch(batch, specs).groupings()


def cells(batch: pa.RecordBatch, specs: Sequence[SlicingSpec], limit: int = MAX_CELLS) -> Cells | None:
    """The finest cells of a batch, or None where a list column slices or there are more than `limit` of them.

    Raises:
        ConfigError, ExprError: as `group_rows`.
    """
    return SlicedBatch(batch, specs).cells(limit)


class SlicedBatch:
    """A batch and the slicing specs in force; every column is encoded once.

    Args:
        batch: the rows.
        specs: slicing specs.

    Raises:
        ConfigError: a spec names a column that the batch does not have or that cannot be sliced as it says.
        ExprError: an expression that cannot be computed on this batch.
    """

    def __init__(self, batch: pa.RecordBatch, specs: Sequence[SlicingSpec]) -> None:
        self.rows = batch.num_rows
        parts = [spec_parts(spec) for spec in specs]
        axes = _axes(batch, parts)
        self._specs = [_picks(spec, axes) for spec in parts]

    def cells(self, limit: int = MAX_CELLS) -> Cells | None:
        """One code for each row, or None; see the function `cells`."""
        return self._cells(self._specs, limit)

    def groupings(self) -> list[Grouping]:
        """(row, slice) pairs for each spec; see `group_rows`."""
        seen: set[SliceKey] = set()
        return [self._group(picks, seen) for picks in self._specs]

    def split(self, limit: int = MAX_CELLS) -> tuple[Cells | None, list[Grouping]]:
        """Cells of the specs that can have them together, and groupings of the others; no slice is in both."""
        every = self._cells(self._specs, limit)
        if every is not None:
            return every, []
        together: list[Picks] = []
        for picks in sorted(self._specs, key=lambda p: _combinations([p])):
            if all(p.axis.rows is None for p in picks) and _combinations([*together, picks]) <= limit:
                together.append(picks)
        some = self._cells(together, limit) if together else None
        seen = {key for key, _ in some.members} if some else set()
        return some, [self._group(p, seen) for p in self._specs if some is None or p not in together]

    def _cells(self, specs: Sequence[Picks], limit: int) -> Cells | None:
        axes = list({id(p.axis): p.axis for picks in specs for p in picks}.values())
        if any(axis.rows is not None for axis in axes):
            return None
        made = combine(axes, self.rows, limit)
        if made is None:
            return None
        codes, coordinates = made
        count = len(coordinates[0]) if coordinates else min(self.rows, 1)
        by_axis = {id(axis): c for axis, c in zip(axes, coordinates, strict=True)}
        members: dict[SliceKey, Ints] = {}
        for picks in specs:
            for key, own in _slices_of_cells(picks, [by_axis[id(p.axis)] for p in picks], count):
                members.setdefault(key, own)
        return Cells(codes, count, tuple(members.items()))

    def _group(self, picks: Picks, seen: set[SliceKey]) -> Grouping:
        single = tuple(p for p in picks if p.axis.rows is None)
        many = tuple(p for p in picks if p.axis.rows is not None)
        made = combine([p.axis for p in single], self.rows)
        assert made is not None
        codes, coordinates = made
        count = len(coordinates[0]) if coordinates else min(self.rows, 1)
        slot = np.full(count, -1, dtype=np.int64)
        pairs: list[tuple[tuple[str, SliceValue], ...]] = []
        for key, own in _slices_of_cells(single, coordinates, count):
            if many or key not in seen:
                slot[own] = len(pairs)
                pairs.append(key)
        if (slot >= 0).all():
            rows = np.arange(self.rows, dtype=np.int64)
            codes = slot[codes]
        else:
            rows = np.flatnonzero((slot >= 0)[codes])
            codes = slot[codes[rows]]
        if many:
            rows, codes, pairs = _join_lists(self.rows, rows, codes, pairs, many, seen)
        seen.update(pairs)
        return Grouping(rows, codes, tuple(pairs))


@dataclass(frozen=True, eq=False)
class Pick:
    """An axis as one spec uses it: under which name, and which of its codes."""

    name: str
    axis: Axis
    accepted: Ints | None

    def keeps(self, codes: Ints) -> npt.NDArray[np.bool_]:
        """Which codes are in a slice of the spec."""
        if self.accepted is None:
            return codes > 0
        table = np.zeros(self.axis.size, dtype=bool)
        table[self.accepted] = True
        return np.asarray(table[codes], dtype=bool)


Picks: TypeAlias = tuple[Pick, ...]
_AxisName: TypeAlias = tuple[str, str, tuple[float, ...] | None]


def _axes(batch: pa.RecordBatch, specs: Sequence[SpecParts]) -> dict[_AxisName, Axis]:
    """Every axis that the specs need; of a column that is sliced by named values alone, an axis of those."""
    axes: dict[_AxisName, Axis] = {}
    keys = [key for spec in specs for key in spec.keys]
    for key in keys:
        place = _place(key)
        if place in axes:
            continue
        if key.bounds is not None:
            axes[place] = bucket_axis(batch, key.column, key.bounds)
            continue
        axis = value_axis(batch, key.column)
        wanted = [k.value for k in keys if _place(k) == place]
        if None not in wanted:
            axis = axis.only(sorted({p for w in wanted if w is not None for p in value_places(axis.values, w)}))
        axes[place] = axis
    for spec in specs:
        if spec.expression and ("if", spec.expression, None) not in axes:
            axes["if", spec.expression, None] = condition_axis(batch, condition(spec.expression))
    return axes


def _place(key: KeyPart) -> _AxisName:
    return ("column", key.column, key.bounds)


def _picks(spec: SpecParts, axes: dict[_AxisName, Axis]) -> Picks:
    """A spec's axes, sorted by the name that they have in slice keys."""
    picks = []
    for key in spec.keys:
        axis = axes[_place(key)]
        accepted = None if key.value is None else np.array(value_places(axis.values, key.value), dtype=np.int64) + 1
        picks.append(Pick(key.name, axis, accepted))
    if spec.expression:
        picks.append(Pick(spec.expression, axes["if", spec.expression, None], None))
    return tuple(sorted(picks, key=lambda p: p.name))


def _combinations(specs: Iterable[Picks]) -> int:
    """At most so many cells there are."""
    return math.prod(axis.size for axis in {id(p.axis): p.axis for picks in specs for p in picks}.values())


def _slices_of_cells(picks: Picks, coordinates: Sequence[Ints], count: int) -> Iterator[tuple[SliceKey, Ints]]:
    """The slices of one spec, each with its cells; `coordinates` gives each pick's code in each cell."""
    here = np.ones(count, dtype=bool)
    for pick, own in zip(picks, coordinates, strict=True):
        here &= pick.keeps(own)
    found = np.flatnonzero(here)
    codes = np.zeros(len(found), dtype=np.int64)
    for pick, own in zip(picks, coordinates, strict=True):
        codes = np.unique(codes * pick.axis.size + own[found], return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes)) if len(found) else ()
    start = 0
    for end in ends:
        own_cells = found[order[start:end]]
        first = own_cells[0]
        key = tuple((p.name, p.axis.values[c[first] - 1]) for p, c in zip(picks, coordinates, strict=True))
        yield key, own_cells
        start = end


def _join_lists(
    total: int, rows: Ints, codes: Ints, keys: list[SliceKey], many: Picks, seen: set[SliceKey]
) -> tuple[Ints, Ints, list[SliceKey]]:
    """Crosses (row, slice) pairs with list columns; slices that were seen before are left out."""
    for pick in many:
        axis = pick.axis
        keep = pick.keeps(axis.codes)
        assert axis.rows is not None
        rows, codes = _cross(total, rows, codes, axis.rows[keep], axis.codes[keep], axis.size)
        found, codes = np.unique(codes, return_inverse=True)
        keys = [(*keys[c // axis.size], (pick.name, axis.values[c % axis.size - 1])) for c in found.tolist()]
    keys = [tuple(sorted(key, key=lambda pair: pair[0])) for key in keys]
    fresh = np.array([key not in seen for key in keys], dtype=bool)
    keep = fresh[codes]
    renumber = np.cumsum(fresh) - 1
    return rows[keep], renumber[codes[keep]], [k for k, f in zip(keys, fresh.tolist(), strict=True) if f]


def _cross(
    total: int, rows: Ints, codes: Ints, feature_rows: Ints, feature_codes: Ints, width: int
) -> tuple[Ints, Ints]:
    """Joins (row, code) pairs with a feature's (row, code) pairs, both sorted by row."""
    counts = np.bincount(feature_rows, minlength=total)
    starts = np.cumsum(counts) - counts
    times = counts[rows]
    joined = np.repeat(rows, times)
    offset = np.arange(len(joined)) - np.repeat(np.cumsum(times) - times, times)
    return joined, np.repeat(codes, times) * width + feature_codes[np.repeat(starts[rows], times) + offset]
