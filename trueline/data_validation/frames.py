"""Schemas, anomalies, drift and language statistics as pandas DataFrames, and as the plain rows these are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError
from trueline.schema.features import walk_features

if TYPE_CHECKING:
    import pandas as pd
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

__all__ = [
    "anomaly_rows",
    "domain_rows",
    "feature_rows",
    "frame_of",
    "get_anomalies_dataframe",
    "get_drift_skew_dataframe",
    "get_natural_language_statistics_dataframes",
    "get_schema_dataframe",
]

_DATASET = "[dataset anomaly]"


def frame_of(rows: Sequence[Sequence[Any]], columns: Sequence[str], index: str | None = None) -> pd.DataFrame:
    """Rows as a DataFrame.

    Raises:
        ConfigError: when pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ConfigError(
            "a DataFrame needs pandas", hint="pip install pandas, or use the display_ functions."
        ) from error
    frame = pandas.DataFrame([list(row) for row in rows], columns=list(columns))
    return frame if index is None else frame.set_index(index)


def get_schema_dataframe(schema: schema_pb2.Schema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A schema as two DataFrames: features (Type, Presence, Valency, Domain) and string domains (Values).

    Raises:
        ConfigError: when pandas is not installed.
    """
    features = frame_of(feature_rows(schema), ["Feature name", "Type", "Presence", "Valency", "Domain"], "Feature name")
    return features, frame_of(domain_rows(schema), ["Domain", "Values"], "Domain")


def get_anomalies_dataframe(anomalies: anomalies_pb2.Anomalies) -> pd.DataFrame:
    """Anomalies, one row a feature: severity, both descriptions, and the types of all reasons.

    Raises:
        ConfigError: when pandas is not installed.
    """
    head = ["Feature name", "Severity", "Anomaly short description", "Anomaly long description", "Anomaly types"]
    return frame_of(anomaly_rows(anomalies), head, "Feature name")


def get_drift_skew_dataframe(anomalies: anomalies_pb2.Anomalies) -> pd.DataFrame:
    """Every measured distance: path, comparison, type, value, threshold.

    Upstream's function of this name leaves skew measurements out; here both kinds are rows.

    Raises:
        ConfigError: when pandas is not installed.
    """
    rows = [
        [".".join(info.path.step), kind, m.Type.Name(m.type), m.value, m.threshold]
        for info in anomalies.drift_skew_info
        for kind, measured in (("drift", info.drift_measurements), ("skew", info.skew_measurements))
        for m in measured
    ]
    return frame_of(rows, ["path", "comparison", "type", "value", "threshold"])


def get_natural_language_statistics_dataframes(
    lhs_statistics: statistics_pb2.DatasetFeatureStatisticsList,
    rhs_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    lhs_name: str = "lhs_statistics",
    rhs_name: str = "rhs_statistics",
) -> dict[str, dict[str, tuple[pd.DataFrame, pd.DataFrame]]]:
    """Language statistics: by data set, by feature, a DataFrame of figures and one of tokens by rank.

    Raises:
        ConfigError: when pandas is not installed.
    """
    given = {lhs_name: lhs_statistics} | ({rhs_name: rhs_statistics} if rhs_statistics is not None else {})
    return {name: _language(statistics) for name, statistics in given.items()}


def _language(statistics: Any) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    found = {}
    for dataset in statistics.datasets[:1]:
        for feature in dataset.features:
            for stat in feature.custom_stats:
                if stat.name != "nl_statistics":
                    continue
                message = statistics_pb2.NaturalLanguageStatistics()
                stat.any.Unpack(message)
                names = ("feature_coverage", "avg_token_length", "min_sequence_length", "max_sequence_length")
                figures = [[n, getattr(message, n)] for n in names]
                tokens = [[b.label, b.sample_count] for b in message.rank_histogram.buckets]
                name = ".".join(feature.path.step) or feature.name
                found[name] = (frame_of(figures, ["figure", "value"]), frame_of(tokens, ["token", "count"]))
    return found


def feature_rows(schema: schema_pb2.Schema) -> list[list[str]]:
    """Name, type, presence, valency and domain of every feature, fields of structs included."""
    return [
        [".".join(path.steps), _type(feature), _presence(feature), _valency(feature), _domain(feature)]
        for path, feature in walk_features(schema)
    ]


def domain_rows(schema: schema_pb2.Schema) -> list[list[str]]:
    """Name and values of the schema's string domains."""
    return [[repr(d.name), ", ".join(repr(v) for v in d.value)] for d in schema.string_domain]


def anomaly_rows(anomalies: anomalies_pb2.Anomalies) -> list[list[str]]:
    """Name, severity, both descriptions and types of each feature's anomaly; the whole data set's first."""
    infos: list[tuple[str, Any]] = sorted(anomalies.anomaly_info.items())
    if anomalies.dataset_anomaly_info.reason:
        infos.insert(0, (_DATASET, anomalies.dataset_anomaly_info))
    return [_anomaly_row(name, info) for name, info in infos]


def _anomaly_row(name: str, info: Any) -> list[str]:
    types = ", ".join(info.Type.Name(reason.type) for reason in info.reason)
    return [name, info.Severity.Name(info.severity), info.short_description, info.description, types]


def _type(feature: Any) -> str:
    from tensorflow_metadata.proto.v0 import schema_pb2

    name = schema_pb2.FeatureType.Name(feature.type)
    return "STRING" if name == "BYTES" and feature.WhichOneof("domain_info") in ("domain", "string_domain") else name


def _presence(feature: Any) -> str:
    if not feature.HasField("presence"):
        return ""
    return "required" if feature.presence.min_fraction == 1.0 else "optional"


def _valency(feature: Any) -> str:
    which = feature.WhichOneof("shape_type")
    if which == "shape":
        sizes = [d.size for d in feature.shape.dim]
        return "single" if all(size == 1 for size in sizes) else "[" + ",".join(map(str, sizes)) + "]"
    if which == "value_count":
        return _count(feature.value_count)
    if which == "value_counts":
        return " ".join(_count(level) for level in feature.value_counts.value_count)
    return ""


def _count(level: Any) -> str:
    low = str(level.min) if level.HasField("min") else "0"
    if level.HasField("max") and level.min == level.max == 1:
        return "single"
    return f"[{low},{level.max}]" if level.HasField("max") else f"[{low},inf)"


def _domain(feature: Any) -> str:
    which = feature.WhichOneof("domain_info")
    if which is None or which == "struct_domain":
        return "-"
    found = getattr(feature, which)
    if which == "domain":
        return repr(str(found))
    if which in ("int_domain", "float_domain"):
        return _range(found)
    if which == "bool_domain":
        return f"{found.true_value or 'True'}, {found.false_value or 'False'}"
    if which == "string_domain":
        return ", ".join(repr(v) for v in found.value)
    return str(which)


def _range(domain: Any) -> str:
    """``min: 0; max: 5``; an open end of floats is infinite unless infinities are forbidden."""
    open_ends: Mapping[str, str] = {}
    if hasattr(domain, "disallow_inf") and not domain.disallow_inf:
        open_ends = {"min": "-inf", "max": "inf"}
    shown = {end: str(getattr(domain, end)) if domain.HasField(end) else open_ends.get(end) for end in ("min", "max")}
    if not any(domain.HasField(end) for end in ("min", "max")):
        return "-"
    return "; ".join(f"{end}: {value}" for end, value in shown.items() if value is not None)
