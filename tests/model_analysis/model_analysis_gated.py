"""Measured values made by hand, for gates: what a pass would have found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trueline.model_analysis import (
    EvalConfig,
    EvalOptions,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SliceMetrics,
    ValidationResult,
    validate_metrics,
)
from trueline.model_analysis.measured import Change, CrossSliceMetrics, Estimate, Measured
from trueline.model_analysis.slices import SliceKey

Numbers = tuple[float | None, float | None, float | None]
"""Candidate, baseline, standard error of the change; the errors of both models are 10 times that."""


def value(lower: float | None = None, upper: float | None = None, **more: Any) -> MetricThreshold:
    return MetricThreshold(GenericValueThreshold(lower, upper), **more)


def change(
    absolute: float | None = None, relative: float | None = None, undefined: str = "fail", **more: Any
) -> MetricThreshold:
    return MetricThreshold(None, GenericChangeThreshold(absolute, relative, **more), undefined)


def estimate(found: float | None, error: float | None = None) -> Estimate:
    return Estimate(found, None if found is not None else "no positives", error)


def parts(numbers: dict[str, Numbers]) -> tuple[dict[str, Estimate], dict[str, Estimate], dict[str, Change]]:
    wide = {k: None if error is None else 10 * error for k, (_, _, error) in numbers.items()}
    mine = {k: estimate(now, wide[k]) for k, (now, _, _) in numbers.items()}
    base = {k: estimate(before, wide[k]) for k, (_, before, _) in numbers.items()}
    both = {
        k: (now - before, error)
        for k, (now, before, error) in numbers.items()
        if now is not None and before is not None
    }
    changes = {k: Change(*both[k]) if k in both else Change(None) for k in numbers}
    return mine, base, changes


def one_slice(key: SliceKey = (), groups: int = 32, rows: int = 1000, **numbers: Numbers) -> SliceMetrics:
    return SliceMetrics(key, rows, 0, groups, *parts(numbers))


def pair(left: SliceKey, right: SliceKey, **numbers: Numbers) -> CrossSliceMetrics:
    return CrossSliceMetrics((left, right), *parts(numbers))


def config_of(
    *metrics: MetricConfig, slices: Sequence[Any] = (), spec: dict[str, Any] | None = None, **options: Any
) -> EvalConfig:
    return EvalConfig([MetricsSpec(metrics, **(spec or {}))], slices, EvalOptions(**options))


def judge(
    config: EvalConfig, *slices: SliceMetrics, has_baseline: bool = True, cross: Sequence[Any] = (), **more: Any
) -> ValidationResult:
    return validate_metrics(Measured(slices, cross=tuple(cross), **more), config, has_baseline=has_baseline)
