"""The documents of whole queries in the order of their scores, and what they add to slices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import DataError
from trueline.model_analysis.checked import check_output
from trueline.model_analysis.noise import ROW_COLUMN, row_groups
from trueline.model_analysis.plan import EvalPlan
from trueline.model_analysis.queries import data_of
from trueline.model_analysis.rows import Bools, Floats, Ints, Rows
from trueline.model_analysis.slices import SliceKey, group_rows
from trueline.model_analysis.table_columns import column_numbers
from trueline.model_analysis.views import Checked, View

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.model_analysis.slice_state import SliceState

__all__ = ["Queries", "add_queries"]


@dataclass(frozen=True)
class Queries:
    """Q queries of one model and their D documents, sorted by query and falling score.

    Of equal scores the document that came later stands first, as in TFMA.

    Attributes:
        count: Q.
        query: ``[D]`` ascending number of each document's query.
        place: ``[D]`` place of each document in the rows.
        label: ``[D]``.
        score: ``[D]``.
        broken: ``[Q]`` queries with a document whose label or score cannot be used.
        batch: the rows.
    """

    count: int
    query: Ints
    place: Ints
    label: Floats
    score: Floats
    broken: Bools
    batch: pa.RecordBatch

    @cached_property
    def size(self) -> Ints:
        """Documents of each query ``[Q]``."""
        return np.bincount(self.query, minlength=self.count).astype(np.int64)

    @cached_property
    def rank(self) -> Ints:
        """Place of each document among those of its query, from 1 ``[D]``."""
        starts = np.cumsum(self.size) - self.size
        found: Ints = np.arange(len(self.query)) - starts[self.query] + 1
        return found

    def sum(self, values: Floats) -> Floats:
        """Sums over documents ``[D]`` by query ``[Q]``."""
        return np.bincount(self.query, values, self.count).astype(np.float64)

    def column(self, name: str) -> Floats:
        """A column of numbers in the order of the documents; the label where the name is empty.

        Raises:
            DataError: a column that holds no numbers.
        """
        if not name:
            return self.label
        found: Floats = column_numbers(self.batch.column(name), name)[self.place]
        return found


def add_queries(plan: EvalPlan, key: str, rows: pa.Table, state_of: Callable[[SliceKey], SliceState]) -> None:
    """Adds whole queries to the slices of their documents."""
    data = data_of(plan, rows)
    batch = data.batch
    number = _numbers(batch, key)
    groups = _groups(plan, batch, key, number)
    slices = [
        (state_of(slice_key), np.unique(number[grouping.rows[grouping.codes == code]]))
        for grouping in group_rows(batch, plan.config.slices)
        for code, slice_key in enumerate(grouping.keys)
    ]
    checked = {name: check_output(plan, data.outputs[name], batch.num_rows) for name in plan.outputs}
    for m, model in enumerate(plan.models):
        made: dict[str, Queries] = {}
        for (view, moment), k in plan.sums.items():
            if view.query != key:
                continue
            if view.output not in made:
                made[view.output] = _queries(checked[view.output], number, model, m, batch)
            queries = made[view.output]
            values = _moment(queries, moment) * _weights(checked[view.output], number, view, key, batch)
            for state, own in slices:
                state.sums[m, k] += np.bincount(groups[own], values[own], plan.groups)
        for place, planned in enumerate(plan.owns):
            if planned.view.query == key:
                queries = _queries(checked[planned.view.output], number, model, m, batch)
                weights = _weights(checked[planned.view.output], number, planned.view, key, batch)
                for state, own in slices:
                    there = own[queries.size[own] > 0]
                    state.owns[place][m].update(
                        Rows(np.zeros(len(there)), queries.size[there].astype(np.float64), weights[there],
                             group=groups[there])
                    )  # fmt: skip


def _numbers(batch: pa.RecordBatch, key: str) -> Ints:
    codes = batch.column(key).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    found: Ints = np.cumsum(np.concatenate([[0], np.diff(codes) != 0])).astype(np.int64)
    return found


def _groups(plan: EvalPlan, batch: pa.RecordBatch, key: str, number: Ints) -> Ints:
    """The noise group of each query: the hash of its key."""
    import pyarrow as pa

    first = np.concatenate([[0], np.flatnonzero(np.diff(number)) + 1])
    keys = batch.column(key).take(pa.array(first))
    return row_groups(pa.record_batch({ROW_COLUMN: keys}), plan.groups, plan.config.options.seed)


def _queries(checked: Checked, number: Ints, model: str, place: int, batch: pa.RecordBatch) -> Queries:
    kept = np.flatnonzero(checked.labelled)
    score = checked.predictions[model]
    order = kept[np.lexsort((-kept, -score[kept], number[kept]))]
    count = int(number[-1]) + 1
    wrong = checked.flags[2] | checked.flags[4 + 2 * place]
    broken = np.bincount(number, wrong, count) > 0
    return Queries(count, number[order], order.astype(np.int64), checked.label[order], score[order], broken, batch)


def _moment(queries: Queries, name: str) -> Floats:
    from trueline.model_analysis.metrics.ranking import QUERY_MOMENTS

    base, _, parameter = name.partition("@")
    values: Floats = QUERY_MOMENTS[base](queries, parameter)
    values = np.where(queries.broken, np.nan, values)
    return np.where(queries.size > 0, values, 0.0)


def _weights(checked: Checked, number: Ints, view: View, key: str, batch: Any) -> Floats:
    """The weight of each query: that of each of its documents.

    Raises:
        DataError: documents of one query that differ in weight.
    """
    count = int(number[-1]) + 1
    if not view.weighted:
        return np.ones(count)
    usable = checked.labelled & ~checked.flags[1]
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, number[usable], checked.weight[usable])
    np.maximum.at(high, number[usable], checked.weight[usable])
    differ = np.flatnonzero(low < high)
    if len(differ):
        name = batch.column(key)[int(np.argmax(number == differ[0]))].as_py()
        raise DataError(
            f"the documents of query {name!r} have weights from {low[differ[0]]:g} to {high[differ[0]]:g}",
            hint="give all documents of a query one weight, or ask for unweighted metrics (example_weights).",
        )
    return np.where(np.isfinite(low), low, 0.0)
