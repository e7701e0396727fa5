"""What a person looks at: statistics, comparisons, schemas and anomalies as HTML, under upstream's function names.

In a notebook the ``visualize_`` and ``display_`` functions show their HTML where they are called; elsewhere they return
it. Nothing is fetched from anywhere: the same page works offline and in an e-mail.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError, did_you_mean
from trueline.data_validation.comparators import CONTROLS, DISTANCES, kind_of
from trueline.data_validation.distances import jensen_shannon_divergence
from trueline.data_validation.distances_noise import noise_of
from trueline.data_validation.views import DEFAULT_SLICE, DatasetView, FeatureView
from trueline.display.feature_cells import Drift
from trueline.display.html import Html, Safe, join, page, table, tag
from trueline.schema.index import SchemaIndex

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

__all__ = [
    "compare_slices",
    "compare_statistics",
    "display_anomalies",
    "display_schema",
    "get_statistics_html",
    "visualize_statistics",
]

_LEFT, _RIGHT = "lhs_statistics", "rhs_statistics"
_CONFIDENCE = 0.95


def get_statistics_html(
    lhs_statistics: statistics_pb2.DatasetFeatureStatisticsList,
    rhs_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    lhs_name: str = _LEFT,
    rhs_name: str = _RIGHT,
    allowlist_features: Sequence[Any] | None = None,
    denylist_features: Sequence[Any] | None = None,
    *,
    schema: schema_pb2.Schema | None = None,
    anomalies: anomalies_pb2.Anomalies | None = None,
) -> str:
    """One self-contained HTML page of the statistics of a data set, or of two laid over each other.

    Args:
        lhs_statistics: the first; of several slices the one of all examples is shown.
        rhs_statistics: the second, or None.
        lhs_name, rhs_name: what to call them; equal names fall back to ``lhs_statistics`` and ``rhs_statistics``.
        allowlist_features: the only features to show, names or `FeaturePath`.
        denylist_features: features not to show; not together with the allowlist.
        schema: its drift or skew thresholds mark what lies above them.
        anomalies: marked at their features.

    Raises:
        SchemaError: both lists were given, or what is no statistics.
    """
    view = _overview(
        lhs_statistics,
        rhs_statistics,
        (lhs_name, rhs_name),
        (None, None),
        allowlist_features,
        denylist_features,
        schema,
        anomalies,
    )
    title = "Statistics" if rhs_statistics is None else f"{lhs_name} and {rhs_name}"
    return page(title, join([tag("h1", title), view]))


def visualize_statistics(
    lhs_statistics: statistics_pb2.DatasetFeatureStatisticsList,
    rhs_statistics: statistics_pb2.DatasetFeatureStatisticsList | None = None,
    lhs_name: str = _LEFT,
    rhs_name: str = _RIGHT,
    allowlist_features: Sequence[Any] | None = None,
    denylist_features: Sequence[Any] | None = None,
    *,
    schema: schema_pb2.Schema | None = None,
    anomalies: anomalies_pb2.Anomalies | None = None,
) -> Html | None:
    """Shows the statistics of a data set, or of two laid over each other, in a notebook.

    The arguments are those of `get_statistics_html`. Outside a notebook the HTML is returned.
    """
    return _shown(
        _overview(
            lhs_statistics,
            rhs_statistics,
            (lhs_name, rhs_name),
            (None, None),
            allowlist_features,
            denylist_features,
            schema,
            anomalies,
        )
    )


def compare_statistics(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    other: statistics_pb2.DatasetFeatureStatisticsList,
    names: tuple[str, str] = ("first", "second"),
    *,
    schema: schema_pb2.Schema | None = None,
    anomalies: anomalies_pb2.Anomalies | None = None,
) -> Html:
    """Two data sets laid over each other, with how far each feature lies between them: what ``stats.compare`` gives."""
    return _overview(statistics, other, names, (None, None), None, None, schema, anomalies)


def compare_slices(
    statistics: statistics_pb2.DatasetFeatureStatisticsList, lhs_slice_key: str, rhs_slice_key: str
) -> Html | None:
    """Shows two slices of one data set laid over each other.

    Raises:
        SchemaError: when a slice does not exist; the slices that there are are listed.
    """
    names = [dataset.name for dataset in statistics.datasets if dataset.name]
    if not names:
        raise SchemaError("the statistics have no slices", hint="make some: StatsOptions(slices=['fare > 20']).")
    problems = [f"{key!r}: {did_you_mean(key, names)}" for key in (lhs_slice_key, rhs_slice_key) if key not in names]
    if problems:
        raise SchemaError("these slices are not in the statistics", problems=problems)
    keys = (lhs_slice_key, rhs_slice_key)
    return _shown(_overview(statistics, statistics, keys, keys, None, None, None, None))


def _overview(
    lhs: Any,
    rhs: Any,
    names: tuple[str, str],
    slices: tuple[str | None, str | None],
    allow: Sequence[Any] | None,
    deny: Sequence[Any] | None,
    schema: Any,
    anomalies: Any,
) -> Html:
    from trueline.display.statistics import anomaly_marks, statistics_view

    if allow is not None and deny is not None:
        raise SchemaError("allowlist_features and denylist_features exclude each other", hint="give one of them.")
    _check_statistics(lhs, _LEFT)
    if rhs is not None:
        _check_statistics(rhs, _RIGHT)
    if names[0] == names[1]:
        names = (_LEFT, _RIGHT)
    return statistics_view(
        lhs,
        rhs,
        names=names,
        slices=slices,
        marks=None if anomalies is None else anomaly_marks(anomalies),
        drift=None if rhs is None else _drift(_slice(lhs, slices[0]), _slice(rhs, slices[1]), schema),
        only=None if allow is None else [_feature_name(f) for f in allow],
        leave_out=[_feature_name(f) for f in deny or ()],
    )


def _check_statistics(given: Any, what: str) -> None:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    if not isinstance(given, statistics_pb2.DatasetFeatureStatisticsList):
        raise SchemaError(
            f"{what} must be a DatasetFeatureStatisticsList, got {type(given).__name__}",
            hint="load_statistics reads them from a file, generate_statistics makes them of rows.",
        )


def _feature_name(feature: Any) -> str:
    steps = getattr(feature, "steps", None)
    found = steps() if callable(steps) else steps
    return ".".join(found) if found is not None else str(feature)


def _slice(statistics: Any, name: str | None) -> DatasetView | None:
    for dataset in statistics.datasets:
        if dataset.name == name or (name is None and dataset.name in ("", DEFAULT_SLICE)):
            return DatasetView(dataset)
    return DatasetView(statistics.datasets[0]) if statistics.datasets and name is None else None


def _drift(one: DatasetView | None, other: DatasetView | None, schema: Any) -> dict[str, Drift]:
    """How far each feature of both lies between them."""
    if one is None or other is None:
        return {}
    found: dict[str, Drift] = {}
    known = {} if schema is None else SchemaIndex(schema).features
    for path, view in one.features.items():
        mate = other.features.get(path)
        drift = None if mate is None else _feature_drift(view, mate, known.get(path))
        if drift is not None:
            found[".".join(path.steps)] = drift
    return found


def _feature_drift(view: FeatureView, mate: FeatureView, feature: Any) -> Drift | None:
    """By the schema's first comparator where it has one, else the Jensen-Shannon divergence."""
    for control in CONTROLS:
        comparator = None if feature is None else getattr(feature, control.field)
        for distance in DISTANCES:
            limit = None if comparator is None else getattr(comparator, distance.field)
            if limit is None or not limit.HasField("threshold"):
                continue
            measured = distance.measure(view, mate, limit)
            if measured is not None:
                sure = noise_of(distance.field, view, mate, kind_of(limit), _CONFIDENCE).lower
                return Drift(measured[0], distance.words, limit.threshold, measured[1], sure)
    value = jensen_shannon_divergence(view, mate, "STANDARD")
    if value is None:
        return None
    # Either histogram gives a bound: equal widths hide the bulk behind an outlier, quantiles show it.
    kinds, doubt = ("STANDARD", "QUANTILES"), (1 - _CONFIDENCE) / 2
    sure = max(noise_of("jensen_shannon_divergence", view, mate, kind, 1 - doubt).lower for kind in kinds)
    return Drift(value, "Jensen-Shannon divergence", lower=sure)


