"""The search among thresholds of groups: every level of a rate, or a grid of levels of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from trueline.model_analysis.rows import Bools, Floats, Ints

__all__ = ["STEPS", "ThresholdTask", "search_thresholds"]

STEPS = 1000
_LEVELS = 100
Best: TypeAlias = tuple[tuple[bool, float, float], Ints]


@dataclass(frozen=True)
class ThresholdTask:
    """What is searched, over T thresholds and n groups.

    Attributes:
        rates: the rates that must agree, one or two, each ``[T, n]``.
        gains: what is gained at each threshold ``[T, n]``.
        useful: where some rows of a group are positive and some are not ``[T, n]``.
        max_gap: the difference that is aimed at.
    """

    rates: tuple[Floats, ...]
    gains: Floats
    useful: Bools
    max_gap: float


def search_thresholds(task: ThresholdTask) -> Ints:
    """The place of each group's threshold ``[n]``."""
    return _one_rate(task) if len(task.rates) == 1 else _two_rates(task)


def _one_rate(task: ThresholdTask) -> Ints:
    """The best of all levels; see `optimise.py`."""
    rate = task.rates[0]
    levels = np.unique(np.round(np.concatenate([rate.ravel(), rate.ravel() - task.max_gap]).clip(0, 1), 6))
    if len(levels) > 4 * STEPS:
        levels = np.linspace(0, 1, 4 * STEPS + 1)
    best: Best | None = None
    for c in levels:
        distance = np.maximum(np.maximum(c - rate, rate - c - task.max_gap), 0.0)
        best = _better(best, task, _nearest(task, distance))
    assert best is not None
    return best[1]


def _two_rates(task: ThresholdTask) -> Ints:
    first, second = task.rates
    best: Best | None = None
    for c in np.linspace(0, 1, _LEVELS + 1):
        for d in np.linspace(0, 1, _LEVELS + 1):
            if d > c:  # a group whose false positive rate is above its true one is decided the wrong way round
                continue
            half = task.max_gap / 2
            distance = np.maximum(np.maximum(np.abs(first - c), np.abs(second - d)) - half, 0.0)
            best = _better(best, task, _nearest(task, distance))
    assert best is not None
    return best[1]


def _nearest(task: ThresholdTask, distance: Floats) -> Ints:
    """For each group the threshold of the least distance, and of those the one of the greatest gain."""
    barred = np.where(task.useful, distance, distance + 2.0)
    least = barred.min(axis=0)
    gains = np.where(barred <= least + 1e-12, task.gains, -np.inf)
    found: Ints = np.argmax(gains, axis=0).astype(np.int64)
    return found


def _better(best: Best | None, task: ThresholdTask, chosen: Ints) -> Best:
    """Within the gap the greater gain wins; else the smaller gap."""
    at = np.arange(len(chosen))
    picked = [rate[chosen, at] for rate in task.rates]
    gap = max(float(r.max() - r.min()) for r in picked)
    within = gap <= task.max_gap + 1e-12
    gain = float(task.gains[chosen, at].sum())
    score = (within, gain, -gap) if within else (within, -gap, gain)
    return (score, chosen) if best is None or score > best[0] else best
