"""Sums and counts of one batch by parts of its rows, without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from trueline.model_analysis.batch_rows import BatchRows
from trueline.model_analysis.plan import EvalPlan
from trueline.model_analysis.rows import Floats, Ints

__all__ = ["Part", "cell_limit", "counts_of", "flags_of", "sums_of"]

T = TypeVar("T", bound=np.generic)
_MOST_NUMBERS = 4_000_000
"""Numbers that the sums by cells of one batch may take."""
_MOST_CELLS = 16_384


@dataclass(frozen=True)
class Part:
    """Rows of a batch by code: slices of one spec, or cells that slices are made of.

    Attributes:
        codes: of each of `rows`, below `count`.
        count: how many codes there are.
        rows: row numbers; None means all, in order.
    """

    codes: Ints
    count: int
    rows: Ints | None

    def of(self, values: npt.NDArray[T]) -> npt.NDArray[T]:
        """The values of its rows."""
        return values if self.rows is None else values[self.rows]


def cell_limit(plan: EvalPlan) -> int:
    """How many cells a batch may have; it depends on the plan alone, so that a batch is always summed in one way."""
    return max(1, min(_MOST_CELLS, _MOST_NUMBERS // max(1, len(plan.models) * len(plan.sums) * plan.groups)))


def sums_of(plan: EvalPlan, parts: Sequence[Part], rows: BatchRows) -> list[Floats]:
    """Of each part the sums of all moments ``[count, M, K, G]``, one moment in memory at a time."""
    groups = plan.groups
    cells = [part.codes * groups + part.of(rows.groups) for part in parts]
    added = [np.zeros((part.count, len(plan.models), len(plan.sums), groups)) for part in parts]
    for m, model in enumerate(plan.models):
        for (view, moment), k in plan.sums.items():
            if view.query:
                continue
            values = rows.moment(view, model, moment)
            for part, cell, sums in zip(parts, cells, added, strict=True):
                summed = np.bincount(cell, part.of(values), part.count * groups)
                sums[:, m, k] = summed.reshape(part.count, groups)
    return added


def counts_of(plan: EvalPlan, parts: Sequence[Part], rows: BatchRows) -> list[Ints]:
    """Of each part the labelled rows by noise group ``[count, G]``."""
    found = []
    for part in parts:
        labelled = part.of(rows.labelled)
        cells = (part.codes * plan.groups + part.of(rows.groups))[labelled]
        found.append(np.bincount(cells, minlength=part.count * plan.groups).reshape(part.count, plan.groups))
    return found


def flags_of(parts: Sequence[Part], rows: BatchRows) -> list[Ints]:
    """Of each part the rows that cannot be used, by reason ``[count, F]``, see `checked.py`."""
    found = []
    for part in parts:
        each = [
            np.bincount(part.codes[part.of(flag)], minlength=part.count)
            if flag.any()
            else np.zeros(part.count, dtype=np.int64)
            for flag in rows.flags
        ]
        found.append(np.stack(each, axis=1))
    return found
