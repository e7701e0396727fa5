"""Times of models in turns: what disturbs the machine disturbs all of them, so that ratios hold where times do not.

A round asks every model the same rows one after the other, in an order that turns from call to call; the ratio is the
median over rounds of the ratio of medians.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.model_analysis.operational.records import Spread, Timings

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime

__all__ = ["ratio", "time_models"]


def time_models(
    runtimes: Mapping[str, ModelRuntime],
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    table: pa.Table,
    *,
    rounds: int,
    calls: int,
    batches: int,
) -> Timings:
    """Asks every model in turns.

    Args:
        runtimes: the models by name.
        rows: the rows that each is asked, one at a time, as its clients send them.
        table: raw rows of one batch.
        rounds: how often it is all done.
        calls: one-row calls of each model in a round.
        batches: batches of each model, all in all.
    """
    names = list(runtimes)
    for name in names:  # what is done at the first call alone is not timed
        for row in rows[name][:3]:
            runtimes[name].predict_rows([row])
        runtimes[name].predict_arrow(table)
    found = Timings({n: [] for n in names}, {n: [] for n in names}, {n: [] for n in names})
    for _ in range(rounds):
        wall, cpu = _round(runtimes, rows, names, calls)
        for name in names:
            found.wall[name].append(wall[name])
            found.cpu[name].append(cpu[name] / calls)
    for number in range(batches):
        for name in _turned(names, number):
            start = time.perf_counter_ns()
            runtimes[name].predict_arrow(table)
            found.batch[name].append(time.perf_counter_ns() - start)
    return found


def _round(
    runtimes: Mapping[str, ModelRuntime],
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    names: list[str],
    calls: int,
) -> tuple[dict[str, list[int]], dict[str, float]]:
    wall: dict[str, list[int]] = {n: [] for n in names}
    cpu = dict.fromkeys(names, 0.0)
    for number in range(calls):
        for name in _turned(names, number):
            runtime, row = runtimes[name], [rows[name][number % len(rows[name])]]
            cpu_start, start = time.process_time_ns(), time.perf_counter_ns()
            runtime.predict_rows(row)
            wall[name].append(time.perf_counter_ns() - start)
            cpu[name] += time.process_time_ns() - cpu_start
    return wall, cpu


def _turned(names: list[str], number: int) -> list[str]:
    return names if number % 2 == 0 else names[::-1]


def ratio(candidate: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Median, least and greatest of the ratios of rounds."""
    each = np.asarray(candidate, np.float64) / np.maximum(np.asarray(baseline, np.float64), 1e-9)
    return Spread(float(np.median(each)), float(each.min()), float(each.max()))
