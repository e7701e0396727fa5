"""The data's part of a card, read from statistics, a schema, anomalies and rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.card.parts_data import (
    AnomalyFacts,
    DataFacts,
    SchemaFacts,
    SourceFacts,
    SplitFacts,
    StatisticsFacts,
)
from trueline.model_analysis.card.private import public_text

if TYPE_CHECKING:
    from trueline.data import Examples
    from trueline.display.facts import FeatureFacts

__all__ = ["data_facts"]

_MOST_SOURCES, _MOST_FEATURES, _MOST_VALUES, _MOST_LETTERS = 20, 200, 12, 120
_LEAST_NAMED = 10
"""A rarer value may tell of a person, and is not named."""
_TRAIN = "train"
_SEVERITY = {0: "unknown", 1: "warning", 2: "error"}
_TYPES = {0: "unknown", 1: "bytes", 2: "int", 3: "float", 4: "struct"}


def data_facts(
    examples: Examples | None = None,
    statistics: Any = None,
    schema: Any = None,
    anomalies: Any = None,
    span: int | None = None,
    version: int | None = None,
    fingerprint: str = "",
) -> DataFacts:
    """The facts of the data.

    Args:
        examples: the rows that the line read.
        statistics: a `DatasetFeatureStatisticsList`, or one for each split: the training split's are shown.
        schema: the `Schema`.
        anomalies: an `Anomalies`, or one for each split.
        span, version: of the rows.
        fingerprint: of the rows.

    Raises:
        ConfigError: statistics without a split.
    """
    split, found = _of_split(statistics)
    features = [] if found is None else _statistics(found)
    promised = [] if schema is None else [_promise(f, schema) for f in schema.feature]
    sources = [] if examples is None else [_source(s) for s in examples.sources]
    return DataFacts(
        splits=None if examples is None else tuple(SplitFacts(n, examples.num_rows(n)) for n in examples.splits),
        sources=tuple(sources[:_MOST_SOURCES]),
        sources_left=max(len(sources) - _MOST_SOURCES, 0),
        span=span,
        version=version,
        statistics=None if found is None else tuple(features[:_MOST_FEATURES]),
        statistics_split=split,
        statistics_left=max(len(features) - _MOST_FEATURES, 0),
        schema=None if schema is None else tuple(promised[:_MOST_FEATURES]),
        schema_left=max(len(promised) - _MOST_FEATURES, 0),
        anomalies=None if anomalies is None else tuple(_anomalies(anomalies)),
        examples_fingerprint=fingerprint,
    )


def _of_split(statistics: Any) -> tuple[str, Any]:
    """(split, statistics) of the split to show: ``train``, or the first one."""
    if statistics is None or not isinstance(statistics, Mapping):
        return "", statistics
    if not statistics:
        raise ConfigError("statistics= has no split", hint='give {"train": statistics}.')
    split = _TRAIN if _TRAIN in statistics else next(iter(statistics))
    return str(split), statistics[split]


def _statistics(found: Any) -> list[StatisticsFacts]:
    from trueline.data_validation.views import dataset_view
    from trueline.display.facts import dataset_facts

    dataset = dataset_facts(dataset_view(found).proto)
    return [_feature(f, dataset.rows) for f in dataset.features.values() if f.present or f.missing]


def _feature(f: FeatureFacts, rows: int) -> StatisticsFacts:
    numbers, strings = f.numbers, f.strings
    more: dict[str, Any] = {}
    if numbers is not None:
        figures = ("mean", "std_dev", "min", "median", "max")
        more = {name: _finite(getattr(numbers, name)) for name in figures}
        more["zeros"] = numbers.zeros / f.total if f.total else None
    if strings is not None:
        more = {"unique": strings.unique}
        value, count = strings.top[0] if strings.top else ("", 0.0)
        if count >= _LEAST_NAMED and f.total:
            more |= {"top": _cut(value), "top_share": min(count / f.total, 1.0)}
    return StatisticsFacts(f.name, f.type, rows, f.missing, **more)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else text[:_MOST_LETTERS] + "…"


def _source(source: Mapping[str, Any]) -> SourceFacts:
    return SourceFacts(
        public_text(str(source.get("name", ""))), int(source.get("rows") or 0), int(source.get("rejects") or 0)
    )


def _promise(feature: Any, schema: Any) -> SchemaFacts:
    return SchemaFacts(
        str(feature.name), _TYPES.get(feature.type, "unknown"), _presence(feature), _cut(_domain(feature, schema))
    )


def _presence(feature: Any) -> str:
    if not feature.HasField("presence"):
        return ""
    share = feature.presence.min_fraction
    if share >= 1:
        return "required"
    return f"in at least {share:.4g} of the rows" if share > 0 else "optional"


def _domain(feature: Any, schema: Any) -> str:
    which = feature.WhichOneof("domain_info")
    if which == "domain":
        named = next((d for d in schema.string_domain if d.name == feature.domain), None)
        return f"a value of {feature.domain}" if named is None else _values(list(named.value))
    if which == "string_domain":
        return _values(list(feature.string_domain.value))
    if which in ("int_domain", "float_domain"):
        domain = getattr(feature, which)
        low = f"at least {domain.min:g}" if domain.HasField("min") else ""
        high = f"at most {domain.max:g}" if domain.HasField("max") else ""
        return ", ".join(part for part in (low, high) if part)
    return "" if which is None else which.removesuffix("_domain").replace("_", " ")


def _values(values: list[str]) -> str:
    more = f" and {len(values) - _MOST_VALUES:,} more" if len(values) > _MOST_VALUES else ""
    return "one of " + ", ".join(values[:_MOST_VALUES]) + more


def _anomalies(anomalies: Any) -> list[AnomalyFacts]:
    by_split = anomalies if isinstance(anomalies, Mapping) else {"": anomalies}
    found = []
    for split, proto in by_split.items():
        if not hasattr(proto, "anomaly_info"):
            names = ["Anomalies", "a dict of split -> Anomalies"]
            raise ConfigError(f"anomalies= is a {type(proto).__name__}", hint=did_you_mean("Anomalies", names))
        named = sorted(proto.anomaly_info.items())
        if proto.HasField("dataset_anomaly_info"):
            named.append(("(the data set)", proto.dataset_anomaly_info))
        for name, info in named:
            severity = _SEVERITY.get(info.severity, "unknown")
            short, long = public_text(info.short_description), public_text(info.description)
            found.append(AnomalyFacts(str(split), str(name), severity, short, long))
    return found
