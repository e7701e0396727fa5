"""The lattice of slices: conjunctions of conditions, examined table by table, and what may be left unexamined.

Slices and their effect size are those of Chung et al. (2019, "Slice Finder: automated data slicing for model
validation"); the levels and the bounds by size and by loss follow Sagadeeva and Boehm (2021, "SliceLine: fast,
linear-algebra-based slice finding for ML model debugging"). A slice of at least m rows inside a slice of loss sum s and
sum of squares q has a mean loss of at most s / m (losses are not negative) and sqrt(q / m) (Cauchy and Schwarz). Where
that does not reach the effect asked for, nothing below has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.slice_finder.axes import Axis, Condition, conditions_of
from trueline.model_analysis.slice_finder.contrasts import contrast, group_of, normal_score

__all__ = ["Candidate", "Examined", "Limits", "condition_sums", "examine", "viable", "worth_joining"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_BEST = 300


@dataclass(frozen=True)
class Limits:
    """What is asked of a slice.

    Attributes:
        search_rows: least rows of the search half, inside and outside.
        rows: least rows of all halves.
        most_rows: most rows of all halves.
        effect: least effect size.
        signed: whether losses may be negative.
        part_score: a combination must be worse than the rest of each of its parts by this normal value.
    """

    search_rows: float
    rows: float
    most_rows: float
    effect: float
    signed: bool
    part_score: float = 2.326


@dataclass(frozen=True)
class Candidate:
    """A slice that looks worse than the rest on the search half.

    Attributes:
        conditions: of different columns, in the order of axes.
        rank: how much of the variance of losses it explains, as a normal value.
        inside: its sums, ``[Q, halves]``.
        parts: sums of the slices with one condition less, ``[Q, halves]`` each; none for a single condition.
    """

    conditions: tuple[Condition, ...]
    rank: float
    inside: Floats
    parts: tuple[Floats, ...]

    @property
    def name(self) -> str:
        """Its conditions in words."""
        return ", ".join(c.name for c in self.conditions)

    def overlaps(self, other: Candidate) -> bool:
        """Whether both have conditions on the same axes, and on each of them share cells."""
        pairs = list(zip(self.conditions, other.conditions, strict=False))
        same = len(self.conditions) == len(other.conditions) == sum(a.axis == b.axis for a, b in pairs)
        return same and all(a.first <= b.last and b.first <= a.last for a, b in pairs)

    def contains(self, other: Candidate) -> bool:
        """Whether all rows of the other are rows of this one, by the conditions."""
        return all(any(mine.holds(c) for c in other.conditions) for mine in self.conditions)


@dataclass(frozen=True)
class Examined:
    """One table.

    Attributes:
        count: how many of its slices are large enough, and so were judged.
        scores: their scores: of a combination the least of those against outside and against the rest of each part.
        candidates: the best of them.
    """

    count: int
    scores: Floats
    candidates: tuple[Candidate, ...]


def condition_sums(axes: Sequence[Axis], table: Floats, ranges: bool) -> tuple[list[list[Condition]], Floats]:
    """Sums of all combinations of conditions from those of cells ``[Q, H, K, ...]``; `ranges` as in `conditions_of`.

    Returns:
        The conditions of each axis, and ``[Q, H, P + 1, ...]``; the last place of an axis is "any".
    """
    every = []
    for place, axis in enumerate(axes):
        conditions = conditions_of(axis, ranges)
        chosen = np.ones((len(conditions) + 1, axis.cells))
        for i, condition in enumerate(conditions):
            chosen[i] = 0.0
            chosen[i, condition.first : condition.last + 1] = 1.0
        moved = np.ascontiguousarray(np.moveaxis(table, place + 2, -1))
        # einsum without its optimiser adds in one fixed order; a threaded matrix product need not.
        table = np.moveaxis(np.einsum("...k,pk->...p", moved, chosen, optimize=False), -1, place + 2)
        every.append(conditions)
    return every, table


def examine(axes: Sequence[Axis], table: Floats, total: Floats, limits: Limits) -> Examined:
    """Judges all slices of one table on the search half.

    Args:
        axes: the table's axes.
        table: sums of its cells, ``[Q, H, K, ...]``.
        total: sums of all rows, ``[Q, H]``.
        limits: what is asked for.
    """
    conditions, sums = condition_sums(axes, table, ranges=len(axes) == 1)
    order = len(axes)
    inner = sums[(slice(None), slice(None), *[slice(None, -1)] * order)]
    all_rows = total.reshape(*total.shape, *[1] * order)
    enough = (inner[0, 0] >= limits.search_rows) & (all_rows[0, 0] - inner[0, 0] >= limits.search_rows)
    rows = inner[0].sum(axis=0)
    enough &= (rows >= limits.rows) & (rows <= limits.most_rows)
    spread = group_of(total[:, 0]).spread
    inside = group_of(inner[:, 0])
    against = contrast(inside, group_of(all_rows[:, 0] - inner[:, 0]), spread)
    score = normal_score(against.t, against.dof)
    good, least = enough & (against.effect >= limits.effect) & (score > 0), score
    parts = [_part(sums, place) for place in range(order)] if order > 1 else []
    for part in parts:
        rest = contrast(inside, group_of((part - inner)[:, 0]), spread)
        beyond = normal_score(rest.t, rest.dof)
        good &= beyond >= limits.part_score
        least = np.fmin(least, np.where(np.isnan(beyond), -np.inf, beyond))
    rank = _rank(against.difference, inner[0, 0], all_rows[0, 0], float(spread))
    found = [_candidate(conditions, place, rank, inner, parts) for place in _best(good, rank)]
    return Examined(int(enough.sum()), np.where(np.isnan(least), -np.inf, least)[enough], tuple(found))


def _rank(difference: Floats, rows: Floats, all_rows: Floats, spread: float) -> Floats:
    """How much of the variance of losses the slice explains, as a normal value: what a tree splits by.

    It is greatest for the slice that is worse itself. A t statistic is not: bad losses also vary more.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rank: Floats = difference * np.sqrt(rows * (all_rows - rows) / all_rows / spread)
    return rank


