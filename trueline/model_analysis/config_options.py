"""How metrics are measured: binary problems of many classes, weights, intervals, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trueline.model_analysis.config_json import freeze

__all__ = [
    "AggregationOptions",
    "BinarizationOptions",
    "ConfidenceIntervalOptions",
    "EvalOptions",
    "ExampleWeightOptions",
]


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
class ConfidenceIntervalOptions:
    """How intervals are made.

    Attributes:
        method: ``JACKKNIFE`` (delete a group, `EvalOptions.noise_groups` groups), ``POISSON_BOOTSTRAP`` (groups of rows
            drawn with Poisson multiplicities) or ``CLOSED_FORM`` (the metric's own formula where it has one, else the
            jackknife; see `metrics.closed_forms`). Changes are always measured by resampling, row paired with row.
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
        exact_rank_rows: up to so many rows or distinct scores a slice, AUC and its kin are exact; above, a
            10,000-bucket histogram.
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
