"""Two data sets compared by their distributions alone: what the DistributionValidator asks, without a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.data_validation.distances import jensen_shannon_divergence
from trueline.data_validation.views import DatasetView, FeatureView, dataset_view
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

__all__ = ["check_comparators", "validate_distributions"]

_DISTANCES = ("infinity_norm", "jensen_shannon_divergence", "normalized_abs_difference")
_FRACTIONS = ("min_fraction", "max_fraction")
_KEPT = "COMPARATOR_"


def check_comparators(
    features: Mapping[str, Mapping[str, float]], num_examples: Mapping[str, float] | None = None
) -> list[str]:
    """What is wrong with a configuration; empty if nothing is. See `validate_distributions`."""
    problems = [] if features or num_examples else ["it compares nothing: name a feature, or num_examples"]
    for name, limits in features.items():
        if not limits:
            problems.append(f"feature {name!r} has no threshold; give one of {', '.join(_DISTANCES)}")
        for kind, value in limits.items():
            if kind not in _DISTANCES:
                problems.append(f"feature {name!r} has a threshold {kind!r}. {did_you_mean(kind, _DISTANCES)}")
            elif not _is_share(value):
                problems.append(f"feature {name!r}: {kind} is {value!r}, give a number from 0 to 1")
    for kind, value in (num_examples or {}).items():
        if kind not in _FRACTIONS:
            problems.append(f"num_examples has {kind!r}. {did_you_mean(kind, _FRACTIONS)}")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            problems.append(f"num_examples: {kind} is {value!r}, give a number of 0 or more")
    return problems


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def validate_distributions(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    baseline_statistics: statistics_pb2.DatasetFeatureStatisticsList,
    features: Mapping[str, Mapping[str, float]],
    num_examples: Mapping[str, float] | None = None,
    *,
    confidence: float | None = None,
) -> anomalies_pb2.Anomalies:
    """The anomalies of a data set's distributions against a baseline's, and nothing else.

    Args:
        statistics: the data.
        baseline_statistics: what they are compared with.
        features: by feature the thresholds of its distances:
            ``{"company": {"infinity_norm": 0.01}, "fare": {"jensen_shannon_divergence": 0.1}}``.
        num_examples: bounds of rows / rows of the baseline: ``{"min_fraction": 0.8, "max_fraction": 1.5}``.
        confidence: as ``drift_confidence`` of `validate_statistics`.

    Returns:
        Comparator anomalies, every measurement as drift, and STATS_NOT_AVAILABLE where a named feature is in neither
        data set or only in the baseline, or a distance cannot be told: the feature has values on one side alone, or its
        values were not counted one by one, as `infinity_norm` and `normalized_abs_difference` need them.

    Raises:
        ConfigError: listing everything that is wrong with the thresholds.
        SchemaError: for statistics of another kind.
    """
    from trueline.data_validation.validation import validate_statistics

    problems = check_comparators(features, num_examples)
    if problems:
        raise ConfigError("the comparison is set up wrongly", problems=problems)
    view = dataset_view(statistics)
    found = validate_statistics(
        statistics,
        _schema(view, features, num_examples),
        previous_statistics=baseline_statistics,
        drift_confidence=confidence,
    )
    _keep_comparators(found)
    baseline = dataset_view(baseline_statistics, "baseline_statistics")
    for name, limits in features.items():
        path = _find(view, name)
        if path is None:
            _note(found, FeaturePath(tuple(name.split("."))), name, "the data have no statistics of it.")
        elif path in baseline.features and not found.data_missing:
            untold = [kind for kind in limits if _untold(view.features[path], baseline.features[path], kind)]
            if untold:
                why = f"{' and '.join(untold)} cannot be told: one side has no values, or they are not counted alike."
                _note(found, path, str(path), why)
    return found


def _untold(one: FeatureView, other: FeatureView, kind: str) -> bool:
    """Whether a distance says nothing, though a side has values: numbers have no counts, an empty side no shares."""
    if not any(view.num_present and view.common.tot_num_values for view in (one, other)):
        return False
    counted = one.has_rank_histogram and other.has_rank_histogram
    if kind != "jensen_shannon_divergence" or counted:
        return not counted
    return jensen_shannon_divergence(one, other, "STANDARD") is None


def _note(found: anomalies_pb2.Anomalies, path: FeaturePath, key: str, why: str) -> None:
    info = found.anomaly_info[key]
    if not info.path.step:
        info.path.step.extend(path.steps)
    text = f"The comparison names this feature, and {why}"
    info.severity = info.ERROR
    info.description = f"{info.description} {text}".strip()
    info.short_description = "Multiple errors" if info.reason else "Statistics are missing"
    info.reason.add(type=info.STATS_NOT_AVAILABLE, short_description="Statistics are missing", description=text)


def _find(view: DatasetView, name: str) -> FeaturePath | None:
    """The feature of that name; steps of a struct are joined by dots."""
    return next((path for path in view.features if ".".join(path.steps) == name), None)


def _schema(
    view: DatasetView, features: Mapping[str, Mapping[str, float]], num_examples: Mapping[str, float] | None
) -> schema_pb2.Schema:
    """A schema that says of the data what they are, and the thresholds."""
    from trueline.data_validation.attach import new_statistics
    from trueline.data_validation.inference import infer_schema
    from trueline.schema.index import SchemaIndex

    holder = type(view.proto)()
    holder.CopyFrom(view.proto)
    alone = new_statistics()
    alone.datasets.append(holder)
    schema = infer_schema(alone, infer_feature_shape=False, max_string_domain_size=0)
    known = SchemaIndex(schema).features
    for name, limits in features.items():
        path = _find(view, name)
        feature = None if path is None else known.get(path)
        if feature is not None:
            for kind, value in limits.items():
                getattr(feature.drift_comparator, kind).threshold = value
    for kind, value in (num_examples or {}).items():
        setattr(schema.dataset_constraints.num_examples_drift_comparator, f"{kind}_threshold", value)
    return schema


def _keep_comparators(found: anomalies_pb2.Anomalies) -> None:
    """Takes out what the made-up schema says of anything but distributions."""
    for name in list(found.anomaly_info):
        info = found.anomaly_info[name]
        kept = [r for r in info.reason if info.Type.Name(r.type).startswith(_KEPT)]
        if len(kept) != len(info.reason):
            del info.reason[:]
            info.reason.extend(kept)
        if not kept:
            del found.anomaly_info[name]
    found.ClearField("baseline")
