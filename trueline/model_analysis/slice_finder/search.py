"""The passes over the rows: single conditions, pairs, triples; each sums the tables that may still hold a slice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.engine.base import AccumulatorSpec, Dataset, Engine
from trueline.model_analysis.slice_finder.axes import Axis, conditions_of
from trueline.model_analysis.slice_finder.contrasts import group_of
from trueline.model_analysis.slice_finder.lattice import (
    Candidate,
    Limits,
    condition_sums,
    examine,
    viable,
    worth_joining,
)
from trueline.model_analysis.slice_finder.options import Options
from trueline.model_analysis.slice_finder.rows import COUNTERS
from trueline.model_analysis.slice_finder.sums import SLICE_SUMS, TableSums

__all__ = ["MAX_CELLS", "Found", "Request", "search"]

Floats = npt.NDArray[np.float64]
MAX_CELLS = 800_000
"""Most cells of the tables of one pass, both halves together: 24 bytes each, 48 with weights, for each state held."""
_CANDIDATES = 5_000
_JOINED = {2: 400, 3: 60}
"""Of so many axes at most, those with the best slices, pairs and triples are looked at."""
_FUSED = 40_000
"""So few cells of pairs are summed in the pass of single conditions: they cost less than another pass."""


@dataclass(frozen=True)
class Request:
    """What a search is asked.

    Attributes:
        source: where losses come from, see `rows.judge`.
        columns: what is read of the rows.
        axes: all axes.
        weighted: whether rows have weights.
        options: what is asked of slices.
    """

    source: Mapping[str, Any]
    columns: tuple[str, ...]
    axes: tuple[Axis, ...]
    weighted: bool
    options: Options


@dataclass
class Found:
    """What the passes found.

    Attributes:
        axes: all axes.
        total: sums of all rows, ``[Q, halves]``.
        left_out: rows that could not be judged, by reason.
        limits: what was asked of a slice.
        candidates: what looks worse on the search half, best first.
        scores: the scores of all slices that were judged, table by table, where there are no halves.
        searched: how many those were.
        tables: how many tables were summed, by number of conditions.
        skipped: how many combinations of columns were left out for the cap.
        passes: how many passes with losses there were.
        sums: the tables, by places of axes.
    """

    axes: tuple[Axis, ...]
    total: Floats
    left_out: dict[str, int]
    limits: Limits
    candidates: list[Candidate] = field(default_factory=list)
    scores: list[Floats] = field(default_factory=list)
    searched: int = 0
    tables: list[int] = field(default_factory=list)
    skipped: int = 0
    passes: int = 0
    sums: dict[tuple[int, ...], Floats] = field(default_factory=dict)

    def both(self, one: Candidate, other: Candidate) -> Floats | None:
        """Sums ``[Q, halves]`` of the rows that are in both slices; None where no table tells."""
        spans: dict[int, tuple[int, int]] = {}
        for condition in (*one.conditions, *other.conditions):
            place = self.axes.index(condition.axis)
            first, last = spans.get(place, (0, condition.axis.cells))
            spans[place] = (max(first, condition.first), min(last, condition.last))
        table = self.sums.get(tuple(sorted(spans)))
        if table is None:
            return None
        for place in sorted(spans, reverse=True):
            first, last = spans[place]
            table = table[..., first : last + 1].sum(axis=-1)
        return table


def search(engine: Engine, dataset: Dataset, request: Request) -> Found:
    """Runs all passes.

    Raises:
        DataError: fewer rows with a loss than slices need.
    """
    axes, halves = request.axes, int(request.source["halves"])
    tables: list[tuple[int, ...]] = [(i,) for i in range(len(axes))]
    pairs = _combined(axes, 2) if request.options.max_order > 1 else []
    fused = halves * sum(_cells(axes, pair) for pair in pairs) <= _FUSED
    first = _run(engine, dataset, request, tables + (pairs if fused else []))
    found = _start(first, request)
    found.passes = 1
    below = _examine(found, axes, tables, first.tables[: len(axes)])
    for order in range(2, request.options.max_order + 1):
        if order == 2 and fused:
            tables, sums = pairs, first.tables[len(axes) :]
        else:
            tables = _worth(found, axes, order, below, halves)
            sums = _run(engine, dataset, request, tables).tables if tables else []
            found.passes += bool(tables)
        below = _examine(found, axes, tables, sums)
    return found


def _start(first: TableSums, request: Request) -> Found:
    total = first.tables[0].sum(axis=2)
    rows = float(total[0].sum())
    left_out = {name: int(n) for name, n in zip(COUNTERS, first.left_out, strict=True) if n}
    least = (
        float(request.options.min_rows) if request.options.min_rows is not None else max(32.0, math.ceil(rows / 100))
    )
    if rows < 2 * least:
        said = "; ".join(f"{name.replace('_', ' ')}: {n:,}" for name, n in left_out.items())
        raise DataError(
            f"{int(rows):,} rows have a loss{f' ({said})' if said else ''}, too few for slices of {int(least):,} rows",
            hint="give more rows, or lower min_rows.",
        )
    signed = "baseline" in (request.source.get("models") or request.source.get("predictions") or {})
    halves = total.shape[1]
    # A slice has as many refinements as there are conditions: the best of them by chance alone must not stand for it.
    refinements = sum(len(conditions_of(axis, ranges=False)) for axis in request.axes)
    limits = Limits(
        search_rows=least if halves == 1 else max(0.4 * least, 8.0),
        rows=least,
        most_rows=request.options.max_share * rows,
        effect=request.options.min_effect,
        signed=signed,
        part_score=NormalDist().inv_cdf(1 - 0.05 / max(refinements, 1)),
    )
    return Found(request.axes, total, left_out, limits)


def _run(engine: Engine, dataset: Dataset, request: Request, tables: Sequence[tuple[int, ...]]) -> TableSums:
    params = {
        "source": dict(request.source),
        "axes": [axis.to_json() for axis in request.axes],
        "tables": [list(table) for table in tables],
        "weighted": request.weighted,
    }
    texts = tuple(a.column for a in request.axes if a.kind == "value" and a.values and isinstance(a.values[0], str))
    dictionaries = tuple(dict.fromkeys(texts)) if request.source["kind"] == "table" else ()
    spec: AccumulatorSpec[TableSums] = AccumulatorSpec(SLICE_SUMS, params, dictionaries)
    return engine.run(spec, dataset, list(request.columns))


def _cells(axes: Sequence[Axis], table: Sequence[int]) -> int:
    return math.prod(axes[a].cells for a in table)


def _combined(axes: Sequence[Axis], order: int) -> list[tuple[int, ...]]:
    """All tables of so many axes of different columns."""
    every = combinations(range(len(axes)), order)
    return [table for table in every if len({axes[a].column for a in table}) == order]


def _examine(
    found: Found, axes: Sequence[Axis], tables: Sequence[tuple[int, ...]], sums: Sequence[Floats]
) -> dict[tuple[int, ...], npt.NDArray[np.bool_]]:
    """Takes the slices of one level into `found`; tells what may have slices below."""
    below = {}
    for table, cells in zip(tables, sums, strict=True):
        own = [axes[a] for a in table]
        found.sums[table] = cells
        examined = examine(own, cells, found.total, found.limits)
        found.candidates += examined.candidates
        if found.total.shape[1] == 1:
            found.scores.append(examined.scores)
        found.searched += examined.count
        conditions = condition_sums(own, cells, ranges=False)[1]
        inner = conditions[(slice(None), slice(None), *[slice(None, -1)] * len(own))]
        below[table] = viable(inner, found.total, found.limits)
    found.tables.append(len(tables))
    found.candidates.sort(key=lambda c: -c.rank)
    del found.candidates[_CANDIDATES:]
    return below


def _worth(
    found: Found,
    axes: Sequence[Axis],
    order: int,
    below: Mapping[tuple[int, ...], npt.NDArray[np.bool_]],
    halves: int,
) -> list[tuple[int, ...]]:
    """The tables of a level that may hold a slice; those of axes with the best slices first, up to the cap of cells."""
    best = dict.fromkeys(range(len(axes)), 0.0)
    for candidate in found.candidates:
        for condition in candidate.conditions:
            place = axes.index(condition.axis)
            best[place] = max(best[place], candidate.rank)
    joined = sorted(sorted(best, key=lambda a: -best[a])[: _JOINED[order]])
    every = [tuple(joined[i] for i in table) for table in _combined([axes[a] for a in joined], order)]
    wanted = [table for table in every if worth_joining(table, below)]
    wanted.sort(key=lambda table: -sum(best[a] for a in table))
    kept, cells = [], 0
    for table in wanted:
        cells += halves * _cells(axes, table)
        if cells <= MAX_CELLS:
            kept.append(table)
    found.skipped += len(wanted) - len(kept) + math.comb(len(axes), order) - math.comb(len(joined), order)
    return kept


def spread_of(found: Found) -> Floats:
    """The variance of losses, of each half."""
    return group_of(found.total).spread
