"""Which rows belong to which slice: vectorised grouping of an Arrow batch by slicing specs.

A slice key is a tuple of (column, value) pairs sorted by column, ``()`` for the overall slice. An expression stands as
the pair (expression text, None), a bucket as (column, ``"[10, 20)"``). Semantics are TFMA's: a missing value is in no
slice of its column, a list column puts a row into one slice per distinct value, and a row may be in several slices.

Three ways in, all of `SlicedBatch`, which encodes each column of a batch once:

* `group_rows(batch, specs) -> [Grouping(rows, codes, keys)]`: (row, slice) pairs for each spec.
* `cells(batch, specs, limit=65_536) -> Cells(codes, count, members) | None`: one code for each row so that every slice
  is a union of cells; ``members`` holds ``(SliceKey, cell numbers)``. Sum per cell, then `Cells.totals` adds cells up
  per slice. None where a list column slices or there are more cells than `limit`.
* `SlicedBatch(batch, specs).split(limit) -> (Cells | None, [Grouping])`: cells for the specs that can have them,
  groupings for the rest; no slice is in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.model_analysis.config import CrossSlicingSpec, SlicingSpec
from trueline.model_analysis.slice_axes import SliceValue, combine
from trueline.model_analysis.slice_parts import (
    CrossKey,
    SliceKey,
    key_text,
    parse_key,
    slice_name,
    spec_columns,
    spec_matches,
    spec_parts,
)
from trueline.model_analysis.slice_picks import Picks, axes_of, combinations, join_lists, picks_of, slices_of_cells

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
Floats: TypeAlias = npt.NDArray[np.float64]
OVERALL: SliceKey = ()
MAX_CELLS = 65_536
MAX_PAIRS = 100_000


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

    def totals(self, values: Floats) -> Floats:
        """Sums over the cells of each slice, in the order of `members`: ``[count, ...]`` to ``[slices, ...]``.

        One call for all sums of a batch is the fast way: its cost is in the number of members, not of values.
        """
        out = np.empty((len(self.members), *values.shape[1:]))
        for place, (_, own) in enumerate(self.members):
            out[place] = (values if len(own) == self.count else values[own]).sum(axis=0)
        return out


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

    Raises:
        DataError: there are more than 100,000 pairs.
    """
    found = list(keys)
    pairs: dict[CrossKey, None] = {}
    empty = []
    for cross in cross_specs:
        left = [k for k in found if spec_matches(cross.baseline_spec, k)]
        if cross.slicing_specs:
            right = [k for k in found if any(spec_matches(s, k) for s in cross.slicing_specs)]
        else:
            baselines = set(left)
            right = [k for k in found if k not in baselines]
        if len(pairs) + len(left) * len(right) > MAX_PAIRS:
            raise DataError(
                f"cross slicing compares {len(left)} slices with {len(right)}, more than {MAX_PAIRS} pairs",
                hint="name the values of the baseline slice, or the slices that it is compared with.",
            )
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
        axes = axes_of(batch, parts)
        self._specs = [picks_of(spec, axes) for spec in parts]

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
        for picks in sorted(self._specs, key=lambda p: combinations([p])):
            if all(p.axis.rows is None for p in picks) and combinations([*together, picks]) <= limit:
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
            for key, own in slices_of_cells(picks, [by_axis[id(p.axis)] for p in picks], count):
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
        for key, own in slices_of_cells(single, coordinates, count):
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
            rows, codes, pairs = join_lists(self.rows, rows, codes, pairs, many, seen)
        seen.update(pairs)
        return Grouping(rows, codes, tuple(pairs))
