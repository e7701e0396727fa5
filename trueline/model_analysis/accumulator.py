"""One pass over rows with labels and predictions: all models, metrics and slices in one mergeable state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.model_analysis.batch_rows import BatchRows
from trueline.model_analysis.measured import Measured
from trueline.model_analysis.noise import row_groups
from trueline.model_analysis.plan import EvalPlan
from trueline.model_analysis.queries import QueryRuns
from trueline.model_analysis.rows import Floats, Ints
from trueline.model_analysis.slice_state import SliceState, new_slice, pack_slices, unpack_slices
from trueline.model_analysis.slice_sums import Part, cell_limit, counts_of, flags_of, sums_of
from trueline.model_analysis.slices import Grouping, SlicedBatch, SliceKey, key_text, parse_key, slice_name
from trueline.model_analysis.views import BatchData, OutputData

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MetricAccumulator"]


class MetricAccumulator:
    """The core of every evaluation; it knows no models, only arrays.

    Args:
        plan: what is measured.
    """

    def __init__(self, plan: EvalPlan) -> None:
        self.plan = plan
        self.slices: dict[SliceKey, SliceState] = {}
        self.rows = 0
        self.missing_labels = 0
        self._queries = [QueryRuns(plan, key) for key in plan.query_keys]

    def update_arrays(
        self,
        labels: npt.ArrayLike,
        predictions: Mapping[str, npt.ArrayLike],
        weights: npt.ArrayLike | None,
        batch: pa.RecordBatch,
        present: npt.ArrayLike | None = None,
    ) -> None:
        """Takes in the rows of one block with one output; see `OutputData` for the arrays.

        Args:
            labels: ``[N]``: 0..1 for binary, numbers for regression, class numbers for multi-class.
            predictions: by model name: ``[N]``, or ``[N, C]`` for multi-class; NaN where there is none.
            weights: ``[N]``, or None for 1.
            batch: the same rows with the columns of slices, and ``__row__`` where there is one.
            present: ``[N]`` which labels are there; None means all.
        """
        self.update(BatchData(batch, {"": OutputData(labels, predictions, weights, present)}))

    def update(self, data: BatchData) -> None:
        """Takes in the rows of one block."""
        plan, batch = self.plan, data.batch
        groups = row_groups(batch, plan.groups, plan.config.options.seed)
        rows = BatchRows(plan, data, groups)
        self.rows += int(rows.labelled.sum())
        self.missing_labels += int((~rows.labelled).sum())
        sliced = SlicedBatch(batch, plan.config.slices)
        self._add_parts(sliced, rows)
        if plan.tables or plan.ranked or plan.owns:
            for grouping in sliced.groupings():
                of = [self._slice(key) for key in grouping.keys]
                _add_tables(plan, grouping, of, rows)
                _add_whole_rows(plan, grouping, of, rows)
        for runs in self._queries:
            self._add_queries(runs.key, runs.add(data))
        self._guard()

    def _add_queries(self, key: str, rows: pa.Table | None) -> None:
        """What whole queries add to their slices."""
        if rows is not None:
            from trueline.model_analysis.query_rows import add_queries

            add_queries(self.plan, key, rows, self._slice)

    def _close_queries(self) -> None:
        """The queries that were open for more rows; nothing follows."""
        for runs in self._queries:
            for rows in runs.close():
                self._add_queries(runs.key, rows)

    def _add_parts(self, sliced: SlicedBatch, rows: BatchRows) -> None:
        """Every sum and count of every slice: summed by the finest cells of the slices, then cells by slice."""
        cells, groupings = sliced.split(cell_limit(self.plan))
        parts = [Part(g.codes, len(g.keys), g.rows) for g in groupings if g.keys]
        kept = [g.keys for g in groupings if g.keys]
        if cells is not None:
            parts.append(Part(cells.codes, cells.count, None))
        sums, counts, flags = sums_of(self.plan, parts, rows), counts_of(self.plan, parts, rows), flags_of(parts, rows)
        for place, keys in enumerate(kept):
            self._add(keys, sums[place], counts[place], flags[place])
        if cells is not None:
            keys = tuple(key for key, _ in cells.members)
            whole = [cells.totals(made[-1].astype(np.float64)) for made in (sums, counts, flags)]
            self._add(keys, whole[0], whole[1].astype(np.int64), whole[2].astype(np.int64))

    def _add(self, keys: Sequence[SliceKey], sums: Floats, counts: Ints, flags: Ints) -> None:
        for place, key in enumerate(keys):
            state = self._slice(key)
            state.sums += sums[place]
            state.rows += counts[place]
            state.counters += flags[place]

    def _slice(self, key: SliceKey) -> SliceState:
        state = self.slices.get(key)
        if state is None:
            state = self.slices[key] = new_slice(self.plan)
            self._guard()  # before the next one takes memory
        return state

    def _guard(self) -> None:
        limit = self.plan.config.options.max_slices
        if len(self.slices) > limit:
            raise DataError(
                f"slicing gives more than {limit} slices, among them {slice_name(next(reversed(self.slices)))!r}",
                hint="slice by a column with fewer values, name the values, or raise options.max_slices.",
            )

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow this one's."""
        self.rows += other.rows
        self.missing_labels += other.missing_labels
        for key, theirs in other.slices.items():
            mine = self.slices.get(key)
            if mine is None:
                self.slices[key] = theirs
            else:
                mine.merge(theirs)
        for runs, following in zip(self._queries, other._queries, strict=True):
            self._add_queries(runs.key, runs.merge(following))
        self._guard()

    def state(self) -> bytes:
        """A compact state; slices in the order of their canonical text."""
        ordered = sorted(self.slices.items(), key=lambda item: key_text(item[0]))
        header = {
            "slices": [key_text(key) for key, _ in ordered],
            "rows": self.rows,
            "missing_labels": self.missing_labels,
        }
        if self._queries:
            parts = [runs.state() for runs in self._queries]
            sizes = b"".join(len(part).to_bytes(8, "little") for part in parts)
            return sizes + b"".join(parts) + pack_slices(header, [state for _, state in ordered])
        return pack_slices(header, [state for _, state in ordered])

    @classmethod
    def from_state(cls, state: bytes, plan: EvalPlan) -> Self:
        """The accumulator that gave this state."""
        self = cls(plan)
        at = 8 * len(self._queries)
        for place, runs in enumerate(self._queries):
            size = int.from_bytes(state[8 * place : 8 * place + 8], "little")
            runs.restore(state[at : at + size])
            at += size
        header, states = unpack_slices(state[at:], plan)
        self.rows, self.missing_labels = header["rows"], header["missing_labels"]
        self.slices = {parse_key(text): slot for text, slot in zip(header["slices"], states, strict=True)}
        return self

    def finish(self) -> Measured:
        """Values, noise and changes of every slice."""
        from trueline.model_analysis.finish import finish

        self._close_queries()
        return finish(self)

    def finish_models(self) -> dict[str, Measured]:
        """The same of every model but the baseline, by name."""
        from trueline.model_analysis.finish import finish_models

        self._close_queries()
        return finish_models(self)


