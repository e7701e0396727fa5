"""How slicing specs use the axes of a batch: which axes there are, which of their codes, and the slices that follow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.slice_axes import Axis, bucket_axis, compact, condition_axis, value_axis
from trueline.model_analysis.slice_parts import KeyPart, SliceKey, SpecParts, condition, value_places

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Pick", "Picks", "axes_of", "combinations", "join_lists", "picks_of", "slices_of_cells"]

Ints: TypeAlias = npt.NDArray[np.int64]


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


def axes_of(batch: pa.RecordBatch, specs: Sequence[SpecParts]) -> dict[_AxisName, Axis]:
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


def picks_of(spec: SpecParts, axes: dict[_AxisName, Axis]) -> Picks:
    """A spec's axes, sorted by the name that they have in slice keys."""
    picks = []
    for key in spec.keys:
        axis = axes[_place(key)]
        accepted = None if key.value is None else np.array(value_places(axis.values, key.value), dtype=np.int64) + 1
        picks.append(Pick(key.name, axis, accepted))
    if spec.expression:
        picks.append(Pick(spec.expression, axes["if", spec.expression, None], None))
    return tuple(sorted(picks, key=lambda p: p.name))


def combinations(specs: Iterable[Picks]) -> int:
    """At most so many cells there are."""
    return math.prod(axis.size for axis in {id(p.axis): p.axis for picks in specs for p in picks}.values())


def slices_of_cells(picks: Picks, coordinates: Sequence[Ints], count: int) -> Iterator[tuple[SliceKey, Ints]]:
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


def join_lists(
    total: int, rows: Ints, codes: Ints, keys: list[SliceKey], many: Picks, seen: set[SliceKey]
) -> tuple[Ints, Ints, list[SliceKey]]:
    """Crosses (row, slice) pairs with list columns; slices that were seen before are left out."""
    for pick in many:
        axis = pick.axis
        keep = pick.keeps(axis.codes)
        assert axis.rows is not None
        rows, codes = _cross(total, rows, codes, axis.rows[keep], axis.codes[keep], axis.size)
        codes, found = compact(codes, max(len(keys), 1) * axis.size)
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
