"""Rules about sparse and weighted features, which combine columns; their figures are custom statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trueline.data_validation.rules import Reason, many
from trueline.data_validation.views import DatasetView, FeatureView
from trueline.schema.features import deprecated
from trueline.schema.paths import FeaturePath

__all__ = ["judge_composites"]


@dataclass(frozen=True)
class CompositeRule:
    """One kind of anomaly of a sparse or weighted feature.

    Attributes:
        field: ``sparse_feature`` or ``weighted_feature`` of the schema.
        type: name of the `AnomalyInfo.Type`.
        short: a few words.
        statistics: custom statistics, numbers or rank histograms, that must be zero.
        text: a sentence with ``{what}``, ``{count}`` and ``{rows}``.
        together: whether all of them make one reason instead of one each.
    """

    field: str
    type: str
    short: str
    statistics: tuple[str, ...]
    text: str
    together: bool = False


_RULES = (
    CompositeRule(
        "sparse_feature",
        "SPARSE_FEATURE_MISSING_VALUE",
        "Values missing",
        ("missing_value",),
        "{rows} with indices and without values.",
    ),
    CompositeRule(
        "sparse_feature",
        "SPARSE_FEATURE_MISSING_INDEX",
        "Indices missing",
        ("missing_index",),
        "{rows} with values and without index {what!r}.",
    ),
    CompositeRule(
        "sparse_feature",
        "SPARSE_FEATURE_LENGTH_MISMATCH",
        "Other number of indices",
        ("min_length_diff", "max_length_diff"),
        "Index {what!r} and the values differ in length by {count:g}.",
    ),
    CompositeRule(
        "weighted_feature",
        "WEIGHTED_FEATURE_MISSING_VALUE",
        "Values missing",
        ("missing_value",),
        "{rows} with weights and without values.",
    ),
    CompositeRule(
        "weighted_feature",
        "WEIGHTED_FEATURE_MISSING_WEIGHT",
        "Weights missing",
        ("missing_weight",),
        "{rows} with values and without weights.",
    ),
    CompositeRule(
        "weighted_feature",
        "WEIGHTED_FEATURE_LENGTH_MISMATCH",
        "Other number of weights",
        ("min_weight_length_diff", "max_weight_length_diff"),
        "Weights and values differ in length by {count:g}.",
        together=True,
    ),
)


def judge_composites(schema: Any, dataset: DatasetView) -> list[tuple[FeaturePath, Reason]]:
    """The reasons against sparse and weighted features; those at fault are marked as deprecated in the schema."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    stage = schema_pb2.LifecycleStage.Value("DEPRECATED")
    found: list[tuple[FeaturePath, Reason]] = []
    for type_name, features in list(_collisions(schema)):
        if any(_retired(feature) for feature in features):  # by a collision of three
            continue
        text = "The schema uses this name for several features."
        found.append((FeaturePath((features[0].name,)), Reason(type_name, "Name used twice", text)))
        for feature in features:
            feature.lifecycle_stage = stage
    faulty: list[Any] = []
    for rule in _RULES:
        for feature in getattr(schema, rule.field):
            view = dataset.extras.get(FeaturePath((feature.name,)))
            if view is None or _retired(feature):
                continue
            reasons = list(_reasons(rule, view))
            found += [(view.path, reason) for reason in reasons]
            faulty += [feature] * bool(reasons)
    for feature in faulty:
        feature.lifecycle_stage = stage
    return found


def _retired(feature: Any) -> bool:
    """Whether it is out of service; a weighted feature has no `deprecated` flag."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    if "deprecated" in feature.DESCRIPTOR.fields_by_name:
        return deprecated(feature)
    return deprecated(schema_pb2.Feature(lifecycle_stage=feature.lifecycle_stage))


def _collisions(schema: Any) -> Iterator[tuple[str, list[Any]]]:
    """Type of anomaly and the features that share one name, sparse or weighted ones among them."""
    plain, sparse, weighted = (
        {feature.name: feature for feature in features if not _retired(feature)}
        for features in (schema.feature, schema.sparse_feature, schema.weighted_feature)
    )
    for name, feature in weighted.items():
        others = [features[name] for features in (plain, sparse) if name in features]
        if others:
            yield "WEIGHTED_FEATURE_NAME_COLLISION", [feature, *others]
    for name, feature in sparse.items():
        if name in plain:
            yield "SPARSE_FEATURE_NAME_COLLISION", [feature, plain[name]]


def _reasons(rule: CompositeRule, view: FeatureView) -> Iterator[Reason]:
    figures = [pair for name in rule.statistics for pair in _figures(view, name) if pair[1]]
    for what, count in figures[:1] if rule.together else figures:
        yield Reason(rule.type, rule.short, rule.text.format(what=what, count=count, rows=many(count, "row")))


def _figures(view: FeatureView, name: str) -> list[tuple[str, float]]:
    """Label and figure of a custom statistic that is a number or a rank histogram."""
    found: list[tuple[str, float]] = []
    for stat in view.custom(name):
        if stat.WhichOneof("val") == "rank_histogram":
            found += [(bucket.label, bucket.sample_count) for bucket in stat.rank_histogram.buckets]
        else:
            found.append(("", stat.num))
    return found
