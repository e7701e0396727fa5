"""Problems of model specs and of the evaluation's options."""

from __future__ import annotations

import math
from collections import Counter

from trueline._core.errors import did_you_mean
from trueline.model_analysis.config import EvalConfig, EvalOptions, ModelSpec
from trueline.model_analysis.config_fields import MESSAGES
from trueline.model_analysis.multiplicity import MULTIPLICITY

__all__ = ["model_spec_problems", "option_problems"]

METHODS = ("JACKKNIFE", "POISSON_BOOTSTRAP", "CLOSED_FORM")
MAX_RESAMPLES = 10_000
_LIMITS: tuple[tuple[str, float, float], ...] = (
    ("min_slice_size", 0, math.inf),
    ("noise_groups", 2, 255),
    ("exact_rank_rows", 0, 10_000_000),
    ("max_slices", 1, math.inf),
    ("seed", 0, 2**63 - 1),
)


def option_problems(options: EvalOptions) -> list[str]:
    """The problems of `EvalOptions`."""
    problems = [
        f"options.{name} is {value!r}, it must be a whole number from {low:g} to {high:g}"
        for name, low, high in _LIMITS
        if not _whole(value := getattr(options, name)) or not low <= value <= high
    ]
    level = options.confidence
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0.5 <= level < 1:
        problems.append(f"options.confidence is {level!r}, it must be from 0.5 to below 1")
    intervals = options.confidence_intervals
    for name, value, allowed in (
        ("multiplicity", options.multiplicity, MULTIPLICITY),
        ("confidence_intervals.method", intervals.method, METHODS),
    ):
        if value not in allowed:
            problems.append(f"options.{name} is {value!r}. {did_you_mean(str(value), allowed)}")
    if not _whole(intervals.resamples) or not 2 <= intervals.resamples <= MAX_RESAMPLES:
        problems.append(
            f"options.confidence_intervals.resamples is {intervals.resamples!r}, "
            f"it must be a whole number from 2 to {MAX_RESAMPLES}"
        )
    return problems


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def model_spec_problems(config: EvalConfig) -> list[str]:
    """The problems of `ModelSpec`s: one baseline at most, names that tell models apart, one form of each key."""
    specs = config.model_specs
    problems = [p for spec in specs for p in _spec_problems(spec)]
    baselines = [s for s in specs if s.is_baseline]
    if len(baselines) > 1:
        problems.append(f"{len(baselines)} model specs are the baseline, one at most can be")
    unnamed = [s for s in specs if not s.name]
    only_candidate = len(specs) - len(baselines) == 1
    if len(specs) > 1 and unnamed and not (only_candidate and not unnamed[0].is_baseline and len(unnamed) == 1):
        problems.append(f"{len(specs)} model specs need names to be told apart, {len(unnamed)} have none")
    problems += [
        f"{n} model specs have the name {name!r}"
        for name, n in Counter(s.name for s in specs).items()
        if n > 1 and name
    ]
    return problems


def _spec_problems(spec: ModelSpec) -> list[str]:
    where = f"model spec {spec.name!r}" if spec.name else "the model spec"
    problems = [
        f"{where} has {name} and {name}s; give one of them"
        for name in ("label_key", "prediction_key", "example_weight_key")
        if getattr(spec, name) is not None and getattr(spec, f"{name}s")
    ]
    fields = MESSAGES["PaddingOptions"]
    problems += [
        f"{where}: padding_options has no {name!r}. {did_you_mean(str(name), fields)}"
        for name in spec.padding_options
        if name not in fields
    ]
    size = spec.inference_batch_size
    if size is not None and (not _whole(size) or size < 1):
        problems.append(f"{where}: inference_batch_size is {size!r}, a positive whole number is expected")
    return problems