def display_schema(schema: schema_pb2.Schema) -> Html | None:
    """Shows a schema: its features with type, presence, valency and domain, and its string domains."""
    from trueline.data_validation.frames import domain_rows, feature_rows

    parts: list[Safe] = [table(["Feature", "Type", "Presence", "Valency", "Domain"], feature_rows(schema))]
    domains = domain_rows(schema)
    if domains:
        parts += [tag("h3", f"String domains ({len(domains)})"), table(["Domain", "Values"], domains)]
    return _shown(join(parts))


def display_anomalies(anomalies: anomalies_pb2.Anomalies) -> Html | None:
    """Shows anomalies, one row a feature; ``No anomalies found.`` where there are none."""
    from trueline.data_validation.frames import anomaly_rows

    rows = anomaly_rows(anomalies)
    if not rows:
        return _shown(tag("p", tag("span", "No anomalies found.", class_="good")))
    head = ["Feature", "Severity", "What", "Description", "Types"]
    return _shown(table(head, [[tag("b", r[0]), _severity(r[1]), *r[2:]] for r in rows]))


def _severity(name: str) -> Html:
    return tag("span", name.lower(), class_="badge bad" if name == "ERROR" else "badge warn")


def _shown(html: Html) -> Html | None:
    """Displays it where a notebook runs this code; else gives it back."""
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return html
    display: Any = importlib.import_module("IPython.display")  # untyped, and not everywhere there
    display.display(html)
    return None
