"""The parts of a card about what was measured and judged: evaluation, fairness, explanation, robustness, operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "CriterionFacts", "EvaluationFacts", "ExplanationFacts", "FairnessFacts", "GroupRate", "ImportanceFacts",
    "MetricFacts", "OperationsFacts", "RobustnessFacts", "RobustnessLoss", "SliceFacts", "TooSmall", "Undefined",
    "WorstSlice",
]  # fmt: skip


@dataclass(frozen=True)
class MetricFacts:
    """One metric on one slice.

    Attributes:
        name: the metric's key.
        value: None where it is undefined.
        undefined: why.
        low, high: its interval, where noise was measured.
        error_bound: how far the value may be from the exact one, for values from histograms.
        baseline: the baseline's value; None without one.
        change, change_low, change_high: candidate minus baseline, with its interval.
    """

    name: str
    value: float | None = None
    undefined: str = ""
    low: float | None = None
    high: float | None = None
    error_bound: float | None = None
    baseline: float | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None


@dataclass(frozen=True)
class SliceFacts:
    """A slice: its labelled rows and its metrics."""

    name: str
    rows: int
    metrics: tuple[MetricFacts, ...] = ()


@dataclass(frozen=True)
class WorstSlice:
    """The slice on which a metric is worst, beside its value on all rows."""

    metric: str
    slice: str
    rows: int
    value: float
    low: float | None = None
    high: float | None = None
    overall: float | None = None
    higher_is_better: bool = True


@dataclass(frozen=True)
class TooSmall:
    """A slice below the minimum size: neither reported nor judged."""

    slice: str
    rows: int


@dataclass(frozen=True)
class Undefined:
    """A value that is undefined, and why."""

    metric: str
    slice: str
    reason: str


@dataclass(frozen=True)
class EvaluationFacts:
    """What was measured on held-out rows, and the verdict.

    Attributes:
        task: as the evaluation names it.
        rows, missing_labels: labelled rows, and rows that were left out because their label is missing.
        overall: the metrics on all rows.
        slices: all others, those with the worst first metric first; the first ones.
        slices_left: how many more slices there are.
        worst: for each metric that has a direction, the slice on which it is worst.
        too_small: slices below the minimum size; the first ones.
        too_small_left: how many more there are.
        undefined: undefined values; the first ones.
        undefined_left: how many more there are.
        directions: metric key -> whether a greater value is better, where that is known.
        judged: whether any threshold was configured.
        ok: whether all held.
        failures: why the gate is closed; sentences.
        notes: what else has to be said of the verdict; sentences.
        checks: how many bounds were judged.
        has_baseline: whether there was a model to compare with.
        confidence: of all intervals, between 0 and 1.
        intervals: how intervals were made, one sentence; empty where there are none.
        candidate, baseline: fingerprints of the models.
        min_slice_size: labelled rows that a slice must have.
        plots: structured values of all rows that can be drawn, by metric key.
    """

    task: str = ""
    rows: int = 0
    missing_labels: int = 0
    overall: tuple[MetricFacts, ...] = ()
    slices: tuple[SliceFacts, ...] = ()
    slices_left: int = 0
    worst: tuple[WorstSlice, ...] = ()
    too_small: tuple[TooSmall, ...] = ()
    too_small_left: int = 0
    undefined: tuple[Undefined, ...] = ()
    undefined_left: int = 0
    directions: Mapping[str, bool] = field(default_factory=dict)
    judged: bool = False
    ok: bool = False
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    checks: int = 0
    has_baseline: bool = False
    confidence: float = 0.95
    intervals: str = ""
    candidate: str = ""
    baseline: str = ""
    min_slice_size: int = 0
    plots: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupRate:
    """A rate of one group of people."""

    group: str
    rows: int
    rate: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    undefined: str = ""


@dataclass(frozen=True)
class CriterionFacts:
    """A criterion of fairness, and what was found of it in one sentence."""

    name: str
    outcome: str
    sentence: str = ""


@dataclass(frozen=True)
class FairnessFacts:
    """Groups beside each other: rates and gated criteria; sentences to bear in mind."""

    groups: tuple[GroupRate, ...] = ()
    criteria: tuple[CriterionFacts, ...] = ()
    notes: tuple[str, ...] = ()
    ok: bool | None = None


@dataclass(frozen=True)
class ImportanceFacts:
    """How much a feature counts."""

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    undefined: str = ""


@dataclass(frozen=True)
class ExplanationFacts:
    """What the model's answers depend on: `method` and `of` say what the numbers are; the greatest first."""

    method: str
    of: str
    importances: tuple[ImportanceFacts, ...] = ()
    left: int = 0


@dataclass(frozen=True)
class RobustnessLoss:
    """How much worse a metric gets when rows are disturbed, on one slice."""

    perturbation: str
    slice: str
    rows: int
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    undefined: str = ""


@dataclass(frozen=True)
class RobustnessFacts:
    """Losses under disturbance; `failures` are sentences of gates that it closed."""

    metric: str
    rows: int
    losses: tuple[RobustnessLoss, ...] = ()
    left: int = 0
    gated: bool = False
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OperationsFacts:
    """What the model costs to run: named figures with their units, of the candidate and of the baseline."""

    figures: tuple[MetricFacts, ...] = ()
