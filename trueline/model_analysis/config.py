"""What is measured, on which slices, and what must hold: `EvalConfig` in the structure of TFMA's proto."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trueline._core.errors import ConfigError
from trueline.model_analysis.config_json import decode, encode, freeze

__all__ = [
    "DIRECTIONS",
    "EVAL_CONFIG_FORMAT",
    "EvalConfig",
    "EvalOptions",
    "GenericChangeThreshold",
    "GenericValueThreshold",
    "MetricConfig",
    "MetricThreshold",
    "MetricsSpec",
    "ModelSpec",
    "PerSliceMetricThreshold",
    "SlicingSpec",
]

EVAL_CONFIG_FORMAT = 1
DIRECTIONS = ("HIGHER_IS_BETTER", "LOWER_IS_BETTER")


@dataclass(frozen=True)
class ModelSpec:
    """Where labels, predictions and weights stand in a table that already holds predictions.

    A `Model` brings its own label and weight, so `evaluate` needs no model spec.
    """

    name: str = ""
    label_key: str | None = None
    prediction_key: str | None = None
    example_weight_key: str | None = None
    is_baseline: bool = False


@dataclass(frozen=True)
class SlicingSpec:
    """Which slices to make; all parts together describe one cross. Empty means the overall slice.

    Attributes:
        feature_keys: columns; each combination of their values is a slice.
        feature_values: column -> value; only rows with this value. ``"1"`` also matches the integer 1, ``"1.5"`` the
            float.
        expression: a condition in trueline's expression language, e.g. ``"fare > 20"``; unknown is not true.
    """

    feature_keys: tuple[str, ...] = ()
    feature_values: Mapping[str, str] = field(default_factory=dict)
    expression: str | None = None

    def __post_init__(self) -> None:
        freeze(self)
        texts = {k: _value_text(v) for k, v in self.feature_values.items()}
        object.__setattr__(self, "feature_values", texts)

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns it names, sorted, without those of the expression."""
        return tuple(sorted({*self.feature_keys, *self.feature_values}))

    def __str__(self) -> str:
        parts = [f"{k}={self.feature_values[k]}" if k in self.feature_values else k for k in self.columns]
        return " × ".join(parts + ([self.expression] if self.expression else [])) or "Overall"


def _value_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class GenericValueThreshold:
    """Bounds of the value itself, both inclusive."""

    lower_bound: float | None = None
    upper_bound: float | None = None


@dataclass(frozen=True)
class GenericChangeThreshold:
    """Bounds of candidate - baseline (`absolute`) and of (candidate - baseline) / baseline (`relative`).

    For HIGHER_IS_BETTER the change must be at least the bound, for LOWER_IS_BETTER at most; where both are given, both
    must hold. A bound of -0.01 on a higher-is-better metric is a margin: it may get worse by 0.01.

    Attributes:
        absolute: bound of the difference, in the metric's unit.
        relative: bound of the difference divided by the baseline's value.
        direction: ``HIGHER_IS_BETTER`` or ``LOWER_IS_BETTER``; None takes the metric's own direction.
    """

    absolute: float | None = None
    relative: float | None = None
    direction: str | None = None


@dataclass(frozen=True)
class MetricThreshold:
    """What one metric must satisfy: its value, its change against the baseline, or both."""

    value_threshold: GenericValueThreshold | None = None
    change_threshold: GenericChangeThreshold | None = None


@dataclass(frozen=True)
class PerSliceMetricThreshold:
    """A threshold for the slices of certain specs alone; each spec must find at least one slice in the data."""

    slicing_specs: tuple[SlicingSpec, ...] = ()
    threshold: MetricThreshold = field(default_factory=MetricThreshold)

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class MetricConfig:
    """One metric: TFMA's class name, its options, and its thresholds.

    Attributes:
        class_name: e.g. ``"AUC"``.
        config: options of the metric; ``name`` renames its key.
        threshold: holds on every slice, the overall one included.
        per_slice_thresholds: hold on the slices of their own specs.
    """

    class_name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    threshold: MetricThreshold | None = None
    per_slice_thresholds: tuple[PerSliceMetricThreshold, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class MetricsSpec:
    """Metrics, and thresholds by metric key.

    Attributes:
        metrics: the metrics to compute.
        thresholds: metric key -> threshold on every slice.
        per_slice_thresholds: metric key -> thresholds on slices.
    """

    metrics: tuple[MetricConfig, ...] = ()
    thresholds: Mapping[str, MetricThreshold] = field(default_factory=dict)
    per_slice_thresholds: Mapping[str, tuple[PerSliceMetricThreshold, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        freeze(self)
        frozen = {k: tuple(v) for k, v in self.per_slice_thresholds.items()}
        object.__setattr__(self, "per_slice_thresholds", frozen)


@dataclass(frozen=True)
class EvalOptions:
    """How it is measured.

    Attributes:
        min_slice_size: slices with fewer labelled rows are neither reported nor gated; the overall slice always is.
        confidence: family-wise level at which a worsening counts as more than sampling noise; also that of intervals.
        compute_confidence_intervals: standard errors without a baseline too.
        noise_groups: random groups of rows for the delete-a-group jackknife.
        seed: of the hash that deals rows into groups.
        exact_rank_rows: up to so many rows a slice, AUC and its kin are exact; above, a 10,000-bucket histogram.
        max_slices: more slices than this are an error, so that memory stays bounded.
    """

    min_slice_size: int = 1
    confidence: float = 0.95
    compute_confidence_intervals: bool = False
    noise_groups: int = 32
    seed: int = 0
    exact_rank_rows: int = 20_000
    max_slices: int = 10_000


@dataclass(frozen=True)
class EvalConfig:
    """The whole configuration of an evaluation.

    Attributes:
        metrics_specs: what is measured and what must hold.
        slicing_specs: the slices. None given means the overall slice alone; as in TFMA, a list without an empty
            `SlicingSpec` has no overall slice.
        options: how it is measured.
        model_specs: column names for tables that already hold predictions.
    """

    metrics_specs: tuple[MetricsSpec, ...] = ()
    slicing_specs: tuple[SlicingSpec, ...] = ()
    options: EvalOptions = field(default_factory=EvalOptions)
    model_specs: tuple[ModelSpec, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def slices(self) -> tuple[SlicingSpec, ...]:
        """The slicing specs in force: the overall slice where none is given; equal ones once."""
        unique = {json.dumps(encode(s), sort_keys=True): s for s in self.slicing_specs}
        return tuple(unique.values()) or (SlicingSpec(),)

    def to_json(self) -> str:
        """JSON text with a format number; fields that hold their default are left out."""
        return json.dumps({"format": EVAL_CONFIG_FORMAT, **encode(self)}, indent=2, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> EvalConfig:
        """The configuration that `to_json` described, checked.

        Raises:
            ConfigError: another format, no JSON, unknown fields, wrong types, or what `validate` refuses.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"the evaluation config is no JSON: {error}") from error
        if not isinstance(data, dict):
            raise ConfigError(f"the evaluation config must be a JSON object, not {type(data).__name__}")
        found = data.pop("format", EVAL_CONFIG_FORMAT)
        if found != EVAL_CONFIG_FORMAT:
            raise ConfigError(f"the evaluation config has format {found}, this release reads {EVAL_CONFIG_FORMAT}")
        config = decode(cls, data)
        config.validate()
        return config

    def validate(self) -> None:
        """Checks everything that can be known without data.

        Raises:
            ConfigError: with all problems at once.
        """
        from trueline.model_analysis.check import config_problems

        problems = config_problems(self)
        if problems:
            raise ConfigError("the evaluation config cannot work", problems=problems)
