"""What is measured, on which slices, and what must hold: `EvalConfig` in the structure of TFMA's proto."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trueline._core.errors import ConfigError
from trueline.model_analysis.config_json import decode, encode, freeze, parse_json
from trueline.model_analysis.config_options import (
    AggregationOptions,
    BinarizationOptions,
    ConfidenceIntervalOptions,
    EvalOptions,
    ExampleWeightOptions,
)
from trueline.model_analysis.config_slicing import CrossSlicingSpec, SlicingSpec
from trueline.model_analysis.config_thresholds import (
    CrossSliceMetricThreshold,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricThreshold,
    PerSliceMetricThreshold,
)

__all__ = [
    "DIRECTIONS",
    "EVAL_CONFIG_FORMAT",
    "AggregationOptions",
    "BinarizationOptions",
    "ConfidenceIntervalOptions",
    "CrossSliceMetricThreshold",
    "CrossSlicingSpec",
    "EvalConfig",
    "EvalOptions",
    "ExampleWeightOptions",
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
    """A model's name, and where labels, predictions and weights stand in a table that already holds predictions.

    A `Model` brings its own label and weight, so `evaluate` needs no model spec.

    Attributes:
        name: needed where there are several models.
        label_key: column of the label; `label_keys` maps outputs to columns where there are several outputs.
        prediction_key: column of the prediction; `prediction_keys` by output.
        example_weight_key: column of the weight; `example_weight_keys` by output.
        is_baseline: the model that the others are compared with; one at most.
        model_type, signature_name, preprocessing_function_names, padding_options, inference_batch_size: of TFMA;
            they are kept and written, and change nothing here, where a `Model` states all of it.
    """

    name: str = ""
    label_key: str | None = None
    prediction_key: str | None = None
    example_weight_key: str | None = None
    is_baseline: bool = False
    label_keys: Mapping[str, str] = field(default_factory=dict)
    prediction_keys: Mapping[str, str] = field(default_factory=dict)
    example_weight_keys: Mapping[str, str] = field(default_factory=dict)
    model_type: str = ""
    signature_name: str = ""
    preprocessing_function_names: tuple[str, ...] = ()
    padding_options: Mapping[str, Any] = field(default_factory=dict)
    inference_batch_size: int | None = None

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class MetricConfig:
    """One metric: TFMA's class name, its options, and its thresholds.

    Attributes:
        class_name: e.g. ``"AUC"``; of a metric of one's own, the name of the class or function in `module`; of
            scikit-learn, a function of ``sklearn.metrics``.
        module: where `class_name` stands: empty for those known here, ``sklearn.metrics``, or an importable module.
        config: options of the metric; ``name`` renames its key.
        threshold: holds on every slice, the overall one included.
        per_slice_thresholds: hold on the slices of their own specs.
        cross_slice_thresholds: hold on the differences between slices.
    """

    class_name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    threshold: MetricThreshold | None = None
    per_slice_thresholds: tuple[PerSliceMetricThreshold, ...] = ()
    cross_slice_thresholds: tuple[CrossSliceMetricThreshold, ...] = ()
    module: str = ""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class MetricsSpec:
    """Metrics, what they are computed on, and thresholds by metric key.

    Attributes:
        metrics: the metrics to compute; a class name alone stands for a `MetricConfig` of it.
        thresholds: metric key -> threshold on every slice.
        per_slice_thresholds: metric key -> thresholds on slices.
        cross_slice_thresholds: metric key -> thresholds on differences between slices.
        model_names: the models to compute them for; none given means all.
        output_names: the outputs of models with several.
        output_weights: output -> weight: one more key, the weighted mean over outputs.
        binarize: binary problems out of a multi-class one.
        aggregate: one number out of all classes.
        example_weights: weighted, unweighted or both.
        query_key: the column whose equal values are one query, for ranking metrics.
    """

    metrics: tuple[MetricConfig, ...] = ()
    thresholds: Mapping[str, MetricThreshold] = field(default_factory=dict)
    per_slice_thresholds: Mapping[str, tuple[PerSliceMetricThreshold, ...]] = field(default_factory=dict)
    cross_slice_thresholds: Mapping[str, tuple[CrossSliceMetricThreshold, ...]] = field(default_factory=dict)
    model_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    output_weights: Mapping[str, float] = field(default_factory=dict)
    binarize: BinarizationOptions | None = None
    aggregate: AggregationOptions | None = None
    example_weights: ExampleWeightOptions | None = None
    query_key: str = ""

    def __post_init__(self) -> None:
        given: Any = self.metrics
        several = (given,) if isinstance(given, (str, MetricConfig)) else given
        object.__setattr__(self, "metrics", tuple(MetricConfig(m) if isinstance(m, str) else m for m in several))
        freeze(self)
        for name in ("per_slice_thresholds", "cross_slice_thresholds"):
            object.__setattr__(self, name, {k: tuple(v) for k, v in getattr(self, name).items()})


@dataclass(frozen=True)
class EvalConfig:
    """The whole configuration of an evaluation.

    Attributes:
        metrics_specs: what is measured and what must hold.
        slicing_specs: the slices. None given means the overall slice alone; as in TFMA, a list without an empty
            `SlicingSpec` has no overall slice.
        options: how it is measured.
        model_specs: names of models, and column names for tables that already hold predictions.
        cross_slicing_specs: pairs of slices that are compared with each other.
    """

    metrics_specs: tuple[MetricsSpec, ...] = ()
    slicing_specs: tuple[SlicingSpec, ...] = ()
    options: EvalOptions = field(default_factory=EvalOptions)
    model_specs: tuple[ModelSpec, ...] = ()
    cross_slicing_specs: tuple[CrossSlicingSpec, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def slices(self) -> tuple[SlicingSpec, ...]:
        """The slicing specs in force, equal ones once: the overall slice where none is given, and those that are
        compared in cross-slicing specs."""
        crossed = [s for c in self.cross_slicing_specs for s in (c.baseline_spec, *c.slicing_specs)]
        every = [*(self.slicing_specs or (SlicingSpec(),)), *crossed]
        return tuple({json.dumps(encode(s), sort_keys=True): s for s in every}.values())

    def to_json(self) -> str:
        """JSON text with a format number; fields that hold their default are left out."""
        return json.dumps({"format": EVAL_CONFIG_FORMAT, **encode(self)}, indent=2, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> EvalConfig:
        """The configuration that `to_json` described, or one of TFMA in protobuf's JSON form, checked.

        Of TFMA it reads ``EvalConfig`` with field names in camelCase or as in the proto, and the file
        ``eval_config.json`` of an evaluation. Without a format number and where nothing tells the forms apart, the text
        is read as ours.

        Raises:
            ConfigError: another format, no JSON, unknown fields, wrong types, or what `validate` refuses.
        """
        from trueline.model_analysis.config_proto_json import is_proto_json
        from trueline.model_analysis.config_tfma import config_from_proto_json

        data = parse_json(text)
        if "format" not in data and is_proto_json(data):
            config = config_from_proto_json(data)
            config.validate()
            return config
        found = data.pop("format", EVAL_CONFIG_FORMAT)
        if found != EVAL_CONFIG_FORMAT:
            raise ConfigError(f"the evaluation config has format {found}, this release reads {EVAL_CONFIG_FORMAT}")
        config = decode(cls, data)
        config.validate()
        return config

    def to_text(self) -> str:
        """TFMA's text proto of this configuration.

        Raises:
            ConfigError: listing all that is ours alone and has no place there, such as expressions and buckets.
        """
        from trueline.model_analysis.config_tfma_write import config_to_text

        return config_to_text(self)

    @classmethod
    def from_text(cls, text: str) -> EvalConfig:
        """The configuration of TFMA's text proto, checked.

        A change threshold keeps TFMA's meaning, ``test="value"``; the name of a single model is erased as there.

        Raises:
            ConfigError: with all problems, each with line and column; or what `validate` refuses.
        """
        from trueline.model_analysis.config_tfma import config_from_text

        config = config_from_text(text)
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
