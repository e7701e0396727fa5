"""What is measured, on which slices, and what must hold: `EvalConfig` in the structure of TFMA's proto."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trueline._core.errors import ConfigError
from trueline.model_analysis.config_json import decode, encode, freeze, parse_json

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
class SlicingSpec:
    """Which slices to make; all parts together describe one cross. Empty means the overall slice.

    Attributes:
        feature_keys: columns; each combination of their values is a slice.
        feature_values: column -> value; only rows with this value. ``"1"`` also matches the integer 1 and true,
            ``"1.5"`` the float, ``"[10, 20)"`` that bucket in a threshold's spec.
        expression: a condition in trueline's expression language, e.g. ``"fare > 20"``; unknown is not true.
        buckets: numeric column -> ascending boundaries; a value on a boundary belongs to the bucket above it: the
            boundaries 10 and 20 give ``< 10``, ``[10, 20)`` and ``>= 20``. NaN has a bucket of its own, ``NaN``.
        slice_keys_sql: TFMA's ``SELECT STRUCT(...)`` in the forms that have a counterpart here, see `slices_sql.py`;
            the other parts are empty then.
    """

    feature_keys: tuple[str, ...] = ()
    feature_values: Mapping[str, str] = field(default_factory=dict)
    expression: str | None = None
    buckets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    slice_keys_sql: str = ""

    def __post_init__(self) -> None:
        freeze(self)
        texts = {k: _value_text(v) for k, v in self.feature_values.items()}
        object.__setattr__(self, "feature_values", texts)
        object.__setattr__(self, "buckets", {k: tuple(float(x) for x in v) for k, v in self.buckets.items()})

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns it names, sorted, without those of the expression."""
        return tuple(sorted({*self.feature_keys, *self.feature_values, *self.buckets}))

    def __str__(self) -> str:
        parts = [
            f"{k}={self.feature_values[k]}" if k in self.feature_values
            else f"{k} in buckets at {', '.join(f'{b:g}' for b in self.buckets[k])}" if k in self.buckets
            else k
            for k in self.columns
        ]  # fmt: skip
        return " × ".join([*parts, *filter(None, (self.expression, self.slice_keys_sql))]) or "Overall"


def _value_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class CrossSlicingSpec:
    """Pairs of slices whose metrics are subtracted: the baseline slice's value minus each compared slice's.

    Attributes:
        baseline_spec: describes the slice on the left.
        slicing_specs: the slices on the right; none given means every other slice.
    """

    baseline_spec: SlicingSpec = field(default_factory=lambda: SlicingSpec())
    slicing_specs: tuple[SlicingSpec, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)


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
        test: what sampling noise does. ``"worse"``: the candidate is refused only where it is worse beyond the bound
            *and* beyond noise (the benefit of the doubt is the candidate's). ``"non_inferior"``: it passes only where
            the whole interval of the change is on the right side of the bound (the candidate has to show it).
            ``"value"``: TFMA's rule, the bare change is compared with the bound.
        confidence: level of this check; None takes `EvalOptions.confidence`.
    """

    absolute: float | None = None
    relative: float | None = None
    direction: str | None = None
    test: str = "worse"
    confidence: float | None = None


@dataclass(frozen=True)
class MetricThreshold:
    """What one metric must satisfy: its value, its change against the baseline, or both.

    Attributes:
        value_threshold: bounds of the value.
        change_threshold: bounds of the change.
        undefined: what an undefined value does: ``"fail"`` closes the gate and names the slice, ``"pass"`` lets it
            through and says so in the verdict.
    """

    value_threshold: GenericValueThreshold | None = None
    change_threshold: GenericChangeThreshold | None = None
    undefined: str = "fail"


@dataclass(frozen=True)
class PerSliceMetricThreshold:
    """A threshold for the slices of certain specs alone; each spec must find at least one slice in the data."""

    slicing_specs: tuple[SlicingSpec, ...] = ()
    threshold: MetricThreshold = field(default_factory=MetricThreshold)

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class CrossSliceMetricThreshold:
    """A threshold for the differences between slices of certain pairs; each pair must occur in the data."""

    cross_slicing_specs: tuple[CrossSlicingSpec, ...] = ()
    threshold: MetricThreshold = field(default_factory=MetricThreshold)

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class BinarizationOptions:
    """Makes binary problems of a multi-class one; one key each.

    Attributes:
        class_ids: one class against the rest, by its number.
        k_list: the prediction that is k-th from above, and its label.
        top_k_list: the k greatest predictions as positives, all others never.
    """

    class_ids: tuple[int, ...] = ()
    k_list: tuple[int, ...] = ()
    top_k_list: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class AggregationOptions:
    """One number out of all classes.

    Attributes:
        micro_average: every class of every row is a binary row of its own.
        macro_average: mean over the classes of `class_weights`, weighted by them.
        weighted_macro_average: the same, weighted by the classes' frequency too.
        class_weights: class number -> weight; for macro averages these are the classes that count.
        top_k_list: aggregates the k greatest predictions.
    """

    micro_average: bool = False
    macro_average: bool = False
    weighted_macro_average: bool = False
    class_weights: Mapping[int, float] = field(default_factory=dict)
    top_k_list: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)
        weights = {int(k): float(v) for k, v in self.class_weights.items()}
        object.__setattr__(self, "class_weights", weights)


@dataclass(frozen=True)
class ExampleWeightOptions:
    """Whether metrics are weighted, unweighted or both; neither means weighted where there is a weight."""

    weighted: bool = False
    unweighted: bool = False


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
        metrics: the metrics to compute.
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
        freeze(self)
        for name in ("per_slice_thresholds", "cross_slice_thresholds"):
            object.__setattr__(self, name, {k: tuple(v) for k, v in getattr(self, name).items()})


@dataclass(frozen=True)
class ConfidenceIntervalOptions:
    """How intervals are made.

    Attributes:
        method: ``JACKKNIFE`` (delete a group, `EvalOptions.noise_groups` groups), ``POISSON_BOOTSTRAP`` (groups of rows
            drawn with Poisson multiplicities) or ``CLOSED_FORM`` (the metric's own formula where it has one, else the
            jackknife).
        resamples: of the bootstrap.
    """

    method: str = "JACKKNIFE"
    resamples: int = 200


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
        confidence_intervals: the method of intervals.
        multiplicity: how the level is shared among all change checks of the evaluation: ``bonferroni``, ``holm``,
            ``benjamini_hochberg`` (false discovery rate) or ``none``.
        hold_queries: ranking metrics keep the rows of all queries, so that a query's rows may lie anywhere; otherwise
            they must follow each other.
        include_default_metrics, disabled_outputs: of TFMA; kept, and change nothing here.
    """

    min_slice_size: int = 1
    confidence: float = 0.95
    compute_confidence_intervals: bool = False
    noise_groups: int = 32
    seed: int = 0
    exact_rank_rows: int = 20_000
    max_slices: int = 10_000
    confidence_intervals: ConfidenceIntervalOptions = field(default_factory=ConfidenceIntervalOptions)
    multiplicity: str = "bonferroni"
    hold_queries: bool = False
    include_default_metrics: bool = True
    disabled_outputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)


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
