"""One pass over rows with labels and predictions: all models, metrics and slices in one mergeable state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline._core.errors import DataError
from trueline.engine.state import pack_state, unpack_state
from trueline.model_analysis.measured import Measured
from trueline.model_analysis.moments import ClassRows, Floats, ScalarRows, moment_rows
from trueline.model_analysis.noise import row_groups
from trueline.model_analysis.plan import EvalPlan
from trueline.model_analysis.rank import RankStore, pack_ranks, unpack_ranks
from trueline.model_analysis.slices import Grouping, SliceKey, group_rows, key_text, parse_key, slice_name

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COUNTERS", "MODEL_COUNTERS", "MetricAccumulator", "SliceState"]

STATE_KIND, STATE_VERSION = "model_analysis.metrics", 1
COUNTERS = ("missing_label", "bad_weight", "bad_label", "label_outside")
MODEL_COUNTERS = ("bad_prediction", "prediction_outside")
_TOLERANCE = 1e-6  # float32 probabilities may lie so far outside 0..1
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass
class SliceState:
    """One slice: sums of moments ``[M, K, G]``, labelled rows by group ``[G]``, counters, scores for rank metrics."""

    sums: Floats
    rows: Ints
    counters: Ints
    rank: RankStore | None


@dataclass(frozen=True)
class _Rows:
    """The rows of one batch, checked: what cannot be used is counted in `flags` and weighs 0."""

    weighted: Floats  # [M, K, N]
    positive: Floats  # [N]
    negative: Floats  # [N]
    scores: Floats  # [M, N]
    labelled: Bools  # [N]
    groups: Ints  # [N]
    flags: Bools  # [counters, N]


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

    def update_arrays(
        self,
        labels: npt.ArrayLike,
        predictions: Mapping[str, npt.ArrayLike],
        weights: npt.ArrayLike | None,
        batch: pa.RecordBatch,
        present: npt.ArrayLike | None = None,
    ) -> None:
        """Takes in the rows of one block.

        Args:
            labels: ``[N]``: 0..1 for binary, numbers for regression, class numbers for multi-class (-1 = no class).
            predictions: by model name: ``[N]``, or ``[N, C]`` for multi-class; NaN where there is none.
            weights: ``[N]``, or None for 1.
            batch: the same rows with the columns of slices, and ``__row__`` where there is one.
            present: ``[N]`` which labels are there; None means all.
        """
        rows = self._check(labels, predictions, weights, batch, present)
        self.rows += int(rows.labelled.sum())
        self.missing_labels += int((~rows.labelled).sum())
        for grouping in group_rows(batch, self.plan.config.slices):
            if grouping.keys:
                self._add(grouping, rows)
        self._guard()

    def _check(
        self,
        labels: npt.ArrayLike,
        predictions: Mapping[str, npt.ArrayLike],
        weights: npt.ArrayLike | None,
        batch: pa.RecordBatch,
        present: npt.ArrayLike | None,
    ) -> _Rows:
        plan, n = self.plan, batch.num_rows
        label = np.asarray(labels, dtype=np.float64).reshape(n)
        labelled = np.ones(n, dtype=bool) if present is None else np.asarray(present, dtype=bool).reshape(n)
        weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64).reshape(n)
        bad_weight = labelled & ~(np.isfinite(weight) & (weight >= 0))
        usable = labelled & ~bad_weight
        weight = np.where(usable, weight, 0.0)
        bad_label = labelled & ~np.isfinite(label)
        if plan.task == "multiclass":
            bad_label |= labelled & ((label < 0) | (label >= plan.classes))
        label = np.where(labelled & ~bad_label, label, 0.0)
        outside = (label < -_TOLERANCE) | (label > 1 + _TOLERANCE) if plan.task == "binary" else np.zeros(n, dtype=bool)
        flags = [~labelled, bad_weight, bad_label, outside]
        sums, scores = [], []
        for model in plan.models:
            values = np.asarray(predictions[model], dtype=np.float64)
            values = values.reshape(n, plan.classes) if plan.task == "multiclass" else values.reshape(n)
            bad, beyond, values = _check_predictions(values, labelled)
            flags += [bad, beyond]
            rows = ClassRows(label.astype(np.int64), values) if values.ndim == 2 else ScalarRows(label, values)
            sums.append(moment_rows(rows, plan.moments) * weight)
            scores.append(np.clip(values, 0.0, 1.0) if plan.ranked else np.zeros(0))
        true = np.clip(label, 0.0, 1.0)
        groups = row_groups(batch, plan.groups, plan.config.options.seed)
        return _Rows(
            np.stack(sums), weight * true, weight * (1 - true), np.stack(scores), labelled, groups, np.stack(flags)
        )

    def _add(self, grouping: Grouping, data: _Rows) -> None:
        """Sums of every slice of one spec, without a loop over rows."""
        size, groups = len(grouping.keys), self.plan.groups
        models, moments = data.weighted.shape[:2]
        cells = grouping.codes * groups + data.groups[grouping.rows]
        sums = np.empty((models, moments, size * groups))
        for m in range(models):
            for k in range(moments):
                sums[m, k] = np.bincount(cells, data.weighted[m, k][grouping.rows], size * groups)
        by_slice = sums.reshape(models, moments, size, groups).transpose(2, 0, 1, 3)
        labelled = data.labelled[grouping.rows]
        counted = np.bincount(cells[labelled], minlength=size * groups).reshape(size, groups)
        counters = np.stack(
            [np.bincount(grouping.codes[flag[grouping.rows]], minlength=size) for flag in data.flags], axis=1
        )
        for index, key in enumerate(grouping.keys):
            state = self._slice(key)
            state.sums += by_slice[index]
            state.rows += counted[index]
            state.counters += counters[index]
        if self.plan.ranked:
            self._add_scores(grouping, data, labelled)

    def _add_scores(self, grouping: Grouping, data: _Rows, labelled: Bools) -> None:
        rows, codes = grouping.rows[labelled], grouping.codes[labelled]
        order = np.argsort(codes, kind="stable")
        rows = rows[order]
        ends = np.cumsum(np.bincount(codes, minlength=len(grouping.keys)))
        start = 0
        for key, end in zip(grouping.keys, ends.tolist(), strict=True):
            own, start = rows[start:end], end
            rank = self._slice(key).rank
            if rank is not None and len(own):
                rank.add(data.positive[own], data.negative[own], data.scores[:, own], data.groups[own])

    def _slice(self, key: SliceKey) -> SliceState:
        state = self.slices.get(key)
        if state is None:
            plan = self.plan
            models, groups = len(plan.models), plan.groups
            state = self.slices[key] = SliceState(
                np.zeros((models, len(plan.moments), groups)),
                np.zeros(groups, dtype=np.int64),
                np.zeros(len(COUNTERS) + models * len(MODEL_COUNTERS), dtype=np.int64),
                RankStore(models, groups, plan.config.options.exact_rank_rows) if plan.ranked else None,
            )
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
                continue
            mine.sums += theirs.sums
            mine.rows += theirs.rows
            mine.counters += theirs.counters
            if mine.rank is not None and theirs.rank is not None:
                mine.rank.merge(theirs.rank)
        self._guard()

    def state(self) -> bytes:
        """A compact state; slices in the order of their canonical text."""
        ordered = sorted(self.slices.items(), key=lambda item: key_text(item[0]))
        arrays: dict[str, Any] = {}
        for name in ("sums", "rows", "counters"):
            if ordered:
                arrays[name] = np.stack([getattr(state, name) for _, state in ordered])
        if self.plan.ranked and ordered:
            arrays |= pack_ranks([state.rank for _, state in ordered if state.rank is not None])
        header = {
            "slices": [key_text(key) for key, _ in ordered],
            "rows": self.rows,
            "missing_labels": self.missing_labels,
        }
        return pack_state(STATE_KIND, STATE_VERSION, header, arrays)

    @classmethod
    def from_state(cls, state: bytes, plan: EvalPlan) -> Self:
        """The accumulator that gave this state."""
        _, header, arrays = unpack_state(state, STATE_KIND, STATE_VERSION)
        self = cls(plan)
        self.rows, self.missing_labels = header["rows"], header["missing_labels"]
        ranks = unpack_ranks(arrays) if plan.ranked and header["slices"] else []
        for place, text in enumerate(header["slices"]):
            slot = self._slice(parse_key(text))
            slot.sums, slot.rows, slot.counters = (arrays[n][place] for n in ("sums", "rows", "counters"))
            if slot.rank is not None:
                slot.rank.restore(ranks[place])
        return self

    def finish(self) -> Measured:
        """Values, noise and changes of every slice."""
        from trueline.model_analysis.finish import finish

        return finish(self)

    def finish_models(self) -> dict[str, Measured]:
        """The same of every model but the baseline, by name."""
        from trueline.model_analysis.finish import finish_models

        return finish_models(self)


def _check_predictions(values: Floats, labelled: Bools) -> tuple[Bools, Bools, Floats]:
    """Which rows are not finite, which lie outside 0..1, and the values with a 0 in place of what is not finite."""
    finite = np.isfinite(values)
    kept = np.where(finite, values, 0.0)
    beyond = (kept < -_TOLERANCE) | (kept > 1 + _TOLERANCE)
    per_row = tuple(range(1, values.ndim))
    bad: Bools = labelled & ~np.asarray(finite.all(axis=per_row), dtype=bool)
    outside: Bools = labelled & np.asarray(beyond.any(axis=per_row), dtype=bool)
    return bad, outside, kept
