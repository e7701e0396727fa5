"""From candidates to found slices: overlaps are removed, and what is left is measured on the rows that chose nothing.

A slice is *found* where it is worse than the rows outside it and, if it is a combination, worse than the rest of each
of its parts: the largest of these p-values counts (an intersection-union test, Berger 1982), adjusted for the number of
slices tested. The intervals hold for all found slices together in the sense of Benjamini and Yekutieli (2005, "False
discovery rate-adjusted multiple confidence intervals for selected parameters"): with R of m found, each has the level
1 - R alpha / m.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.slice_finder.contrasts import (
    Contrast,
    adjusted,
    contrast,
    group_of,
    normal_score,
    normal_tail,
    t_quantile,
    t_tail,
)
from trueline.model_analysis.slice_finder.lattice import Candidate
from trueline.model_analysis.slice_finder.options import Options
from trueline.model_analysis.slice_finder.search import Found, spread_of

__all__ = ["Judged", "Selected", "select"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_PART_SCORE = 2.326
"""What is found must tell what better slices do not beyond the 1 % of the normal distribution."""


@dataclass(frozen=True)
class Judged:
    """One found slice with its numbers."""

    candidate: Candidate
    inside: float
    outside: float
    rows: int
    difference: float
    low: float
    high: float
    effect: float
    p_value: float
    adjusted_p_value: float
    search_difference: float


@dataclass(frozen=True)
class Selected:
    """The found slices, how many were tested, and how many candidates did not hold on the other half."""

    slices: tuple[Judged, ...]
    tested: int
    refused: int


def select(found: Found, members: Callable[[Candidate], Bools], options: Options) -> Selected:
    """Chooses the slices.

    Args:
        found: what the passes found.
        members: which sampled rows are in a candidate.
        options: how to judge.
    """
    spread = spread_of(found)
    limit = 2 * options.top_k if options.confirm else 20 * options.top_k
    kept: list[Candidate] = []
    rows: list[Bools] = []
    for candidate in found.candidates:
        if len(kept) == limit:
            break
        mine = members(candidate)
        beside = not any(candidate.overlaps(other) for other in kept) and _apart(mine, rows, options.max_overlap)
        if beside and _tells(candidate, kept, found, 0, found.limits.part_score):
            kept.append(candidate)
            rows.append(mine)
    half = 1 if options.confirm else 0
    contrasts = [_against(c, found, half, float(spread[half])) for c in kept]
    p = np.array([_p_value(c, k, half, float(spread[half])) for c, k in zip(kept, contrasts, strict=True)])
    tested = len(kept) if options.confirm else found.searched
    corrected = adjusted(p, options.multiplicity) if options.confirm else _among_all(p, found, options.multiplicity)
    good = [
        i for i, k in enumerate(contrasts)
        if corrected[i] <= options.alpha and float(k.effect) >= found.limits.effect
    ]  # fmt: skip
    good.sort(key=lambda i: -float(contrasts[i].difference - 2 * contrasts[i].error))
    final: list[int] = []
    for i in good:
        if _tells(kept[i], [kept[j] for j in final], found, half, _PART_SCORE):
            final.append(i)
    final = final[: options.top_k]
    tail = options.alpha / 2 * max(len(final), 1) / max(tested, 1)
    judged = [_judged(kept[i], contrasts[i], found, half, (p[i], corrected[i]), tail) for i in final]
    judged.sort(key=lambda j: -j.low)
    return Selected(tuple(judged), tested, len(kept) - len(good))


def _apart(mine: Bools, chosen: Sequence[Bools], most: float) -> bool:
    """Whether no chosen slice has nearly the same rows (Jaccard index, on the sample)."""
    return all(int((mine & theirs).sum()) <= most * int((mine | theirs).sum()) for theirs in chosen if theirs.any())


def _tells(candidate: Candidate, kept: Sequence[Candidate], found: Found, half: int, least: float) -> bool:
    """Whether it tells what each chosen slice does not: worse than the rest of one around it, else worse without it."""
    mine, total = candidate.inside[:, half], found.total[:, half]
    spread = float(spread_of(found)[half])
    for other in kept:
        if other.contains(candidate):
            compared = contrast(group_of(mine), group_of(other.inside[:, half] - mine), spread)
        else:
            both = found.both(candidate, other)
            if both is None or not both[0, half]:
                continue
            compared = contrast(group_of(mine - both[:, half]), group_of(total - mine), spread)
        if not float(normal_score(compared.t, compared.dof)) >= least:
            return False
    return True


def _against(candidate: Candidate, found: Found, half: int, spread: float) -> Contrast:
    mine = candidate.inside[:, half]
    return contrast(group_of(mine), group_of(found.total[:, half] - mine), spread)


def _p_value(candidate: Candidate, against: Contrast, half: int, spread: float) -> float:
    """The largest of those against the rows outside and against the rest of each part."""
    mine = candidate.inside[:, half]
    compared = [against]
    compared += [contrast(group_of(mine), group_of(part[:, half] - mine), spread) for part in candidate.parts]
    return max(float(t_tail(c.t, c.dof)) for c in compared)


def _among_all(p: Floats, found: Found, method: str) -> Floats:
    """Adjusted for every slice that was judged, chosen or not; p-values above one half count as 1."""
    scores = np.concatenate(found.scores) if found.scores else np.zeros(0)
    every = normal_tail(scores[scores > 0])
    everything = adjusted(every, method, found.searched)
    order = np.argsort(every, kind="stable")
    places = np.searchsorted(every[order], p * (1 - 1e-9), side="left")
    return np.array([everything[order[min(i, len(order) - 1)]] for i in places]) if len(order) else np.ones(len(p))


def _judged(
    candidate: Candidate, against: Contrast, found: Found, half: int, p: tuple[float, float], tail: float
) -> Judged:
    mine = candidate.inside
    inside, outside = group_of(mine[:, half]), group_of(found.total[:, half] - mine[:, half])
    reach = t_quantile(tail, float(against.dof)) * float(against.error)
    search = group_of(mine[:, 0]), group_of(found.total[:, 0] - mine[:, 0])
    difference = float(against.difference)
    return Judged(
        candidate, float(inside.mean), float(outside.mean), int(mine[0].sum()), difference, difference - reach,
        difference + reach, float(against.effect), float(p[0]), float(p[1]),
        float(search[0].mean) - float(search[1].mean),
    )  # fmt: skip