def _part(sums: Floats, place: int) -> Floats:
    """Sums of the slices without the condition on one axis, in the shape of all slices."""
    inner, at = sums, place + 2
    for i in range(2, sums.ndim):
        size = sums.shape[i] - 1
        inner = np.take(inner, [size] * size if i == at else range(size), axis=i)
    return inner


def _best(good: Bools, rank: Floats) -> list[tuple[int, ...]]:
    """Places of the best, best first; of equals the first in the order of conditions."""
    places = np.argwhere(good)
    order = np.argsort(-rank[good], kind="stable")[:_BEST]
    return [tuple(p) for p in places[order].tolist()]


def _candidate(
    conditions: list[list[Condition]], place: tuple[int, ...], rank: Floats, inner: Floats, parts: list[Floats]
) -> Candidate:
    at: tuple[Any, ...] = (slice(None), slice(None), *place)
    chosen = tuple(own[i] for own, i in zip(conditions, place, strict=True))
    return Candidate(chosen, float(rank[place]), inner[at].copy(), tuple(part[at].copy() for part in parts))


def viable(sums: Floats, total: Floats, limits: Limits) -> Bools:
    """Of which slices a slice below may still be found, by size and loss; ``[...]`` from sums ``[Q, H, ...]``.

    With weights only the size is looked at: a few rows could weigh next to nothing.
    """
    enough: Bools = (sums[0, 0] >= limits.search_rows) & (sums[0].sum(axis=0) >= limits.rows)
    if len(sums) != 3 or limits.search_rows <= 0:
        return enough
    n, s, q = sums[:, 0]
    all_n, all_s = total[0, 0], total[1, 0]
    most = np.sqrt(q / limits.search_rows)
    most_sum = np.sqrt(n * q)
    if not limits.signed:
        most, most_sum = np.minimum(most, s / limits.search_rows), s
    left = all_s - most_sum
    with np.errstate(divide="ignore", invalid="ignore"):
        least_outside = np.where(left >= 0, left / all_n, np.where(all_n > n, left / (all_n - n), -np.inf))
        outside = group_of(total.reshape(*total.shape, *[1] * (sums.ndim - 2))[:, 0] - sums[:, 0])
        needed = limits.effect * np.sqrt(np.nan_to_num(outside.spread) * outside.rows / all_n / 2)
    reach: Bools = (most - least_outside) * (1 + 1e-9) + 1e-12 >= needed
    return enough & reach


def worth_joining(places: Sequence[int], viable_below: Mapping[tuple[int, ...], Bools]) -> bool:
    """Whether a table of these axes may hold a slice whose parts one level below are all viable."""
    order = len(places)
    together: Bools | None = None
    for chosen in combinations(range(order), order - 1):
        found = viable_below.get(tuple(places[i] for i in chosen))
        if found is None:
            return False
        shape = [1] * order
        for i, size in zip(chosen, found.shape, strict=True):
            shape[i] = size
        together = found.reshape(shape) if together is None else together & found.reshape(shape)
    return together is not None and bool(together.any())
