"""The options of a statistics pass, by TensorFlow Data Validation's names, and our own beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import ConfigError
from trueline.data_validation.options_frozen import telling
from trueline.schema.paths import FeaturePath

__all__ = ["PerFeatureStatsConfig", "StatsOptions"]

_LIMITS = (
    "num_top_values",
    "frequency_threshold",
    "num_rank_histogram_buckets",
    "num_values_histogram_buckets",
    "num_histogram_buckets",
    "num_quantiles_histogram_buckets",
    "max_distinct",
    "max_distinct_bytes",
)
_LEAST_POINTS = 4096
_POINTS_TIMES_EPSILON = 40
"""So many points over epsilon keep every rank error below epsilon for any number of blocks up to 2**79."""


@dataclass(frozen=True)
class PerFeatureStatsConfig:
    """Which features get histograms (and with them quantiles, a median and the number-of-values histogram).

    Attributes:
        paths: column names or `FeaturePath`.
        mode: ``INCLUDE``: only these; ``EXCLUDE``: all but these.
    """

    paths: Sequence[FeaturePath | str | Sequence[str]] = ()
    mode: str = "EXCLUDE"

    def __post_init__(self) -> None:
        if self.mode not in ("INCLUDE", "EXCLUDE"):
            raise ConfigError(f"mode is {self.mode!r}", where="PerFeatureStatsConfig", hint="give INCLUDE or EXCLUDE.")
        if isinstance(self.paths, str):
            raise ConfigError("paths is a string, it must be a list of features", where="PerFeatureStatsConfig")
        object.__setattr__(self, "paths", tuple(FeaturePath.of(path) for path in self.paths))

    def histograms(self, path: FeaturePath | str | Sequence[str]) -> bool:
        """Whether the feature gets histograms."""
        return (FeaturePath.of(path) in self.paths) == (self.mode == "INCLUDE")


@telling
@dataclass(frozen=True, kw_only=True)
class StatsOptions:
    """What a statistics pass computes, and how much memory it may use for it.

    Names, defaults and meaning are TensorFlow Data Validation's, except where an attribute says otherwise. Some of
    its options tune its own runner and mean nothing here: they are checked, kept, and change no figure.

    Attributes:
        generators: accumulators of the user's own, as `AccumulatorSpec` or objects with ``spec()``, see
            `trueline.data_validation.custom`.
        schema: a tensorflow-metadata `Schema`, which says what is categorical, an image, sparse or weighted.
        label_feature: the column to predict; with a schema, statistics of lift are made.
        weight_feature: a numeric column with one value a row: the row's weight.
        slice_functions: functions of the user's own, top-level or as ``package.module:function``: from a record batch
            to pairs (slice key, record batch). `experimental_slice_functions` is the same option.
        slicing_config: a `SlicingConfig` proto, or its text; see `trueline.data_validation.slicing`.
        sample_rate: share of ROWS that is looked at, chosen by their hash. Upstream keeps or drops whole batches, so
            that its sample depends on how rows were batched; counts are not scaled up, here as there.
        num_top_values: length of `top_values`.
        frequency_threshold: least count with which a value appears in `top_values` and `rank_histogram`.
        weighted_frequency_threshold: the same for weighted counts.
        num_rank_histogram_buckets: most buckets of `rank_histogram`.
        num_values_histogram_buckets: buckets of the histogram of list lengths.
        num_histogram_buckets: equal-width buckets of the STANDARD histogram.
        num_quantiles_histogram_buckets: buckets of the QUANTILES histogram.
        epsilon: greatest rank error of a quantile, as a share of the values; it counts where `max_quantile_points` is
            None, and then the error is mostly far smaller.
        infer_type_from_schema: CSV alone: types come from the schema, columns that it does not name are left out.
        desired_batch_size: no effect: statistics are made block by block, and the data fix the blocks.
        enable_semantic_domain_stats: looks for images, natural language and times.
        semantic_domain_stats_sample_rate: share of rows that this looks at, chosen as `sample_rate` chooses.
        per_feature_weight_override: feature -> the column that is its weight instead of `weight_feature`.
        vocab_paths: vocabulary name -> file, one token a line, or a ``.tfrecord.gz``.
        add_default_generators: False: only `generators` and what other options ask for.
        feature_allowlist: the only columns to look at, in this order, or None for all.
        use_sketch_based_topk_uniques: no effect: counts are exact up to `max_distinct` and a sketch beyond.
            `experimental_use_sketch_based_topk_uniques` is the same option.
        experimental_result_partitions: no effect: there is one result.
        experimental_num_feature_partitions: no effect.
        experimental_filter_read_paths: no effect: only columns that are needed are read anyway.
        per_feature_stats_config: which features get histograms.
        slices: expressions (see `trueline._core.expr`), or pairs (name, expression): each a slice of the rows for
            which it is true.
        max_slices: most slices; more is an error that names the feature.
        cross_features: covariance and correlation of numeric features: True for all pairs, or a list of columns.
        mutual_information: of every feature with `label_feature`.
        count_empty_values: counts -1, "" and empty lists.
        leakage: which features alone predict `label_feature` almost perfectly.
        leakage_threshold: the share of the label that a feature must predict to be reported.
        lift_min_count: lift is given for values that occur in more rows than this.
        lift_top_k: the greatest lifts to keep for a label, None for all.
        lift_bottom_k: the smallest lifts to keep for a label, beside the greatest.
        lift_boundaries: cuts a numeric label into ``[low, high)``.
        max_quantile_points: distinct numbers a column up to which quantiles and histograms are exact; beyond it a
            summary of so many weighted points is kept, see `trueline.data_validation.quantiles`. None: as many as
            `epsilon` needs, at least 4096.
        max_distinct: distinct strings a column up to which counts are exact; beyond it see
            `trueline.data_validation.frequencies`.
        max_distinct_bytes: the same bound for the bytes of the distinct strings.

    Raises:
        ConfigError: naming every option that is wrong.
    """

    generators: Sequence[Any] | None = None
    schema: Any = None
    label_feature: str | None = None
    weight_feature: str | None = None
    slice_functions: Sequence[Any] | None = None
    experimental_slice_functions: Sequence[Any] | None = None
    slicing_config: Any = None
    sample_rate: float | None = None
    num_top_values: int = 20
    frequency_threshold: int = 1
    weighted_frequency_threshold: float = 1.0
    num_rank_histogram_buckets: int = 1000
    num_values_histogram_buckets: int = 10
    num_histogram_buckets: int = 10
    num_quantiles_histogram_buckets: int = 10
    epsilon: float = 0.01
    infer_type_from_schema: bool = False
    desired_batch_size: int | None = None
    enable_semantic_domain_stats: bool = False
    semantic_domain_stats_sample_rate: float | None = None
    per_feature_weight_override: Mapping[Any, str] | None = None
    vocab_paths: Mapping[str, str] | None = None
    add_default_generators: bool = True
    feature_allowlist: Sequence[str] | None = None
    use_sketch_based_topk_uniques: bool | None = None
    experimental_use_sketch_based_topk_uniques: bool | None = None
    experimental_result_partitions: int = 1
    experimental_num_feature_partitions: int = 1
    experimental_filter_read_paths: bool = False
    per_feature_stats_config: PerFeatureStatsConfig | None = None
    slices: Sequence[Any] = ()
    max_slices: int = 1000
    cross_features: bool | Sequence[str] = False
    mutual_information: bool = False
    count_empty_values: bool = False
    leakage: bool = False
    leakage_threshold: float = 0.99
    lift_min_count: int = 0
    lift_top_k: int | None = None
    lift_bottom_k: int | None = None
    lift_boundaries: Sequence[float] | None = None
    max_quantile_points: int | None = None
    max_distinct: int = 200_000
    max_distinct_bytes: int = 64 * 2**20

    def __post_init__(self) -> None:
        from trueline.data_validation.options_check import normalized

        for name, value in normalized(self).items():
            object.__setattr__(self, name, value)

    def numbers(self) -> dict[str, int]:
        """The numeric options as JSON: what the accumulators need, `epsilon` turned into points."""
        points = self.max_quantile_points or max(_LEAST_POINTS, math.ceil(_POINTS_TIMES_EPSILON / self.epsilon))
        return {**{name: int(getattr(self, name)) for name in _LIMITS}, "max_quantile_points": points}

    def weight_of(self, path: FeaturePath | str | Sequence[str]) -> str | None:
        """The column that weighs a feature: its own override, or `weight_feature`.

        A field of a struct takes the override of the nearest feature above it that has one.
        """
        overrides, steps = self.per_feature_weight_override or {}, FeaturePath.of(path).steps
        for end in range(len(steps), 0, -1):
            if FeaturePath(steps[:end]) in overrides:
                return overrides[FeaturePath(steps[:end])]
        return self.weight_feature

    def histograms(self, path: FeaturePath | str | Sequence[str]) -> bool:
        """Whether a feature gets histograms."""
        return self.per_feature_stats_config is None or self.per_feature_stats_config.histograms(path)

    def to_json(self) -> str:
        """JSON; `from_json` is its inverse. Schema and slicing config are in it as the JSON of their protos.

        Custom accumulators and slice functions are data here (importable names), so they are in it too; upstream
        refuses them.
        """
        from trueline.data_validation.options_json import options_to_json

        return options_to_json(self)

    @classmethod
    def from_json(cls, text: str) -> StatsOptions:
        """The options that `to_json` wrote, of ours or of TensorFlow Data Validation.

        Raises:
            ConfigError: for text that is no JSON object, unknown options, and values that are wrong.
        """
        from trueline.data_validation.options_json import options_from_json

        return options_from_json(text)