def _add_tables(plan: EvalPlan, grouping: Grouping, states: list[SliceState], rows: BatchRows) -> None:
    for place, table in enumerate(plan.tables):
        for m, model in enumerate(plan.models):
            parents, cells, values = rows.table(table, model)
            order, codes = rows.expand(grouping, parents)
            shape: tuple[int, ...] = (table.width,)
            if table.grouped:
                codes, shape = codes * plan.groups + rows.groups[parents[order]], (plan.groups, table.width)
            flat = codes * table.width + cells[order]
            filled = np.bincount(flat, values[order], len(states) * math.prod(shape)).reshape(len(states), *shape)
            for state, own in zip(states, filled, strict=True):
                state.tables[place][m] += own


def _add_whole_rows(plan: EvalPlan, grouping: Grouping, states: list[SliceState], rows: BatchRows) -> None:
    """What needs a slice's rows themselves: the order of scores, and metrics with a state of their own."""
    if not (plan.ranked or plan.owns):
        return
    labelled = rows.labelled[grouping.rows]
    picked, codes = grouping.rows[labelled], grouping.codes[labelled]
    picked = picked[np.argsort(codes, kind="stable")]
    ends = np.cumsum(np.bincount(codes, minlength=len(states))).tolist()
    for state, start, end in zip(states, [0, *ends], ends, strict=False):
        if end == start:
            continue
        own = picked[start:end]
        for m, model in enumerate(plan.models):
            for place, view in enumerate(plan.ranked):
                state.ranks[place][m].add_rows(*rows.scores(view, model, own))
            for place, planned in enumerate(plan.owns):
                if not planned.view.query and not (planned.metric.needs_baseline and rows.is_baseline(model)):
                    state.owns[place][m].update(rows.pick(planned.view, model, own))
