"""What is kept of one slice: sums, counts, histograms, the order of scores, and states of metrics' own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline.engine.state import pack_state, unpack_state
from trueline.model_analysis.checked import COUNTERS, MODEL_COUNTERS
from trueline.model_analysis.metrics.record import OwnState
from trueline.model_analysis.plan import EvalPlan
from trueline.model_analysis.rank import RankStore, pack_ranks, unpack_ranks
from trueline.model_analysis.rows import Floats, Ints

__all__ = ["SliceState", "new_slice", "pack_slices", "unpack_slices"]

STATE_KIND, STATE_VERSION = "model_analysis.metrics", 2


@dataclass
class SliceState:
    """One slice of M models.

    Attributes:
        sums: sums of moments by noise group ``[M, K, G]``, in the order of `EvalPlan.sums`.
        rows: labelled rows by group ``[G]``.
        counters: rows that cannot be used by reason, ``[outputs * (4 + 2 M)]``.
        tables: for each planned histogram ``[M, width]``, or ``[M, G, width]`` where it is kept by group.
        ranks: for each ranked view, of each model.
        owns: for each metric with its own state, of each model.
    """

    sums: Floats
    rows: Ints
    counters: Ints
    tables: list[Floats]
    ranks: list[list[RankStore]]
    owns: list[list[OwnState]]

    def merge(self, other: SliceState) -> None:
        """Takes in the rows of the blocks that follow."""
        self.sums += other.sums
        self.rows += other.rows
        self.counters += other.counters
        for mine, theirs in zip(self.tables, other.tables, strict=True):
            mine += theirs
        for ranks, of in zip(self.ranks, other.ranks, strict=True):
            for rank, that in zip(ranks, of, strict=True):
                rank.merge(that)
        for owns, others in zip(self.owns, other.owns, strict=True):
            for own, them in zip(owns, others, strict=True):
                own.merge(them)


def new_slice(plan: EvalPlan) -> SliceState:
    """An empty slice."""
    models, groups = len(plan.models), plan.groups
    cap = plan.config.options.exact_rank_rows
    return SliceState(
        np.zeros((models, len(plan.sums), groups)),
        np.zeros(groups, dtype=np.int64),
        np.zeros(len(plan.outputs) * (len(COUNTERS) + models * len(MODEL_COUNTERS)), dtype=np.int64),
        [np.zeros((models, *([groups] if table.grouped else []), table.width)) for table in plan.tables],
        [[RankStore(groups, cap) for _ in plan.models] for _ in plan.ranked],
        [[_own(planned, groups) for _ in plan.models] for planned in plan.owns],
    )


def _own(planned: Any, groups: int) -> OwnState:
    """A fresh state; the option ``__groups__`` tells it how many noise groups there are."""
    state: OwnState = planned.metric.own({**planned.options, "__groups__": groups})
    return state


def pack_slices(header: dict[str, Any], states: Sequence[SliceState]) -> bytes:
    """The bytes of many slices."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    owns: list[list[list[dict[str, Any]]]] = []
    if states:
        for name in ("sums", "rows", "counters"):
            arrays[name] = np.stack([getattr(state, name) for state in states])
        for t in range(len(states[0].tables)):
            arrays[f"table.{t}"] = np.stack([state.tables[t] for state in states])
        arrays |= pack_ranks([rank for state in states for ranks in state.ranks for rank in ranks])
    for s, state in enumerate(states):
        owns.append([])
        for o, by_model in enumerate(state.owns):
            owns[-1].append([])
            for m, own in enumerate(by_model):
                said, held = own.state()
                owns[-1][-1].append({"said": said, "arrays": sorted(held)})
                arrays |= {f"own.{s}.{o}.{m}.{name}": array for name, array in held.items()}
    return pack_state(STATE_KIND, STATE_VERSION, {**header, "owns": owns}, arrays)


def unpack_slices(data: bytes, plan: EvalPlan) -> tuple[dict[str, Any], list[SliceState]]:
    """The header and the slices that `pack_slices` wrote."""
    _, header, arrays = unpack_state(data, STATE_KIND, STATE_VERSION)
    cap, models = plan.config.options.exact_rank_rows, plan.models
    states = [
        SliceState(
            arrays["sums"][s],
            arrays["rows"][s],
            arrays["counters"][s],
            [arrays[f"table.{t}"][s] for t in range(len(plan.tables))],
            [[RankStore(plan.groups, cap) for _ in models] for _ in plan.ranked],
            [[_own(planned, plan.groups) for _ in models] for planned in plan.owns],
        )
        for s in range(len(header["slices"]))
    ]
    ranks = iter(unpack_ranks(arrays) if states and plan.ranked else ())
    for s, state in enumerate(states):
        for by_model in state.ranks:
            for rank in by_model:
                rank.restore(next(ranks))
        for o, owns in enumerate(state.owns):
            for m, own in enumerate(owns):
                entry = header["owns"][s][o][m]
                own.restore(entry["said"], {name: arrays[f"own.{s}.{o}.{m}.{name}"] for name in entry["arrays"]})
    return header, states
