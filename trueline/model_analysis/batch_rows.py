"""The rows of one batch, ready to be added to slices: each view's quantities, made once and shared by all slices."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from trueline.model_analysis.checked import check_output
from trueline.model_analysis.metrics import TABLES, find_moment
from trueline.model_analysis.plan import BASELINE, EvalPlan, PlannedTable
from trueline.model_analysis.rows import Bools, Floats, Ints, Rows
from trueline.model_analysis.slices import Grouping
from trueline.model_analysis.views import BatchData, View, view_rows

__all__ = ["BatchRows"]

_KEPT = 32
"""Views of a batch that are held at a time."""


class BatchRows:
    """A batch of N rows as the plan's views see it.

    Args:
        plan: what is measured.
        data: the batch.
        groups: noise group of each row ``[N]``.
    """

    def __init__(self, plan: EvalPlan, data: BatchData, groups: Ints) -> None:
        self._plan, self._data, self.groups = plan, data, groups
        self._size = data.batch.num_rows
        self._checked = {name: check_output(plan, data.outputs[name], self._size) for name in plan.outputs}
        self._rows: dict[tuple[View, str], Rows] = {}

    @cached_property
    def labelled(self) -> Bools:
        """Rows with a label of any output ``[N]``."""
        found: Bools = np.any([c.labelled for c in self._checked.values()], axis=0)
        return found

    @cached_property
    def flags(self) -> Bools:
        """Why rows cannot be used, output by output: ``[outputs * (4 + 2 M), N]``, see `checked.py`."""
        return np.concatenate([c.flags for c in self._checked.values()])

    def is_baseline(self, model: str) -> bool:
        """Whether the model is the one that others are compared with."""
        return model == BASELINE

    def rows(self, view: View, model: str) -> Rows:
        """A view's rows of one model."""
        key = (view, model)
        if key not in self._rows:
            baseline = BASELINE if self._plan.has_baseline else None
            checked = self._checked[view.output]
            if len(self._rows) >= _KEPT:  # one against the rest of 1,000 classes makes as many views
                self._rows.pop(next(iter(self._rows)))
            own = self._plan.decision_thresholds.get(model, 0.5)
            self._rows[key] = view_rows(view, checked, model, baseline, self._data.batch, own)
        return self._rows[key]

    def moment(self, view: View, model: str, name: str) -> Floats:
        """A weighted moment, added up over each row of the batch ``[N]``."""
        rows = self.rows(view, model)
        base, _, parameter = name.partition("@")
        with np.errstate(over="ignore", invalid="ignore"):  # too large to be squared: the sum becomes infinite
            found = find_moment(base)(rows, parameter) * rows.weight
        values: Floats = np.where(rows.weight > 0, found, 0.0)  # a row that does not count may have no value
        if rows.row is not None:
            values = np.bincount(rows.row, values, self._size).astype(np.float64)
        return values

    def table(self, table: PlannedTable, model: str) -> tuple[Ints, Ints, Floats]:
        """Entries of a histogram: row of the batch (ascending), cell, weighted value."""
        rows = self.rows(table.view, model)
        base, _, parameter = table.name.partition("@")
        place, cells, values = TABLES[base].fill(rows, parameter)
        parents = place if rows.row is None else rows.row[place]
        return parents, cells, values * rows.weight[place]

    def expand(self, grouping: Grouping, parents: Ints) -> tuple[Ints, Ints]:
        """For entries with these rows (ascending): which entries stand in which slices, as (entry, code)."""
        if len(parents) == self._size and np.array_equal(parents, np.arange(self._size)):
            return grouping.rows, grouping.codes
        order, times = spread(parents, grouping.rows, self._size)
        return order, np.repeat(grouping.codes, times)

    def scores(self, view: View, model: str, own: Ints) -> tuple[Floats, Ints]:
        """Positive and negative weight and score ``[3, n]``, and noise group, of the rows `own` of the batch."""
        rows = self.rows(view, model)
        if "scores" not in rows.memo:
            true = np.clip(rows.label, 0.0, 1.0)
            rows.memo["scores"] = np.stack([rows.weight * true, rows.weight * (1 - true), rows.score])
        order = own if rows.row is None else spread(rows.row, own, self._size)[0]
        return rows.memo["scores"].take(order, axis=1), self.groups[own if rows.row is None else rows.row[order]]

    def pick(self, view: View, model: str, own: Ints) -> Rows:
        """The rows of a view that come from the rows `own` of the batch."""
        rows = self.rows(view, model)
        order = own if rows.row is None else spread(rows.row, own, self._size)[0]

        def at(values: Any) -> Any:
            return None if values is None else values[order]

        import pyarrow as pa

        objects = {name: column.take(pa.array(own)) for name, column in rows.objects.items()}
        row = own if rows.row is None else rows.row[order]
        return Rows(
            at(rows.label), at(rows.prediction), at(rows.weight), at(rows.baseline), row, at(rows.label_matrix),
            rows.batch, objects, self.groups[row], rows.threshold, rows.cut,
        )  # fmt: skip


def spread(parents: Ints, own: Ints, size: int) -> tuple[Ints, Ints]:
    """The places in ascending `parents` of each value of `own`, in the order of `own`, and how many each has."""
    counts = np.bincount(parents, minlength=size)
    starts = np.cumsum(counts) - counts
    times = counts[own]
    offset = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
    return np.repeat(starts[own], times) + offset, times
